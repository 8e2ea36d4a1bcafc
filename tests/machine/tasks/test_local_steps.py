"""Local steps: the direction is the way they went, and clients hold what they should."""

from __future__ import annotations

import pytest
import torch
from torch.func import grad

from pytest_optbench.machine.tasks.local_steps import FederatedDigits, SinusoidReptile

STEP = torch.tensor(0.0)


@pytest.mark.parametrize("task", [SinusoidReptile(), FederatedDigits()], ids=lambda task: task.name)
def test_direction_is_the_mean_way_of_the_locals_per_step_and_lr(task, instance):
    one = instance(task, dtype=torch.float64)
    data = task.local_batches(one.constants, one.batch())
    count = len(next(iter(data.values())))
    ways = {name: torch.zeros_like(tensor) for name, tensor in one.parameters.items()}
    for local in range(count):
        moved = dict(one.parameters)
        for step in range(task.steps):
            batch = {name: tensor[local, step] for name, tensor in data.items()}
            slopes = grad(task.local_loss)(moved, batch)
            moved = {name: tensor - task.local_lr * slopes[name] for name, tensor in moved.items()}
        for name, tensor in one.parameters.items():
            ways[name] += (tensor - moved[name]) / (task.steps * task.local_lr * count)
    value, direction = task.gradient(one.parameters, one.constants, one.batch())
    torch.testing.assert_close(direction, ways)
    torch.testing.assert_close(value, task.loss(one.parameters, one.constants, one.batch()))


def test_one_local_step_is_a_gradient(instance):
    task = FederatedDigits(steps=1)
    one = instance(task, dtype=torch.float64)
    _, direction = task.gradient(one.parameters, one.constants, one.batch())
    expected = grad(task.loss)(one.parameters, one.constants, one.batch())
    torch.testing.assert_close(direction, expected)


def test_every_client_holds_few_labels_and_no_image_is_shared(instance):
    rows = instance(FederatedDigits()).constants["rows"]
    labels = instance(FederatedDigits()).constants["labels"][rows]
    assert rows.unique().numel() == rows.numel() == 1420
    assert max(len(client.unique()) for client in labels) <= 4


def test_clients_draw_from_what_they_hold(instance):
    one = instance(FederatedDigits())
    drawn = one.block["rows"].transpose(0, 1).flatten(1)
    assert all(set(own.tolist()) <= set(held.tolist()) for own, held in zip(drawn, one.constants["rows"], strict=True))
    assert not torch.equal(one.constants["rows"], instance(FederatedDigits(), seed=1).constants["rows"])


def test_sinusoids_have_their_amplitudes_and_are_adapted_to(instance):
    one = instance(SinusoidReptile())
    assert 4 < one.block["targets"].abs().max() <= 5
    assert one.block["inputs"].abs().max() <= 5
    still = SinusoidReptile(local_lr=1e-9)
    adapted = SinusoidReptile().evaluate(one.parameters, one.constants, STEP)
    assert adapted != still.evaluate(one.parameters, one.constants, STEP)
    before = still.metrics(one.parameters, one.constants)["error_before_adaptation"]
    torch.testing.assert_close(still.evaluate(one.parameters, one.constants, STEP), before, rtol=1e-4, atol=0)
