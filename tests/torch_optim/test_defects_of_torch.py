"""What of torch.optim breaks the contract, shown without this plugin: minimal reproductions.

Each explains an expected failure of the table, and a line of README.md. One that fails after an update of torch has
been mended there: then mend the table.
"""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch.optim import LBFGS, SGD, Adafactor, Adagrad, Muon, NAdam, Optimizer


def parameter(*shape: int, dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.ones(*shape, dtype=dtype))
    made.grad = torch.ones(*shape, dtype=dtype)
    return made


def after(steps: int, made: Optimizer) -> dict[str, Any]:
    """The state of its first parameter after so many steps."""
    for _ in range(steps):
        made.step()
    state: dict[str, Any] = made.state[made.param_groups[0]["params"][0]]
    return state


def reloaded(optimizer: Optimizer) -> dict[str, Any]:
    """The same, as a fresh optimizer has it that loads the state_dict."""
    fresh = type(optimizer)([parameter(3, dtype=optimizer.param_groups[0]["params"][0].dtype)])
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    return after(0, fresh)


@pytest.fixture
def filled() -> Iterator[None]:
    """Memory that nobody has filled is NaN, and not what happens to be there."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(("dtype", "norm"), [(torch.float32, 30.0), (torch.bfloat16, 1.0)])
def test_muon_normalizes_its_momentum_in_bfloat16(dtype: torch.dtype, norm: float) -> None:
    """The cast to bfloat16 is then none, so that the division in place reaches the buffer itself."""
    weights = parameter(4, 4, dtype=dtype)
    weights.grad = 150 * torch.eye(4, dtype=dtype)
    buffer = after(2, Muon([weights], nesterov=False))["momentum_buffer"]
    assert buffer.float().norm().item() == pytest.approx(norm, rel=0.05)


@pytest.mark.parametrize("shape", [(0,), (0, 3)])
def test_adafactor_divides_by_the_size_of_an_empty_parameter(shape: tuple[int, ...]) -> None:
    with pytest.raises(ZeroDivisionError):
        Adafactor([parameter(*shape)]).step()


def test_adagrad_ignores_the_initial_accumulator_of_a_group() -> None:
    optimizer = Adagrad([{"params": [parameter(1)], "initial_accumulator_value": 5.0}])
    assert after(0, optimizer)["sum"].item() == 0.0


@pytest.mark.usefixtures("filled")
def test_fused_sgd_keeps_uninitialized_momentum_if_its_first_step_is_skipped() -> None:
    weights = parameter(3)
    optimizer = SGD([weights], momentum=0.9, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    scaler.scale(torch.ones(()))
    weights.grad = torch.full((3,), torch.inf)
    scaler.step(optimizer)
    scaler.update()
    assert optimizer.state[weights]["momentum_buffer"].isnan().all()
    weights.grad = torch.ones(3)
    optimizer.step()
    assert weights.isnan().all()


def test_nadam_loads_its_product_in_another_precision() -> None:
    """It is float32, and a checkpoint makes it the parameter's dtype: other roundings from then on."""
    optimizer = NAdam([parameter(3, dtype=torch.float64)])
    assert after(5, optimizer)["mu_product"].dtype == torch.float32
    assert reloaded(optimizer)["mu_product"].dtype == torch.float64


def test_asgd_loads_its_step_size_in_another_precision() -> None:
    optimizer = torch.optim.ASGD([parameter(3, dtype=torch.bfloat16)])
    kept, loaded = after(5, optimizer)["eta"], reloaded(optimizer)["eta"]
    assert kept.dtype == torch.float32
    assert loaded.dtype == torch.bfloat16
    assert loaded.item() != kept.item()


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_lbfgs_cannot_step(copied: Callable[[Optimizer], Any]) -> None:
    with pytest.raises(AttributeError, match="_params"):
        copied(LBFGS([parameter(3)])).step(lambda: 0.0)


def test_lbfgs_refuses_gradients_in_another_layout() -> None:
    weights = parameter(4, 3)
    weights.grad = torch.ones(3, 4).t()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        LBFGS([weights]).step(lambda: 0.0)


def test_lbfgs_with_a_line_search_divides_by_a_learning_rate_of_zero() -> None:
    weights = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
    optimizer = LBFGS([weights], lr=0.0, line_search_fn="strong_wolfe")

    def closure() -> float:
        weights.grad = 2 * weights.detach()
        return weights.square().sum().item()

    optimizer.step(closure)
    with pytest.raises(ZeroDivisionError):
        optimizer.step(closure)
