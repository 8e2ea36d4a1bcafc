"""`optbench compare`, `merge`, `show` and `accept`, on files alone."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_optbench import cli
from pytest_optbench.words import baseline, table
from pytest_optbench.words.baseline import from_runs, read_baseline
from pytest_optbench.words.run import Run

RUNS = [
    Run(
        recipe="Acme",
        task=task,
        seed=seed,
        budget=900,
        target=0.1,
        initial=1.0 + seed,
        best=0.05,
        outcome="reached",
        steps_to_target=100,
        trajectory_sha=f"{seed}",
        curve="[[0,1.0],[100,0.05]]",
        verdict="passed",
    )
    for task in ("bowl", "valley")
    for seed in range(32)
]
SLOW = [replace(run, steps_to_target=130, trajectory_sha="x") if run.task == "bowl" else run for run in RUNS]


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name, runs in {"runs": RUNS, "slow": SLOW, "half": RUNS[:32]}.items():
        Path(f"{name}.csv").write_text(table.to_csv(runs))
    Path("base.csv").write_text(baseline.to_csv(from_runs(RUNS)))
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("base.csv", "runs.csv"), 0),
        (("runs.csv", "runs.csv"), 0),
        (("base.csv", "slow.csv"), 1),
        (("slow.csv", "base.csv"), 0),
        (("base.csv", "slow.csv", "--fail-on=none"), 0),
        (("base.csv", "slow.csv", "--tolerance=0.5"), 0),
        (("slow.csv", "base.csv", "--fail-on=changed"), 1),
        (("base.csv", "half.csv"), 1),
        (("base.csv", "half.csv", "--partial"), 0),
        (("base.csv", "nowhere.csv"), 2),
        (("base.csv", "slow.csv", "--fail-on=slow"), 2),
        (("base.csv", "slow.csv", "--alpha=2"), 2),
        (("base.csv", "slow.csv", "--alpha=1e-9"), 2),
    ],
)
@pytest.mark.usefixtures("files")
def test_the_exit_code_of_a_comparison(arguments: tuple[str, ...], code: int) -> None:
    assert cli.main(["compare", *arguments]) == code


@pytest.mark.usefixtures("files")
def test_a_comparison_is_told_in_lines(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["compare", "base.csv", "slow.csv"])
    lines = capsys.readouterr().out.splitlines()
    assert " ".join(lines[1].split()) == "FAILED slower Acme bowl 100 130 1.30 [1.30, 1.30] 32/32 worse 2.3e-10"
    assert lines[-1] == "optbench failed: 1 case slower"


@pytest.mark.usefixtures("files")
def test_a_comparison_in_markdown_says_how_to_accept(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["compare", "base.csv", "slow.csv", "--markdown"])
    assert "```bash\noptbench accept slow.csv base.csv\n```" in capsys.readouterr().out


@pytest.mark.usefixtures("files")
def test_a_comparison_in_json(capsys: pytest.CaptureFixture[str]) -> None:
    cli.main(["compare", "base.csv", "slow.csv", "--json"])
    found = json.loads(capsys.readouterr().out)
    assert [(case["task"], case["change"]) for case in found["cases"]] == [("bowl", "slower"), ("valley", "unchanged")]


@pytest.mark.usefixtures("files")
def test_too_few_seeds_are_a_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    Path("few.csv").write_text(table.to_csv(RUNS[:16]))
    assert cli.main(["compare", "base.csv", "few.csv"]) == 2
    assert "no fewer than 17 can decide" in capsys.readouterr().err


@pytest.mark.usefixtures("files")
def test_merging_gives_the_table_of_one_session(capsys: pytest.CaptureFixture[str]) -> None:
    Path("rest.csv").write_text(table.to_csv(RUNS[20:]))
    assert cli.main(["merge", "rest.csv", "half.csv", "-o", "all.csv"]) == 0
    assert Path("all.csv").read_bytes() == Path("runs.csv").read_bytes()
    assert capsys.readouterr().err == "optbench: 64 runs of 2 files; 12 that were there twice\n"


@pytest.mark.usefixtures("files")
def test_merging_prints_what_has_no_file(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["merge", "half.csv"]) == 0
    assert capsys.readouterr().out == Path("half.csv").read_text()


@pytest.mark.usefixtures("files")
def test_a_conflict_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["merge", "runs.csv", "slow.csv", "-o", "all.csv"]) == 2
    assert capsys.readouterr().err.startswith(
        "optbench: slow.csv, line 2: Acme on bowl@1, seed 0: column 'steps_to_target' is 130, and 100 in runs.csv, "
        "line 2;"
    )
    assert not Path("all.csv").exists()


@pytest.mark.usefixtures("files")
def test_showing_gives_the_summary(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["show", "runs.csv"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:4] == ["bowl", "solved", "32/32", "100"]
    assert "Acme: solved 2 of 2" in lines


@pytest.mark.usefixtures("files")
def test_showing_gives_the_terminal_no_escapes(capsys: pytest.CaptureFixture[str]) -> None:
    Path("hostile.csv").write_text(table.to_csv([replace(run, task="a\x1b[2Jb") for run in RUNS[:32]]))
    assert cli.main(["show", "hostile.csv"]) == 0
    out = capsys.readouterr().out
    assert "a [2Jb" in out
    assert "\x1b" not in out


@pytest.mark.usefixtures("files")
def test_what_is_accepted_is_unchanged_from_then_on(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["accept", "slow.csv", "base.csv"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "Acme on bowl@1: 130 steps, 100 before",
        "base.csv: 1 change taken over, 2 rows",
    ]
    assert cli.main(["compare", "base.csv", "slow.csv", "--fail-on=changed"]) == 0
    assert [row.task for row in read_baseline(Path("base.csv"))] == ["bowl", "valley"]


@pytest.mark.usefixtures("files")
def test_accepting_what_holds_leaves_the_file_alone() -> None:
    before = Path("base.csv").stat().st_mtime_ns
    assert cli.main(["accept", "half.csv", "base.csv"]) == 0
    assert Path("base.csv").stat().st_mtime_ns == before


@pytest.mark.usefixtures("files")
def test_accepting_removes_what_is_gone_on_demand() -> None:
    assert cli.main(["accept", "half.csv", "base.csv", "--remove-gone"]) == 0
    assert [row.task for row in read_baseline(Path("base.csv"))] == ["bowl"]


@pytest.mark.usefixtures("files")
def test_accepting_makes_a_baseline_where_there_is_none() -> None:
    assert cli.main(["accept", "runs.csv", "new.csv"]) == 0
    assert Path("new.csv").read_bytes() == Path("base.csv").read_bytes()


@pytest.mark.usefixtures("files")
def test_accepting_a_crash_writes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    broken = [replace(RUNS[0], outcome="crashed", steps_to_target=None), *RUNS[1:]]
    Path("broken.csv").write_text(table.to_csv(broken))
    before = Path("base.csv").read_bytes()
    assert cli.main(["accept", "broken.csv", "base.csv"]) == 2
    assert "Acme on bowl@1: crashed or timed out" in capsys.readouterr().err
    assert Path("base.csv").read_bytes() == before


def test_files_need_neither_torch_nor_pytest(files: Path) -> None:
    script = """
import sys
from pytest_optbench import cli
assert cli.main(["compare", "base.csv", "slow.csv", "--markdown"]) == 1
assert cli.main(["compare", "base.csv", "slow.csv"]) == 1
assert cli.main(["merge", "runs.csv"]) == 0
assert cli.main(["show", "runs.csv"]) == 0
assert cli.main(["accept", "slow.csv", "base.csv"]) == 0
heavy = {"torch", "numpy", "pandas", "pytest"} & sys.modules.keys()
assert not heavy, heavy
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=files, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
