"""globals_untouched."""

from __future__ import annotations

import os

import pytest
import torch
from moves import normalized, optimizer_of, plain, verdicts


def during(change):
    """A step, and a constructor, that do this beside their work."""

    def move(p, g, state, group):
        plain(p, g, state, group)
        change()

    class Constructor(optimizer_of(normalized)):
        def __init__(self, params, **options):
            super().__init__(params, **options)
            change()

    return {"step 1": optimizer_of(move), "construction": Constructor}


def test_a_sound_optimizer_leaves_everything_alone() -> None:
    assert verdicts(optimizer_of(normalized), "globals_untouched") == {"": ""}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda: torch.set_num_threads(2), "torch's number of threads from 1 to 2"),
        (lambda: torch.set_default_dtype(torch.float64), "torch's default dtype from torch.float32 to torch.float64"),
        (lambda: torch.set_default_device("meta"), "torch's default device from cpu to meta"),
        (lambda: torch.set_grad_enabled(False), "torch's grad mode from True to False"),
        (lambda: torch.set_anomaly_enabled(True), "anomaly mode (enabled, check_nan) from (False, True) to (True, "),
        (lambda: torch.set_float32_matmul_precision("high"), "float32 matrix products from highest to high"),
        (lambda: torch.use_deterministic_algorithms(True), "(0 off, 1 warn, 2 on) from 0 to 2"),
        (lambda: os.chdir(os.sep), f"to {os.sep!r}"),
        (lambda: os.environ.update(OPTBENCH_TRIAL="1"), "environment variable OPTBENCH_TRIAL from unset to '1'"),
    ],
)
def test_a_global_that_is_changed(change, words) -> None:
    for when, optimizer in during(change).items():
        if when == "step 1" and "grad mode" in words:
            continue  # no_grad() around the step puts it back
        said = verdicts(optimizer, "globals_untouched")[""]
        assert said.startswith(f"{when} changed ")
        assert words in said
        assert "test_check_surroundings.py:" in said or "grad mode" in words


def test_variables_of_the_compiler_are_its_own() -> None:
    optimizer = during(lambda: os.environ.update(TORCHINDUCTOR_TRIAL="1"))["step 1"]
    assert verdicts(optimizer, "globals_untouched") == {"": ""}
    assert "TORCHINDUCTOR_TRIAL" not in os.environ
