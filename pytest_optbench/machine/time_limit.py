"""A time limit: ends a block of Python after some seconds, from inside the same process."""

from __future__ import annotations

import ctypes
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

LIMITER = __file__
"""The file of the frames that end a block; what they ended is in the frame before them."""
REPEAT_SECONDS = 1.0


class TimeLimitExceeded(BaseException):
    """Raised inside the block when its time is up. Not an Exception, so that an optimizer's `except` lets it pass."""


@contextmanager
def time_limit(seconds: float | None) -> Iterator[None]:
    """Raise TimeLimitExceeded in the block after `seconds`; None or 0 means no limit.

    On the main thread of a system with signals even a sleep is ended; elsewhere the exception is delivered at the next
    Python instruction. A call that hangs in C without returning can be ended by neither: run under pytest-xdist with
    pytest-timeout for that. No interval timer is used, so pytest-timeout's own alarm stays alive beside this one.
    """
    if not seconds:
        yield
        return
    expired = threading.Event()
    over = threading.Event()
    lock = threading.Lock()
    deliver, restore = _delivery(expired)

    def watch() -> None:
        wait = seconds
        # Again and again, for a block that catches whatever is raised in it.
        while not over.wait(wait):
            with lock:
                if not over.is_set():
                    expired.set()
                    deliver()
            wait = REPEAT_SECONDS

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        try:
            with lock:
                over.set()
        finally:
            restore()


def _delivery(expired: threading.Event) -> tuple[Callable[[], None], Callable[[], None]]:
    """How to raise in the current thread, and how to clean up afterwards."""
    target = threading.get_ident()
    if not hasattr(signal, "pthread_kill") or threading.current_thread() is not threading.main_thread():

        def raise_soon() -> None:
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(target), ctypes.py_object(TimeLimitExceeded))

        return raise_soon, lambda: None

    previous: Any = signal.getsignal(signal.SIGALRM)

    def on_alarm(number: int, frame: FrameType | None) -> None:
        if expired.is_set():
            raise TimeLimitExceeded
        if callable(previous):  # somebody else's alarm, such as pytest-timeout's
            previous(number, frame)

    signal.signal(signal.SIGALRM, on_alarm)

    def restore() -> None:
        signal.signal(signal.SIGALRM, previous)

    return lambda: signal.pthread_kill(target, signal.SIGALRM), restore
