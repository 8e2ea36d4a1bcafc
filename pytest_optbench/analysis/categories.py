"""Categories: the fixed list by which a leaderboard groups tasks, each task in the first category that its tags fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TaskFacts:
    """What a leaderboard has to know of a task that it did not run."""

    version: int
    tier: str
    tags: frozenset[str]


OTHER = "other"
"""The category of tasks that the suite does not know, and of those that fit no other one."""
ALL = "all"
"""All tasks of a tier that the suite knows, as a category of its own."""
CATEGORIES: Mapping[str, frozenset[str]] = {
    "interaction": frozenset({"game", "reinforcement", "local_steps"}),
    "generative": frozenset({"generative", "image_to_image"}),
    "sequences": frozenset({"sequence", "recurrent", "transformer"}),
    "networks": frozenset({"convolution", "graph", "physics", "self_supervised", "semi_supervised", "two_views"}),
    "linear models": frozenset({"linear"}),
    "classifiers": frozenset({"classification"}),
    "moving targets": frozenset({"nonstationary"}),
    "saddles and plateaus": frozenset({"saddle", "plateau"}),
    "kinks": frozenset({"nonsmooth", "sparse"}),
    "noise": frozenset({"noisy"}),
    "ill-conditioned": frozenset({"ill_conditioned"}),
    "many minima": frozenset({"multimodal"}),
    "smooth functions": frozenset({"convex", "nonconvex"}),
}
"""A task belongs to the first category that has one of its tags."""


def category_of(task: str, tasks: Mapping[str, TaskFacts]) -> str:
    """The category of a task by its tags; `other` for a task that is not in `tasks`.

    >>> category_of("moons", {"moons": TaskFacts(1, "small", frozenset({"noisy", "classification"}))})
    'classifiers'
    """
    if task not in tasks:
        return OTHER
    tags = tasks[task].tags
    return next((name for name, wanted in CATEGORIES.items() if wanted & tags), OTHER)
