"""Restart: a process that knows nothing but a file continues the trajectory."""

from __future__ import annotations

import importlib.util
import io
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import torch

from pytest_optbench.machine.contract.broken import ContractBroken, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Walk
from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.pool import Failed, Pool
from pytest_optbench.machine.recipe import Recipe

_STEPS = 7


def _found_by_name(subject: Subject) -> bool:
    """Can another process import the optimizer?"""
    with suppress(Exception):
        pickle.dumps(subject.recipe.optimizer)
        module = getattr(subject.recipe.optimizer, "__module__", "")
        return module != "__main__" and importlib.util.find_spec(module) is not None
    return False


@check(once=True, applies=_found_by_name, extra="process")
def resume_in_new_process(subject: Subject) -> None:
    """A new process that loads a saved state_dict continues the trajectory to the bit.

    Prevents: state in a module or in the class, which a second optimizer of the same process still finds, and order
    that hangs on addresses or on the hashes of strings. Criterion: 5 steps, then parameters and state_dict through
    `torch.save` into a process that was started for it; 7 further steps there and here are equal to the bit. An
    optimizer that no other process can import by its name is not asked.
    """
    walk = Walk(subject).take(5)
    request = pickle.dumps((_bare(subject), _saved(walk.values()), _saved(walk.optimizer.state_dict()), walk.random))
    with Pool(1, _continuing) as pool:
        answers = [answer for _, answer in pool.work([request])]
    walk.take(_STEPS)
    answer = answers[-1]
    if isinstance(answer, Failed) or not isinstance(answer, bytes):
        sentence = answer.sentence if isinstance(answer, Failed) else repr(answer)
        raise ContractBroken(f"resumed in a new process after step 5: {sentence}")
    require_equal(_loaded(answer), walk.values(), when=f"after step {walk.t}, resumed in a new process after step 5")


def _continuing() -> Callable[[bytes, object], bytes]:
    """What answers in the new process: the request's values after the further steps."""

    def answer(request: bytes, tell: object) -> bytes:
        subject, values, state, random = pickle.loads(request)
        with isolated(), torch.enable_grad():
            walk = Walk(subject, start=_loaded(values))
            walk.optimizer.load_state_dict(_loaded(state))
            walk.train()
            walk.t, walk.random = 5, random
            return _saved(walk.take(_STEPS).values())

    return answer


def _bare(subject: Subject) -> Subject:
    """The subject as plain data and the name of its optimizer."""
    recipe = Recipe(
        name=subject.recipe.name,
        optimizer=subject.recipe.optimizer,
        where=subject.recipe.where,
        hyperparameters=_plain(subject.recipe.hyperparameters),
        configurations=_plain(subject.recipe.configurations),
        derived=subject.recipe.derived,
        claims=_plain(subject.recipe.claims),
    )
    return Subject(recipe, subject.declared, subject.configuration, subject.dtype, subject.device, subject.seed)


def _plain(values: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _plain(value) if isinstance(value, Mapping) else value for key, value in values.items()}


def _saved(what: object) -> bytes:
    file = io.BytesIO()
    torch.save(what, file)
    return file.getvalue()


def _loaded(data: bytes) -> Any:
    return torch.load(io.BytesIO(data), weights_only=True)
