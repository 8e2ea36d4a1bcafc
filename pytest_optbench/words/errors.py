"""Errors: mistakes of the user, told in one sentence, with the nearest valid name where there is one."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Any


class OptbenchError(Exception):
    """A mistake in a table, an option or a file; pytest shows it as a usage error (exit code 4)."""


def nearest(name: str, valid: Iterable[str]) -> str:
    """A half-sentence that helps: the nearest valid name, else the valid names, else nothing.

    >>> nearest("rosenbrok2", ["rosenbrock2", "schaul_cliff"])
    "; did you mean 'rosenbrock2'?"
    """
    names = sorted(valid)
    close = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid are {', '.join(names)}" if names else ""


def require_known(name: str, valid: Iterable[str], *, where: str, what: str) -> None:
    """Raise unless `name` is one of `valid`; `where` and `what` begin the sentence."""
    names = list(valid)
    if name not in names:
        raise OptbenchError(f"{where}: unknown {what} {name!r}{nearest(name, names)}")


def inert(text: str) -> str:
    """The text on one line, without control characters: it may quote a file.

    >>> inert("a\\nb")
    'a\\\\nb'
    """
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def encodable(value: Any) -> Any:
    """The same plain data with what UTF-8 has no bytes for, a lone surrogate, spelled out: it may quote an exception.

    >>> encodable({"a": ["\\udc80"]})
    {'a': ['\\\\udc80']}
    """
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, Mapping):
        return {encodable(key): encodable(one) for key, one in value.items()}
    return type(value)(map(encodable, value)) if type(value) in (list, tuple) else value
