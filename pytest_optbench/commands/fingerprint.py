"""`optbench fingerprint`: what optimizers do along fixed gradients."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from pytest_optbench.words.errors import OptbenchError


def add(commands: Any) -> None:
    parser = commands.add_parser("fingerprint", help="record what optimizers do along fixed gradients, or compare")
    parser.add_argument(
        "optimizers",
        nargs="*",
        metavar="[NAME=]MODULE:CLASS[(KEY=VALUE, ...)]",
        help="whose; those of the table in this folder, each with its configurations, unless given",
    )
    parser.add_argument(
        "--against", type=Path, metavar="FILE", help="compare with the fingerprints of this file; print what changed"
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    from pytest_optbench.machine.contract.recording import recorded  # noqa: PLC0415 - imports torch
    from pytest_optbench.words.baseline import read_baseline, to_csv  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.declaration import find_table, parse_option  # noqa: PLC0415 - with the other lazy ones
    from pytest_optbench.words.fingerprint import changes  # noqa: PLC0415 - with the other lazy ones

    stored = read_baseline(options.against) if options.against else None
    declarations = [parse_option(text, option="fingerprint") for text in options.optimizers]
    if not declarations:
        table = find_table([Path.cwd()])
        if table is None or not table.optimizers:
            raise OptbenchError("fingerprint: no table of optimizers in this folder; name one, as in torch.optim:AdamW")
        declarations = list(table.optimizers)
    rows = recorded(declarations, root=Path.cwd())
    if stored is None:
        sys.stdout.write(to_csv(rows))
        return 0
    found = changes(rows, stored, where=str(options.against))
    for one in found:
        sys.stdout.write(f"{one.recipe} {one.configuration}: {one.sentence}\n")
    sys.stdout.write(f"{len(rows) - len(found)} of {len(rows)} fingerprints are as stored\n")
    return 1 if found else 0
