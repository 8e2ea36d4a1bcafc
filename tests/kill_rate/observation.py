"""Observation: everything that a broad probe sees of an optimizer, compared to the bit with what it sees of another.

The probe knows nothing of the checks. It goes over all configurations and every single option, dtypes, shapes, memory
layouts, groups, late, missing, zero, tiny, huge and broken gradients, closures, resuming, copying, changes of every
hyperparameter on the way, refused values, and sparse or complex input; it sees parameters, gradients, state, groups,
returned values, exceptions, shared memory and the random state.
"""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import torch
from specimens import Specimen
from torch import Tensor
from torch.optim import Optimizer

from pytest_optbench.machine.determinism import isolated

Equality = Literal["identical", "rounding", "different"]
Maker = Callable[..., Optimizer]
Seen = list[tuple[str, Any]]
ROUNDING = 1e-12
"""Greatest relative difference, in float64, of what is called a rounding."""


@dataclass(frozen=True)
class Comparison:
    """How two classes compare, and the first scenario and item that shows a difference."""

    equality: Equality
    where: str = ""


def compared(one: Maker, other: Maker, specimen: Specimen) -> Comparison:
    """Go through the scenarios until one shows more than a rounding."""
    result = Comparison("identical")
    for label, scenario in scenarios(specimen):
        with isolated(), torch.enable_grad():
            mine, theirs = _run(scenario, one), _run(scenario, other)
        equality, item = _equality(mine, theirs)
        if equality == "different":
            return Comparison("different", f"{label}: {item}")
        if equality == "rounding" and result.equality == "identical":
            result = Comparison("rounding", f"{label}: {item}")
    return result


def scenarios(specimen: Specimen) -> Iterator[tuple[str, Callable[[Maker], Seen]]]:
    """Every scenario by name, the cheap and telling ones first."""
    single = _single_options(specimen, {"": {}})
    full = {"default": {}, **specimen.configurations, **single}
    combined = _single_options(specimen, specimen.configurations)
    shapes = _shapes(specimen)
    for name, options in {**full, **combined}.items():
        for dtype in (torch.float64, torch.float32):
            yield f"{name} {dtype}", _Scenario(options, shapes, dtype).plain
    for name, options in combined.items():
        yield f"{name} events", _Scenario(options, shapes, torch.float64).events
        yield f"{name} resumed", _Scenario(options, shapes, torch.float64).resumed
    for name, options in full.items():
        walk = _Scenario(options, shapes, torch.float64)
        for kind in ("events", "closures", "resumed", "copied", "changed", "extremes", "refilled", "added", "layouts"):
            yield f"{name} {kind}", getattr(walk, kind)
        for dtype in (torch.bfloat16, torch.float16, torch.complex64):
            yield f"{name} {dtype}", _Scenario(options, shapes, dtype).plain
        yield f"{name} constant", _Scenario(options, shapes[:1], torch.float32).constant
        yield f"{name} resumed bfloat16", _Scenario(options, shapes, torch.bfloat16).resumed
        yield f"{name} refilled float32", _Scenario(options, shapes, torch.float32).refilled
    yield "construction", lambda maker: _construction(maker, specimen)
    yield "groups", lambda maker: _groups(maker, specimen, shapes)
    yield "mixed dtypes", _Scenario({}, shapes, None).plain
    yield "sparse", _Scenario({}, shapes, torch.float64).sparse
    yield "long", _Scenario({}, shapes[:2], torch.float32).long
    yield "long in bfloat16", _Scenario({}, shapes[:2], torch.bfloat16).long
    if 1 in {len(shape) for shape in shapes}:
        yield "edges", _Scenario({}, ((), (1,), (0,), (1, 1), (1, 5), (5, 1), (7, 3), (2, 1, 3)), torch.float64).plain
        yield "empty matrix", _Scenario({}, ((0, 3), (2, 3)), torch.float64).plain
    else:
        yield "edges", _Scenario({}, ((1, 1), (1, 5), (5, 1), (7, 3)), torch.float64).plain
        yield "empty matrix", _Scenario({}, ((0, 3), (2, 3)), torch.float64).plain
        for shape in ((), (3,), (2, 3, 2), (2, 3, 2, 2)):
            yield f"a parameter of shape {shape}", _Scenario({}, (shape, (2, 3)), torch.float64).plain


def _shapes(specimen: Specimen) -> tuple[tuple[int, ...], ...]:
    matrices = specimen.bare.get("no_ndim")
    return ((4, 3), (3, 5), (4, 4)) if matrices else ((4, 3), (6,), (), (2, 3, 2, 2))


def _defaults(maker: Maker) -> dict[str, Any]:
    return dict(maker([torch.nn.Parameter(torch.ones(2, 2))]).defaults)


def _single_options(specimen: Specimen, bases: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Every option changed on its own, on top of every one of the bases; what the clean class refuses is left out."""
    return {
        f"{base} {name}={value}".strip(): {**chosen, name: value}
        for base, chosen in bases.items()
        for name, default in _defaults(specimen.optimizer).items()
        for value in _others(name, default)
        if name != "training" and _accepted(specimen.optimizer, {**chosen, name: value})
    }


def _accepted(maker: Maker, options: Mapping[str, Any]) -> bool:
    try:
        maker(_one(), **options)
    except Exception:
        return False
    return True


def _others(name: str, value: Any) -> list[Any]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, value + 6]
    if isinstance(value, float):
        return [0.3, 0.0] if name in ("eps", "weight_decay", "momentum", "dampening") else [value * 0.9]
    if isinstance(value, tuple) and name == "eps":
        return [(1e-2, 0.3), (0.0, 0.0)]
    if isinstance(value, tuple):
        return [tuple(item * 0.9 for item in value), (value[0], *(0.5 * item for item in value[1:]))]
    return []


@dataclass(frozen=True)
class _Scenario:
    options: Mapping[str, Any]
    shapes: Sequence[tuple[int, ...]]
    dtype: torch.dtype | None
    """None: another one for each parameter."""

    def start(self) -> list[torch.nn.Parameter]:
        dtypes = (torch.float64, torch.float32, torch.bfloat16)
        return [
            torch.nn.Parameter(_draw(("start", k), shape, self.dtype or dtypes[k % 3]))
            for k, shape in enumerate(self.shapes)
        ]

    def begin(self, maker: Maker) -> tuple[list[torch.nn.Parameter], Any]:
        params = self.start()
        optimizer = maker(params, **self.options)
        _train(optimizer)
        return params, optimizer

    def plain(self, maker: Maker) -> Seen:
        params, optimizer = self.begin(maker)
        seen: Seen = [("repr", repr(optimizer)), ("addresses", None)]
        addresses = [p.data_ptr() for p in params]
        for t in range(9):
            _assign(params, t)
            held = [p.grad for p in params]
            seen.append((f"returned {t}", optimizer.step()))
            seen.append((f"kept gradients {t}", all(a is p.grad for a, p in zip(held, params, strict=True))))
            seen += _look(params, optimizer, t)
        seen.append(("moved", addresses == [p.data_ptr() for p in params]))
        for name in ("eval", "eval", "train", "train"):
            if hasattr(optimizer, name):
                getattr(optimizer, name)()
                seen += _look(params, optimizer, 99)
        if hasattr(optimizer, "eval"):
            optimizer.eval()
            seen.append(("step in eval mode", _outcome(optimizer.step)))
        return seen

    def events(self, maker: Maker) -> Seen:
        """Gradients that are missing, late, zero, or not finite."""
        params, optimizer = self.begin(maker)
        seen: Seen = []
        for t in range(8):
            _assign(params, t)
            if t in (0, 4):
                params[0].grad = None
            if t < 3:
                params[1].grad = None
            if t == 5:
                for p in params:
                    p.grad = None
            if t in (3, 6):
                params[2].grad = torch.zeros_like(params[2])
            if t == 7:
                params[0].grad = torch.full_like(params[0], math.nan)
                params[1].grad = torch.full_like(params[1], math.inf)
            seen.append((f"returned {t}", _outcome(optimizer.step)))
            seen += _look(params, optimizer, t)
        fresh, other = self.begin(maker)
        for p in fresh:
            p.grad = torch.zeros_like(p)
        for t in range(2):
            other.step()
            seen += _look(fresh, other, t)
        last, third = self.begin(maker)
        for t in range(4):
            _assign(last, t)
            last[-1].grad = None if t < 2 else last[-1].grad
            last[0].grad = None if t == 3 else last[0].grad
            third.step()
            seen += _look(last, third, t)
        return seen

    def closures(self, maker: Maker) -> Seen:
        params, optimizer = self.begin(maker)
        seen: Seen = []
        for t in range(3):

            def closure(t: int = t, seen: Seen = seen) -> Tensor:
                seen.append((f"grad mode {t}", torch.is_grad_enabled()))
                _assign(params, t)
                return torch.tensor(float(t))

            with torch.set_grad_enabled(t != 1):
                seen.append((f"returned {t}", optimizer.step(closure)))
                seen.append((f"grad mode after {t}", torch.is_grad_enabled()))
            seen += _look(params, optimizer, t)
        for p in params:
            p.grad = None
        loss = sum((p * p).sum().real for p in params)
        loss.backward()
        optimizer.step()
        seen += _look(params, optimizer, 3)
        return seen

    def resumed(self, maker: Maker) -> Seen:
        seen: Seen = []
        for steps, mode in ((0, "train"), (1, "train"), (3, "train"), (3, "eval")):
            params, optimizer = self.begin(maker)
            for t in range(steps):
                _assign(params, t)
                optimizer.step()
            if mode == "eval" and hasattr(optimizer, "eval"):
                optimizer.eval()
            copies = [torch.nn.Parameter(p.detach().clone()) for p in params]
            other: Any = maker(copies)
            other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
            _train(other)
            _train(optimizer)
            for t in range(steps, steps + 3):
                for pair in ((params, optimizer), (copies, other)):
                    _assign(pair[0], t)
                    pair[1].step()
                    seen += _look(pair[0], pair[1], t)
        return seen

    def copied(self, maker: Maker) -> Seen:
        params, optimizer = self.begin(maker)
        for t in range(2):
            _assign(params, t)
            optimizer.step()
        seen: Seen = []
        copies = (copy.deepcopy((params, optimizer)), pickle.loads(pickle.dumps((params, optimizer))))
        for mine, other in copies:
            for t in range(2, 4):
                _assign(mine, t)
                other.step()
                seen += _look(mine, other, t)
        return seen + _look(params, optimizer, 2)

    def changed(self, maker: Maker) -> Seen:
        """Every number among the hyperparameters is changed on the way, one after another; switches as well."""
        seen: Seen = []
        names = [k for k, v in _defaults(maker).items() if isinstance(v, (bool, int, float, tuple)) and k != "training"]
        for name in names:
            params, optimizer = self.begin(maker)
            for t in range(4):
                if t == 2:
                    for group in optimizer.param_groups:
                        value = group[name]
                        group[name] = (
                            not value
                            if isinstance(value, bool)
                            else tuple(0.5 * item for item in value)
                            if isinstance(value, tuple)
                            else value + 2
                            if isinstance(value, int)
                            else 0.5 * value
                        )
                _assign(params, t)
                seen.append((f"{name} changed, step {t}", _outcome(optimizer.step)))
                seen += _look(params, optimizer, t)
        params, optimizer = self.begin(maker)
        for t in range(3):
            for group in optimizer.param_groups:
                group["lr"] = 0.0 if t < 2 else 0.5
            _assign(params, t)
            optimizer.step()
            seen += _look(params, optimizer, t)
        return seen

    def extremes(self, maker: Maker) -> Seen:
        seen: Seen = []
        for scale in (0.0, 1e-30, 1e-12, 1e-5, 1e6, 1e20):
            params, optimizer = self.begin(maker)
            for t in range(3):
                _assign(params, t, scale=scale)
                optimizer.step()
                seen += _look(params, optimizer, t)
        for size in (0.0, 1e3):
            params, optimizer = self.begin(maker)
            with torch.no_grad():
                for p in params:
                    p.mul_(size)
            for t in range(3):
                _assign(params, t, scale=1e3 if t == 1 else 1.0)
                optimizer.step()
                seen += _look(params, optimizer, t)
        return seen

    def constant(self, maker: Maker) -> Seen:
        """The same gradient for long enough that averages forget their start."""
        params, optimizer = self.begin(maker)
        for _ in range(150):
            for p in params:
                p.grad = _draw(("constant",), p.shape, p.dtype)
            optimizer.step()
        return _look(params, optimizer, 150)

    def refilled(self, maker: Maker) -> Seen:
        """The same gradient buffers at every step: what keeps them sees them change."""
        params, optimizer = self.begin(maker)
        for p in params:
            p.grad = torch.zeros_like(p)
        seen: Seen = []
        for t in range(4):
            for k, p in enumerate(params):
                p.grad.copy_(_gradient(p, k, t))
            optimizer.step()
            seen += _look(params, optimizer, t)
            optimizer.zero_grad(set_to_none=False)
            seen += _look(params, optimizer, t)
        return seen

    def added(self, maker: Maker) -> Seen:
        params, optimizer = self.begin(maker)
        more = [torch.nn.Parameter(p.detach() + 1) for p in params]
        seen: Seen = []
        for t in range(4):
            if t == 2:
                optimizer.add_param_group({"params": more, "lr": 0.05})
                _train(optimizer)
            _assign([*params, *more], t)
            optimizer.step()
            seen += _look([*params, *more], optimizer, t)
        return seen

    def layouts(self, maker: Maker) -> Seen:
        seen: Seen = []
        for turned in ("parameter", "gradient", "both"):
            params = self.start()
            if turned != "gradient":
                params = [torch.nn.Parameter(_turned(p.detach())) for p in params]
            optimizer = maker(params, **self.options)
            _train(optimizer)
            for t in range(3):
                _assign(params, t)
                for p in params:
                    p.grad = _turned(p.grad) if turned != "parameter" else p.grad.contiguous()
                optimizer.step()
                seen += _look(params, optimizer, t)
                seen.append((f"strides {t}", [p.stride() for p in params]))
                seen.append((f"strides of state {t}", [s.stride() for s in _tensors(dict(optimizer.state))]))
        return seen

    def sparse(self, maker: Maker) -> Seen:
        params, optimizer = self.begin(maker)
        _assign(params, 0)
        for p in params:
            p.grad = p.grad.to_sparse() if p.ndim else p.grad
        return [("sparse gradients", _outcome(optimizer.step)), *_look(params, optimizer, 0, gradients=False)]

    def long(self, maker: Maker) -> Seen:
        default = torch.get_default_dtype()
        torch.set_default_dtype(self.dtype or torch.float32)
        try:
            params, optimizer = self.begin(maker)
            for t in range(330):
                _assign(params, t)
                optimizer.step()
            return _look(params, optimizer, 330)
        finally:
            torch.set_default_dtype(default)


def _construction(maker: Maker, specimen: Specimen) -> Seen:
    """Which values are refused, and what the accepted ones leave in the defaults."""
    seen: Seen = [("no parameters", _outcome(lambda: maker([]))), ("defaults", _plain(_defaults(maker)))]
    bases = [{}, *specimen.configurations.values()]
    for name, default in _defaults(specimen.optimizer).items():
        if name == "training":
            continue
        values: list[Any] = [-1.0, -1e-9, 0.0, 0.5, 1.0, 1.5, 3.0]
        if isinstance(default, bool):
            values = [True, False]
        elif isinstance(default, int):
            values = [-1, 0, 1, 2, 5]
        elif isinstance(default, tuple):
            values = [
                tuple(value if k == place else item for k, item in enumerate(default))
                for place in range(len(default))
                for value in values
            ]
        for base in bases:
            for value in values:
                made = _outcome(lambda base=base, name=name, value=value: maker(_one(), **{**base, name: value}))
                seen.append((f"{base} {name}={value}", made))
    return seen


def _one() -> list[torch.nn.Parameter]:
    return [torch.nn.Parameter(torch.ones(2, 2))]


def _groups(maker: Maker, specimen: Specimen, shapes: Sequence[tuple[int, ...]]) -> Seen:
    """Two groups, of which each hyperparameter in turn is another one in the first and in the second."""
    seen: Seen = []
    bases = [{}, *specimen.configurations.values()]
    for base in bases:
        for name, default in {**_defaults(specimen.optimizer), **base}.items():
            for value in _others(name, default):
                if name == "training" or not _accepted(specimen.optimizer, {**base, name: value}):
                    continue
                for own in (0, 1):
                    params = _Scenario({}, shapes, torch.float64).start()
                    groups: list[dict[str, Any]] = [{"params": params[:2]}, {"params": params[2:]}]
                    groups[own][name] = value
                    optimizer = maker(groups, **base)
                    _train(optimizer)
                    for t in range(3):
                        _assign(params, t)
                        if t == 1:
                            params[0].grad = None
                        seen.append((f"{name} of group {own}, step {t}", _outcome(optimizer.step)))
                        seen += _look(params, optimizer, t)
                    if hasattr(optimizer, "eval"):
                        optimizer.eval()
                        seen += _look(params, optimizer, 9)
    return seen


def _run(scenario: Callable[[Maker], Seen], maker: Maker) -> Seen:
    torch.manual_seed(0)
    try:
        seen = scenario(maker)
    except Exception as error:
        seen = [("raised", type(error).__name__)]
    return [*seen, ("random state", torch.get_rng_state())]


def _look(params: Sequence[Tensor], optimizer: Optimizer, t: int, *, gradients: bool = True) -> Seen:
    """All that is to be seen after a step."""
    state = [optimizer.state.get(p, {}) for p in params]
    tensors = _tensors(state)
    memory = [tensor.untyped_storage().data_ptr() for tensor in tensors if tensor.numel()]
    others = [p.untyped_storage().data_ptr() for p in params if p.numel()]
    others += [p.grad.untyped_storage().data_ptr() for p in params if gradients and p.grad is not None and p.numel()]
    return [
        (f"parameters {t}", [p.detach().clone() for p in params]),
        (f"gradients {t}", [None if p.grad is None else p.grad.clone() for p in params] if gradients else None),
        (f"state {t}", copy.deepcopy(_detached(state))),
        (f"graph {t}", [s.requires_grad for s in tensors] + [p.requires_grad and p.is_leaf for p in params]),
        (f"shared memory {t}", (len(set(memory)) == len(memory), bool(set(memory) & set(others)))),
        (
            f"groups {t}",
            [{k: _plain(v) for k, v in group.items() if k != "params"} for group in optimizer.param_groups],
        ),
    ]


def _detached(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.detach().clone()
    if isinstance(value, Mapping):
        return {key: _detached(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_detached(item) for item in value]
    return value


def _tensors(value: Any) -> list[Tensor]:
    if isinstance(value, Tensor):
        return [value]
    items = value.values() if isinstance(value, Mapping) else value if isinstance(value, (list, tuple)) else ()
    return [tensor for item in items for tensor in _tensors(item)]


def _plain(value: Any) -> Any:
    return value.detach().clone() if isinstance(value, Tensor) else value


def _outcome(action: Callable[[], Any]) -> str:
    try:
        made = action()
    except Exception as error:
        return type(error).__name__
    return type(made).__name__ if not isinstance(made, Optimizer) else str(dict(made.defaults))


def _train(optimizer: Any) -> None:
    if hasattr(optimizer, "train"):
        optimizer.train()


def _turned(tensor: Tensor) -> Tensor:
    """The same values in another order of memory."""
    return tensor.mT.contiguous().mT if tensor.ndim > 1 else tensor


def _draw(key: tuple[Any, ...], shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    generator = torch.Generator().manual_seed(abs(hash(tuple(map(_number, key)))) % 2**31)
    return torch.randn(tuple(shape), generator=generator, dtype=torch.float64).to(dtype)


def _number(item: Any) -> int:
    return item if isinstance(item, int) else sum(map(ord, item))


def _gradient(p: Tensor, k: int, t: int) -> Tensor:
    return _draw(("gradient", k, t), p.shape, p.dtype) + 0.3 * p.detach()


def _assign(params: Sequence[Tensor], t: int, *, scale: float = 1.0) -> None:
    for k, p in enumerate(params):
        p.grad = _gradient(p, k, t) * scale


def _equality(mine: Seen, theirs: Seen) -> tuple[Equality, str]:
    result: Equality = "identical"
    where = ""
    if [label for label, _ in mine] != [label for label, _ in theirs]:
        return "different", f"{mine[-2][1] if len(mine) > 1 else ''} instead of {theirs[0][1]}"
    for (label, a), (_, b) in zip(mine, theirs, strict=True):
        equality = _same(a, b)
        if equality == "different":
            return "different", label
        if equality == "rounding" and not where:
            result, where = "rounding", label
    return result, where


def _same(a: Any, b: Any) -> Equality:
    if type(a) is not type(b):
        return "different"
    if isinstance(a, Tensor):
        return _same_tensor(a, b)
    if isinstance(a, float):
        return _same_tensor(torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64))
    if isinstance(a, Mapping):
        return _worst([_same(a[key], b[key]) for key in a]) if set(a) == set(b) else "different"
    if isinstance(a, (list, tuple)):
        return _worst([_same(x, y) for x, y in zip(a, b, strict=True)]) if len(a) == len(b) else "different"
    return "identical" if a == b else "different"


def _worst(equalities: Sequence[Equality]) -> Equality:
    return "different" if "different" in equalities else "rounding" if "rounding" in equalities else "identical"


def _same_tensor(a: Tensor, b: Tensor) -> Equality:
    if a.shape != b.shape or a.dtype != b.dtype or a.layout != b.layout:
        return "different"
    if torch.equal(a, b) or (a.layout is torch.strided and bool(((a == b) | (a.isnan() & b.isnan())).all())):
        return "identical"
    if not (a.is_floating_point() or a.is_complex()):
        return "different"
    wide = torch.complex128 if a.is_complex() else torch.float64
    x, y = a.to(wide), b.to(wide)
    finite = x.isfinite()
    if not torch.equal(finite, y.isfinite()):
        return "different"
    # Lower precisions round the same difference to 1 unit in the last place, let it grow along the trajectory, and
    # leave nothing else where terms of order 1 cancel.
    rtol, atol = {torch.float64: (ROUNDING, 0.0), torch.float32: (1e-4, 0.0)}.get(a.dtype, (0.1, 0.01))
    x, y = x[finite], y[finite]
    if not x.numel():
        return "rounding"
    return "rounding" if bool(((x - y).abs() <= atol + rtol * y.abs().max()).all()) else "different"
