"""What of the six packages does not run as one would expect, shown without this plugin: minimal reproductions.

Each explains an entry or a comment of the table. One that fails after an update has been mended there: then mend the
table here.
"""

from __future__ import annotations

import importlib
from types import ModuleType

import pytest
import torch


def parameter(*shape: int) -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.ones(*shape))
    made.grad = torch.ones(*shape)
    return made


@pytest.fixture
def pytorch_optimizer() -> ModuleType:
    return importlib.import_module("pytorch_optimizer")


@pytest.fixture
def heavyball(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = importlib.import_module("heavyball")
    monkeypatch.setattr(module.utils, "compile_mode", None)
    return module


def test_splus_cannot_be_evaluated_before_its_first_step(pytorch_optimizer: ModuleType) -> None:
    with pytest.raises(KeyError, match="ema"):
        pytorch_optimizer.SPlus([parameter(3)]).eval()


@pytest.mark.parametrize("name", ["AdaHessian", "SophiaH"])
def test_hessian_methods_raise_on_a_piecewise_linear_loss(pytorch_optimizer: ModuleType, name: str) -> None:
    """Autograd keeps no graph of a constant slope, even when asked to."""
    weights = torch.nn.Parameter(torch.zeros(1))
    (weights.grad,) = torch.autograd.grad(torch.maximum(-weights, 10 * weights - 1).sum(), weights, create_graph=True)
    with pytest.raises(RuntimeError, match="does not require grad and does not have a grad_fn"):
        getattr(pytorch_optimizer, name)([weights]).step()


def test_muon_takes_no_plain_list_of_parameters(pytorch_optimizer: ModuleType) -> None:
    with pytest.raises(RuntimeError, match="__contains__ only supports Tensor or scalar"):
        pytorch_optimizer.Muon([parameter(3, 2)])


def test_bsam_never_takes_its_perturbations_back(pytorch_optimizer: ModuleType) -> None:
    """A step adds the noise and the ascent for good, and scales the gradient by the weight decay: it climbs."""
    weights = parameter(3)

    def closure() -> torch.Tensor:
        weights.grad = 2 * weights.detach()
        return weights.detach().square().sum()

    optimizer = pytorch_optimizer.BSAM([weights], num_data=1_000_000)
    for _ in range(20):
        closure()
        optimizer.step(closure)
    assert (weights > 2).all()


def test_bsam_crashes_where_it_overflows(pytorch_optimizer: ModuleType) -> None:
    weights = parameter(3)

    def closure() -> torch.Tensor:
        weights.grad = 1000 * weights.detach()
        return weights.detach().square().sum()

    optimizer = pytorch_optimizer.BSAM([weights], num_data=1_000_000)

    def steps() -> None:
        for _ in range(100):
            closure()
            optimizer.step(closure)

    with pytest.raises(RuntimeError, match="normal expects all elements of std"):
        steps()


def test_shampoo_makes_nan_of_a_large_gradient(pytorch_optimizer: ModuleType) -> None:
    """It takes the root of a matrix of rank one plus 1e-6, which float32 cannot tell from singular."""
    weights = parameter(2)
    weights.grad = torch.tensor([-300.0, 100.0])
    pytorch_optimizer.Shampoo([weights], lr=0.3).step()
    assert weights.isnan().all()


def test_the_sam_wrapper_passes_train_on_to_optimizers_without_it(heavyball: ModuleType) -> None:
    with pytest.raises(AttributeError, match="no attribute 'train'"):
        heavyball.SAMWrapper([parameter(3)]).train()


@pytest.mark.filterwarnings("error")
def test_lra_wants_a_list_where_it_is_given_one(heavyball: ModuleType) -> None:
    with pytest.raises(UserWarning, match=r"to be of type list. Currently, type\(params\)=<class 'list'>"):
        heavyball.PSGDLRA([parameter(3)])


@pytest.mark.filterwarnings("error")
def test_heavyball_warns_of_every_schedule(heavyball: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in a process, and where warnings are errors in the middle of a step."""
    monkeypatch.setattr(heavyball.utils, "_warned", set())
    optimizer = heavyball.AdamW([parameter(3)])
    optimizer.step()
    optimizer.param_groups[0]["lr"] /= 2
    optimizer.param_groups[0]["params"][0].grad = torch.ones(3)
    with pytest.raises(UserWarning, match="Learning rate changed between steps"):
        optimizer.step()


def test_adopt_without_clipping_leaps_from_a_small_gradient(
    heavyball: ModuleType, pytorch_optimizer: ModuleType
) -> None:
    """As in the paper's first version; its second clips, and so does the other package."""

    def leap(optimizer_class: type[torch.optim.Optimizer]) -> float:
        weights = parameter(1)
        optimizer = optimizer_class([weights], lr=0.1)
        for gradient in (1e-3, 1.0, 1.0, 1.0):
            weights.grad = torch.full((1,), gradient)
            optimizer.step()
        return abs(weights.item() - 1)

    assert leap(heavyball.ADOPT) > 5
    assert leap(pytorch_optimizer.ADOPT) < 1


def test_prodigy_prints_when_it_is_built(capsys: pytest.CaptureFixture[str]) -> None:
    importlib.import_module("prodigyopt").Prodigy([parameter(3)], weight_decay=0.1)
    assert capsys.readouterr().out == "Using decoupled weight decay\n"
