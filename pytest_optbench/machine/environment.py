"""The environment: what a run's bits and times depend on besides the code, as columns of the runs table."""

from __future__ import annotations

import importlib.metadata
import platform
import sys
from functools import cache

import numpy as np
import torch


@cache
def environment() -> dict[str, str]:
    """Versions and machine of this process, by column name."""
    return {
        "torch": str(torch.__version__),
        "numpy": np.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()}-{platform.machine()}",
        "cpu": torch.backends.cpu.get_cpu_capability(),
    }


@cache
def package_version(module: str) -> str:
    """The version of the distribution that provides a module; empty for a module that no distribution owns."""
    top = module.partition(".")[0]
    try:
        return importlib.metadata.version(top)
    except importlib.metadata.PackageNotFoundError:
        # Most distributions are called what their module is; the way from the one to the other reads every file list.
        owners = importlib.metadata.packages_distributions().get(top, [])
        return importlib.metadata.version(owners[0]) if owners else ""


def peak_bytes(device: torch.device) -> int | None:
    """Peak memory so far: of torch's allocator on an accelerator, of the whole process on the CPU; None if unknown."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    try:
        import resource  # noqa: PLC0415 - absent on Windows
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return int(peak if sys.platform == "darwin" else peak * 1024)
