"""The `optbench` command: what can be done without a test session."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import math
import shlex
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_optbench import SUITE_VERSION, __version__
from pytest_optbench.commands import MODULES
from pytest_optbench.commands.arguments import count, progress
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.gate import DEFAULT_FAIL_ON, FAIL_ON, Gate, parse_fail_on


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit code: 0, 1 for a finding, 2 for a mistake in the arguments.

    A finding is a task that is not admitted, a fingerprint that is not the stored one, a comparison that fails, or
    files that are not written.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")  # formulas in docstrings, on a console that lacks their characters
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options) if "run" in options else _COMMANDS[options.command](options)
    except OptbenchError as error:
        sys.stderr.write(f"optbench: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="optbench", description="The tasks and checks of pytest-optbench.")
    parser.add_argument("--version", action="version", version=f"pytest-optbench {__version__}, suite {SUITE_VERSION}")
    commands = parser.add_subparsers(dest="command", required=True)
    tasks = commands.add_parser("tasks", help="list tasks with target, budget and tags; or show one in full")
    _add_choice(tasks)
    tasks.add_argument(
        "--plot", type=Path, metavar="PATH", help="draw the one task, if it has two parameters, into this .png or .svg"
    )
    tasks.add_argument("--markdown", action="store_true", help="print the list as a Markdown table, with sources")
    commands.add_parser("columns", help="document the columns of the runs table")
    checks = commands.add_parser("checks", help="list the checks of the contract, or show one in full")
    checks.add_argument("name", nargs="?", default="", help="name of a check")
    checks.add_argument("--claims", action="store_true", help="list what a recipe can claim instead")
    claims = commands.add_parser("claims", help="print the table of an optimizer, with the claims that hold, to paste")
    claims.add_argument("optimizer", help='"module:Class" or "module:Class(lr=0.1)"; values are written as in TOML')
    calibrate = commands.add_parser("calibrate", help="find targets, budgets and the reference table by the protocol")
    _add_choice(calibrate)
    calibrate.add_argument(
        "--tasks", dest="more", action="append", default=[], metavar="EXPR", help="the same, as an option"
    )
    calibrate.add_argument("--jobs", type=count, default=1, metavar="N", help="processes; a task is one's own")
    calibrate.add_argument(
        "--missing", action="store_true", help="keep targets and budgets, and add only references that have no row yet"
    )
    calibrate.add_argument("--fresh", action="store_true", help="do also what an interrupted command has done already")
    calibrate.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="DIR",
        help="folder of thresholds.csv and reference.csv.gz, in which the rows of other tasks are kept",
    )
    admit = commands.add_parser("admit", help="test tasks against the rules of admission; a table of what was found")
    _add_choice(admit)
    admit.add_argument("--full", action="store_true", help="all seeds of the rules; minutes, not seconds")
    admit.add_argument("--jobs", type=count, default=1, metavar="N", help="processes; a task is one's own")
    admit.add_argument("--csv", type=Path, metavar="PATH", help="also write what was found as CSV, a row for each rule")
    fingerprint = commands.add_parser("fingerprint", help="record what optimizers do along fixed gradients, or compare")
    fingerprint.add_argument(
        "optimizers",
        nargs="*",
        metavar="[NAME=]MODULE:CLASS[(KEY=VALUE, ...)]",
        help="whose; those of the table in this folder, each with its configurations, unless given",
    )
    fingerprint.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the fingerprints of this file; print what changed"
    )
    init = commands.add_parser("init", help="write the table and the workflows of a project, after showing them")
    init.add_argument("folder", nargs="?", type=Path, default=Path(), help="folder of the project; default: this one")
    answer = init.add_mutually_exclusive_group()
    answer.add_argument("--yes", action="store_true", help="write without asking")
    answer.add_argument("--dry-run", action="store_true", help="show, and write nothing")
    init.add_argument(
        "--action",
        default=f"pytest-optbench/pytest-optbench@v{__version__}",
        metavar="OWNER/REPOSITORY@REF",
        help="where the workflows find the action (default: %(default)s)",
    )
    _add_map(commands)
    _add_results(commands)
    for name in MODULES:
        importlib.import_module(f"pytest_optbench.commands.{name}").add(commands)
    return parser


def _add_choice(parser: argparse.ArgumentParser) -> None:
    """What chooses tasks, the same for every command."""
    parser.add_argument(
        "choice",
        nargs="*",
        default=[],
        metavar="EXPR|MODULE:NAME",
        help="names, tags and patterns with and/or/not; or a task of one's own; all tasks unless given",
    )
    parser.add_argument("--module", action="append", default=[], help="also know the tasks of this module; repeatable")


def _add_map(commands: Any) -> None:
    """The command that draws a map of one optimizer."""
    found = commands.add_parser("map", help="run an optimizer on the grid of Schaul et al.: a table and a picture")
    found.add_argument(
        "optimizer", help='"module:Class" or "module:Class(momentum=0.9)"; values are written as in TOML'
    )
    found.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of map.csv and map.png")
    found.add_argument("--lr", type=_rate, nargs="+", metavar="LR", help="learning rates; default: 1e-5 to 1e1")
    found.add_argument(
        "--sample",
        type=partial(count, noun="variants"),
        metavar="N",
        help="so many variants only; default: all, or 40 for an optimizer that is not element-wise",
    )
    found.add_argument("--variants", default="", metavar="EXPR", help="only these: names, words and patterns")
    found.add_argument("--jobs", type=count, default=1, metavar="N", help="processes")


def _add_results(commands: Any) -> None:
    """The commands that work on files of results: they need neither torch nor the optimizer."""
    compare = commands.add_parser("compare", help="compare two files of results, as the gate does; 1 if it fails")
    compare.add_argument("before", type=Path, help="a baseline, or a runs table")
    compare.add_argument("after", type=Path, help="what is compared with it: a runs table, or a baseline")
    form = compare.add_mutually_exclusive_group()
    form.add_argument("--markdown", dest="form", action="store_const", const="markdown", help="print Markdown")
    form.add_argument("--json", dest="form", action="store_const", const="json", help="print JSON")
    compare.add_argument(
        "--fail-on",
        default=",".join(sorted(DEFAULT_FAIL_ON)),
        metavar="WORDS",
        help=f"what fails, with commas: {', '.join(FAIL_ON)} (default: %(default)s)",
    )
    compare.add_argument("--alpha", type=float, default=Gate.alpha, help="chance of a false alarm, for each recipe")
    compare.add_argument("--tolerance", type=float, default=Gate.tolerance, help="share of steps that is no change")
    compare.add_argument("--partial", action="store_true", help="the second file is of a part of the suite: none gone")
    merge = commands.add_parser("merge", help="make one runs table of those of several jobs")
    merge.add_argument("files", nargs="+", type=Path, metavar="CSV", help="runs tables")
    merge.add_argument("-o", "--out", type=Path, metavar="OUT", help="write it here, instead of printing it")
    show = commands.add_parser("show", help="print the summary of a runs table")
    show.add_argument("results", type=Path, help="a runs table")
    accept = commands.add_parser("accept", help="take over into a baseline what differs in results")
    accept.add_argument("results", type=Path, help="a runs table, or a baseline")
    accept.add_argument("baseline", type=Path, help="the baseline; a new one if there is none")
    accept.add_argument("--remove-gone", action="store_true", help="also remove what the results lack")


def _rate(text: str) -> float:
    try:
        rate = float(text)
    except ValueError:
        rate = math.nan
    if not 0 <= rate < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no learning rate; expected a number of at least 0")
    return rate


def _tasks(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.listing import describe, markdown, table  # noqa: PLC0415 - imports torch

    chosen = _chosen(options)
    one = chosen.one
    if one is None:
        if options.plot is not None:
            raise OptbenchError(
                "--plot: a picture is of one task; name it, as in: optbench tasks rosenbrock2 --plot PATH"
            )
        sys.stdout.write(markdown(chosen.tasks) if options.markdown else table(chosen.tasks))
        return 0
    if options.plot is not None:
        _plot(one, options.plot)
    sys.stdout.write(describe(one, _more(one, options)))
    return 0


def _plot(task: Any, path: Path) -> None:
    from pytest_optbench.machine.landscape import landscape  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.picture import draw, require_drawable  # noqa: PLC0415 - with the other lazy ones

    require_drawable(path)
    with _writing(path):
        draw(landscape(task), path)


def _more(task: Any, options: argparse.Namespace) -> dict[str, str]:
    """Facts about a task that are found on this machine."""
    from pytest_optbench.machine.cost import spelled_cost  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.tasks.task import parameter_count  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.picture import INSTALL, drawable  # noqa: PLC0415 - with the other lazy ones

    more = {"cost": spelled_cost(task)}
    if options.plot is not None:
        more["picture"] = str(options.plot)
    elif parameter_count(task) == 2:
        more["picture"] = f"optbench tasks {shlex.join(options.choice)} --plot {task.name}.png"
        more["picture"] += "" if drawable() else f"  (after {INSTALL})"
    return more


def _columns(options: argparse.Namespace) -> int:
    from pytest_optbench.words.run import column_documentation  # noqa: PLC0415 - with the other lazy ones

    for name, kind, unit, text in column_documentation():
        sys.stdout.write(f"{name:22} {kind:13} {text}{f' [{unit}]' if unit else ''}\n")
    return 0


def _checks(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.listing import (  # noqa: PLC0415 - imports torch
        checks_table,
        claims_table,
        describe_check,
    )

    text = claims_table() if options.claims else describe_check(options.name) if options.name else checks_table()
    sys.stdout.write(text)
    return 0


def _claims(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.profile import profile  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.loading import load_recipe  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.declaration import parse_option  # noqa: PLC0415 - with the other lazy ones

    declaration = parse_option(options.optimizer, option="optbench claims")
    with contextlib.redirect_stdout(sys.stderr):  # of what an optimizer prints
        text = profile(load_recipe(declaration, root=Path.cwd(), tasks=()), path=str(declaration.optimizer))
    sys.stdout.write(text)
    return 0


def _calibrate(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.campaign import Campaign  # noqa: PLC0415 - imports torch

    chosen = _chosen(options)
    campaign = Campaign(
        tasks=chosen.tasks,
        out=options.out,
        modules=chosen.modules,
        named=chosen.named,
        root=chosen.root,
        jobs=options.jobs,
        fresh=options.fresh,
        missing=options.missing,
    )
    try:
        failures = campaign.run(progress)
    except OSError as error:
        raise OptbenchError(f"--out {options.out}: {error}") from error
    except KeyboardInterrupt:
        sys.stderr.write("optbench: interrupted; what is done is kept, and the same command goes on from there\n")
        return 130
    sys.stdout.writelines(campaign.lines_to_paste(but=failures))
    if failures:
        sys.stderr.write(f"optbench: {len(failures)} of {len(chosen.tasks)} tasks could not be calibrated; ")
        sys.stderr.write("what is done is kept, and the same command tries only these again:\n")
        sys.stderr.writelines(f"  {name}: {sentence}\n" for name, sentence in failures.items())
    return 1 if failures else 0


def _admit(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.admission import FULL, REDUCED  # noqa: PLC0415 - imports torch
    from pytest_optbench.machine.admitting import Admitting  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.admission import admission_lines  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.admission import to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    chosen = _chosen(options)
    admitting = Admitting(
        tasks=chosen.tasks,
        grid=FULL if options.full else REDUCED,
        modules=chosen.modules,
        named=chosen.named,
        root=chosen.root,
        jobs=options.jobs,
    )
    found = {}
    interrupted = False
    try:
        for name, findings in admitting.run(progress):
            found[name] = findings
    except KeyboardInterrupt:
        interrupted = True
    ordered = {task.name: found[task.name] for task in chosen.tasks if task.name in found}
    _print(admission_lines(ordered, of=len(chosen.tasks)))
    every = [one for findings in ordered.values() for one in findings]
    if options.csv is not None:
        with _writing(options.csv):
            write_atomically(options.csv, to_csv(every))
    if interrupted:
        sys.stderr.write("optbench: interrupted\n")
        return 130
    return 0 if all(one.passed for one in every) else 1


def _fingerprint(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.recording import recorded  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.baseline import read_baseline, to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.declaration import find_table, parse_option  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.fingerprint import changes  # noqa: PLC0415 - with the other lazy ones

    stored = read_baseline(options.against) if options.against else None
    declarations = [parse_option(text, option="fingerprint") for text in options.optimizers]
    if not declarations:
        table = find_table([Path.cwd()])
        if table is None or not table.optimizers:
            raise OptbenchError("fingerprint: no table of optimizers in this folder; name one, as in torch.optim:AdamW")
        declarations = list(table.optimizers)
    rows = recorded(declarations, root=Path.cwd())
    if stored is None:
        sys.stdout.write(to_csv(rows))
        return 0
    found = changes(rows, stored, where=str(options.against))
    for one in found:
        sys.stdout.write(f"{one.recipe} {one.configuration}: {one.sentence}\n")
    sys.stdout.write(f"{len(rows) - len(found)} of {len(rows)} fingerprints are as stored\n")
    return 1 if found else 0


def _init(options: argparse.Namespace) -> int:
    from pytest_optbench.report.adoption import plan_adoption  # noqa: PLC0415 - with the other lazy ones

    adoption = plan_adoption(options.folder.resolve(), action=options.action)
    sys.stdout.write(adoption.describe())
    if adoption.proposals and not options.dry_run:
        if not (options.yes or sys.stdin.isatty()):
            sys.stderr.write("optbench init: nothing is written without a terminal to ask on; give --yes\n")
            return 1
        if not (options.yes or _confirmed("\nWrite this? [y/N] ")):
            sys.stderr.write("optbench init: nothing was written\n")
            return 1
        adoption.write()
    sys.stdout.write(f"\nnext: {adoption.command}\n")
    return 0


def _map(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.schaul_map import plan_map, run_map  # noqa: PLC0415 - imports torch
    from pytest_optbench.report.map_picture import draw, require_matplotlib  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.colours import SHEET, summary  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.declaration import parse_option  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    try:
        require_matplotlib()
        drawn = True
    except OptbenchError as error:
        drawn = False
        progress(f"optbench: {error}")
    with contextlib.redirect_stdout(sys.stderr):  # of what an optimizer prints
        plan = plan_map(
            parse_option(options.optimizer, option="optbench map"),
            root=Path.cwd(),
            rates=options.lr,
            expression=options.variants,
            sample=options.sample,
        )
        if plan.reason:
            progress(f"optbench: every run has an instance of its own ({plan.reason}): a sample of the variants")
        rows = run_map(plan, jobs=options.jobs, report=progress)
    with _writing(options.out):
        options.out.mkdir(parents=True, exist_ok=True)
        write_atomically(options.out / "map.csv", SHEET.to_csv(rows))
        if drawn:
            draw(rows, options.out / "map.png", title=plan.declaration.name)
    _print(summary(rows))
    return 0


def _confirmed(question: str) -> bool:
    sys.stdout.write(question)
    sys.stdout.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _compare(options: argparse.Namespace) -> int:
    from pytest_optbench.report.comparison import comparison_lines, to_json  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.report.markdown import markdown  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_results  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.review import review  # noqa: PLC0415 - with the other lazy ones

    found = review(
        read_results(options.before),
        read_results(options.after),
        alpha=options.alpha,
        tolerance=options.tolerance,
        fail_on=parse_fail_on(options.fail_on, where="--fail-on"),
        full=not options.partial,
    )
    if options.form == "json":
        _document(to_json(found))
    elif options.form == "markdown":
        accept = shlex.join(["optbench", "accept", str(options.after), str(options.before)])
        _document(markdown(found, accept=accept))
    else:
        _print(line.text for line in comparison_lines(found, width=_width()))
    return 0 if found.passed else 1


def _merge(options: argparse.Namespace) -> int:
    from pytest_optbench.words.results import merged, read_numbered_runs  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import to_csv, write_atomically  # noqa: PLC0415 - with the other lazy ones

    runs, twice = merged([(str(path), read_numbered_runs(path)) for path in options.files])
    if options.out is None:
        _document(to_csv(runs))
    else:
        with _writing(options.out):
            write_atomically(options.out, to_csv(runs))
    sys.stderr.write(f"optbench: {len(runs)} runs of {len(options.files)} files; {twice} that were there twice\n")
    return 0


def _show(options: argparse.Namespace) -> int:
    from pytest_optbench.report.terminal import summary_lines  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_numbered_runs  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.threshold import shipped_thresholds  # noqa: PLC0415 - with the other lazy ones

    runs = [run for _, run in read_numbered_runs(options.results)]
    if not runs:
        raise OptbenchError(f"{options.results}: no runs")
    pars = {key: threshold.par for key, threshold in shipped_thresholds().items()}
    _print(line.text for line in summary_lines(runs, pars=pars, tags={}, width=_width(), csv=str(options.results)))
    return 0


def _accept(options: argparse.Namespace) -> int:
    from pytest_optbench.words.acceptance import accept  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.baseline import read_baseline, to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.lock import exclusive  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.results import read_results  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.table import write_atomically  # noqa: PLC0415 - with the other lazy ones

    found = read_results(options.results)
    with _writing(options.baseline), exclusive(options.baseline):
        stored = read_baseline(options.baseline) if options.baseline.exists() else []
        accepted = accept(stored, found.rows, remove_gone=options.remove_gone)
        if accepted.sentences:
            write_atomically(options.baseline, to_csv(accepted.rows))
    _print(accepted.sentences)
    count = len(accepted.sentences)
    changed = f"{count} change{'' if count == 1 else 's'} taken over" if count else "nothing differs"
    sys.stdout.write(f"{options.baseline}: {changed}, {len(accepted.rows)} rows\n")
    return 0


def _print(lines: Iterable[str]) -> None:
    """Lines that hold what came out of a file."""
    from pytest_optbench.report.inert import harmless  # noqa: PLC0415 - with the other lazy ones

    sys.stdout.writelines(f"{harmless(line)}\n" for line in lines)


def _document(text: str) -> None:
    """A text that goes into a file: the same bytes on every system."""
    if isinstance(sys.stdout, io.TextIOWrapper) and not sys.stdout.isatty():
        sys.stdout.reconfigure(encoding="utf-8", newline="\n")
    sys.stdout.write(text)


def _width() -> int:
    return shutil.get_terminal_size().columns


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OptbenchError(f"{path}: cannot be written ({error.strerror})") from error


def _chosen(options: argparse.Namespace) -> Any:
    from pytest_optbench.machine.tasks.choice import choose  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.declaration import find_table  # noqa: PLC0415 - with the other lazy ones

    table = find_table([Path.cwd()])
    modules = [*(table.task_modules if table else []), *options.module]
    # Not one destination for both: a positional argument that is not given writes its default over the option.
    choice = [*options.choice, *getattr(options, "more", ())]
    return choose(choice, modules=modules, root=Path.cwd(), where=f"optbench {options.command}")


_COMMANDS = {
    "tasks": _tasks,
    "columns": _columns,
    "checks": _checks,
    "claims": _claims,
    "fingerprint": _fingerprint,
    "calibrate": _calibrate,
    "admit": _admit,
    "init": _init,
    "map": _map,
    "compare": _compare,
    "merge": _merge,
    "show": _show,
    "accept": _accept,
}
