"""A finding: what one check of the contract said about one configuration of a recipe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

FindingOutcome = Literal["passed", "failed", "xfailed", "xpassed", "timeout", "crashed"]
FindingKey = tuple[str, str, str, str]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """`xpassed` is a failure: a check that was declared as known-broken and holds."""

    recipe: str
    configuration: str
    check: str
    part: str = ""
    """The dtype, hyperparameter or scenario of the verdict; empty where the check gives a single one."""
    outcome: FindingOutcome = "passed"
    sentence: str = ""
    """What is broken, with the numbers; or why the failure is expected."""
    measures: Mapping[str, float] = field(default_factory=dict)
    """What the check measured, such as `state_bytes_per_param`."""
    hints: tuple[str, ...] = ()
    """What the optimizer seems to be, and does not claim."""

    @property
    def name(self) -> str:
        return "::".join(filter(None, (self.configuration, self.check, self.part)))

    @property
    def key(self) -> FindingKey:
        return (self.recipe, self.configuration, self.check, self.part)
