"""Layers: which of the package's ways to look at an optimizer finds a mutant, from the cheapest to the dearest.

nothing      the contract on the default configuration, with no claims but those that the clean class needs to pass
claims       the contract on every configuration, with its claims
family       the same with the family's closed forms
parity       trajectories beside those of the clean class as the reference
fingerprint  short trajectories compared with those stored from the clean class
convergence  four tasks at a tuned learning rate: the absolute gate, and a paired comparison with the clean class
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

from specimens import Declared, Specimen
from torch.optim import Optimizer

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.configurations import subjects
from pytest_optbench.machine.contract.fingerprint import fingerprint
from pytest_optbench.machine.contract.plan import CheckCase, plan
from pytest_optbench.machine.contract.reference import Reference
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.machine.time_limit import TimeLimitExceeded, time_limit
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.fingerprint import difference
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import sign_test
from pytest_optbench.words.verdict import judge

LAYERS = ("nothing", "claims", "family", "parity", "fingerprint", "convergence")
SECONDS = 60.0
"""Limit for one check."""
SEEDS = tuple(range(32))
TASKS = ("sphere10", "ellipsoid20_rotated", "mult_noise_bowl10", "quartic_saddle")


@dataclass(frozen=True)
class Catch:
    """What a layer says of a mutant: the check that failed and its sentence; no check where all of them passed."""

    layer: str
    check: str = ""
    sentence: str = ""
    seconds: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.check)


Costs = Mapping[str, float]
"""Seconds that the cases of the clean class took, by name."""


def look(
    layer: str, mutant: type[Optimizer], specimen: Specimen, costs: Costs, hints: Iterable[str] = (), **extra: Any
) -> Catch:
    """The layer's first failing check of a mutant, cheap checks first and those that caught it elsewhere before all."""
    started = perf_counter()
    try:
        if layer == "fingerprint":
            found = _fingerprint(mutant, specimen)
        elif layer == "convergence":
            found = _convergence(mutant, specimen, **extra)
        else:
            found = _contract(cases_of(layer, mutant, specimen), costs, tuple(hints))
    except OptbenchError as error:
        found = ("declaration", str(error))
    except TimeLimitExceeded:
        found = ("time limit", f"not done after {SECONDS:g} seconds")
    return Catch(layer, *found, seconds=perf_counter() - started)


def cases_of(layer: str, optimizer: type[Optimizer], specimen: Specimen, *, seed: int = 0) -> list[CheckCase]:
    """The contract cases that make a layer. Those of `family` and `parity` are the ones that `claims` has not."""
    degrees: dict[str, Declared] = {"nothing": "nothing", "claims": "claims", "family": "family", "parity": "claims"}
    recipe = specimen.recipe(optimizer, degrees[layer])
    capabilities = declared(recipe)
    if layer == "parity":
        recipe = replace(recipe, reference=Reference(specimen.optimizer))
    cases = plan(recipe, capabilities, seed=seed)
    if layer in ("family", "parity"):
        plain = specimen.recipe(optimizer, "claims")
        known = {case.name for case in plan(plain, capabilities, seed=seed)}
        cases = [case for case in cases if case.name not in known]
    return cases


def verdict(case: CheckCase) -> str:
    """The sentence with which a case fails; empty where it passes."""
    try:
        with quiet(), time_limit(SECONDS):
            case.run()
    except ContractBroken as broken:
        return " ".join(str(broken).split())[:300] or "broken"
    except TimeLimitExceeded:
        return f"not done after {SECONDS:g} seconds"
    return ""


@contextmanager
def quiet() -> Iterator[None]:
    """What a broken optimizer prints is of no interest."""
    with Path(os.devnull).open("w") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        yield


def _contract(cases: Sequence[CheckCase], costs: Costs, hints: Sequence[str]) -> tuple[str, str]:
    def turn(case: CheckCase) -> tuple[bool, float]:
        return case.name not in hints, costs.get(case.name, math.inf)

    for case in sorted(cases, key=turn):
        if sentence := verdict(case):
            return case.name, sentence
    return "", ""


def _fingerprint(mutant: type[Optimizer], specimen: Specimen) -> tuple[str, str]:
    """The first configuration whose fingerprint is not the clean class's."""
    mine, theirs = (specimen.recipe(optimizer, "claims") for optimizer in (mutant, specimen.optimizer))
    with time_limit(SECONDS):
        pairs = zip(subjects(mine, declared(mine)), subjects(theirs, declared(theirs)), strict=True)
        for subject, clean in pairs:
            try:
                with quiet():
                    found = difference(fingerprint(subject), fingerprint(clean))
            except Exception as error:
                found = f"{type(error).__name__}: {error}"
            if found:
                return subject.configuration, " ".join(found.split())[:300]
    return "", ""


def case_on(task: str, optimizer: Callable[..., Optimizer], specimen: Specimen, lr: float) -> Case:
    """A case of the standard suite at this learning rate, for the default configuration."""
    recipe = Recipe(
        name=specimen.name,
        optimizer=optimizer,
        where="tests/kill_rate",
        hyperparameters={"lr": lr},
        claims=specimen.bare,
    )
    chosen = next(one for one in BUILTIN if one.name == task)
    return Case(
        recipe=recipe,
        capabilities=declared(recipe),
        task=chosen,
        threshold=threshold_of(chosen),
        seeds=SEEDS,
        timeout=SECONDS,
    )


def run(case: Case) -> tuple[Run, ...]:
    made = CaseRun(case)
    with quiet():
        made.run()
    return tuple(made.rows())


def _convergence(
    mutant: type[Optimizer], specimen: Specimen, rates: Mapping[str, float], clean: Mapping[str, Sequence[Run]]
) -> tuple[str, str]:
    for task, lr in rates.items():
        rows = run(case_on(task, mutant, specimen, lr))
        said = judge(rows)
        if not said.passed:
            return task, f"{said.reached} of {len(rows)} seeds reach the target: {said.word}"
        mine, theirs = [row.steps for row in rows], [row.steps for row in clean[task]]
        for better, worse, word in ((theirs, mine, "slower"), (mine, theirs, "faster")):
            if test := sign_test(better, worse):
                return task, f"{word} than the clean class: {test!r}"
    return "", ""
