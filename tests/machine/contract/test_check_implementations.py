"""implementations_agree, compiled_step, device_agrees and processes_agree."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts

from pytest_optbench.machine.contract.broken import ContractBroken, NotAvailable
from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.recipe import Recipe, declared

CHECK = "implementations_agree"


def subject_of(optimizer) -> Subject:
    recipe = Recipe(name="Made", optimizer=optimizer, where="here")
    return Subject(recipe, declared(recipe))


@pytest.mark.parametrize("optimizer", [torch.optim.AdamW, torch.optim.SGD, torch.optim.Adagrad])
def test_torch_itself(optimizer) -> None:
    said = verdicts(optimizer, CHECK)
    assert {"foreach", "fused", "differentiable", "tensor_lr"} <= set(said)
    assert set(said.values()) == {""}


def without_decay(p, g, state, group):
    normalized(p, g, state, {**group, "weight_decay": 0.0} if group["foreach"] else group)


def stale_lr(p, g, state, group):
    lr = state.setdefault("lr", group["lr"])
    normalized(p, g, state, {**group, "lr": lr} if group["foreach"] else group)


def eps_inside(p, g, state, group):
    normalized(p, g, state, {**group, "eps": group["eps"] ** 0.5} if group["foreach"] else group)


def in_float32(p, g, state, group):
    if group["foreach"]:
        p.copy_(p.float() - group["lr"] * g.float())
    else:
        plain(p, g, state, group)


class CountsFromTheStart(optimizer_of(normalized, foreach=False)):
    """Its list-wise path counts the steps of the optimizer, not those of a parameter."""

    def step(self, closure=None):
        if self.param_groups[0]["foreach"]:
            self.t = getattr(self, "t", 0) + 1
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None and p not in self.state:
                        p.grad = p.grad / self.t
        return super().step(closure)


@pytest.mark.parametrize("move", [without_decay, stale_lr, eps_inside, in_float32])
def test_a_path_that_does_something_else(move) -> None:
    said = verdicts(optimizer_of(move, betas=(0.9, 0.99), foreach=False), CHECK)
    assert "with foreach=True, against the plain loop, tensor" in said["foreach"]


def test_a_late_gradient_on_one_path() -> None:
    assert "with foreach=True, against the plain loop, tensor 3" in verdicts(CountsFromTheStart, CHECK)["foreach"]


class ScalesItsLr(optimizer_of(plain)):
    def step(self, closure=None):
        for group in self.param_groups:
            group["lr"] *= 1.0
            if isinstance(group["lr"], torch.Tensor):
                group["lr"].mul_(0.99)
        return super().step(closure)


def test_a_tensor_as_learning_rate() -> None:
    assert verdicts(optimizer_of(plain), CHECK) == {"tensor_lr": ""}  # takes it, or refuses it
    assert "with a tensor as lr" in verdicts(ScalesItsLr, CHECK)["tensor_lr"]


class Cuts(torch.optim.SGD):
    """Its differentiable step is not."""

    @torch.no_grad()
    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            if p.grad is not None:
                p.data = p.data - self.param_groups[0]["lr"] * p.grad


def test_a_differentiable_step_lets_a_gradient_through() -> None:
    assert verdicts(torch.optim.SGD, CHECK)["differentiable"] == ""

    class Zero(torch.optim.SGD):
        def step(self, closure=None):
            result = super().step(closure)
            if self.param_groups[0]["differentiable"]:
                for group in self.param_groups:
                    group["params"] = [p if p.is_leaf else p.detach_() for p in group["params"]]
            return result

    assert "has no gradient" in verdicts(Zero, CHECK)["differentiable"]


def test_another_device_is_compared_with_the_cpu() -> None:
    check = CHECKS["device_agrees"]
    here = subject_of(torch.optim.SGD)
    assert check.parts(here) == ()
    assert check.parts(replace(here, device="cuda")) == ("float32", "float64")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu() -> None:
    CHECKS["device_agrees"].run(replace(subject_of(torch.optim.AdamW), device="cuda"), "float32")


def test_without_a_compiler_there_is_no_compiled_step(monkeypatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(NotAvailable, match=r"needs a C\+\+ compiler"):
        CHECKS["compiled_step"].run(subject_of(torch.optim.SGD), "")


class TracedLr(torch.optim.Optimizer):
    """Reads its learning rate once."""

    def __init__(self, params, lr=0.1):
        super().__init__(params, {"lr": lr})

    def step(self, closure=None):
        with torch.no_grad():
            lr = 0.1 if torch.compiler.is_compiling() else self.param_groups[0]["lr"]
            for p in self.param_groups[0]["params"]:
                p.sub_(lr * p.grad)


@pytest.mark.full
@pytest.mark.skipif(not shutil.which(os.environ.get("CXX", "c++")), reason="there is no C++ compiler")
def test_a_compiled_step() -> None:
    with torch.enable_grad():
        CHECKS["compiled_step"].run(subject_of(torch.optim.AdamW), "")
        with pytest.raises(ContractBroken, match="after 6 compiled steps, against plain ones"):
            CHECKS["compiled_step"].run(subject_of(TracedLr), "")


def test_a_class_that_no_other_process_can_import() -> None:
    with pytest.raises(NotAvailable, match="cannot be sent to another process"):
        CHECKS["processes_agree"].run(subject_of(optimizer_of(plain)), "")


class FollowsItsHash(torch.optim.SGD):
    """Ties its step to the hash seed of the process."""

    def step(self, closure=None):
        for p in self.param_groups[0]["params"]:
            p.grad = p.grad * (1 + (hash("a") % 1000) / 1000)
        return super().step(closure)


@pytest.mark.full
def test_two_processes() -> None:
    with torch.enable_grad():
        CHECKS["processes_agree"].run(subject_of(torch.optim.AdamW), "")
        with pytest.raises(ContractBroken, match="in the second process against the first, tensor 0"):
            CHECKS["processes_agree"].run(subject_of(FollowsItsHash), "")
