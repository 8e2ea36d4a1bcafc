"""Marks: the third door, `@pytest.mark.optbench(...)` on a test, turned into one test per task."""

from __future__ import annotations

import inspect
import sys
from typing import Any, NoReturn

import pytest

from pytest_optbench.integration.comparing import require_deciding
from pytest_optbench.integration.session import Session
from pytest_optbench.integration.suite import Entry
from pytest_optbench.words.declaration import OPTIMIZER_KEYS, OptimizerDeclaration, require_kind, require_positive
from pytest_optbench.words.errors import OptbenchError, require_known

_KEYS = (*OPTIMIZER_KEYS, "name", "tier", "seeds")


class MarkError(pytest.Collector.CollectError):
    """A misuse of the mark: shown as one sentence, and ends the session as a usage error."""


def parametrize(metafunc: pytest.Metafunc, session: Session) -> None:
    """Give a marked test one parameter per task that its recipe runs on."""
    mark = metafunc.definition.get_closest_marker("optbench")
    if "optbench_task" not in metafunc.fixturenames:
        if mark is not None:
            raise MarkError(f"{_place(metafunc)}: marked optbench, but uses neither fixture optbench nor optbench_task")
        return
    if mark is None:
        raise MarkError(
            f"{_place(metafunc)}: uses the fixture optbench without the mark; add @pytest.mark.optbench(...)"
        )
    try:
        entry = _entry(mark, metafunc, session)
    except OptbenchError as error:
        raise MarkError(str(error)) from error
    metafunc.parametrize(
        "optbench_task", [pytest.param(case, id=case.task.name) for case in entry.cases], indirect=True
    )


def _entry(mark: pytest.Mark, metafunc: pytest.Metafunc, session: Session) -> Entry:
    place = _place(metafunc)
    if mark.args:
        raise OptbenchError(f"{place}: the mark optbench takes keywords only; write optimizer={_name(mark.args[0])}")
    for key in mark.kwargs:
        require_known(key, _KEYS, where=place, what="keyword of the mark optbench")
    keywords: dict[str, Any] = dict(mark.kwargs)
    if "optimizer" not in keywords:
        raise OptbenchError(f"{place}: the mark optbench needs optimizer=...")
    name = keywords.pop("name", metafunc.definition.name)
    tier, seeds = keywords.pop("tier", None), keywords.pop("seeds", None)
    if seeds is not None:
        require_positive(seeds, where=f"{place}: seeds")
    if tier is not None:
        require_kind(tier, str, where=f"{place}: tier")
        require_known(tier, ("unit", "small", "full"), where=place, what="tier")
    declaration = OptimizerDeclaration(name=name, where=place, **keywords)
    if name in session.suite.declared:
        raise OptbenchError(f"{place}: an optimizer named {name!r} is defined already, in the table; give name=...")
    if session.marked.setdefault(name, mark) is not mark:
        raise OptbenchError(f"{place}: an optimizer named {name!r} is defined already, in another test; give name=...")
    entry = session.suite.entry(declaration, tier=tier, seeds=seeds)
    if seeds is None:  # a test that asks for few seeds is for itself, and in no baseline
        require_deciding(session, entry.cases)
    return entry


def refuse_marked_class(collector: pytest.Collector, name: str, obj: object) -> None:
    """A mark found on an Optimizer class was meant for a test: `mark.optbench(Lion)` decorates Lion."""
    if inspect.isclass(obj) and _is_marked_optimizer(obj):
        _refuse(obj)


def explain_collection_error(collector: pytest.Collector, report: pytest.CollectReport) -> pytest.CollectReport:
    """Name the real mistake when the import of a test file failed because its mark decorated an Optimizer class."""
    call: Any = getattr(report, "call", None)
    error = call.excinfo.value if call is not None and call.excinfo is not None else None
    if report.failed and not isinstance(error, MarkError):
        marked = _marked_optimizer()
        if marked is not None:
            report.longrepr = str(_mark_on_class(marked))
            error = MarkError(report.longrepr)
    if isinstance(error, MarkError):
        report.optbench_usage_error = str(error)  # type: ignore[attr-defined]
    return report


def raise_usage_error(report: pytest.CollectReport) -> None:
    """End the session with exit code 4."""
    message = getattr(report, "optbench_usage_error", None)
    if message is not None:
        raise pytest.UsageError(message)


def _marked_optimizer() -> type | None:
    torch: Any = sys.modules.get("torch")
    pending = list(torch.optim.Optimizer.__subclasses__()) if torch else []
    while pending:
        candidate = pending.pop()
        if _is_marked_optimizer(candidate):
            return candidate  # type: ignore[no-any-return]
        pending.extend(candidate.__subclasses__())
    return None


def _is_marked_optimizer(obj: Any) -> bool:
    torch: Any = sys.modules.get("torch")
    marks = vars(obj).get("pytestmark", [])
    return bool(
        torch and issubclass(obj, torch.optim.Optimizer) and any(getattr(m, "name", "") == "optbench" for m in marks)
    )


def _refuse(optimizer: type) -> NoReturn:
    raise _mark_on_class(optimizer)


def _mark_on_class(optimizer: type) -> MarkError:
    name = optimizer.__qualname__
    return MarkError(
        f"the mark optbench was put on the class {optimizer.__module__}.{name} itself; "
        f"it takes keywords only: write @pytest.mark.optbench(optimizer={name})"
    )


def _place(metafunc: pytest.Metafunc) -> str:
    return f"{metafunc.definition.nodeid}"


def _name(value: object) -> str:
    return getattr(value, "__name__", repr(value))
