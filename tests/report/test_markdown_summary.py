"""The Markdown summary, read back by a reader of Markdown."""

from __future__ import annotations

import json
import math

import pytest
from markdown_it import MarkdownIt
from test_inert_text import HOSTILE

from pytest_optbench.report.comparison import comparison_lines, to_json
from pytest_optbench.report.markdown import NAMES, ROWS, SENTENCES, markdown
from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.comparison import compare
from pytest_optbench.words.finding import Finding
from pytest_optbench.words.fingerprint import Change
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, Gate
from pytest_optbench.words.review import Review, reviewed

READER = MarkdownIt("gfm-like", {"linkify": False})
BASE = (100,) * 32
MISS = (None,) * 32


def row(steps=BASE, task="bowl", **rest):
    made = {
        "recipe": "Acme",
        "task": task,
        "task_version": 1,
        "budget": 900,
        "eval_every": 1,
        "target": 0.1,
        "seeds": tuple(range(32)),
        "initial": (1.0,) * 32,
        "outcomes": tuple("missed" if one is None else "reached" for one in steps),
        "steps": tuple(steps),
        "best": (0.05,) * 32,
        "trajectory_sha": f"sha of {steps}",
        "torch": "2.13",
    }
    return BaselineRow(**{**made, **rest})


def review_of(*sides, fail_on=DEFAULT_FAIL_ON, **rest):
    comparisons = [compare(before, after, Gate()) for before, after in sides]
    return Review(cases=reviewed(comparisons, fail_on=fail_on, full=True), **rest)


UNCHANGED = (row(), row())
SLOWER = (row(task="slow"), row((130,) * 32, task="slow"))
FASTER = (row(task="fast"), row((70,) * 32, task="fast"))
CHANGED = (row(task="other"), row((101, *BASE[1:]), task="other"))
GONE = (row(task="lost"), None)
NEW_MISS = (None, row(MISS, task="hard"))
SOLVED = (row(MISS, task="mended"), row(task="mended"))
KNOWN_MISS = (row(MISS, task="hopeless"), row(MISS, task="hopeless"))
INCOMPARABLE = (row(task="moved"), row(task="moved", budget=800))
BROKEN = (
    row(task="broken"),
    row((None, *BASE[1:]), task="broken", outcomes=("crashed", *["reached"] * 31)),
)


def cells(text):
    """The cells of every table, by row, without the headers."""
    table, out = False, []
    for token in READER.parse(text):
        if token.type == "tbody_open":
            table = True
        elif token.type == "tbody_close":
            table = False
        elif table and token.type == "tr_open":
            out.append([])
        elif table and token.type == "inline":
            out[-1].append("".join(one.content for one in token.children if one.type in ("text", "code_inline")))
    return out


def heading(text):
    found = READER.parse(text)
    return next(found[k + 1].content for k, token in enumerate(found) if token.type == "heading_open")


def test_what_moved_is_a_table_with_the_worst_first():
    text = markdown(review_of(UNCHANGED, FASTER, CHANGED, SLOWER, GONE, SOLVED))
    assert heading(text) == "❌ optbench failed: 1 case slower, 1 case gone"
    assert cells(text)[:5] == [
        ["❌", "slower", "Acme", "slow", "100", "130", "1.30 [1.30, 1.30]", "32/32 worse", "2.3e-10"],
        ["❌", "gone", "Acme", "lost", "100", "-", "", "32/32 reached", ""],
        ["", "faster", "Acme", "fast", "100", "70", "0.70 [0.70, 0.70]", "32/32 better", "2.3e-10"],
        [
            "",
            "faster (newly solved)",
            "Acme",
            "mended",
            "missed",
            "100",
            "0.00 [0.00, 0.00]",
            "32/32 better",
            "2.3e-10",
        ],
        ["", "changed", "Acme", "other", "100", "100", "1.00 [1.00, 1.00]", "0/32 moved", "1"],
    ]


@pytest.mark.parametrize(
    ("sides", "rest", "line"),
    [
        ([UNCHANGED], {}, "✅ optbench passed: 1 case"),
        ([UNCHANGED, FASTER, CHANGED], {}, "✅ optbench passed: 3 cases, 1 faster, 1 changed"),
        ([KNOWN_MISS], {}, "✅ optbench passed: 1 case"),
        ([NEW_MISS], {}, "❌ optbench failed: 1 case missed"),
        ([INCOMPARABLE], {}, "❌ optbench failed: 1 case incomparable"),
        ([BROKEN, SLOWER, SLOWER], {}, "❌ optbench failed: 2 cases slower, 1 case crashed or timed out"),
        ([], {}, "❌ optbench failed: nothing was measured"),
        (
            [UNCHANGED],
            {"fingerprints": (Change("Acme", "decay", "differs"),), "fingerprints_fail": True},
            "❌ optbench failed: 1 fingerprint changed",
        ),
        (
            [],
            {"findings": (Finding(recipe="Acme", configuration="default", check="resume", outcome="xpassed"),)},
            "❌ optbench failed: 1 check of the contract failed",
        ),
        (
            [],
            {"findings": (Finding(recipe="Acme", configuration="default", check="resume", outcome="xfailed"),)},
            "✅ optbench passed: 0 cases",
        ),
    ],
)
def test_the_verdict_is_the_heading(sides, rest, line):
    assert heading(markdown(review_of(*sides, **rest))) == line


def test_every_failure_has_its_sentence():
    finding = Finding(
        recipe="Acme",
        configuration="decay",
        check="resume",
        part="bfloat16",
        outcome="failed",
        sentence="state is lost",
    )
    text = markdown(
        review_of(
            SLOWER,
            NEW_MISS,
            findings=(finding,),
            fingerprints=(Change("Acme", "decay", "in step 3, the norm differs"),),
            fingerprints_fail=True,
        )
    )
    shown = text.partition("<details>")[0]
    for part in (
        "state is lost",
        "in step 3, the norm differs",
        "slower on 32 of 32",
        "0 of 32 seeds reach the target",
    ):
        assert shown.count(part) == 1


def test_a_fingerprint_that_fails_nothing_is_told_all_the_same():
    text = markdown(review_of(UNCHANGED, fingerprints=(Change("Acme", "decay", "in step 3"),)))
    assert "fingerprint of `Acme` `decay`: in step 3" in text.partition("<details>")[2]


def test_where_a_case_parts_first_is_folded():
    shown, _, folded = markdown(review_of(CHANGED)).partition("<details>")
    assert "seed 0: steps to target 100 before, 101 now" in folded
    assert "before, 101 now" not in shown


def test_it_says_how_to_accept_only_what_is_to_be_accepted():
    assert "```bash\noptbench accept a b\n```" in markdown(review_of(CHANGED), accept="optbench accept a b")
    assert "accept" not in markdown(review_of(UNCHANGED), accept="optbench accept a b")


def test_a_path_cannot_leave_the_block_of_its_command():
    text = markdown(review_of(CHANGED), accept="optbench accept 'a```\n# passed' b")
    assert [token.content for token in READER.parse(text) if token.type == "fence"] == [
        "optbench accept 'a``` # passed' b\n"
    ]


def test_another_environment_is_one_line():
    text = markdown(review_of((row(), row(torch="2.14", cpu="AVX2")), (row(task="b"), row(task="b", torch="2.14"))))
    assert "Another environment: cpu ? → `AVX2`, torch `2.13` → `2.14`." in text


def test_many_cases_fit_on_a_screen():
    sides = [(row(task=f"t{k:04}"), row((130,) * 32, task=f"t{k:04}", cpu=f"c{k}")) for k in range(2000)]
    text = markdown(review_of(*sides))
    shown = text.partition("<details>")[0]
    assert shown.count("| ❌ |") == ROWS
    assert shown.count("- ❌") == SENTENCES
    assert f"{2000 - NAMES} more" in shown
    assert len(text) <= 60_000
    assert text.count("<details>") == text.count("</details>") >= 1
    assert "… and " in text


@pytest.mark.parametrize("longest", [6_000, 60_000])
def test_hostile_names_never_make_it_longer(longest):
    name = "@" * 200
    sides = [(row(task=f"{name}{k}"), row((130,) * 32, task=f"{name}{k}", torch=f"{k}{name}")) for k in range(60)]
    findings = [
        Finding(recipe=name, configuration=f"{k}{name}", check=name, outcome="failed", sentence=name * 9)
        for k in range(60)
    ]
    text = markdown(review_of(*sides, findings=tuple(findings)), longest=longest)
    assert len(text) <= longest
    assert text.count("<details>") == text.count("</details>")


@pytest.mark.parametrize("name", [*HOSTILE, "a\n\n# passed\n", "a\n| ❌ |"])
def test_hostile_names_are_inert(name):
    before, after = row(task=name, recipe=name, torch=name), row((130,) * 32, task=name, recipe=name, torch="x")
    quiet = (row(task=f"{name}2"), row(task=f"{name}2"))
    finding = Finding(recipe=name, configuration=name, check=name, part=name, outcome="failed", sentence=name)
    change = Change(name, name, name)
    text = markdown(review_of((before, after), quiet, findings=(finding,), fingerprints=(change,)))
    found = READER.parse(text)
    shown = " ".join(name.split())
    slow, other = cells(text)
    assert (slow[0], slow[2], slow[3], len(slow)) == ("❌", shown, shown, 9)
    assert (other[0], other[2], len(other)) == ("", "Acme", 9)
    assert sum(token.type == "heading_open" for token in found) == 1
    assert {token.tag for token in found} <= {"", "h3", "p", "table", "thead", "tbody", "tr", "th", "td", "ul", "li"}
    inline = [one for token in found for one in token.children or ()]
    assert {one.type for one in inline} <= {"text", "code_inline", "html_inline", "softbreak"}
    assert {one.content for one in inline if one.type == "html_inline"} <= {"<code>", "</code>", "</details>"}
    blocks = {token.content.partition("\n")[0].partition(":")[0] for token in found if token.type == "html_block"}
    assert blocks <= {
        "<details><summary>Why, and where results differ first",
        "<details><summary>The other cases",
        "</details>",
    }


def test_the_terminal_has_the_same_figures():
    lines = [line.text for line in comparison_lines(review_of(SLOWER, FASTER, UNCHANGED), width=100)]
    assert " ".join(lines[1].split()) == "FAILED slower Acme slow 100 130 1.30 [1.30, 1.30] 32/32 worse 2.3e-10"
    assert lines[-2:] == ["Cases: 1 unchanged, 1 faster, 1 slower.", "optbench failed: 1 case slower"]


def test_the_terminal_gets_no_escapes():
    name = "a\x1b[2J\nb"
    for line in comparison_lines(review_of((row(task=name, torch=name), row((130,) * 32, task=name)))):
        assert line.text.isprintable()


def test_json_is_strict():
    def refuse(word):
        raise AssertionError(word)

    found = json.loads(to_json(review_of(SLOWER, KNOWN_MISS, GONE)), parse_constant=refuse)
    assert (found["passed"], found["counts"]["slower"]) == (False, 1)
    slow, gone, miss = found["cases"]
    assert (slow["change"], slow["p_value"], slow["evidence"]["effect"]["ratio"]) == ("slower", 2**-32, 1.3)
    assert gone["after"] is None
    assert miss["before"]["median_steps"] == "inf"
    assert math.isinf(float(miss["before"]["median_steps"]))
