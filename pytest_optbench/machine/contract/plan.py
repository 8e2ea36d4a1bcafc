"""A plan: the checks that are made of a recipe, one case for each configuration, check and part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from pytest_optbench.machine.contract.broken import ContractBroken, NotAvailable
from pytest_optbench.machine.contract.check import Check, Measures
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.configurations import subjects
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.determinism import isolated, seed_torch
from pytest_optbench.machine.recipe import Capabilities, Recipe, without_default
from pytest_optbench.machine.streams import derived_seed
from pytest_optbench.words.claims import check_of, is_derived
from pytest_optbench.words.errors import OptbenchError, require_known


@dataclass(frozen=True)
class CheckCase:
    """One verdict to be given: a check on one configuration, of one of its parts."""

    subject: Subject
    check: Check
    part: str
    expected: str = ""
    """Why it is expected to fail; empty where it is not."""

    @property
    def configuration(self) -> str:
        return self.subject.configuration

    @property
    def name(self) -> str:
        """The case below its recipe: configuration::check, or configuration::check::part."""
        return "::".join(filter(None, (self.configuration, self.check.name, self.part)))

    def run(self) -> Measures:
        """Run the check, alone in the world: one thread, random numbers of its own, everything put back afterwards.

        Raises ContractBroken; also for an exception that comes out of the optimizer, which is then the cause; and
        NotAvailable where the check cannot be made here.
        """
        with isolated(), torch.enable_grad():
            seed_torch(derived_seed("contract", self.subject.seed, "global"))
            try:
                return self.check.run(self.subject, self.part)
            except (ContractBroken, NotAvailable):
                raise
            except Exception as error:
                raise ContractBroken(f"{type(error).__name__}: {error}") from error


def plan(
    recipe: Recipe, declared: Capabilities, *, device: str = "cpu", seed: int = 0, extras: Sequence[str] = ()
) -> list[CheckCase]:
    """Every case of a recipe, in order. Raises OptbenchError for an expected failure that names none of them, and for
    claims about a configuration that there is not.

    A check that is expected to fail, nobody says in which configuration, is not made of derived ones.
    """
    configured = subjects(recipe, declared, device=device, seed=seed)
    configurations = [one.configuration for one in configured]
    for name in filter(is_derived, recipe.claims):
        require_known(name, configurations, where=f"{recipe.where}: claims", what="configuration of this optimizer")
    cases = [
        CheckCase(subject, check, part, expected)
        for subject in configured
        for check in CHECKS.values()
        if not check.extra or check.extra in extras
        for part in check.parts(subject)
        if (expected := _expected(recipe, subject, check.name, part)) is not None
    ]
    names = {name for case in cases for name in _keys(case.configuration, case.check.name, case.part)}
    for key in recipe.expected_failures:
        if (check := check_of(key, configurations)) and not CHECKS[check].extra:
            require_known(key, names, where=f"{recipe.where}: expected_failures", what="check of this optimizer")
    return cases


def _keys(configuration: str, check: str, part: str) -> Iterator[str]:
    """The names by which expected failures may call a case, the most exact first."""
    if part:
        yield f"{configuration}::{check}::{part}"
        yield f"{check}::{part}"
    yield f"{configuration}::{check}"
    yield check


def _expected(recipe: Recipe, subject: Subject, check: str, part: str) -> str | None:
    """Why a case is expected to fail; empty where it is not, None where it is not made for that."""
    for key in _keys(subject.configuration, check, part):
        if key in recipe.expected_failures:
            named = key.startswith(f"{subject.configuration}::")
            return recipe.expected_failures[key] if named or not subject.derived else None
    return ""


def require_lr(recipe: Recipe) -> None:
    """The contract uses the recipe's or the constructor's learning rate: OptbenchError where neither has one."""
    if "lr" in without_default(recipe) and "lr" not in recipe.hyperparameters:
        raise OptbenchError(
            f"{recipe.where}: {recipe.path} has no default for 'lr', and the contract needs one; "
            "set it in 'hyperparameters'"
        )
