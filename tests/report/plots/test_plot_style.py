"""The style of figures: what can be told apart, and texts that stay texts."""

from __future__ import annotations

import pytest

from pytest_optbench.analysis.collection import SHOWN
from pytest_optbench.report.plots.style import LOOKS, ONE_COLUMN, SETTINGS, TWO_COLUMNS, plain, shown


def test_looks_differ_in_colour_and_dash_and_marker():
    assert len(LOOKS) == SHOWN
    for part in ("color", "dash", "marker"):
        assert len({str(getattr(look, part)) for look in LOOKS}) == SHOWN


def test_texts_are_of_a_size_that_can_be_read_in_print():
    sizes = [value for name, value in SETTINGS.items() if name.endswith(("size", "labelsize")) and "font" in name]
    assert all(7 <= size <= 8 for size in sizes)
    assert (ONE_COLUMN, TWO_COLUMNS) == (3.35, 7.0)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.5, "0.5"), (1000, "1000"), (1e4, "$10^{4}$"), (1e-3, "$10^{-3}$"), (3e7, "3e+07")],
)
def test_numbers_are_short(value, text):
    assert plain(value) == text


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("Acme", "Acme"),
        ("$x$", r"\$x\$"),
        ("_hidden", "\u200a_hidden"),
        ("a\nb\u202e", "a b"),
        ("x" * 99, "x" * 29 + "…"),
    ],
)
def test_a_label_is_a_text_on_one_line(text, label):
    assert shown(text) == label
