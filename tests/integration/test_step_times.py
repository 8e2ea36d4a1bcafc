"""`optbench.step`: a step function for the fixture of pytest-benchmark."""

from __future__ import annotations

import json

import pytest
from project import Project, Result


def stepped(project: Project, body: str, *arguments: str) -> Result:
    """Run a marked test with the fixtures `optbench` and `benchmark`; figures go to `steps.json`."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = (
        "import pytest, torch\n\n"
        '@pytest.mark.optbench(optimizer="acme:Descent", tasks="bowl2", seeds=2)\n'
        f"def test_it(optbench, benchmark):\n{lines}\n"
    )
    (project.folder / "test_it.py").write_text(text)
    quick = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=2"]
    # With nothing to save pytest-benchmark warns.
    save = ["--benchmark-json=steps.json"] if "benchmark(" in body else []
    return project.bench(*quick, *save, *arguments)


def median(project: Project) -> float:
    """In seconds, as pytest-benchmark stores it."""
    (one,) = json.loads((project.folder / "steps.json").read_text())["benchmarks"]
    return float(one["stats"]["median"])


@pytest.mark.parametrize(
    "call",
    [
        "optbench.step()",
        "optbench.step(parameters=100)",
        "optbench.step(torch.optim.AdamW, lr=0.1, parameters=100, device='cpu')",
        "optbench.step('acme:Slow')",
        "optbench.step('torch.optim:LBFGS')",
    ],
)
def test_any_recipe_can_be_timed(project: Project, call: str) -> None:
    assert stepped(project, f"benchmark({call})").outcomes["passed"] == 1
    assert 0 < median(project) < 1


def test_the_rows_take_the_figure_over(project: Project) -> None:
    result = stepped(project, "optbench.check()\nbenchmark(optbench.step())")
    assert {row.step_ms for row in result.rows} == {1e3 * median(project)}


@pytest.mark.parametrize(
    ("body", "arguments"),
    [
        ("optbench.check()\nbenchmark(optbench.step(parameters=100))", ()),
        ("optbench.check()\nbenchmark(optbench.step('acme:Slow'))", ()),
        ("optbench.check()\noptbench.step()\nbenchmark(sum, [])", ("--benchmark-disable",)),
        ("optbench.check()\nbenchmark(sum, [])", ()),
    ],
    ids=["other parameters", "other optimizer", "disabled", "something else"],
)
def test_a_figure_of_something_else_is_not_taken_for_the_step(
    project: Project, body: str, arguments: tuple[str, ...]
) -> None:
    result = stepped(project, body, *arguments)
    assert result.outcomes["passed"] == 1
    figure = None if arguments else 1e3 * median(project)
    assert figure not in {row.step_ms for row in result.rows}
    assert all(row.step_ms is not None for row in result.rows)


def test_torch_has_one_thread_until_the_test_ends(project: Project) -> None:
    body = "torch.set_num_threads(2)\noptbench.step()\nassert torch.get_num_threads() == 1"
    after = "\n\ndef test_then():\n    import torch\n    assert torch.get_num_threads() == 2"
    project.write({"test_then.py": after})
    assert stepped(project, body, "--optbench-with-tests").outcomes["passed"] == 2


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        ("optbench.step(parameters=0)", "optbench.step: parameters is 0; expected at least 1"),
        ("optbench.step('acme:Decsent')", "did you mean 'Descent'?"),
        ("optbench.step(lr=1)", "hyperparameters of the marked optimizer belong into the mark"),
    ],
)
def test_a_mistake_fails_the_test_with_a_sentence(project: Project, call: str, sentence: str) -> None:
    result = stepped(project, call)
    assert result.outcomes["failed"] == 1
    assert sentence in result.text
