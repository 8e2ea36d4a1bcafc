"""The page of a session: what `optbench report` makes of its runs table, with the verdict of the session as a whole."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from pytest_optbench.report.figures import counts, verdict
from pytest_optbench.words.review import Review
from pytest_optbench.words.run import Run
from pytest_optbench.words.table import to_csv

SOURCE = "this session"


def session_page(rows: Sequence[Run], review: Review, *, tags: Mapping[str, Collection[str]], command: str) -> str:
    """The HTML page of the rows. It is made of them as a table, so that it is the page of the CSV, too."""
    from pytest_optbench.analysis.cases import CaseSummary, reference_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.analysis.reading import read_cases  # noqa: PLC0415 - imports numpy
    from pytest_optbench.report.page.document import page  # noqa: PLC0415 - imports numpy

    def read(table: Path) -> Iterator[CaseSummary]:
        for case in read_cases([table], curves=True):
            yield replace(case, source=SOURCE)

    with TemporaryDirectory() as folder:
        table = Path(folder, "runs.csv")
        table.write_text(to_csv(rows), encoding="utf-8", newline="")
        return page(
            lambda: read(table),
            references=reference_cases(),
            tags=tags,
            verdict=verdict(review).removeprefix("optbench "),
            counts=counts(review),
            command=command,
        )
