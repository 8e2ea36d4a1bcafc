"""The Markdown summary: the verdict, what moved and what broke on one screen; the rest folded away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate

from pytest_optbench.report.figures import counts, figures, verdict
from pytest_optbench.report.inert import inert, inert_name
from pytest_optbench.words.comparison import Comparison
from pytest_optbench.words.fingerprint import Change
from pytest_optbench.words.review import Review, ReviewedCase

ROWS, SENTENCES, NAMES = 12, 5, 8
"""Cases, failures, and things of the environment that are not folded away."""
LONGEST = 60_000
"""Characters of the whole; a comment on GitHub ends at 65,536."""
_COLUMNS = ("", "change", "recipe", "task", "steps before", "steps now", "ratio [95 %]", "seeds", "p")
_RIGHT = frozenset({"steps before", "steps now", "seeds", "p"})
_QUIET = frozenset({"unchanged", "new"})
_END = 60
"""Characters of what ends a folded list."""


def markdown(review: Review, *, accept: str = "", longest: int = LONGEST) -> str:
    """The summary of a review. `accept` is the command that takes the results over into the baseline.

    No name or sentence of the review has an effect as Markdown or HTML. The text has at most `longest` characters, if
    that is a few thousand; what is left out is counted.
    """
    loud = [case for case in review.cases if case.failure or case.comparison.change not in _QUIET]
    quiet = [case for case in review.cases if not (case.failure or case.comparison.change not in _QUIET)]
    failures = _failures(review)
    table = _fitting(list(map(_row, loud)), ROWS, longest // 3)
    sentences = _fitting(failures, SENTENCES, longest // 4)
    blocks = [f"### {'✅' if review.passed else '❌'} {verdict(review)}", counts(review)]
    if table:
        blocks.append("\n".join([*_header(), *table]))
    if sentences:
        blocks.append("\n".join(sentences))
    if review.environment:
        blocks.append(_environment(review, longest // 10))
    if accept and (loud or review.fingerprints):
        blocks.append(f"If this is meant, take it over into the baseline and commit that:\n\n{_fenced(accept)}")
    why = [*failures[len(sentences) :], *_reasons(loud, review)]
    folded: tuple[tuple[str, list[str], list[str]], ...] = (
        ("More cases that moved", _header(), list(map(_row, loud[len(table) :]))),
        ("Why, and where results differ first", [], why),
        ("The other cases", _header(), list(map(_row, quiet))),
    )
    for title, header, lines in folded:
        room = longest - sum(len(block) + 2 for block in blocks)
        blocks += _folded(title, header, lines, room)
    return "\n\n".join(filter(None, blocks)) + "\n"


def _failures(review: Review) -> list[str]:
    """A line for each failure: of the contract first, as everything else may follow from that."""
    broken = [
        f"- ❌ {inert_name(one.recipe)} {inert_name(one.name)}: {inert(one.sentence or one.outcome)}"
        for one in review.broken
    ]
    moved = [f"- ❌ {_moved_fingerprint(one)}" for one in review.failed_fingerprints]
    return [*broken, *moved, *(f"- ❌ {_who(case.comparison)}: {inert(case.failure)}" for case in review.failed_cases)]


def _reasons(cases: Sequence[ReviewedCase], review: Review) -> list[str]:
    """A line for each result that moved, and fails nothing."""
    moved = [f"- {_moved_fingerprint(one)}" for one in review.shown_fingerprints]
    return [
        *moved,
        *(f"- {_who(case.comparison)}: {inert(case.comparison.reason)}" for case in cases if not case.failure),
    ]


def _moved_fingerprint(change: Change) -> str:
    return f"fingerprint of {inert_name(change.recipe)} {inert_name(change.configuration)}: {inert(change.sentence)}"


def _fitting(lines: Sequence[str], count: int, room: int) -> list[str]:
    """The first so many lines that have room in so many characters."""
    sizes = accumulate(len(line) + 1 for line in lines[:count])
    return [line for line, size in zip(lines, sizes, strict=False) if size <= room]


def _who(comparison: Comparison) -> str:
    return f"{inert_name(comparison.recipe)} on {inert_name(comparison.task)}"


def _environment(review: Review, room: int) -> str:
    texts = [
        f"{inert(name)} {inert_name(old or '?')} → {inert_name(new or '?')}" for name, old, new in review.environment
    ]
    shown = _fitting(texts, NAMES, room)
    rest = len(texts) - len(shown)
    return f"Another environment: {', '.join([*shown, *([f'{rest} more'] if rest else [])])}."


def _header() -> list[str]:
    return [_cells(_COLUMNS), _cells("---:" if name in _RIGHT else "---" for name in _COLUMNS)]


def _row(case: ReviewedCase) -> str:
    one, told = case.comparison, figures(case.comparison)
    names = inert_name(one.recipe), inert_name(one.task)
    return _cells(["❌" if case.failure else "", told["change"], *names, *(told[name] for name in _COLUMNS[4:])])


def _cells(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _fenced(command: str) -> str:
    """A command as a block of code. On one line with our own word before it, no path can end the block."""
    return f"```bash\n{' '.join(command.split())}\n```"


def _folded(title: str, header: Sequence[str], lines: Sequence[str], room: int) -> list[str]:
    """A folded list of at most so many characters; nothing where there is nothing to fold, or no room for it."""
    start = [f"<details><summary>{title}: {len(lines)}</summary>", "", *header]
    shown = _fitting(lines, len(lines), room - sum(len(line) + 1 for line in start) - _END)
    if not shown:
        return []
    rest = len(lines) - len(shown)
    return ["\n".join([*start, *shown, "", *([f"… and {rest} more", ""] if rest else []), "</details>"])]
