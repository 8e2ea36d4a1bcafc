"""JUnit: the report keeps the rules of the schema that Jenkins publishes (junit-10.xsd of its xunit plugin)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.etree import ElementTree

import pytest
from project import Project


@dataclass(frozen=True)
class Rule:
    """What an element may hold."""

    children: frozenset[str] = frozenset()
    required: frozenset[str] = frozenset()
    allowed: frozenset[str] = frozenset()
    text: bool = False


def rule(children: str = "", required: str = "", allowed: str = "", *, text: bool = False) -> Rule:
    return Rule(frozenset(children.split()), frozenset(required.split()), frozenset(allowed.split()), text)


OUTCOME = rule(allowed="type message", text=True)
RULES = {
    "testsuites": rule("testsuite", allowed="name time tests failures errors"),
    "testsuite": rule(
        "testsuite properties testcase system-out system-err",
        "name tests failures errors",
        "group time skipped timestamp hostname id package file log url version",
    ),
    # Properties of a test case are not in that schema. Jenkins's own junit step keeps them; so do other readers.
    "testcase": rule("properties skipped error failure system-out system-err", "name", "time classname group"),
    "properties": rule("property"),
    "property": rule(required="name value"),
    "failure": OUTCOME,
    "error": OUTCOME,
    "skipped": OUTCOME,
    "system-out": rule(text=True),
    "system-err": rule(text=True),
}
TIME = re.compile(r"(([0-9]{0,3},)*[0-9]{3}|[0-9]{0,3})*(\.[0-9]*)?")
HOSTILE = 'raise ValueError("]]> <b>&amp; \\x00\\x1b[31m \\uffff \\r\\n")'


def violations(element: ElementTree.Element) -> list[str]:
    known = RULES[element.tag]
    found = [f"{element.tag} holds {child.tag}" for child in element if child.tag not in known.children]
    found += [f"{element.tag} lacks {name}" for name in known.required - element.attrib.keys()]
    found += [f"{element.tag} has {name}" for name in element.attrib.keys() - known.required - known.allowed]
    if not known.text and (element.text or "").strip():
        found.append(f"{element.tag} has text")
    if element.tag.startswith("testsuite") and not TIME.fullmatch(element.get("time", "")):
        found.append(f"{element.tag} has a time of {element.get('time')}")
    return found + [one for child in element if child.tag in RULES for one in violations(child)]


@pytest.fixture
def report(project: Project, request: pytest.FixtureRequest) -> ElementTree.Element:
    """Of a session in which everything happens: passed, failed, expected, crashed, checks, hostile messages."""
    project.write(
        {
            "hostile.py": f"""
                from acme import Descent

                class Hostile(Descent):
                    def misbehave(self):
                        {HOSTILE}
            """
        }
    )
    slow = "hyperparameters = { lr = 0.001 }"
    project.table("Descent", f"Slow\n{slow}", f'Known=Slow\n{slow}\nexpected_failures = {{ bowl2 = "<#1>" }}')
    toml = project.folder / "pyproject.toml"
    toml.write_text(f'{toml.read_text()}[tool.optbench.optimizers.Hostile]\nclass = "hostile:Hostile"\n')
    options = ("--optbench-layer=all", "-k", "tasks or moves_and_descends")
    result = project.bench(*options, *getattr(request, "param", ()))
    assert {"passed", "failed", "xfailed"} <= result.outcomes.keys()
    return ElementTree.parse(project.folder / "junit.xml").getroot()


@pytest.mark.parametrize("report", [(), ("-n2",)], indirect=True, ids=["serial", "workers"])
def test_it_keeps_the_rules(report: ElementTree.Element) -> None:
    assert violations(report) == []


def test_the_counts_are_those_of_the_cases(report: ElementTree.Element) -> None:
    (suite,) = report
    cases = suite.findall("testcase")
    counts = [len(cases), *(len(suite.findall(f"testcase/{word}")) for word in ("failure", "error", "skipped"))]
    assert [int(suite.attrib[name]) for name in ("tests", "failures", "errors", "skipped")] == counts
    assert counts[1] > 0
    assert len({(case.get("classname"), case.get("name")) for case in cases}) == len(cases)


def test_every_case_has_its_figures_once(report: ElementTree.Element) -> None:
    for case in report.iter("testcase"):
        names = [one.get("name") for one in case.iter("property")]
        assert names
        assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('<testcase name="a" line="1"/>', ["testcase has line"]),
        ("<testcase/>", ["testcase lacks name"]),
        ("<testsuites><testcase name='a'/></testsuites>", ["testsuites holds testcase"]),
        ("<properties>text</properties>", ["properties has text"]),
        ("<testsuites time='1e3'/>", ["testsuites has a time of 1e3"]),
    ],
)
def test_the_rules_are_looked_at(text: str, found: list[str]) -> None:
    assert violations(ElementTree.fromstring(text)) == found
