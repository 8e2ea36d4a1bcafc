"""Simulated suites: how often the gate cries wolf, and what it sees, over suites resampled from stored runs.

`python tests/simulation/suites.py` writes the tables of README.md anew. What is drawn is drawn from the 512 stored runs
of each case; a probability of one case is computed from them without drawing, wherever the gate is a sign test.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from scipy import stats
from stored import Stored, stored_runs

from pytest_optbench.words.gate import Gate
from pytest_optbench.words.statistics import rank_tail

README = Path(__file__).with_name("README.md")
BEGIN, END = "<!-- begin: made by suites.py -->", "<!-- end -->"
GATE = Gate()
TESTS = GATE.tests
CHUNK = 250
"""Suites drawn at once."""
SLOWDOWNS = (1.05, 1.10, 1.15, 1.20, 1.30)
SEEDS = (16, 24, 32, 64)
SCREEN = 1e-3
"""An exact rank test is worth its time where the normal approximation is below this, 128 times the level."""


@dataclass(frozen=True)
class Side:
    """Runs: steps to target, infinite for a miss, and whether they diverged; `(..., seeds)` each."""

    steps: np.ndarray
    diverged: np.ndarray


Draw = Callable[[Stored, np.random.Generator, tuple[int, ...]], tuple[Side, Side]]


def fresh(stored: Stored, random: np.random.Generator, shape: tuple[int, ...]) -> tuple[Side, Side]:
    """The same optimizer on other seeds, paired all the same: the worst case of pairs, which share nothing."""
    chosen = random.integers(len(stored.steps), size=(2, *shape))
    before, after = (Side(stored.steps[one], stored.diverged[one]) for one in chosen)
    return before, after


def swapped(stored: Stored, random: np.random.Generator, shape: tuple[int, ...]) -> tuple[Side, Side]:
    """The same seeds under two versions of an optimizer, of which each pair draws by lot which is the new one."""
    chosen = random.integers(len(stored.steps), size=shape)
    heads = random.random(shape) < 0.5
    one = Side(stored.steps[chosen], stored.diverged[chosen])
    other = Side(stored.nudged[chosen], stored.nudged_diverged[chosen])
    return _choose(heads, one, other), _choose(heads, other, one)


def _choose(heads: np.ndarray, one: Side, other: Side) -> Side:
    return Side(np.where(heads, one.steps, other.steps), np.where(heads, one.diverged, other.diverged))


@dataclass(frozen=True)
class Alarms:
    """Of so many simulated suites, those in which any case failed, and those in which any was called faster."""

    suites: int
    failed: int
    faster: int

    @staticmethod
    def bound(count: int, suites: int) -> float:
        """The upper end of the one-sided 95 % interval of a rate (Clopper and Pearson 1934)."""
        return float(stats.beta.ppf(0.95, count + 1, suites - count))


def simulated_alarms(draw: Draw, suites: int, *, gate: Gate = GATE, seeds: int = 32, seed: int = 0) -> Alarms:
    """Suites of `gate.tests` cases, the stored ones in turn, by the sign test."""
    random = np.random.default_rng(seed)
    failed = np.zeros(suites, bool)
    faster = np.zeros(suites, bool)
    for start in range(0, suites, CHUNK):
        part = slice(start, min(start + CHUNK, suites))
        for case, repeats in _cases(gate.tests):
            before, after = draw(case, random, (part.stop - part.start, repeats, seeds))
            words = decide(before, after, gate)
            failed[part] |= (words == "failed").any(axis=1)
            faster[part] |= (words == "faster").any(axis=1)
    return Alarms(suites, int(failed.sum()), int(faster.sum()))


def _cases(tests: int) -> list[tuple[Stored, int]]:
    stored = stored_runs()
    return [(case, len(range(index, tests, len(stored)))) for index, case in enumerate(stored)]


def decide(before: Side, after: Side, gate: Gate) -> np.ndarray:
    """What the gate says of many cases at once: failed (slower, or newly diverged), faster, or nothing."""
    counted = np.isfinite(before.steps) | np.isfinite(after.steps)
    pairs = counted.sum(axis=-1)
    worse = (counted & _beyond(after.steps, before.steps, gate)).sum(axis=-1)
    better = (counted & _beyond(before.steps, after.steps, gate)).sum(axis=-1)
    newly = (after.diverged & ~before.diverged).sum(axis=-1)
    no_longer = (before.diverged & ~after.diverged).sum(axis=-1)
    solved = 2 * np.isfinite(before.steps).sum(axis=-1) >= before.steps.shape[-1]
    whole, half = _least(before.steps.shape[-1], gate.level), _least(before.steps.shape[-1], gate.level / 2)
    slower = worse >= np.where(solved, whole[pairs], half[pairs])
    diverged = ~solved & (newly >= half[newly + no_longer])
    is_faster = better >= np.where(solved, whole[pairs], half[pairs])
    return np.select([slower | diverged, is_faster], ["failed", "faster"], "")


def _beyond(slow: np.ndarray, fast: np.ndarray, gate: Gate) -> np.ndarray:
    # In hundredths and whole steps, which floats hold exactly; infinity is not beyond infinity.
    return 100 * slow > round(100 + 100 * gate.tolerance) * fast


@cache
def _least(seeds: int, level: float) -> np.ndarray:
    """By number of pairs, the least number that is significant; more than there are where none is."""
    tails = [stats.binom.sf(np.arange(-1, pairs), pairs, 0.5) for pairs in range(seeds + 1)]
    return np.array([next((k for k, tail in enumerate(one) if tail <= level), seeds + 1) for one in tails])


def simulated_rank_alarms(suites: int, *, gate: Gate = GATE, seeds: int = 32, seed: int = 0) -> Alarms:
    """The same on fresh seeds that are known as such, so that the exact rank test decides."""
    random = np.random.default_rng(seed)
    failed = np.zeros(suites, bool)
    faster = np.zeros(suites, bool)
    for case, repeats in _cases(gate.tests):
        before, after = fresh(case, random, (suites, repeats, seeds))
        solved = 2 * np.isfinite(before.steps).sum(axis=-1) >= seeds
        level = np.where(solved, gate.level, gate.level / 2)
        failed |= (_rank_significant(before.steps, after.steps, gate, level)).any(axis=1)
        faster |= (_rank_significant(after.steps, before.steps, gate, level)).any(axis=1)
        diverged = _rank_significant(1.0 * before.diverged, 1.0 * after.diverged, Gate(tolerance=0.0), level)
        failed |= (~solved & diverged).any(axis=1)
    return Alarms(suites, int(failed.sum()), int(faster.sum()))


def _rank_significant(base: np.ndarray, new: np.ndarray, gate: Gate, level: np.ndarray) -> np.ndarray:
    base, new = (100 + 100 * gate.tolerance) * base, 100 * new
    ranks = stats.rankdata(np.concatenate([base, new], axis=-1), axis=-1)
    n = base.shape[-1]
    spread = np.sqrt(n * n / (2 * n * (2 * n - 1)) * ((ranks - n - 0.5) ** 2).sum(axis=-1))
    z = (ranks[..., n:].sum(axis=-1) - n * (2 * n + 1) / 2) / np.where(spread > 0, spread, math.inf)
    found = np.zeros(z.shape, bool)
    for place in zip(*np.nonzero(z > stats.norm.isf(SCREEN)), strict=True):
        found[place] = rank_tail(list(base[place]), list(new[place])) <= level[place]
    return found


def chances(before: np.ndarray, after: np.ndarray, gate: Gate = GATE) -> tuple[float, float, float]:
    """The chances of a pair to be worse, better, and both missed; over all pairs that broadcast."""
    missed = np.isinf(before) & np.isinf(after)
    return (
        float(_beyond(after, before, gate).mean()),
        float(_beyond(before, after, gate).mean()),
        float(missed.mean()),
    )


def power(worse: float, dropped: float, seeds: int, level: float = GATE.level) -> float:
    """The chance that so many independent pairs are significant, exact: over the number of pairs that count."""
    if dropped >= 1:
        return 0.0
    count = np.arange(seeds + 1)
    share = min(worse / (1 - dropped), 1.0)
    return float(
        (stats.binom.pmf(count, seeds, 1 - dropped) * stats.binom.sf(_least(seeds, level) - 1, count, share)).sum()
    )


@cache
def _chances(case: Stored, factor: float, paired: bool) -> tuple[float, float, float]:
    if paired:
        return chances(case.steps, case.slowed(factor * case.scatter()))
    return chances(case.steps[:, None], case.slowed(factor)[None, :])


def detection(case: Stored, factor: float, seeds: int, *, paired: bool) -> float:
    """The power of the gate when the case truly takes `factor` times the steps (slower above 1, else faster).

    Paired, seeds share their scatter as stored pairs do; otherwise they share nothing.
    """
    worse, better, dropped = _chances(case, factor, paired)
    return power(worse if factor > 1 else better, dropped, seeds)


def false_alarm(case: Stored, gate: Gate = GATE, seeds: int = 32) -> float:
    """The exact chance of `slower` for an unchanged case on fresh seeds, paired all the same."""
    worse, _, dropped = chances(case.steps[:, None], case.steps[None, :], gate)
    return power(worse, dropped, seeds, gate.level)


def false_alarm_of_suite(gate: Gate = GATE) -> float:
    """The same of any case of a suite; known misses left out, whose level is halved."""
    return any_of(
        false_alarm(case, gate) for case, repeats in _cases(gate.tests) if case.solved for _ in range(repeats)
    )


def any_of(chances_of_cases: Iterable[float]) -> float:
    return float(1 - np.prod([1 - one for one in chances_of_cases]))


def gated() -> list[Stored]:
    """The stored cases that are solved."""
    return [case for case in stored_runs() if case.solved]


def suite_of(recipe: str) -> list[Stored]:
    return [case for case in gated() if case.recipe == recipe]


def least_seen(cases: Sequence[Stored], seeds: int, *, paired: bool, each: bool, wanted: float = 0.9) -> float:
    """The least slowdown from which on the power is as wanted: of the suite, or of the median case if `each`."""

    def seen(factor: float) -> bool:
        powers = [detection(case, factor, seeds, paired=paired) for case in cases]
        return (float(np.median(powers)) if each else any_of(powers)) >= wanted

    grid = [1 + percent / 100 for percent in (*range(1, 30), *range(30, 305, 5))]
    unseen = [index for index, factor in enumerate(grid) if not seen(factor)]
    return grid[max(unseen, default=-1) + 1]


def rank_detection(case: Stored, factor: float, seeds: int, draws: int, seed: int = 0) -> float:
    """The share of simulated cases on fresh seeds, known as such, that the exact rank test finds."""
    random = np.random.default_rng(seed)
    before = random.choice(case.steps, (draws, seeds))
    after = random.choice(case.slowed(factor), (draws, seeds))
    base, new = (before, after) if factor > 1 else (after, before)
    return float(_rank_significant(base, new, GATE, np.full(draws, GATE.level)).mean())


def alarm_table(suites: int = 20_000, rank_suites: int = 4_000) -> str:
    """What is drawn: alarms of unchanged optimizers."""
    lines = [
        f"Unchanged optimizers: {TESTS} cases a suite, 32 seeds, alpha {GATE.alpha:g}, tolerance {GATE.tolerance:g}.",
        "",
        "| pairs | suites | with a false alarm | 95 % bound | with a false `faster` | 95 % bound |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in (
        ("fresh seeds, paired all the same", simulated_alarms(fresh, suites)),
        ("same seeds, new and old by lot", simulated_alarms(swapped, suites)),
        ("fresh seeds, rank test", simulated_rank_alarms(rank_suites)),
    ):
        bounds = [Alarms.bound(count, found.suites) for count in (found.failed, found.faster)]
        lines.append(
            f"| {name} | {found.suites} | {found.failed} | {bounds[0]:.2g} | {found.faster} | {bounds[1]:.2g} |"
        )
    exact = f"Without drawing, the chance of `slower` in a suite of the first kind is {false_alarm_of_suite():.2g}."
    return "\n".join([*lines, "", exact])


def power_table(cases: Sequence[Stored], title: str, *, each: bool) -> str:
    """The power over changes and seeds: the mean over the cases if `each`, else of any of them. Nothing is drawn."""
    lines = [f"{title}:", "", "| change | pairs | " + " | ".join(f"{n} seeds" for n in SEEDS) + " |"]
    lines += ["|---" * (2 + len(SEEDS)) + "|"]
    for word, factors in (("slower", SLOWDOWNS), ("faster", [1 / one for one in SLOWDOWNS])):
        for factor in factors:
            percent = round(100 * max(factor, 1 / factor) - 100)
            for paired, name in ((True, "same seeds"), (False, "fresh seeds")):
                cells = [_cell(cases, factor, seeds, paired=paired, each=each) for seeds in SEEDS]
                lines.append(f"| {percent} % {word} | {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def case_powers() -> str:
    return power_table(gated(), f"Power of one case, mean over the {len(gated())} solved ones", each=True)


def suite_powers() -> str:
    adamw = suite_of("AdamW")
    return power_table(adamw, f"Power of a suite, any of AdamW's {len(adamw)} unit cases", each=False)


def rank_powers(draws: int = 50) -> str:
    """What the rank test sees on fresh seeds."""
    found = [
        f"{round(100 * factor - 100)} % {np.mean([rank_detection(case, factor, 32, draws) for case in gated()]):.2f}"
        for factor in SLOWDOWNS
    ]
    return f"By the rank test, on 32 fresh seeds known as such, mean over the solved cases: {', '.join(found)}."


def least_table() -> str:
    """The smallest slowdowns that are seen."""
    lines = [
        "The smallest slowdown seen with power 0.9:",
        "",
        "| of | pairs | " + " | ".join(f"{n} seeds" for n in SEEDS[1:]) + " |",
        "|---" * (1 + len(SEEDS)) + "|",
    ]
    adamw = suite_of("AdamW")
    for name, cases, each in (("AdamW's unit suite", adamw, False), ("the median solved case", gated(), True)):
        for paired, pairs in ((True, "same seeds"), (False, "fresh seeds")):
            found = [least_seen(cases, seeds, paired=paired, each=each) for seeds in SEEDS[1:]]
            lines.append(f"| {name} | {pairs} | " + " | ".join(f"{100 * one - 100:.0f} %" for one in found) + " |")
    return "\n".join(lines)


def _cell(cases: Sequence[Stored], factor: float, seeds: int, *, paired: bool, each: bool) -> str:
    if seeds < GATE.least_seeds:
        return "refused"
    powers = [detection(case, factor, seeds, paired=paired) for case in cases]
    return f"{np.mean(powers) if each else any_of(powers):.2f}"


def rewrite() -> None:
    """Put the tables where README.md has them."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    made = "\n\n".join([alarm_table(), suite_powers(), case_powers(), rank_powers(), least_table()])
    README.write_text(f"{before}{BEGIN}\n\n{made}\n\n{END}{rest.partition(END)[2]}", encoding="utf-8")


if __name__ == "__main__":
    rewrite()
