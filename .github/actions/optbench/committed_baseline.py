"""Prints the baseline that the table in this folder names, if that file exists; nothing otherwise."""

import sys
from pathlib import Path

from pytest_optbench.words.declaration import find_table
from pytest_optbench.words.errors import OptbenchError

try:
    table = find_table([Path.cwd()])
except OptbenchError:
    table = None  # pytest tells of it, in the same sentence
baseline = table.settings.get("baseline") if table else None
if table and isinstance(baseline, str) and baseline and (table.path.parent / baseline).is_file():
    sys.stdout.write(f"{baseline}\n")
