"""Comparisons: the change word of every kind of pair of results, its evidence, and what fails."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.comparison import compare, compare_tables, failure, stamped
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.evidence import Side
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import Effect, binomial_tail, rank_tail

INF = math.inf
OUTCOMES = {"m": "missed", "d": "diverged", "c": "crashed", "t": "timeout"}
BASE = [100.0] * 32


def row(steps=BASE, *, start=1.0, first_seed=0, **rest):
    """A case with these steps per seed; a letter is a run that did not reach the target."""
    seeds = range(first_seed, first_seed + len(steps))
    made = {
        "recipe": "Acme",
        "task": "bowl",
        "task_version": 1,
        "budget": 900,
        "eval_every": 1,
        "target": 0.1,
        "seeds": tuple(seeds),
        "initial": tuple(start + seed for seed in seeds),
        "outcomes": tuple(OUTCOMES.get(one, "reached") for one in steps),
        "steps": tuple(None if one in OUTCOMES else int(one) for one in steps),
        "best": tuple(0.05 for _ in seeds),
        "curve": "[[0,1.0],[10,0.5],[100,0.05]]",
        "trajectory_sha": f"sha of {steps}",
        "torch": "2.13.0",
    }
    return BaselineRow(**{**made, **rest})


def against_base(steps, base=BASE, gate=None, **rest):
    return compare(row(base), row(steps, **rest), gate or Gate())


@pytest.mark.parametrize(
    ("base", "steps", "change", "pairs", "worse", "better"),
    [
        (BASE, [106] * 29 + [100] * 3, "slower", 32, 29, 0),
        (BASE, [106] * 28 + [100] * 4, "changed", 32, 28, 0),
        (BASE, [105] * 32, "changed", 32, 0, 0),
        (BASE, [95] * 29 + [100] * 3, "faster", 32, 0, 29),
        (BASE, [95] * 28 + [100] * 4, "changed", 32, 0, 28),
        (BASE, [96] * 32, "changed", 32, 0, 0),
        (BASE, ["m"] * 29 + [100] * 3, "slower", 32, 29, 0),
        (BASE, ["d"] * 15 + ["c"] * 14 + [100] * 3, "slower", 32, 29, 0),
        ([*[100] * 17, *["m"] * 15], ["m"] * 32, "slower", 17, 17, 0),
        ([*[100] * 16, *["m"] * 16], ["m"] * 32, "changed", 16, 16, 0),
        ([*[100] * 20, *["m"] * 12], [*[101] * 20, *["m"] * 12], "changed", 20, 0, 0),
        (["m"] * 32, [100] * 32, "faster", 32, 0, 32),
        (["m"] * 32, ["d"] * 32, "changed", 0, 0, 0),
        (["m"] * 32, ["m"] * 31 + [100], "changed", 1, 0, 1),
        ([0] * 32, [0] * 31 + [1], "changed", 32, 1, 0),
    ],
)
def test_the_change_follows_from_the_pairs(base, steps, change, pairs, worse, better):
    found = against_base(steps, base)
    assert (found.change, found.evidence.paired) == (change, True)
    assert (found.evidence.pairs, found.evidence.worse, found.evidence.better) == (pairs, worse, better)
    assert found.evidence.p_value == binomial_tail(pairs, max(worse, better))


@pytest.mark.parametrize(("tolerance", "change"), [(0.05, "slower"), (0.06, "changed"), (0.0, "slower")])
def test_the_tolerance_is_the_gates(tolerance, change):
    assert against_base([106] * 32, gate=Gate(tolerance=tolerance)).change == change


@pytest.mark.parametrize(("gate", "change"), [(Gate(alpha=0.1), "slower"), (Gate(alpha=0.1, tasks=9000), "changed")])
def test_the_level_is_the_gates(gate, change):
    assert against_base([106] * 26 + [100] * 6, gate=gate).change == change


def test_identical_runs_are_unchanged_on_whatever_machine():
    found = compare(row(), row(torch="2.14.0"), Gate())
    assert (found.change, found.reason, found.difference) == ("unchanged", "identical runs, to the bit", None)
    assert found.environment == (("torch", "2.13.0", "2.14.0"),)


@pytest.mark.parametrize(
    ("torch", "same_fingerprint", "steps", "change"),
    [
        ("2.14.0", True, [101] * 32, "unchanged"),
        ("2.14.0", False, [101] * 32, "changed"),
        ("2.14.0", None, [101] * 32, "changed"),
        ("2.13.0", True, [101] * 32, "changed"),
        ("2.14.0", True, [106] * 32, "slower"),
        ("2.14.0", True, [90] * 32, "faster"),
    ],
)
def test_equal_fingerprints_certify_another_machine_and_never_skip_the_test(torch, same_fingerprint, steps, change):
    assert compare(row(), row(steps, torch=torch), Gate(), same_fingerprint=same_fingerprint).change == change


def test_rows_without_a_hash_certify_nothing():
    assert compare(row(trajectory_sha=""), row(trajectory_sha=""), Gate()).change == "changed"


@pytest.mark.parametrize(("best", "change"), [(0.05, "unchanged"), (0.0500001, "changed")])
def test_the_common_seeds_of_a_smaller_run_are_compared_value_by_value(best, change):
    found = compare(row(), row([100.0] * 24, best=(best,) * 24), Gate())
    assert (found.change, found.evidence.pairs) == (change, 24)


def test_a_case_without_a_baseline_is_new_and_one_without_runs_gone():
    assert [compare(None, row(), Gate()).change, compare(row(), None, Gate()).change] == ["new", "gone"]
    with pytest.raises(ValueError, match="nothing with nothing"):
        compare(None, None, Gate())


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("task_version", 2, "task version was 1 and is 2"),
        ("schema", 2, "schema was 1 and is 2"),
        ("regime", "tuned", "regime was default and is tuned"),
        ("hyperparameters", '{"lr": 0.2}', 'hyperparameters was {} and is {"lr": 0.2}'),
        ("budget", 800, "budget was 900 and is 800"),
        ("eval_every", 2, "eval every was 1 and is 2"),
        ("target", 0.2, "target was 0.1 and is 0.2"),
        ("dtype", "float64", "dtype was float32 and is float64"),
    ],
)
def test_other_problems_are_incomparable_and_the_reason_says_why(name, value, reason):
    found = compare(row(), row([300] * 32, **{name: value}), Gate())
    assert (found.change, found.reason, found.evidence) == ("incomparable", reason, None)


@pytest.mark.parametrize("name", ["torch", "numpy", "python", "platform", "cpu", "device"])
def test_another_environment_is_reported_and_compared(name):
    found = compare(row(), row([300] * 32, **{name: "other"}), Gate())
    assert (found.change, [one[0] for one in found.environment]) == ("slower", [name])


def test_hyperparameters_are_compared_as_values():
    rows = [row(hyperparameters=text) for text in ('{"lr": 0.1, "a": 1}', '{"a":1,"lr":0.10}')]
    assert compare(*rows, Gate()).change == "unchanged"


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_are_environment(threads):
    assert bool(compare(row(), row(threads=threads), Gate()).environment) == (threads != 1)


@pytest.mark.parametrize(
    ("seeds", "first_seed", "common"), [(16, 0, 16), (1, 0, 1), (0, 0, 0), (32, 20, 12), (16, 100, 0)]
)
def test_too_few_common_seeds_are_an_error(seeds, first_seed, common):
    with pytest.raises(OptbenchError) as error:
        compare(row(), row([100] * seeds, first_seed=first_seed), Gate())
    assert str(error.value) == (
        f"Acme on bowl@1: the baseline has 32 seeds and this run {seeds}, {common} in common; "
        "no fewer than 17 can decide at alpha 0.001 over 128 tests"
    )


@pytest.mark.parametrize(("shift", "paired"), [(0.0, True), (9e-7, True), (2e-6, False), (1.0, False)])
def test_seeds_pair_where_they_start_alike(shift, paired):
    base = row(initial=(7.0,) * 32)
    found = compare(base, row([100] * 32, initial=(7.0,) * 31 + (7.0 * (1 + shift),)), Gate())
    assert (found.evidence.paired, found.evidence.weak) == (paired, not paired)


@pytest.mark.parametrize(("known", "paired"), [(32, True), (1, True), (0, False)])
def test_a_run_that_broke_before_its_first_evaluation_does_not_undo_the_pairing(known, paired):
    after = row([100] * known + ["c"] * (32 - known), initial=tuple(range(1, known + 1)) + (None,) * (32 - known))
    assert compare(row(), after, Gate()).evidence.paired == paired


@pytest.mark.parametrize(
    ("steps", "change"),
    [
        ([150 + k for k in range(32)], "slower"),
        ([50 + k for k in range(32)], "faster"),
        ([100 + k for k in range(32)], "changed"),
        (["m"] * 32, "slower"),
    ],
)
@pytest.mark.parametrize("other", [{"start": 2.0}, {"first_seed": 100}])
def test_without_pairs_the_rank_test_decides(steps, change, other):
    base = [100.0 + k for k in range(32)]
    found = against_base(steps, base, **other)
    assert (found.change, found.evidence.paired, found.evidence.pairs) == (change, False, 0)
    assert "pair" in found.reason


def test_the_rank_test_has_the_same_margin():
    base, steps = [100 + 20 * (k % 2) for k in range(32)], [105 + 21 * (k % 2) for k in range(32)]
    found = against_base(steps, base, start=2.0)
    assert found.evidence.p_slower == rank_tail(base, base) > 0.5  # all ties, to the bit
    mirrored = against_base(base, steps, start=2.0)
    assert mirrored.evidence.p_faster == found.evidence.p_slower
    assert rank_tail(base, steps) < 0.1


def test_the_effect_has_its_interval():
    found = against_base([110] * 16 + [130] * 16)
    assert found.evidence.effect == Effect(pytest.approx(1.2), 1.1, 1.3)
    assert found.reason == "slower on 32 of 32 pairs of seeds: p = 2.3e-10 <= 7.8e-06; 1.2x the steps [1.1, 1.3]"


MISS = ["m"] * 32


@pytest.mark.parametrize(
    ("before", "after", "end"),
    [
        ([100] * 32, MISS, "; most seeds that reached the target miss it now"),
        (MISS, [100] * 32, "; most seeds that reach the target missed it before"),
        ([100] * 32, [120] * 20 + ["m"] * 12, "; 1.2x the steps [1.2, misses]"),
    ],
)
def test_an_effect_without_a_number_is_told_in_words(before, after, end):
    assert compare(row(before), row(after), Gate()).reason.endswith(end)


@pytest.mark.parametrize(
    ("base", "steps", "diverged"),
    [
        (MISS, ["d"] * 18 + ["m"] * 14, True),
        (MISS, ["d"] * 17 + ["m"] * 15, False),
        (["d"] * 32, ["d"] * 32, False),
        (["d"] * 14 + ["m"] * 18, ["d"] * 32, True),
        (["d"] * 32, MISS, False),
        (["d"] * 10 + ["m"] * 22, ["m"] * 10 + ["d"] * 22, False),
        (BASE, ["d"] * 32, False),  # a solved case is slower
    ],
)
def test_a_known_miss_may_newly_diverge(base, steps, diverged):
    found = against_base(steps, base)
    assert found.newly_diverged == diverged
    assert (failure(found, DEFAULT_FAIL_ON, full=True) is not None) == (diverged or found.change == "slower")


def test_a_known_miss_may_newly_diverge_on_other_seeds():
    found = against_base(["d"] * 32, MISS, start=2.0)
    assert (found.evidence.paired, found.newly_diverged) == (False, True)


def test_the_two_tests_of_a_known_miss_share_its_level():
    base = [100] * 30 + ["m"] * 34
    found = against_base(["m"] * 64, base)
    assert (found.known_miss, found.change, found.evidence.level) == (True, "slower", Gate().level / 2)
    assert against_base(BASE).evidence.level == Gate().level


def test_a_known_miss_that_is_solved_is_news():
    assert against_base(BASE, MISS).newly_solved
    assert not against_base(MISS, MISS).newly_solved
    assert not against_base(BASE).newly_solved


@pytest.mark.parametrize(
    ("reached", "edge"),
    [(16, False), (15, True), (4, True), (3, False)],  # 28 of 32 pairs are not significant, 29 are: slower
)
def test_a_solved_case_below_half_is_at_the_edge_until_it_is_slower(reached, edge):
    assert against_base([100] * reached + ["m"] * (32 - reached)).at_the_edge == edge


@pytest.mark.parametrize(
    ("steps", "solved"),
    [
        (BASE, True),
        ([100, "m"], True),
        ([100, "m", "d"], False),
        ([100, 100, "c"], False),
        ([100, "t"], False),
        ([], False),
    ],
)
def test_a_case_is_solved_by_half_of_its_seeds_if_nothing_breaks(steps, solved):
    assert Side.of(row(steps)).solved == solved


def test_too_few_pairs_to_tell_are_said_to_be_so():
    found = against_base(MISS, [100] * 16 + ["m"] * 16)
    assert found.at_the_edge
    assert found.reason.endswith(
        "; 16 pairs of seeds reach the target at all, too few to tell slower from faster (17 can)"
    )


CHANGED, FASTER, SLOWER = ([one] * 32 for one in (101, 50, 200))


@pytest.mark.parametrize(
    ("before", "after", "fail_on", "full", "why"),
    [
        (row(), row(SLOWER), "slower", False, "slower on 32"),
        (row(), row(SLOWER), "gone", True, None),
        (row(), row(SLOWER), "changed", False, "slower on"),
        (row(), row(CHANGED), "slower", True, None),
        (row(), row(CHANGED), "changed", True, "changed: seed 0: steps to target 100 before, 101 now"),
        (row(), row(FASTER), "slower", True, None),
        (row(), row(FASTER), "changed", True, "faster on"),
        (row(), row(), "changed", True, None),
        (None, row(), "missed", True, None),
        (None, row(MISS), "missed", False, "missed: 0 of 32 seeds reach the target"),
        (None, row(MISS), "slower", False, None),
        (row(MISS), row(MISS), "missed", True, None),
        (row(), row(MISS, task_version=2), "missed", False, "missed: 0 of 32"),
        (row(), row(task_version=2), "incomparable", True, "incomparable: task version was 1 and is 2"),
        (row(), row(task_version=2), "incomparable", False, None),
        (row(), None, "gone", True, "gone: in the baseline"),
        (row(), None, "gone", False, None),
        (row(), row([*[100] * 31, "c"]), "", False, "1 of 32 seeds crashed or timed out"),
        (row(MISS), row([*["m"] * 31, "t"]), "", False, "1 of 32 seeds crashed or timed out"),
        (None, row([*[100] * 31, "c"]), "", False, "1 of 32 seeds crashed or timed out"),
    ],
)
def test_what_fails_is_what_was_asked_for(before, after, fail_on, full, why):
    found = failure(compare(before, after, Gate()), frozenset({fail_on}), full=full)
    assert (found or "").startswith(why or "")
    assert (found is None) == (why is None)


@pytest.mark.parametrize(("full", "changes"), [(True, ["new", "gone", "unchanged"]), (False, ["new", "unchanged"])])
def test_tables_are_compared_by_key_and_gone_is_for_full_runs(full, changes):
    before = [row(task="same"), row(task="left")]
    after = [row(task="same"), row(recipe="AAA", task="added")]
    found = compare_tables(before, after, full=full)
    assert [one.change for one in found] == changes
    assert found == sorted(found, key=lambda one: one.key)


@pytest.mark.parametrize("full", [True, False])
def test_another_version_of_a_task_is_incomparable_and_not_new(full):
    (found,) = compare_tables([row()], [row(task_version=2)], full=full)
    assert (found.change, found.task_version) == ("incomparable", 2)


def test_the_latest_other_version_is_the_one_that_is_named():
    (_, found) = compare_tables([row(), row(task_version=2)], [row(task_version=2), row(task_version=3)], full=True)
    assert found.reason == "task version was 2 and is 3"


def test_a_version_that_is_there_is_compared_whatever_stale_ones_are():
    found = compare_tables([row(), row(task_version=2)], [row(SLOWER, task_version=2)], full=True)
    assert [one.change for one in found] == ["slower"]


def test_recipes_have_their_own_gates_and_fingerprints():
    before = [row(recipe=name) for name in "AB"]
    after = [row([106] * 32, recipe=name, torch="2.14.0") for name in "AB"]
    found = compare_tables(before, after, {"A": Gate(tolerance=0.1)}, full=True, same_fingerprint={"A": True})
    assert [one.change for one in found] == ["unchanged", "slower"]


def test_rows_of_other_kinds_are_left_out():
    assert compare_tables([replace(row(), kind="fingerprint")], [], full=True) == []


def test_runs_carry_what_the_comparison_says():
    runs = [
        Run(recipe="Acme", task="bowl", seed=seed, budget=900, target=0.1, outcome="reached", steps_to_target=200)
        for seed in range(32)
    ]
    runs = [replace(run, initial=1.0 + run.seed, torch="2.13.0") for run in runs]
    (current,) = from_runs(runs)
    stamps = stamped(runs, compare(row(), current, Gate()))
    assert {(run.change, run.p_value, run.ratio, run.ratio_low, run.ratio_high) for run in stamps} == {
        ("slower", 2.0**-32, 2.0, 2.0, 2.0)
    }
    assert {(run.change, run.p_value, run.ratio) for run in stamped(runs, compare(None, current, Gate()))} == {
        ("new", None, None)
    }
