"""A counterpart: the reference of a recipe, set up to do what one configuration does, and led along beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import ContractBroken, difference
from pytest_optbench.machine.contract.reference import VARIANTS, Reference, accepted, defaults_of, spelled_out
from pytest_optbench.machine.contract.subject import MATRICES, Subject
from pytest_optbench.machine.contract.walk import Gradient, Walk, lowest_precision, normal
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.words.errors import OptbenchError

Options = Mapping[str, Any]
Groups = Sequence[tuple[Sequence[int], Options]]

RELATIVE: Mapping[torch.dtype, float] = {
    torch.float64: 1e-9,
    torch.float32: 1e-4,
    torch.float16: 3e-2,
    torch.bfloat16: 1e-1,
}
"""The tolerance by dtype; the check's docstring says where it comes from."""
_ROUNDINGS = 4
"""Roundings of the parameter itself in one step of either trajectory: the decay and the step."""
_EVALUATIONS = 5
"""Where a step needs a closure, which it may call twenty times, so many times fewer of them are taken."""
_JITTER = 1e-13
"""By how much, relative, gradients are moved to see what rounding does in float64: some hundred roundings."""
_MARGIN = 4.0
"""Two formulas may differ by more than the gradients are moved: several operations, each rounded otherwise."""
_MOST = 1000.0
"""How many times the tolerance rounding may account for: beyond, nothing is compared any more."""
_SHARED_CLAIMS = ("stochastic", "sparse_only", "no_ndim")


class Apart(ContractBroken):
    """Both have come to different places: which may be for rounding alone, as where nearly singular matrices are
    inverted."""


@dataclass
class Sway:
    """How far a trajectory sways when its gradients are moved by a rounding, in units of what is allowed."""

    furthest: float = 0.0


@dataclass(frozen=True)
class Counterpart:
    """The reference, as a subject of its own, beside the subject that is compared with it."""

    mine: Subject
    theirs: Subject
    reference: Reference
    slack: float = 1.0
    """Factor on the tolerance."""
    sway: Sway | None = None
    """Where it is to be measured: then the gradients of the first are moved, and nothing is compared."""

    def compare(self, scenario: Callable[[Counterpart], None]) -> None:
        """Run a scenario. Raises ContractBroken where they differ by more than the tolerance, and by more than four
        times what the reference differs from itself when its gradients are moved by 1e-13."""
        try:
            scenario(self)
        except Apart:
            twin = Counterpart(self.theirs, self.theirs, Reference(self.theirs.recipe.optimizer), sway=(sway := Sway()))
            with suppress(Exception):
                scenario(twin)
            slack = min(_MARGIN * sway.furthest, _MOST)
            if slack <= 1:
                raise
            scenario(replace(self, slack=slack))

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Shapes that both accept."""
        shapes = tuple(shape for shape in self.mine.shapes if self.theirs.accepts(len(shape)))
        return MATRICES if {len(shape) for shape in shapes} <= {2} else shapes

    @cached_property
    def shared(self) -> dict[str, Any]:
        """Hyperparameters that both have, by the subject's names, with their values; implementations are none.

        What a constructor takes as `**kwargs` is one only where the recipe sets or maps it: a group may hold more than
        the constructor's arguments.
        """
        told = self.mine.options.keys() | self.reference.names.keys()
        mine = (spelled_out(self.mine.recipe.optimizer) or set(self.mine.keywords)) | told
        theirs = spelled_out(self.reference.optimizer)
        if accepted(self.reference.optimizer) is None:
            theirs |= {self.reference.called(name) for name in (told if theirs else mine)}
        return {
            name: value
            for name, value in self.mine.keywords.items()
            if name in mine and name not in VARIANTS and self.reference.called(name) in theirs - {""}
        }

    def translated(self, options: Options) -> dict[str, Any]:
        """Options in the reference's words; those that it does not have are left out."""
        return {self.reference.called(name): value for name, value in options.items() if name in self.shared}


def counterpart(subject: Subject) -> Counterpart | None:
    """The reference of the subject's recipe, with the subject's values, defaults included, for all that both have.

    None where there is no reference, or where it cannot be told what the configuration asks for: it does not have an
    option that is set to another value than the class's own default, or refuses the value. No step is taken.
    """
    recipe, reference = subject.recipe, subject.recipe.reference
    if reference is None:
        return None
    mine = subject.in_dtype(torch.float32 if subject.claimed("no_fp64") else torch.float64)
    bare = Recipe(
        name=f"the reference of {recipe.name}",
        optimizer=reference.optimizer,
        where=f"{recipe.where}: reference",
        claims={name: value for name, value in subject.claims.items() if name in _SHARED_CLAIMS},
    )
    own = defaults_of(recipe.optimizer)
    pair = Counterpart(mine, mine, reference)
    for name, value in subject.options.items():
        told = name in pair.shared or name in VARIANTS or reference.called(name) == ""
        if not told and (name not in own or own[name] != value):
            return None
    theirs = replace(bare, hyperparameters={**pair.translated(pair.shared), **reference.hyperparameters})
    try:
        capabilities = declared(theirs)
    except OptbenchError:
        if subject.configuration in recipe.configurations:
            return None
        capabilities = subject.declared  # its refusal is the verdict
    return replace(
        pair, theirs=replace(Subject(theirs, capabilities), dtype=mine.dtype, device=mine.device, seed=mine.seed)
    )


class Lockstep:
    """Both optimizers from the same start along the same gradients, compared after every step.

    What both refuse, in the constructor or in a step, they agree in. What one of them refuses is a difference.
    """

    def __init__(
        self,
        pair: Counterpart,
        *,
        gradient: Callable[[Walk], Gradient],
        shapes: Sequence[tuple[int, ...]] | None = None,
        start: Sequence[Tensor] | None = None,
        groups: Groups | None = None,
        options: Options | None = None,
    ) -> None:
        self.pair = pair
        self.told = {**pair.shared, **(options or {})}
        self.groups = groups
        shapes = pair.shapes if shapes is None else shapes
        made = [
            _attempt(lambda: Walk(pair.mine, shapes=shapes, start=start, groups=groups, options=options)),
            _attempt(
                lambda: Walk(
                    pair.theirs,
                    shapes=shapes,
                    start=start,
                    groups=[(k, pair.translated(own)) for k, own in groups] if groups else None,
                    options=pair.translated(options or {}),
                )
            ),
        ]
        self.walks: list[Walk] = []
        if not self._both_refuse(made, "is not built"):
            self.walks = [walk for walk, _ in made if walk is not None]
            for walk in self.walks:
                walk.gradient = gradient(walk)
            if pair.sway is not None and self.walks:
                self.walks[0].gradient = _moved(self.walks[0].gradient)
            self.start = self.walks[0].values()
            self.way = [0.0] * len(self.start)

    def take(self, steps: int, step: Callable[[Walk], Any] = Walk.step) -> None:
        """So many steps of both, while neither refuses."""
        if self.walks and any(walk.subject.capabilities.needs_closure for walk in self.walks):
            steps = -(-steps // _EVALUATIONS)
        for _ in range(steps):
            if not self.walks:
                return
            made = [_attempt(lambda walk=walk: step(walk)) for walk in self.walks]  # type: ignore[misc]
            if self._both_refuse(made, f"fails in step {self.walks[0].t + 1}"):
                self.walks = []
                return
            (mine, _), (theirs, _) = made
            if isinstance(mine, (float, Tensor)) and isinstance(theirs, (float, Tensor)):
                gap, allowed = abs(float(mine) - float(theirs)), self.pair.slack * self.relative * abs(float(theirs))
                if self._exceeds(gap, allowed):
                    raise Apart(
                        f"step {self.walks[0].t} returned {float(mine):.12g}, expected {float(theirs):.12g}, where "
                        f"{allowed:.3g} is allowed; {self._with}"
                    )
            self.compare(f"in step {self.walks[0].t}")

    def set(self, name: str, value: float) -> None:
        """Write a hyperparameter into every group of both, as a scheduler does."""
        for walk, called in zip(self.walks, (name, self.pair.reference.called(name)), strict=False):
            walk.set(**{called: value})

    def finish(self) -> None:
        """Compare what evaluations see, where that is something else."""
        if self.walks and all(walk.subject.declared.train_eval for walk in self.walks):
            for walk in self.walks:
                walk.eval()
            self.compare(f"after step {self.walks[0].t}, as evaluations see them")

    @property
    def relative(self) -> float:
        """What the trajectories may differ by, in units of the longest way that an entry of the tensor has come: as in
        the lowest precision that one of the two keeps its state in."""
        kept = [lowest_precision(walk.optimizer.state, self.pair.mine.dtype) for walk in self.walks]
        return max(RELATIVE[one] for one in kept)

    def compare(self, when: str) -> None:
        mine, theirs = self.walks
        dtype, relative = self.pair.mine.dtype, self.relative
        for index, (found, expected) in enumerate(zip(mine.values(), theirs.values(), strict=True)):
            if not expected.numel():
                continue
            self.way[index] = max(self.way[index], _largest(expected - self.start[index]))
            rounding = _ROUNDINGS * mine.t * torch.finfo(dtype).eps * _largest(expected)
            allowed = self.pair.slack * (relative * self.way[index] + rounding)
            gap = torch.where(found.isnan() & expected.isnan() | (found == expected), 0.0, found - expected)
            if self._exceeds(_largest(gap), allowed):
                raise Apart(
                    f"{when}, {difference(found, expected, index)}: {_largest(gap):.3g} apart, where {allowed:.3g} is "
                    f"allowed ({self.pair.slack * relative:g} of the way so far); {self._with}"
                )

    def _exceeds(self, gap: float, allowed: float) -> bool:
        """Is the gap larger? Where sway is measured, none is."""
        if self.pair.sway is None:
            return not gap <= allowed
        self.pair.sway.furthest = max(self.pair.sway.furthest, gap / allowed if allowed else 0.0)
        return False

    @property
    def _with(self) -> str:
        groups = "".join(f", group {k}: {_call(own)}" for k, (_, own) in enumerate(self.groups or ()) if own)
        return f"with {_call(self.told)}{groups}; reference {self.pair.reference.path}"

    def _both_refuse(self, made: Sequence[tuple[Any, Exception | None]], what: str) -> bool:
        (_, mine), (_, theirs) = made
        if (mine is None) == (theirs is None):
            return mine is not None
        error = mine or theirs
        who, other = ("the optimizer", "the reference") if mine else ("the reference", "the optimizer")
        raise ContractBroken(
            f"{who} {what} ({type(error).__name__}: {error}), {other} is not disturbed; {self._with}"
        ) from error


def _moved(gradient: Gradient) -> Gradient:
    """The gradients, each entry moved by up to 1e-13 of itself."""

    def moved(t: int, index: int, parameter: Tensor) -> Tensor | None:
        value = gradient(t, index, parameter)
        if value is None:
            return None
        noise = normal("sway", t, index, shape=tuple(value.shape)).to(value.device)
        return value * (1 + _JITTER * noise.clamp(-1, 1)).to(value.dtype)

    return moved


def _attempt(act: Callable[[], Any]) -> tuple[Any, Exception | None]:
    try:
        return act(), None
    except Exception as error:
        return None, error


def _largest(tensor: Tensor) -> float:
    value = tensor.detach().abs().max().item()
    return float("inf") if value != value else float(value)  # noqa: PLR0124 - NaN is not itself


def _call(options: Options) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in options.items())
