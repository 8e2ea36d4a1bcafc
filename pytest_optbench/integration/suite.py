"""The suite: which recipes run on which tasks in this invocation; everything is validated before anything runs."""

from __future__ import annotations

import traceback
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from pytest_optbench.integration.settings import Settings
from pytest_optbench.machine.contract.plan import CheckCase, plan
from pytest_optbench.machine.contract.recording import as_constructed, parity_covers, recorded_subjects
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.imports import MissingError
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import ANY_DIMENSIONS, Capabilities, Recipe, declared
from pytest_optbench.machine.search import Search, open_search, stand_in
from pytest_optbench.machine.tasks.modules import ModuleTask
from pytest_optbench.machine.tasks.registry import in_tier, threshold_of
from pytest_optbench.machine.tasks.task import Task, parameter_shapes
from pytest_optbench.machine.time_limit import LIMITER, TimeLimitExceeded, time_limit
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.expressions import select
from pytest_optbench.words.gate import Gate, parse_fail_on


@dataclass(frozen=True)
class Policy:
    """How a recipe's cases are compared with a baseline, and what of it fails."""

    gate: Gate
    fail_on: frozenset[str]
    level: str = "solves"
    """What they are asked for where no baseline decides."""


@dataclass(frozen=True)
class Entry:
    """A recipe with its cases, and the selected tasks that it cannot run, with the reason."""

    recipe: Recipe
    capabilities: Capabilities
    cases: tuple[Case, ...]
    inapplicable: dict[str, str]
    contract: tuple[CheckCase, ...] = ()
    subjects: tuple[Subject, ...] = ()
    """The configurations that a fingerprint speaks for, as no claim of parity does."""


CONSTRUCTION_SECONDS = 30.0
"""What building a recipe's optimizers may take at least where there is a limit: the first one imports much of torch."""


class Suite:
    """The recipes of doors 1 and 2 by name, and the tasks that every door may choose from."""

    def __init__(
        self,
        settings: Settings,
        tasks: dict[str, Task],
        declarations: Iterable[OptimizerDeclaration],
        root: Path,
        chosen: frozenset[str] = frozenset(),
    ) -> None:
        """Of the declarations those are loaded whose names are `chosen`; all where there are no such."""
        self.settings = settings
        self.tasks = tasks
        self.root = root
        self._check_device()
        self.entries: dict[str, Entry] = {}
        self.policies: dict[str, Policy] = {}
        self.declared: dict[str, OptimizerDeclaration] = {}
        """By name, also what was not loaded."""
        for declaration in declarations:
            if declaration.name in self.declared:
                raise OptbenchError(
                    f"{declaration.where}: an optimizer named {declaration.name!r} is defined already, in "
                    f"{self.declared[declaration.name].where}; give one of them another name"
                )
            self.declared[declaration.name] = declaration
        if not chosen <= self.declared.keys():
            chosen = frozenset()
        for declaration in self.declared.values():
            if chosen and declaration.name not in chosen:
                continue
            try:
                self.entries[declaration.name] = self._whole_entry(declaration)
            except MissingError:
                if not settings.base_of:
                    raise
        if self.settings.tasks:
            # Also where no recipe is declared, so that a mistake is told before any test file is imported.
            self._matching(self.settings.tasks, self.settings.sources["tasks"])
        if self.settings.runs("tasks") and self.entries and not any(entry.cases for entry in self.entries.values()):
            raise OptbenchError(
                f"{settings.sources['tasks']}: {settings.tasks!r} leaves no task of tier {settings.tier!r} "
                f"for {', '.join(self.entries)}"
            )

    def _whole_entry(self, declaration: OptimizerDeclaration) -> Entry:
        entry = self.entry(declaration)
        contract: tuple[CheckCase, ...] = ()
        subjects: tuple[Subject, ...] = ()
        if self.settings.runs("contract"):
            contract = self.contract(entry.recipe, entry.capabilities)
        if self.settings.runs("fingerprint"):
            with self._limited(entry.recipe):
                found = recorded_subjects(entry.recipe, entry.capabilities)
                subjects = tuple(subject for subject in found if not parity_covers(subject))
        return replace(entry, contract=contract, subjects=subjects)

    def _policy(self, declaration: OptimizerDeclaration, recipe: Recipe) -> Policy:
        """What the recipe's gate is; the command line goes before what the recipe says of itself."""
        values, sources = {}, {}
        for name in ("fail_on", "alpha", "tolerance", "level"):
            own = getattr(declaration, name)
            if own is None or self.settings.given(name):
                values[name], sources[name] = getattr(self.settings, name), self.settings.sources[name]
            else:
                values[name], sources[name] = own, f"{declaration.where}: {name}"
        declared = self._matching(recipe.tasks, f"{recipe.where}: tasks") if recipe.tasks else self.tasks
        gating = sum(self.tasks[name].gates for name in declared)
        try:
            gate = Gate(alpha=values["alpha"], tolerance=values["tolerance"], tasks=gating)
        except OptbenchError as error:
            raise OptbenchError(
                f"{sources['alpha' if str(error).startswith('alpha') else 'tolerance']}: {error}"
            ) from None
        return Policy(gate, parse_fail_on(values["fail_on"], where=sources["fail_on"]), values["level"])

    def entry(self, declaration: OptimizerDeclaration, tier: str | None = None, seeds: int | None = None) -> Entry:
        """Load and validate a declaration, and make its cases."""
        recipe = load_recipe(declaration, root=self.root, tasks=self.tasks)
        self._require_base(recipe)
        self.policies[recipe.name] = self._policy(declaration, recipe)
        capabilities = self.capabilities(recipe)
        cases, inapplicable = [], {}
        selected = self._selected(recipe, tier) if self.settings.runs("tasks") else []
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
        with self._limited(recipe):
            return declared(stand_in(recipe, self._search(recipe)))

    def contract(self, recipe: Recipe, capabilities: Capabilities) -> tuple[CheckCase, ...]:
        """The exact checks of a recipe, at its own hyperparameters, else at the constructor's."""
        with self._limited(recipe):
            return tuple(
                plan(
                    as_constructed(recipe),
                    capabilities,
                    device=self.settings.device,
                    extras=self.settings.extras,
                )
            )

    @contextmanager
    def _limited(self, recipe: Recipe) -> Iterator[None]:
        """Turns a constructor that hangs into an OptbenchError; at collection there is no test that could fail."""
        seconds = self.settings.timeout and max(self.settings.timeout, CONSTRUCTION_SECONDS)
        try:
            with time_limit(seconds):
                yield
        except TimeLimitExceeded as late:
            frames = traceback.extract_tb(late.__traceback__)
            frame = [frame for frame in frames if frame.filename != LIMITER][-1]
            raise OptbenchError(
                f"{recipe.where}: {recipe.path} was not constructed and inspected within {seconds:g} seconds; it was "
                f"in {frame.name} ({frame.filename}:{frame.lineno})"
            ) from None

    def _require_base(self, recipe: Recipe) -> None:
        """In the run of a base commit, raise for an optimizer that comes from the other checkout."""
        path = recipe.source()[0]
        if not self.settings.base_of or not path:
            return
        if Path(path).resolve().is_relative_to(Path(self.settings.base_of).resolve()) and not installed(Path(path)):
            raise OptbenchError(f"{recipe.where}: {recipe.path} was imported from {path}, not from the base commit")

    def _search(self, recipe: Recipe) -> Search:
        return {} if self.settings.tune == "off" else open_search(recipe)

    def case(self, recipe: Recipe, capabilities: Capabilities, task: Task, seeds: int | None = None) -> Case:
        """The case of a recipe on a task under this invocation's settings."""
        if isinstance(task, ModuleTask):
            task.check()
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


def installed(path: Path) -> bool:
    """Is the file of an environment, which may lie inside a checkout, and not of the checkout itself?"""
    return not {"site-packages", "dist-packages"}.isdisjoint(path.parts)


def _refused(capabilities: Capabilities, task: Task) -> set[int]:
    """Numbers of dimensions that the task's parameters have and the optimizer refuses."""
    if len(capabilities.dimensions) == len(ANY_DIMENSIONS):
        return set()  # without making an instance of the task, which may load its data
    return {len(shape) for shape in parameter_shapes(task).values()} - capabilities.dimensions


def _dimensions(numbers: Iterable[int]) -> str:
    words = [str(number) for number in sorted(numbers)]
    return f"{', '.join(words)} dimension{'' if words == ['1'] else 's'}"
