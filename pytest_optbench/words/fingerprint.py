"""A fingerprint: what an optimizer does along fixed gradients, as plain numbers, and how two of them are compared."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_optbench.words.baseline import BaselineRow
from pytest_optbench.words.errors import OptbenchError

VERSION = 2
"""Version of the script that is played; fingerprints of different versions are never compared."""
STEPS = 25
LEAST_TOLERANCE = 1e-7
TASK = "fingerprint"
"""What stands in the column `task` of a baseline."""

LIMITS = (-1.0, 0.0, 1.0, 1.05, 2.0)
"""Values that every number among the hyperparameters is given in turn, to see which are refused."""

TALL, WIDE, VECTOR, CONVOLUTION, LATE = range(5)
"""The tensors; those of the first group are TALL, WIDE and LATE."""
SECOND_GROUP = (VECTOR, CONVOLUTION)
LEARNING_RATES: Mapping[int, float] = {13: 0.3, 20: 2.0}
"""From these steps on, counted from 1, every learning rate is so many times its first value."""
EVENTS: Mapping[int, Mapping[tuple[int, int], tuple[str, float | None]]] = {
    TALL: {(8, 8): ("a missing gradient", None)},
    WIDE: {(10, 11): ("a zero gradient", 0.0)},
    VECTOR: {(14, 15): ("a vanishing gradient", 1e-12)},
    CONVOLUTION: {(1, 2): ("a zero gradient", 0.0), (17, 17): ("a spike", 1e3)},
    LATE: {(1, 4): ("no gradient", None), (5, 5): ("its first gradient", 1.0)},
}
"""By tensor and by first and last step: what happens to the gradient, and the factor, None for no gradient at all."""

Measured = tuple[float | None, ...]
"""Of one step of one tensor: its norm, then its two projections; null where it is not finite."""


@dataclass(frozen=True)
class Fingerprint:
    """The steps of one configuration along the script.

    `steps[t][k]` has the numbers of tensor k in step t + 1: the change of its values, measured by its norm and by its
    projections on two fixed directions of length 1. One more entry than `STEPS` is what `eval()` changes in the end.
    """

    tensors: tuple[str, ...]
    """Their shapes, as in 7x3."""
    steps: tuple[tuple[Measured, ...], ...]
    tolerances: tuple[float, ...]
    """Per tensor, relative to the norm of the step: 1e-7, or more where rounding shows more."""
    floors: tuple[float, ...]
    """Per tensor, absolute: the rounding of the parameters themselves."""
    refused: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    """By hyperparameter, or entry of one as in betas.0: the values of `LIMITS` that the constructor refuses."""

    def to_json(self) -> str:
        """A JSON list: version, tolerances, floors, shapes, what is refused, then one list per step."""
        return json.dumps(
            [VERSION, list(self.tolerances), list(self.floors), list(self.tensors), dict(self.refused), *self.steps],
            separators=(",", ":"),
            allow_nan=False,
        )


def from_json(text: str, *, where: str) -> Fingerprint:
    """The fingerprint behind a JSON list. Raises OptbenchError, with `where`, for anything else."""
    try:
        version, *rest = json.loads(text)
        if version != VERSION:
            raise OptbenchError(
                f"{where}: a fingerprint of version {version!r}; this is version {VERSION}: record it anew"
            )
        tolerances, floors, tensors, refused, *steps = rest
        found = Fingerprint(
            tuple(map(str, tensors)),
            tuple(tuple(tuple(map(_finite, measured)) for measured in step) for step in steps),
            tuple(float(_finite(one) or 0.0) for one in tolerances),
            tuple(float(_finite(one) or 0.0) for one in floors),
            {str(name): tuple(float(_finite(one) or 0.0) for one in values) for name, values in refused.items()},
        )
        sizes = {len(step) for step in found.steps} | {len(found.tensors), len(found.tolerances), len(found.floors)}
        if len(sizes) > 1 or any(len(measured) != 3 for step in found.steps for measured in step):
            raise ValueError(sizes)
        if not (all(one > 0 for one in found.tolerances) and all(one >= 0 for one in found.floors)):
            raise ValueError(found.tolerances)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        shown = text if len(text) <= 40 else f"{text[:40]}..."
        raise OptbenchError(f"{where}: {shown!r} is no fingerprint") from error
    return found


def _finite(value: Any) -> float | None:
    if value is None:
        return None
    if not isinstance(value, (int, float)) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(value)
    return float(value)


def measured(values: Sequence[float]) -> Measured:
    """Numbers as they are stored: ten digits; null where one is not finite."""
    return tuple(float(f"{value:.9e}") if math.isfinite(value) else None for value in values)


def difference(found: Fingerprint, stored: Fingerprint) -> str:
    """Where a fingerprint first leaves the stored one, in a sentence; empty where it does not.

    Two numbers agree when they differ by no more than the tensor's stored tolerance times the norm of the step, the
    larger one of both, plus the floors. Of hyperparameters that both have the same values must be refused.
    """
    if found.tensors != stored.tensors:
        return f"is of tensors {', '.join(found.tensors)}; stored is one of {', '.join(stored.tensors)}"
    if len(found.steps) != len(stored.steps):
        return f"has {len(found.steps)} steps, the stored one {len(stored.steps)}"
    for t, (mine, theirs) in enumerate(zip(found.steps, stored.steps, strict=True), start=1):
        for k, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            norms = [norm for norm in (a[0], b[0]) if norm is not None]
            allowed = stored.tolerances[k] * max(norms, default=0.0) + found.floors[k] + stored.floors[k]
            for name, x, y in zip(("norm", "first projection", "second projection"), a, b, strict=True):
                if not _agree(x, y, allowed):
                    tensor = f"tensor {k} ({found.tensors[k]})"
                    return (
                        f"{event(t, k)}, the {name} of {tensor}'s step is {_shown(x)}, stored {_shown(y)}"
                        f"{_ratio(x, y, b[0])}; {stored.tolerances[k]:g} of the step is allowed"
                    )
    return _refusals(found, stored)


def _refusals(found: Fingerprint, stored: Fingerprint) -> str:
    for name in sorted(found.refused.keys() & stored.refused.keys()):
        for value in sorted({*found.refused[name]} ^ {*stored.refused[name]}):
            mine, theirs = ("refuses", "takes") if value in found.refused[name] else ("takes", "refuses")
            return f"{mine} {name}={value:g}, which the stored one {theirs}"
    return ""


def event(t: int, k: int) -> str:
    """What happens in step t, counted from 1, to tensor k: "in step 8, with a missing gradient"."""
    if t > STEPS:
        return "in what eval() changes after the last step"
    words = [f"in step {t}"]
    for (first, last), (text, _) in EVENTS.get(k, {}).items():
        words += [f"with {text}"] if first <= t <= last else []
        words += [f"after the {text.removeprefix('a ')}"] if t == last + 1 and text.startswith("a ") else []
    if t in LEARNING_RATES:
        words.append(f"where the learning rate becomes {LEARNING_RATES[t]:g} of its first value")
    return ", ".join(words)


def _agree(x: float | None, y: float | None, allowed: float) -> bool:
    if x is None or y is None:
        return x is y
    return abs(x - y) <= allowed


def _shown(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.10g}"


def _ratio(x: float | None, y: float | None, norm: float | None) -> str:
    if x is None or y is None or not norm:
        return ""
    return f", {abs(x - y) / norm:.3g} of the stored step apart"


@dataclass(frozen=True)
class Change:
    """A configuration whose fingerprint is not the stored one; the sentence says how."""

    recipe: str
    configuration: str
    sentence: str


def row(fingerprint: Fingerprint, *, recipe: str, configuration: str, **about: Any) -> BaselineRow:
    """The row of a baseline that holds a fingerprint; `about` fills further columns."""
    return BaselineRow(
        kind="fingerprint",
        recipe=recipe,
        configuration=configuration,
        fingerprint=fingerprint.to_json(),
        task=TASK,
        task_version=VERSION,
        budget=STEPS,
        eval_every=1,
        target=0.0,
        seeds=(),
        initial=(),
        outcomes=(),
        steps=(),
        best=(),
        **about,
    )


def changes(found: Sequence[BaselineRow], stored: Sequence[BaselineRow], *, where: str) -> list[Change]:
    """What the found rows have otherwise than the stored ones; a configuration that is not stored is a change, too."""
    rows = {(one.recipe, one.configuration): one for one in stored if one.kind == "fingerprint"}
    result = []
    for one in found:
        place = f"{where}: fingerprint of {one.recipe} {one.configuration}"
        before = rows.get((one.recipe, one.configuration))
        if before is None:
            sentence = "has no stored fingerprint"
        else:
            sentence = difference(from_json(one.fingerprint, where=place), from_json(before.fingerprint, where=place))
        if sentence:
            result.append(Change(one.recipe, one.configuration, sentence))
    return result
