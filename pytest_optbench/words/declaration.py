"""A declaration: the optbench table as its author wrote it, checked key by key, nothing imported yet."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pytest_optbench.words.claims import DEFAULT_CONFIGURATION, FAMILIES, validate_claims
from pytest_optbench.words.errors import OptbenchError, require_known

_NAME = re.compile(r"[A-Za-z0-9_.+-]+")
LEVELS = ("solves", "competitive", "leads")
"""What a case may be asked for, from easy to hard: it solves a task by the absolute verdict, and holds the others by
its standing beside the references."""
_SEARCH_KEYS = ("low", "high", "log", "values")
_REFERENCE_KEYS = ("class", "names", "hyperparameters")
_KINDS: Mapping[type, str] = {
    str: "a string",
    dict: "a table",
    list: "a list",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
}


@dataclass(frozen=True, kw_only=True)
class OptimizerDeclaration:
    """One `[optimizers.NAME]` table, one `--optbench-optimizer`, or one `optbench` mark."""

    name: str
    where: str
    """File and table, option or test; begins every error sentence."""
    optimizer: Any
    """`module:name`, or in a mark the class or factory itself. The key is `class` in a table."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] | None = None
    """None where nothing is said of it: then an unset learning rate is open."""
    configurations: Mapping[str, Any] | None = None
    """None where nothing is said of them: then the contract derives some; an empty table leaves the default alone."""
    family: str = ""
    claims: Mapping[str, Any] = field(default_factory=dict)
    reference: Any = ""
    """`module:name`, a table of `class`, `names` and `hyperparameters`, or in a mark the class itself."""
    scheduler: Any = None
    tasks: str = ""
    expected_failures: Mapping[str, Any] = field(default_factory=dict)
    fail_on: str | None = None
    """Of its own gate; None for the option's value. The same for the next two."""
    alpha: float | None = None
    tolerance: float | None = None
    level: str | None = None
    """What its cases are asked for where no baseline decides; None for the option's value."""

    def __post_init__(self) -> None:
        require_kind(self.name, str, where=f"{self.where}: name")
        if not _NAME.fullmatch(self.name):
            raise OptbenchError(
                f"{self.where}: {self.name!r} is no name for an optimizer; expected letters, digits and any of _ . + -"
            )
        for key in ("hyperparameters", "claims", "expected_failures"):
            require_kind(getattr(self, key), dict, where=f"{self.where}: {key}")
        for key in ("family", "tasks"):
            require_kind(getattr(self, key), str, where=f"{self.where}: {key}")
        self._require_gate()
        _require_reference(self.reference, where=f"{self.where}: reference")
        for name, reason in self.expected_failures.items():
            require_kind(reason, str, where=f"{self.where}: expected_failures.{name}")
        if self.family:
            require_known(self.family, FAMILIES, where=self.where, what="family")
        self._require_configurations()
        validate_claims(self.claims, where=self.where, configurations=self.configurations or ())
        if self.search is not None:
            require_kind(self.search, dict, where=f"{self.where}: search")
        for name, space in (self.search or {}).items():
            require_kind(space, dict, where=f"{self.where}: search.{name}")
            for key in space:
                require_known(key, _SEARCH_KEYS, where=f"{self.where}: search.{name}", what="key")

    def _require_configurations(self) -> None:
        if self.configurations is None:
            return
        require_kind(self.configurations, dict, where=f"{self.where}: configurations")
        for name, options in self.configurations.items():
            require_kind(options, dict, where=f"{self.where}: configurations.{name}")
            if name == DEFAULT_CONFIGURATION:
                raise OptbenchError(
                    f"{self.where}: configurations: {DEFAULT_CONFIGURATION!r} is the one without options; "
                    "use another name"
                )
            if not _NAME.fullmatch(name):
                raise OptbenchError(
                    f"{self.where}: {name!r} is no name for a configuration; "
                    "expected letters, digits and any of _ . + -"
                )

    def _require_gate(self) -> None:
        for key, kind in (("fail_on", str), ("alpha", float), ("tolerance", float), ("level", str)):
            if getattr(self, key) is not None:
                require_kind(getattr(self, key), kind, where=f"{self.where}: {key}")
        if self.level is not None:
            require_known(self.level, LEVELS, where=f"{self.where}: level", what="level")


OPTIMIZER_KEYS = tuple(f.name for f in fields(OptimizerDeclaration) if f.name not in ("name", "where"))
_TABLE_KEYS = ("class", *(key for key in OPTIMIZER_KEYS if key != "optimizer"))


@dataclass(frozen=True)
class Table:
    """The whole table: its file, its settings as they stand, and the optimizers in their order."""

    path: Path
    settings: Mapping[str, Any]
    optimizers: tuple[OptimizerDeclaration, ...]

    @property
    def task_modules(self) -> list[str]:
        """Modules with tasks of the project's own. Raises OptbenchError for anything but a list of names."""
        modules: list[str] = self.settings.get("task_modules", [])
        where = f"{self.path.name}: task_modules"
        require_kind(modules, list, where=where)
        for module in modules:
            require_kind(module, str, where=where)
        return modules


PLACES: Mapping[str, tuple[str, ...]] = {"optbench.toml": (), "pyproject.toml": ("tool", "optbench")}
"""The files in which a session finds a table, and the keys below which it is there."""


def find_table(folders: list[Path]) -> Table | None:
    """The table of the first folder that has one, in `optbench.toml` or as `[tool.optbench]` in `pyproject.toml`."""
    for folder in folders:
        tables = [table for name, keys in PLACES.items() if (table := _read(folder / name, keys)) is not None]
        if len(tables) > 1:
            raise OptbenchError(f"{folder}: both optbench.toml and pyproject.toml hold an optbench table; keep one")
        if tables:
            return tables[0]
    return None


def read_table(path: Path) -> Table:
    """The table of this file; OptbenchError where it holds none."""
    found = _read(path, PLACES.get(path.name, ()))
    if found is None:
        raise OptbenchError(f"{path}: no table of optbench; expected an optbench.toml or a pyproject.toml with one")
    return found


def _read(path: Path, keys: tuple[str, ...]) -> Table | None:
    if not path.is_file():
        return None
    try:
        content: Any = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise OptbenchError(f"{path.name}: not valid TOML: {error}") from error
    for key in keys:
        content = content.get(key)
        if not isinstance(content, dict):
            return None
    return parse_table(path, content, prefix=".".join(keys))


def parse_table(path: Path, content: Mapping[str, Any], *, prefix: str) -> Table:
    """The table from its parsed TOML; `prefix` is its place in the file, for error sentences."""
    optimizers = content.get("optimizers", {})
    where = f"{path.name} [{prefix}]" if prefix else path.name
    require_kind(optimizers, dict, where=f"{where}: optimizers")
    declarations = []
    for name, keys in optimizers.items():
        at = f"{path.name} [{'.'.join(filter(None, (prefix, 'optimizers', name)))}]"
        require_kind(keys, dict, where=at)
        for key in keys:
            require_known(key, _TABLE_KEYS, where=at, what="key")
        if "class" not in keys:
            raise OptbenchError(f"{at}: key 'class' is missing; expected class = \"module:name\"")
        rest = {key: value for key, value in keys.items() if key != "class"}
        declarations.append(OptimizerDeclaration(name=name, where=at, optimizer=keys["class"], **rest))
    settings = {key: value for key, value in content.items() if key != "optimizers"}
    return Table(path, settings, tuple(declarations))


def parse_option(text: str, *, option: str) -> OptimizerDeclaration:
    """The declaration behind `[Name=]module:Class[(key=value, ...)]`; values are written as in TOML.

    >>> parse_option("Slow=torch.optim:SGD(lr=0.1)", option="--optbench-optimizer").hyperparameters
    {'lr': 0.1}
    """
    match = re.fullmatch(r"(?:(?P<name>[^=(:]+)=)?(?P<path>[^=(]+)(?:\((?P<options>.*)\))?", text.strip(), re.DOTALL)
    where = f"{option} {text!r}"
    if match is None:
        raise OptbenchError(f"{where}: expected [Name=]module:Class[(key=value, ...)]")
    try:
        hyperparameters = tomllib.loads(f"it = {{ {match['options'] or ''} }}")["it"]
    except tomllib.TOMLDecodeError as error:
        raise OptbenchError(f"{where}: the values are not TOML ({error})") from error
    path = match["path"].strip()
    name = match["name"] or path.rpartition(":")[2].rpartition(".")[2]
    return OptimizerDeclaration(name=name.strip(), where=where, optimizer=path, hyperparameters=hyperparameters)


def _require_reference(reference: object, *, where: str) -> None:
    """Raise OptbenchError unless it is the name of a class, a class, or a table with one."""
    if not isinstance(reference, Mapping):
        if not callable(reference):
            require_kind(reference, str, where=where)
        return
    for key in reference:
        require_known(key, _REFERENCE_KEYS, where=where, what="key")
    if "class" not in reference:
        raise OptbenchError(f"{where}: key 'class' is missing; expected class = \"module:name\"")
    if not callable(reference["class"]):
        require_kind(reference["class"], str, where=f"{where}: class")
    for key in ("names", "hyperparameters"):
        require_kind(reference.get(key, {}), dict, where=f"{where}: {key}")
    for name, theirs in reference.get("names", {}).items():
        require_kind(theirs, str, where=f"{where}: names.{name}")


def require_kind(value: object, kind: type, *, where: str) -> None:
    """Raise OptbenchError unless `value` is of the kind; a whole number is a number, true is neither."""
    accepted: tuple[type, ...] = (int, float) if kind is float else (kind,)
    mapping = kind is dict and isinstance(value, Mapping)
    if mapping or (isinstance(value, accepted) and (kind is bool or not isinstance(value, bool))):
        return
    raise OptbenchError(f"{where} is {value!r}; expected {_KINDS[kind]}")


def require_positive(value: object, *, where: str) -> None:
    """Raise OptbenchError unless `value` is a whole number and at least 1."""
    require_kind(value, int, where=where)
    if isinstance(value, int) and value < 1:
        raise OptbenchError(f"{where} is {value}; expected at least 1")
