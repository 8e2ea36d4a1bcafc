"""Resume: a state_dict, loaded into a fresh optimizer, continues the trajectory to the bit."""

from __future__ import annotations

import copy
import io

import torch

from pytest_optbench.machine.contract.broken import require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk


@check()
def resume(subject: Subject) -> None:
    """A fresh optimizer that loads the state_dict of another continues its trajectory to the bit.

    Prevents: state kept in attributes instead of `state`, counters that start again, buffers that `load_state_dict`
    casts to another dtype. Criterion: 5 steps, then state_dict into a fresh optimizer over equal parameters, by
    deepcopy and by `torch.save` and `torch.load(weights_only=True)`; 7 further steps of both are equal to the bit.
    """
    for way in ("copied", "saved"):
        walk = Walk(subject).take(5)
        state = copy.deepcopy(walk.optimizer.state_dict())
        if way == "saved":
            file = io.BytesIO()
            torch.save(walk.optimizer.state_dict(), file)
            file.seek(0)
            state = torch.load(file, weights_only=True)
        other = walk.resumed(state)
        for _ in range(7):
            walk.step()
            other.step()
            require_equal(
                other.values(), walk.values(), when=f"in step {walk.t}, resumed from a {way} state_dict after step 5"
            )
