"""The page of runs tables: what is in it, and that nothing of a table can be more than text."""

from __future__ import annotations

import json
import math
import re
import shlex
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from pages import HOSTILE, few, read, runs, written

from pytest_optbench.analysis.bands import Band
from pytest_optbench.analysis.cases import reference_cases
from pytest_optbench.report.page import document
from pytest_optbench.report.page.commands import option_of
from pytest_optbench.report.page.detail import detail
from pytest_optbench.report.page.document import embedded, page
from pytest_optbench.report.page.examples import LEFT_OUT, UNREADABLE, examples_of
from pytest_optbench.report.page.level import LEVELS, Level, number, thin_band, thinned
from pytest_optbench.words.declaration import parse_option

FULL = LEVELS[0]


class Elements(HTMLParser):
    """The names of a page's elements, and what is inside its blocks of data by id."""

    def __init__(self, text):
        super().__init__()
        self.names, self.blocks, self._inside = [], {}, ""
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self._inside = dict(attrs).get("id", "") if tag == "script" else ""

    def handle_endtag(self, tag):
        self._inside = ""

    def handle_data(self, text):
        if self._inside:
            self.blocks[self._inside] = self.blocks.get(self._inside, "") + text


def blocks(path):
    return {name: json.loads(text) for name, text in Elements(path.read_text(encoding="utf-8")).blocks.items()}


def column(index, name):
    return [index["texts"][place] for place in index["columns"][name]]


def test_the_table_has_a_row_for_each_case(tmp_path):
    index = blocks(written(tmp_path, few()))["index"]
    assert column(index, "recipe") == ["Adam", "Adam", "Lion", "Lion"]
    assert column(index, "outcome") == ["solved", "missed", "solved", "solved"]
    assert index["columns"]["steps"] == [35, None, 10, 100]
    assert index["columns"]["reached"] == [2, 0, 2, 2]
    assert index["columns"]["ratio"] == [None, None, 0.3, None]


def test_tags_are_those_that_are_known(tmp_path):
    index = blocks(written(tmp_path, few()))["index"]
    assert [task["tags"] for task in index["tasks"]] == [["convex", "unit"], ["nonconvex"]]


def test_details_are_in_the_order_of_the_table_whatever_the_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(document, "CHUNK", 3)
    found = blocks(written(tmp_path, few()))
    details = found["details-0"] + found["details-1"]
    assert [len(found["details-0"]), len(details), found["index"]["chunk"]] == [3, 4, 3]
    assert ["trajectory" in one.get("examples", {}) for one in details] == [True, False, False, False]


def test_the_verdict_and_the_counts_are_there_without_the_script(tmp_path):
    text = written(tmp_path, few()).read_text(encoding="utf-8")
    assert '<h1 class="verdict failed">Failed: 1 of 4 cases</h1>' in text
    assert "1 missed, 3 solved; 1 faster, 3 new" in text


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [("passed", "Passed: 1 case"), ("", "Reported: 1 case, on which nothing hangs"), ("failed", "Failed: 1 of 1 case")],
)
def test_the_verdict_follows_from_the_table(verdict, expected, tmp_path):
    assert expected in written(tmp_path, runs("Adam", "bowl", [1, 2], verdict=verdict)).read_text(encoding="utf-8")


def test_what_is_only_reported_is_not_counted_as_passed(tmp_path):
    table = [
        *runs("Adam", "bowl", [1, 2], verdict="passed"),
        *runs("Adam", "hill", [1, 2], verdict="reported"),
        *runs("Adam", "cave", [1, 2], verdict=""),
    ]
    text = written(tmp_path, table).read_text(encoding="utf-8")
    assert "Passed: 1 of 3 cases; nothing hangs on the others" in text


def test_a_table_without_cases_measured_nothing(tmp_path):
    assert "Nothing was measured" in page(lambda: [])


def test_whoever_knows_more_says_the_verdict(tmp_path):
    text = written(tmp_path, few(), verdict="failed: <b>2</b>", counts="a & b").read_text(encoding="utf-8")
    assert '<h1 class="verdict failed">Failed: &lt;b&gt;2&lt;/b&gt;</h1>' in text
    assert "a &amp; b" in text


def test_hostile_texts_make_no_elements(tmp_path):
    fields = ("optimizer", "tier", "regime", "level", "change", "unhealthy", "platform")
    usual, hostile = (
        Elements(
            written(
                tmp_path,
                [run for name in names for run in runs(name, name, [1, 2], **dict.fromkeys(fields, name))],
            ).read_text(encoding="utf-8")
        )
        for names in ([f"name{k}" for k in range(len(HOSTILE))], HOSTILE)
    )
    assert hostile.names == usual.names
    assert hostile.blocks.keys() == usual.blocks.keys()


def test_long_texts_are_cut(tmp_path):
    assert written(tmp_path, runs("long" * 2500, "name" * 2500, [1, 2])).stat().st_size < 100_000


def test_data_is_plain_ascii_without_markup():
    text = embedded(["</script>", "<!--", "\u2028", "&amp;", "\ud800"])
    assert re.fullmatch(r"[ -~]*", text)
    assert not set("<>&") & set(text)
    assert json.loads(text) == ["</script>", "<!--", "\u2028", "&amp;", "\ud800"]


def test_nothing_but_the_page_s_own_script_and_style_is_allowed(tmp_path):
    text = written(tmp_path, few()).read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)[1]
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)


def test_the_script_never_makes_markup_of_a_text(tmp_path):
    script = "".join(document._scripts())
    assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function", script)


def test_reference_and_speed_up_are_those_of_the_same_target(tmp_path):
    known = next(row for row in reference_cases() if (row.recipe, row.task) == ("AdamW", "sphere10"))
    own = {"task_version": known.task_version, "budget": known.budget}
    (same, other) = (
        blocks(written(tmp_path, runs("Mine", "sphere10", [10, 10], target=target, **own)))["index"]
        for target in (known.target, 2 * known.target)
    )
    assert same["columns"]["speedup"] == [pytest.approx(known.median_steps / 10)]
    assert "AdamW" in {one["recipe"] for one in same["tasks"][0]["references"]}
    assert (other["columns"]["speedup"], other["tasks"][0]["references"]) == ([None], [])


def test_many_cases_are_kept_in_less_detail(monkeypatch, tmp_path):
    cases = read(tmp_path, few())
    levels = (replace(FULL, most=3), Level(most=math.inf, points=2, digits=2, note="fewer"))
    monkeypatch.setattr(document, "LEVELS", levels)
    found = Elements(page(lambda: cases)).blocks
    assert json.loads(found["index"])["note"] == "fewer"
    details = json.loads(found["details-0"])
    assert len(details) == 4
    assert not any("seeds" in one or "diagnostics" in one for one in details)
    assert all(len(one["curve"][0]) == 2 for one in details)


def test_a_page_of_the_ecosystem_on_all_tasks_is_under_20_mb(tmp_path):
    (case,) = read(tmp_path, runs("Adam", "bowl", [7 * seed for seed in range(32)]))
    steps = tuple(range(0, 520, 7))
    values = tuple(math.exp(-step / 77) for step in steps)
    curve = Band(steps=steps, low=values, median=values, high=values)
    metrics = {f"recall_{k}": 0.987654 for k in range(10)}
    level = next(one for one in LEVELS if one.most >= 150 * 115)
    one = detail(replace(case, curve=curve, metrics=metrics), level)
    assert len(embedded(one)) * 150 * 115 < 18e6


def test_a_band_keeps_its_ends():
    steps = tuple(range(100))
    band = Band(steps=steps, low=steps, median=steps, high=(*steps[:-1], math.inf))
    kept = thin_band(band, Level(most=1, points=5, digits=3))
    assert (kept[0][0], kept[0][-1], len(kept[0])) == (0, 99, 5)
    assert kept[3][-1] is None


@pytest.mark.parametrize("most", [2, 3, 7, 50])
def test_thinned_steps_are_few_and_in_order(most):
    kept = thinned(tuple(range(0, 4000, 3)), most)
    assert len(kept) <= most
    assert kept == sorted(set(kept))


@pytest.mark.parametrize(
    ("value", "expected"), [(12.0, 12), (0.123456789, 0.12346), (math.nan, None), (None, None), (1e300, 1e300)]
)
def test_numbers_are_short(value, expected):
    assert number(value) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("", {}),
        ("no json", UNREADABLE),
        ("[1]", UNREADABLE),
        ("[" * 100_000, UNREADABLE),
        ('{"a":[1.000000001,true,NaN,null]}', {"a": [1, 1, None, None]}),
        ('{"a":"<b>\\u202e"}', {"a": "<b>"}),
        ('{"a":[[[[[1]]]]]}', {"a": [[[[None]]]]}),
        (json.dumps({"a": ["x" * 100] * 1000}), LEFT_OUT),
        ('{"trajectory":[[0,1,2],[1,"x",2],[2],7]}', {"trajectory": [[0, 1, 2]]}),
    ],
    ids=lambda value: str(value)[:30],
)
def test_examples_become_plain_data_or_a_sentence(cell, expected):
    assert examples_of(cell, FULL) == expected


def test_a_long_trajectory_is_thinned_and_keeps_its_ends():
    cell = json.dumps({"trajectory": [[step, step / 3, 0.0] for step in range(1000)]})
    kept = examples_of(cell, FULL)["trajectory"]
    assert len(kept) <= FULL.points + 1
    assert (kept[0][0], kept[-1][0]) == (0, 999)


@pytest.mark.parametrize(
    "values", [{}, {"lr": 0.1}, {"betas": [0.9, 0.99], "name": "it's $(x)", "deep": {"a b": True}, "eps": 1e-8}]
)
def test_the_command_gives_the_recipe_back(values, tmp_path):
    (case,) = read(tmp_path, runs("MyAdam", "bowl", [1, 2], hyperparameters=json.dumps(values)))

    (word,) = shlex.split(option_of(case))
    declaration = parse_option(word, option="--optbench-optimizer")
    assert (declaration.name, declaration.optimizer, declaration.hyperparameters) == ("MyAdam", "acme:Adam", values)


@pytest.mark.parametrize(
    "columns",
    [
        {"optimizer": "acme:make.<locals>.Adam"},
        {"optimizer": "$(reboot)"},
        {"hyperparameters": '{"lr": null}'},
        {"hyperparameters": "no json"},
        {"recipe": "$(reboot)"},
    ],
)
def test_what_no_command_can_give_is_left_out(columns, tmp_path):
    (case,) = read(tmp_path, runs(**{"recipe": "Adam", "task": "bowl", "steps": [1, 2], **columns}))
    assert option_of(case) == ""
