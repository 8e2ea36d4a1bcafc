"""The specimens: every clean reference implementation with what a recipe of it declares."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch.optim import Optimizer

from pytest_optbench.machine.recipe import Recipe
from pytest_optbench.words.claims import is_derived

SOURCES = Path(__file__).parent / "optimizers"
Declared = Literal["nothing", "claims", "family"]


@dataclass(frozen=True, kw_only=True)
class Specimen:
    """A clean class and its recipe, at three degrees of declaration."""

    name: str
    module: str
    configurations: Mapping[str, Mapping[str, Any]]
    claims: Mapping[str, Any]
    family: str | Mapping[str, str] = ""
    """One for all configurations, or by configuration."""
    bare: Mapping[str, Any] = field(default_factory=dict)
    """The claims without which the clean class itself does not pass: all that is declared where nothing is."""

    @property
    def file(self) -> Path:
        return SOURCES / f"{self.module}.py"

    @property
    def source(self) -> str:
        return self.file.read_text(encoding="utf-8")

    @property
    def optimizer(self) -> type[Optimizer]:
        """The clean class."""
        cls: type[Optimizer] = getattr(importlib.import_module(f"optimizers.{self.module}"), self.name)
        return cls

    def recipe(self, optimizer: Callable[..., Optimizer], declared: Declared = "family", **options: Any) -> Recipe:
        """A recipe of this specimen, or of a mutant of it."""
        if declared == "nothing":
            bare = {"derives": True, "claims": self.bare, **options}
            return Recipe(name=self.name, optimizer=optimizer, where="tests/kill_rate", **bare)
        claims = {**{key: value for key, value in self.bare.items() if not is_derived(key)}, **self.claims}
        if declared == "family" and not isinstance(self.family, str):
            claims.update({name: {**claims.get(name, {}), "family": family} for name, family in self.family.items()})
        return Recipe(
            name=self.name,
            optimizer=optimizer,
            where="tests/kill_rate",
            configurations=self.configurations,
            claims=claims,
            family=self.family if declared == "family" and isinstance(self.family, str) else "",
            **options,
        )


SPECIMENS: dict[str, Specimen] = {
    one.name: one
    for one in (
        Specimen(
            name="SGD",
            module="sgd",
            family="sgd_like",
            configurations={
                "momentum": {"momentum": 0.9, "dampening": 0.3},
                "nesterov": {"momentum": 0.9, "nesterov": True},
                "decayed": {"weight_decay": 0.1, "momentum": 0.9},
                "maximize": {"maximize": True, "momentum": 0.9},
                "foreach": {"foreach": True, "momentum": 0.9, "weight_decay": 0.1},
            },
            claims={
                "dead_ok": ["dampening"],
                "weight_decay": "l2",
                "scale": "linear",
                "elementwise": True,
                "slots": 1,
                "momentum": {"dead_ok": []},
                "nesterov": {"dead_ok": []},
            },
        ),
        Specimen(
            name="Adam",
            module="adam",
            family="adam_like",
            configurations={
                "amsgrad": {"amsgrad": True},
                "decayed": {"weight_decay": 0.1},
                "maximize": {"maximize": True},
                "foreach": {"foreach": True, "amsgrad": True, "weight_decay": 0.1, "maximize": True},
            },
            bare={"no_fp16": True, "no_complex": True},
            claims={"weight_decay": "l2", "scale": "invariant", "elementwise": True, "slots": 3},
        ),
        Specimen(
            name="AdamW",
            module="adamw",
            family="adam_like",
            configurations={"amsgrad": {"amsgrad": True}, "maximize": {"maximize": True}},
            bare={"no_fp16": True, "no_complex": True},
            claims={"weight_decay": "decoupled", "scale": "invariant", "elementwise": True, "slots": 3},
        ),
        Specimen(
            name="RMSprop",
            module="rmsprop",
            family="rmsprop_like",
            configurations={
                "centered": {"centered": True},
                "momentum": {"momentum": 0.9},
                "decayed": {"weight_decay": 0.1},
                "maximize": {"maximize": True, "centered": True, "momentum": 0.9},
            },
            bare={"no_fp16": True, "no_complex": True},
            claims={
                "weight_decay": "l2",
                "scale": "invariant",
                "elementwise": True,
                "slots": 3,
                # 1 / sqrt(1 - alpha^t); centered 1 / sqrt(alpha^t (1 - alpha^t)); with momentum their discounted sums
                "const_step": [10.0, 7.088812, 1.009098],
                "centered": {"const_step": [10.050378, 7.160416, 7.531724]},
                "momentum": {"const_step": [10.0, 16.088812, 10.100232]},
                "maximize": {"const_step": [10.050378, 16.205757, 72.128715]},
            },
        ),
        Specimen(
            name="Adagrad",
            module="adagrad",
            family="adagrad_like",
            configurations={
                "lr_decay": {"lr_decay": 0.1},
                "decayed": {"weight_decay": 0.1},
                "accumulated": {"initial_accumulator_value": 0.1},
                "maximize": {"maximize": True},
            },
            bare={"no_fp16": True, "no_complex": True},
            claims={
                "weight_decay": "l2",
                "elementwise": True,
                "slots": 1,
                # lr_t / sqrt(t) in units of lr; nothing of that with an initial accumulator
                **{
                    name: {"scale": "invariant", "const_step": [1.0, 0.70710678, 0.05]}
                    for name in ("default", "decayed", "maximize")
                },
                "lr_decay": {"scale": "invariant", "const_step": [1.0, 0.64282435, 0.0012224939]},
            },
        ),
        Specimen(
            name="Lion",
            module="lion",
            family="lion_like",
            configurations={"decayed": {"weight_decay": 0.1}, "maximize": {"maximize": True}},
            bare={"no_complex": True},
            claims={
                "weight_decay": "decoupled",
                "scale": "invariant",
                "elementwise": True,
                "slots": 1,
                "step_bound": 1.0,
                "const_step": 1.0,
            },
        ),
        Specimen(
            name="RAdam",
            module="radam",
            family="radam_like",
            configurations={
                "decayed": {"weight_decay": 0.1},
                "decoupled": {"weight_decay": 0.1, "decoupled_weight_decay": True},
                "maximize": {"maximize": True},
                "short": {"betas": (0.8, 0.9)},
            },
            bare={"no_fp16": True, "no_complex": True},
            claims={
                "dead_ok": ["decoupled_weight_decay"],
                "elementwise": True,
                "slots": 2,
                "weight_decay": "l2",
                "decoupled": {"weight_decay": "decoupled", "dead_ok": []},
            },
        ),
        Specimen(
            name="NAdam",
            module="nadam",
            family="nadam_like",
            configurations={
                "decayed": {"weight_decay": 0.1},
                "decoupled": {"weight_decay": 0.1, "decoupled_weight_decay": True},
                "maximize": {"maximize": True},
            },
            bare={"no_fp16": True, "no_complex": True},
            claims={
                "dead_ok": ["decoupled_weight_decay"],
                "scale": "invariant",
                # (1 - mu_t) / (1 - P_t) + mu_(t+1) (1 - beta1^t) / (1 - P_(t+1)), P the product of the momenta
                "const_step": [1.056452, 0.783684, 1.000069],
                "elementwise": True,
                "slots": 2,
                "weight_decay": "l2",
                "decoupled": {"weight_decay": "decoupled", "dead_ok": []},
            },
        ),
        Specimen(
            name="Adafactor",
            module="adafactor",
            family="adafactor_like",
            configurations={
                "relative_step": {"relative_step": True},
                "decayed": {"weight_decay": 0.1},
                "maximize": {"maximize": True},
            },
            bare={"no_complex": True, "dead_ok": ["eps.0"], "relative_step=True": {"uses_param_values": True}},
            claims={
                "dead_ok": ["eps"],
                "scale": "invariant",
                "slots": 1,
                **{name: {"const_step": 1.0} for name in ("default", "decayed", "maximize")},
                "weight_decay": "decoupled",
                "relative_step": {"uses_param_values": True, "dead_ok": ["eps.0"], "lr_nonlinear": True},
            },
        ),
        Specimen(
            name="LAMB",
            module="lamb",
            family="scale_adaptive",
            configurations={"decayed": {"weight_decay": 0.1}, "maximize": {"maximize": True}},
            bare={"no_complex": True, "uses_param_values": True, "eps_other": True},
            claims={
                "scale": "invariant",
                "slots": 2,
                # from zero: a trust ratio of 1, then lr p each time, that is lr (1 + lr)^(t - 2)
                "const_step": [1.0, 1e-3, 1.4885480e-3],
            },
        ),
        Specimen(
            name="Muon",
            module="muon",
            family="matrix_orthogonal",
            configurations={
                "plain_momentum": {"nesterov": False},
                "more_steps": {"ns_steps": 8},
                "no_decay": {"weight_decay": 0.0},
            },
            bare={"no_ndim": [0, 1, 3, 4], "no_complex": True, "nesterov=False": {"eps_other": True}},
            claims={
                "weight_decay": "decoupled",
                "scale": "invariant",
                "slots": 1,
                "orthogonal": True,
                "shape_factor": "sqrt(max(1, rows / columns))",
                "plain_momentum": {"eps_other": True},
            },
        ),
        Specimen(
            name="Shampoo",
            module="shampoo",
            family="kronecker_preconditioned",
            configurations={
                "momentum": {"momentum": 0.9},
                "interval": {"interval": 3, "lr": 0.01},
                "decayed": {"weight_decay": 0.1},
                "maximize": {"maximize": True},
            },
            bare={"no_complex": True, "no_fp16": True, "no_bf16": True, "eps_other": True},
            claims={
                "weight_decay": "l2",
                # along one row times one column, of the norm sqrt(12): 1 / sqrt(12 t) for every entry
                "const_step": [0.288675, 0.204124, 0.0144338],
                "momentum": {"const_step": [0.288675, 0.463932, 0.146023]},
                "interval": {"const_step": [0.288675, 0.288675, 0.0144338]},
            },
        ),
        Specimen(
            name="ScheduleFreeSGD",
            module="schedule_free_sgd",
            family={"default": "schedule_free", "decayed": "schedule_free"},
            configurations={"decayed": {"weight_decay": 0.1}, "warmup": {"warmup_steps": 5}},
            bare={"train_eval": True, "lr_nonlinear": True, "moves_at_lr0": True, "no_complex": True},
            claims={"weight_decay": "l2", "scale": "linear", "elementwise": True, "slots": 1},
        ),
        Specimen(
            name="ScheduleFreeAdamW",
            module="schedule_free_adamw",
            family={"default": "schedule_free", "decayed": "schedule_free"},
            configurations={"decayed": {"weight_decay": 0.1}, "warmup": {"warmup_steps": 5}},
            bare={
                "train_eval": True,
                "lr_nonlinear": True,
                "moves_at_lr0": True,
                "no_complex": True,
                "no_fp16": True,
                "weight_decay": "other",
            },
            claims={"scale": "invariant", "elementwise": True, "slots": 2},
        ),
    )
}
