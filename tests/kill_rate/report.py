"""The report: tables of the kill rate in Markdown, as a pure function of the rows of `results.csv`."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: written by run.py -->", "<!-- end of results -->"
REMARKS = Path(__file__).parent / "remarks.csv"
Row = Mapping[str, Any]

SEEN: Mapping[str, tuple[str, ...]] = {
    "contract, nothing declared": ("nothing",),
    "with claims and configurations": ("nothing", "claims"),
    "with the family": ("nothing", "claims", "family"),
    "parity alone": ("parity",),
    "fingerprint alone": ("fingerprint",),
    "contract or parity": ("nothing", "claims", "family", "parity"),
    "contract or fingerprint": ("nothing", "claims", "family", "fingerprint"),
    "contract, fingerprint or parity": ("nothing", "claims", "family", "fingerprint", "parity"),
    "convergence alone": ("convergence",),
}
"""What is counted: mutants that one of the layers catches."""
KINDS = {"written": "written by hand after real failures", "mechanical": "made by rule"}


def write_tables(file: Path, rows: Sequence[Row], alarms: Mapping[str, Mapping[str, str]]) -> None:
    """Put the tables between the markers of a Markdown file."""
    with REMARKS.open(newline="", encoding="utf-8") as remarks:
        known = {row["mutant"]: row["check"] for row in csv.DictReader(remarks)}
    text = file.read_text(encoding="utf-8")
    head, tail = text.partition(BEGIN)[0], text.partition(END)[2]
    file.write_text(f"{head}{BEGIN}\n\n{tables(rows, alarms, known)}\n{END}{tail}", encoding="utf-8")


def tables(rows: Sequence[Row], alarms: Mapping[str, Mapping[str, str]], remarks: Mapping[str, str]) -> str:
    """All tables; `remarks` say by mutant which check should exist, or why none can."""
    parts = [_rates(rows), _first(rows)]
    parts += [_by_optimizer(rows, kind) for kind in KINDS]
    parts += [_survivors(rows, remarks), _unseen(rows, remarks), _equal(rows), _alarms(rows, alarms)]
    return "\n".join(parts)


def real(rows: Iterable[Row], kind: str) -> list[Row]:
    """The mutants of a kind that are not equal to the clean class."""
    return [row for row in rows if row["kind"] == kind and row["equality"] == "different"]


def caught(row: Row, layers: Iterable[str]) -> bool:
    return any(row[layer] for layer in layers)


def _rates(rows: Sequence[Row]) -> str:
    lines = ["### Kill rates", "", "| caught by | written by hand | made by rule |", "|---|---:|---:|"]
    for words, layers in SEEN.items():
        lines.append(f"| {words} | " + " | ".join(_share(real(rows, kind), layers) for kind in KINDS) + " |")
    return "\n".join([*lines, ""])


def _share(rows: Sequence[Row], layers: Sequence[str]) -> str:
    count = sum(caught(row, layers) for row in rows)
    return f"{count} of {len(rows)} ({100 * count / len(rows):.1f} %)" if rows else "-"


def _first(rows: Sequence[Row]) -> str:
    lines = ["### The first layer that catches", "", "| layer | written by hand | made by rule |", "|---|---:|---:|"]
    for layer in ("nothing", "claims", "family", "parity", "fingerprint", "convergence", ""):
        counts = [sum(row["first"] == layer for row in real(rows, kind)) for kind in KINDS]
        lines.append(f"| {layer or 'none'} | {counts[0]} | {counts[1]} |")
    return "\n".join([*lines, ""])


def _by_optimizer(rows: Sequence[Row], kind: str) -> str:
    names = ("nothing", "claims", "family", "parity", "fingerprint", "convergence")
    lines = [
        f"### By optimizer: mutants {KINDS[kind]}",
        "",
        "| optimizer | mutants | equal | by rounding | " + " | ".join(names) + " | contract, fingerprint or parity |",
        "|---|" + "---:|" * (len(names) + 4),
    ]
    for name in dict.fromkeys(row["optimizer"] for row in rows):
        own = [row for row in rows if row["optimizer"] == name and row["kind"] == kind]
        counted = real(own, kind)
        equal = [sum(row["equality"] == word for row in own) for word in ("identical", "rounding")]
        cells = [str(sum(caught(row, (layer,)) for row in counted)) for layer in names]
        every = _share(counted, SEEN["contract, fingerprint or parity"])
        lines.append(f"| {name} | {len(own)} | {equal[0]} | {equal[1]} | {' | '.join(cells)} | {every} |")
    return "\n".join([*lines, ""])


def _survivors(rows: Sequence[Row], remarks: Mapping[str, str]) -> str:
    layers = SEEN["contract, fingerprint or parity"]
    return _listed("Survivors of contract, fingerprint and parity", rows, remarks, lambda row: not caught(row, layers))


def _unseen(rows: Sequence[Row], remarks: Mapping[str, str]) -> str:
    layers, others = SEEN["with the family"], ("parity", "fingerprint")
    return _listed(
        "Survivors of the contract that parity or the fingerprint catches",
        rows,
        remarks,
        lambda row: not caught(row, layers) and caught(row, others),
    )


def _listed(title: str, rows: Sequence[Row], remarks: Mapping[str, str], chosen: Callable[[Row], bool]) -> str:
    lines = [f"### {title}", ""]
    for kind, words in KINDS.items():
        found = [row for row in real(rows, kind) if chosen(row)]
        lines += [f"{len(found)} {words}.", ""]
        if found:
            lines += ["| mutant | line | was | is | rule or failure | the check that should exist |"]
            lines += ["|---|---:|---|---|---|---|"]
        for row in found:
            cells = (row["mutant"], row["line"], _code(row["old"]), _code(row["new"]), row["rule"])
            lines.append(f"| {' | '.join(map(str, cells))} | {remarks.get(row['mutant'], '')} |")
        lines += [""] if found else []
    return "\n".join(lines)


def _equal(rows: Sequence[Row]) -> str:
    lines = ["### Equal to the clean class, and excluded", ""]
    lines += ["| mutant | line | was | is | equality | proof |", "|---|---:|---|---|---|---|"]
    for row in rows:
        if row["equality"] != "different":
            proof = row["rule"] if row["kind"] == "rewrite" else "the same in every scenario of the probe"
            cells = (row["mutant"], row["line"], _code(row["old"]), _code(row["new"]), row["equality"], proof)
            lines.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join([*lines, ""])


def _alarms(rows: Sequence[Row], alarms: Mapping[str, Mapping[str, str]]) -> str:
    found = [f"- {name}: {case}: {text}" for name, own in alarms.items() for case, text in own.items()]
    for row in rows:
        if row["equality"] != "different" and row["first"]:
            found.append(f"- {row['mutant']} ({row['equality']}): {row['first']}: {row[row['first']]}")
        if row["kind"] == "rewrite" and row["equality"] == "different":
            found.append(f"- {row['mutant']}: not a rewrite: {row['seen_in']}")
    return "\n".join(["### False alarms", "", *(found or ["None."]), ""])


def _code(text: str) -> str:
    return "`" + text.replace("|", "\\|") + "`"
