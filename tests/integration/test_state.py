"""The process is after a case what it was before it."""

from __future__ import annotations

import random
import signal

import numpy as np
import pytest
import torch
from project import Project

WILD = """
    import random
    import numpy as np
    import torch

    class Wild(torch.optim.SGD):
        "Changes everything that a process has globally."

        def __init__(self, params, lr=0.3):
            super().__init__(params, lr=lr)
            self.count = 0

        def step(self, closure=None):
            self.count += 1
            torch.rand(3), np.random.rand(3), random.random()
            torch.set_default_dtype(torch.float64)
            torch.set_grad_enabled(False)
            torch.set_num_threads(3)
            super().step()
            if self.count == 5:
                {ending}
"""
ENDINGS = {
    "returns": ("pass", "passed"),
    "raises": ("raise RuntimeError('boom')", "failed"),
    "is ended from outside": ("__import__('pytest').fail('Timeout')", "failed"),
    "takes too long": ("__import__('time').sleep(600)", "failed"),
}


def state() -> dict[str, object]:
    return {
        "torch's generator": torch.get_rng_state().tolist(),
        "numpy's generator": np.random.get_state()[1].tolist(),  # type: ignore[index]
        "python's generator": random.getstate(),
        "threads": torch.get_num_threads(),
        "default dtype": torch.get_default_dtype(),
        "grad mode": torch.is_grad_enabled(),
        "alarm handler": signal.getsignal(signal.SIGALRM),
    }


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("engine", ["lockstep", "sequential"])
def test_the_state_of_the_process_is_restored(project: Project, engine: str, ending: str) -> None:
    code, outcome = ENDINGS[ending]
    project.write({"wild.py": WILD.format(ending=code)})
    torch.manual_seed(5)
    before = state()
    result = project.bench(
        "--optbench-optimizer=wild:Wild",
        "--optbench-tasks=bowl2",
        "--optbench-seeds=4",
        f"--optbench-engine={engine}",
        "--optbench-timeout=0.5",
    )
    assert result.outcomes == {outcome: 1}
    assert [name for name, value in state().items() if value != before[name]] == []


def test_an_optimizer_that_draws_random_numbers_gives_the_same_bits_again(project: Project) -> None:
    project.write(
        {
            "noisy.py": """
                import torch
                from acme import Descent

                class Noisy(Descent):
                    def misbehave(self):
                        self.param_groups[0]["lr"] = 0.2 + 0.1 * torch.rand(()).item()
            """
        }
    )
    arguments = ("--optbench-optimizer=noisy:Noisy", "--optbench-tasks=bowl*", "--optbench-seeds=4")
    first = {(row.task, row.seed): row.trajectory_sha for row in project.bench(*arguments).rows}
    again = project.bench(*arguments, "--optbench-seeds=6", "-k", "bowl3").rows
    assert {(row.task, row.seed): row.trajectory_sha for row in again if row.seed < 4} == {
        key: sha for key, sha in first.items() if key[0] == "bowl3"
    }
    assert len(set(first.values())) == 8
