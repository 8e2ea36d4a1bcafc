"""What a gate with a baseline says of mutants: recorded figures, and a few of them again."""

from __future__ import annotations

from pathlib import Path

import pytest
from gate import baseline_of, comparisons, fails, read, reported, table, words

ROWS = read()
README = (Path(__file__).parent / "README.md").read_text(encoding="utf-8")


def row(**cells: str) -> dict[str, str]:
    blank = {"mutant": "m", "optimizer": "O", "kind": "written", "contract": "", "fingerprint": "", "tasks": ""}
    return {**blank, "slower": "", **cells}


def test_the_readme_has_the_recorded_figures() -> None:
    assert table(ROWS) in README


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        ({"contract": "default::resume"}, (True, True)),
        ({"fingerprint": "default", "tasks": "a:unchanged"}, (True, True)),
        ({"tasks": "a:unchanged b:slower", "slower": "b"}, (True, True)),
        ({"tasks": "a:unchanged b:faster"}, (True, False)),
        ({"tasks": "a:unchanged b:unchanged"}, (False, False)),
        ({}, (False, False)),
    ],
)
def test_what_is_reported_and_what_fails(cells: dict[str, str], told: tuple[bool, bool]) -> None:
    assert (reported(row(**cells)), fails(row(**cells))) == told


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", ["adamw-w0b9eff", "adamw-w2edef7"])
def test_a_mutant_again(name: str) -> None:
    (recorded,) = [one for one in ROWS if one["mutant"] == name]
    rows = {"AdamW": baseline_of("AdamW", ["quartic_saddle"])}
    tasks, slower = words(comparisons(name, rows))
    assert tasks in recorded["tasks"].split()
    assert slower == ("quartic_saddle" if "quartic_saddle" in recorded["slower"] else "")
