"""A sample of the kill rate: recorded catches are repeated, clean classes and rewrites raise no alarm."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from layers import cases_of, look, verdict
from loading import loaded
from mutants import all_mutants, named
from mutation import changes
from observation import compared
from report import SEEN, caught, real, tables
from run import RESULTS
from specimens import SPECIMENS

SAMPLE = 16
CONTRACT = ("nothing", "claims", "family", "parity")


def recorded() -> list[dict[str, str]]:
    with RESULTS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def sampled(rows: list[dict[str, str]], count: int) -> list[dict[str, str]]:
    """So many rows, always the same ones."""
    return sorted(rows, key=lambda row: hashlib.sha256(row["mutant"].encode()).hexdigest())[:count]


ROWS = recorded()
CAUGHT = sampled([row for row in ROWS if row["equality"] == "different" and row["first"]], SAMPLE)
EQUAL = sampled([row for row in ROWS if row["equality"] != "different"], 3)


@pytest.fixture(autouse=True)
def _as_in_a_run() -> Iterator[None]:
    """A mutant may warn; it is no fault of ours."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", CAUGHT, ids=lambda row: row["mutant"])
def test_a_mutant_is_caught_by_the_recorded_checks(row: dict[str, str]) -> None:
    mutant = named(row["mutant"])
    specimen = SPECIMENS[mutant.specimen]
    with loaded(mutant.source, specimen.name) as optimizer:
        for layer in CONTRACT:
            if row[layer] in ("", "declaration", "crash", "time limit"):
                continue
            case = next(case for case in cases_of(layer, optimizer, specimen) if case.name == row[layer])
            assert verdict(case), f"{layer}: {case.name} passes; recorded: {row[f'{layer}_sentence']}"
        assert bool(look("fingerprint", optimizer, specimen, {})) is bool(row["fingerprint"])


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", SPECIMENS)
def test_a_clean_class_passes_what_is_made_of_its_default_configuration(name: str) -> None:
    specimen = SPECIMENS[name]
    cases = cases_of("nothing", specimen.optimizer, specimen)
    alarms = {case.name: text for case in cases[:: len(SPECIMENS)] if (text := verdict(case))}
    assert alarms == {}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("row", EQUAL, ids=lambda row: row["mutant"])
def test_what_is_equal_raises_no_alarm(row: dict[str, str]) -> None:
    mutant = named(row["mutant"])
    specimen = SPECIMENS[mutant.specimen]
    with loaded(mutant.source, specimen.name) as optimizer:
        assert not look("fingerprint", optimizer, specimen, {})
        cases = [*cases_of("family", optimizer, specimen), *cases_of("parity", optimizer, specimen)]
        assert {case.name: text for case in cases[::3] if (text := verdict(case))} == {}


AIMS_AND_MEASURED = {
    ("written", "contract, nothing declared"): (0.70, 0.70),
    ("mechanical", "contract, nothing declared"): (0.70, 0.74),
    ("written", "with the family"): (0.92, 0.97),
    ("mechanical", "with the family"): (0.80, 0.91),
    ("written", "contract, fingerprint or parity"): (1.0, 1.0),
    ("mechanical", "contract, fingerprint or parity"): (1.0, 1.0),
}
"""Shares of mutants that are caught: what is aimed at, and what has been measured, below which no change may fall."""


@pytest.mark.parametrize(("kind", "layers"), AIMS_AND_MEASURED)
def test_no_figure_falls_below_what_was_measured(kind: str, layers: str) -> None:
    rows = real(ROWS, kind)
    assert sum(caught(row, SEEN[layers]) for row in rows) / len(rows) >= AIMS_AND_MEASURED[kind, layers][1]


def test_there_are_enough_mutants_and_the_equal_ones_raise_no_alarm() -> None:
    assert len(real(ROWS, "written")) >= 170
    assert len(real(ROWS, "mechanical")) >= 160
    assert [row["mutant"] for row in ROWS if row["equality"] != "different" and row["first"]] == []


def test_the_choice_is_the_recorded_one() -> None:
    names = {row["mutant"] for row in ROWS}
    assert {mutant.name for mutant in all_mutants("lion")} == {name for name in names if name.startswith("lion-")}


@pytest.mark.full
def test_the_probe_tells_a_change_from_a_rounding() -> None:
    specimen = SPECIMENS["SGD"]
    kinds: dict[str, str] = {}
    for old, new in (
        ('alpha=-group["lr"])\n\n    def', 'alpha=-group["lr"] * 1.0)\n\n    def'),
        (
            'alpha=1 - group["dampening"])\n            buffer',
            'alpha=1.000000001 - group["dampening"])\n            buffer',
        ),
    ):
        source = specimen.source.replace(old, new)
        assert source != specimen.source
        with loaded(source, specimen.name) as optimizer:
            kinds[new[:20]] = compared(optimizer, specimen.optimizer, specimen).equality
    assert list(kinds.values()) == ["identical", "different"]


def test_every_rule_makes_one_changed_line_that_compiles() -> None:
    source = SPECIMENS["Lion"].source
    rules = {change.rule for change in changes(source)}
    assert {"constant", "operator", "deleted", "order", "group", "betas", "dtype", "aliasing", "flow"} <= rules
    for change in changes(source):
        pairs = zip(source.splitlines(), change.source.splitlines(), strict=True)
        assert sum(a != b for a, b in pairs) == (2 if change.rule == "order" else 1)


def test_tables_count_only_what_differs() -> None:
    def row(name: str, **values: Any) -> dict[str, Any]:
        empty = dict.fromkeys(("nothing", "claims", "family", "parity", "fingerprint", "convergence", "first"), "")
        about = {"mutant": name, "optimizer": "A", "kind": "written", "rule": "r", "line": 1, "old": "a", "new": "b"}
        return {**about, **empty, "equality": "different", "seen_in": "", **values}

    text = tables([row("one", claims="x", first="claims"), row("two", equality="identical"), row("three")], {}, {})
    assert "| with claims and configurations | 1 of 2 (50.0 %) | - |" in text
    assert "| three | 1 | `a` | `b` | r |  |" in text
    assert "| two | 1 | `a` | `b` | identical | the same in every scenario of the probe |" in text
