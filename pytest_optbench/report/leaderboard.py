"""The leaderboard as tables: CSV for whoever computes with it, Markdown for a README. Names of files are inert."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Mapping, Sequence

from pytest_optbench.analysis.board import Board, Place, Ranking
from pytest_optbench.analysis.correlation import Correlation
from pytest_optbench.analysis.entries import Entry
from pytest_optbench.report.inert import inert, inert_name
from pytest_optbench.words.sheet import defused

COLUMNS = (
    *("suite", "regime", "tier", "category", "rank", "rank_low", "rank_high", "recipe", "optimizer", "version"),
    *("score", "score_low", "score_high", "solved", "tasks", "of", "least_seeds", "most_seeds", "speed_up", "breadth"),
    *("step_ratio", "state_bytes", "hyperparameters", "missing", "source"),
)
HEADINGS = (
    ("#", "rank, with the ranks that 95 % of the bootstrap replicates hold"),
    ("optimizer", "the recipe"),
    ("score", "mean over tasks of the area under the ECDF of targets reached over log steps, with its 95 % interval"),
    ("solved", "tasks on which at least half of the seeds reach the target within the budget"),
    ("seeds", "of a task"),
    ("speed-up", "median over tasks of the steps of tuned AdamW by its own; a miss counts as 0"),
    ("lr breadth", "median over tasks of the share of learning rates that reach the easiest level while tuning"),
    ("step cost", "median over tasks of the time of optimizer.step() by that of one gradient"),
    ("state", "median over tasks of the bytes that the optimizer keeps for each scalar parameter"),
)
"""What the columns of a ranking are called, and what they say."""


def to_csv(boards: Sequence[Board]) -> str:
    """A row for every entry of every ranking; those without a place have neither rank nor score."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for board in boards:
        for ranking in board.rankings:
            head = (board.suite, board.regime, board.tier, ranking.category)
            for place in ranking.places:
                writer.writerow(map(_cell, (*head, *_placed(place, ranking))))
            for one in ranking.incomplete:
                blank = ("",) * 3
                rest = (one.tasks, len(ranking.tasks), *[""] * 6, "", json.dumps(one.missing), one.entry.source)
                writer.writerow(map(_cell, (*head, *blank, *_named(one.entry), *[""] * 4, *rest)))
    return out.getvalue()


def _placed(place: Place, ranking: Ranking) -> tuple[object, ...]:
    return (
        *(place.rank, place.rank_low, place.rank_high, *_named(place.entry), place.score, place.low, place.high),
        *("" if place.solved is None else place.solved, place.tasks, len(ranking.tasks), *place.seeds),
        *(place.speed_up, place.breadth, place.step_ratio, place.state_bytes),
        *(json.dumps(hyperparameters(place.entry, ranking.tasks)), "[]", place.entry.source),
    )


def _named(entry: Entry) -> tuple[str, str, str]:
    return entry.recipe, entry.optimizer, entry.version


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.6g}"
    return defused(str(value))


def hyperparameters(entry: Entry, tasks: Sequence[str]) -> Mapping[str, str]:
    """The hyperparameters by task, as JSON texts; under `*` alone where they are the same on all."""
    found = {name: entry.cases[name].hyperparameters for name in tasks if name in entry.cases}
    return {"*": next(iter(found.values()))} if len(set(found.values())) == 1 else found


def correlation_csv(found: Sequence[Correlation]) -> str:
    """A row for every optimizer of every pair of tiers."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(("suite", "regime", "first", "second", "recipe", "score_first", "score_second"))
    for one in found:
        for recipe, first, second in zip(one.recipes, *one.scores, strict=True):
            writer.writerow(map(_cell, (one.suite, one.regime, one.first, one.second, recipe, first, second)))
    return out.getvalue()


def markdown(boards: Sequence[Board], *, paragraph: str = "") -> str:
    """The rankings over all tasks of a tier as Markdown tables, with what their columns say, and a paragraph below."""
    parts = []
    for board in boards:
        ranking = board.rankings[0]
        parts.append(f"### {inert(board.title)}: {ranking.category}, {_count(len(ranking.tasks), 'task')}\n")
        if ranking.places:
            rows = [f"| {' | '.join(cells)} |" for cells in map(_markdown_cells, labelled(ranking))]
            titles = [title for title, _ in HEADINGS]
            parts.append("\n".join([f"| {' | '.join(titles)} |", f"|{'---|' * len(titles)}", *rows]) + "\n")
        if ranking.incomplete:
            lacking = [f"{inert_name(x.entry.recipe)} ({x.tasks} of {len(ranking.tasks)})" for x in ranking.incomplete]
            parts.append(f"Not ranked, since tasks are missing: {', '.join(lacking)}.\n")
    meanings = "; ".join(f"**{title}**: {text}" for title, text in HEADINGS if title not in ("#", "optimizer"))
    if not parts:
        return "No results.\n"
    return "\n".join([*parts, f"{meanings}.\n", *([inert(paragraph, longest=3000) + "\n"] if paragraph else [])])


def _markdown_cells(labelled_place: tuple[str, Place]) -> list[str]:
    label, place = labelled_place
    rank, _, *rest = texts(place)
    return [rank, inert_name(label), *rest]


def texts(place: Place) -> list[str]:
    """The cells of a place as they are shown, in the order of `HEADINGS`; the name is the recipe's, as it is."""
    rank = f"{place.rank}" + (f" ({place.rank_low}-{place.rank_high})" if place.rank_low != place.rank_high else "")
    least, most = place.seeds
    return [
        rank,
        place.entry.recipe,
        f"{place.score:.3f} ({place.low:.3f}-{place.high:.3f})",
        "-" if place.solved is None else f"{place.solved}/{place.tasks}",
        str(least) if least == most else f"{least}-{most}",
        _shown(place.speed_up, "{:.2f}x"),
        _shown(place.breadth, "{:.0%}"),
        _shown(place.step_ratio, "{:.2f}x"),
        _shown(place.state_bytes, "{:.0f} B"),
    ]


def labelled(ranking: Ranking) -> list[tuple[str, Place]]:
    """The places with their names: the recipe's, with the file where two have the same."""
    names = [place.entry.recipe for place in ranking.places]
    return [
        (f"{name} ({place.entry.source})" if names.count(name) > 1 else name, place)
        for name, place in zip(names, ranking.places, strict=True)
    ]


def _shown(value: float, form: str) -> str:
    return "-" if math.isnan(value) else form.format(value)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
