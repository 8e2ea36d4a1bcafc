"""A stack: lanes whose parameters lie along a leading dimension and are stepped by one optimizer instance.

Exact only for an optimizer that treats every entry by itself. A probe admits it (see `probe`), and shadows guard every
run: the first and the last lane are also stepped by instances of their own, on the same gradients, and every parameter
of theirs must agree to the bit after every step, and whenever parameters are judged.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.engine.batched import Stacked
from pytest_optbench.machine.engine.crew import Crew, as_gradient
from pytest_optbench.machine.engine.instance import Evaluate, Instance
from pytest_optbench.machine.engine.lane import Lane
from pytest_optbench.machine.tasks.task import Tensors


class NotElementwise(Exception):
    """The optimizer cannot be run on stacked parameters; the text says what showed it."""


class Stack(Crew):
    """Raises NotElementwise for whatever a stack cannot do or a shadow does not confirm: rerun with separate instances.

    Without shadows for trials, whose result a shadowed run of the same optimizer and task confirms afterwards.
    """

    def __init__(self, lanes: Sequence[Lane], *, shadowed: bool = True) -> None:
        super().__init__(lanes)
        first = lanes[0]
        self.instance = Instance(first.recipe, first.capabilities, first.record.budget)
        self.shadows = {0: lanes[0], len(lanes) - 1: lanes[-1]} if shadowed else {}
        self._all = tuple(range(len(lanes)))
        for lane in lanes[1:-1] if shadowed else lanes:
            lane.instance = first.instance if shadowed else self.instance

    def build(self, initial: Sequence[Tensors], random: Sequence[RandomState] | None) -> None:
        if random is not None:
            raise NotElementwise("draws random numbers")
        self.instance.build({name: torch.stack([start[name] for start in initial]) for name in initial[0]})
        for row, lane in self.shadows.items():
            lane.instance.build(initial[row])
        self._require_no_crash("building it on stacked parameters")

    def train_mode(self) -> None:
        for instance in self._instances():
            instance.train_mode()
        self._require_no_crash("train()")

    def eval_mode(self) -> None:
        for instance in self._instances():
            instance.eval_mode()
        self._require_no_crash("eval()")

    @property
    def wanted(self) -> tuple[int, ...]:
        """Those of lanes in flight, and of the shadows to the end: on gradients of zero they would overlook much."""
        active = super().wanted
        return tuple(sorted({*active, *self.shadows})) if active else ()

    def parameters(self, rows: Sequence[int]) -> Stacked:
        if tuple(rows) == self._all:  # not any two rows: a lone one is asked for along with its copy
            return {name: parameter.detach() for name, parameter in self.instance.parameters.items()}
        index = torch.tensor(rows)
        return {name: parameter.detach()[index] for name, parameter in self.instance.parameters.items()}

    def step(
        self, rows: Sequence[int], gradients: Sequence[Tensor], closure_of: Callable[[int], Evaluate] | None
    ) -> None:
        if len(rows) != len(self.lanes):
            gradients = [_scattered(gradient, rows, len(self.lanes)) for gradient in gradients]
        for row, lane in self.shadows.items():
            lane.instance.step([as_gradient(gradient[row]) for gradient in gradients], None)
        self.instance.step([as_gradient(gradient) for gradient in gradients], None)
        self._require_no_crash("a step")
        self._compare()  # at every step: the weights that gradients are taken at may not be those that are judged

    def check(self) -> None:
        """Raise NotElementwise unless every shadow has the bits of its lane in the stack."""
        self._compare()
        blind = self.shadows and all(lane.record.outcome == "diverged" for lane in self.shadows.values())
        if blind and any(lane.active for lane in self.lanes):
            # Whatever is not finite agrees with everything: nobody would watch over the others.
            raise NotElementwise("shadow: both shadowed seeds have diverged, others have not")

    def _compare(self) -> None:
        stacked = self.instance.parameters
        for row, lane in self.shadows.items():
            for name, own in lane.instance.parameters.items():
                if not same_bits(stacked[name].detach()[row], own.detach()):
                    raise NotElementwise(
                        f"shadow: {name!r} of seed {lane.seed} differs after {lane.instance.steps} steps"
                    )

    def _instances(self) -> list[Instance]:
        return [self.instance, *(lane.instance for lane in self.shadows.values())]

    def _require_no_crash(self, doing: str) -> None:
        for instance in self._instances():
            if instance.crash is not None:
                kind = type(instance.crash).__name__
                raise NotElementwise(f"{doing} raised {kind}: {instance.crash}") from instance.crash


_INTEGERS = {torch.float32: torch.int32, torch.float64: torch.int64, torch.bfloat16: torch.int16}


def same_bits(left: Tensor, right: Tensor) -> bool:
    """Equal to the bit, the sign of a zero included; one NaN is as good as another."""
    if left.shape != right.shape or left.dtype != right.dtype:
        return False
    if (integers := _INTEGERS.get(left.dtype)) and torch.equal(left.view(integers), right.view(integers)):
        return True  # almost always, and the cheapest thing to ask
    if torch.equal(left, right):
        return bool(left.all()) or torch.equal(left.signbit(), right.signbit())
    nan = left.isnan()
    if not nan.any() or not torch.equal(nan, right.isnan()):
        return False
    return same_bits(left.masked_fill(nan, 1.0), right.masked_fill(nan, 1.0))


def _scattered(gradient: Tensor, rows: Sequence[int], lanes: int) -> Tensor:
    """The gradients of some rows among zeros for the others, whose records have ended."""
    whole = gradient.new_zeros(lanes, *gradient.shape[1:])
    whole[torch.tensor(rows)] = gradient
    return whole
