"""Drawing: the figures of what a session measured, from the table that it would write."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv


def drawn(runs: Sequence[Run], folder: Path) -> list[str]:
    """Draw the figures of the runs into a folder; their names. Raises OptbenchError where they cannot be written."""
    from pytest_optbench.report.plots.book import write_book  # noqa: PLC0415 - imports numpy

    with tempfile.TemporaryDirectory(prefix="optbench-plot-") as temporary:
        table = Path(temporary) / "runs.csv"
        table.write_text(to_csv(runs), encoding="utf-8", newline="")
        return [one.name for one in write_book([table], folder) if one.files]
