"""Implementations: foreach, fused, capturable, differentiable, compiled, on another device: one and the same method."""

from __future__ import annotations

import os
import shutil
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from pytest_optbench.machine.contract.broken import (
    ContractBroken,
    NotAvailable,
    refused,
    require,
    require_close,
    require_finite,
)
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import VARIANTS, Subject
from pytest_optbench.machine.contract.walk import Script, Walk, initial

STEPS = 8
TENSOR_LR = "tensor_lr"


def _variants(subject: Subject) -> list[str]:
    offered = [name for name in VARIANTS if subject.offers(name)]
    has_lr = subject.offers("lr") and isinstance(subject.option("lr"), float) and not subject.claimed("lr_unused")
    return [*offered, *([TENSOR_LR] if has_lr else [])]


@check(over=_variants, relaxed=("one_group", "not_per_group"))
def implementations_agree(subject: Subject, variant: str) -> None:
    """Options that choose an implementation do not change the result.

    Prevents: a fused or list-wise path that forgets an option, a late gradient, a second group or a changed learning
    rate that the plain path takes into account; the fast path is what everybody trains with, and the plain one what
    everybody tests. Criterion: for each of foreach, fused, capturable and differentiable that the constructor has, and
    for the learning rate given as a tensor (one verdict each), 8 steps are close to those of the plain loop over
    float32 and float64 parameters in two groups with their own learning rate and decay, some gradients missing at times
    and one until step 4, one gradient so small that eps counts, and the learning rate halved at step 5. A
    differentiable step also lets a gradient through to the starting values, which is finite (an error of backward is an
    answer). Tolerance: rtol and atol 1e-6 for float32, 1e-10 and 1e-12 for float64, as the same sums are taken in
    another order; and 1e-6 of the way that was gone, for a step size that is a float32 tensor; capturable and
    differentiable compute 1 - beta^t in float32, whose rounding of 1.2e-7 is to be divided by 1 - beta. A constructor
    that refuses the option gives an answer, and so does an error of a capturable step on a CPU or of a step with a
    tensor as learning rate. Under `stochastic`: finite.
    """
    plain = {name: False for name in VARIANTS if subject.offers(name)}
    plain = plain if subject.buildable(**plain) else {}
    lenient = variant == TENSOR_LR or (variant == "capturable" and torch.device(subject.device).type == "cpu")
    for dtype in subject.dtypes:
        one = subject.in_dtype(dtype)
        own: dict[str, Any] = {variant: True}
        if variant == TENSOR_LR:
            own = {"lr": torch.tensor(one.option("lr"), dtype=dtype)}
        if not one.buildable(**{**plain, **own}):
            return
        try:
            walk = _led(one, {**plain, **own}, frozen=variant == "differentiable")
        except Exception:
            if lenient:
                return
            raise
        setting = "a tensor as lr" if variant == TENSOR_LR else f"{variant}=True"
        when = f"after {STEPS} steps in {str(dtype).removeprefix('torch.')} with {setting}, against the plain loop"
        if subject.claimed("stochastic"):
            require_finite(walk.values(), when=when)
            continue
        expected = _led(one, plain).values()
        way = max(float((new - old).abs().max()) for new, old in zip(expected, initial(one), strict=True))
        rtol, atol = (1e-6, 1e-6) if dtype == torch.float32 else (1e-10, 1e-12)
        require_close(walk.values(), expected, rtol=rtol, atol=atol + _of_the_way(one, variant) * way, when=when)
    if variant == "differentiable":
        _lets_through(subject.in_dtype(subject.dtypes[-1]), {**plain, variant: True})


def _of_the_way(subject: Subject, variant: str) -> float:
    """By what part of its way an entry may be off where numbers such as 1 - beta^t are float32 tensors."""
    if variant not in ("capturable", "differentiable"):
        return 1e-6
    betas = subject.option("betas")
    decays = [beta for beta in betas if isinstance(beta, float) and 0 < beta < 1] if isinstance(betas, tuple) else []
    return torch.finfo(torch.float32).eps / (1 - max(decays, default=0.0)) + 1e-6


def _led(subject: Subject, options: Mapping[str, Any], *, frozen: bool = False) -> Walk:
    """Eight steps with whatever fast paths stumble over."""
    start = initial(subject)
    script = Script(subject.seed)
    tiny = Script(subject.seed, scale=1e-7)
    last = len(start) - 1

    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        late = index == last and t < 3
        missing = 0 < index < last and (t + index) % 4 == 0
        if last and (late or missing):
            return None
        return tiny(t, index, p) if index == 0 else script(t, index, p)

    groups: list[tuple[Sequence[int], dict[str, Any]]] | None = None
    if not subject.claimed("one_group") and last:
        own: dict[str, Any] = {}
        fixed = subject.claims.get("not_per_group", ())
        if subject.lr is not None and "lr" not in fixed:
            own["lr"] = options["lr"] * 2 if "lr" in options else subject.lr * 2
        decays = subject.offers("weight_decay") and "weight_decay" not in fixed
        if decays and subject.buildable(weight_decay=0.1):
            own["weight_decay"] = 0.1
        groups = [(range(last), {}), ([last], own)]
    walk = Walk(subject, start=start, gradient=gradient, groups=groups, options=options)
    if frozen:  # a leaf that requires a gradient must not be written to where gradients are recorded
        for parameter in walk.parameters:
            parameter.requires_grad_(False)
    for t in range(STEPS):
        if t == 4:
            for group in walk.groups:
                if group.get("lr") is not None:
                    group["lr"] = group["lr"] * 0.5
        walk.step()
    return walk


def _lets_through(subject: Subject, options: Mapping[str, Any]) -> None:
    """A gradient of the end with respect to the start."""
    if subject.capabilities.needs_closure:
        return
    leaves = [value.requires_grad_() for value in initial(subject)]
    places = [leaf.clone() for leaf in leaves]
    optimizer = subject.build(places, **options)
    script = Script(subject.seed)
    for t in range(3):
        for index, place in enumerate(places):
            place.grad = script(t, index, place.detach())
        optimizer.step()
    ends = [place.sum() for place in places]
    require(all(end.requires_grad for end in ends), "with differentiable=True, the end of 3 steps has no gradient")
    if refused(torch.stack(ends).sum().backward, "with differentiable=True, backward through 3 steps"):
        return
    for index, leaf in enumerate(leaves):
        if leaf.grad is None:
            raise ContractBroken(f"with differentiable=True, no gradient reaches the start of tensor {index}")
    found = [leaf.grad for leaf in leaves if leaf.grad is not None]
    require_finite(found, when="with differentiable=True, through 3 steps", what="gradient of the start of tensor")


@check(once=True, extra="compile", applies=lambda subject: not subject.declared.needs_closure, exempt=("stochastic",))
def compiled_step(subject: Subject) -> None:
    """torch.compile(optimizer.step) does what step does.

    Prevents: a number of the step that is compiled in as a constant, a branch on a Python counter that is traced once,
    a scheduler whose learning rate the compiled step never sees. Criterion: 6 steps, with the learning rate halved
    after 3, are close to 6 plain ones. Tolerance: rtol 1e-5, atol 1e-6: fused arithmetic rounds elsewhere. Needs a C++
    compiler. Exemption: `stochastic`; not collected for what needs a closure.
    """
    if torch.device(subject.device).type == "cpu" and not shutil.which(os.environ.get("CXX", "") or "c++"):
        raise NotAvailable("torch.compile needs a C++ compiler, and there is none: set CXX, or install one")
    plain, compiled = Walk(subject), Walk(subject)
    torch.compiler.reset()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        step = torch.compile(compiled.optimizer.step)
        for t in range(6):
            if t == 3 and subject.lr is not None:
                for group in (*plain.groups, *compiled.groups):
                    group["lr"] = group["lr"] * 0.5
            plain.step()
            compiled.assign(compiled.gradient)
            step()  # type: ignore[no-untyped-call]
            compiled.t += 1
    torch.compiler.reset()
    when = "after 6 compiled steps, against plain ones"
    require_close(compiled.values(), plain.values(), rtol=1e-5, atol=1e-6, when=when)


@check(applies=lambda subject: torch.device(subject.device).type != "cpu", exempt=("stochastic",))
def device_agrees(subject: Subject) -> None:
    """Steps on the device are those on the CPU.

    Prevents: state left on the CPU, a kernel that treats small or odd sizes differently, a default implementation that
    is another one on a GPU (torch takes the list-wise one there). Criterion: 8 steps, in two groups with gradients
    missing at times, are close to those on the CPU. Tolerance: rtol 1e-5 and atol 1e-6 in float32, 1e-9 and 1e-11 in
    float64: sums in another order, and other roundings of roots and powers. Exemption: `stochastic`.
    """
    rtol, atol = (1e-5, 1e-6) if subject.dtype == torch.float32 else (1e-9, 1e-11)
    found = [value.cpu() for value in _led(subject, {}).values()]
    expected = _led(replace(subject, device="cpu"), {}).values()
    when = f"after {STEPS} steps on {subject.device}, against the CPU"
    require_close(found, expected, rtol=rtol, atol=atol, when=when)
