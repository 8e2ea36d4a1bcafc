"""The legend of a whole set of figures: an entry has the same look and the same name in each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pytest_optbench.analysis.collection import REFERENCES, SHOWN, Collection, Entry
from pytest_optbench.report.figures import counted
from pytest_optbench.report.inert import one_line
from pytest_optbench.report.plots.style import GREY, LOOKS, Look, key_line, shown

Item = TypeVar("Item")


class Undrawable(Exception):
    """A figure that cannot be made from these tables, and why: left out, and no error."""


@dataclass(frozen=True)
class Legend:
    """Names of all entries, and the looks of those that are told apart."""

    names: dict[Entry, str]
    looks: dict[Entry, Look]
    several_gradients: frozenset[Entry] = frozenset()

    def text(self, entry: Entry, note: str = "") -> str:
        """Its name as it is drawn."""
        return shown(self.names[entry]) + note

    def key(self, entry: Entry, *, marked: bool = True) -> Any:
        return key_line(self.looks[entry], marked=marked)

    def color(self, entry: Entry) -> str:
        return self.looks[entry].color if entry in self.looks else GREY

    @property
    def hidden(self) -> int:
        return len(self.names) - len(self.looks)

    def caption(self, *, grey: bool) -> str:
        """What a caption says of entries, regimes and tables; `grey` where further entries are drawn in grey."""
        regimes = sorted({one_line(entry.regime, longest=20) for entry in self.names})
        suites = sorted({one_line(entry.suite, longest=40) or "unnamed" for entry in self.names})
        text = f" Hyperparameters: {', '.join(regimes)}; suite {', '.join(suites)}"
        text += "; regimes and suites are never mixed in one line." if len(regimes) + len(suites) > 2 else "."
        if any(entry.source == REFERENCES for entry in self.names):
            text += " Entries called reference are those shipped with pytest-optbench, tuned for each task."
        several = [self.names[entry] for entry in self.names if entry in self.several_gradients]
        if several:
            text += (
                f" A step of {', '.join(several[:SHOWN])}{f' and {len(several) - SHOWN} more' * (len(several) > SHOWN)}"
                " evaluates more than one gradient, and counts as one all the same."
            )
        if self.hidden:
            text += (
                f" In colour: the {len(self.looks)} of {len(self.names)} entries with the best score (mean over tasks "
                "of the best reference's steps by one's own median steps, at most 1; a miss is 0; those last that have "
                "less than half as many tasks as the entry with the most); the others are "
                f"{'light grey' if grey else 'not drawn'}."
            )
        return text


def legend_of(collection: Collection) -> Legend:
    """The looks go to the best entries, in the order of the tables."""
    names = {entry: one_line(name, longest=120) for entry, name in collection.labels.items()}
    looks = dict(zip(collection.shown, LOOKS[:SHOWN], strict=False))
    return Legend(names, looks, frozenset(collection.several_gradients))


def task_counts(collection: Collection, count: Callable[[Entry], int], entries: Sequence[Entry]) -> dict[Entry, str]:
    """A note behind every name where entries are about different tasks."""
    if collection.same_tasks(entries):
        return dict.fromkeys(entries, "")
    return {entry: f" ({counted(count(entry), 'task')})" for entry in entries}


def pages(name: str, items: Sequence[Item], size: int, *, most: int) -> Iterator[tuple[str, list[Item], str]]:
    """The items in pages of equal size: the name of each figure, its items, and what its caption says of the others.

    >>> [(name, some) for name, some, _ in pages("curves", [1, 2, 3], 2, most=9)]
    [('curves-1', [1, 2]), ('curves-2', [3])]
    """
    count = -(-len(items) // size)
    for number in range(min(count, most)):
        own = list(items[number * size : (number + 1) * size])
        more = f" Page {number + 1} of {min(count, most)}." if count > 1 else ""
        if count > most:
            more += f" Of {len(items)} tasks, the first {most * size} are drawn."
        yield (f"{name}-{number + 1}" if count > 1 else name), own, more
