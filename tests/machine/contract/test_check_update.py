"""The check of the update in place: each fault is found, and named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from life_cycle import Sound, sentence


class NewData(Sound):
    def update(self, p, g, group, state):
        p.data = p.data - group["lr"] * g  # new data


class OtherStrides(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        if p.ndim == 2:
            p.data = p.data.T.contiguous().T


class NoGradients(Sound):
    def update(self, p, g, group, state):
        super().update(p, g, group, state)
        p.requires_grad_(False)


class Doubles(Sound):
    def update(self, p, g, group, state):
        p.data = p.data.double() - group["lr"] * g


@pytest.mark.parametrize("optimizer", [Sound, torch.optim.AdamW, torch.optim.Adafactor])
def test_a_sound_optimizer_passes(optimizer):
    assert sentence(optimizer, "in_place") == ""


@pytest.mark.parametrize(
    ("optimizer", "fault"),
    [
        (NewData, "step 1 changed the address of tensor 0"),
        (OtherStrides, "step 1 changed the address of tensor 0"),
        (NoGradients, "step 1 changed the requires_grad of tensor 0 from True to False"),
        (Doubles, "step 1 changed the address of tensor 0"),
    ],
)
def test_a_broken_one_fails_with_the_fault(optimizer, fault):
    assert fault in sentence(optimizer, "in_place")


def test_the_sentence_leads_to_the_line():
    lines = Path(__file__).read_text(encoding="utf-8").splitlines()
    line = next(number for number, text in enumerate(lines, 1) if "# new data" in text)
    assert sentence(NewData, "in_place").endswith(f"test_check_update.py:{line}")
