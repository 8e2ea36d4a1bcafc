"""Commands of `optbench`, which are modules of their own: each has `add(commands)` and `run(options)`.

`add` defines the parser; `run` returns the exit code. A module imports nothing heavy before it runs.
"""

from __future__ import annotations

MODULES: tuple[str, ...] = (
    *("tasks", "columns", "checks", "claims", "calibrate", "admit", "fingerprint", "init", "map"),
    *("compare", "merge", "show", "accept", "report", "plot", "leaderboard", "verify", "study"),
)
"""Names of the modules, in the order of the help; a command has the name of its module."""
