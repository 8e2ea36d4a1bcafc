"""The whole contract with many seeds, on the clean classes and on torch.optim: does any verdict change?

python tests/kill_rate/repeat.py [--seeds 50] [--jobs 2] [--only NAME]
"""

from __future__ import annotations

import argparse
import sys
import warnings
from collections import defaultdict
from collections.abc import Sequence

import torch
from farm import Lost, farmed
from layers import verdict
from specimens import SPECIMENS

from pytest_optbench.machine.contract.plan import plan
from pytest_optbench.machine.contract.reference import Reference
from pytest_optbench.machine.recipe import Recipe, declared

THEIRS = tuple(
    name
    for name, value in vars(torch.optim).items()
    if isinstance(value, type) and issubclass(value, torch.optim.Optimizer) and value is not torch.optim.Optimizer
)
SECONDS = 3600.0


def recipe_of(name: str) -> Recipe:
    """A specimen by its name, with the clean class for its own reference; else a class of torch.optim as it is."""
    if name in SPECIMENS:
        specimen = SPECIMENS[name]
        return specimen.recipe(specimen.optimizer, reference=Reference(specimen.optimizer))
    optimizer = getattr(torch.optim, name.removeprefix("torch."))
    return Recipe(name=name, optimizer=optimizer, where="torch.optim", hyperparameters=_needed(name))


def _needed(name: str) -> dict[str, float]:
    return {"lr": 0.01} if name == "torch.SGD" else {}


def verdicts(item: tuple[str, int]) -> dict[str, str]:
    """Of every case with this seed, the sentence with which it fails, or nothing."""
    name, seed = item
    recipe = recipe_of(name)
    return {case.name: verdict(case) for case in plan(recipe, declared(recipe), seed=seed)}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=50, help="how many seeds (50)")
    parser.add_argument("--jobs", type=int, default=2, help="processes at a time (2)")
    parser.add_argument("--only", default="", help="part of the name of an optimizer")
    options = parser.parse_args(arguments)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    names = [name for name in [*SPECIMENS, *(f"torch.{one}" for one in THEIRS)] if options.only in name]
    items = [(name, seed) for name in names for seed in range(options.seeds)]
    seen: dict[tuple[str, str], dict[int, str]] = defaultdict(dict)
    for (name, seed), found in farmed(verdicts, items, jobs=options.jobs, seconds=SECONDS):
        if isinstance(found, Lost):
            raise SystemExit(f"{name}, seed {seed}: {found.reason}")
        for case, sentence in found.items():
            seen[name, case][seed] = sentence
    changed = {key: by_seed for key, by_seed in seen.items() if len({bool(text) for text in by_seed.values()}) > 1}
    for (name, case), by_seed in changed.items():
        seed, text = next((seed, text) for seed, text in by_seed.items() if text)
        failed = sum(map(bool, by_seed.values()))
        say(f"{name} {case}: fails with {failed} of {len(by_seed)} seeds, as with seed {seed}: {text}")
    for (name, case), by_seed in seen.items():
        if (name, case) not in changed and by_seed[0]:
            say(f"{name} {case}: fails with every seed: {by_seed[0]}")
    say(f"{len(seen)} cases of {len(names)} optimizers, {options.seeds} seeds: {len(changed)} changes of verdict")
    return int(bool(changed))


def say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
