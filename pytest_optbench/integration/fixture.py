"""The fixture `optbench`: a marked optimizer on one task, for assertions of one's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import pytest

from pytest_optbench.integration.execution import (
    CASE,
    STEPPED,
    execute,
)
from pytest_optbench.integration.fingerprints import save_fingerprints
from pytest_optbench.integration.inspection import perform_all
from pytest_optbench.integration.session import SESSION, Session
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.recipe import Capabilities, Recipe, probed, without_default
from pytest_optbench.machine.search import stand_in
from pytest_optbench.machine.stepping import shape_of, step_function
from pytest_optbench.machine.tasks.task import Task, parameter_shapes
from pytest_optbench.words.declaration import OptimizerDeclaration, require_positive
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.ruling import Ruling
from pytest_optbench.words.run import Run
from pytest_optbench.words.statistics import SignTest, sign_test
from pytest_optbench.words.verdict import Verdict


@dataclass(frozen=True)
class CaseResult:
    """What one recipe did on one task: a row per seed, and the absolute verdict over them."""

    rows: tuple[Run, ...]
    verdict: Verdict

    @property
    def steps(self) -> list[float]:
        """Steps to target by seed, `inf` for a seed that did not reach it."""
        return [row.steps for row in self.rows]

    @property
    def median_steps(self) -> float:
        return self.verdict.median_steps

    def faster_than(self, other: CaseResult, *, tolerance: float = 0.05, alpha: float = 0.001) -> SignTest:
        """Does this need fewer steps than `other`, seed by seed, by more than `tolerance`? Truthy when p <= alpha.

        An exact paired sign test (see `words.statistics.sign_test`); a seed that misses counts as infinity. Raises
        ValueError when the two were not run on the same task and seeds.
        """
        mine = [(row.task, row.task_version, row.seed) for row in self.rows]
        theirs = [(row.task, row.task_version, row.seed) for row in other.rows]
        if mine != theirs:
            raise ValueError("faster_than compares two results on the same task and the same seeds")
        return sign_test(self.steps, other.steps, tolerance=tolerance, alpha=alpha)


class Benchmark:
    """The value of the fixture `optbench`."""

    def __init__(self, item: pytest.Item, case: Case, session: Session) -> None:
        self.case = case
        self._item = item
        self._session = session
        self._own: CaseResult | None = None
        self._ruling: Ruling | None = None
        self._others: dict[str, tuple[object, CaseResult]] = {}

    @property
    def task(self) -> Task:
        return self.case.task

    @property
    def recipe(self) -> Recipe:
        return self.case.recipe

    def check(self) -> CaseResult:
        """Fail the test, with the same sentence as the standard suite, unless the case passes."""
        __tracebackhide__ = True
        result = self.run()
        assert self._ruling is not None
        if self._ruling.word == "xfailed":
            pytest.xfail(self._ruling.excuse)
        if self._ruling.word == "failed":
            pytest.fail(self._ruling.sentence, pytrace=False)
        return result

    def check_contract(self) -> None:
        """Fail the test unless every check of the contract holds for the marked optimizer, in every configuration.

        The same checks as the standard suite's, all in one test; expected failures are honoured, and strict.
        """
        __tracebackhide__ = True
        try:
            cases = self._session.suite.contract(self.recipe, self.case.capabilities)
        except OptbenchError as error:
            pytest.fail(str(error), pytrace=False)
        texts = perform_all(cases, self._item)
        if texts:
            pytest.fail("\n".join(texts), pytrace=False)

    def run(
        self, optimizer: Callable[..., Any] | str | None = None, *, name: str = "", **hyperparameters: Any
    ) -> CaseResult:
        """Run the marked optimizer, or another one with its hyperparameters, on this test's task and seeds.

        Never fails on a verdict; an exception in the optimizer comes out as it is. What has run in this test is not
        run again. Rows of other optimizers are named `test/optimizer` in the CSV, or `test/name`, and by what else the
        test is parametrized with; raises ValueError for a second one of the same name with other hyperparameters.
        """
        __tracebackhide__ = True
        if optimizer is None:
            if hyperparameters:
                raise TypeError("hyperparameters of the marked optimizer belong into the mark; or name an optimizer")
            if self._own is None:
                self._own = self._execute(self.case)
            return self._own
        label = name or (optimizer if isinstance(optimizer, str) else getattr(optimizer, "__name__", "other"))
        label = label.rpartition(":")[2]
        label = label if label.isidentifier() else "other"
        what = (optimizer, hyperparameters)
        if label not in self._others:
            try:
                case = self._other(optimizer, label, hyperparameters)
            except OptbenchError as error:
                pytest.fail(str(error), pytrace=False)
            self._others[label] = what, self._execute(case)
        known, result = self._others[label]
        if known != what:
            raise ValueError(f"optbench.run: {label!r} has been run with other hyperparameters here; give name='...'")
        return result

    def step(
        self,
        optimizer: Callable[..., Any] | str | None = None,
        *,
        parameters: int | None = None,
        device: str | None = None,
        **hyperparameters: Any,
    ) -> Callable[[], None]:
        """A function that does one step of the marked optimizer, or of another one, for pytest-benchmark to time.

            def test_step(optbench, benchmark):
                benchmark(optbench.step(parameters=10_000))

        `parameters` is how many, in one matrix where the optimizer accepts matrices; without it, they have the shapes
        of this test's task. Gradients are prepared and state is made (see `machine.stepping.step_function`). From here
        to the end of the test torch has one thread, as in a case.

        Where the test also runs the case, and the parameters are the task's, the median that the fixture `benchmark`
        finds takes the place of `step_ms` in the rows. Fails the test for an optimizer that cannot be stepped so.
        """
        __tracebackhide__ = True
        own = optimizer is None and parameters is None and device is None
        try:
            recipe, capabilities = self._to_step(optimizer, hyperparameters)
            if parameters is not None:
                require_positive(parameters, where="optbench.step: parameters")
            stack = ExitStack()
            stack.enter_context(isolated())
            self._item.addfinalizer(stack.close)
            capabilities = probed(recipe, capabilities)
            shapes = (
                [shape_of(parameters, capabilities.dimensions)]
                if parameters is not None
                else list(parameter_shapes(self.task).values())
            )
            function = step_function(recipe, capabilities, shapes, device=device or self.case.device)
        except OptbenchError as error:
            pytest.fail(str(error), pytrace=False)
        self._item.stash.setdefault(STEPPED, []).append(own)
        return function

    def _to_step(
        self, optimizer: Callable[..., Any] | str | None, hyperparameters: dict[str, Any]
    ) -> tuple[Recipe, Capabilities]:
        """The recipe to step, with any value for what it leaves open and its constructor asks for."""
        if optimizer is None and hyperparameters:
            raise TypeError("hyperparameters of the marked optimizer belong into the mark; or name an optimizer")
        case = self.case if optimizer is None else self._other(optimizer, "other", hyperparameters)
        required = without_default(case.recipe)
        search = {name: values for name, values in case.search.items() if name in required}
        return stand_in(case.recipe, search), case.capabilities

    def _other(self, optimizer: Callable[..., Any] | str, label: str, hyperparameters: dict[str, Any]) -> Case:
        declaration = OptimizerDeclaration(
            name=label, where=f"optbench.run({label})", optimizer=optimizer, hyperparameters=hyperparameters
        )
        suite = self._session.suite
        recipe = load_recipe(declaration, root=suite.root, tasks=suite.tasks)
        capabilities = suite.capabilities(recipe)
        test = getattr(self._item, "originalname", self.recipe.name)
        owner = self.recipe.name if self.recipe.name == test else f"{self.recipe.name}.{test}"
        recipe = replace(recipe, name=" ".join([f"{owner}/{label}", *_other_parameters(self._item)]))
        return suite.case(recipe, capabilities, self.task, len(self.case.seeds))

    def _execute(self, case: Case) -> CaseResult:
        __tracebackhide__ = True
        rows, verdict, ruling = execute(case, self._item)
        if case is self.case:
            self._ruling = ruling
            save_fingerprints(case, self._item)
        return CaseResult(tuple(rows), verdict)


def _other_parameters(item: pytest.Item) -> list[str]:
    """The test's parameters but for the task, as `name=value`: they tell apart what one test compares with."""
    parameters: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return [f"{name}={value}" for name, value in parameters.items() if name != "optbench_task"]


def requested_task(request: pytest.FixtureRequest) -> Task:
    """The task behind the parameter of this test; skips a test that asks for it without the mark, while idle."""
    if not hasattr(request, "param"):
        pytest.skip("needs --optbench, and the mark optbench")
    case: Case = request.param
    request.node.stash[CASE] = case
    return case.task


def requested_benchmark(request: pytest.FixtureRequest, task: Task) -> Benchmark:
    """The benchmark behind the parameter of this test."""
    return Benchmark(request.node, request.node.stash[CASE], request.config.stash[SESSION])
