"""Modules: tasks made of an ordinary `torch.nn.Module` and of ordinary batches of (inputs, targets)."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.parameter import UninitializedParameter

from pytest_optbench.machine.determinism import RandomState, isolated, seeded
from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.batching import LANES, Lane, quoted, refusal
from pytest_optbench.machine.tasks.samples import Pair, as_pair, plain, read_samples
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.errors import OptbenchError

_STATE = "module."
"""Before the names of buffers and frozen parameters among the constants."""


class ModuleTask(Task):
    """f = criterion(module(inputs), targets) on minibatches: the base class of tasks from a `torch.nn.Module`.

    A subclass gives `name`, `horizon`, `module`, `criterion`, and either `data` (with `held_out`, if there is any) or
    `sample`. Every seed starts from a module of its own, built under a seed of its own, and draws minibatches of its
    own with replacement. Frozen parameters and buffers are constants of the seed.

    A task is a pure function: a module that draws random numbers (dropout) or changes its buffers (running statistics)
    is refused in a sentence. One that `vmap` cannot batch, or not to the bit, runs one seed after another; why is in
    `unbatched`, and in `optbench tasks NAME`.
    """

    tier = "small"
    tags: ClassVar[frozenset[str]] = frozenset({"nonconvex", "noisy"})
    source: ClassVar[str] = "a torch.nn.Module"
    batch_size: ClassVar[int | None] = None
    """Samples of a minibatch; None for as many as the first batch of `data` has. All of them: the gradient is exact."""
    judged_samples: ClassVar[int] = 512
    """The most samples that an evaluation looks at: always the same ones, as it happens about 200 times in a budget."""

    def module(self) -> nn.Module:
        """A new module, initialized as always: torch's, NumPy's and Python's generators are seeded for it."""
        raise _missing(self, "module()")

    def criterion(self, outputs: Any, targets: Tensor) -> Tensor:
        """The loss of a batch, 0-dim, such as `torch.nn.functional.cross_entropy(outputs, targets)`."""
        raise _missing(self, "criterion(outputs, targets)")

    def data(self) -> Iterable[Any]:
        """A finite source of (inputs, targets): a `DataLoader`, any iterable of batches, or two tensors with all of it.

        It is read once, into memory, under fixed seeds: a loader that shuffles does so in the same way every time.
        """
        raise _missing(self, "data() or sample(generator, count)")

    def held_out(self) -> Iterable[Any] | None:
        """A source as in `data` of what is evaluated; None for the training samples."""
        return None

    def sample(self, generator: Generator, count: int) -> Pair:
        """In place of `data`: `count` new samples, drawn from `generator` alone; `batch_size` says how many a step."""
        raise _missing(self, "sample(generator, count)")

    def judged(self, parameters: Tensors, constants: Tensors) -> tuple[Any, Tensor]:
        """The outputs of the module, in evaluation mode, on the samples that are judged, and their targets."""
        outputs = self._outputs(parameters, constants, constants["judged_inputs"], training=False)
        return outputs, constants["judged_targets"]

    def check(self) -> None:
        """Raise OptbenchError, before anything runs, where the task is no pure function or its data cannot be read."""
        _examined(self)

    @property
    def unbatched(self) -> str:
        """Why seeds run one after another; empty where they share a batched gradient."""
        return _examined(self)

    @property
    def batchable(self) -> bool:  # type: ignore[override]
        return not self.unbatched

    def shared(self) -> Tensors:
        self.check()
        return dict(_gathered(self).tensors)

    def private(self, streams: Streams) -> Tensors:
        # The module of `initial`, whose generator must not be drawn from twice.
        own = Streams(streams.task, streams.version, streams.seed)
        return _constants_of(_built(self, own.init))

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return _parameters_of(_built(self, streams.init))

    def batches(self, streams: Streams, start: int, steps: int, constants: Tensors) -> Tensors:
        size = _gathered(self).batch_size
        if _draws(self):
            drawn = as_pair(self.sample(streams.data, steps * size), f"task {self.name}: sample()")
            return {
                name: tensor.reshape(steps, size, *tensor.shape[1:]) for name, tensor in zip(_NAMES, drawn, strict=True)
            }
        count = len(constants["inputs"])
        return {} if size >= count else {"rows": torch.randint(count, (steps, size), generator=streams.data)}

    def loss(self, parameters: Tensors, constants: Tensors, batch: Tensors) -> Tensor:
        inputs, targets = (batch[name] if name in batch else constants[name] for name in _NAMES)
        if "rows" in batch:
            inputs, targets = inputs[batch["rows"]], targets[batch["rows"]]
        return self.criterion(self._outputs(parameters, constants, inputs, training=True), targets)

    def evaluate(self, parameters: Tensors, constants: Tensors, step: Tensor) -> Tensor:
        return self.criterion(*self.judged(parameters, constants))

    def _outputs(self, parameters: Tensors, constants: Tensors, inputs: Tensor, *, training: bool) -> Any:
        state = {name.removeprefix(_STATE): value for name, value in constants.items() if name.startswith(_STATE)}
        with _plain_attention():
            return functional_call(_skeleton(self).train(training), {**state, **parameters}, (inputs,))


_NAMES = ("inputs", "targets")


@dataclass(frozen=True)
class _Gathered:
    """The data of a task, as it is kept in memory."""

    tensors: Tensors
    batch_size: int


@contextmanager
def _telling(task: ModuleTask, what: str) -> Iterator[None]:
    """Turns an exception of the user's own code into an OptbenchError that says where it came from."""
    try:
        yield
    except OptbenchError:
        raise
    except Exception as error:
        raise OptbenchError(f"task {task.name}: {what} raised {quoted(error)}") from error


def _missing(task: ModuleTask, method: str) -> OptbenchError:
    return OptbenchError(f"task {task.name}: {type(task).__name__} does not define {method}")


def _draws(task: ModuleTask) -> bool:
    return type(task).sample is not ModuleTask.sample


@lru_cache(maxsize=8)
def _gathered(task: ModuleTask) -> _Gathered:
    where = f"task {task.name}"
    seed = derived_seed(task.name, task.version, "samples")
    if _draws(task):
        if task.batch_size is None:
            raise OptbenchError(f"{where}: sample() is given, but no batch_size; set it to the samples of a step")
        judged = as_pair(task.sample(torch.Generator().manual_seed(seed), task.judged_samples), f"{where}: sample()")
        return _Gathered(_named("judged_", judged), task.batch_size)
    with seeded(seed), _telling(task, "its data"):
        pair, first = read_samples(task.data(), f"{where}: data()")
        source = task.held_out()
        judged = pair if source is None else read_samples(source, f"{where}: held_out()")[0]
    some = torch.randperm(len(judged[0]), generator=torch.Generator().manual_seed(seed))[: task.judged_samples]
    tensors = {**_named("", pair), **_named("judged_", (judged[0][some], judged[1][some]))}
    return _Gathered(tensors, task.batch_size or first)


def _named(prefix: str, pair: Pair) -> Tensors:
    return {f"{prefix}{name}": tensor for name, tensor in zip(_NAMES, pair, strict=True)}


def _built(task: ModuleTask, generator: Generator) -> nn.Module:
    """The module of one seed: built anew, under global generators that are seeded for it and put back."""
    with seeded(int(torch.randint(2**62, (), generator=generator))), _telling(task, "module()"):
        module = task.module()
    if not isinstance(module, nn.Module):
        raise OptbenchError(f"task {task.name}: module() gives {module!r}; expected a torch.nn.Module")
    lazy = [name for name, parameter in module.named_parameters() if isinstance(parameter, UninitializedParameter)]
    if lazy:
        raise OptbenchError(
            f"task {task.name}: {lazy[0]!r} is of a lazy layer; give its sizes, as in nn.Linear(64, 10)"
        )
    if not any(parameter.requires_grad for parameter in module.parameters()):
        raise OptbenchError(f"task {task.name}: module() has no parameter that is trained")
    return module


def _parameters_of(module: nn.Module) -> Tensors:
    return {name: plain(one.detach().clone()) for name, one in module.named_parameters() if one.requires_grad}


def _constants_of(module: nn.Module) -> Tensors:
    frozen = {name: one for name, one in module.named_parameters() if not one.requires_grad}
    kept = {**frozen, **dict(module.named_buffers())}
    # A mask stays one of booleans.
    return {
        f"{_STATE}{name}": plain(one.detach().clone()) if one.is_floating_point() else one.detach().clone()
        for name, one in kept.items()
    }


@lru_cache(maxsize=8)
def _skeleton(task: ModuleTask) -> nn.Module:
    """The module whose code is run; its own parameters and buffers are never used."""
    return _built(task, torch.Generator().manual_seed(0))


@lru_cache(maxsize=32)
def _examined(task: ModuleTask) -> str:
    """Why `vmap` cannot batch the task, if it cannot. Raises OptbenchError where it is no pure, smooth function."""
    shared = _gathered(task).tensors
    with isolated(), torch.no_grad():
        lanes = [_lane(task, seed, shared) for seed in range(max(LANES))]
        _require_pure(task, *lanes[0])
        try:
            return refusal(task, lanes)
        except Exception as error:
            raise OptbenchError(f"task {task.name}: no gradient: {quoted(error)}") from error


def _lane(task: ModuleTask, seed: int, shared: Tensors) -> Lane:
    """Parameters, constants and the first batch of a seed."""
    streams = Streams(task.name, task.version, seed)
    constants = {**shared, **task.private(streams)}
    block = task.batches(Streams(task.name, task.version, seed, block=0), 0, 1, constants)
    return task.initial(streams, constants), constants, {name: tensor[0] for name, tensor in block.items()}


def _require_pure(task: ModuleTask, parameters: Tensors, constants: Tensors, batch: Tensors) -> None:
    """Raise OptbenchError for a loss that is no number, draws random numbers, or changes what it is computed from."""
    where = f"task {task.name}"
    module = _built(task, torch.Generator().manual_seed(0)).train()
    before, random = {name: value.clone() for name, value in _state(module)}, RandomState.current()
    try:
        module(constants["judged_inputs"])
        losses = [task.loss(parameters, constants, batch) for _ in range(2)]
        values = [task.evaluate(parameters, constants, torch.zeros(())) for _ in range(2)]
    except Exception as error:
        raise OptbenchError(f"{where}: no loss of a batch: {quoted(error)}") from error
    if not RandomState.current().same(random):
        raise OptbenchError(
            f"{where}: it draws random numbers{_layers(module, _drops_out)}, so that a run depends on more than its "
            "seed; set the dropout to 0, or draw the noise in sample() and pass it in with the inputs"
        )
    changed = [name for name, value in _state(module) if not torch.equal(value, before[name])]
    if changed:
        tracking = _layers(module, _tracks)
        raise OptbenchError(
            f"{where}: forward() changes {changed[0]!r}{tracking}, and a task is a pure function; "
            + ("set track_running_stats=False, or use LayerNorm or GroupNorm" if tracking else "keep it as it is")
        )
    for name, found in (("criterion()", losses), ("evaluate()", values)):
        if not all(isinstance(one, Tensor) and one.shape == () for one in found):
            shown = tuple(found[0].shape) if isinstance(found[0], Tensor) else found[0]
            raise OptbenchError(f"{where}: {name} gives {shown!r}; expected a 0-dim tensor")
        if not torch.equal(*found):
            raise OptbenchError(f"{where}: {name} gives {found[0]:.6g}, then {found[1]:.6g}, at the same parameters")


def _state(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    return itertools.chain(module.named_parameters(), module.named_buffers())


@contextmanager
def _plain_attention() -> Iterator[None]:
    """Compute attention by matrix products: vmap can batch neither its fused kernel nor that of a whole layer."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        with sdpa_kernel(SDPBackend.MATH):
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)


def _layers(module: nn.Module, wanted: Callable[[nn.Module], bool]) -> str:
    """The layers that a sentence is about, as ` ('2': Dropout)`."""
    found = [f"{name!r}: {type(one).__name__}" for name, one in module.named_modules() if wanted(one)]
    return f" ({', '.join(found[:3])}{', ...' if len(found) > 3 else ''})" if found else ""


def _drops_out(module: nn.Module) -> bool:
    shares = (getattr(module, name, 0) for name in ("p", "dropout"))
    return any(isinstance(share, float) and share > 0 for share in shares)


def _tracks(module: nn.Module) -> bool:
    return bool(getattr(module, "track_running_stats", False))
