"""Memory: freed blocks are kept for the next step in place of going back to the operating system after each one."""

from __future__ import annotations

import ctypes
from functools import cache

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
"""The parameters of glibc's `mallopt`."""
_LARGEST_BLOCK = 32 * 2**20
"""Bytes; glibc accepts no more. Larger blocks still come from the operating system."""
_KEPT = 256 * 2**20
"""Bytes of free memory at the end of the heap that are kept."""


@cache
def keep_freed_memory() -> bool:
    """Have glibc keep what is freed, for the rest of the process; False for any other C library.

    By default it returns the blocks of some MiB that an evaluation of 32 seeds takes, and every page of them is mapped
    and cleared again at the next: half the time of evaluating a small network.
    """
    try:
        library = ctypes.CDLL(None)
        library.gnu_get_libc_version  # noqa: B018 - only glibc has it; musl has a mallopt that does nothing
        return all(
            library.mallopt(name, value) == 1
            for name, value in ((_MMAP_THRESHOLD, _LARGEST_BLOCK), (_TRIM_THRESHOLD, _KEPT))
        )
    except (OSError, TypeError, AttributeError):
        return False
