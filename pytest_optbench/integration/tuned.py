"""Tuned values, kept in pytest's cache from one session to the next."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import pytest
import torch

from pytest_optbench.integration.session import SESSION
from pytest_optbench.machine.engine.case import Case
from pytest_optbench.machine.recipe import made_class, source_digest
from pytest_optbench.machine.search import stand_in
from pytest_optbench.machine.tuning import PROTOCOL

_FOLDER = "optbench/tuned"


def recall(config: pytest.Config, case: Case) -> Mapping[str, Any] | None:
    """What an earlier session chose for exactly this case; None where there is nothing, or it is not wanted."""
    cache = _cache(config)
    if cache is None or not case.search or config.stash[SESSION].settings.tune == "force":
        return None
    entry = cache.get(_key(case), None)
    values = entry.get("values") if isinstance(entry, dict) else None
    if not isinstance(values, dict) or values.keys() != case.search.keys():
        return None
    found = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    return found if all(value in case.search[name] for name, value in found.items()) else None


def remember(config: pytest.Config, case: Case, values: Mapping[str, Any]) -> None:
    """Keep what was chosen for this case, unless JSON has no word for it."""
    cache = _cache(config)
    if cache is not None:
        entry = {"recipe": case.recipe.name, "task": f"{case.task.name}@{case.task.version}", "values": dict(values)}
        with suppress(TypeError):
            cache.set(_key(case), entry)


def _cache(config: pytest.Config) -> pytest.Cache | None:
    return getattr(config, "cache", None)  # absent under -p no:cacheprovider


def _key(case: Case) -> str:
    """Everything that the choice depends on; the name in front is for people."""
    recipe, task, threshold = case.recipe, case.task, case.threshold
    middling = stand_in(recipe, case.search)
    parts = [
        PROTOCOL,
        recipe.path,
        recipe.version,
        torch.__version__,
        recipe.hyperparameters_json,
        sorted((name, repr(value)) for name, value in recipe.claims.items()),
        sorted((name, list(map(repr, values))) for name, values in case.search.items()),
        repr(task),
        task.version,
        [threshold.target, threshold.budget, threshold.eval_every],
        [case.device, str(case.dtype)],
        source_digest(recipe.optimizer, made_class(middling, case.capabilities), recipe.scheduler, type(task)),
        getattr(recipe.scheduler, "__qualname__", ""),
    ]
    digest = hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
    name = re.sub(r"[^A-Za-z0-9_.+-]+", "-", recipe.name).strip(".-")
    return f"{_FOLDER}/{name}-{task.name}-{digest[:16]}"
