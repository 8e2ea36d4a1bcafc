"""Exemptions: a claim that lets an optimizer off a check is true as long as the check fails without it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.check import Check, check
from pytest_optbench.machine.contract.configurations import subjects
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.words.claims import DEFAULT_CONFIGURATION

HOW_TO_LEAD = ("needs_closure", "train_eval", "sparse_only")
"""Claims that say how an optimizer is to be led; most of it would be found out without them."""


def need_of(checks: Sequence[Check]) -> Check:
    """The check of the claims that excuse an optimizer from any of these."""
    excuses = {claim for one in checks for claim in one.excuses if claim not in HOW_TO_LEAD}

    def claimed(subject: Subject) -> list[str]:
        if subject.configuration != DEFAULT_CONFIGURATION:
            return []
        return [claim for claim in subject.claims if claim in excuses and subject.claimed(claim)]

    @check(over=claimed)
    def claim_is_needed(subject: Subject, claim: str) -> None:
        """A claim that lets the optimizer off a check is needed: without it a check fails.

        Prevents: an exemption that outlives its reason and hides the next fault. Criterion: of the checks that the
        claim exempts or relaxes, made without it on every configuration, at least one fails; the first to fail decides.
        One verdict for each such claim of the default configuration; one that concerns no check of this optimizer is
        let be.
        """
        recipe = replace(subject.recipe, claims=_without(subject.recipe.claims, claim))
        passed: list[str] = []
        for bare in subjects(recipe, subject.declared, device=subject.device, seed=subject.seed):
            for one, part in _excused(checks, bare, claim):
                try:
                    one.run(bare, part)
                except Exception:
                    return
                passed.append(one.name)
        if not passed:
            return
        names = ", ".join(dict.fromkeys(passed))
        raise ContractBroken(
            f"the claim {claim!r} is out of date: every check that it concerns passes without it ({names}); remove it"
        )

    return claim_is_needed


def _excused(checks: Sequence[Check], subject: Subject, claim: str) -> Iterator[tuple[Check, str]]:
    for one in checks:
        if claim in one.excuses and not one.extra:
            for part in one.parts(subject):
                yield one, part


def _without(claims: Mapping[str, Any], claim: str) -> dict[str, Any]:
    """The claims without that one, also where a configuration makes it."""
    return {
        key: _without(value, claim) if isinstance(value, Mapping) else value
        for key, value in claims.items()
        if key != claim
    }
