"""What a check says of an optimizer, as a sentence; empty where it holds."""

from __future__ import annotations

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.plan import plan
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Recipe, declared


def recipe_of(optimizer, *, family="", claims=None, configurations=None, **hyperparameters):
    return Recipe(
        name="it",
        optimizer=optimizer,
        where="here",
        family=family,
        claims=claims or {},
        configurations=configurations or {},
        hyperparameters=hyperparameters,
    )


def subject_of(optimizer, **keywords):
    recipe = recipe_of(optimizer, **keywords)
    return Subject(recipe, declared(recipe))


def verdicts(optimizer, *, module="families", only="", **keywords):
    """The sentence of each case of the checks whose module's name has `module` in it, or of one of them."""
    recipe = recipe_of(optimizer, **keywords)
    found = {}
    for case in plan(recipe, declared(recipe)):
        if module in case.check.test.__module__ and only in ("", case.check.name):
            found[case.name] = ""
            try:
                case.run()
            except ContractBroken as broken:
                found[case.name] = str(broken)
    return found


def faults(optimizer, **keywords):
    """The checks that fail, with the sentence of the last part."""
    return {name.split("::")[1]: said for name, said in verdicts(optimizer, **keywords).items() if said}
