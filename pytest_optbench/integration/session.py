"""A session: what one `pytest --optbench` needs to know, made once and kept in pytest's stash."""

from __future__ import annotations

import itertools
import math
import shlex
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from pytest_optbench.integration import settings as settings_module
from pytest_optbench.integration.base import BaseRun
from pytest_optbench.integration.settings import Settings
from pytest_optbench.integration.suite import Suite
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.tasks.registry import all_tasks
from pytest_optbench.machine.tasks.task import Task
from pytest_optbench.report.picture import INSTALL, drawable
from pytest_optbench.words.declaration import Table, find_table, parse_option, require_kind
from pytest_optbench.words.discovery import find_optimizers, python_files
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.gate import parse_fail_on
from pytest_optbench.words.stored import Place, Stored, read_stored

OWN_ANCHOR = Path(str(resources.files("pytest_optbench.data").joinpath("optbench.toml")))
"""Anchor of recipes of the command line where a project has no ini file."""
DEFAULT_STORE = "optbench-baseline.csv"
"""Where a baseline is saved to that nothing names."""
SESSION = pytest.StashKey["Session"]()
BASE = pytest.StashKey[tuple[str, str]]()
"""What the commit is called that is compared with, and the file of its results; empty where it has none."""


@dataclass(frozen=True)
class Session:
    """Settings, suite, and the file below which doors 1 and 2 are collected (None where only tests are marked)."""

    settings: Settings
    suite: Suite
    anchor: Path | None
    notices: tuple[str, ...]
    csv: Path | None = None
    """Where the runs table goes, as an absolute path: an optimizer may change the folder."""
    json: Path | None = None
    """Where the benchmark list goes."""
    markdown: Path | None = None
    """Where the Markdown summary goes."""
    html: Path | None = None
    """Where the page goes."""
    plot: Path | None = None
    """The folder of the figures."""
    baseline: Stored | None = None
    """What cases are compared with; None for nothing."""
    store: Path | None = None
    """The file that is to be saved to; None for none."""
    held: frozenset[Place] = frozenset()
    """The rows that the file has."""
    complete: bool = True
    """Is everything collected that the project declares?"""
    marked: dict[str, pytest.Mark] = field(default_factory=dict)
    """The mark behind each recipe of a test, by name of the recipe."""
    partial: set[str] = field(default_factory=set)
    """Recipes of which cases were deselected."""
    same_fingerprints: dict[str, bool | None] = field(default_factory=dict)
    """By recipe, once it was asked for."""

    def full(self, recipe: str) -> bool:
        """Does all run that is declared for a recipe?"""
        return self.complete and recipe not in self.partial

    def accepts(self, place: Place) -> bool:
        """Is what comes out at this place saved, whatever it says?"""
        return self.store is not None and not (self.settings.save_new and place in self.held)

    @property
    def fail_on(self) -> frozenset[str]:
        """What fails where no recipe says otherwise."""
        return parse_fail_on(self.settings.fail_on, where=self.settings.sources["fail_on"])

    @property
    def command(self) -> str:
        """The command that makes this session's cases again, without what selects among them."""
        optimizers = [f"--optbench-optimizer {shlex.quote(text)}" for text in self.settings.optimizer]
        return " ".join(["pytest --optbench", *optimizers])

    def header(self) -> list[str]:
        """Lines for pytest's header."""
        names = ", ".join(self.suite.entries) or "marked tests only"
        cases = sum(len(entry.cases) for entry in self.suite.entries.values())
        checks = sum(len(entry.contract) for entry in self.suite.entries.values())
        counts = [f"{checks} checks"] if checks else []
        if self.settings.runs("tasks"):
            counts.append(f"{cases} cases, tier {self.settings.tier}")
        return [f"optbench: {names}; {', '.join(counts)}", *self.notices]


def is_worker(config: pytest.Config) -> bool:
    """Is this process a pytest-xdist worker?"""
    return hasattr(config, "workerinput")


def start(config: pytest.Config) -> Session:
    """Read the table and the options and build the suite. Raises OptbenchError for whatever is wrong with them."""
    root = config.rootpath
    folders = list(
        dict.fromkeys([root, *([config.inipath.parent] if config.inipath else []), config.invocation_params.dir])
    )
    table = find_table(folders)
    settings = settings_module.resolve(config, table)
    declarations = (
        tuple(parse_option(text, option="--optbench-optimizer") for text in settings.optimizer)
        or (table.optimizers if table else ())
    )  # fmt: skip
    if not declarations:
        _require_marks(config, table)
    modules = table.task_modules if table else []
    tasks = all_tasks(modules, _tasks_of_hooks(config), root=table.path.parent if table else root)
    anchor = _anchor(config, table, by_option=bool(settings.optimizer)) if declarations else None
    suite = Suite(
        settings,
        tasks,
        declarations,
        root=table.path.parent if table else root,
        chosen=_chosen(config, anchor) if anchor is not None else frozenset(),
    )
    outputs = {name: _path_of(name, config, settings, table) for name in ("csv", "json", "markdown", "html")}
    plot = _path_of("plot", config, settings, table)
    if not is_worker(config):
        for name, path in outputs.items():
            _check_output(path, name, settings)
        _check_folder(plot, settings)
    baseline, notices = _baseline(config, settings, table, suite)
    store = _store(config, settings, table) if settings.saving else None
    held = read_stored(store, label="", strict=False).rows if store is not None and store.exists() else ()
    if anchor is not None:
        _collect_anchor(config, anchor, by_option=bool(settings.optimizer))
    return Session(
        settings,
        suite,
        anchor,
        tuple(notices),
        csv=outputs["csv"],
        json=outputs["json"],
        markdown=outputs["markdown"],
        html=outputs["html"],
        plot=plot,
        baseline=baseline,
        store=store,
        held=frozenset(row.place for row in held),
        complete=_complete(config, settings, anchor),
    )


def _path_of(name: str, config: pytest.Config, settings: Settings, table: Table | None) -> Path | None:
    """A path among the settings: relative to the file that names it, or to where one stands on the command line."""
    text = getattr(settings, name)
    if not text:
        return None
    source = settings.sources[name]
    folder = config.invocation_params.dir
    if config.inipath is not None and source.startswith(f"{config.inipath.name}: optbench_"):
        folder = config.inipath.parent
    elif table is not None and source == f"{table.path.name}: {name}":
        folder = table.path.parent
    return Path(folder, text).resolve()


def _tasks_of_hooks(config: pytest.Config) -> Iterator[Task]:
    try:
        found = config.pluginmanager.hook.pytest_optbench_tasks(config=config)
    except Exception as error:
        raise OptbenchError(f"hook pytest_optbench_tasks raised {type(error).__name__}: {error}") from error
    for tasks in found:
        require_kind(tasks, list, where="hook pytest_optbench_tasks: what it returns")
        yield from tasks


def _anchor(config: pytest.Config, table: Table | None, *, by_option: bool) -> Path:
    """The file whose collection yields the cases: the table's, else pytest's ini file, else one of our own."""
    if table is not None and (table.optimizers or not by_option):
        return table.path
    if config.inipath is not None and config.inipath.is_file():
        return config.inipath
    return OWN_ANCHOR


def _collect_anchor(config: pytest.Config, anchor: Path, *, by_option: bool) -> None:
    """Have pytest collect the anchor: whatever `testpaths` says, unless the user's own paths say otherwise.

    Without paths of the user's, an optimizer named on the command line is collected alone; so a whole repository of
    tests need not be imported for it.
    """
    folder = config.invocation_params.dir
    if anchor == OWN_ANCHOR:
        # Ids show our own file by its bare name; what is shown can be given back.
        config.args[:] = [
            f"{anchor}{argument.removeprefix(anchor.name)}" if argument.partition("::")[0] == anchor.name else argument
            for argument in config.args
        ]
    paths = [(folder / argument.partition("::")[0]).resolve() for argument in config.args]
    if any(path == anchor for path in paths):
        return
    explicit = config.args_source is pytest.Config.ArgsSource.ARGS
    if by_option and not explicit:
        config.args[:] = [str(anchor)]
    elif by_option or not (explicit or anchor.parent in paths):
        config.args.append(str(anchor))


def _chosen(config: pytest.Config, anchor: Path) -> frozenset[str]:
    """The recipes to which all ids below the anchor on the command line belong; none where all may be collected."""
    names = set()
    for argument in config.args:
        path, _, inner = argument.partition("::")
        own = anchor == OWN_ANCHOR and path == anchor.name
        place = anchor if own else (config.invocation_params.dir / path).resolve()
        if place == anchor and inner:
            names.add(inner.partition("::")[0])
        elif anchor.is_relative_to(place):
            return frozenset()
    return frozenset(names)


def _require_marks(config: pytest.Config, table: Table | None) -> None:
    """Raise, with what to try, when no test of the repository, or of the paths given, mentions the mark."""
    root = config.rootpath
    given = [(config.invocation_params.dir / argument.partition("::")[0]).resolve() for argument in config.args]
    elsewhere = [path for path in given if path.exists() and not path.is_relative_to(root)]
    for path in itertools.chain(python_files(root), *map(python_files, elsewhere)):
        if "mark.optbench" in path.read_text(encoding="utf-8", errors="replace"):
            return
    classes = [one.path for one in find_optimizers(root)]
    missing = f"{table.path.name} names no optimizer" if table else "no [tool.optbench] table, no marked test"
    example = classes[0] if classes else "torch.optim:AdamW"
    found = f" Optimizers found here: {', '.join(classes[:8])}." if classes else ""
    raise OptbenchError(
        f"--optbench: {missing}, no --optbench-optimizer: nothing to benchmark in {root}; "
        f"try: pytest --optbench --optbench-optimizer {example}.{found}"
    )


def _check_output(path: Path | None, name: str, settings: Settings) -> None:
    where, text = settings.sources[name], getattr(settings, name)
    if path is None:
        return
    if path.is_dir():
        raise OptbenchError(f"{where}: {text} is a folder; expected a file")
    if not path.parent.is_dir():
        raise OptbenchError(f"{where}: folder {Path(text).parent} does not exist")
    try:
        with path.open("a"):
            pass
        if path.stat().st_size == 0:
            path.unlink()
    except OSError as error:
        raise OptbenchError(f"{where}: cannot write {text} ({error.strerror})") from error


def _check_folder(path: Path | None, settings: Settings) -> None:
    if path is None:
        return
    where, text = settings.sources["plot"], settings.plot
    if not drawable():
        raise OptbenchError(f"{where}: {text}: figures need matplotlib; {INSTALL}")
    if path.exists() and not path.is_dir():
        raise OptbenchError(f"{where}: {text} is a file; expected a folder")
    if not path.parent.is_dir():
        raise OptbenchError(f"{where}: folder {Path(text).parent} does not exist")


def _baseline(
    config: pytest.Config, settings: Settings, table: Table | None, suite: Suite
) -> tuple[Stored | None, list[str]]:
    """What is compared with, and what is to be said of it."""
    if settings.base:
        for name in ("compare", "save", "save_new"):
            if settings.given(name):
                flag = settings.sources[name]
                raise OptbenchError(f"--optbench-base and {flag} exclude each other; give one of them")
        return _base(config, settings, suite)
    name = "compare" if settings.compare else "baseline"
    path = _path_of(name, config, settings, table)
    if path is None or settings.compare == "none":
        return None, []
    shown = getattr(settings, name)
    if path.exists():
        stored = read_stored(path, label=shown, strict=not settings.saving)
        return stored, [f"optbench: compared with {shown}: {_counts(stored)}; {_false_alarms(suite)}"]
    if settings.given(name) and not settings.saving:
        raise OptbenchError(f"{settings.sources[name]}: {path} does not exist")
    return None, [f"optbench: baseline {shown} does not exist yet: every case is new, absolute gate"]


def _base(config: pytest.Config, settings: Settings, suite: Suite) -> tuple[Stored | None, list[str]]:
    if is_worker(config):
        label, csv = config.workerinput["optbench_base"]  # type: ignore[attr-defined]
        if not csv:
            return None, []
        return read_stored(Path(csv), label=label), []
    if config.getoption("collectonly"):
        return None, [f"optbench: the suite is not run at {settings.base} only to collect"]
    folder = Path(tempfile.mkdtemp(prefix="optbench-base-"))
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    csv = folder / "base.csv"
    stored = BaseRun(
        ref=settings.base,
        root=config.rootpath,
        start=config.invocation_params.dir,
        arguments=[str(argument) for argument in config.invocation_params.args],
        layers=settings.layer,
    ).measure(suite, csv)
    config.stash[BASE] = (stored.label, str(csv) if stored.rows else "")
    if not stored.rows:
        return None, [f"optbench: {stored.label} benchmarks nothing: every case is new, absolute gate"]
    return stored, [f"optbench: compared with {stored.label}: {_counts(stored)}; {_false_alarms(suite)}"]


def _counts(stored: Stored) -> str:
    cases, prints = len(stored.cases), len(stored.fingerprints)
    return f"{cases} case{'' if cases == 1 else 's'}, {prints} fingerprint{'' if prints == 1 else 's'}"


def _false_alarms(suite: Suite) -> str:
    """The chance that anything unchanged is called slower, over all recipes."""
    rate = -math.expm1(sum(math.log1p(-policy.gate.alpha) for policy in suite.policies.values()))
    return f"false alarms in at most {100 * rate:.2g} % of sessions"


def _store(config: pytest.Config, settings: Settings, table: Table | None) -> Path:
    """The file that is to be saved to: the flag's, else the baseline, else one beside the table."""
    name = "save" if settings.save else "baseline"
    path = _path_of(name, config, settings, table)
    if path is None:
        return (table.path.parent if table else config.rootpath) / DEFAULT_STORE
    where, text = settings.sources[name], getattr(settings, name)
    if path.is_dir() or "::" in text:
        raise OptbenchError(
            f"{where}: {text} is no file to save to; with paths to run write --optbench-save=PATH, or put the flag last"
        )
    if not path.parent.is_dir():
        raise OptbenchError(f"{where}: folder {Path(text).parent} does not exist")
    return path


def _complete(config: pytest.Config, settings: Settings, anchor: Path | None) -> bool:
    """Do no options and no paths choose among what the project declares? A worker is told."""
    if is_worker(config):
        return bool(config.workerinput["optbench_complete"])  # type: ignore[attr-defined]
    paths = [config.invocation_params.dir / argument for argument in config.args]
    explicit = config.args_source is pytest.Config.ArgsSource.ARGS and not any(
        anchor is not None and anchor.is_relative_to(path.resolve()) for path in paths
    )
    return not settings.chooses and not explicit


def tell(workerinput: dict[str, Any], config: pytest.Config) -> None:
    """What a worker must know and cannot find out for itself."""
    workerinput["optbench_complete"] = config.stash[SESSION].complete
    workerinput["optbench_base"] = config.stash.get(BASE, ("", ""))


def _has_task(item: pytest.Item) -> bool:
    """Is the item a marked test, and not one to whose optimizer the selection left no task?"""
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    return item.get_closest_marker("optbench") is not None and isinstance(parameters.get("optbench_task"), Case)


def deselect_ordinary_tests(session: Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the benchmarks; ordinary tests stay only with `--optbench-with-tests`."""
    if session.settings.with_tests:
        return
    contract_only = not session.settings.runs("tasks")
    ours = [
        item
        for item in items
        if item.get_closest_marker("optbench_contract")
        or item.get_closest_marker("optbench_fingerprint")
        or item.get_closest_marker("optbench_tasks")
        or (not contract_only and _has_task(item))
    ]
    others = [item for item in items if item not in set(ours)]
    if others:
        config.hook.pytest_deselected(items=others)
        items[:] = ours
