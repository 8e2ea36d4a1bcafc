"""Factories that go by the name of the class that they make, so that its version is known."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from torch.optim import Optimizer

Factory = Callable[..., Optimizer]


def making(made: type[Optimizer]) -> Callable[[Factory], Factory]:
    """Names the class that a factory makes, and keeps the factory's own signature."""

    def named(factory: Factory) -> Factory:
        known: Any = factory
        known.__signature__ = inspect.signature(factory)
        known.__wrapped__ = made
        return factory

    return named
