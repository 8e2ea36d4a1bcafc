"""How a recipe is given on a command line, so that its case can be made again anywhere."""

from __future__ import annotations

import json
import re
import shlex
from typing import Any

from pytest_optbench.analysis.cases import CaseSummary
from pytest_optbench.report.inert import harmless

_IMPORTABLE = re.compile(r"[\w.]+:[\w.]+")
_NAME = re.compile(r"[A-Za-z0-9_.+-]+")
_KEY = re.compile(r"[A-Za-z0-9_-]+")


def option_of(case: CaseSummary) -> str:
    """The recipe as `--optbench-optimizer` reads it, quoted for a shell.

    Empty where it cannot be given so: a class without a path, or a hyperparameter that has no form in TOML.
    """
    path, name = case.shared.get("optimizer", ""), case.recipe
    try:
        values = json.loads(case.hyperparameters)
        inside = ", ".join(f"{_key(key)} = {_toml(value)}" for key, value in values.items())
    except (ValueError, AttributeError, RecursionError):
        return ""
    text = f"{name}={path}({inside})" if inside else f"{name}={path}"
    given = _IMPORTABLE.fullmatch(path) and _NAME.fullmatch(name) and harmless(text) == text
    return shlex.quote(text) if given else ""


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) else json.dumps(key)


def _toml(value: Any) -> str:
    """A value in TOML, on one line. Raises ValueError for null, which TOML does not have."""
    if value is None:
        raise ValueError("TOML has no null")
    if isinstance(value, list):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, dict):
        return f"{{ {', '.join(f'{_key(key)} = {_toml(one)}' for key, one in value.items())} }}"
    if isinstance(value, float):
        return {"inf": "inf", "-inf": "-inf", "nan": "nan"}.get(repr(value), repr(value))
    return json.dumps(value)
