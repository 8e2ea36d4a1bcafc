"""A comparison: one case, or a whole table of them, against a baseline."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_optbench.words.baseline import BaselineRow, Key
from pytest_optbench.words.difference import Difference, environment_difference, first_difference, mismatch
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.evidence import Evidence, Side, gather
from pytest_optbench.words.gate import Gate
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import Effect

Change = Literal["unchanged", "changed", "faster", "slower", "new", "gone", "incomparable"]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """A case against its baseline: one change word, why, and the numbers behind it. A side that is not there is None,
    and so is the evidence where nothing was to be tested."""

    recipe: str
    task: str
    task_version: int
    change: Change
    reason: str
    before: Side | None = None
    after: Side | None = None
    evidence: Evidence | None = None
    difference: Difference | None = None
    environment: tuple[tuple[str, str, str], ...] = ()
    """Name, value before and value now of what differs in versions and machine."""

    @property
    def key(self) -> Key:
        return self.recipe, self.task, self.task_version

    @property
    def known_miss(self) -> bool:
        """Did the case miss in a baseline that it can be compared with? Then missing is expected."""
        return self.evidence is not None and self.before is not None and not self.before.solved

    @property
    def newly_solved(self) -> bool:
        return self.known_miss and self.after is not None and self.after.solved

    @property
    def newly_diverged(self) -> bool:
        """Does a known miss diverge on significantly more seeds than it did? The test of steps is blind to that."""
        return self.known_miss and self.evidence is not None and self.evidence.p_diverged <= self.evidence.level

    @property
    def at_the_edge(self) -> bool:
        """Was the case solved, is it no longer, and is that no significant difference? Reported, not failed."""
        sides = self.before is not None and self.after is not None and self.before.solved and not self.after.solved
        return sides and self.evidence is not None and self.change != "slower"


def compare(
    before: BaselineRow | None, after: BaselineRow | None, gate: Gate, *, same_fingerprint: bool | None = None
) -> Comparison:
    """Compare a case with its baseline; runs become a row by `baseline.from_runs`, and None is a side without the case.

    Slower: a pair of equal seeds is worse when its steps are more than `1 + tolerance` times what they were, a miss
    counting as infinity; pairs that both miss are dropped; P(Binomial(pairs, 1/2) >= worse) <= level. Faster is the
    mirror. Where initial evaluations differ, seeds do not pair, and an exact rank test takes over. A known miss has two
    ways to fail, slower or newly diverged, which share the level.

    `same_fingerprint` tells whether the recipe's default configuration, which tasks run, has the fingerprint of the
    baseline, or takes the steps of its reference; that certifies `unchanged` where the machine differs and bits cannot.
    Raises OptbenchError for too few seeds, or for a baseline whose curve is none; ValueError when both sides are None.
    """
    row = after or before
    if row is None:
        raise ValueError("a comparison of nothing with nothing")
    blank = Comparison(
        recipe=row.recipe,
        task=row.task,
        task_version=row.task_version,
        change="new",
        reason="not in the baseline",
        before=Side.of(before) if before else None,
        after=Side.of(after) if after else None,
    )
    if before is None:
        return blank
    if after is None:
        return replace(blank, change="gone", reason="in the baseline, and not among the results")
    environment = environment_difference(before, after)
    if reason := mismatch(before, after):
        return replace(blank, change="incomparable", reason=reason, environment=environment)
    require_seeds(before, after.seeds, gate)
    evidence, difference = gather(before, after, gate), first_difference(before, after)
    change, reason = _tested(evidence, difference)
    if not reason and (reason := _certificate(before, after, difference)):
        change = "unchanged"
    elif not reason and environment and same_fingerprint:
        change, reason = "unchanged", "equal fingerprints or parity, and no significant difference on another machine"
    return replace(
        blank,
        change=change,
        reason=reason or _insignificant(evidence, difference, gate),
        evidence=evidence,
        difference=difference,
        environment=environment,
    )


def require_seeds(before: BaselineRow, seeds: Sequence[int], gate: Gate) -> None:
    """Raise OptbenchError unless the baseline has as many of these seeds as can decide.

    No common seed at all is no mistake: then there is nothing to pair, and each side needs as many.
    """
    common = len(set(before.seeds) & set(seeds))
    found = common or min(len(before.seeds), len(seeds))
    if found < gate.least_seeds:
        raise OptbenchError(
            f"{before.recipe} on {before.task}@{before.task_version}: the baseline has {len(before.seeds)} seeds and "
            f"this run {len(seeds)}, {common} in common; no fewer than {gate.least_seeds} can decide "
            f"at alpha {gate.alpha:g} over {gate.tests} tests"
        )


def compare_tables(
    before: Iterable[BaselineRow],
    after: Iterable[BaselineRow],
    gates: Mapping[str, Gate] | None = None,
    *,
    full: bool,
    same_fingerprint: Mapping[str, bool] | None = None,
) -> list[Comparison]:
    """Compare the cases of two tables, sorted by key. Both mappings are by recipe; without a gate, the default one.

    A case that is in the baseline under another task version alone is `incomparable`. What is only in the baseline is
    `gone` if `full`, and left out of a partial run. Rows of other kinds than cases are left out. Raises OptbenchError
    as `compare` does.
    """
    gates, same_fingerprint = gates or {}, same_fingerprint or {}
    old = {row.key: row for row in before if row.kind == "case"}
    new = {row.key: row for row in after if row.kind == "case"}
    found = []
    for key in sorted(old.keys() | new.keys()):
        sides = old.get(key), new.get(key)
        if sides[0] is None:
            sides = _of_another_version(key, old), sides[1]
        elif sides[1] is None and (not full or any(one[:2] == key[:2] for one in new)):
            continue
        found.append(compare(*sides, gates.get(key[0], Gate()), same_fingerprint=same_fingerprint.get(key[0])))
    return found


def _of_another_version(key: Key, rows: Mapping[Key, BaselineRow]) -> BaselineRow | None:
    """The case under the latest other version of its task."""
    others = [other for other in rows if other[:2] == key[:2]]
    return rows[max(others)] if others else None


def failure(comparison: Comparison, fail_on: frozenset[str], *, full: bool) -> str | None:
    """Why the comparison fails, as a sentence; None where it does not.

    `fail_on` is a set of the words of `gate.FAIL_ON`. A crash or a timeout fails whatever the set. `slower` includes
    known misses that newly diverge; `missed` is the absolute verdict, for what has no baseline to be compared with;
    `gone` and `incomparable` fail on full runs only; `changed` is for those who want the same bits, and so includes
    `faster`. `fingerprint` is no matter of a case.
    """
    change, reason, before, after = comparison.change, comparison.reason, comparison.before, comparison.after
    told = reason if reason.startswith(change) else f"{change}: {reason}"
    if after is not None and after.broken:
        return f"{after.broken} of {after.seeds} seeds crashed or timed out"
    if "slower" in fail_on and comparison.newly_diverged and before is not None and after is not None:
        return f"newly diverged: {after.diverged} of {after.seeds} seeds, {before.diverged} in the baseline"
    if after is not None and not after.solved and change in ("new", "incomparable") and "missed" in fail_on:
        return f"missed: {after.reached} of {after.seeds} seeds reach the target, and there is no baseline to excuse it"
    failing = {
        "slower": {"slower", "changed"},
        "changed": {"changed"},
        "faster": {"changed"},
        "gone": {"gone"} if full else set(),
        "incomparable": {"incomparable"} if full else set(),
    }
    return told if failing.get(change, set()) & fail_on else None


def stamped(runs: Iterable[Run], comparison: Comparison) -> list[Run]:
    """The runs of the compared case with what the comparison says in their columns."""
    evidence = comparison.evidence
    effect = evidence.effect if evidence else None
    return [
        replace(
            run,
            change=comparison.change,
            p_value=evidence.p_value if evidence else None,
            ratio=effect.ratio if effect else None,
            ratio_low=effect.low if effect else None,
            ratio_high=effect.high if effect else None,
        )
        for run in runs
    ]


def _certificate(before: BaselineRow, after: BaselineRow, difference: Difference | None) -> str:
    """Why the runs are the same to the bit; empty where they are not, or where nothing shows it."""
    if before.seeds == after.seeds:
        same = before.trajectory_sha and before.trajectory_sha == after.trajectory_sha
        return "identical runs, to the bit" if same else ""
    common = len(set(before.seeds) & set(after.seeds))
    return f"nothing differs on the {common} common seeds" if common and difference is None else ""


def _tested(evidence: Evidence, difference: Difference | None) -> tuple[Change, str]:
    """The change that is significant, and the sentence; `changed` without one where none is."""
    if evidence.p_slower <= evidence.level:
        return "slower", _significant("slower", evidence, difference)
    if evidence.p_faster <= evidence.level:
        return "faster", _significant("faster", evidence, difference)
    return "changed", ""


def _significant(change: str, evidence: Evidence, difference: Difference | None) -> str:
    p_value = evidence.p_slower if change == "slower" else evidence.p_faster
    if evidence.paired:
        count = evidence.worse if change == "slower" else evidence.better
        found = f"{change} on {count} of {evidence.pairs} pairs of seeds"
    else:
        found = f"{change} by the unpaired rank test, as seeds do not pair"
        found += f" ({difference})" if difference else ""
    return f"{found}: p = {p_value:.2g} <= {evidence.level:.2g}{_shown_effect(evidence.effect)}"


def _shown_effect(effect: Effect | None) -> str:
    if effect is None:
        return ""
    if math.isinf(effect.ratio):
        return "; most seeds that reached the target miss it now"
    if not effect.ratio:
        return "; most seeds that reach the target missed it before"
    high = f"{effect.high:.3g}" if math.isfinite(effect.high) else "misses"
    return f"; {effect.ratio:.3g}x the steps [{effect.low:.3g}, {high}]"


def _insignificant(evidence: Evidence, difference: Difference | None, gate: Gate) -> str:
    found = str(difference) if difference else "evaluations differ that are not stored"
    if not evidence.paired:
        return f"seeds do not pair, and the rank test sees no difference: {found}"
    if evidence.pairs < gate.least_seeds:
        found += (
            f"; {evidence.pairs} pairs of seeds reach the target at all, too few to tell slower from faster "
            f"({gate.least_seeds} can)"
        )
    return found
