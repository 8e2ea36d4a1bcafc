"""What of the six packages does not run as one would expect, shown without this plugin: minimal reproductions.

Each explains an entry or a comment of the table; the first part is about runs, the second about the contract. One that
fails after an update has been mended there: then mend the table here.
"""

from __future__ import annotations

import copy
import importlib
import io
from types import ModuleType
from typing import Any

import pytest
import torch
from torch.optim import AdamW


def parameter(*shape: int, dtype: torch.dtype = torch.float32) -> torch.nn.Parameter:
    made = torch.nn.Parameter(torch.ones(shape, dtype=dtype))
    made.grad = torch.ones(shape, dtype=dtype)
    return made


def optimizer_of(path: str, *weights: torch.nn.Parameter, **options: Any) -> Any:
    """An optimizer by its package and class, with what its constructor cannot do without."""
    package, _, name = path.partition(".")
    module = importlib.import_module(package)
    if package == "heavyball":
        module.utils.compile_mode = None
    needed: dict[str, Any] = {
        "BSAM": {"num_data": 1000},
        "PSGDLRA": {"rank": 4},
        "Ranger21": {"num_iterations": 1000, "disable_lr_scheduler": True},
    }.get(name, {})
    made: Any = weights
    if path == "pytorch_optimizer.Muon":
        made = [{"params": list(weights), "use_muon": True}]
    elif path == "pytorch_optimizer.SAM":
        needed = {"base_optimizer": AdamW}
    elif path == "pytorch_optimizer.Lookahead":
        return module.Lookahead(AdamW(weights, **options))
    elif path == "heavyball.SAMWrapper":
        return module.SAMWrapper(list(weights), module.AdamW(weights, **options))
    return getattr(module, name)(made if path == "pytorch_optimizer.Muon" else list(made), **{**needed, **options})


def stepped(optimizer: Any, steps: int = 1) -> Any:
    """After steps along gradients that are always there and always the same."""
    if hasattr(optimizer, "train") and not hasattr(optimizer, "wrapped_optimizer"):
        optimizer.train()
    weights = [one for group in optimizer.param_groups for one in group["params"]]
    gradients = [None if one.grad is None else one.grad.clone() for one in weights]
    for _ in range(steps):
        for one, gradient in zip(weights, gradients, strict=True):
            one.grad = None if gradient is None else gradient.clone()
        if type(optimizer).__name__.endswith(("Closure", "SAM", "SAMWrapper")):
            optimizer.step(lambda: torch.zeros(()))
        else:
            optimizer.step()
    return optimizer


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


OF_PYTORCH_OPTIMIZER = """AdaBelief AdaFactor AdaHessian AdamP Adan AdEMAMix BSAM CAME DAdaptAdam Grams Kron Lamb
MADGRAD MARS Muon Ranger21 SAM SCION Shampoo SOAP SophiaH SPlus Tiger""".split()  # noqa: SIM905 - a list of words
OF_HEAVYBALL = ("ADOPT", "AdamW", "LaProp", "LATHER", "MSAMLaProp", "Muon", "PSGDKron", "PSGDLRA", "SFAdamW", "SOAP")
PSGD = ("LATHER", "PSGDKron", "PSGDLRA")
NOT_IN_FLOAT64 = ("LATHER", "PSGDKron", "SOAP")
FORGETFUL = [
    "lion_pytorch.Lion",
    *(f"pytorch_optimizer.{name}" for name in OF_PYTORCH_OPTIMIZER),
    *(f"heavyball.{name}" for name in [*OF_HEAVYBALL, "SAMWrapper"]),
]


@pytest.mark.parametrize("path", FORGETFUL)
def test_a_copy_loses_its_attributes(path: str) -> None:
    """`Optimizer.__getstate__` keeps defaults, state and groups only; a step of the copy then raises."""
    optimizer = optimizer_of(path, parameter(3, 2))
    assert vars(optimizer).keys() - vars(copy.deepcopy(optimizer)).keys()


def test_lookahead_is_no_initialized_optimizer() -> None:
    optimizer = optimizer_of("pytorch_optimizer.Lookahead", parameter(3))
    with pytest.raises(AttributeError, match="defaults"):
        copy.deepcopy(optimizer)
    with pytest.raises(AttributeError, match="_optimizer_state_dict_pre_hooks"):
        optimizer.register_state_dict_pre_hook(lambda _: None)


@pytest.mark.parametrize("path", ["pytorch_optimizer.Lookahead", "heavyball.SAMWrapper"])
def test_a_wrapper_has_no_groups_in_its_state_dict(path: str) -> None:
    assert "param_groups" not in optimizer_of(path, parameter(3)).state_dict()


NOT_MAXIMIZING = ("AdaHessian", "BSAM", "Muon", "Ranger21", "SAM", "SophiaH")
OVERWRITING: list[tuple[str, dict[str, Any]]] = [
    *((f"pytorch_optimizer.{name}", {"maximize": True}) for name in OF_PYTORCH_OPTIMIZER if name not in NOT_MAXIMIZING),
    ("pytorch_optimizer.Muon", {}),
    ("pytorch_optimizer.Ranger21", {}),
    *((f"optimi.{name}", {"lr": 0.1, "weight_decay": 0.1}) for name in ("Adam", "RAdam", "SGD")),
    ("schedulefree.AdamWScheduleFree", {}),
    ("schedulefree.AdamWScheduleFreeClosure", {}),
    ("schedulefree.RAdamScheduleFree", {"weight_decay": 0.1}),
    ("schedulefree.SGDScheduleFree", {"weight_decay": 0.1}),
]


@pytest.mark.parametrize(("path", "options"), OVERWRITING)
def test_a_step_overwrites_the_gradient(path: str, options: dict[str, Any]) -> None:
    """Whatever reads `p.grad` afterwards, or accumulates into it, finds another."""
    weights = parameter(3, 2)
    weights.grad = torch.full((3, 2), 2.0)
    stepped(optimizer_of(path, weights, **options), 2)
    assert not torch.equal(weights.grad, torch.full((3, 2), 2.0))


@pytest.mark.parametrize("name", [*OF_HEAVYBALL, "SAMWrapper"])
def test_heavyball_takes_the_gradient_away(name: str) -> None:
    """Its option `consume_grad` is on unless it is told otherwise."""
    weights = parameter(3, 2)
    stepped(optimizer_of(f"heavyball.{name}", weights))
    assert weights.grad is None


SQUARING = [
    *(f"optimi.{name}" for name in ("Adam", "AdamW", "Adan", "RAdam", "Ranger")),
    *(f"schedulefree.{name}ScheduleFree" for name in ("AdamW", "RAdam")),
    "schedulefree.AdamWScheduleFreeClosure",
]


@pytest.mark.parametrize("path", SQUARING)
def test_complex_gradients_are_squared_as_they_are(path: str) -> None:
    """The square of a complex number is no squared magnitude; torch takes its two parts apart."""
    number, pair = parameter(1, dtype=torch.complex64), parameter(2)
    number.grad, pair.grad = torch.tensor([1 + 2j]), torch.tensor([1.0, 2.0])
    number.data *= 1 + 1j
    for weights in (number, pair):
        stepped(optimizer_of(path, weights, lr=0.1), 8)
    assert not torch.allclose(torch.view_as_real(number.detach())[0], pair.detach(), rtol=1e-3)


@pytest.mark.parametrize("name", ["AdamW", "LaProp", "Muon", "SAMWrapper"])
@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_heavyball_drops_the_imaginary_part(name: str) -> None:
    weights = parameter(3, 2, dtype=torch.complex64)
    weights.grad = torch.full((3, 2), 1 + 2j)
    stepped(optimizer_of(f"heavyball.{name}", weights), 3)
    assert not weights.imag.any()


TAKING = [
    *(f"schedulefree.{name}" for name in ("AdamWScheduleFree", "AdamWScheduleFreeClosure", "RAdamScheduleFree")),
    *(f"heavyball.{name}" for name in [*OF_HEAVYBALL, "SAMWrapper"]),
]


@pytest.mark.parametrize("path", TAKING)
def test_a_negative_learning_rate_is_taken(path: str) -> None:
    optimizer_of(path, parameter(3), lr=-1.0)


@pytest.mark.parametrize("options", [{"lr": -1.0}, {"betas": (-1.0, -1.0)}])
def test_lion_asserts_without_a_text(options: dict[str, Any]) -> None:
    with pytest.raises(AssertionError) as raised:
        optimizer_of("lion_pytorch.Lion", parameter(3), **options)
    assert not str(raised.value)


@pytest.mark.parametrize(("name", "option"), [("Muon", "adamw_lr"), ("Ranger21", "warm_down_min_lr")])
def test_the_error_does_not_say_which_learning_rate(name: str, option: str) -> None:
    with pytest.raises(Exception, match=r"^learning rate must be positive\. \(-1\.0 > 0\)$"):
        optimizer_of(f"pytorch_optimizer.{name}", parameter(3, 2), **{option: -1.0})


def test_schedule_free_with_a_closure_moves_what_has_no_gradient() -> None:
    """It goes to the point of the gradient with all parameters, and comes back with some."""
    frozen = parameter(1)
    optimizer = stepped(optimizer_of("schedulefree.AdamWScheduleFreeClosure", parameter(1), frozen, lr=0.1), 3)
    frozen.grad, before = None, frozen.item()
    optimizer.step(lambda: 0.0)
    assert frozen.item() != before


@pytest.mark.parametrize("name", ["Adam", "AdamW", "Adan", "Lion", "RAdam", "Ranger", "SGD", "StableAdamW"])
@pytest.mark.filterwarnings("ignore:Parameter .foreach. is deprecated")
def test_foreach_of_optimi_crashes_without_gradients(name: str) -> None:
    optimizer = optimizer_of(f"optimi.{name}", torch.nn.Parameter(torch.ones(3)), lr=0.1, foreach=True)
    with pytest.raises(RuntimeError, match=r"nested_tensorlist\[0\]\.empty"):
        optimizer.step()


def test_ranger21_raises_without_gradients() -> None:
    with pytest.raises(Exception, match="parameter size is 0"):
        optimizer_of("pytorch_optimizer.Ranger21", torch.nn.Parameter(torch.ones(3))).step()


def test_schedule_free_adamw_of_heavyball_makes_nan_at_a_learning_rate_of_zero() -> None:
    pytest.importorskip("heavyball")
    weights = parameter(4, 3)
    stepped(optimizer_of("heavyball.SFAdamW", weights, lr=0.0), 3)
    assert weights.isnan().all()


def test_radam_schedule_free_makes_nan_with_a_tensor_as_learning_rate() -> None:
    weights = parameter(3)
    stepped(optimizer_of("schedulefree.RAdamScheduleFree", weights, lr=torch.tensor(0.1)), 8)
    assert weights.isnan().all()


def test_soap_multiplies_the_tensor_that_is_its_learning_rate() -> None:
    lr = torch.tensor(0.5)
    stepped(optimizer_of("pytorch_optimizer.SOAP", parameter(4, 3), lr=lr), 4)
    assert lr > 1


def test_soap_cannot_merge_dimensions() -> None:
    with pytest.raises(RuntimeError, match=r"shape '\[1\]' is invalid"):
        stepped(optimizer_of("pytorch_optimizer.SOAP", parameter(4, 3), merge_dims=True), 2)


def test_scion_rounds_to_bfloat16_in_float64() -> None:
    """Its two implementations therefore agree to three digits."""
    ways = []
    for foreach in (False, True):
        torch.manual_seed(0)
        weights = torch.nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
        optimizer = optimizer_of("pytorch_optimizer.SCION", weights, lr=0.1, foreach=foreach)
        for _ in range(8):
            weights.grad = torch.randn(4, 3, dtype=torch.float64)
            optimizer.step()
        ways.append(weights.detach())
    assert not torch.allclose(*ways, rtol=1e-5)


def test_scion_saves_an_enum_of_its_own() -> None:
    file = io.BytesIO()
    torch.save(optimizer_of("pytorch_optimizer.SCION", parameter(4, 3)).state_dict(), file)
    file.seek(0)
    with pytest.raises(Exception, match="LMONorm"):
        torch.load(file, weights_only=True)


def test_scion_refuses_three_dimensional_convolutions_without_a_word() -> None:
    with pytest.raises(NotImplementedError) as raised:
        stepped(optimizer_of("pytorch_optimizer.SCION", parameter(3, 2, 2, 2, 2)))
    assert not str(raised.value)


def test_prodigy_does_not_enable_gradients_for_the_closure() -> None:
    """It leaves the caller's mode as it is; all of torch's enable them."""
    enabled = []
    with torch.no_grad():
        optimizer_of("prodigyopt.Prodigy", parameter(3)).step(lambda: enabled.append(torch.is_grad_enabled()))
    assert enabled == [False]


@pytest.mark.parametrize(("dtype", "leaves"), [(torch.float32, True), (torch.bfloat16, False)])
def test_the_estimate_of_prodigy_never_leaves_its_start_in_bfloat16(dtype: torch.dtype, leaves: bool) -> None:
    """A step of 1e-6 is nothing to a weight of 1: it never gets away, and takes no larger one."""
    weights = parameter(3, dtype=dtype)
    group = stepped(optimizer_of("prodigyopt.Prodigy", weights), 50).param_groups[0]
    assert (group["d"] > group["d0"]) is leaves


def test_shampoo_goes_another_way_in_bfloat16() -> None:
    ways = []
    for dtype in (torch.float32, torch.bfloat16):
        torch.manual_seed(0)
        weights = parameter(6, dtype=dtype)
        optimizer = optimizer_of("pytorch_optimizer.Shampoo", weights, lr=0.3, matrix_eps=1e-3)
        for _ in range(6):
            weights.grad = torch.randn(6).bfloat16().to(dtype)
            optimizer.step()
        ways.append(weights.detach().float())
    assert (ways[0] - ways[1]).abs().max() > 0.5


def test_sam_returns_nothing() -> None:
    assert optimizer_of("pytorch_optimizer.SAM", parameter(3)).step(lambda: torch.ones(())) is None


def test_sam_adds_groups_without_the_defaults_of_its_base() -> None:
    optimizer = optimizer_of("pytorch_optimizer.SAM", parameter(3))
    optimizer.add_param_group({"params": [parameter(3)]})
    with pytest.raises(KeyError, match="betas"):
        optimizer.step(lambda: torch.ones(()))


def test_the_sam_wrapper_does_not_pass_groups_on(heavyball: ModuleType) -> None:
    added = parameter(3)
    optimizer = heavyball.SAMWrapper([weights := parameter(3)], heavyball.AdamW([weights], lr=0.1))
    optimizer.add_param_group({"params": [added]})
    optimizer.step(lambda: torch.ones(()))
    assert torch.equal(added.detach(), torch.ones(3))


def test_the_sam_wrapper_forgets_the_hooks_of_its_state_dict() -> None:
    seen: list[Any] = []
    optimizer = optimizer_of("heavyball.SAMWrapper", parameter(3))
    optimizer.register_state_dict_pre_hook(seen.append)
    optimizer.state_dict()
    assert not seen


DEAD: list[tuple[str, str, Any, Any]] = [
    ("optimi.Adan", "adam_wd", False, True),  # reset to False when the state of the first parameter is made
    ("heavyball.LaProp", "eps", 1e-8, 1e-1),
    ("heavyball.Muon", "eps", 1e-8, 1e-1),
    ("heavyball.Muon", "betas", (0.9, 0.99), (0.9, 0.5)),
    ("heavyball.MSAMLaProp", "r", 0.0, 0.5),
    ("heavyball.MSAMLaProp", "weight_lr_power", 2.0, 1.0),
    ("heavyball.PSGDKron", "betas", (0.9, 0.999), (0.9, 0.5)),
    ("heavyball.SOAP", "precond_grad_accum", False, True),
]


@pytest.mark.parametrize(("path", "option", "one", "other"), DEAD)
def test_an_option_has_no_effect(path: str, option: str, one: Any, other: Any) -> None:
    ways = []
    for value in (one, other):
        torch.manual_seed(0)
        weights = torch.nn.Parameter(torch.randn(4, 3))
        optimizer = optimizer_of(path, weights, lr=0.1, weight_decay=0.5, **{option: value})
        for _ in range(20):
            weights.grad = torch.randn(4, 3) * 1e-3
            optimizer.step()
        ways.append(weights.detach())
    assert torch.equal(*ways)


EMPTY = [("AdamP", (0, 3)), ("Kron", (0,)), ("Kron", (0, 3)), ("Muon", (0, 3)), ("SCION", (0, 3)), ("Shampoo", (0,))]
EMPTY_OF_HEAVYBALL = [*((name, shape) for name in PSGD for shape in ((0,), (0, 3))), ("SOAP", (0, 3))]


@pytest.mark.parametrize(("name", "shape"), EMPTY)
def test_an_empty_parameter_is_not_thought_of(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises((RuntimeError, ZeroDivisionError), match=r"reshape|inf norm|modulo by zero"):
        stepped(optimizer_of(f"pytorch_optimizer.{name}", parameter(*shape)))


@pytest.mark.parametrize(("name", "shape"), EMPTY_OF_HEAVYBALL)
def test_heavyball_does_not_think_of_an_empty_parameter(name: str, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"math domain error|does not match Q length"):
        stepped(optimizer_of(f"heavyball.{name}", parameter(*shape)), 3)


@pytest.mark.parametrize("name", ["PSGDLRA", "SOAP"])
def test_heavyball_crashes_on_a_parameter_without_dimensions(name: str) -> None:
    with pytest.raises((IndexError, RuntimeError), match=r"index out of range|doesn't match the broadcast shape"):
        stepped(optimizer_of(f"heavyball.{name}", parameter()), 3)


@pytest.mark.parametrize("gradient", [0.0, 1e-9])
@pytest.mark.parametrize("name", PSGD)
@pytest.mark.filterwarnings("ignore:The computed precond_init_scale")
def test_psgd_refuses_a_small_first_gradient_as_if_it_were_zero(name: str, gradient: float) -> None:
    """A unit that is dead, or a head that starts at zero, stops the run in its first step."""
    weights = parameter(4, 3)
    weights.grad = torch.full((4, 3), gradient)
    with pytest.raises(ValueError, match="Grad or HVP is all 0s"):
        optimizer_of(f"heavyball.{name}", weights).step()


@pytest.mark.parametrize("name", NOT_IN_FLOAT64)
def test_heavyball_crashes_in_float64(name: str) -> None:
    """Somewhere inside, and not in the constructor: its matrices are float32."""
    with pytest.raises(RuntimeError, match="expected scalar type"):
        stepped(optimizer_of(f"heavyball.{name}", parameter(4, 3, dtype=torch.float64)), 3)


@pytest.mark.filterwarnings("ignore:Casting complex values to real")
def test_soap_of_heavyball_crashes_in_the_second_step_of_complex_parameters() -> None:
    optimizer = stepped(optimizer_of("heavyball.SOAP", weights := parameter(4, 3, dtype=torch.complex64)))
    weights.grad = torch.ones(4, 3, dtype=torch.complex64)
    with pytest.raises(RuntimeError, match="maximum not implemented for complex tensors"):
        optimizer.step()


def test_soap_of_heavyball_has_another_default_in_its_steps() -> None:
    """Where a group lacks `merge_dims`, as that of an old checkpoint, it counts as false; the constructor has true."""
    optimizer = stepped(optimizer_of("heavyball.SOAP", parameter(2, 3, 2, 2)), 3)
    assert optimizer.param_groups[0].pop("merge_dims") is True
    optimizer.param_groups[0]["params"][0].grad = torch.ones(2, 3, 2, 2)
    with pytest.raises(ValueError, match="does not match previous terms"):
        optimizer.step()


def test_soap_of_heavyball_cannot_schedule_its_preconditioner() -> None:
    with pytest.raises(AttributeError, match="'int' object has no attribute 'clamp'"):
        stepped(optimizer_of("heavyball.SOAP", parameter(4, 3), use_precond_schedule=True))


def test_adamp_takes_a_view_of_whatever_it_is_given() -> None:
    weights = parameter(4, 3)
    weights.grad = torch.ones(3, 4).t()
    with pytest.raises(RuntimeError, match="view size is not compatible"):
        optimizer_of("pytorch_optimizer.AdamP", weights).step()


def test_adan_reads_max_grad_norm_from_its_defaults() -> None:
    """A group's own, or that of a checkpoint, is ignored."""
    weights, other = parameter(3), parameter(3)
    group = {"params": [weights], "max_grad_norm": 0.1}
    mine = stepped(importlib.import_module("pytorch_optimizer").Adan([group])).state[weights]["exp_avg"]
    expected = stepped(optimizer_of("pytorch_optimizer.Adan", other, max_grad_norm=0.1)).state[other]["exp_avg"]
    assert mine[0] > 10 * expected[0]


def test_adan_maximizes_otherwise_than_it_minimizes() -> None:
    """The gradient that it remembers first is not negated, so that the first difference is twice the gradient."""
    up, down = parameter(3), parameter(3)
    down.grad = -torch.ones(3)
    stepped(optimizer_of("pytorch_optimizer.Adan", up, lr=0.1, maximize=True, foreach=False), 3)
    stepped(optimizer_of("pytorch_optimizer.Adan", down, lr=0.1), 3)
    assert not torch.allclose(up, down, rtol=1e-3)


def test_sophia_maximizes_with_the_curvature_of_minimizing() -> None:
    ways = []
    for sign, maximize in ((1, True), (-1, False)):
        weights = torch.nn.Parameter(torch.full((3,), 0.1))
        options = {"lr": 0.1, "p": 1.0, "hessian_distribution": "rademacher", "maximize": maximize}
        optimizer = optimizer_of("pytorch_optimizer.SophiaH", weights, **options)
        (weights.grad,) = torch.autograd.grad(sign * 5 * weights.square().sum(), weights, create_graph=True)
        optimizer.step()
        weights.grad = None
        ways.append(weights.detach())
    assert not torch.allclose(*ways, rtol=1e-3)


CASTING = ["pytorch_optimizer.Kron", *(f"heavyball.{name}" for name in OF_HEAVYBALL)]
IN_FLOAT64 = [path for path in CASTING if path.removeprefix("heavyball.") not in NOT_IN_FLOAT64]


@pytest.mark.parametrize(
    ("path", "dtype"),
    [*((path, torch.float64) for path in IN_FLOAT64), *((path, torch.bfloat16) for path in CASTING)],
)
def test_a_checkpoint_makes_float32_state_the_dtype_of_its_parameter(path: str, dtype: torch.dtype) -> None:
    """As `load_state_dict` does by default: what is kept in another precision must see to it itself."""
    optimizer = stepped(optimizer_of(path, parameter(4, 3, dtype=dtype)), 2)
    fresh = optimizer_of(path, parameter(4, 3, dtype=dtype))
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert torch.float32 in dtypes(optimizer)
    assert dtypes(fresh) < dtypes(optimizer) | {dtype}


@pytest.mark.parametrize("name", ["LATHER", "PSGDKron"])
def test_a_checkpoint_makes_float64_state_float32(name: str) -> None:
    """The bound of their preconditioner is float64, whatever the parameter is; resuming is another trajectory."""
    optimizer = stepped(optimizer_of(f"heavyball.{name}", parameter(4, 3)), 3)
    fresh = optimizer_of(f"heavyball.{name}", parameter(4, 3))
    fresh.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert dtypes(optimizer, least=1) - dtypes(fresh, least=1) == {torch.float64}


def dtypes(optimizer: Any, least: int = 2) -> set[torch.dtype]:
    """Of what its state holds for every entry of a parameter or of a side; of all of it, with `least` 1."""

    def tensors(value: Any) -> list[torch.Tensor]:
        if isinstance(value, torch.Tensor):
            return [value] if value.numel() >= least else []
        values = value.values() if isinstance(value, dict) else value if isinstance(value, (list, tuple)) else ()
        return [tensor for one in values for tensor in tensors(one)]

    return {tensor.dtype for state in optimizer.state.values() for tensor in tensors(state)}


@pytest.mark.parametrize("name", OF_HEAVYBALL)
def test_heavyball_reads_mars_in_its_constructor_only(name: str) -> None:
    """A group's own, or that of a checkpoint, is ignored."""
    ways = []
    for at_once in (False, True):
        torch.manual_seed(0)
        weights = torch.nn.Parameter(torch.randn(4, 3))
        optimizer = optimizer_of(f"heavyball.{name}", weights, lr=0.1, mars=at_once)
        optimizer.param_groups[0]["mars"] = True
        for _ in range(3):
            weights.grad = torch.randn(4, 3)
            optimizer.step()
        ways.append(weights.detach())
    assert not torch.equal(*ways)


@pytest.mark.parametrize("option", ["nesterov", "heavyball_momentum"])
def test_the_constructor_of_heavyball_muon_decides_what_is_in_the_state(option: str) -> None:
    """A checkpoint whose groups say otherwise is loaded, and the next step finds no buffer of its kind."""
    optimizer = stepped(optimizer_of("heavyball.Muon", parameter(4, 3)), 2)
    value = not optimizer.param_groups[0][option]
    other = optimizer_of("heavyball.Muon", parameter(4, 3), **{option: value})
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    with pytest.raises(AttributeError, match="'NoneType' object has no attribute 'dtype'"):
        stepped(other)


@pytest.mark.parametrize("name", [*(name for name in OF_HEAVYBALL if name not in ("Muon", *PSGD)), "SAMWrapper"])
def test_heavyball_draws_global_random_numbers_in_bfloat16(name: str) -> None:
    """For its rounding, from whatever generator dropout uses."""
    before = torch.get_rng_state()
    stepped(optimizer_of(f"heavyball.{name}", parameter(4, 3, dtype=torch.bfloat16)), 3)
    assert not torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("name", ["MSAMLaProp", "SFAdamW"])
def test_heavyball_steps_in_eval_mode(name: str) -> None:
    """schedulefree, whose two modes these are, raises."""
    optimizer = stepped(optimizer_of(f"heavyball.{name}", parameter(4, 3)))
    optimizer.eval()
    optimizer.param_groups[0]["params"][0].grad = torch.ones(4, 3)
    optimizer.step()
