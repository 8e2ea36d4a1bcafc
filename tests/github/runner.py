"""A runner: what GitHub gives to the steps of an action, faked in a folder; the scripts of the actions run in it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from typing import Any

ACTIONS = Path(__file__).parents[2] / ".github" / "actions"
EVALUATES = 'printf "%s\\n" "$@" >"$RUNNER_TEMP/$(basename "$0").arguments"\n'
"""First line of a fake program: keeps its arguments, one a line."""


@dataclass(frozen=True)
class Ended:
    code: int
    text: str


@dataclass
class Runner:
    """Folders `work` (the checkout), `temp`, and `bin`, first on the path, for fakes of programs."""

    folder: Path
    event: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("work", "temp", "bin"):
            (self.folder / name).mkdir()

    def fake(self, program: str, script: str) -> None:
        """Put a shell script in the place of a program; its arguments are kept."""
        path = self.folder / "bin" / program
        path.write_text(f"#!/usr/bin/env bash\n{EVALUATES}{dedent(script)}")
        path.chmod(0o755)

    def arguments(self, program: str) -> list[str]:
        """The arguments of the last call of a fake."""
        return (self.folder / "temp" / f"{program}.arguments").read_text().splitlines()

    def run(self, script: str, **environment: str) -> Ended:
        """Run `ACTION/SCRIPT` in the checkout."""
        (self.folder / "event.json").write_text(json.dumps(self.event))
        known = {
            "PATH": f"{self.folder / 'bin'}:{os.environ['PATH']}",
            "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
            "HOME": str(self.folder),
            "RUNNER_TEMP": str(self.folder / "temp"),
            "GITHUB_EVENT_PATH": str(self.folder / "event.json"),
            "GITHUB_OUTPUT": str(self.folder / "output"),
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
            "GITHUB_REPOSITORY": "zoo/cats",
        }
        path = ACTIONS / script
        done = subprocess.run(
            ["python" if path.suffix == ".py" else "bash", str(path)],
            cwd=self.folder / "work",
            env={**known, **environment},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout + done.stderr)

    @property
    def outputs(self) -> dict[str, str]:
        path = self.folder / "output"
        lines = path.read_text().splitlines() if path.exists() else []
        return dict(line.split("=", 1) for line in lines)

    @property
    def summary(self) -> str:
        return (self.folder / "summary").read_text()
