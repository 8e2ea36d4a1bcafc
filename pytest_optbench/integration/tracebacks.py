"""Tracebacks: an exception in the user's optimizer, shown by the frames of the user's own code."""

from __future__ import annotations

import traceback
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import pytest

_PACKAGE = Path(__file__).resolve().parent.parent
E = TypeVar("E", bound=BaseException)


def pruned(error: E) -> E:
    """The exception, with a traceback that has lost the frames of the machinery: pytest's, ours, torch's wrappers."""
    return error.with_traceback(_users_own(error.__traceback__))


def user_traceback(excinfo: pytest.ExceptionInfo[BaseException], style: str) -> Any:
    """What pytest shows of an exception in the user's code; of one without a frame of the user's, the message alone."""
    error = pruned(excinfo.value)
    if error.__traceback__ is None:
        return "".join(traceback.format_exception_only(error)).strip()
    shown = pytest.ExceptionInfo.from_exception(error)
    return shown.getrepr(style="long" if style == "auto" else style, tbfilter=False)  # type: ignore[arg-type]


def _users_own(entry: TracebackType | None) -> TracebackType | None:
    entries = []
    while entry is not None:
        entries.append(entry)
        entry = entry.tb_next
    kept: TracebackType | None = None
    for one in reversed(entries):
        if not _is_machinery(Path(one.tb_frame.f_code.co_filename)):
            kept = TracebackType(kept, one.tb_frame, one.tb_lasti, one.tb_lineno)
    return kept


def _is_machinery(path: Path) -> bool:
    """Is a frame's file ours, pytest's, or one of the wrappers that torch puts around every step?"""
    return (
        path.is_relative_to(_PACKAGE)
        or "_pytest" in path.parts
        or "pluggy" in path.parts
        or path.parts[-3:] == ("torch", "optim", "optimizer.py")
        or path.parts[-3:] == ("torch", "utils", "_contextlib.py")
    )
