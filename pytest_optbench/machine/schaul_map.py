"""A map: one optimizer, at all its learning rates, on the grid of Schaul et al. 2013 (arXiv 1312.6055).

The protocol is theirs: 100 steps from 0, 10 repetitions, score (f_T - f_0) / (f_SGD* - f_0), where SGD* is the best of
34 learning rates from 1e-10 to 1 on the same noise, by its median. Unlike theirs, all is without noise, and a run that
leaves the finite numbers, or f = 1e10, is noticed when the functions change, every 10 steps.

An optimizer that the engine's probe finds to be element-wise is stepped as one instance per learning rate, on stacked
variants and repetitions. Others need an instance of their own for every run, hours for the whole grid: for these a
sample of the variants is taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from pytest_optbench.machine.determinism import isolated
from pytest_optbench.machine.engine.crew import as_gradient
from pytest_optbench.machine.engine.group import Placement
from pytest_optbench.machine.engine.instance import Instance
from pytest_optbench.machine.engine.probe import admit
from pytest_optbench.machine.engine.stack import NotElementwise
from pytest_optbench.machine.loading import load_recipe
from pytest_optbench.machine.pool import Failed, Pool
from pytest_optbench.machine.recipe import Capabilities, Recipe, validate
from pytest_optbench.machine.schaul_field import DIVERGED, PERIOD, STEPS, Field, make_field
from pytest_optbench.machine.search import candidates, chosen, open_search
from pytest_optbench.machine.streams import Streams, derived_seed
from pytest_optbench.machine.tasks.schaul_grid import Variant, grid
from pytest_optbench.machine.tasks.task import Task, Tensors
from pytest_optbench.words.colours import POOR, SCHEMA, MapRow, colour_of
from pytest_optbench.words.declaration import OptimizerDeclaration
from pytest_optbench.words.errors import OptbenchError
from pytest_optbench.words.expressions import select
from pytest_optbench.words.statistics import quantile

SGD_RATES = torch.logspace(-10, 0, 34, dtype=torch.float64)
"""Learning rates of SGD*."""
SEPARATE_SAMPLE = 40
"""Variants for an optimizer that cannot be stacked, unless a number is given: minutes, where all take hours."""
_ENTRIES = 4000
"""Of the points of one chunk, by learning rate: small enough for a cache, and a unit of work for several processes."""
_PROBED_LANES = 16

Report = Callable[[str], None]


@dataclass(frozen=True)
class MapPlan:
    """What is to be run, settled before anything is."""

    declaration: OptimizerDeclaration
    root: Path
    variants: tuple[Variant, ...]
    rates: tuple[float, ...] | None
    """Learning rates in place of those of the optimizer's search."""
    stacked: bool
    reason: str
    """Why not, if it is not."""

    @property
    def chunks(self) -> list[tuple[Variant, ...]]:
        """Variants of one dimension, as many as go together."""
        found: list[tuple[Variant, ...]] = []
        for dimension in sorted({variant.dimension for variant in self.variants}):
            alike = [variant for variant in self.variants if variant.dimension == dimension]
            size = max(1, _ENTRIES // (10 * dimension) if self.stacked else 4)
            found += [tuple(alike[k : k + size]) for k in range(0, len(alike), size)]
        return found


def plan_map(
    declaration: OptimizerDeclaration,
    *,
    root: Path,
    rates: Sequence[float] | None = None,
    expression: str = "",
    sample: int | None = None,
) -> MapPlan:
    """Settle what is run. Raises OptbenchError for an optimizer or an expression that the map cannot do with."""
    recipe = load_recipe(declaration, root=root, tasks=())
    variants = {variant.name: variant for variant in grid()}
    names = list(variants)
    if expression:
        names = select(expression, {name: one.words for name, one in variants.items()}, where="optbench map --variants")
    capabilities = validate(_columns(recipe, rates)[0])
    _require(recipe, capabilities)
    dimensions = sorted({variants[name].dimension for name in names})
    reason = _why_not_stacked(_columns(recipe, rates)[0], capabilities, dimensions)
    if sample is None and reason:
        sample = SEPARATE_SAMPLE
    if sample is not None and sample < len(names):
        # By a number of its own for each, so that a larger sample holds the smaller one.
        drawn = set(sorted(names, key=lambda name: derived_seed("schaul_grid", "sample", name))[:sample])
        names = [name for name in names if name in drawn]
    return MapPlan(
        declaration=declaration,
        root=root,
        variants=tuple(variants[name] for name in names),
        rates=None if rates is None else tuple(sorted(set(rates))),
        stacked=not reason,
        reason=reason,
    )


def run_map(plan: MapPlan, *, jobs: int = 1, report: Report = lambda line: None) -> list[MapRow]:
    """Run it, in so many processes; rows in the order of the plan. Raises OptbenchError if one of them fails."""
    chunks = plan.chunks
    rows: list[MapRow] = []
    for done, answer in enumerate(_answers(plan, chunks, jobs), start=1):
        rows += answer
        report(f"{done} of {len(chunks)} parts of the map")
    place = {variant.name: k for k, variant in enumerate(plan.variants)}
    return sorted(rows, key=lambda row: place[row.variant])


def _answers(plan: MapPlan, chunks: Sequence[tuple[Variant, ...]], jobs: int) -> Iterator[list[MapRow]]:
    if jobs == 1:
        answer = _answering(plan)
        for chunk in chunks:
            yield answer(chunk, lambda told: None)
        return
    with Pool(jobs, _answering, plan) as pool:
        for _, found in pool.work(chunks):
            if isinstance(found, Failed):
                raise OptbenchError(f"optbench map: {found.sentence}")
            assert isinstance(found, list)
            yield found


def _answering(plan: MapPlan) -> Callable[[Any, Callable[[object], None]], list[MapRow]]:
    recipe = load_recipe(plan.declaration, root=plan.root, tasks=())
    columns = _columns(recipe, plan.rates)
    capabilities = validate(columns[0])

    def answer(chunk: Any, tell: Callable[[object], None]) -> list[MapRow]:
        with isolated(), torch.no_grad():
            return list(_rows(chunk, columns, capabilities, stacked=plan.stacked))

    return answer


def _columns(recipe: Recipe, rates: Sequence[float] | None) -> list[Recipe]:
    """The recipe at every learning rate; as it is, if it has none to set."""
    if rates is not None:
        return [chosen(recipe, {"lr": rate}) for rate in rates]
    return list(candidates(recipe, open_search(recipe)))


def _require(recipe: Recipe, capabilities: Capabilities) -> None:
    if 1 not in capabilities.dimensions:
        raise OptbenchError(f"{recipe.where}: {recipe.path} takes no vectors, and the points of the map are vectors")
    if capabilities.needs_closure or capabilities.needs_graph:
        needs = "a closure" if capabilities.needs_closure else "gradients that can be differentiated"
        raise OptbenchError(f"{recipe.where}: {recipe.path} needs {needs}; the map has gradients to give, one a step")


@dataclass(frozen=True)
class _Points(Task):
    """What the probe wants to know of the map: the shape of a point."""

    name: ClassVar[str] = "schaul_grid"
    dimension: int = 1

    def initial(self, streams: Streams, constants: Tensors) -> Tensors:
        return {"x": torch.zeros(self.dimension)}


def _why_not_stacked(recipe: Recipe, capabilities: Capabilities, dimensions: Sequence[int]) -> str:
    placement = Placement(torch.device("cpu"), torch.float32)
    try:
        for dimension in dimensions:
            with isolated(), torch.no_grad():
                admit(recipe, capabilities, _Points(dimension), _PROBED_LANES, STEPS, placement)
    except NotElementwise as error:
        return str(error)
    return ""


def _rows(
    variants: Sequence[Variant], columns: Sequence[Recipe], capabilities: Capabilities, *, stacked: bool
) -> Iterator[MapRow]:
    field = make_field(variants)
    rates, best = _best_sgd(field)
    torch.manual_seed(derived_seed("schaul_grid", "optimizer", variants[0].name))
    progress = _run(field, columns, capabilities, stacked=stacked)
    scores = torch.where(best[:, None] < 0, progress / best[:, None], torch.nan).tolist()
    diverged = progress.isnan().sum(-1).tolist()
    for k, variant in enumerate(variants):
        has_score = best[k].item() < 0
        for c, recipe in enumerate(columns):
            yield _row(
                variant,
                recipe,
                scores[c][k],
                diverged[c][k],
                (rates[k].item(), best[k].item()) if has_score else None,
            )


def _row(
    variant: Variant, recipe: Recipe, scores: list[float], diverged: int, sgd: tuple[float, float] | None
) -> MapRow:
    finished = [score for score in scores if not math.isnan(score)]
    lower, middle, upper = (_rounded(quantile(finished, q)) if finished else None for q in (0.25, 0.5, 0.75))
    return MapRow(
        schema=SCHEMA,
        optimizer=recipe.path,
        hyperparameters=recipe.hyperparameters_json,
        lr=recipe.hyperparameters.get("lr"),
        variant=variant.name,
        dimension=variant.dimension,
        shape=variant.shape,
        noise=variant.noise,
        scale=variant.scale,
        rotated=int(variant.rotated),
        curled=int(variant.curled),
        change=variant.change,
        colour=colour_of(scores) if sgd else "grey",
        score=middle,
        lower=lower,
        upper=upper,
        diverged=diverged,
        poor=sum(score < POOR for score in finished),
        repetitions=len(scores),
        sgd_lr=_rounded(sgd[0]) if sgd else None,
        sgd_progress=_rounded(sgd[1]) if sgd else None,
    )


def _rounded(number: float) -> float:
    """To the digits that float32 has: the rest would be half of the table."""
    return float(f"{number:.6g}")


def _best_sgd(field: Field) -> tuple[Tensor, Tensor]:
    """By variant, the learning rate of SGD* and its median progress; infinity where all diverge."""
    x = torch.zeros(len(SGD_RATES), *field.shape)
    lr = SGD_RATES.to(torch.float32)[:, None, None, None]
    diverged = torch.zeros(x.shape[:-1], dtype=torch.bool)
    for step in range(STEPS):
        x = x - lr * field.gradient(x, step)
        if (step + 1) % PERIOD == 0:
            diverged |= _beyond(field.progress(x, step))
    progress = field.progress(x).masked_fill(diverged, torch.nan)
    best, index = _medians(progress).min(dim=0)
    return SGD_RATES[index], best


def _medians(progress: Tensor) -> Tensor:
    """Of the finished repetitions; infinity where fewer than half of them are."""
    found = progress.nanquantile(0.5, dim=-1)
    return found.masked_fill(2 * progress.isnan().sum(-1) > progress.shape[-1], torch.inf)


def _beyond(progress: Tensor) -> Tensor:
    # Written so that NaN is beyond.
    return ~(progress <= DIVERGED)


def _run(field: Field, columns: Sequence[Recipe], capabilities: Capabilities, *, stacked: bool) -> Tensor:
    """The progress of every learning rate, variant and repetition; NaN where it diverged or raised an error."""
    variants, repetitions, dimension = field.shape
    lanes = variants * repetitions
    crews = [_Crew(recipe, capabilities, lanes, dimension, stacked=stacked) for recipe in columns]

    def points() -> Tensor:
        return torch.stack([crew.points() for crew in crews]).reshape(len(crews), *field.shape)

    diverged = torch.zeros(len(crews), variants, repetitions, dtype=torch.bool)
    for step in range(STEPS):
        gradients = field.gradient(points(), step).reshape(len(crews), lanes, dimension)
        for crew, gradient in zip(crews, gradients, strict=True):
            crew.step(gradient)
        if (step + 1) % PERIOD == 0:
            diverged |= _beyond(field.progress(points(), step))
    for crew in crews:
        crew.settle()
    progress = field.progress(points())
    crashed = torch.stack([crew.crashed() for crew in crews]).reshape(diverged.shape)
    return progress.masked_fill(diverged | crashed | _beyond(progress), torch.nan)


class _Crew:
    """The instances of one learning rate: one for all lanes, or one for each."""

    def __init__(
        self, recipe: Recipe, capabilities: Capabilities, lanes: int, dimension: int, *, stacked: bool
    ) -> None:
        self.stacked = stacked
        self.lanes = lanes
        start = torch.zeros(lanes, dimension)
        self.instances = [Instance(recipe, capabilities, STEPS) for _ in range(1 if stacked else lanes)]
        for instance, point in zip(self.instances, [start] if stacked else start, strict=True):
            instance.build({"x": point})

    def points(self) -> Tensor:
        found = [instance.parameters["x"].detach() for instance in self.instances]
        return found[0] if self.stacked else torch.stack(found)

    def step(self, gradient: Tensor) -> None:
        for instance, one in zip(self.instances, [gradient] if self.stacked else gradient, strict=True):
            if instance.crash is None:
                instance.step([as_gradient(one)], None)

    def settle(self) -> None:
        for instance in self.instances:
            instance.eval_mode()

    def crashed(self) -> Tensor:
        marks = torch.tensor([instance.crash is not None for instance in self.instances])
        return marks.expand(self.lanes)
