"""Excuses: the claims that an optimizer needs beside what it is seen to be, so that its contract holds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from pytest_optbench.machine.contract.broken import NotAvailable
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.checks.decay import weight_decay_form
from pytest_optbench.machine.contract.checks.exemptions import HOW_TO_LEAD
from pytest_optbench.machine.contract.checks.liveness import hyperparameters_are_live
from pytest_optbench.machine.contract.plan import CheckCase, plan
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.claims import CLAIMS, FLAG

_NEED = "claim_is_needed"


@dataclass(frozen=True)
class Excuses:
    """What is claimed in the end, why, and what no claim mends."""

    claims: Mapping[str, Any]
    reasons: Mapping[str, str]
    """By claim that excuses a failure, the first such failure."""
    failures: Mapping[str, str]
    """By case, the sentence of what fails under these claims."""


def excuses(subject: Subject) -> Excuses:
    """The claims of the subject's recipe, less what its contract calls out of date, plus what makes failures right.

    Of several claims that would do, the one that concerns fewest checks is taken, and what another one makes needless
    is taken back. Whether a failure is meant or a defect, a claim cannot tell: that is for the author to say. Of the
    default configuration and those derived from it.
    """
    recipe = replace(subject.recipe, configurations={}, expected_failures={})
    failures = _failures(recipe, subject)
    for claim in {name.rpartition("::")[2] for name in failures if f"::{_NEED}::" in name}:
        recipe = _without(recipe, claim)
        failures = _failures(recipe, subject)
    reasons: dict[str, str] = {}
    candidates = sorted(_candidates(recipe, subject, failures), key=lambda candidate: len(_concerned(candidate[0])))
    for claim, value in candidates:
        concerned = _concerned(claim)
        mendable = {name: said for name, said in failures.items() if name.split("::")[1] in concerned}
        claiming = replace(recipe, claims={**recipe.claims, claim: value})
        after = _failures(claiming, subject, only=concerned) if mendable else mendable
        if len(after) < len(mendable) and after.keys() <= mendable.keys():
            first = next(name for name in mendable if name not in after)
            reasons[claim] = f"{first.removeprefix('default::')}: {failures[first]}"
            recipe = claiming
            failures = {name: said for name, said in failures.items() if name not in mendable or name in after}
    for claim in list(reasons)[:-1]:
        bare = _without(recipe, claim)
        if _failures(bare, subject, only=_concerned(claim)).keys() <= failures.keys():
            recipe = bare
            del reasons[claim]
    return Excuses(recipe.claims, reasons, failures)


def _without(recipe: Recipe, claim: str) -> Recipe:
    return replace(recipe, claims={key: value for key, value in recipe.claims.items() if key != claim})


def _concerned(claim: str) -> set[str]:
    """The checks that a claim excuses from something."""
    asked = {"dead_ok": {hyperparameters_are_live.name}, "weight_decay": {weight_decay_form.name}}
    return asked.get(claim, set()) | {
        name for name, check in CHECKS.items() if claim in check.excuses and name != _NEED
    }


def _candidates(recipe: Recipe, subject: Subject, failures: Mapping[str, str]) -> Iterator[tuple[str, Any]]:
    """Claims that concern the failures, and are not made, with the value that would concern all of them."""
    failed = [name.split("::")[1:] for name in failures]
    concerned = dict.fromkeys(claim for check, *_ in failed for claim in CHECKS[check].excuses)
    for claim in concerned:
        if CLAIMS[claim][0] == FLAG and claim not in HOW_TO_LEAD and not recipe.claims.get(claim):
            yield claim, True
    named = {
        "dead_ok": [part for check, *parts in failed if check == hyperparameters_are_live.name for part in parts],
        "not_per_group": [
            part for check, *parts in failed if "not_per_group" in CHECKS[check].excuses for part in parts
        ],
        "adaptive_keys": _rewritten(subject) if "adaptive_keys" in concerned else [],
    }
    if any(check == weight_decay_form.name for check, *_ in failed):
        yield "weight_decay", "other"
    for claim, names in named.items():
        offered = [
            name for name in dict.fromkeys(names) if name.partition(".")[0] in subject.keywords or claim[0] == "a"
        ]
        if offered and claim not in recipe.claims:
            yield claim, offered


def _rewritten(subject: Subject) -> list[str]:
    """Entries of a group that five steps have changed."""
    try:
        walk = Walk(subject)
        before = {key: repr(value) for key, value in walk.groups[0].items() if key != "params"}
        walk.take(5)
    except Exception:
        return []
    return [key for key, value in walk.groups[0].items() if key in before and repr(value) != before[key]]


def _failures(recipe: Recipe, subject: Subject, *, only: set[str] | None = None) -> dict[str, str]:
    """By case of the plan, of these checks only, the sentence of those that fail."""
    found = {}
    for case in plan(recipe, subject.declared, device=subject.device, seed=subject.seed):
        asked = not case.subject.derived and (only is None or case.check.name in only)
        if asked and (sentence := _failure(case)):
            found[case.name] = sentence
    return found


def _failure(case: CheckCase) -> str:
    try:
        with isolated():
            case.run()
    except NotAvailable:
        return ""
    except (Exception, SystemExit) as error:
        return str(error).partition("\n")[0] or type(error).__name__
    return ""
