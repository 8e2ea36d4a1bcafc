"""The Schaul colour map, from its table."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pytest_optbench.report.inert import one_line
from pytest_optbench.report.map_picture import PRINT, picture, rates_of, shares
from pytest_optbench.report.plots.files import Drawing
from pytest_optbench.report.plots.style import shown
from pytest_optbench.words.colours import COLOURS, MapRow


def drawing(name: str, rows: Sequence[MapRow]) -> Drawing:
    optimizers = ", ".join(dict.fromkeys(one_line(row.optimizer, longest=80) for row in rows))
    meanings = "; ".join(f"{colour}: {meaning}" for colour, meaning in COLOURS.items())
    return Drawing(
        name,
        draw=lambda: picture(rows, title=shown(optimizers.rpartition(":")[2]), size=PRINT),
        caption=(
            f"{optimizers} on the grid of Schaul, Antonoglou and Silver 2013 (arXiv 1312.6055), as in their figure 3: "
            "a strip for every shape, in it a column for every variant and a row for every learning rate, the largest "
            f"on top; below, the share of each colour by learning rate. Colours: {meanings}. A score is the progress "
            "relative to the best SGD's on the same variant."
        ),
        header=("lr", *COLOURS),
        rows=[
            (None if rate is None else float(rate), *share.values())
            for rate, share in zip(rates_of(rows), shares(rows), strict=True)
        ],
    )


def is_map(path: Path) -> bool:
    """Has the file the header of a map? A file that cannot be read is none."""
    try:
        with path.open(encoding="utf-8") as file:
            header = file.readline(4096).strip().split(",")
    except (OSError, UnicodeDecodeError):
        return False
    return {"variant", "colour", "sgd_lr"} <= set(header)
