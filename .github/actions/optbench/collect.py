"""Reads what a run has left, appends the Markdown to the job's summary, and sets the outputs of the action.

`verdict` is `nothing` where no case and no check was measured, else `passed` or `failed`, as pytest's exit status says.
"""

import csv
import json
import os
import sys
from collections import Counter
from pathlib import Path
from xml.etree import ElementTree

SUMMARY_LIMIT = 1000_000
"""Bytes of a job's summary; a little less than what GitHub takes from a step."""


def items(report: Path) -> Counter[str]:
    """The items of a JUnit report that carry properties of a benchmark, or failed, by what became of them."""
    counts: Counter[str] = Counter(measured=0, passed=0, failed=0, skipped=0)
    try:
        cases = list(ElementTree.parse(report).iter("testcase"))
    except (OSError, ElementTree.ParseError):
        return counts
    for case in cases:
        failed = case.find("failure") is not None or case.find("error") is not None
        ours = any(one.get("name") == "optbench_recipe" for one in case.iter("property"))
        if ours or failed:
            word = "failed" if failed else "skipped" if case.find("skipped") is not None else "passed"
            counts[word] += 1
            counts["measured"] += ours
    return counts


def changes(table: Path) -> dict[str, int]:
    """The cases of a runs table by how they compare with the baseline."""
    try:
        with table.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if row.get("trial") == "0"]
    except (OSError, UnicodeDecodeError, csv.Error):
        return {}
    cases = {(row.get("recipe"), row.get("task"), row.get("task_version")): row.get("change") or "" for row in rows}
    return dict(sorted(Counter(filter(None, cases.values())).items()))


def main() -> None:
    csv.field_size_limit(2**31 - 1)
    folder = Path(os.environ["OPTBENCH_FOLDER"])
    table, report, markdown = (folder / f"optbench.{suffix}" for suffix in ("csv", "xml", "md"))
    counts = items(report)
    verdict = "passed" if os.environ["OPTBENCH_STATUS"] == "0" else "failed"
    if not counts["measured"]:
        verdict = "nothing"
    text = markdown.read_bytes() if markdown.is_file() else b"**Optimizer benchmarks: no summary was written.**\n"
    with Path(os.environ["GITHUB_STEP_SUMMARY"]).open("ab") as summary:
        summary.write(text[:SUMMARY_LIMIT].decode("utf-8", errors="ignore").encode() + b"\n")
    outputs = {
        "verdict": verdict,
        "csv": str(table) if table.is_file() else "",
        "markdown": str(markdown) if markdown.is_file() else "",
        "counts": json.dumps({**counts, "changes": changes(table)}),
    }
    with Path(os.environ["GITHUB_OUTPUT"]).open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in outputs.items())
    sys.stdout.write(f"{verdict}: {outputs['counts']}\n")


main()
