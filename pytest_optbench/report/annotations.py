"""Annotations: failures as workflow commands of GitHub, which shows them on the optimizer's own source line."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

WORST = 10
"""GitHub shows this many errors of a step and drops the rest."""
_SEVERITY = ("crashed", "timeout", "contract", "fingerprint", "diverged", "missed", "slower", "gone")


@dataclass(frozen=True)
class Failure:
    """A test that failed, and where its optimizer is defined."""

    path: str
    """File of the optimizer; empty where there is none to read."""
    line: int
    """Counted from 1; 0 where none is known."""
    title: str
    text: str
    """What went wrong, in a sentence."""
    word: str = ""
    """`contract` for a broken property, `fingerprint` for one that moved, `gone`; else the outcome or the change that
    explains the verdict."""


def error_commands(failures: Iterable[Failure], *, root: Path) -> list[str]:
    """An `::error` command for each of the ten worst failures, the worst first.

    Crashes come first, then broken properties and fingerprints, then divergence and misses; equals keep their order.
    `root` is the checkout: a file outside of it is not GitHub's to show, and its annotation goes without a place.
    """
    return [_command(failure, root) for failure in sorted(failures, key=_severity)[:WORST]]


def _severity(failure: Failure) -> int:
    return _SEVERITY.index(failure.word) if failure.word in _SEVERITY else len(_SEVERITY)


def _command(failure: Failure, root: Path) -> str:
    place = _place(failure.path, root)
    properties = {"file": place, "line": str(failure.line) if place and failure.line else "", "title": failure.title}
    given = ",".join(f"{name}={_property(value)}" for name, value in properties.items() if value)
    return f"::error {given}::{_data(failure.text)}"


def _place(path: str, root: Path) -> str:
    if not path:
        return ""
    file = Path(path).resolve()
    return file.relative_to(root.resolve()).as_posix() if file.is_relative_to(root.resolve()) else ""


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
