"""The suite: which recipes run on which tasks in this invocation; everything is validated before anything runs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pytest_optbench.integration.settings import Settings
from pytest_optbench.machine.contract.plan import CheckCase, plan, require_lr
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import ANY_DIMENSIONS, Capabilities, Recipe, declared, without_default
from pytest_optbench.machine.search import Search, open_search, stand_in
from pytest_optbench.machine.tasks.registry import in_tier, threshold_of
from pytest_optbench.machine.tasks.task import Task, parameter_shapes
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.expressions import select


@dataclass(frozen=True)
class Entry:
    """A recipe with its cases, and the selected tasks that it cannot run, with the reason."""

    recipe: Recipe
    capabilities: Capabilities
    cases: tuple[Case, ...]
    inapplicable: dict[str, str]
    contract: tuple[CheckCase, ...] = ()


class Suite:
    """The recipes of doors 1 and 2 by name, and the tasks that every door may choose from."""

    def __init__(
        self, settings: Settings, tasks: dict[str, Task], declarations: Iterable[OptimizerDeclaration], root: Path
    ) -> None:
        self.settings = settings
        self.tasks = tasks
        self.root = root
        self._check_device()
        self.entries: dict[str, Entry] = {}
        for declaration in declarations:
            if declaration.name in self.entries:
                raise OptbenchError(
                    f"{declaration.where}: an optimizer named {declaration.name!r} is defined already, in "
                    f"{self.entries[declaration.name].recipe.where}; give one of them another name"
                )
            entry = self.entry(declaration)
            contract = self.contract(entry.recipe, entry.capabilities) if self.settings.layer != "tasks" else ()
            self.entries[declaration.name] = replace(entry, contract=contract)
        if self.settings.tasks:
            # Also where no recipe is declared, so that a mistake is told before any test file is imported.
            self._matching(self.settings.tasks, self.settings.sources["tasks"])
        if (
            self.settings.layer != "contract"
            and self.entries
            and not any(entry.cases for entry in self.entries.values())
        ):
            raise OptbenchError(
                f"{settings.sources['tasks']}: {settings.tasks!r} leaves no task of tier {settings.tier!r} "
                f"for {', '.join(self.entries)}"
            )

    def entry(self, declaration: OptimizerDeclaration, tier: str | None = None, seeds: int | None = None) -> Entry:
        """Load and validate a declaration, and make its cases."""
        recipe = load_recipe(declaration, root=self.root, tasks=self.tasks)
        capabilities = self.capabilities(recipe)
        cases, inapplicable = [], {}
        selected = self._selected(recipe, tier) if self.settings.layer != "contract" else []
        for task in selected:
            refused = _refused(capabilities, task)
            if refused:
                inapplicable[task.name] = f"has parameters of {_dimensions(refused)}"
            else:
                cases.append(self.case(recipe, capabilities, task, seeds))
        if selected and not cases:
            accepted = _dimensions(capabilities.dimensions)
            raise OptbenchError(
                f"{recipe.where}: {recipe.path} accepts only parameters of {accepted}; no selected task has only such"
            )
        return Entry(recipe, capabilities, tuple(cases), inapplicable)

    def capabilities(self, recipe: Recipe) -> Capabilities:
        """What the recipe can do, with any value for what tuning is to choose."""
        return declared(stand_in(recipe, self._search(recipe)))

    def contract(self, recipe: Recipe, capabilities: Capabilities) -> tuple[CheckCase, ...]:
        """The exact checks of a recipe, at its own hyperparameters, else at the constructor's."""
        require_lr(recipe)
        required = without_default(recipe)
        search = {name: values for name, values in open_search(recipe).items() if name in required}
        return tuple(
            plan(
                stand_in(recipe, search),
                capabilities,
                device=self.settings.device,
                extras=self.settings.extras,
            )
        )

    def _search(self, recipe: Recipe) -> Search:
        return {} if self.settings.tune == "off" else open_search(recipe)

    def case(self, recipe: Recipe, capabilities: Capabilities, task: Task, seeds: int | None = None) -> Case:
        """The case of a recipe on a task under this invocation's settings."""
        return Case(
            recipe=recipe,
            capabilities=capabilities,
            task=task,
            threshold=threshold_of(task),
            seeds=tuple(range(min(seeds or self.settings.seeds, task.seeds))),
            engine=self.settings.engine,
            device=self.settings.device,
            timeout=self.settings.timeout or None,
            full_budget=self.settings.full_budget,
            search=self._search(recipe),
        )

    def _selected(self, recipe: Recipe, tier: str | None) -> list[Task]:
        """The tasks of the tier that both the recipe's and the invocation's expression select.

        The invocation's may leave this recipe none, if it leaves another one some; the recipe's own may not.
        """
        tier = tier or self.settings.tier
        names = [name for name, task in self.tasks.items() if in_tier(task, tier)]
        if recipe.tasks:
            where = f"{recipe.where}: tasks"
            names = [name for name in names if name in self._matching(recipe.tasks, where)]
            if not names:
                raise OptbenchError(f"{where}: {recipe.tasks!r} leaves no task of tier {tier!r} for {recipe.name}")
        if self.settings.tasks:
            chosen = self._matching(self.settings.tasks, self.settings.sources["tasks"])
            names = [name for name in names if name in chosen]
        return [self.tasks[name] for name in names]

    def _matching(self, expression: str, where: str) -> frozenset[str]:
        """Names of the tasks, of whatever tier, that an expression selects."""
        tags = {name: task.tags | {task.tier} for name, task in self.tasks.items()}
        return frozenset(select(expression, tags, where=where))

    def _check_device(self) -> None:
        device, where = self.settings.device, self.settings.sources["device"]
        try:
            torch.ones(1, device=device).item()
        except (RuntimeError, AssertionError, NotImplementedError) as error:
            reason = str(error).strip().splitlines()[0]
            raise OptbenchError(f"{where}: device {device!r} cannot be used: {reason}") from error


def _refused(capabilities: Capabilities, task: Task) -> set[int]:
    """Numbers of dimensions that the task's parameters have and the optimizer refuses."""
    if len(capabilities.dimensions) == len(ANY_DIMENSIONS):
        return set()  # without making an instance of the task, which may load its data
    return {len(shape) for shape in parameter_shapes(task).values()} - capabilities.dimensions


def _dimensions(numbers: Iterable[int]) -> str:
    words = [str(number) for number in sorted(numbers)]
    return f"{', '.join(words)} dimension{'' if words == ['1'] else 's'}"
