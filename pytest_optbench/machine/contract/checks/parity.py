"""Parity: step by step the same trajectory as the reference that the recipe names."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.alternatives import alternatives, merged
from pytest_optbench.machine.contract.broken import ContractBroken
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.counterpart import Counterpart, Lockstep, counterpart
from pytest_optbench.machine.contract.reference import VARIANTS, defaults_of
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Gradient, Script, Walk, initial, normal
from pytest_optbench.words.claims import DEFAULT_CONFIGURATION

_SCALES = (1.0, 1e-4, 1e2, 1e-2)
"""Scales of the gradients, tensor by tensor: small enough for eps to show, large enough for it to vanish."""
_SIZES = (100.0, 0.01, 0.0, 1.0)
"""Scales of the parameters, tensor by tensor: for floors and ceilings under their norms."""


def _scenarios(subject: Subject) -> list[str]:
    pair = counterpart(subject)
    if pair is None:
        return []
    names = [name for name, scenario in _SCENARIOS.items() if scenario.applies(pair)]
    return [*(["defaults"] if subject.configuration == DEFAULT_CONFIGURATION else []), *names]


@check(over=_scenarios)
def parity(subject: Subject, name: str) -> None:
    """The optimizer takes the same steps as the reference that the recipe names.

    Prevents: what no invariant shows and what was wrong from the first day: a constant of the paper mistyped, eps in
    another place, a bias correction one step late, decay before instead of after the step. Criterion: both go along
    the same gradients from the same start in float64 (float32 under `no_fp64`), and after every step no entry of a
    tensor is further from its counterpart than 1e-9 of the longest way that an entry of that tensor has come, plus 4
    roundings of the parameter for each step. One verdict per scenario: `quadratic` (curvatures from 0.01 to 10), `mlp`
    (a network of two layers, by autograd), `groups` (three groups, each with hyperparameters of its own),
    `changing_lr`, `missing_gradients` (None at first, and in between), `zero_gradients`, `weight_decay` (of 0.1 and of
    1), `sizes` (of the parameters: large, small and zero), `closure` (also the value that is returned), and for the
    default configuration `refused_zeros` (a hyperparameter of 0, or one of several numbers, is taken by both or by
    neither), `refused_limits` (a fraction that neither takes to be 2 is taken to be 1, and 1.05, by both or by neither)
    and `defaults`: what both have has the same default in both. All other scenarios give both the subject's values, so
    that one default is not reported by each of them.
    Tolerance: an update is a handful of operations, each off by eps = 2.2e-16; the worst that sound formulas do to it
    is a bias correction 1 - beta^t at the first step (1000 eps at beta = 0.999) or a variance as the difference of two
    moments (1e4 eps); 30 steps of 8 operations make that 30 * 8 * 1e4 eps = 5e-10 of the way. Where one of the two
    keeps fractions in float32 (as torch.optim.NAdam keeps the product of its momenta), what it computes from them is
    off by 1.2e-7 eight times a step: 3e-5 of the way in 30 steps, allowed are 1e-4; in half precision such errors come
    near the way itself unless they cancel, so that by the square root of their number 3e-2 (float16) and 1e-1
    (bfloat16) are allowed. (The tests of optimi allow 1e-6 + 1e-5 |p| in float32, 1e-4 + 1e-3 |p| in float16 and 1e-3 +
    1e-2 |p| in bfloat16, and a share of the entries beyond; in units of the way at the usual step sizes that is wider.)
    Beyond that a difference counts as rounding only if the reference shows that it is: led a second time, along
    gradients that are moved by 1e-13, it must part from itself by a quarter of it (as where a matrix that is nearly
    singular is inverted). More than a thousand times the tolerance never counts as that.
    An option that chooses an implementation (foreach, fused, ...) is not passed to the reference; a configuration that
    sets an option which the reference lacks is left to the fingerprint. Exemptions: `one_group` drops `groups`, and
    `not_per_group` the options that it names from there; `global_step` drops the missing gradients.
    """
    pair = counterpart(subject)
    assert pair is not None
    if name == "defaults":
        _same_defaults(pair)
    else:
        pair.compare(_SCENARIOS[name].run)


def _changes(pair: Counterpart) -> dict[str, dict[str, Any]]:
    """Other values of the hyperparameters that both have."""
    fixed = {mine for mine in pair.shared if pair.reference.called(mine) in pair.reference.hyperparameters}
    return {
        name: options
        for name, options in alternatives(pair.mine).items()
        if options.keys() <= pair.shared.keys() - fixed
    }


def _pairs(subject: Subject) -> list[str]:
    if subject.configuration != DEFAULT_CONFIGURATION or (pair := counterpart(subject)) is None:
        return []
    names = list(_changes(pair))
    return [*names, *map("+".join, itertools.combinations(names, 2))]


@check(over=_pairs)
def parity_of_options(subject: Subject, name: str) -> None:
    """The optimizer takes the same steps as its reference also with every option changed, alone and in pairs.

    Prevents: a fault that hides behind an option which no configuration declares, or where two of them meet, as
    amsgrad with maximize. Criterion: each hyperparameter that both have is given another value (true for false, a
    decay rate three times as far from one, eps ten thousand times as large, of several numbers one at a time), alone
    and with each other one; 10 steps, with a gradient that comes late, one that is missing and one that is zero, are
    compared as in `parity`, with its tolerance. What both refuse they agree in; if one of the two refuses, the sentence
    says which. Only in the default configuration.
    """
    pair = counterpart(subject)
    assert pair is not None
    changes = _changes(pair)
    options: dict[str, Any] = {}
    for part in name.split("+"):
        options = merged(subject, options, changes[part]) if options else changes[part]
    pair.compare(_along(_with_gaps, 10, **options))


def _rugged(pair: Counterpart) -> Gradient:
    """Gradients of widely different scales, each with a pull to zero, so that an error grows."""
    scripts = [Script(pair.mine.seed, scale) for scale in _SCALES]
    return lambda t, index, parameter: scripts[index % len(scripts)](t, index, parameter)


def _with_gaps(pair: Counterpart) -> Gradient:
    """Tensor 0 has its first gradient at step 3, tensor 1 none at step 5, tensor 2 a zero one at steps 1, 6 and 7.

    Where the steps of a group are counted together none is missing.
    """
    script = _rugged(pair)
    missing = not pair.mine.claimed("global_step")

    def gradient(t: int, index: int, parameter: Tensor) -> Tensor | None:
        if missing and ((index == 0 and t < 2) or (index == 1 and t == 4)):
            return None
        value = script(t, index, parameter)
        return value * 0 if value is not None and index == 2 and t in (0, 5, 6) else value

    return gradient


def _bowl(pair: Counterpart) -> Gradient:
    """The gradient of a quadratic with curvatures from 0.01 to 10."""

    def gradient(t: int, index: int, parameter: Tensor) -> Tensor:
        curvature = torch.logspace(-2, 1, max(parameter.numel(), 1), dtype=parameter.dtype, device=parameter.device)
        return curvature[: parameter.numel()].reshape(parameter.shape) * parameter

    return gradient


class _Network:
    """Gradients of a network's squared error by autograd: two layers with tanh, seeded data, the same at every step.

    Without biases where the optimizer takes matrices only.
    """

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        like = walk.parameters[0].detach()
        self.inputs = normal(walk.subject.seed, "inputs", shape=(12, 4)).to(like)
        self.targets = normal(walk.subject.seed, "targets", shape=(12, 3)).to(like)

    def __call__(self, t: int, index: int, parameter: Tensor) -> Tensor | None:
        if index == 0:
            graph = torch.is_grad_enabled() and parameter.requires_grad
            with torch.enable_grad():
                self.gradients = torch.autograd.grad(self.loss(), self.walk.parameters, create_graph=graph)
        return self.gradients[index]

    def loss(self) -> Tensor:
        matrices = [parameter for parameter in self.walk.parameters if parameter.ndim == 2]
        biases: list[Any] = [parameter for parameter in self.walk.parameters if parameter.ndim == 1] or [0.0, 0.0]
        hidden = torch.tanh(self.inputs @ matrices[0] + biases[0])
        errors: Tensor = hidden @ matrices[1] + biases[1] - self.targets
        return errors.square().mean()


def _network(pair: Counterpart) -> None:
    flat = pair.mine.accepts(1) and pair.theirs.accepts(1)
    shapes = ((4, 6), (6,), (6, 3), (3,)) if flat else ((4, 6), (6, 3))
    run = Lockstep(pair, gradient=_Network, shapes=shapes)
    run.take(30)
    run.finish()


def _groups(pair: Counterpart) -> None:
    """One group as it is, one with other numbers, one with the other truth values that both take there."""
    per_group = {
        name: options
        for name, options in _changes(pair).items()
        if not options.keys() & set(pair.mine.claims.get("not_per_group", ()))
    }
    numbers: dict[str, Any] = {}
    truths: dict[str, Any] = {}
    for options in per_group.values():
        if isinstance(next(iter(options.values())), bool):
            truths |= options if pair.mine.buildable(**{**truths, **options}) else {}
        else:
            numbers = merged(pair.mine, numbers, options)
    indices = range(len(pair.shapes))
    own: tuple[Mapping[str, Any], ...] = ({}, numbers, truths)
    groups = [([k for k in indices if k % 3 == part], options) for part, options in enumerate(own)]
    run = Lockstep(pair, gradient=lambda walk: _rugged(pair), groups=groups)
    run.take(15)
    run.finish()


def _changing_lr(pair: Counterpart) -> None:
    run = Lockstep(pair, gradient=lambda walk: _rugged(pair))
    lr = pair.mine.lr or 0.0
    for factor in (1.0, 0.1, 3.0, 0.5):
        run.set("lr", lr * factor)
        run.take(4)
    run.finish()


def _along(make: Callable[[Counterpart], Gradient], steps: int, **options: Any) -> Callable[[Counterpart], None]:
    def scenario(pair: Counterpart) -> None:
        run = Lockstep(pair, gradient=lambda walk: make(pair), options=options)
        run.take(steps)
        run.finish()

    return scenario


def _zeros(pair: Counterpart) -> Gradient:
    """Zero gradients at first for tensor 0, later for all, and some zero entries throughout."""
    script = _rugged(pair)

    def gradient(t: int, index: int, parameter: Tensor) -> Tensor | None:
        value = script(t, index, parameter)
        if value is None or (t < 3 and index == 0) or t in (6, 7):
            return torch.zeros_like(parameter)
        return value * (normal("mask", index, shape=tuple(value.shape)) > -0.5).to(value)

    return gradient


def _closure(pair: Counterpart) -> None:
    run = Lockstep(pair, gradient=lambda walk: _rugged(pair))
    run.take(8, _step_with_closure)
    run.finish()


def _step_with_closure(walk: Walk) -> Any:
    with walk.randomly():
        result = walk.optimizer.step(walk.evaluate)
    walk.t += 1
    return result


def _sizes(pair: Counterpart) -> None:
    """Tensors of which one is large, one small, one zero, and one as it always is."""
    values = initial(pair.mine, pair.shapes)
    start = [value * _SIZES[index % len(_SIZES)] for index, value in enumerate(values)]
    run = Lockstep(pair, gradient=lambda walk: _rugged(pair), start=start)
    run.take(10)
    run.finish()


def _decays(pair: Counterpart) -> None:
    for weight_decay in (0.1, 1.0):
        _along(_rugged, 10, weight_decay=weight_decay)(pair)


def _refused_zeros(pair: Counterpart) -> None:
    """A hyperparameter of zero, the limit of most ranges, is taken by both or by neither."""
    for name, value in pair.shared.items():
        for _, other in _changed(value, 0):
            _require_both_take(pair, name, other)


def _refused_limits(pair: Counterpart) -> None:
    """A fraction that both refuse to be 2 is refused to be 1, or 1.05, by both or by neither."""
    for name, value in pair.shared.items():
        columns = zip(*(_changed(value, number) for number in (2.0, 1.0, 1.05)), strict=True)
        for (fraction, beyond), *limits in columns:
            if 0 < fraction < 1 and not any(_taken(pair, name, beyond)):
                for _, limit in limits:
                    _require_both_take(pair, name, limit)


def _changed(value: Any, number: float) -> list[tuple[float, Any]]:
    """Each number of a hyperparameter, with the hyperparameter in which another stands in its place."""
    if isinstance(value, (tuple, list)) and all(map(_is_number, value)):
        every = [(one, (*value[:k], type(one)(number), *value[k + 1 :])) for k, one in enumerate(value)]
        return [(one, type(value)(other)) for one, other in every]
    return [(value, type(value)(number))] if _is_number(value) else []


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _taken(pair: Counterpart, name: str, value: Any) -> tuple[bool, bool]:
    """Does the constructor take the value: that of the optimizer, that of its reference?"""
    options = {name: value}
    return pair.mine.buildable(**options), pair.theirs.buildable(**pair.translated(options))


def _require_both_take(pair: Counterpart, name: str, value: Any) -> None:
    mine, theirs = _taken(pair, name, value)
    if mine != theirs:
        taker, other = ("it", pair.reference.path) if mine else (pair.reference.path, "it")
        raise ContractBroken(f"{name}={value!r} is accepted by {taker} and refused by {other}")


def _closes(pair: Counterpart) -> bool:
    """Is a closure one way among two? Where it is the only one, every scenario goes that way."""
    return not any(
        subject.declared.needs_closure or subject.claimed("multi_closure") for subject in (pair.mine, pair.theirs)
    )


def _always(pair: Counterpart) -> bool:
    return True


@dataclass(frozen=True)
class _Scenario:
    run: Callable[[Counterpart], None]
    applies: Callable[[Counterpart], bool] = _always


_SCENARIOS: Mapping[str, _Scenario] = {
    "quadratic": _Scenario(_along(_bowl, 30)),
    "mlp": _Scenario(_network, lambda pair: pair.mine.accepts(2) and pair.theirs.accepts(2)),
    "groups": _Scenario(_groups, lambda pair: not pair.mine.claimed("one_group")),
    "changing_lr": _Scenario(_changing_lr, lambda pair: "lr" in pair.shared and pair.mine.lr is not None),
    "missing_gradients": _Scenario(_along(_with_gaps, 10), lambda pair: not pair.mine.claimed("global_step")),
    "zero_gradients": _Scenario(_along(_zeros, 12)),
    "weight_decay": _Scenario(_decays, lambda pair: "weight_decay" in pair.shared),
    "sizes": _Scenario(_sizes),
    "closure": _Scenario(_closure, _closes),
    "refused_zeros": _Scenario(_refused_zeros, lambda pair: pair.mine.configuration == DEFAULT_CONFIGURATION),
    "refused_limits": _Scenario(_refused_limits, lambda pair: pair.mine.configuration == DEFAULT_CONFIGURATION),
}


def _same_defaults(pair: Counterpart) -> None:
    """Raise unless what both have, and the recipe does not set, has the same default in both."""
    mine, theirs = defaults_of(pair.mine.recipe.optimizer), defaults_of(pair.reference.optimizer)
    given = pair.mine.recipe.hyperparameters
    for name, value in mine.items():
        called = pair.reference.called(name)
        if name in VARIANTS or name in given or called in pair.reference.hyperparameters or called not in theirs:
            continue
        if _is_plain(value) and _is_plain(theirs[called]) and _plain(value) != _plain(theirs[called]):
            raise ContractBroken(
                f"the default of {name} is {value!r}, that of {called} in {pair.reference.path} is {theirs[called]!r}; "
                "set it in 'hyperparameters' if that is meant"
            )


def _is_plain(value: object) -> bool:
    """Something to compare; not a sentinel of the library's own."""
    return value is None or isinstance(value, (bool, int, float, str, tuple, list))


def _plain(value: object) -> object:
    return tuple(value) if isinstance(value, list) else value
