"""The probe: may this recipe be stepped on stacked parameters of this task? A few steps on random gradients tell.

Asked of the optimizer itself, never of its name: on the shapes and the number of lanes of the case, a stack must give
every lane the bits that an instance of its own gives, and whatever poisons the gradients of one lane (NaN, infinity,
zero, a million) must leave every bit of the others alone. Some kernels round the last entries of a tensor otherwise
than the rest, too seldom for a few steps to show it: what calls one of those is refused for that alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from pytest_optbench.machine.determinism import RandomState
from pytest_optbench.machine.engine.group import Placement
from pytest_optbench.machine.engine.instance import Instance
from pytest_optbench.machine.engine.stack import NotElementwise, same_bits
from pytest_optbench.machine.recipe import Capabilities, Recipe
from pytest_optbench.machine.tasks.task import Task, Tensors, parameter_shapes

STEPS = 4
POISONS: Mapping[str, tuple[int, Callable[[Tensor], Tensor]]] = {
    "NaN": (1, lambda gradient: torch.full_like(gradient, math.nan)),
    "infinity": (1, lambda gradient: torch.full_like(gradient, math.inf)),
    "zero": (0, torch.zeros_like),
    "zero, after others,": (2, torch.zeros_like),
    "a million": (1, lambda gradient: gradient * 1e6),
    "a millionth": (1, lambda gradient: gradient * 1e-6),
}
"""The first step that is poisoned (zero also where state is still empty, the others once there is some), and how."""
ROUNDED_BY_PLACE = frozenset(
    {"acosh", "atan2", "atanh", "cosh", "elu", "exp2", "logaddexp", "logaddexp2", "mish", "sigmoid", "silu", "sinh"}
    | {"softplus", "_fused_adagrad", "_fused_adam", "_fused_adamw", "_fused_sgd"}
)
"""Kernels whose vectorized part and whose remainder differ in some bits (torch 2.13, AVX2); so does `pow`, but for:"""
EXACT_EXPONENTS = frozenset({-2.0, -1.0, -0.5, 0.0, 0.5, 1.0, 2.0, 3.0})
Gradients = Sequence[Sequence[Tensor]]
"""By step, then by parameter; each (lanes, *shape)."""


def admit(
    recipe: Recipe, capabilities: Capabilities, task: Task, lanes: int, budget: int, placement: Placement
) -> None:
    """Raise NotElementwise, with the reason, unless a stack of so many lanes is exact as far as a few steps can tell.

    The global random state is left as it was.
    """
    for claim, bad in (("elementwise", False), ("couples_params", True), ("stochastic", True)):
        if recipe.claims.get(claim) is bad:
            raise NotElementwise(f"claims: {claim} = {str(bad).lower()}")
    before = RandomState.current()
    try:
        _Probe(recipe, capabilities, task, lanes, budget, placement).run()
        if not RandomState.current().same(before):
            raise NotElementwise("probe: draws random numbers")
    finally:
        before.restore()


class _Probe:
    def __init__(
        self, recipe: Recipe, capabilities: Capabilities, task: Task, lanes: int, budget: int, placement: Placement
    ) -> None:
        self.recipe = replace(recipe, scheduler=None)  # a warm-up would have a few steps move nothing
        self.capabilities = capabilities
        self.budget = budget
        self.lanes = lanes
        self.poisoned = lanes // 2
        generator = torch.Generator().manual_seed(0)
        shapes = parameter_shapes(task)

        def draw(name: str) -> Tensor:
            return torch.randn(lanes, *shapes[name], generator=generator, dtype=torch.float32)

        def drawn() -> Tensors:
            return placement.put({name: draw(name) for name in shapes}, task.dtype)

        self.start = drawn()
        self.gradients = [list(drawn().values()) for _ in range(STEPS)]

    def run(self) -> None:
        with _Kernels() as kernels:
            clean = self._stepped(self.start, self.gradients)
        for name in sorted(kernels.rounded_by_place):
            raise NotElementwise(f"probe: {name} rounds by an entry's place in a tensor")
        # Lanes lie at other offsets than tensors of their own, and a kernel may round its last few entries otherwise.
        for lane in sorted({0, 1, self.poisoned, self.lanes - 1}):
            own = self._own(lane, self.gradients)
            if not all(same_bits(clean[name][lane], own[name]) for name in own):
                raise NotElementwise("probe: on stacked parameters it takes other steps")
        for name, gradients in self._poisoned():
            self._compare(name, clean, gradients)

    def _compare(self, name: str, clean: Tensors, gradients: Gradients) -> None:
        stacked = self._stepped(self.start, gradients)
        for key, tensor in stacked.items():
            others = [lane for lane in range(self.lanes) if lane != self.poisoned]
            if not same_bits(tensor[others], clean[key][others]):
                raise NotElementwise(f"probe: gradients of {name} in one lane change the others")
        own = self._own(self.poisoned, gradients)
        if not all(same_bits(stacked[key][self.poisoned], own[key]) for key in own):
            raise NotElementwise(f"probe: on stacked parameters it takes other steps at gradients of {name}")

    def _poisoned(self) -> Iterator[tuple[str, Gradients]]:
        for name, (first, poison) in POISONS.items():
            gradients = [[gradient.clone() for gradient in step] for step in self.gradients]
            for step in gradients[first:]:
                for gradient in step:
                    gradient[self.poisoned] = poison(gradient[self.poisoned])
            yield name, gradients

    def _own(self, lane: int, gradients: Gradients) -> Tensors:
        start = {name: tensor[lane].clone() for name, tensor in self.start.items()}
        return self._stepped(start, [[gradient[lane] for gradient in step] for step in gradients])

    def _stepped(self, start: Tensors, gradients: Gradients) -> Tensors:
        instance = Instance(self.recipe, self.capabilities, self.budget)
        instance.build(start)
        for step in gradients:
            if instance.crash is None:
                instance.step([gradient.clone() for gradient in step], None)
        in_training = {f"{name} in training": tensor.detach().clone() for name, tensor in instance.parameters.items()}
        instance.eval_mode()
        if instance.crash is not None:
            kind = type(instance.crash).__name__
            raise NotElementwise(f"probe: raised {kind}: {instance.crash}") from instance.crash
        judged = {name: parameter.detach() for name, parameter in instance.parameters.items()}
        return {**in_training, **judged}


class _Kernels(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes the kernels called inside that round by an entry's place, other than on single numbers such as a step."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.rounded_by_place: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name.partition("::")[2].removesuffix("_").removeprefix("_foreach_")
        leaves = tree_leaves((args, kwargs))
        if any(isinstance(leaf, Tensor) and leaf.ndim for leaf in leaves):
            uneven = name == "pow" and not EXACT_EXPONENTS.issuperset(tree_leaves(args[1]))
            if name in ROUNDED_BY_PLACE or uneven:
                self.rounded_by_place.add(name)
        return func(*args, **(kwargs or {}))
