"""A lane: one seed of one recipe in flight, with its record and the optimizer instance that stands for it."""

from __future__ import annotations

from typing import Any

from pytest_optbench.machine.engine.instance import Instance
from pytest_optbench.machine.recipe import Capabilities, Recipe
from pytest_optbench.words.health import Health
from pytest_optbench.words.record import Record


class Lane:
    """One run in flight: what became of it so far, and whose time and memory are measured for it.

    `instance` steps the lane's own parameters, except in a stack, where one instance steps many lanes.
    """

    def __init__(self, seed: int, recipe: Recipe, capabilities: Capabilities, record: Record) -> None:
        self.seed = seed
        self.recipe = recipe
        self.capabilities = capabilities
        self.record = record
        self.instance = Instance(recipe, capabilities, record.budget)
        self.metrics: dict[str, float] = {}
        self.health: Health | None = None
        """Where signs of health are kept; None where nobody asks for them, as for trials."""
        self.examples: dict[str, Any] | None = None
        """The task's example outputs at the end, and the way there in two dimensions; None where nobody asks."""
        self.dropped = False
        """Given up before its record has ended, as a trial that cannot win."""

    @property
    def examined(self) -> bool:
        """Are signs of health still to be kept? What follows on the target is nobody's question."""
        return self.health is not None and self.active and self.record.outcome is None

    @property
    def active(self) -> bool:
        """Does it still need steps?"""
        return not (self.dropped or self.record.finished or self.instance.crash is not None)
