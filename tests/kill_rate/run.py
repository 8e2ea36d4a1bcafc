"""The kill rate: which layer finds which mutant. Writes `results.csv` and the tables in README.md.

python tests/kill_rate/run.py [--jobs N] [--only NAME] [--sample K] [--resume | --survivors | --again LAYERS] [--clean]
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch
from farm import Lost, farmed
from layers import LAYERS, Catch, Costs, case_on, cases_of, look, run, verdict
from loading import loaded
from mutants import Mutant, all_mutants
from observation import Comparison, compared
from rates import RATES
from report import write_tables
from specimens import SPECIMENS

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.words.run import Run
from pytest_optbench.words.verdict import judge

HERE = Path(__file__).parent
RESULTS = HERE / "results.csv"
SECONDS = 240.0
"""Limit for all layers of one mutant."""
COLUMNS = (
    "mutant", "optimizer", "kind", "rule", "line", "old", "new", "equality", "seen_in", "first",
    *LAYERS, *(f"{layer}_sentence" for layer in LAYERS), "seconds",
)  # fmt: skip


@dataclass(frozen=True)
class Clean:
    """What the clean class of a specimen gave: seconds of every case, false alarms, and rows of the tasks."""

    costs: Costs
    alarms: Mapping[str, str]
    runs: Mapping[str, Sequence[Run]]


def look_at_clean(name: str, layers: Sequence[str] = LAYERS) -> Clean:
    """Run everything there is on a clean class, or what belongs to some layers."""
    specimen = SPECIMENS[name]
    costs: dict[str, float] = {}
    alarms: dict[str, str] = {}
    with loaded(specimen.source, specimen.name) as copy:
        for layer in (one for one in ("nothing", "claims", "family", "parity") if one in layers):
            for case in cases_of(layer, copy, specimen):
                started = time.perf_counter()
                if sentence := verdict(case):
                    alarms[f"{layer}: {case.name}"] = sentence
                costs[case.name] = time.perf_counter() - started
        if "fingerprint" in layers and (caught := look("fingerprint", copy, specimen, {})):
            alarms[f"fingerprint: {caught.check}"] = caught.sentence
        rates = RATES.get(name, {}) if "convergence" in layers else {}
        runs = {task: run(case_on(task, copy, specimen, lr)) for task, lr in rates.items()}
    for task, rows in runs.items():
        if not (said := judge(rows)).passed:
            alarms[f"convergence: {task}"] = f"{said.reached} of {len(rows)} seeds reach the target"
    return Clean(costs, alarms, runs)


def look_at(
    mutant: Mutant, clean: Mapping[str, Clean], layers: Sequence[str] = LAYERS
) -> tuple[Comparison, list[Catch], float]:
    """Is it equal to the clean class; if not, which layers find it? Of an equal one: which layers think otherwise?

    Of some layers alone, it is taken to be different.
    """
    started = time.perf_counter()
    specimen = SPECIMENS[mutant.specimen]
    known = clean[mutant.specimen]
    catches: list[Catch] = []
    with loaded(mutant.source, specimen.name) as optimizer:
        all_of_it = tuple(layers) == LAYERS
        comparison = compared(optimizer, specimen.optimizer, specimen) if all_of_it else Comparison("different", "")
        for layer in layers:
            if layer == "convergence":
                if comparison.equality != "different":
                    continue
                rates = RATES.get(specimen.name, {})
                catches.append(look(layer, optimizer, specimen, {}, rates=rates, clean=known.runs))
            else:
                catches.append(look(layer, optimizer, specimen, known.costs, [one.check for one in catches]))
    return comparison, catches, time.perf_counter() - started


def _found(row: Mapping[str, object]) -> bool:
    return row["equality"] == "different" and any(row[layer] for layer in ("nothing", "claims", "family"))


def _missed(row: Mapping[str, object] | None, layers: Sequence[str]) -> bool:
    """Also of one that is equal, where whatever is found is a false alarm."""
    return row is not None and not all(row[layer] for layer in layers)


def updated(row: Mapping[str, object], catches: Sequence[Catch]) -> dict[str, object]:
    """The row with what some layers have found."""
    found: dict[str, object] = {one.layer: one.check for one in catches}
    found |= {f"{one.layer}_sentence": one.sentence for one in catches}
    after = {**row, **found}
    return {**after, "first": next((layer for layer in LAYERS if after[layer]), "")}


def row_of(mutant: Mutant, comparison: Comparison, catches: Sequence[Catch], seconds: float) -> dict[str, object]:
    found = {one.layer: one for one in catches}
    return {
        **{name: getattr(mutant, name) for name in ("kind", "rule", "line", "old", "new")},
        "mutant": mutant.name,
        "optimizer": mutant.specimen,
        "equality": comparison.equality,
        "seen_in": comparison.where,
        "first": next((one.layer for one in catches if one), ""),
        **{layer: found[layer].check if layer in found else "" for layer in LAYERS},
        **{f"{layer}_sentence": found[layer].sentence if layer in found else "" for layer in LAYERS},
        "seconds": f"{seconds:.1f}",
    }


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--only", default="", help="a part of a mutant's name, or an optimizer")
    parser.add_argument("--sample", type=int, default=0, help="every so many-th mutant only")
    parser.add_argument("--resume", action="store_true", help="keep the rows that results.csv has")
    parser.add_argument(
        "--survivors", action="store_true", help="as --resume, but what the contract missed is run anew"
    )
    parser.add_argument(
        "--again", default="", help="layers with which what results.csv has is looked at anew, where they missed it"
    )
    parser.add_argument("--clean", action="store_true", help="only the clean classes: are there false alarms?")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    started = time.monotonic()
    with isolated():
        mutants = all_mutants(options.only)[:: options.sample or 1]
    rows: dict[str, dict[str, object]] = {}
    layers = tuple(options.again.split(",")) if options.again else LAYERS
    if RESULTS.exists() and (options.resume or options.survivors or options.again or options.only or options.sample):
        with RESULTS.open(newline="", encoding="utf-8") as file:
            rows = {str(row["mutant"]): dict(row) for row in csv.DictReader(file)}
    kept = set(rows) if options.resume else {name for name, row in rows.items() if options.survivors and _found(row)}
    if options.again:
        kept = {one.name for one in mutants if not _missed(rows.get(one.name), layers)}
    todo = mutants if options.clean else [one for one in mutants if one.name not in kept]
    names = [name for name in SPECIMENS if any(one.specimen == name for one in todo)]
    clean: dict[str, Clean] = {}
    for name, result in farmed(partial(look_at_clean, layers=layers), names, jobs=options.jobs, seconds=SECONDS):
        if isinstance(result, Lost):
            raise SystemExit(f"{name}: {result.reason}")
        clean[name] = result
        say(f"{name}: {len(result.costs)} cases, {sum(result.costs.values()):.1f} s, {len(result.alarms)} false alarms")
        for case, sentence in result.alarms.items():
            say(f"    {case}: {sentence}")
    if options.clean:
        return int(any(one.alarms for one in clean.values()))
    if not options.only and not options.sample:
        rows = {one.name: rows[one.name] for one in mutants if one.name in rows}
    for mutant, seen in farmed(partial(look_at, clean=clean, layers=layers), todo, jobs=options.jobs, seconds=SECONDS):
        if isinstance(seen, Lost):
            if seen.raised:
                raise SystemExit(f"{mutant.name}: {seen.reason}")
            seen = Comparison("different", "lost"), [Catch(layers[0], "crash", seen.reason.strip())], SECONDS  # noqa: PLW2901
        known = rows.get(mutant.name) if options.again else None
        rows[mutant.name] = updated(known, seen[1]) if known else row_of(mutant, *seen)
        row = rows[mutant.name]
        seconds, equality, first = row["seconds"], row["equality"], row["first"] or "-"
        say(f"{len(rows):4} {seconds:>6} s {mutant.name:28} {equality:9} {first:12} {mutant.new[:90]}")
        write(rows)
    write_tables(HERE / "README.md", list(rows.values()), {name: one.alarms for name, one in clean.items()})
    say(f"{time.monotonic() - started:.0f} seconds")
    return 0


def write(rows: Mapping[str, Mapping[str, object]]) -> None:
    with RESULTS.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows[name] for name in sorted(rows))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
