"""A check: one property, where it applies, over which items it gives a verdict each, and the test of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from pytest_optbench.machine.contract.subject import Subject

Measures = Mapping[str, float]
Test = Callable[..., Measures | None]
Applies = Callable[[Subject], bool]
Parts = Callable[[Subject], Sequence[str]]

ONCE = ("",)
"""The parts of a check that gives a single verdict."""


@dataclass(frozen=True)
class Check:
    """One exact property of an optimizer.

    `test` takes the subject, in the dtype of the part, and the part's name unless the parts are dtypes; it raises
    ContractBroken, and may return what it has measured. `extra` names the kind of check that is run on request only.
    """

    name: str
    test: Test
    applies: Applies
    parts_of: Parts | None
    extra: str = ""
    exempt: tuple[str, ...] = ()
    """Claims under which it is not collected."""
    relaxed: tuple[str, ...] = ()
    """Claims under which it asks for less."""

    @property
    def excuses(self) -> tuple[str, ...]:
        """Claims that may make a failure right."""
        return (*self.exempt, *self.relaxed)

    @property
    def doc(self) -> str:
        return inspect.getdoc(self.test) or ""

    @property
    def title(self) -> str:
        """The property in one line: the first of the docstring."""
        return self.doc.partition("\n")[0]

    def parts(self, subject: Subject) -> tuple[str, ...]:
        """The verdicts that the check gives on a subject: dtypes, hyperparameters, or one without a name; () where it
        does not apply."""
        if not self.applies(subject):
            return ()
        if self.parts_of is None:
            return tuple(_name(dtype) for dtype in subject.dtypes)
        return tuple(self.parts_of(subject))

    def run(self, subject: Subject, part: str) -> Measures:
        """Raise unless the property holds; returns what was measured."""
        if self.parts_of is None:
            return self.test(subject.in_dtype(getattr(torch, part))) or {}
        return (self.test(subject, part) if part else self.test(subject)) or {}


def check(
    *,
    applies: Applies | None = None,
    exempt: Sequence[str] = (),
    relaxed: Sequence[str] = (),
    over: Parts | None = None,
    once: bool = False,
    extra: str = "",
) -> Callable[[Test], Check]:
    """Make a check of a function; its name is the check's (a trailing underscore is taken off), its docstring the
    documentation.

    The check runs in float32 and float64 and gives a verdict for each; with `once` it gives one, on float32; with
    `over` one for each name that the function of the subject returns. It is collected where `applies` says so and none
    of the claims in `exempt` is made; `relaxed` names the claims that the test itself asks for.
    """

    def make(test: Test) -> Check:
        def collected(subject: Subject) -> bool:
            return not any(map(subject.claimed, exempt)) and (applies is None or applies(subject))

        parts: Parts | None = (lambda _: ONCE) if once else over
        return Check(test.__name__.rstrip("_"), test, collected, parts, extra, tuple(exempt), tuple(relaxed))

    return make


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def all_of(*conditions: Applies) -> Applies:
    """Applies where every one of the conditions holds."""
    return lambda subject: all(condition(subject) for condition in conditions)


def offers(name: str) -> Applies:
    """Applies to a subject with such a hyperparameter."""
    return lambda subject: subject.offers(name)


def claims(name: str) -> Applies:
    """Applies to a subject that makes the claim."""
    return lambda subject: subject.claimed(name)


def names_in(subject: Subject, *names: str) -> list[str]:
    """Those of the names that are hyperparameters of the subject."""
    return [name for name in names if subject.offers(name)]
