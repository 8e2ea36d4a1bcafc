"""Shapes: the one-dimensional prototypes of Schaul et al. 2013 (arXiv 1312.6055), chained into piecewise functions.

A shape descends (or ascends) from `start` to `end`, with the height 0 and a given slope at its start; what it does out
there is what its first and last pieces do. Chained parts have equal lengths; each takes over value and slope from the
one before it, and only the parts that have a kink of their own change the slope at once. The paper's height of 200 at
the start is left out: it has no gradient, and in float32 it would swallow the digits that targets need.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, replace
from types import MappingProxyType

import torch
from torch import Tensor


@dataclass(frozen=True)
class Piece:
    """f(x) = constant + linear t + quadratic t² + height e(t) + depth (1 - e(t)), t = (x - origin) / width,
    e(t) = exp(-(decay t + tent |t| + bell t²)).

    A flank has a height and a bowl a depth: either keeps the digits of its small values, in float32 too.
    """

    left: float
    """Where it takes over; -inf for the first piece of a shape."""
    origin: float = 0.0
    width: float = 1.0
    constant: float = 0.0
    linear: float = 0.0
    quadratic: float = 0.0
    height: float = 0.0
    depth: float = 0.0
    decay: float = 0.0
    tent: float = 0.0
    bell: float = 0.0


Shape = tuple[Piece, ...]
"""Pieces in their order from left to right."""

NORMAL_SLOPE = -1.0
"""At the start, at scale `normal`."""
MOST_EXPONENT = 80.0


@dataclass(frozen=True)
class Entry:
    """Where a part begins and ends, and the value and slope that it takes over."""

    start: float
    end: float
    value: float
    slope: float
    before: float
    """The last slope that was not zero."""

    @property
    def length(self) -> float:
        return self.end - self.start


def shape(*parts: str, slope: float = NORMAL_SLOPE, start: float = 0.0, end: float = 1.0) -> Shape:
    """Chain parts between `start` and `end`, from the height 0 and the given slope.

    >>> [piece.left for piece in shape("abs", "line", slope=-1.0)]
    [-inf, 0.25, 0.5]
    """
    pieces: list[Piece] = []
    entry = Entry(start, start + (end - start) / len(parts), 0.0, slope, slope)
    for part in parts:
        pieces += PARTS[part](entry)
        at = torch.tensor(entry.end, dtype=torch.float64)
        last = table(pieces[-1:], dtype=torch.float64)
        value, slope = height_of(last, at).item(), slope_of(last, at).item()
        entry = Entry(entry.end, entry.end + entry.length, value, slope, slope or entry.before)
    return (replace(pieces[0], left=-math.inf), *pieces[1:])


def _line(entry: Entry) -> list[Piece]:
    return [Piece(entry.start, entry.start, constant=entry.value, linear=entry.slope)]


def _kink(entry: Entry, before: float, after: float) -> list[Piece]:
    """Two lines of equal length (not width), of these slopes."""
    ratio = math.sqrt((1 + before**2) / (1 + after**2))
    kink = entry.start + entry.length / (1 + ratio)
    value = entry.value + before * (kink - entry.start)
    return [
        Piece(entry.start, kink, constant=value, linear=before),
        Piece(kink, kink, constant=value, linear=after),
    ]


def _turned(factor: float) -> Callable[[Entry], list[Piece]]:
    return lambda entry: _kink(entry, entry.slope, factor * entry.slope)


def _bend(entry: Entry) -> list[Piece]:
    """Flat, then as steep as it was before it became flat."""
    return _kink(entry, 0.0, entry.before)


def _parabola(entry: Entry, origin: float) -> list[Piece]:
    offset = entry.start - origin
    curvature = entry.slope / (2 * offset)
    constant = entry.value - curvature * offset**2
    return [Piece(entry.start, origin, constant=constant, quadratic=curvature)]


def _quad_convex(entry: Entry) -> list[Piece]:
    """A tenth of the slope at the end of a descent, ten times the slope at that of an ascent."""
    beyond = entry.length / 9
    return _parabola(entry, entry.start - beyond if entry.slope > 0 else entry.end + beyond)


def _quad_bowl(entry: Entry) -> list[Piece]:
    return _parabola(entry, (entry.start + entry.end) / 2)


def _exponential(entry: Entry) -> list[Piece]:
    """The slope falls to a thousandth."""
    width = entry.length / math.log(1000)
    height = -entry.slope * width
    return [Piece(entry.start, entry.start, width, entry.value - height, height=height, decay=1.0)]


def _flank(entry: Entry, width: float, offset: float, drop: float, exponent: float, **form: float) -> list[Piece]:
    """A part of `constant - drop exp(-exponent)` that starts `offset` widths from its middle, with that exponent."""
    constant = entry.value + drop * math.exp(-exponent)
    return [Piece(entry.start, entry.start - offset * width, width, constant, height=-drop, **form)]


def _inside(entry: Entry, width: float, offset: float, drop: float, exponent: float, **form: float) -> list[Piece]:
    """The same, close to its middle."""
    constant = entry.value + drop * math.expm1(-exponent)
    return [Piece(entry.start, entry.start - offset * width, width, constant, depth=drop, **form)]


def _bell_drop(entry: Entry, width: float, offset: float) -> float:
    return entry.slope * width / (2 * offset * math.exp(-(offset**2)))


def _tent_drop(entry: Entry, width: float, offset: float) -> float:
    return math.copysign(1, offset) * entry.slope * width * math.exp(abs(offset))


def _gauss_nonconvex(entry: Entry) -> list[Piece]:
    """From four widths outside to the inflection, or back."""
    inflection = math.sqrt(0.5)
    width, offset = entry.length / (4 - inflection), inflection if entry.slope > 0 else -4.0
    return _flank(entry, width, offset, _bell_drop(entry, width, offset), offset**2, bell=1.0)


def _gauss_convex(entry: Entry) -> list[Piece]:
    """From the inflection to a tenth of a width outside, or back."""
    inflection = math.sqrt(0.5)
    width, offset = entry.length / (inflection - 0.1), 0.1 if entry.slope > 0 else -inflection
    return _inside(entry, width, offset, _bell_drop(entry, width, offset), offset**2, bell=1.0)


def _gauss_bowl(entry: Entry) -> list[Piece]:
    width, offset = entry.length / 0.2, -0.1
    return _inside(entry, width, offset, _bell_drop(entry, width, offset), offset**2, bell=1.0)


def _laplace_nonconvex(entry: Entry) -> list[Piece]:
    """From eight widths outside to one, or back."""
    width, offset = entry.length / 7, 1.0 if entry.slope > 0 else -8.0
    return _flank(entry, width, offset, _tent_drop(entry, width, offset), abs(offset), tent=1.0)


def _laplace_convex(entry: Entry) -> list[Piece]:
    """From one width outside to a tenth, or back. The name is the paper's: in truth it is as concave as the rest."""
    width, offset = entry.length / 0.9, 0.1 if entry.slope > 0 else -1.0
    return _inside(entry, width, offset, _tent_drop(entry, width, offset), abs(offset), tent=1.0)


def _laplace_bowl(entry: Entry) -> list[Piece]:
    width, offset = entry.length / 0.2, -0.1
    return _inside(entry, width, offset, _tent_drop(entry, width, offset), abs(offset), tent=1.0)


PARTS: Mapping[str, Callable[[Entry], list[Piece]]] = MappingProxyType(
    {
        "line": _line,
        "relu": _turned(0.0),
        "abs": _turned(-1.0),
        "bend": _bend,
        "cliff": _turned(-10.0),
        "ridge": _turned(10.0),
        "exponential": _exponential,
        "quad_convex": _quad_convex,
        "quad_bowl": _quad_bowl,
        "gauss_nonconvex": _gauss_nonconvex,
        "gauss_convex": _gauss_convex,
        "gauss_bowl": _gauss_bowl,
        "laplace_nonconvex": _laplace_nonconvex,
        "laplace_convex": _laplace_convex,
        "laplace_bowl": _laplace_bowl,
    }
)
"""The prototypes. A cliff turns an ascent of ten times the slope; a ridge goes on ten times as steep."""


def table(pieces: Sequence[Piece], dtype: torch.dtype = torch.float32) -> Tensor:
    """The numbers of a shape, (pieces, 11), as `height_of` and `slope_of` take them."""
    return torch.tensor([astuple(piece) for piece in pieces], dtype=torch.float64).to(dtype)


def tables(shapes: Sequence[Shape], dtype: torch.dtype = torch.float32) -> Tensor:
    """The numbers of several shapes, (shapes, pieces, 11); the shorter ones end in pieces that never take over."""
    longest = max(map(len, shapes))
    return torch.stack([table([*one, *[Piece(math.inf)] * (longest - len(one))], dtype) for one in shapes])


def height_of(tables: Tensor, x: Tensor) -> Tensor:
    """f(x), entry by entry: `tables` is (..., pieces, 11) and broadcasts with `x` (...) in what is left."""
    numbers, t = _chosen(tables, x)
    _, _, _, constant, linear, quadratic, height, depth, *form = numbers
    exponent = _exponent(t, *form)
    polynomial = constant + linear * t + quadratic * t * t
    return polynomial + height * exponent.exp() - depth * torch.expm1(exponent)


def slope_of(tables: Tensor, x: Tensor) -> Tensor:
    """f'(x), of the same shape as `height_of`; on a kink, what the right side says."""
    numbers, t = _chosen(tables, x)
    _, _, width, _, linear, quadratic, height, depth, *form = numbers
    decay, tent, bell = form
    fall = torch.exp(_exponent(t, *form)) * (decay + tent * t.sign() + 2 * bell * t)
    return (linear + 2 * quadratic * t + (depth - height) * fall) / width


def _exponent(t: Tensor, decay: Tensor, tent: Tensor, bell: Tensor) -> Tensor:
    """Of e(t); far outside of an exponential, as large as float32 can bear."""
    return (-(decay * t + tent * t.abs() + bell * t * t)).clamp(max=MOST_EXPONENT)


def _chosen(tables: Tensor, x: Tensor) -> tuple[tuple[Tensor, ...], Tensor]:
    """The numbers of the piece that each entry of x lies on, and its t there."""
    piece = (x.unsqueeze(-1) >= tables[..., 1:, 0]).sum(-1)
    everywhere = tables.expand(*piece.shape, *tables.shape[-2:])
    index = piece[..., None, None].expand(*piece.shape, 1, tables.shape[-1])
    numbers = everywhere.gather(-2, index).squeeze(-2).unbind(-1)
    return numbers, (x - numbers[1]) / numbers[2]


def bottom(pieces: Shape) -> tuple[float, float]:
    """Where the lowest of all edges and of all origins of pieces lies, and its value: the minimum, if there is one."""
    edges = [piece.left for piece in pieces[1:]]
    origins = [
        piece.origin for piece, end in zip(pieces, [*edges, math.inf], strict=True) if piece.left <= piece.origin < end
    ]
    points = torch.tensor([*edges, *origins], dtype=torch.float64)
    values = height_of(table(pieces, dtype=torch.float64), points)
    lowest = int(values.argmin())
    return points[lowest].item(), values[lowest].item()


def lowered(pieces: Shape, by: float) -> Shape:
    """The shape with `by` taken off its values."""
    return tuple(replace(piece, constant=piece.constant - by) for piece in pieces)
