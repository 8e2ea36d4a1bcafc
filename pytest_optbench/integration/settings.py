"""Settings: the options' values, from the command line, else pytest's ini, else the table, else the default."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_optbench.integration.options import OPTIONS, TABLE_KEYS, Option
from pytest_optbench.words.claims import EXTRAS
from pytest_optbench.words.declaration import Table, require_kind, require_positive
from pytest_optbench.words.errors import OptbenchError, require_known


@dataclass(frozen=True, kw_only=True)
class Settings:
    """Every option with its value, wherever it came from."""

    optimizer: tuple[str, ...]
    layer: str
    extra: str
    tasks: str
    tier: str
    seeds: int
    device: str
    timeout: float
    csv: str
    json: str
    markdown: str
    html: str
    plot: str
    baseline: str
    compare: str
    base: str
    save: str
    save_new: bool
    fail_on: str
    level: str
    alpha: float
    tolerance: float
    engine: str
    tune: str
    full_budget: bool
    with_tests: bool
    base_of: str
    sources: Mapping[str, str]
    """Where each value was set, to begin an error sentence."""

    @property
    def extras(self) -> tuple[str, ...]:
        """The kinds of checks that are run on request."""
        return tuple(filter(None, (name.strip() for name in self.extra.split(","))))

    @property
    def saving(self) -> bool:
        """Is a baseline to be written?"""
        return self.save_new or self.sources["save"] != "default"

    def runs(self, layer: str) -> bool:
        """Is this layer of the suite run?"""
        return not {layer, "all"}.isdisjoint(name.strip() for name in self.layer.split(","))

    @property
    def chooses(self) -> bool:
        """Does the command line choose among what the project declares?"""
        return any(self.given(name) for name in ("optimizer", "tasks", "tier"))

    def given(self, name: str) -> bool:
        """Does the value come from the command line?"""
        return self.sources[name].startswith("--")


def resolve(config: pytest.Config, table: Table | None) -> Settings:
    """The settings of this invocation. Raises OptbenchError for an unknown key or a value of the wrong kind."""
    entries: Mapping[str, Any] = table.settings if table else {}
    place = table.path.name if table else ""
    for key in entries:
        require_known(key, TABLE_KEYS, where=place, what="key")
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        value, source = _lookup(option, config, entries, place)
        values[option.name] = _checked(option, value, source)
        sources[option.name] = source
    for name in filter(None, (name.strip() for name in values["extra"].split(","))):
        require_known(name, EXTRAS, where=sources["extra"], what="kind of checks")
    return Settings(**values, sources=sources)


def _lookup(option: Option, config: pytest.Config, entries: Mapping[str, Any], place: str) -> tuple[Any, str]:
    given = config.getoption(option.key)
    if given is not None:
        return given, option.flag
    if not option.flag_only:
        ini = config.getini(option.key)
        if ini not in (None, ""):
            return ini, f"{config.inipath.name if config.inipath else 'ini'}: {option.key}"
        if option.name in entries:
            return entries[option.name], f"{place}: {option.name}"
    return option.default, "default"


def _checked(option: Option, value: Any, source: str) -> Any:
    if option.repeatable:
        return tuple(value)
    if source == "default":
        return value
    if isinstance(value, str) and option.kind is not str:
        value = _converted(option, value, source)
    require_kind(value, option.kind, where=source)
    if option.choices:
        for word in value.split(",") if option.several else (value,):
            require_known(word.strip(), option.choices, where=source, what="value")
    if option.kind is int:
        require_positive(value, where=source)
    if option.kind is float and not 0 <= value < math.inf:
        raise OptbenchError(f"{source} is {value}; expected 0 or more")
    return value


def _converted(option: Option, text: str, source: str) -> Any:
    if option.kind is bool:
        words = {
            "true": True,
            "1": True,
            "yes": True,
            "on": True,
            "false": False,
            "0": False,
            "no": False,
            "off": False,
        }
        require_known(text.lower(), words, where=source, what="value")
        return words[text.lower()]
    try:
        return option.kind(text)
    except ValueError:
        kind = "a whole number" if option.kind is int else "a number"
        raise OptbenchError(f"{source} is {text!r}; expected {kind}") from None
