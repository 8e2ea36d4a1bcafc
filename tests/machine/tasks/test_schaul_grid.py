"""The grid of Schaul et al.: what is in it, and what its variants are called."""

from __future__ import annotations

from collections import Counter

import pytest

from pytest_optbench.machine.tasks.schaul_grid import NOISES, SCALES, Coordinate, Variant, grid
from pytest_optbench.machine.tasks.schaul_shapes import PARTS

GRID = grid()


def test_the_grid_has_as_many_variants_as_in_the_paper():
    assert len(GRID) == 3944
    assert Counter(variant.dimension for variant in GRID) == {1: 3648, 2: 172, 10: 124}


def test_every_variant_has_a_name_of_its_own():
    assert len({variant.name for variant in GRID}) == len(GRID)


def test_every_variant_is_made_of_what_there_is():
    coordinates = {coordinate for variant in GRID for coordinate in (variant.first, variant.rest)}
    assert {part for one in coordinates for part in one.parts} == PARTS.keys()
    assert {one.noise for one in coordinates} == NOISES.keys()
    assert {one.scale for one in coordinates} == SCALES.keys()


@pytest.mark.parametrize(
    ("family", "count"),
    [
        ("1d.line", 160),
        ("1d.exponential", 64),
        ("2d.abs+quad_bowl", 32),
        ("2d.line", 4),
        ("10d.quad_bowl", 28),
        ("10d.cliff+abs", 4),
    ],
)
def test_variants_of_a_shape(family, count):
    assert sum(variant.family == family for variant in GRID) == count


def test_name_and_words_of_a_variant():
    first, rest = Coordinate("relu-bend", "gauss_add_low", "steep"), Coordinate("line", "gauss_add_high", "normal")
    variant = Variant(10, first, rest, rotated=True, curled=True)
    assert variant.name == "10d.relu-bend+line.gauss_add_low+gauss_add_high.steep+normal.rotated.curled"
    assert {"10d", "relu-bend", "bend", "line", "gauss_add_low", "steep", "rotated", "curled"} <= variant.words
    assert variant.coordinates == (first, *[rest] * 9)


def test_a_change_is_part_of_a_name():
    coordinate = Coordinate("abs", "noiseless", "flat")
    assert Variant(1, coordinate, coordinate, change="scale_changes").name == "1d.abs.noiseless.flat.scale_changes"
