"""The command `optbench fingerprint`: rows of a baseline out, a comparison with them, mistakes in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_optbench import cli
from pytest_optbench.words.baseline import from_csv

TABLE = """
[optimizers.Plain]
class = "torch.optim:SGD"
hyperparameters = { lr = 0.1 }
configurations = { nesterov = { momentum = 0.9, nesterov = true } }
tasks = "a task of their own"
expected_failures = { a_task_of_their_own = "not asked for here" }

[optimizers.Adam]
class = "torch.optim:Adam"
configurations = {}
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_one_optimizer_is_printed_as_rows_of_a_baseline(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fingerprint", "torch.optim:SGD(lr=0.1)"]) == 0
    rows = from_csv(capsys.readouterr().out, where="here")
    row = next(one for one in rows if one.configuration == "default")
    assert (row.kind, row.recipe, row.configuration, row.dtype) == ("fingerprint", "SGD", "default", "float64")
    assert (row.optimizer, row.hyperparameters) == ("torch.optim.sgd:SGD", '{"lr": 0.1}')
    assert row.fingerprint.startswith("[2,[1e-07,1e-07,")
    assert "nesterov=True" in {one.configuration for one in rows}


def test_every_configuration_of_the_table_is_recorded_and_compared(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "optbench.toml").write_text(TABLE)
    assert cli.main(["fingerprint"]) == 0
    text = capsys.readouterr().out
    rows = from_csv(text, where="here")
    assert [(row.recipe, row.configuration) for row in rows] == [
        ("Adam", "default"),
        ("Plain", "default"),
        ("Plain", "nesterov"),
    ]
    (folder / "stored.csv").write_text(text)
    assert cli.main(["fingerprint", "--against", "stored.csv"]) == 0
    assert capsys.readouterr().out == "3 of 3 fingerprints are as stored\n"

    (folder / "optbench.toml").write_text(TABLE.replace("momentum = 0.9", "momentum = 0.91"))
    assert cli.main(["fingerprint", "--against", "stored.csv"]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith("Plain nesterov: in step 1, the norm of tensor 0 (7x3)'s step is ")
    assert first.endswith("of the stored step apart; 1e-07 of the step is allowed")
    assert last == "2 of 3 fingerprints are as stored"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fingerprint"], "no table of optimizers in this folder; name one, as in torch.optim:AdamW"),
        (["fingerprint", "torch.optim:Adamm"], "module 'torch.optim' has no 'Adamm'; did you mean 'Adam'?"),
        (["fingerprint", "torch.optim:Adam(lr=-1)"], "refuses (lr=-1)"),
        (["fingerprint", "torch.optim:SparseAdam"], "no fingerprint of configuration 'default': RuntimeError: "),
        (["fingerprint", "torch.optim:Adam", "--against", "nowhere.csv"], "cannot read the baseline"),
    ],
)
def test_a_mistake_is_a_sentence(
    folder: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert cli.main(arguments) == 2
    captured = capsys.readouterr()
    assert sentence in captured.err
    assert captured.out == ""
