"""The table that the documentation shows: it loads, against a real class, as it stands there."""

from __future__ import annotations

from project import Project

TABLE = """
    [tool.optbench]
    tier = "small"
    baseline = "optbench-baseline.csv"

    [tool.optbench.optimizers.AcmeAdamW]
    class = "acme.optim:AcmeAdamW"
    hyperparameters = { betas = [0.9, 0.99] }      # fixed everywhere; a free lr is tuned per task
    search = { lr = { low = 1e-5, high = 1e-1, log = true } }        # optional; the default is half-decades 1e-5..1e1
    configurations = { amsgrad = { amsgrad = true }, decay = { weight_decay = 0.1 } } # the contract covers them too
    family = "adam_like"                           # turns on the closed-form checks of that family
    claims = { weight_decay = "decoupled" }        # closed vocabulary, see CONTRACT.md
    reference = "torch.optim:AdamW"                # optional parity claim
    scheduler = "acme.schedules:cosine"            # optional factory (optimizer, budget) -> LRScheduler
    expected_failures = { resume_bf16 = "acme issue 12" }
"""
OPTIM = """
    import torch

    class AcmeAdamW(torch.optim.AdamW):
        "An optimizer of a library."
"""
SCHEDULES = """
    import torch

    def cosine(optimizer, budget):
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, budget)
"""


def library(project: Project, layout: str = "") -> Project:
    (project.folder / "acme.py").unlink()
    return project.write(
        {
            "pyproject.toml": TABLE,
            f"{layout}acme/__init__.py": "",
            f"{layout}acme/optim.py": OPTIM,
            f"{layout}acme/schedules.py": SCHEDULES,
        }
    )


def test_the_documented_table_runs(project: Project) -> None:
    result = library(project).bench("--optbench-tasks=bowl*", "--optbench-seeds=4")
    assert result.words("hyperparameters") == {
        ("AcmeAdamW", "bowl2"): {'{"betas": [0.9, 0.99]}'},
        ("AcmeAdamW", "bowl3"): {'{"betas": [0.9, 0.99]}'},
    }
    assert {row.optimizer for row in result.rows} == {"acme.optim:AcmeAdamW"}
    assert {row.regime for row in result.rows} == {"fixed"}


def test_a_library_in_src_is_found_without_being_installed(project: Project) -> None:
    result = library(project, "src/").bench("--optbench-tasks=bowl2", "--optbench-seeds=4")
    assert len(result.rows) == 4


def test_the_scheduler_of_the_table_is_stepped(project: Project) -> None:
    arguments = ("--optbench-tasks=bowl2", "--optbench-seeds=4", "--optbench-full-budget")
    scheduled = library(project).bench(*arguments).rows
    table = project.folder / "pyproject.toml"
    table.write_text("\n".join(line for line in table.read_text().splitlines() if not line.startswith("scheduler")))
    constant = project.bench(*arguments).rows
    assert {row.trajectory_sha for row in scheduled}.isdisjoint({row.trajectory_sha for row in constant})


def test_the_default_suite_of_the_documented_table_is_the_tier_it_names(project: Project) -> None:
    result = library(project).run("--optbench", "--collect-only", "-q")
    collected = [line for line in result.lines if "::" in line]
    assert "pyproject.toml::AcmeAdamW::tasks::rosenbrock2" in collected
    assert len(collected) >= 12
