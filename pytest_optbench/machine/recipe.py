"""A recipe: what is under test. Optimizer factory, hyperparameters, schedule, claims; declared once, built per run."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from pytest_optbench.machine.contract.reference import Reference
from pytest_optbench.machine.determinism import RandomState, isolated
from pytest_optbench.machine.environment import package_version
from pytest_optbench.words.errors import OptbenchError, nearest
from pytest_optbench.words.run import Regime

OptimizerFactory = Callable[..., Optimizer]
SchedulerFactory = Callable[[Optimizer, int], Any]
_PROBE_SHAPES: Mapping[int, tuple[int, ...]] = {0: (), 1: (6,), 2: (4, 3), 3: (2, 4, 3), 4: (2, 3, 2, 2)}


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """What is under test, as its author declared it.

    `optimizer` is a `torch.optim.Optimizer` class, or a factory `(parameters, **hyperparameters) -> Optimizer`;
    `scheduler` a factory `(optimizer, budget) -> LRScheduler` whose `step()` follows every optimizer step.
    """

    name: str
    optimizer: OptimizerFactory
    where: str
    """Where it was declared; begins every error sentence about it."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    configurations: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Named sets of options on top of `hyperparameters`, which the contract covers too."""
    derives: bool = False
    """Is the contract to derive configurations, as none were declared?"""
    derived: frozenset[str] = frozenset()
    """Names of the configurations that were."""
    search: Mapping[str, Any] | None = None
    """Spaces of what is tuned; None leaves it to the default, an empty one leaves nothing open."""
    tuned: tuple[str, ...] = ()
    """Names of the hyperparameters whose values tuning has chosen."""
    scheduler: SchedulerFactory | None = None
    tasks: str = ""
    """Expression that selects tasks; empty means all of the tier."""
    family: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    reference: Reference | None = None
    """What the contract compares it with, step by step."""
    expected_failures: Mapping[str, str] = field(default_factory=dict)
    """Reason by name of a task or a contract check."""

    @property
    def path(self) -> str:
        """The optimizer as module:name."""
        target = inspect.unwrap(self.optimizer)
        name = getattr(target, "__qualname__", type(target).__qualname__)
        return f"{getattr(target, '__module__', '')}:{name}"

    @property
    def version(self) -> str:
        return package_version(self.path.partition(":")[0])

    @property
    def regime(self) -> Regime:
        return "tuned" if self.tuned else "fixed" if self.hyperparameters else "default"

    @property
    def hyperparameters_json(self) -> str:
        return _as_json(self.hyperparameters)

    @property
    def tuned_json(self) -> str:
        return _as_json({name: self.hyperparameters[name] for name in self.tuned})

    def build(self, parameters: Iterable[torch.Tensor], **overrides: Any) -> Optimizer:
        """A fresh optimizer over `parameters`; `overrides` go on top of the recipe's hyperparameters."""
        return self.optimizer(list(parameters), **{**self.hyperparameters, **overrides})

    def source(self) -> tuple[str, int]:
        """File and (zero-based) line of the optimizer's definition; ("", 0) where there is none to read."""
        return self._place

    @cached_property
    def _place(self) -> tuple[str, int]:
        # To find a class, inspect parses the whole file: longer than most checks take.
        target = inspect.unwrap(self.optimizer)
        try:
            return inspect.getsourcefile(target) or "", max(inspect.getsourcelines(target)[1] - 1, 0)
        except (OSError, TypeError):
            return "", 0


def source_digest(*things: object) -> str:
    """SHA-256 over the files that define these classes, their bases and functions, and over what a partial function or
    a callable object holds; torch's files and the library's own are out.

    A change of any of those may change what the optimizer does; a change elsewhere goes unnoticed.
    """
    files: set[str] = set()
    held: list[str] = []
    pending = [thing for thing in things if thing is not None]
    while pending:
        target: Any = pending.pop()
        target = inspect.unwrap(target) if callable(target) else target
        if isinstance(target, partial):
            held.append(_as_json({"": target.args, **target.keywords}))
            pending.append(target.func)
            continue
        if not isinstance(target, type) and not inspect.isroutine(target):
            held.append(_as_json(getattr(target, "__dict__", {})))
            target = type(target)
        for one in inspect.getmro(target) if isinstance(target, type) else (target,):
            module = getattr(one, "__module__", "") or ""
            if module.partition(".")[0] not in ("torch", "pytest_optbench", "builtins", "typing", "abc"):
                with suppress(OSError, TypeError):
                    files.add(inspect.getsourcefile(one) or "")
    digest = hashlib.sha256(json.dumps(held).encode())
    for file in sorted(files - {""}):
        with suppress(OSError):
            digest.update(Path(file).read_bytes())
    return digest.hexdigest()


ANY_DIMENSIONS = frozenset(_PROBE_SHAPES)
"""The numbers of dimensions that are tried; what accepts them all accepts every task."""


@dataclass(frozen=True)
class Capabilities:
    """What a recipe's optimizer needs and accepts: declared in its claims, else seen on a toy problem."""

    dimensions: frozenset[int]
    """Numbers of dimensions of a parameter that the constructor accepts, among 0 to 4."""
    needs_closure: bool
    gradient_before_closure: bool
    """Does step(closure) expect gradients to be there already (as sharpness-aware methods do)?"""
    train_eval: bool
    needs_graph: bool = False
    """Does step() differentiate the gradients, as after backward(create_graph=True) (Hessian-vector products)?"""


def validate(recipe: Recipe) -> Capabilities:
    """What the recipe can do: `declared`, then `probed`."""
    return probed(recipe, declared(recipe))


@isolated()
def declared(recipe: Recipe) -> Capabilities:
    """What claims, signatures and constructors tell; no step is taken. OptbenchError for what cannot be built.

    Called before anything runs, so that a hyperparameter the constructor refuses costs a sentence, not a suite.
    """
    _check_hyperparameters(recipe)
    refusals: dict[int, Exception] = {}
    for ndim, shape in _PROBE_SHAPES.items():
        try:
            built = recipe.build([_parameter(shape)])
        except Exception as error:
            refusals[ndim] = error
            continue
        if not isinstance(built, Optimizer):
            raise OptbenchError(
                f"{recipe.where}: {recipe.path} made a {type(built).__name__}; expected a torch.optim.Optimizer"
            )
    dimensions = frozenset(_PROBE_SHAPES) - frozenset(refusals) - frozenset(recipe.claims.get("no_ndim", ()))
    if not dimensions:
        refusal = refusals[min(refusals, key=lambda ndim: abs(ndim - 2))]
        raise OptbenchError(
            f"{recipe.where}: {recipe.path} refuses {_call(recipe.hyperparameters)}: "
            f"{type(refusal).__name__}: {refusal}"
        )
    shape = _PROBE_SHAPES[2 if 2 in dimensions else min(dimensions)]
    for name, options in recipe.configurations.items():
        try:
            recipe.build([_parameter(shape)], **options)
        except Exception as error:
            raise OptbenchError(
                f"{recipe.where}: configuration {name!r}: {recipe.path} refuses {_call(options)}: "
                f"{type(error).__name__}: {error}"
            ) from error
    _check_scheduler(recipe, shape)
    optimizer = recipe.build([_parameter(shape)])
    closure = recipe.claims.get("needs_closure", bool(_required_arguments(optimizer.step)))
    modes = callable(getattr(optimizer, "train", None)) and callable(getattr(optimizer, "eval", None))
    return Capabilities(
        dimensions=dimensions,
        needs_closure=closure,
        gradient_before_closure=False,
        train_eval=bool(recipe.claims.get("train_eval", modes)),
    )


@isolated()
def probed(recipe: Recipe, capabilities: Capabilities) -> Capabilities:
    """What steps on a toy quadratic add: is a closure needed, does step(closure) expect gradients beforehand, must
    gradients be differentiable?

    Runs the user's step(), which may hang or end the process: to be called where a case is run, not before.
    """
    dimensions = capabilities.dimensions
    shape = _PROBE_SHAPES[2 if 2 in dimensions else min(dimensions)]
    needed = capabilities.needs_closure
    plain = needed or _tries(recipe, shape, prepared=True, closure=False)
    if not plain and "needs_closure" not in recipe.claims:
        needed = _tries(recipe, shape, prepared=True, closure=True)
    graph = not plain and not needed and _tries(recipe, shape, prepared=True, closure=False, graph=True)
    first = needed and (
        not _tries(recipe, shape, prepared=False, closure=True) or _reads_the_gradient_it_finds(recipe, shape)
    )
    return replace(capabilities, needs_closure=needed, gradient_before_closure=first, needs_graph=graph)


def _check_hyperparameters(recipe: Recipe) -> None:
    if "pytestmark" in vars(recipe.optimizer if isinstance(recipe.optimizer, type) else object):
        raise OptbenchError(
            f"{recipe.where}: the mark 'optbench' was put on the class {recipe.path}, not on a test; write "
            f"@pytest.mark.optbench(optimizer={recipe.path.rpartition(':')[2]})"
        )
    try:
        signature = inspect.signature(recipe.optimizer)
    except (TypeError, ValueError):
        return
    parameters = list(signature.parameters.values())
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    accepted = [parameter.name for parameter in parameters[1:]]
    groups = {"": recipe.hyperparameters, **{f"configuration {k!r}: ": v for k, v in recipe.configurations.items()}}
    for prefix, options in groups.items():
        for name in options:
            if name not in accepted:
                raise OptbenchError(
                    f"{recipe.where}: {prefix}{recipe.path} has no hyperparameter {name!r}{nearest(name, accepted)}"
                )
    for parameter in parameters[1:]:
        if parameter.default is parameter.empty and parameter.name not in recipe.hyperparameters:
            if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
                continue
            raise OptbenchError(
                f"{recipe.where}: {recipe.path} has no default for {parameter.name!r}; set it in 'hyperparameters'"
            )


def without_default(recipe: Recipe) -> set[str]:
    """Names of the hyperparameters that the constructor has no value for."""
    try:
        parameters = list(inspect.signature(recipe.optimizer).parameters.values())[1:]
    except (TypeError, ValueError):
        return set()
    return {p.name for p in parameters if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)}


def _check_scheduler(recipe: Recipe, shape: tuple[int, ...]) -> None:
    if recipe.scheduler is None:
        return
    try:
        scheduler = recipe.scheduler(recipe.build([_parameter(shape)]), 100)
        step = scheduler.step
    except Exception as error:
        raise OptbenchError(
            f"{recipe.where}: scheduler: calling the factory with (optimizer, budget) raised "
            f"{type(error).__name__}: {error}"
        ) from error
    required = _required_arguments(step)
    if required:
        raise OptbenchError(
            f"{recipe.where}: scheduler: {type(scheduler).__name__}.step() needs {required[0]!r}; "
            "expected a scheduler that depends on the step alone"
        )


def _tries(recipe: Recipe, shape: tuple[int, ...], *, prepared: bool, closure: bool, graph: bool = False) -> bool:
    """Do two steps on a toy quadratic, with or without gradients and closure, run and move the parameter?

    `graph` makes the gradients themselves differentiable.
    """
    parameter = _parameter(shape)
    before = parameter.detach().clone()

    def evaluate() -> torch.Tensor:
        with torch.set_grad_enabled(graph):
            parameter.grad = 2 * parameter
        return parameter.detach().square().sum()

    try:
        optimizer: Any = recipe.build([parameter])
        if recipe.claims.get("train_eval", True) and callable(train := getattr(optimizer, "train", None)):
            train()
        for _ in range(2):
            if prepared:
                evaluate()
            optimizer.step(evaluate) if closure else optimizer.step()
    except Exception:
        return False
    return not torch.equal(parameter, before)


def _reads_the_gradient_it_finds(recipe: Recipe, shape: tuple[int, ...]) -> bool:
    """Does step(closure) evaluate or end elsewhere when another gradient was there before it?

    A method that perturbs the parameters along the gradient it finds skips that silently where it finds none.
    """
    random = RandomState.current()
    up = _places(recipe, shape, found=2.0)
    random.restore()
    down = _places(recipe, shape, found=-2.0)
    return len(up) != len(down) or not all(map(torch.equal, up, down))


def _places(recipe: Recipe, shape: tuple[int, ...], *, found: float) -> list[torch.Tensor]:
    """Where one step(closure) evaluates a toy quadratic, and where it ends, if it finds `found` times the parameter as
    the gradient."""
    parameter = _parameter(shape)
    places = []

    def evaluate() -> torch.Tensor:
        places.append(parameter.detach().clone())
        parameter.grad = 2 * parameter.detach()
        return parameter.detach().square().sum()

    try:
        optimizer: Any = recipe.build([parameter])
        parameter.grad = found * parameter.detach()
        optimizer.step(evaluate)
    except Exception:
        return []
    return [*places, parameter.detach().clone()]


def _required_arguments(function: Callable[..., object]) -> list[str]:
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return []
    variadic = {inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD}
    return [p.name for p in parameters if p.default is p.empty and p.kind not in variadic]


def _parameter(shape: tuple[int, ...]) -> torch.nn.Parameter:
    values = torch.linspace(0.5, 1.5, max(torch.Size(shape).numel(), 1)).reshape(shape)
    return torch.nn.Parameter(values)


@isolated()
def made_class(recipe: Recipe, capabilities: Capabilities) -> type[Optimizer]:
    """The class of what the recipe builds, which a factory does not tell."""
    shape = _PROBE_SHAPES[2 if 2 in capabilities.dimensions else min(capabilities.dimensions)]
    return type(recipe.build([_parameter(shape)]))


def _as_json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, sort_keys=True, default=_spelled)


def _spelled(value: object) -> str:
    """A value that JSON has no word for, without an address that differs from process to process."""
    if " at 0x" not in (text := repr(value)):
        return text
    return getattr(value, "__qualname__", type(value).__qualname__)


def _call(options: Mapping[str, Any]) -> str:
    return f"({', '.join(f'{name}={value!r}' for name, value in options.items())})" if options else "its own defaults"
