"""A lock: one process at a time, whatever else happens to it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt

    def _lock(handle: int, *, wait: bool = True) -> None:
        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)

else:
    import fcntl

    def _lock(handle: int, *, wait: bool = True) -> None:
        fcntl.flock(handle, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Only one process is in here for a path; others wait. The system lets go of what a dying process held.

    A hidden file beside `path` is what is locked; it is gone afterwards.
    """
    lock = _file(path)
    handle = _locked(lock)
    try:
        yield
    finally:
        try:
            lock.unlink(missing_ok=True)
        except PermissionError:
            pass  # Windows does not remove what somebody has open: the last one out does
        finally:
            os.close(handle)


def abandoned(path: Path) -> bool:
    """Did a process die in there for this path? What it held is free, and the file still there."""
    try:
        handle = os.open(_file(path), os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        _lock(handle, wait=False)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _file(path: Path) -> Path:
    return path.with_name(f".{path.name}.lock")


def _locked(lock: Path) -> int:
    while True:
        handle = os.open(lock, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            _lock(handle)
            # Whoever was here before may have removed the file while this process waited for it.
            if os.path.samestat(os.fstat(handle), lock.stat()):
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
