"""Rewrites of AcmeAdam's step that change roundings and nothing else: does the gate let them pass, on the same seeds?

python tests/simulation/rewrites.py

Each is beside the optimizer as it is: its fingerprints, and its runs on a few tasks, by the gate's own functions.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import torch

from pytest_optbench.machine.contract.recording import recorded_row, recorded_subjects
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, declared
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of
from pytest_optbench.words.baseline import BaselineRow, from_runs
from pytest_optbench.words.comparison import Comparison, compare, failure
from pytest_optbench.words.fingerprint import changes
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate

SOURCE = Path(__file__).parents[2] / "example_project" / "acme_optim" / "adam.py"
TASKS: Mapping[str, float] = {
    "sphere10": 0.3,
    "ellipsoid20_rotated": 0.3,
    "rosenbrock2": 1.0,
    "mult_noise_bowl10": 0.1,
    "quartic_saddle": 0.1,
    "gradient_burst": 1.0,
}
"""With learning rates near the tuned ones."""
CONFIGURATIONS: Mapping[str, Mapping[str, Any]] = {"cautious": {"cautious": True}, "decay": {"weight_decay": 0.1}}

MEAN = "mean.lerp_(gradient, 1 - beta1)"
SQUARE = "square.mul_(beta2).addcmul_(gradient, gradient, value=1 - beta2)"
UNBIASED = 'unbiased = mean / (1 - beta1 ** state["step"])'
SCALE = 'scale = (square / (1 - beta2 ** state["step"])).sqrt_().add_(group["eps"])'
UPDATE = "update = unbiased.div_(scale)"
DECAY = 'parameter.mul_(1 - group["lr"] * group["weight_decay"])'
STEP = 'parameter.sub_(update, alpha=group["lr"])'
LR = 'group["lr"]'
REWRITES: tuple[tuple[str, str], ...] = (
    (MEAN, "mean.mul_(beta1).add_(gradient, alpha=1 - beta1)"),
    (MEAN, "mean.add_(gradient - mean, alpha=1 - beta1)"),
    (MEAN, "mean.copy_(beta1 * mean + (1 - beta1) * gradient)"),
    (MEAN, "mean.mul_(beta1 / (1 - beta1)).add_(gradient).mul_(1 - beta1)"),
    (SQUARE, "square.mul_(beta2).add_(gradient.square(), alpha=1 - beta2)"),
    (SQUARE, "square.lerp_(gradient.square(), 1 - beta2)"),
    (SQUARE, "square.copy_(beta2 * square + (1 - beta2) * gradient * gradient)"),
    (SQUARE, "square.mul_(beta2).add_((gradient * (1 - beta2) ** 0.5).square())"),
    (UNBIASED, 'unbiased = mean * (1 / (1 - beta1 ** state["step"]))'),
    (UNBIASED, 'unbiased = -mean / (beta1 ** state["step"] - 1)'),
    (SCALE, 'scale = (square.sqrt() / (1 - beta2 ** state["step"]) ** 0.5).add_(group["eps"])'),
    (SCALE, 'scale = (square / (1 - beta2 ** state["step"])).pow_(0.5).add_(group["eps"])'),
    (SCALE, 'scale = (square * (1 / (1 - beta2 ** state["step"]))).sqrt_().add_(group["eps"])'),
    (UPDATE, "update = unbiased.mul_(1 / scale)"),
    (UPDATE, "update = unbiased.mul_(scale.reciprocal())"),
    (UPDATE, "update = (unbiased.double() / scale.double()).to(unbiased.dtype)"),
    (DECAY, f'parameter.sub_(parameter, alpha={LR} * group["weight_decay"])'),
    (DECAY, f'parameter.lerp_(torch.zeros_like(parameter), {LR} * group["weight_decay"])'),
    (STEP, f"parameter.sub_({LR} * update)"),
    (STEP, f"parameter.copy_((parameter.double() - {LR} * update.double()).to(parameter.dtype))"),
)
"""A line, and another that says the same."""


@dataclass(frozen=True)
class Seen:
    """What the gate says of a rewrite."""

    new: str
    fingerprints: tuple[str, ...]
    """Sentences of those that are not the same."""
    cases: tuple[Comparison, ...]

    @property
    def fails(self) -> bool:
        return bool(self.fingerprints) or any(failure(one, DEFAULT_FAIL_ON, full=True) for one in self.cases)

    def __str__(self) -> str:
        told = " ".join(f"{one.task}:{one.change}" for one in self.cases)
        return f"{'FAILS' if self.fails else 'passes'}: {self.new}: {' '.join([*self.fingerprints, told])}"


def optimizer(old: str = "", new: str = "") -> type[torch.optim.Optimizer]:
    """AcmeAdam, with a line of its source exchanged. ValueError unless the line is there once."""
    source = SOURCE.read_text(encoding="utf-8")
    if old and source.count(old) != 1:
        raise ValueError(f"{SOURCE.name}: {old!r} is there {source.count(old)} times; expected once")
    module = ModuleType("rewritten")
    exec(source.replace(old, new) if old else source, vars(module))
    found: type[torch.optim.Optimizer] = module.AcmeAdam
    return found


def fingerprints(made: type[torch.optim.Optimizer]) -> list[BaselineRow]:
    recipe = Recipe(name="AcmeAdam", optimizer=made, where="rewrites", configurations=CONFIGURATIONS)
    return [recorded_row(subject) for subject in recorded_subjects(recipe, declared(recipe))]


def measured(made: type[torch.optim.Optimizer], tasks: Mapping[str, float], seeds: int = 32) -> list[BaselineRow]:
    rows = []
    for name, lr in tasks.items():
        recipe = Recipe(name="AcmeAdam", optimizer=made, where="rewrites", hyperparameters={"lr": lr})
        task = next(one for one in BUILTIN if one.name == name)
        run = CaseRun(
            Case(
                recipe=recipe,
                capabilities=declared(recipe),
                task=task,
                threshold=threshold_of(task),
                seeds=tuple(range(seeds)),
            )
        )
        run.run()
        rows += from_runs(run.rows())
    return rows


def look(rewrites: Sequence[tuple[str, str]] = REWRITES, tasks: Mapping[str, float] = TASKS) -> list[Seen]:
    """Every rewrite beside the optimizer as it is."""
    stored, before = fingerprints(optimizer()), measured(optimizer(), tasks)
    found = []
    for old, new in rewrites:
        made = optimizer(old, new)
        moved = changes(fingerprints(made), stored, where="baseline")
        pairs = zip(before, measured(made, tasks), strict=True)
        found.append(Seen(new, tuple(one.sentence for one in moved), tuple(compare(*pair, Gate()) for pair in pairs)))
    return found


def main() -> int:
    torch.set_num_threads(1)
    found = look()
    for one in found:
        sys.stdout.write(f"{one}\n")
    sys.stdout.write(f"{sum(one.fails for one in found)} of {len(found)} rewrites fail\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
