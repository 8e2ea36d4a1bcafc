"""Surroundings: what is global to the process, and an optimizer could change: torch's modes, the folder, the
environment."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch


@dataclass(frozen=True)
class Setting:
    """A global of torch, with how to ask for it and how to put it back."""

    name: str
    get: Callable[[], Any]
    put: Callable[[Any], Any]


def _set_anomaly_mode(modes: tuple[bool, bool]) -> None:
    torch.set_anomaly_enabled(*modes)


def _set_device(device: torch.device) -> None:
    # None takes away the mode through which every later call would go.
    torch.set_default_device(None if device == torch.device("cpu") else device)


SETTINGS: tuple[Setting, ...] = (
    Setting("torch's number of threads", torch.get_num_threads, torch.set_num_threads),
    Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    Setting("torch's default device", torch.get_default_device, _set_device),
    Setting("torch's grad mode", torch.is_grad_enabled, torch.set_grad_enabled),
    Setting(
        "torch's anomaly mode (enabled, check_nan)",
        lambda: (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()),
        _set_anomaly_mode,
    ),
    Setting(
        "torch's precision of float32 matrix products",
        torch.get_float32_matmul_precision,
        torch.set_float32_matmul_precision,
    ),
    Setting(
        "torch's use of deterministic algorithms (0 off, 1 warn, 2 on)",
        torch.get_deterministic_debug_mode,
        torch.set_deterministic_debug_mode,
    ),
    Setting("the flushing of denormals", lambda: sys.float_info.min / 2 == 0, torch.set_flush_denormal),
)

_OF_THE_COMPILER = ("TORCHINDUCTOR_", "TRITON_")
"""Beginnings of environment variables that torch.compile writes for its own processes."""


@dataclass(frozen=True)
class Surroundings:
    """How it all stands at one moment."""

    settings: tuple[Any, ...]
    """Values of SETTINGS, in their order."""
    folder: str
    variables: Mapping[str, str]

    @staticmethod
    def current() -> Surroundings:
        return Surroundings(tuple(setting.get() for setting in SETTINGS), _folder(), dict(os.environ))

    def restore(self) -> None:
        """Put back what is different by now."""
        for setting, value in zip(SETTINGS, self.settings, strict=True):
            if setting.get() != value:
                setting.put(value)
        if self.folder and _folder() != self.folder:
            with suppress(OSError):  # it may be gone
                os.chdir(self.folder)
        if os.environ != self.variables:
            for name in os.environ.keys() - self.variables.keys():
                del os.environ[name]
            os.environ.update(self.variables)

    def changes(self, now: Surroundings) -> Iterator[str]:
        """What is different now, in words: "torch's grad mode from True to False"."""
        for setting, old, new in zip(SETTINGS, self.settings, now.settings, strict=True):
            if old != new:
                yield f"{setting.name} from {old} to {new}"
        if self.folder != now.folder:
            yield f"the working directory from {self.folder!r} to {now.folder!r}"
        for name in sorted(self.variables.keys() | now.variables.keys()):
            before, after = (_spelled(one.variables.get(name)) for one in (self, now))
            if before != after and not name.startswith(_OF_THE_COMPILER):
                yield f"the environment variable {name} from {before} to {after}"


def _folder() -> str:
    try:
        return str(Path.cwd())
    except OSError:  # it is gone
        return ""


def _spelled(value: str | None) -> str:
    return "unset" if value is None else repr(value)
