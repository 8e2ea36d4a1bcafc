"""The contract inside pytest: its items, their verdicts, what a failure says, and what is declared about it."""

from __future__ import annotations

import pytest
from project import Project

LIBRARY = """
    import os
    import time

    import torch

    class Plain(torch.optim.SGD):
        "Gradient descent, with all that torch's own offers."

        def __init__(self, params, lr=0.1, momentum=0.0):
            super().__init__(params, lr=lr, momentum=momentum)

    class Forgets(torch.optim.Optimizer):
        "Momentum that is kept where no state_dict finds it."

        def __init__(self, params, lr=0.1, momentum=0.9):
            super().__init__(params, {"lr": lr, "momentum": momentum})
            self.velocity = {}

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    if p.grad is not None:
                        v = self.velocity.setdefault(p, torch.zeros_like(p))
                        v.mul_(group["momentum"]).add_(p.grad)
                        p.sub_(v, alpha=group["lr"])

    class Raises(Plain):
        def load_state_dict(self, state):
            raise RuntimeError("no way back")

    class Skips(Plain):
        def load_state_dict(self, state):
            import pytest
            pytest.skip("not today")

    class Hangs(Plain):
        def load_state_dict(self, state):
            time.sleep(600)

    class Leaves(Plain):
        def load_state_dict(self, state):
            raise SystemExit(3)

    class Exits(Plain):
        def load_state_dict(self, state):
            os._exit(3)
"""
RESUME = ("--optbench-layer=contract", "-k", "resume and (float32 or float64) and not (resume_ or momentum)")


@pytest.fixture
def library(project: Project) -> Project:
    return project.write({"acme.py": LIBRARY})


def test_every_configuration_has_every_check(library: Project) -> None:
    library.table("Plain\nconfigurations = { heavy = { momentum = 0.9 } }")
    result = library.bench(*RESUME)
    assert result.passed == tuple(
        f"pyproject.toml::Plain::contract::{configuration}::resume::{dtype}"
        for configuration in ("default", "heavy")
        for dtype in ("float32", "float64")
    )


@pytest.mark.parametrize(
    ("identifier", "passed"),
    [
        ("contract::heavy::resume::float64", 1),
        ("contract::heavy::resume", 2),
    ],
)
def test_a_check_is_run_by_its_id(library: Project, identifier: str, passed: int) -> None:
    library.table("Plain\nconfigurations = { heavy = { momentum = 0.9 } }")
    result = library.bench("--optbench-layer=all", f"pyproject.toml::Plain::{identifier}")
    assert result.outcomes == {"passed": passed}


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("all", {"contract", "tasks"}),
        ("contract", {"contract"}),
        ("tasks", {"tasks"}),
    ],
)
def test_a_layer_is_chosen(library: Project, layer: str, words: set[str]) -> None:
    library.table("Plain")
    result = library.run("--optbench", "--collect-only", "-q", f"--optbench-layer={layer}")
    assert {line.split("::")[2] for line in result.lines if line.startswith("pyproject.toml::")} == words


def test_the_mark_selects_the_contract(library: Project) -> None:
    library.table("Plain")
    marked = library.run("--optbench", "--optbench-layer=all", "-m", "optbench_contract", "--collect-only", "-q")
    layer = library.run("--optbench", "--optbench-layer=contract", "--collect-only", "-q")
    assert [line for line in marked.lines if "::" in line] == [line for line in layer.lines if "::" in line]


def test_a_broken_property_is_a_sentence_with_the_property_and_the_class(library: Project) -> None:
    result = library.table("Forgets").bench(*RESUME)
    assert result.outcomes["failed"] == 2
    text = result.text
    assert "Forgets default::resume::float32: in step 6, resumed from a copied state_dict after step 5, tensor" in text
    assert "the property: A fresh optimizer that loads the state_dict of another continues" in text
    line = LIBRARY.splitlines().index("    class Forgets(torch.optim.Optimizer):") + 1
    assert f"acme:Forgets with its own defaults, {library.folder / 'acme.py'}:{line}" in " ".join(text.split())
    assert "Traceback" not in text


def test_the_summary_says_one_sentence_for_all_dtypes_and_configurations(library: Project) -> None:
    library.table("Forgets\nconfigurations = { light = { momentum = 0.5 } }")
    lines = library.bench(*RESUME).lines
    assert sum(line.startswith("Forgets resume (default, light): in step 6") for line in lines) == 1
    assert [line.split() for line in lines if line.startswith("Forgets default ")][-1] == [
        "Forgets", "default", "2", "0", "2"
    ]  # fmt: skip


def test_an_exception_of_the_optimizer_is_shown_with_its_own_frames(library: Project) -> None:
    text = library.table("Raises").bench(*RESUME).text
    assert "Raises default::resume::float32: RuntimeError: no way back" in text
    assert 'raise RuntimeError("no way back")' in text
    assert "plan.py" not in text


def test_an_optimizer_that_leaves_the_process_has_failed(library: Project) -> None:
    result = library.table("Leaves").bench(*RESUME)
    assert result.outcomes["failed"] == 2
    assert "Leaves resume (default): SystemExit: 3" in result.text


def test_a_check_that_another_plugin_ends_is_no_death_of_the_process(library: Project) -> None:
    pytest.importorskip("pytest_timeout")
    result = library.table("Hangs").bench(*RESUME, "--timeout=1")
    assert "Hangs resume (default): ended by another plugin: Timeout" in result.text


def test_an_optimizer_that_skips_has_failed(library: Project) -> None:
    assert library.table("Skips").bench(*RESUME).outcomes["failed"] == 2


def test_a_check_that_hangs_is_ended(library: Project) -> None:
    result = library.table("Hangs").bench(*RESUME, "--optbench-timeout=0.3")
    assert result.outcomes["failed"] == 2
    assert "Hangs default::resume::float32: not done after 0.3 seconds" in result.text


def test_a_check_that_ends_the_process_is_named(library: Project) -> None:
    library.table("Exits")
    result = library.bench(*RESUME, "-n1", "--max-worker-restart=3", subprocess=True)
    assert "Exits resume (default): the process died in it" in " ".join(result.text.split())


KNOWN = [
    ('"resume" = "issue 1"', {"xfailed": 4}),
    ('"resume::float32" = "issue 1"', {"xfailed": 2, "failed": 2}),
    ('"default::resume" = "issue 1"', {"xfailed": 2, "failed": 2}),
    ('"light::resume::float64" = "issue 1"', {"xfailed": 1, "failed": 3}),
]


@pytest.mark.parametrize(("key", "outcomes"), KNOWN)
def test_an_expected_failure_covers_exactly_what_it_names(library: Project, key: str, outcomes: dict[str, int]) -> None:
    library.table(f"Forgets\nconfigurations = {{ light = {{ momentum = 0.5 }} }}\nexpected_failures = {{ {key} }}")
    result = library.bench(*RESUME)
    assert {word: count for word, count in result.outcomes.items() if word != "deselected"} == outcomes


def test_an_expected_failure_that_holds_is_a_failure(library: Project) -> None:
    result = library.table('Plain\nexpected_failures = { "resume" = "issue 1" }').bench(*RESUME)
    assert result.outcomes["failed"] == 2
    assert "Plain resume (default): declared as known-broken, but it holds" in result.text


def test_an_expected_failure_does_not_cover_a_hang(library: Project) -> None:
    library.table('Hangs\nexpected_failures = { "resume" = "issue 1" }')
    assert library.bench(*RESUME, "--optbench-timeout=0.3").outcomes["failed"] == 2


def test_junit_has_the_check(library: Project) -> None:
    result = library.table("Plain").bench(*RESUME)
    name = "pyproject.toml.Plain.contract.default.resume::float64"
    assert result.properties(name) == {
        "optbench_recipe": "Plain",
        "optbench_configuration": "default",
        "optbench_check": "resume",
        "optbench_part": "float64",
    }


@pytest.mark.full
def test_the_summary_is_the_same_in_parallel(library: Project) -> None:
    library.table("Forgets\nconfigurations = { light = { momentum = 0.5 } }", "Plain")

    def summary(*arguments: str) -> list[str]:
        lines = library.bench(*RESUME, *arguments, subprocess=True).lines
        return lines[next(k for k, line in enumerate(lines) if line.startswith("contract ")) :][:6]

    assert summary() == summary("-n2")


MARKED = """
    import pytest

    @pytest.mark.optbench(optimizer="acme:{optimizer}", tasks="bowl2", seeds=4, expected_failures={known})
    def test_contract(optbench):
        optbench.check_contract()
"""


@pytest.mark.parametrize(
    ("optimizer", "known", "outcome"),
    [
        ("Plain", {}, "passed"),
        ("Forgets", {}, "failed"),
        ("Plain", {"resume": "issue 1"}, "failed"),
    ],
)
def test_a_marked_test_checks_the_contract(
    library: Project, optimizer: str, known: dict[str, str], outcome: str
) -> None:
    library.write({"test_marked.py": MARKED.format(optimizer=optimizer, known=known)})
    result = library.bench()
    assert result.outcomes == {outcome: 1}
    assert "test_contract default" in result.text


@pytest.mark.parametrize(
    ("keys", "sentence"),
    [
        (
            'expected_failures = { "resum" = "x" }',
            "pyproject.toml [tool.optbench.optimizers.Plain]: expected_failures: unknown task or check 'resum'; "
            "did you mean 'resume'?",
        ),
        (
            'expected_failures = { "resume::float16" = "x" }',
            "pyproject.toml [tool.optbench.optimizers.Plain]: expected_failures: unknown check of this optimizer "
            "'resume::float16'; did you mean 'resume::float64'?",
        ),
        (
            "configurations = { default = { lr = 0.1 } }",
            "pyproject.toml [tool.optbench.optimizers.Plain]: configurations: 'default' is the one without options; "
            "use another name",
        ),
        (
            "claims = { heavy = { elementwise = true } }",
            "pyproject.toml [tool.optbench.optimizers.Plain]: unknown claim 'heavy'",
        ),
    ],
)
def test_a_mistake_about_the_contract_is_told_before_anything_runs(library: Project, keys: str, sentence: str) -> None:
    assert library.table(f"Plain\n{keys}").run("--optbench", "--optbench-layer=contract").error.startswith(sentence)


BARE = """
    import torch

    class Bare(torch.optim.SGD):
        def __init__(self, params, lr):
            super().__init__(params, lr=lr)
"""


def test_a_constructor_without_a_learning_rate_needs_one(library: Project) -> None:
    library.write({"acme.py": BARE}).table("Bare")
    error = library.run("--optbench", "--optbench-layer=contract", "--optbench-tune=auto").error
    assert error == (
        "pyproject.toml [tool.optbench.optimizers.Bare]: acme:Bare has no default for 'lr', "
        "and the contract needs one; set it in 'hyperparameters'"
    )


def test_an_unknown_kind_of_checks_is_told(library: Project) -> None:
    error = library.table("Plain").run("--optbench", "--optbench-extra=compiled").error
    assert error == "--optbench-extra: unknown kind of checks 'compiled'; did you mean 'compile'?"
