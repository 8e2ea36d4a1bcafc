"""Figures of a comparison, as the short texts that every report shows; none of them comes from a file."""

from __future__ import annotations

import math
from collections import Counter

from pytest_optbench.words.comparison import Comparison
from pytest_optbench.words.evidence import Side
from pytest_optbench.words.review import Review, ReviewedCase


def figures(comparison: Comparison) -> dict[str, str]:
    """By heading: the change with its notes, steps before and now, the ratio, the seeds behind it, the p-value."""
    evidence = comparison.evidence
    effect = evidence.effect if evidence else None
    return {
        "change": _change(comparison),
        "steps before": _steps(comparison.before),
        "steps now": _steps(comparison.after),
        "ratio [95 %]": f"{_number(effect.ratio)} [{_number(effect.low)}, {_number(effect.high)}]" if effect else "",
        "seeds": _seeds(comparison),
        "p": f"{evidence.p_value:.2g}" if evidence else "",
    }


def verdict(review: Review) -> str:
    """The review in one line: passed or failed, and of what there is how much."""
    if not review.measured:
        return "optbench failed: nothing was measured"
    if review.passed:
        moved = [f"{review.counts[word]} {word}" for word in ("faster", "changed", "slower") if review.counts[word]]
        return f"optbench passed: {', '.join([counted(len(review.cases), 'case'), *moved])}"
    if not review.failed:
        return "optbench failed: every case passed, and the session failed for another reason"
    kinds = Counter(map(_kind, review.failed_cases))
    parts = [f"{counted(count, 'case')} {kind}" for kind, count in kinds.items()]
    if review.failed_fingerprints:
        parts.append(f"{counted(len(review.failed_fingerprints), 'fingerprint')} changed")
    if review.broken:
        parts.append(f"{counted(len(review.broken), 'check')} of the contract failed")
    return f"optbench failed: {', '.join(parts)}"


def counts(review: Review) -> str:
    """How many cases, fingerprints and checks there are of each kind."""
    parts = [f"{count} {word}" for word, count in review.counts.items() if count]
    solved = sum(case.comparison.newly_solved for case in review.cases)
    edge = sum(case.comparison.at_the_edge for case in review.cases)
    parts += [f"{solved} newly solved"] if solved else []
    parts += [f"{edge} at the edge"] if edge else []
    lines = [f"Cases: {', '.join(parts)}."] if parts else []
    if review.fingerprints_compared:
        same = review.fingerprints_compared - len(review.fingerprints)
        lines.append(f"Fingerprints: {same} of {review.fingerprints_compared} as stored.")
    if review.findings:
        outcomes = Counter(finding.outcome for finding in review.findings)
        passed = f"{outcomes['passed']} of {counted(len(review.findings), 'check')} passed"
        expected = f", {outcomes['xfailed']} failed as expected" if outcomes["xfailed"] else ""
        lines.append(f"Contract: {passed}{expected}.")
    return " ".join(lines)


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _kind(case: ReviewedCase) -> str:
    """What kind of failure it is, in a word or two."""
    after, change = case.comparison.after, case.comparison.change
    if after is not None and after.broken:
        return "crashed or timed out"
    if case.comparison.newly_diverged and change != "slower":
        return "newly diverged"
    return "missed" if change == "new" else change


def _change(comparison: Comparison) -> str:
    notes = {
        "known miss": comparison.known_miss and not comparison.newly_solved,
        "newly solved": comparison.newly_solved,
        "at the edge": comparison.at_the_edge,
    }
    told = ", ".join(note for note, holds in notes.items() if holds)
    return f"{comparison.change} ({told})" if told else comparison.change


def _seeds(comparison: Comparison) -> str:
    """How many pairs of seeds moved, or where nothing is paired, how many seeds reach the target."""
    evidence, side = comparison.evidence, comparison.after or comparison.before
    if evidence and evidence.paired:
        direction = "worse" if evidence.worse >= evidence.better else "better"
        count = max(evidence.worse, evidence.better)
        return f"{count}/{evidence.pairs} {direction if count else 'moved'}" if evidence.pairs else ""
    return f"{side.reached}/{side.seeds} reached" if side else ""


def _steps(side: Side | None) -> str:
    if side is None:
        return "-"
    return f"{side.median_steps:.0f}" if math.isfinite(side.median_steps) else "missed"


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "∞"
