"""A culprit: the line of an optimizer's code that changed something it must leave alone."""

from __future__ import annotations

import os
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import pytest_optbench

_OWN = f"{Path(pytest_optbench.__file__).parent}{os.sep}"
_TORCH = f"{Path(torch.__file__).parent}{os.sep}"
_PYTHON = f"{sysconfig.get_path('stdlib')}{os.sep}"
_PACKAGES = f"{_PYTHON}site-packages{os.sep}"
_TORCH_OPTIM = f"{_TORCH}optim{os.sep}"


def culprit(step: Callable[[], Any], changed: Callable[[], bool]) -> str:
    """ ", by file:line" of what ran when `changed` became true during `step`; empty where no line can be named.

    `changed` is asked after every line, which is slow: only for what is known to have failed. Lines of Python's
    own modules and of torch do not count, except in torch's optimizers, so that a call is laid at the caller's door.
    """
    place = ""
    found = ""

    def watch(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal place, found
        if found:
            return None
        if place and changed():
            found = place
            return None
        if event == "line" and _counts(frame.f_code.co_filename):
            place = f"{_shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        return watch

    before = sys.gettrace()
    sys.settrace(watch)
    try:
        step()
    finally:
        sys.settrace(before)
    if not found and place and changed():
        found = place
    return f", by {found}" if found else ""


def _counts(file: str) -> bool:
    if file.startswith(_PYTHON) and not file.startswith(_PACKAGES):
        return False
    return not file.startswith((_OWN, "<")) and (not file.startswith(_TORCH) or file.startswith(_TORCH_OPTIM))


def _shown(file: str) -> str:
    try:
        return str(Path(file).relative_to(Path.cwd()))
    except ValueError:
        return file
