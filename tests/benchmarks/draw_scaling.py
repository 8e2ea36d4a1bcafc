"""Draw what `test_scaling.py` has measured: cost against seeds and against parameters, as multiples of the smallest.

pytest tests/benchmarks/test_scaling.py -k "seeds or parameters" --benchmark-enable --benchmark-json=scaling.json
python tests/benchmarks/draw_scaling.py scaling.json scaling.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure

PANELS = {"times of two seeds": "seeds", "times of ten parameters": "parameters (32 seeds of a quadratic)"}
STYLES = (("#0072B2", "-", "o"), ("#D55E00", "--", "s"))


def draw(measured: Path, picture: Path) -> None:
    """Write the picture; its kind is that of the suffix."""
    benchmarks = json.loads(measured.read_text(encoding="utf-8"))["benchmarks"]
    figure = Figure(figsize=(7, 2.6), layout="constrained")
    for axes, (key, label) in zip(figure.subplots(1, 2), PANELS.items(), strict=True):
        found = [one for one in benchmarks if key in one["extra_info"]]
        for one, (colour, dash, marker) in zip(found, STYLES, strict=False):
            counts, times = zip(*((int(k), v) for k, v in one["extra_info"][key].items()), strict=True)
            axes.plot(counts, times, dash, color=colour, marker=marker, label=one["param"] or "sphere10")
            least = counts[0]
        axes.plot(counts, [count / least for count in counts], ":", color="#777777", label="in proportion")
        axes.set(xscale="log", yscale="log", xlabel=label, ylabel="time, as a multiple", ylim=(0.5, 300))
        axes.legend(fontsize=7, frameon=False)
        axes.grid(alpha=0.3)
    figure.savefig(picture, metadata={"Date": None} if picture.suffix == ".svg" else None)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), Path(sys.argv[2]))
