"""Batching: what `vmap` does to a task that is not ours."""

from __future__ import annotations

import pytest
import torch

from pytest_optbench.machine.tasks.batching import quoted, refusal
from pytest_optbench.machine.tasks.exact import ExactTask

LANES = [({"x": torch.full((3,), float(seed))}, {}, {}) for seed in range(5)]


class Bowl(ExactTask):
    name = "bowl"

    def value(self, parameters, constants):
        return parameters["x"].square().sum()


class Drifts(Bowl):
    """Another bit at every call, as a kernel gives that rounds by the number of lanes."""

    def gradient(self, parameters, constants, batch):
        value, gradient = super().gradient(parameters, constants, batch)
        vars(type(self))["calls"].append(1)
        return value, {"x": gradient["x"] * (1 + 1e-6 * len(type(self).calls))}

    calls: list[int] = []  # noqa: RUF012


class Sums(Bowl):
    """Its loss sees all lanes at once, as no pure function does."""

    def gradient(self, parameters, constants, batch):
        value, gradient = super().gradient(parameters, constants, batch)
        return value, {"x": gradient["x"] + (1 if torch._C._functorch.is_batchedtensor(gradient["x"]) else 0)}


class Branches(Bowl):
    def value(self, parameters, constants):
        return parameters["x"].sum() if parameters["x"][0] > 0 else parameters["x"].square().sum()


@pytest.mark.parametrize(
    ("task", "reason"),
    [
        (Bowl(), ""),
        (Drifts(), "a seed would get other bits with others beside it"),
        (Sums(), "vmap gives another gradient"),
        (Branches(), "vmap refuses it: RuntimeError: vmap: It looks like"),
    ],
)
def test_a_task_is_batched_when_every_lane_keeps_its_bits(task, reason):
    found = refusal(task, LANES)
    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_an_exception_is_quoted_on_one_short_line():
    assert quoted(ValueError("first\n  second")) == "ValueError: first second"
    assert len(quoted(ValueError("word " * 100))) < 180
    assert quoted(UserWarning("implemented the batching rule for aten::mkldnn_rnn_layer. Please")) == (
        "there is no batching rule for aten::mkldnn_rnn_layer"
    )
