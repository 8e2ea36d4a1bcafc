"""Resume: a state_dict, loaded into a fresh optimizer, continues the trajectory to the bit."""

from __future__ import annotations

import copy
import io
import pickle
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.optim.lr_scheduler import CosineAnnealingLR

from pytest_optbench.machine.contract.alternatives import alternative, numbers_of_groups
from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    require,
    require_close,
    require_equal,
    require_finite,
    same,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.checks.rates import names_it
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check()
def resume(subject: Subject) -> None:
    """A fresh optimizer that loads the state_dict of another continues its trajectory to the bit.

    Prevents: state kept in attributes instead of `state`, counters that start again, buffers that `load_state_dict`
    casts to another dtype. Criterion: 5 steps, then state_dict into a fresh optimizer over equal parameters, by
    deepcopy and by `torch.save` and `torch.load(weights_only=True)` on the CPU; every entry of its state_dict has the
    key, type, dtype, shape, device and values that were saved, and 7 further steps of both are equal to the bit.
    """
    for way in ("copied", "saved"):
        walk = Walk(subject).take(5)
        saved = copy.deepcopy(walk.optimizer.state_dict())
        other = walk.resumed(saved if way == "copied" else _through_a_file(saved))
        require_alike(other.optimizer.state_dict(), saved, f"loaded from a {way} state_dict after step 5")
        _continue(walk, other, 7, f"resumed from a {way} state_dict after step 5")


@check(once=True, relaxed=("stochastic",))
def resume_bf16(subject: Subject) -> None:
    """With bfloat16 parameters, too, a loaded state_dict continues the trajectory to the bit.

    Prevents: state that is kept in float32 on purpose and comes back in bfloat16, because the base class casts what it
    loads to the parameter's dtype; a step counter that stands still at 256. Criterion: that of `resume`. Under
    `no_bf16` the optimizer must raise instead; under `stochastic` (rounding may be) the random state is resumed, too.
    """
    half = subject.in_dtype(torch.bfloat16)
    if subject.claimed("no_bf16"):
        _require_refusal(half)
        return
    resume.test(half)


def _require_refusal(subject: Subject) -> None:
    try:
        Walk(subject).take(3)
    except Exception:
        return
    raise ContractBroken(
        "the claim no_bf16 is made, and 3 steps on bfloat16 parameters raise nothing: the claim is out of date, or the "
        "error is missing"
    )


@check()
def load_before_first_step(subject: Subject) -> None:
    """The state_dict of an optimizer that has taken no step loads, and its continuation is the start.

    Prevents: a crash on a checkpoint from before training, and state made in the constructor that loading throws away.
    Criterion: state_dict of a fresh optimizer into another; 3 steps of both are equal to the bit.
    """
    walk = Walk(subject)
    _continue(walk, walk.resumed(), 3, "loaded from the state_dict of an optimizer before its first step")


@check(once=True)
def load_rejects_mismatch(subject: Subject) -> None:
    """The state of another number of parameters or groups is refused.

    Prevents: a `load_state_dict` of one's own that gives each parameter the state of another, silently. Criterion: a
    state_dict from after 2 steps with one parameter fewer, or one more, or with a group more, raises.
    """
    walk = Walk(subject).take(2)
    start = walk.values()
    states = {
        "one parameter fewer": Walk(subject, start=start[1:]).take(2).optimizer.state_dict(),
        "one parameter more": Walk(subject, start=[*start, start[-1]]).take(2).optimizer.state_dict(),
    }
    if not subject.claimed("one_group"):
        groups: list[tuple[list[int], dict[str, Any]]] = [([k], {}) for k in range(len(start))]
        states["a group for each parameter"] = Walk(subject, groups=groups).take(2).optimizer.state_dict()
    for what, state in states.items():
        try:
            walk.optimizer.load_state_dict(copy.deepcopy(state))
        except Exception:
            continue
        raise ContractBroken(
            f"load_state_dict takes the state of {what} than its own {len(start)} in one group; expected an error"
            if "group" not in what
            else f"load_state_dict takes a state with {what} into one group of {len(start)}; expected an error"
        )


@check(once=True)
def state_dict_is_pure(subject: Subject) -> None:
    """`state_dict()` and `load_state_dict()` look and do not touch.

    Prevents: a `load_state_dict` that pops what it reads, so that the same checkpoint cannot be loaded twice; a
    `state_dict` that synchronizes or packs in place and disturbs the run it is taken from. Criterion: two calls of
    state_dict() give the same; loading leaves its argument, keys and values, to the bit as it was; after both, 3 steps
    are equal to the bit to those of an optimizer that was never asked.
    """
    walk, quiet = Walk(subject).take(4), Walk(subject).take(4)
    state = walk.optimizer.state_dict()
    saved = copy.deepcopy(state)
    require_alike(walk.optimizer.state_dict(), saved, "taken twice in a row after step 4")
    argument = copy.deepcopy(state)
    Walk(subject, start=walk.values()).optimizer.load_state_dict(argument)
    require_alike(argument, saved, "that was an argument of load_state_dict")
    _continue(quiet, walk, 3, "asked for its state_dict after step 4")


def _lr_of_groups(subject: Subject) -> bool:
    return subject.lr is not None and subject.offers("lr")


@check(applies=_lr_of_groups)
def resume_mid_schedule(subject: Subject) -> None:
    """Optimizer and scheduler, both saved in the middle of a schedule, continue it to the bit.

    Prevents: a learning rate that starts again at its peak after a restart, because the optimizer keeps it in an
    attribute or overwrites what the scheduler has loaded. Criterion: 4 of 10 steps under CosineAnnealingLR (whose
    formula goes on from the rate in the group), both state_dicts into fresh objects: every entry of the optimizer's is
    as it was saved, and in 5 steps of both, learning rates and parameters are equal to the bit.
    """
    walk = Walk(subject)
    scheduler = CosineAnnealingLR(walk.optimizer, T_max=10)
    for _ in range(4):
        walk.step()
        scheduler.step()
    other = Walk(subject, start=walk.values(), gradient=walk.gradient)
    following = CosineAnnealingLR(other.optimizer, T_max=10)
    saved = copy.deepcopy(walk.optimizer.state_dict())
    other.optimizer.load_state_dict(copy.deepcopy(saved))
    following.load_state_dict(copy.deepcopy(scheduler.state_dict()))
    require_alike(other.optimizer.state_dict(), saved, "loaded with its scheduler after step 4")
    other.train()
    other.t, other.random = walk.t, walk.random
    for _ in range(5):
        mine, theirs = float(other.groups[0]["lr"]), float(walk.groups[0]["lr"])
        require(
            mine == theirs,
            f"before step {walk.t + 1}, resumed with its scheduler after step 4, lr is {mine:.9g}, not {theirs:.9g}",
        )
        _continue(walk, other, 1, "resumed with its scheduler after step 4")
        scheduler.step()
        following.step()


@check(exempt=("one_group",), relaxed=("couples_params",))
def resume_after_add_param_group(subject: Subject) -> None:
    """An optimizer to which a group was added later is resumed with it.

    Prevents: state that is stored by position and comes back to the wrong group, and options of the new group that are
    lost. Criterion: a group with half the learning rate (where there is one) is added after 3 steps; after 2 more, the
    state_dict goes into a fresh optimizer with both groups; every entry is as it was saved, and 4 steps of both are
    equal to the bit. Exemption: `one_group`. Relaxed by `couples_params`: one estimate for all may need one learning
    rate for all.
    """
    walk = Walk(subject)
    late = walk.parameters[2:]
    walk.optimizer = subject.build(walk.parameters[:2])
    walk.train()
    walk.take(3)
    own = {"lr": subject.lr * 0.5} if subject.lr is not None and not subject.claimed("couples_params") else {}
    walk.optimizer.add_param_group({"params": late, **own})
    walk.train()
    walk.take(2)
    other = walk.resumed()
    require_alike(other.optimizer.state_dict(), walk.optimizer.state_dict(), "with a group that was added after step 3")
    _continue(walk, other, 4, "resumed with a group that was added after step 3")


@check(once=True, exempt=("no_fp64",), relaxed=("stochastic",))
def resume_in_float64(subject: Subject) -> None:
    """A checkpoint in float32 continues over float64 parameters, on the same way.

    Prevents: a run that crashes on mixed dtypes when the model is cast after loading, or silently starts its statistics
    again. Criterion: 5 steps in float32, then state_dict into an optimizer over the same values in float64; in 3 steps
    its parameters stay finite, keep their dtype, and move as those in float32 do: every entry to 1 % of the greatest
    motion of its tensor plus 16 units of float32's rounding of its greatest value. A motion is a handful of quotients
    and sums, each good to 6e-8, of a state that may have cancelled to a hundred thousandth; a statistic that starts
    again changes it by tens of per cent. Relaxed by `stochastic` (other numbers are drawn in float64): finite.
    """
    walk = Walk(subject).take(5)
    double = subject.in_dtype(torch.float64)
    other = Walk(double, start=[value.double() for value in walk.values()], gradient=walk.gradient)
    other.optimizer.load_state_dict(copy.deepcopy(walk.optimizer.state_dict()))
    other.train()
    other.t, other.random = walk.t, walk.random
    start = walk.values()
    walk.take(3)
    other.take(3)
    require_finite(other.values(), when="after 3 steps in float64, resumed from float32")
    for index, (old, single, value) in enumerate(zip(start, walk.values(), other.values(), strict=True)):
        require(
            value.dtype == torch.float64,
            f"3 steps, resumed from float32, made tensor {index} {value.dtype}, not float64",
        )
        if subject.claimed("stochastic"):
            continue
        expected = single.double() - old.double()
        rounding = 16 * torch.finfo(torch.float32).eps * single.abs().max().item()
        require_close(
            [value - old.double()],
            [expected],
            rtol=0.0,
            atol=0.01 * expected.abs().max().item() + rounding,
            when="of the motion in 3 steps in float64, resumed from float32",
            indices=[index],
        )


@check(over=numbers_of_groups)
def loaded_values_win(subject: Subject, name: str) -> None:
    """An optimizer that is built with another value and then loads a checkpoint goes on with the checkpoint's.

    Prevents: a hyperparameter that is read from an attribute while its group says another, and a resumed run that
    quietly takes the new defaults of a newer version, or those that `__setstate__` writes. Criterion: 4 steps, then
    state_dict into an optimizer built with another value of the hyperparameter; the group has the saved value and 4
    steps are equal to the bit to those of an optimizer that was built with the saved value and has loaded the same (to
    the run that was saved they need not be: that is for `resume`); so, too, the other way round. One verdict for each
    hyperparameter that is an entry of a group. An other value that the constructor refuses is left out, and one that a
    step refuses is not saved.
    """
    other = alternative(subject, name)
    if other is None:
        return
    _loaded_wins(Walk(subject).take(4), name, other)
    walk = Walk(subject, options={name: other})
    with suppress(Exception):
        walk.take(4)
    if walk.t == 4:
        _loaded_wins(walk, name, subject.option(name))


def _loaded_wins(walk: Walk, name: str, built: Any) -> None:
    expected = copy.deepcopy(walk.groups[0][name])
    twin = walk.resumed(None, **{name: built})
    found = twin.groups[0][name]
    require(
        _alike(found, expected),
        f"built with {name}={built!r} and loaded with {expected!r}, the group has {found!r}",
    )
    plain = walk.resumed()
    _continue(plain, twin, 4, f"built with {name}={built!r} and loaded with {expected!r} after step 4")


@check(over=numbers_of_groups)
def old_checkpoint(subject: Subject, name: str) -> None:
    """A checkpoint from before a hyperparameter existed is refused by name, or the hyperparameter gets a value.

    Prevents: an old checkpoint that continues with a value which stands nowhere, because the code reads
    `group.get(name, something)`, or that dies of an error which does not say what is missing. Criterion: after 3 steps,
    the hyperparameter is taken out of the groups of a state_dict, which goes into a fresh optimizer. Loading or one
    of 2 steps raises an error that names it (as error_names_argument has it); or it stands in the groups afterwards (as
    `__setstate__` may see to); or the 2 steps are equal to the bit to those with the class's default. One verdict for
    each hyperparameter that is an entry of a group.
    """
    walk = Walk(subject).take(3)
    state = copy.deepcopy(walk.optimizer.state_dict())
    for group in state["param_groups"]:
        group.pop(name, None)
    twin = Walk(subject, start=walk.values(), gradient=walk.gradient)
    try:
        twin.optimizer.load_state_dict(state)
        twin.train()
        twin.t, twin.random = walk.t, walk.random
        there = all(name in group for group in twin.groups)
        twin.take(2)
    except Exception as error:
        require(
            names_it(str(error), name),
            f"a checkpoint without {name!r} is refused with {type(error).__name__}: {error}; expected its name",
        )
        return
    if there:
        return
    default = replace(subject.recipe, hyperparameters={}, configurations={})
    try:
        value = Subject(default, subject.declared).option(name)
    except Exception:
        value = subject.option(name)
    plain = walk.resumed()
    plain.set(**{name: value})
    _continue_to(plain.take(2), twin, f"loaded without {name!r}, which its groups lack, against its default {value!r}")


def _continue(walk: Walk, other: Walk, steps: int, how: str) -> None:
    """So many steps of both, which must stay equal."""
    for _ in range(steps):
        walk.step()
        other.step()
        _continue_to(walk, other, how)


def _continue_to(walk: Walk, other: Walk, how: str) -> None:
    require_equal(other.values(), walk.values(), when=f"in step {walk.t}, {how}")


def _through_a_file(state: Mapping[str, Any]) -> dict[str, Any]:
    """Saved, and loaded onto the CPU by what refuses everything but plain data."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    try:
        loaded: dict[str, Any] = torch.load(file, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        found = re.search(r"[Uu]nsupported \w+: (?:GLOBAL )?\S+", str(error))
        what = found[0] if found else str(error).partition("\n")[0]
        raise ContractBroken(f"torch.load(weights_only=True) refuses the saved state_dict: {what}") from error
    return loaded


def require_alike(found: Mapping[str, Any], expected: Mapping[str, Any], what: str) -> None:
    """Two state_dicts must hold the same entries: keys, types, dtypes, shapes, devices and values."""
    mine, theirs = dict(_entries(found)), dict(_entries(expected))
    for path in [*theirs, *mine]:
        require(path in mine, f"the state_dict {what} lacks {path}")
        require(path in theirs, f"the state_dict {what} has {path}, which is new")
        require(
            _alike(mine[path], theirs[path]),
            f"in the state_dict {what}, {path} is {_described(mine[path])}; expected {_described(theirs[path])}",
        )


def _entries(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf of a state with its path, such as state[0]['exp_avg']."""
    if isinstance(value, Mapping):
        for key, entry in value.items():
            yield from _entries(entry, f"{path}[{key!r}]" if path else str(key))
    elif isinstance(value, (list, tuple)):
        yield (f"{path}, its length", len(value))
        for index, entry in enumerate(value):
            yield from _entries(entry, f"{path}[{index}]")
    else:
        yield (path, value)


def _alike(mine: Any, theirs: Any) -> bool:
    if isinstance(mine, Tensor) and isinstance(theirs, Tensor):
        placed = (mine.device, mine.layout) == (theirs.device, theirs.layout)
        return placed and same(mine.to_dense(), theirs.to_dense())
    if type(mine) is not type(theirs):
        return False
    comparable = getattr(type(mine), "__eq__", None) is not getattr(object, "__eq__", None)
    try:
        return not comparable or bool(mine == theirs)
    except Exception:
        return True  # what cannot be compared is left to the steps that follow


def _described(value: Any) -> str:
    if isinstance(value, Tensor):
        kind = f"a {str(value.dtype).removeprefix('torch.')} tensor of shape {tuple(value.shape)} on {value.device}"
        return f"{kind}, {value.item():.9g}" if value.numel() == 1 else kind
    return f"{value!r} ({type(value).__name__})"
