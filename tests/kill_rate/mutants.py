"""The mutants: those made by rule, those written by hand after real failures, and rewrites that change nothing."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Literal

import torch
from mutation import Change, changes, chosen
from specimens import SPECIMENS, Specimen
from written import REWRITES, WRITTEN, Written

from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit

Kind = Literal["mechanical", "written", "rewrite"]
EACH = 13
"""Mechanical mutants of each optimizer."""


@dataclass(frozen=True)
class Mutant:
    """A changed source of a specimen. `rule` is the rule that made it, the real failure that it is modelled on, or, for
    a rewrite, why it changes nothing but perhaps roundings."""

    name: str
    specimen: str
    kind: Kind
    rule: str
    line: int
    old: str
    new: str
    source: str


def all_mutants(only: str = "") -> list[Mutant]:
    """Every mutant, always the same ones; `only` is a part of the name of a mutant or of its optimizer."""
    wanted = re.compile(re.escape(only), re.IGNORECASE)
    found = [mutant for specimen in SPECIMENS.values() for mutant in [*mechanical(specimen), *by_hand(specimen)]]
    return [one for one in found if wanted.search(one.name) or wanted.fullmatch(one.specimen)]


def mechanical(specimen: Specimen, count: int = EACH) -> list[Mutant]:
    """Made by rule. One that cannot take an ordinary step is left out: anything would find it."""
    specimen.optimizer([torch.nn.Parameter(torch.ones(1, 1))])  # the first one imports much, which takes its time
    made = chosen(specimen.source, count, viable=lambda change: _steps(change.source, specimen))
    return [_mechanical(specimen, change) for change in made]


def named(name: str) -> Mutant:
    """The mutant of this name, without a look at the others. KeyError if there is none."""
    module, _, key = name.partition("-")
    specimen = next(one for one in SPECIMENS.values() if one.module == module)
    for mutant in by_hand(specimen):
        if mutant.name == name:
            return mutant
    for change in changes(specimen.source):
        if change.digest.startswith(key):
            return _mechanical(specimen, change)
    raise KeyError(name)


def by_hand(specimen: Specimen) -> list[Mutant]:
    """Written mutants and rewrites of a specimen. ValueError for one whose old line is not there exactly once."""
    found = []
    for kind, table in (("written", WRITTEN), ("rewrite", REWRITES)):
        for one in table:
            if one.module == specimen.module:
                found.append(_written(specimen, one, kind))
    return found


def _mechanical(specimen: Specimen, change: Change) -> Mutant:
    name = f"{specimen.module}-{change.digest[:8]}"
    return Mutant(name, specimen.name, "mechanical", change.rule, change.line, change.old, change.new, change.source)


def _written(specimen: Specimen, one: Written, kind: Kind) -> Mutant:
    source = specimen.source
    if (count := source.count(one.old)) != 1:
        raise ValueError(f"{specimen.module}: {one.old!r} is there {count} times; expected once")
    line = source[: source.index(one.old)].count("\n") + 1
    changed = source.replace(one.old, one.new)
    before = source.splitlines()[line - 1].strip()
    key = hashlib.sha256(f"{one.old}|{one.new}".encode()).hexdigest()[:6]
    return Mutant(
        f"{specimen.module}-{'w' if kind == 'written' else 'r'}{key}",
        specimen.name,
        kind,
        one.after,
        line,
        before,
        _shown(source, changed),
        changed,
    )


def _shown(source: str, changed: str) -> str:
    old, new = source.splitlines(), changed.splitlines()
    start = next(k for k, (a, b) in enumerate(zip(old, new, strict=False)) if a != b)
    end = next(k for k, (a, b) in enumerate(zip(reversed(old), reversed(new), strict=False)) if a != b)
    return " ; ".join(line.strip() for line in new[start : max(start + 1, len(new) - end)]) or "(deleted)"


def _steps(source: str, specimen: Specimen) -> bool:
    """Can it be built by default, and take two ordinary steps that lead to finite values?"""
    scope: dict[str, Any] = {"__name__": "candidate"}
    try:
        with time_limit(5), torch.enable_grad():
            exec(compile(source, "<candidate>", "exec"), scope)
            parameter = torch.nn.Parameter(torch.ones(3, 2))
            optimizer = scope[specimen.name]([parameter])
            if hasattr(optimizer, "train"):
                optimizer.train()
            for _ in range(2):
                parameter.grad = torch.tensor([[1.0, -2.0], [0.5, 0.1], [-1.0, 3.0]])
                optimizer.step()
            return bool(parameter.isfinite().all())
    except (Exception, TimeLimitExceeded):
        return False
