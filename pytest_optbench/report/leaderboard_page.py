"""The leaderboard as one HTML page: complete without scripts and without a network, and inert whatever files say."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from html import escape
from importlib import resources

from pytest_optbench.analysis.board import Board, Incomplete, Place, Ranking
from pytest_optbench.analysis.entries import Entry
from pytest_optbench.report.inert import one_line
from pytest_optbench.report.leaderboard import HEADINGS, hyperparameters, labelled, texts

HOW = (
    "The score of a task is the area under the curve of targets reached, over the logarithm of the steps, from a "
    "hundredth of the budget to the budget, over all its seeds and levels; the score of an entry is the mean over "
    "tasks. The levels of a task without a target leave 1/2, 1/4, ... 1/128 of the way from the initial value to the "
    "best of all entries. Intervals, of scores and of ranks, hold 95 % of 1000 bootstrap replicates that draw tasks "
    "and, in them, seeds.",
    "What is misread most easily: the order of two entries whose rank intervals overlap says nothing; regimes are "
    "never in one table, for a tuned optimizer beats one at its defaults whatever the two are; and an entry that lacks "
    "a task is not ranked at all. Budgets are twice what tuned AdamW needs, or the reference that stands in for it, so "
    "that the suite has the tasks that those can solve.",
)

BEST_IS_MOST = frozenset(range(2, 7))
"""Columns of which more is better, or more telling."""


def page(boards: Sequence[Board], *, figure: str = "", paragraph: str = "") -> str:
    """The page. `figure` is an SVG picture of rank correlations and `paragraph` says what it shows; empty for none."""
    entries = _entries(boards)
    identities = {entry.key: f"entry-{k}" for k, entry in enumerate(entries)}
    style, script = (_read(name) for name in ("leaderboard.css", "leaderboard.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src 'sha256-{digest}'"
    body = [
        "<h1>Leaderboard of optimizers</h1>",
        *(f"<p>{escape(text)}</p>" for text in HOW),
        '<p>The same as data: <a href="leaderboard.csv">leaderboard.csv</a>, '
        '<a href="leaderboard.md">leaderboard.md</a>.</p>',
        '<div class="tools" hidden><label for="filter">Filter by name</label> <input id="filter" type="search">'
        ' <span id="told" role="status" class="soft"></span></div>',
        *(_board(board, k, identities) for k, board in enumerate(boards)),
        _correlation(figure, paragraph),
        "<h2>Columns</h2>",
        "<dl>" + "".join(f"<dt>{escape(a)}</dt><dd>{escape(b)}</dd>" for a, b in HEADINGS) + "</dl>",
        "<h2>Entries</h2>",
        *(_entry(entry, identities[entry.key]) for entry in entries),
    ]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Leaderboard of optimizers</title>\n<style>\n{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, body))
        + f"\n</main>\n<script>{script}</script>\n</body>\n</html>\n"
    )


def _read(name: str) -> str:
    return resources.files("pytest_optbench.data").joinpath(name).read_text(encoding="utf-8")


def _entries(boards: Sequence[Board]) -> list[Entry]:
    found: dict[tuple[str, ...], Entry] = {}
    for board in boards:
        for ranking in board.rankings:
            some = [place.entry for place in ranking.places] + [one.entry for one in ranking.incomplete]
            found.update({entry.key: entry for entry in some})
    return [found[key] for key in sorted(found)]


def _text(text: str, longest: int = 300) -> str:
    return escape(one_line(text, longest=longest))


def _board(board: Board, number: int, identities: Mapping[tuple[str, ...], str]) -> str:
    options = "".join(
        f'<option value="{escape(ranking.category)}">{escape(ranking.category)} ({len(ranking.tasks)})</option>'
        for ranking in board.rankings
    )
    return "\n".join(
        [
            f'<section data-board aria-labelledby="board-{number}"><h2 id="board-{number}">{_text(board.title)}</h2>',
            f'<div class="tools" hidden><label>Category <select>{options}</select></label></div>',
            *(_ranking(ranking, identities) for ranking in board.rankings),
            "</section>",
        ]
    )


def _ranking(ranking: Ranking, identities: Mapping[tuple[str, ...], str]) -> str:
    parts = [f'<div data-category="{escape(ranking.category)}">']
    if ranking.places:
        names = ", ".join(ranking.tasks[:12]) + (", …" if len(ranking.tasks) > 12 else "")
        heads = "".join(
            f'<th scope="col"{_heading(k)} title="{escape(text)}"><button type="button">{escape(title)}</button></th>'
            for k, (title, text) in enumerate(HEADINGS)
        )
        rows = "\n".join(_row(label, place, identities) for label, place in labelled(ranking))
        parts.append(
            f'<div class="scroll" tabindex="0" role="region" aria-label="Ranking: {escape(ranking.category)}">'
            f"<table data-sortable><caption><span>{escape(ranking.category)}: {_text(names, 400)}</span></caption>"
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{rows}\n</tbody></table></div>"
        )
    if ranking.incomplete:
        lines = "".join(_incomplete(one, ranking, identities) for one in ranking.incomplete)
        parts.append(f'<p class="incomplete">Not ranked, since tasks are missing:</p><ul>{lines}</ul>')
    return "\n".join([*parts, "</div>"])


def _heading(column: int) -> str:
    """Attributes of a heading: the table is in the order of ranks, and the first click on a figure puts the best on
    top."""
    if column == 0:
        return ' aria-sort="ascending"'
    return ' class="name"' if column == 1 else ' data-first="descending"' if column in BEST_IS_MOST else ""


def _row(label: str, place: Place, identities: Mapping[tuple[str, ...], str]) -> str:
    values = [
        *(place.rank, label, place.score, place.solved, place.seeds[0]),
        *(place.speed_up, place.breadth, place.step_ratio, place.state_bytes),
    ]
    cells = []
    for column, (text, value) in enumerate(zip(texts(place), values, strict=True)):
        key = "" if value is None or (isinstance(value, float) and math.isnan(value)) else f"{value}"
        attribute = f'data-value="{_text(key)}"'
        if column == 1:
            link = f'<a href="#{identities[place.entry.key]}">{_text(label, 60)}</a>'
            cells.append(f'<th scope="row" {attribute} title="{_text(label)}">{link}</th>')
        else:
            cells.append(f"<td {attribute}>{escape(text)}{_bar(place) if column == 2 else ''}</td>")
    return f'<tr data-name="{_text(label).lower()}">{"".join(cells)}</tr>'


def _bar(place: Place) -> str:
    style = f"--low:{place.low:.1%};--high:{place.high:.1%};--score:{place.score:.1%}"
    return f'<span class="bar" aria-hidden="true" style="{style}"><i></i><b></b></span>'


def _incomplete(one: Incomplete, ranking: Ranking, identities: Mapping[tuple[str, ...], str]) -> str:
    missing = ", ".join(one.missing[:6]) + (", …" if len(one.missing) > 6 else "")
    link = f'<a href="#{identities[one.entry.key]}">{_text(one.entry.recipe, 60)}</a>'
    return f"<li>{link}: incomplete, {one.tasks} of {len(ranking.tasks)} (without {_text(missing)})</li>"


def _correlation(figure: str, paragraph: str) -> str:
    if not paragraph:
        return ""
    source = base64.b64encode(figure.encode()).decode()
    picture = (
        f'<figure><img alt="Ranks of optimizers in one tier against another; the numbers are in the text." '
        f'src="data:image/svg+xml;base64,{source}"></figure>'
        if figure
        else ""
    )
    return f"<h2>Do small tasks tell?</h2><p>{_text(paragraph, 3000)}</p>{picture}"


def _entry(entry: Entry, identity: str) -> str:
    tasks = sorted(entry.cases)
    values = hyperparameters(entry, tasks)
    rows = "".join(
        f'<tr><th scope="row">{"all tasks" if name == "*" else _text(name)}</th>'
        f"<td><code>{_text(text)}</code></td></tr>"
        for name, text in values.items()
    )
    data = f'<a href="{escape(entry.source)}" download>{_text(entry.source)}</a>'
    source = data if entry.source.startswith("data/") else _text(entry.source)
    return (
        f'<details id="{identity}" data-name="{_text(entry.recipe).lower()}"><summary>{_text(entry.recipe)} '
        f'<span class="soft">{_text(entry.regime)}, {len(tasks)} tasks</span></summary>'
        f"<dl><dt>Class</dt><dd><code>{_text(entry.optimizer)}</code></dd>"
        f"<dt>Version of its package</dt><dd>{_text(entry.version) or '-'}</dd>"
        f"<dt>Suite</dt><dd>{_text(entry.suite)}</dd><dt>Results</dt><dd>{source}</dd></dl>"
        f"<table><caption>Hyperparameters that are not the defaults of the class</caption><tbody>{rows}</tbody></table>"
        "</details>"
    )
