"""A farm: runs a function on every item, each in a forked process of its own that may hang or crash."""

from __future__ import annotations

import multiprocessing
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Lost:
    """What is had in place of a result."""

    reason: str
    raised: bool = False
    """Did the function raise, which is not the item's fault?"""


def farmed(
    work: Callable[[Item], Result], items: Sequence[Item], *, jobs: int, seconds: float
) -> Iterator[tuple[Item, Result | Lost]]:
    """Items with their results as they come; `Lost` for a process that ended, raised, or took too long."""
    context = multiprocessing.get_context("fork")
    waiting = list(reversed(items))
    running: dict[Connection, tuple[Item, BaseProcess, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            item = waiting.pop()
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_child, args=(work, item, sender), daemon=True)
            process.start()
            sender.close()
            running[receiver] = (item, process, time.monotonic() + seconds)
        ready = wait(list(running), timeout=0.5)
        for receiver in list(running):
            item, process, end = running[receiver]
            if receiver in ready:
                try:
                    result = receiver.recv()
                except EOFError:
                    process.join()
                    result = Lost(f"the process ended with code {process.exitcode}")
            elif time.monotonic() > end:
                process.kill()
                result = Lost(f"not done after {seconds:g} seconds")
            else:
                continue
            process.join()
            receiver.close()
            del running[receiver]
            yield item, result


def _child(work: Callable[[Item], Result], item: Item, sender: Connection) -> None:
    try:
        result: Result | Lost = work(item)
    except BaseException:
        result = Lost(traceback.format_exc(limit=-4), raised=True)
    sender.send(result)
    sender.close()
