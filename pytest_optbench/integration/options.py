"""The options: one table that defines every flag, ini key and table key with its type, default and help.

Imported whenever pytest starts, with or without `--optbench`: it imports nothing but the standard library.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Option:
    """One setting: `--optbench-NAME` on the command line, `optbench_NAME` in pytest's ini, `NAME` in the table."""

    name: str
    kind: type
    default: Any
    help: str
    choices: tuple[str, ...] = ()
    metavar: str = ""
    flag_only: bool = False
    """Only on the command line: it belongs to one invocation, not to a project."""
    repeatable: bool = False
    several: bool = False
    """Several of the choices may be given, with commas between them."""
    bare: bool = False
    """May the flag stand without a value? That gives an empty one."""

    @property
    def flag(self) -> str:
        return f"--optbench-{self.name.replace('_', '-')}"

    @property
    def key(self) -> str:
        """Name of the ini key, and destination of the flag."""
        return f"optbench_{self.name}"

    def add_to(self, parser: Any, group: Any) -> None:
        """Define the flag (its default is None: "not given") and the ini key."""
        if self.kind is bool:
            group.addoption(self.flag, action="store_true", default=None, dest=self.key, help=self.help)
        else:
            keywords: dict[str, Any] = {"metavar": self.metavar or self.name.upper(), "dest": self.key}
            if self.repeatable:
                keywords["action"] = "append"
            if self.bare:
                keywords |= {"nargs": "?", "const": ""}
            text = f"{self.help} (default: {self.default})" if self.default not in (None, "", ()) else self.help
            group.addoption(self.flag, default=None, help=text, **keywords)
        if not self.flag_only:
            parser.addini(self.key, self.help, type="string", default=None)


OPTIONS: tuple[Option, ...] = (
    Option(
        "optimizer",
        str,
        (),
        "benchmark this optimizer instead of the table's: [Name=]module:Class[(lr=0.01, ...)]; repeatable",
        metavar="MODULE:CLASS",
        flag_only=True,
        repeatable=True,
    ),
    Option(
        "layer",
        str,
        "all",
        "what to run: contract (exact checks), fingerprint (those that are stored), tasks, or all; several with commas",
        choices=("all", "contract", "fingerprint", "tasks"),
        several=True,
    ),
    Option(
        "extra",
        str,
        "",
        "checks that take seconds each, run on request: compile, distributed, process; several with commas",
        metavar="NAMES",
    ),
    Option("tasks", str, "", "tasks to run: names, tags and patterns with and/or/not", metavar="EXPR"),
    Option("tier", str, "small", "unit, small (with unit) or full (with both)", choices=("unit", "small", "full")),
    Option("seeds", int, 32, "seeds of every case", metavar="N"),
    Option("device", str, "cpu", "torch device to run on, such as cpu or cuda"),
    Option("timeout", float, 0.0, "seconds a case may take; 0 for no limit", metavar="SECONDS"),
    Option("csv", str, "", "write the runs table to this file", metavar="PATH"),
    Option(
        "json",
        str,
        "",
        "write median steps as the list that github-action-benchmark reads (customSmallerIsBetter)",
        metavar="PATH",
    ),
    Option("markdown", str, "", "write the summary as Markdown to this file", metavar="PATH"),
    Option("html", str, "", "show the runs table on one HTML page, which needs no network", metavar="PATH"),
    Option("plot", str, "", "draw the figures of the runs table into this folder (needs matplotlib)", metavar="DIR"),
    Option("baseline", str, "", "stored results to compare with", metavar="PATH"),
    Option(
        "compare",
        str,
        "",
        "compare with this file instead of the baseline; none: with nothing",
        metavar="PATH|none",
        flag_only=True,
    ),
    Option(
        "base",
        str,
        "",
        "run the suite at this commit first, in a worktree of its own, and compare with that",
        metavar="REF",
        flag_only=True,
    ),
    Option(
        "save",
        str,
        "",
        "write what ran to the baseline, or to this file; misses become known misses",
        metavar="PATH",
        flag_only=True,
        bare=True,
    ),
    Option("save_new", bool, False, "write to the baseline only what it does not hold yet", flag_only=True),
    Option(
        "fail_on",
        str,
        "slower,fingerprint,missed,gone,incomparable",
        "what fails a comparison: some of these, changed, or none",
        metavar="WORDS",
    ),
    Option(
        "level",
        str,
        "solves",
        "what a case must hold where no baseline decides: solves (the target), competitive (1.5 times the steps of "
        "tuned AdamW at most) or leads (fewer steps than the best reference)",
        choices=("solves", "competitive", "leads"),
    ),
    Option("alpha", float, 0.001, "chance that any case of an unchanged recipe is called slower", metavar="P"),
    Option("tolerance", float, 0.05, "relative difference of steps from which a seed counts", metavar="SHARE"),
    Option(
        "engine",
        str,
        "auto",
        "how seeds are run: auto, stacked, lockstep or sequential; the results are the same to the bit",
        choices=("auto", "stacked", "lockstep", "sequential"),
    ),
    Option(
        "tune",
        str,
        "auto",
        "tune what a recipe leaves open: off, auto (once, then kept in pytest's cache) or force (anew)",
        choices=("off", "auto", "force"),
    ),
    Option("full_budget", bool, False, "run on to the end of the budget after the target is reached, for curves"),
    Option("with_tests", bool, False, "run the ordinary tests too", flag_only=True),
    Option(
        "base_of",
        str,
        "",
        "this is the run of a base commit: leave out what it does not have, and import nothing from this checkout",
        metavar="FOLDER",
        flag_only=True,
    ),
)

TABLE_KEYS = (*(option.name for option in OPTIONS if not option.flag_only), "task_modules")
