"""What all tests share: pytest's own `pytester`, and imports that happen once."""

from __future__ import annotations

import contextlib
import gc
import os
from collections.abc import Iterator

import pytest

# Two workers on two cores, and the sessions that they start: one thread each, or they wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch

from pytest_optbench.integration import hooks, sink  # noqa: F401 - see _imported_once
from pytest_optbench.machine.engine.case import Case, CaseRun
from pytest_optbench.machine.recipe import Recipe, validate
from pytest_optbench.machine.tasks import BUILTIN
from pytest_optbench.machine.tasks.registry import threshold_of

with contextlib.suppress(ImportError):  # without the extra `plot`
    import matplotlib.backends.backend_agg
    import matplotlib.backends.backend_pdf
    import matplotlib.backends.backend_svg
    import matplotlib.figure  # noqa: F401 - see _imported_once
from pytest_optbench.report.page import document  # noqa: F401 - see _imported_once

pytest_plugins = ["pytester"]


@pytest.fixture(scope="session", autouse=True)
def _imported_once() -> Iterator[None]:
    """Import what a run imports on the way: an inner session takes the modules it was first to import away with it."""
    recipe = Recipe(name="SGD", optimizer=torch.optim.SGD, where="tests")
    task = next(task for task in BUILTIN if task.name == "rosenbrock2")
    case = Case(
        recipe=recipe, capabilities=validate(recipe), task=task, threshold=threshold_of(task), seeds=(0, 1), timeout=0
    )
    CaseRun(case).run()
    # Every inner session ends with several garbage collections; those need not walk through all of torch.
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
