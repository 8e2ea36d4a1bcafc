"""Groups: parameters that are handed over in any grouping and order get the steps that they would get alone."""

from __future__ import annotations

import copy
import inspect
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.alternatives import alternative, numbers_of_groups
from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    require,
    require_equal,
    require_finite,
    same,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.culprit import culprit
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial, renumbered

_DEFAULTS = "defaults"
"""The part in which both groups have the same options."""


def _per_group(subject: Subject) -> list[str]:
    if subject.claimed("one_group"):
        return [_DEFAULTS]
    constructor_only = subject.claims.get("not_per_group", ())
    return [_DEFAULTS, *(name for name in numbers_of_groups(subject) if name not in constructor_only)]


def _separable(subject: Subject) -> bool:
    return subject.claimed("one_group") or not (subject.claimed("couples_params") or subject.claimed("stochastic"))


@check(over=_per_group, applies=_separable, relaxed=("couples_params", "stochastic", "not_per_group", "one_group"))
def groups_equal_separate(subject: Subject, name: str) -> None:
    """Two groups of one optimizer take the steps of two optimizers, whatever hyperparameter is different in one.

    Prevents: a hyperparameter read from the first group or from `defaults` for all, a loop variable left over from the
    group before, counters that are raised once for each group. Criterion: 8 steps of an optimizer with two groups, the
    second with another value of the hyperparameter, are equal to the bit to those of two optimizers. One verdict for
    each hyperparameter that is an entry of a group, and one for equal options. An other value that the constructor
    refuses is left out. Exemptions: `couples_params`, `stochastic` (the draws fall otherwise). Relaxed by
    `not_per_group`, which lists options to leave out, and `one_group`: then two groups must raise.
    """
    own: dict[str, Any] = {}
    if name != _DEFAULTS:
        own[name] = alternative(subject, name)
        if own[name] is None:
            return
    start, script = initial(subject), Script(subject.seed)
    half = len(start) // 2
    first, second = list(range(half)), list(range(half, len(start)))
    if subject.claimed("one_group"):
        _require_refusal(subject, first, second)
        return
    together = Walk(subject, start=start, gradient=script, groups=[(first, {}), (second, own)])
    apart = [
        Walk(subject, start=[start[k] for k in first], gradient=renumbered(script, first)),
        Walk(subject, start=[start[k] for k in second], gradient=renumbered(script, second), options=own),
    ]
    different = f" with {name}={own[name]!r} for tensors from {half} on" if own else ""
    for _ in range(8):
        together.step()
        for walk in apart:
            walk.step()
        require_equal(
            together.values(),
            [value for walk in apart for value in walk.values()],
            when=f"after step {together.t} of two groups{different}, against two optimizers",
        )


def _require_refusal(subject: Subject, first: list[int], second: list[int]) -> None:
    try:
        Walk(subject, groups=[(first, {}), (second, {})]).take(2)
    except Exception:
        return
    raise ContractBroken(
        "the claim one_group is made, and two groups raise nothing: the claim is out of date, or the error is missing"
    )


@check(relaxed=("one_group", "global_step", "couples_params", "stochastic"))
def add_param_group(subject: Subject) -> None:
    """A group that is added later starts then, as in an optimizer of its own.

    Prevents: a thawed layer that is never stepped, or starts with another's counters; a list of parameters flattened in
    the constructor that no later group enters. Criterion: after 3 steps over the first parameters, the others are added
    as a group; 8 further steps of both are equal to the bit to those of two optimizers. Relaxed by `global_step`,
    `couples_params` and `stochastic`: then the new group must stay finite, and move where it would move alone; and by
    `one_group`: then it must be refused.
    """
    start, script = initial(subject), Script(subject.seed)
    half = len(start) // 2
    walk = Walk(subject, start=start[:half], gradient=script)
    walk.take(3)
    late = [torch.nn.Parameter(value.clone()) for value in start[half:]]
    try:
        walk.optimizer.add_param_group({"params": late})
    except Exception:
        if subject.claimed("one_group"):
            return
        raise
    walk.parameters.extend(late)
    walk.train()
    if subject.claimed("one_group"):
        _require_refused_step(walk)
        return
    first, second = list(range(half)), list(range(half, len(start)))
    apart = Walk(subject, start=start[:half], gradient=renumbered(script, first)).take(3)
    fresh = Walk(subject, start=start[half:], gradient=renumbered(script, second, delay=3))
    excused = any(map(subject.claimed, ("global_step", "couples_params", "stochastic")))
    for _ in range(8):
        walk.step()
        fresh.step()
        if not excused:
            apart.step()
            require_equal(
                walk.values(),
                [*apart.values(), *fresh.values()],
                when=f"after step {walk.t} with tensors from {half} on in a group that was added after step 3, "
                "against two optimizers",
            )
    require_finite(walk.values(), when="8 steps after add_param_group")
    for index, usual in zip(second, fresh.values(), strict=True):
        require(
            not same(walk.values()[index], start[index]) or same(usual, start[index]),
            f"tensor {index}, in a group that was added after step 3, does not move in 8 steps",
        )


def _require_refused_step(walk: Walk) -> None:
    try:
        walk.take(2)
    except Exception:
        return
    raise ContractBroken(
        "the claim one_group is made, and neither add_param_group nor the steps after it raise: the claim is out of "
        "date, or the error is missing"
    )


@check(exempt=("couples_params", "stochastic"), relaxed=("one_group",))
def order_and_grouping(subject: Subject) -> None:
    """Reversed parameters, a group for each, a generator: the same steps.

    Prevents: state that is matched by position, options of the last group used for all, and a generator that is read
    twice and is empty the second time. Criterion: after 4 steps, every parameter is equal to the bit to that of the
    plain list, when the list is reversed, when each parameter is a group, and when a generator is handed over.
    Exemptions: `couples_params` (sums may run in another order), `stochastic`. Relaxed by `one_group`: no grouping.
    """
    start, script = initial(subject), Script(subject.seed)
    expected = Walk(subject, start=start, gradient=script).take(4).values()
    backwards = list(reversed(range(len(start))))
    turned = Walk(subject, start=start[::-1], gradient=renumbered(script, backwards)).take(4)
    require_equal(turned.values()[::-1], expected, when="after 4 steps with the parameters in reversed order")
    if not subject.claimed("one_group"):
        alone = Walk(subject, start=start, gradient=script, groups=[([k], {}) for k in range(len(start))]).take(4)
        require_equal(alone.values(), expected, when="after 4 steps with a group for each parameter")
    made = Walk(subject, start=start, gradient=script, handed=iter)
    require_equal(made.take(4).values(), expected, when="after 4 steps with the parameters from a generator")


@check(once=True)
def named_parameters(subject: Subject) -> None:
    """Parameters may come with their names, as `model.named_parameters()` gives them; the steps are the same.

    Prevents: names that end up among the parameters, or are lost from the state_dict, which is how a checkpoint is
    matched by name. Criterion: built from (name, parameter) pairs, 3 steps are equal to the bit to those without names,
    and the groups of the state_dict hold the names under "param_names". A constructor that refuses pairs with an error
    is let off: torch takes them from version 2.6 on.
    """
    names = [f"layer{index}.weight" for index in range(len(subject.shapes))]
    plain = Walk(subject)
    try:
        named = Walk(subject, handed=lambda parameters: list(zip(names, parameters, strict=True)))
    except Exception:
        return
    require_equal(named.take(3).values(), plain.take(3).values(), when="after 3 steps with named parameters")
    groups = named.optimizer.state_dict()["param_groups"]
    found = [name for group in groups for name in group.get("param_names", ())]
    require(found == names, f"built with named parameters, the state_dict names them {found}; expected {names}")


@check(exempt=("couples_params", "stochastic"))
def tensor_independence(subject: Subject) -> None:
    """A tensor takes the same steps alone as among others.

    Prevents: a buffer that is shared by parameters of one shape, a statistic that flows from one tensor to the next, a
    scalar computed for the last tensor and used for all. Criterion: after 4 steps, each tensor in an optimizer of its
    own is equal to the bit to itself among the others. Exemptions: `couples_params`, `stochastic`.
    """
    start, script = initial(subject), Script(subject.seed)
    together = Walk(subject, start=start, gradient=script).take(4).values()
    for index, value in enumerate(start):
        alone = Walk(subject, start=[value], gradient=renumbered(script, [index])).take(4).values()
        require_equal(
            together[index : index + 1], alone, when="after 4 steps among others against alone", indices=[index]
        )


@check(once=True, relaxed=("adaptive_keys",))
def groups_not_rewritten(subject: Subject) -> None:
    """Steps leave the hyperparameters in the groups and in `defaults` as they are.

    Prevents: decay of the learning rate inside `step()`, which fights with schedulers and is saved as if the user had
    set it; a default that is changed for every group made later. Criterion: after 5 steps, the entries of each group
    and of `defaults` that the constructor names are what they were; an entry that was None may get a value, once, for
    None asks to find one. Relaxed by `adaptive_keys`, which lists entries that steps may write.
    """
    walk = Walk(subject)
    written = set(subject.claims.get("adaptive_keys", ()))
    names = [name for name in _named_by_the_constructor(subject) if name not in written]
    before = _hyperparameters(walk, names)
    for _ in range(5):
        walk.step()
        for place, value in _hyperparameters(walk, names).items():
            if before[place] is None:  # asks for a value to be found; that one stays
                before[place] = value
            if not _equal(value, before[place]):
                raise ContractBroken(
                    f"step {walk.t} changed {place} from {_plain(before[place])} to {_plain(value)}"
                    f"{_writer(subject, names, walk.t)}"
                )


def _named_by_the_constructor(subject: Subject) -> list[str]:
    """Hyperparameters that stand in the signature; all that are known where it takes `**kwargs` only."""
    try:
        signature = set(inspect.signature(subject.recipe.optimizer).parameters)
    except (TypeError, ValueError):
        signature = set()
    return [name for name in subject.keywords if name in signature] or list(subject.keywords)


def _hyperparameters(walk: Walk, names: list[str]) -> dict[str, Any]:
    """Copies of the hyperparameters of every group and of the defaults, by where they stand."""
    places: dict[str, Any] = {f"param_groups[{k}]": group for k, group in enumerate(walk.groups)}
    places["defaults"] = walk.optimizer.defaults
    return {
        f"{place}[{name!r}]": copy.deepcopy(entries[name])
        for place, entries in places.items()
        for name in names
        if name in entries
    }


def _writer(subject: Subject, names: list[str], step: int) -> str:
    """The line that changes them, found by going the same way again."""
    walk = Walk(subject).take(step - 1)
    before = _hyperparameters(walk, names)

    def changed() -> bool:
        now = _hyperparameters(walk, names)
        return any(old is not None and not _equal(now[place], old) for place, old in before.items())

    return culprit(walk.step, changed)


def _equal(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
        return same(mine, theirs)
    try:
        return bool(mine == theirs)
    except Exception:
        return True  # what cannot be compared cannot be said to have changed


def _plain(value: Any) -> str:
    return f"{value.tolist()}" if isinstance(value, Tensor) else repr(value)
