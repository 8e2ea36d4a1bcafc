"""The grid of Schaul et al. 2013 (arXiv 1312.6055): 3944 variants of shapes, noise, scales, transforms and changes.

What is combined with what is that of the authors' program (github.com/IoannisAntonoglou/optimBench): 8 shapes of one
part, each with all 10 noises, 4 scales and 4 changes (1280 variants); 37 further one-dimensional shapes with 4 noises
(2368); 15 pairs of shapes in two dimensions (172) and 15 in ten (124), in few settings each. Settings that its lists
leave out by the way they are read, such as `normal` beside `steep|normal`, are left out here too: they make up 3944.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from types import MappingProxyType
from typing import Literal

NoiseKind = Literal["none", "additive", "multiplicative", "mask", "cauchy"]


@dataclass(frozen=True)
class Noise:
    """What is done to the gradient g in every coordinate; z is standard normal.

    additive: g + level z; multiplicative: g exp(level z); mask: 0 with probability level; cauchy: g + level c, where c
    is standard Cauchy.
    """

    kind: NoiseKind
    level: float = 0.0


@dataclass(frozen=True)
class Scale:
    """Height and slope of a shape at its start, 0; it ends at 1."""

    height: float
    slope: float


NOISES: Mapping[str, Noise] = MappingProxyType(
    {
        "noiseless": Noise("none"),
        "gauss_add_low": Noise("additive", 0.01),
        "gauss_add_normal": Noise("additive", 0.1),
        "gauss_add_high": Noise("additive", 10.0),
        "gauss_mul_low": Noise("multiplicative", 0.1),
        "gauss_mul_normal": Noise("multiplicative", 1.0),
        "gauss_mul_high": Noise("multiplicative", 10.0),
        "maskout_low": Noise("mask", 0.1),
        "maskout_high": Noise("mask", 0.9),
        "cauchy_add_normal": Noise("cauchy", 1.0),
    }
)
SCALES: Mapping[str, Scale] = MappingProxyType(
    {
        "normal": Scale(200.0, -1.0),
        "steep": Scale(200.0, -10.0),
        "flat": Scale(2.0, -0.1),
        "saddle": Scale(200.0, 1.0),
    }
)
CHANGES = ("stationary", "scale_changes", "noise_changes", "offset_changes")
"""Every 10 steps: the function times exp(0.1 z), the noise's level times exp(0.5 z), the function moved by 0.1 z."""


@dataclass(frozen=True)
class Coordinate:
    """One coordinate of a variant."""

    shape: str
    """Its parts, with hyphens between them."""
    noise: str
    scale: str

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.shape.split("-"))


@dataclass(frozen=True)
class Variant:
    """One function of the grid: `first` in the first coordinate and `rest` in all others, added up by the L1 norm."""

    dimension: int
    first: Coordinate
    rest: Coordinate
    rotated: bool = False
    curled: bool = False
    change: str = "stationary"

    @property
    def coordinates(self) -> tuple[Coordinate, ...]:
        return (self.first, *[self.rest] * (self.dimension - 1))

    @property
    def shape(self) -> str:
        return _both(self.first.shape, self.rest.shape)

    @property
    def noise(self) -> str:
        return _both(self.first.noise, self.rest.noise)

    @property
    def scale(self) -> str:
        return _both(self.first.scale, self.rest.scale)

    @property
    def family(self) -> str:
        """Shape and dimension, as in `10d.cliff+quad_bowl`."""
        return f"{self.dimension}d.{self.shape}"

    @property
    def name(self) -> str:
        """All that tells it from the others, as in `2d.abs+abs.noiseless.normal.rotated`."""
        marks = [
            *["rotated"] * self.rotated,
            *["curled"] * self.curled,
            *[self.change] * (self.change != "stationary"),
        ]
        return ".".join([self.family, self.noise, self.scale, *marks])

    @property
    def words(self) -> frozenset[str]:
        """What it can be selected by, besides its name."""
        coordinates = (self.first, self.rest)
        return frozenset(
            {f"{self.dimension}d", self.family, self.shape, self.noise, self.scale, self.change}
            | {word for one in coordinates for word in (one.shape, *one.parts, one.noise, one.scale)}
            | {word for word, is_so in (("rotated", self.rotated), ("curled", self.curled)) if is_so}
        )


def grid() -> tuple[Variant, ...]:
    """All variants, in the order of their shapes."""
    return (*_alone(), *_pairs(2), *_pairs(10))


Pair = tuple[str, str]
_ADDED = ("noiseless", "gauss_add_low", "gauss_add_normal", "gauss_add_high")
_ALONE_IN_ALL_NOISES = ("line", "quad_bowl", "abs", "bend", "relu", "gauss_bowl", "cliff", "ridge")
_ALONE = (
    "quad_convex-line",
    "gauss_nonconvex-line",
    "gauss_convex-line",
    "laplace_nonconvex-line",
    "laplace_convex-line",
    "exponential",
    "quad_convex-exponential",
    "gauss_nonconvex-exponential",
    "gauss_convex-exponential",
    "laplace_nonconvex-exponential",
    "laplace_convex-exponential",
    "line-exponential",
    "quad_convex-relu",
    "gauss_nonconvex-relu",
    "gauss_convex-relu",
    "laplace_convex-relu",
    "gauss_nonconvex-gauss_convex-gauss_bowl-gauss_convex-gauss_nonconvex",
    "laplace_nonconvex-laplace_convex-laplace_bowl-laplace_convex-laplace_nonconvex",
    "line-quad_bowl-line",
    "quad_convex-abs-quad_convex",
    "quad_convex-cliff-quad_convex",
    "quad_convex-cliff-gauss_nonconvex",
    "quad_convex-quad_bowl-gauss_nonconvex",
    "quad_convex-abs-gauss_nonconvex",
    "cliff-exponential",
    "cliff-quad_bowl",
    "quad_convex-cliff-quad_bowl",
    "quad_bowl-cliff-exponential",
    "relu-bend-line",
    "quad_convex-relu-bend-line",
    "gauss_nonconvex-relu-line",
    "relu-bend-quad_bowl",
    "quad_convex-relu-bend-quad_bowl",
    "gauss_nonconvex-relu-bend-quad_bowl",
    "relu-bend-exponential",
    "quad_convex-relu-bend-exponential",
    "gauss_nonconvex-relu-bend-exponential",
)
_LAPLACE = "laplace_convex-laplace_nonconvex-quad_convex"
_NORMAL, _STEEP, _SADDLE = ("normal", "normal"), ("steep", "normal"), ("saddle", "normal")
_SAME_SCALES = tuple((name, name) for name in SCALES)
_SAME_ADDED = tuple((name, name) for name in _ADDED)
_NOISES_OF_TWO = (
    ("noiseless", "noiseless"),
    ("gauss_add_normal", "gauss_add_normal"),
    ("gauss_add_low", "gauss_add_high"),
    ("gauss_add_high", "gauss_add_low"),
)
_GAUSSIAN = tuple((name, name) for name in NOISES if name == "noiseless" or name.startswith("gauss_"))


@dataclass(frozen=True)
class _Block:
    """A pair of shapes, and the settings that it is combined with."""

    first: str
    rest: str
    scales: tuple[Pair, ...]
    rotations: tuple[bool, ...] = (False,)
    curls: tuple[bool, ...] = (False,)
    noises: tuple[Pair, ...] = ()
    """Those of its dimension, unless given."""


_BOTH = (False, True)
_BLOCKS: Mapping[int, tuple[_Block, ...]] = MappingProxyType(
    {
        2: (
            _Block("quad_bowl", "quad_bowl", _SAME_SCALES, _BOTH),
            _Block("abs", "quad_bowl", (_STEEP, ("normal", "steep")), _BOTH, _BOTH),
            _Block("quad_bowl", "line", (_NORMAL, _STEEP)),
            _Block("line", "line", (_NORMAL,)),
            _Block("relu", "line", (_NORMAL,)),
            _Block("exponential", "line", (_NORMAL, _STEEP)),
            _Block("abs", "line", (_NORMAL, _STEEP)),
            _Block("abs", "abs", (_NORMAL,), _BOTH, _BOTH),
            _Block("cliff", "abs", (_NORMAL, _STEEP)),
            _Block("cliff", "line", (_NORMAL,), _BOTH, _BOTH),
            _Block("cliff", "quad_bowl", (_NORMAL,), _BOTH, _BOTH),
            _Block("exponential", "quad_bowl", (_NORMAL,)),
            _Block("gauss_nonconvex", "abs", (_SADDLE,)),
            _Block("gauss_nonconvex", "quad_bowl", (_SADDLE,)),
            _Block(_LAPLACE, _LAPLACE, (_NORMAL, _SADDLE)),
        ),
        10: (
            _Block("quad_bowl", "quad_bowl", _SAME_SCALES, noises=_GAUSSIAN),
            _Block(_LAPLACE, _LAPLACE, (_NORMAL, _SADDLE)),
            _Block("abs", "quad_bowl", (("normal", "saddle"), ("normal", "steep"))),
            _Block("quad_bowl", "line", (_STEEP,)),
            _Block("line", "line", (_NORMAL,)),
            _Block("relu", "line", (_NORMAL,)),
            _Block("exponential", "line", (_NORMAL, _STEEP)),
            _Block("abs", "line", (_STEEP,)),
            _Block("abs", "abs", (_NORMAL,), _BOTH, _BOTH),
            _Block("cliff", "abs", (_STEEP,)),
            _Block("cliff", "line", (_NORMAL,), _BOTH, _BOTH),
            _Block("cliff", "quad_bowl", (_NORMAL,), _BOTH),
            _Block("exponential", "quad_bowl", (_NORMAL,)),
            _Block("gauss_nonconvex", "abs", (_SADDLE,)),
            _Block("gauss_nonconvex", "quad_bowl", (_SADDLE,)),
        ),
    }
)


def _alone() -> Iterator[Variant]:
    for shapes, noises in ((_ALONE_IN_ALL_NOISES, tuple(NOISES)), (_ALONE, _ADDED)):
        for shape, noise, scale, change in product(shapes, noises, SCALES, CHANGES):
            coordinate = Coordinate(shape, noise, scale)
            yield Variant(1, coordinate, coordinate, change=change)


def _pairs(dimension: int) -> Iterator[Variant]:
    for block in _BLOCKS[dimension]:
        noises = block.noises or {2: _NOISES_OF_TWO, 10: _SAME_ADDED}[dimension]
        for noise, scale, rotated, curled in product(noises, block.scales, block.rotations, block.curls):
            first, rest = (
                Coordinate(*setting) for setting in zip((block.first, block.rest), noise, scale, strict=True)
            )
            yield Variant(dimension, first, rest, rotated, curled)


def _both(first: str, rest: str) -> str:
    return first if first == rest else f"{first}+{rest}"
