"""A listing of the contract: every check with its property, and each in full with its criterion and exemptions."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from pytest_optbench.machine.contract.checks import CHECKS
from pytest_optbench.words.claims import CLAIMS
from pytest_optbench.words.errors import require_known


def checks_table() -> str:
    """One line per check: name, and the property."""
    width = max(map(len, CHECKS))
    return "".join(f"{name:{width}}  {check.title}\n" for name, check in CHECKS.items())


def describe_check(name: str) -> str:
    """One check in full. Raises OptbenchError for an unknown name."""
    require_known(name, CHECKS, where="optbench checks", what="check")
    check = CHECKS[name]
    lines = [name, "", check.doc]
    if check.exempt:
        lines += ["", "Not made under these claims:", *_meanings(check.exempt)]
    if check.relaxed:
        lines += ["", "Asks for less, or for an error, under these:", *_meanings(check.relaxed)]
    if check.extra:
        lines += ["", f"Made on request only: --optbench-extra={check.extra}"]
    return "\n".join(lines) + "\n"


def claims_table() -> str:
    """One line per claim: name, type, and what it says."""
    width = max(map(len, CLAIMS))
    rows = []
    for name, (kinds, meaning) in CLAIMS.items():
        kind = {bool: "flag", list: "list", int: "number", str: "word"}[kinds[0]]
        rows.append(f"{name:{width}}  {kind:6}  {meaning}\n")
    return "".join(rows)


def _meanings(claims: Sequence[str]) -> list[str]:
    return [
        line for name in claims for line in textwrap.wrap(f"  {name}: {CLAIMS[name][1]}", 116, subsequent_indent="    ")
    ]
