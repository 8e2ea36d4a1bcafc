"""The picture of a landscape."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from pytest_optbench.report import picture
from pytest_optbench.report.picture import draw, drawable, require_drawable
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.landscape import Landscape, Way

XS = tuple(k / 10 for k in range(-10, 11))
BOWL = Landscape(
    title="bowl@1, seed 0",
    axes=("x[0]", "x[1]"),
    xs=XS,
    ys=XS,
    heights=tuple(tuple(x * x + y * y for x in XS) for y in XS),
    least=0.0,
    target=0.01,
    start=(-0.9, 0.5),
    optimum=(0.0, 0.0),
    ways=(
        Way(name="SGD, lr 0.1", points=((-0.9, 0.5), (-0.1, 0.1), (0.0, 0.0)), steps=2),
        Way(name="AdamW, lr 1", points=((-0.9, 0.5), (0.9, -0.5)), steps=None),
    ),
)


@pytest.mark.parametrize(("name", "start"), [("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")])
def test_the_suffix_says_the_kind_of_file(name, start, tmp_path):
    pytest.importorskip("matplotlib")
    require_drawable(tmp_path / name)
    draw(BOWL, tmp_path / name)
    assert (tmp_path / name).read_bytes().startswith(start)


def test_everything_is_named(tmp_path, monkeypatch):
    matplotlib = pytest.importorskip("matplotlib")
    with matplotlib.rc_context({"svg.fonttype": "none"}):
        draw(replace(BOWL, optimum=None), tmp_path / "a.svg")
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for shown in ("bowl@1, seed 0", "x[0]", "x[1]", "start", "target", "SGD, lr 0.1: 2 steps", "AdamW, lr 1: missed"):
        assert f">{shown}" in text
    assert ">optimum" not in text


def test_heights_that_are_no_numbers_are_drawn_as_high(tmp_path):
    pytest.importorskip("matplotlib")
    rows = ((float("nan"), float("inf"), *BOWL.heights[0][2:]), *BOWL.heights[1:])
    draw(replace(BOWL, heights=rows), tmp_path / "a.png")


def test_a_suffix_that_is_none_of_a_picture_is_a_sentence(tmp_path):
    pytest.importorskip("matplotlib")
    with pytest.raises(OptbenchError, match=r"no picture has the suffix '\.pgn'; expected one of .*png"):
        require_drawable(tmp_path / "a.pgn")


def test_without_matplotlib_the_command_to_install_it_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(picture, "find_spec", lambda name: None)
    assert not drawable()
    with pytest.raises(
        OptbenchError, match=r'a\.png: a picture needs matplotlib; pip install "pytest-optbench\[plot\]"$'
    ):
        require_drawable(tmp_path / "a.png")


def test_matplotlib_is_not_imported_before_it_is_needed(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)  # an import of it would raise
    with pytest.raises(ImportError):
        draw(BOWL, __file__)
