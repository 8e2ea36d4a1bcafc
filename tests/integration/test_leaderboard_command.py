"""`optbench leaderboard`: a site from runs tables, in which names do nothing."""

from __future__ import annotations

import csv
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from pytest_optbench import cli
from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv
from pytest_optbench.words.threshold import shipped_thresholds

HOSTILE = '"><img src=x onerror=alert(1)>'
CLOSING = f"</script>{HOSTILE}"
SPHERE = shipped_thresholds()["sphere10", 1]


def runs(recipe="Acme", task="sphere10", **changes):
    threshold = shipped_thresholds()[task, 1]
    fields = {
        "suite": "optbench-2026.1",
        "task": task,
        "tier": "unit",
        "recipe": recipe,
        "optimizer": "acme:Acme",
        "regime": "tuned",
        "hyperparameters": '{"lr": 0.1}',
        "budget": threshold.budget,
        "target": threshold.target,
        "initial": 9.0,
        "best": 0.0,
        "outcome": "reached",
        "steps_to_target": threshold.budget // 2,
        **changes,
    }
    return [Run(seed=seed, **fields) for seed in range(4)]


@pytest.fixture
def site(tmp_path, monkeypatch, capsys):
    """Runs the command on a table; returns a reader of the site's files."""
    monkeypatch.chdir(tmp_path)

    def make(rows, *arguments):
        Path("runs.csv").write_text(to_csv(rows))
        assert cli.main(["leaderboard", "runs.csv", "--out", "site", *arguments]) == 0, capsys.readouterr().err
        return lambda name: Path("site", name).read_text()

    return make


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, text):
        super().__init__()
        self.found = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))


def test_an_optimizer_with_a_file_for_each_tier_is_one(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("unit.csv").write_text(to_csv(runs()))
    Path("small.csv").write_text(to_csv(runs(task="iris_logreg", tier="small")))
    assert cli.main(["leaderboard", "unit.csv", "small.csv", "--out", "site"]) == 0
    assert capsys.readouterr().out == f"{Path('site', 'index.html')}: 1 optimizer on 2 boards\n"


def test_an_entry_is_ranked_beside_the_references(site):
    read = site(runs(), "--tasks=sphere10", "--with-references")
    rows = list(csv.DictReader(read("leaderboard.csv").splitlines()))
    ranked = [row["recipe"] for row in rows if row["category"] == "all"]
    assert "Acme" in ranked
    assert {"AdamW", "SGD", "LBFGS"} <= set(ranked)


def test_an_entry_of_one_task_is_incomplete_without_an_expression(site):
    assert re.search(r"`Acme` \(1 of \d\d\)", site(runs())("leaderboard.md"))


def test_the_table_to_download_is_the_one_that_was_given(site):
    read = site(runs())
    assert read("data/runs.csv") == Path("runs.csv").read_text()
    assert 'href="data/runs.csv"' in read("index.html")


def test_the_page_asks_for_nothing_from_elsewhere(site):
    text = site(runs(), "--with-references")("index.html")
    assert "default-src 'none'" in text
    for _, attributes in Tags(text).found:
        for name in ("src", "href"):
            assert not re.match(r"(?:https?:)?//", attributes.get(name) or "")


def test_hostile_text_is_inert_on_the_page(site):
    values = json.dumps({CLOSING: 1})
    hostile = runs(recipe=HOSTILE, optimizer=CLOSING, optimizer_version=CLOSING, suite=CLOSING, hyperparameters=values)
    text = site([*hostile, *runs(recipe="Acme", suite=CLOSING)], "--tasks=sphere10")("index.html")
    tags = Tags(text).found
    assert [tag for tag, _ in tags].count("script") == 1
    assert not any(tag == "img" or "onerror" in attributes for tag, attributes in tags)
    assert "alert(1)" in text


def test_hostile_text_is_inert_in_markdown(site):
    text = site(runs(recipe="=[x](http://e)|<b>@you"), "--tasks=sphere10")("leaderboard.md")
    assert "<b>" not in text
    assert "[x]" not in text


def test_formulas_are_defused_in_the_table(site):
    assert "'=cmd()" in site(runs(recipe="=cmd()"), "--tasks=sphere10")("leaderboard.csv")


def test_a_hostile_file_name_stays_in_its_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a b").mkdir()
    for name in ("a b/<x>.csv", "<x>.csv"):
        Path(name).write_text(to_csv(runs()))
    assert cli.main(["leaderboard", "a b/<x>.csv", "<x>.csv", "--out", "site"]) == 0
    assert sorted(path.name for path in Path("site/data").iterdir()) == ["_x_-2.csv", "_x_.csv"]


@pytest.mark.parametrize(
    ("rows", "arguments", "words"),
    [
        (runs(task_version=9), (), "sphere10@9, and this leaderboard is of sphere10@1"),
        (runs(), ("--tasks=sphere11",), "did you mean 'sphere10'?"),
    ],
)
def test_mistakes_are_told_in_a_sentence(tmp_path, monkeypatch, capsys, rows, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("runs.csv").write_text(to_csv(rows))
    assert cli.main(["leaderboard", "runs.csv", "--out", "site", *arguments]) == 2
    assert words in capsys.readouterr().err
    assert not Path("site").exists()


def test_nothing_to_rank_is_a_mistake(tmp_path, capsys):
    assert cli.main(["leaderboard", "--out", str(tmp_path / "site")]) == 2
    assert "--with-references" in capsys.readouterr().err
