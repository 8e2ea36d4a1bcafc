"""The layer `fingerprint`: fixed trajectories beside the stored ones."""

from __future__ import annotations

import pytest
from project import Project

from pytest_optbench.words.baseline import read_baseline

SETTINGS = 'seeds = 20\nbaseline = "base.csv"\ntasks = "bowl2"'
LAYER = "--optbench-layer=fingerprint"
TABLE = "Descent\nconfigurations = { fast = { lr = 0.5 } }"
ITEM = "pyproject.toml::Descent::fingerprint::"
BUG = """
    import torch

    class Descent(torch.optim.SGD):
        def __init__(self, params, lr=0.3):
            super().__init__(params, lr=lr)

        def step(self, closure=None):
            {body}
            return super().step()
"""


def bug(project: Project, body: str) -> Project:
    return project.write({"acme.py": BUG.format(body=body)})


@pytest.fixture
def saved(project: Project) -> Project:
    project.table(TABLE, settings=SETTINGS).bench(LAYER, "--optbench-save")
    return project


def test_every_configuration_has_an_item_once_it_is_stored(project: Project) -> None:
    project.table(TABLE, settings=SETTINGS)
    assert project.bench(LAYER).passed == ()
    project.bench(LAYER, "--optbench-save")
    result = project.bench(LAYER)
    assert result.passed == (f"{ITEM}default", f"{ITEM}fast")
    assert "2 fingerprints as in base.csv" in result.lines


def test_all_layers_run_it(saved: Project) -> None:
    assert f"{ITEM}fast" in saved.run("--optbench", "--optbench-layer=all", "-k", "fingerprint").passed


def test_one_that_differs_fails_and_tells_step_and_tensor(saved: Project) -> None:
    result = bug(saved, "self.param_groups[0]['lr'] *= 1.0001").bench(LAYER)
    assert result.outcomes == {"failed": 2}
    assert "Descent fingerprint of default, compared with base.csv: in step 1, " in result.text
    assert "of tensor 0 (7x3)'s step is " in result.text
    assert (
        "to accept it: pytest --optbench pyproject.toml::Descent::fingerprint::default --optbench-save" in result.text
    )
    assert result.properties("pyproject.toml.Descent.fingerprint::default")["optbench_change"] == "changed"


def test_one_that_differs_is_only_shown_where_it_does_not_fail(saved: Project) -> None:
    result = bug(saved, "self.param_groups[0]['lr'] *= 1.0001").bench(LAYER, "--optbench-fail-on=slower")
    assert result.outcomes == {"passed": 2}
    assert any(
        line.startswith("Descent fingerprint of default, compared with base.csv: in step 1") for line in result.lines
    )


def test_saving_accepts_it(saved: Project) -> None:
    bug(saved, "self.param_groups[0]['lr'] *= 1.0001").bench(f"{ITEM}default", LAYER, "--optbench-save")
    assert saved.bench(LAYER).outcomes == {"passed": 1, "failed": 1}


def test_what_parity_covers_needs_none(saved: Project) -> None:
    saved.table(f"{TABLE}\nreference = 'torch.optim:SGD'", settings=SETTINGS)
    assert saved.bench(LAYER).passed == ()


def test_an_exception_fails_where_one_is_stored(saved: Project) -> None:
    result = bug(saved, "raise RuntimeError('boom')").bench(LAYER)
    assert result.outcomes == {"failed": 2}
    assert "RuntimeError: boom" in result.text


def test_what_has_none_is_skipped_and_not_saved(project: Project) -> None:
    bug(project.table("Descent", settings=SETTINGS), "raise RuntimeError('boom')")
    result = project.bench(LAYER, "--optbench-save")
    assert result.outcomes == {"skipped": 1}
    assert read_baseline(project.folder / "base.csv") == []


def test_other_hyperparameters_are_named(saved: Project) -> None:
    saved.table("Descent\nhyperparameters = { lr = 0.4 }", settings=SETTINGS)
    assert 'hyperparameters were {} and are {"lr": 0.4}' in saved.bench(LAYER).text


def test_a_configuration_that_is_not_declared_any_more_is_gone(saved: Project) -> None:
    saved.table("Descent", settings=SETTINGS)
    result = saved.bench("--optbench-layer=tasks,fingerprint")
    assert "gone: Descent fingerprint of fast: in base.csv" in result.text


def test_a_damaged_one_is_a_usage_error(saved: Project) -> None:
    path = saved.folder / "base.csv"
    path.write_text(path.read_text().replace("[2,[1e-07", "[2,[-1e-07", 1))
    assert "fingerprint of Descent default" in (error := saved.bench(LAYER).error)
    assert error.endswith("is no fingerprint")


@pytest.mark.full
def test_two_workers_make_them_as_one_process_does(saved: Project) -> None:
    bug(saved, "self.param_groups[0]['lr'] *= 1.0001")
    assert saved.bench(LAYER, "-n2", "-p", "no:benchmark").outcomes == {"failed": 2}
