"""A pool: processes that each answer one request at a time. One that dies costs its request, and no other."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from types import TracebackType
from typing import Any, Self

from pytest_optbench.words.errors import OptbenchError

Answer = Callable[[Any, Callable[[object], None]], object]
"""Answers a request; what it tells on the way is passed on as `Told`."""


@dataclass(frozen=True)
class Told:
    """Something that was told before the answer."""

    what: Any


@dataclass(frozen=True)
class Failed:
    """There is no answer, and why."""

    sentence: str


@dataclass(eq=False)
class _Worker:
    process: Any
    pipe: Connection
    request: Any = None


class Pool:
    """At most `jobs` processes, started when they are needed; each gets what answers from `make(*arguments)`.

    A context manager: at its end the processes are ended, whatever they do. They do not hear Ctrl-C, and end when
    this process does, killed or not.
    """

    def __init__(self, jobs: int, make: Callable[..., Answer], *arguments: object) -> None:
        self.jobs = jobs
        self._make = make
        self._arguments = arguments
        self._idle: list[_Worker] = []
        self._busy: list[_Worker] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        workers = [*self._idle, *self._busy]
        for worker in workers:
            worker.process.terminate()
        for worker in workers:
            worker.process.join()
            worker.pipe.close()

    def work(self, requests: Iterable[Any]) -> Iterator[tuple[Any, object]]:
        """Hand out the requests in their order; yields (request, what came back): any `Told`, an answer or `Failed`."""
        waiting = list(requests)
        while waiting or self._busy:
            while waiting and len(self._busy) < self.jobs:
                worker = self._idle.pop() if self._idle else self._started()
                worker.request = waiting.pop(0)
                self._busy.append(worker)
                worker.pipe.send(worker.request)
            ready = wait([worker.pipe for worker in self._busy])
            for worker in [worker for worker in self._busy if worker.pipe in ready]:
                yield worker.request, self._heard(worker)

    def _heard(self, worker: _Worker) -> object:
        try:
            message: object = worker.pipe.recv()
        except (EOFError, OSError):
            self._busy.remove(worker)
            worker.process.join()
            worker.pipe.close()
            return Failed(f"its process ended with exit code {worker.process.exitcode}")
        if not isinstance(message, Told):
            self._busy.remove(worker)
            self._idle.append(worker)
        return message

    def _started(self) -> _Worker:
        context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(theirs, self._make, self._arguments), daemon=True)
        with _deaf():
            process.start()
        theirs.close()
        return _Worker(process, ours)


@contextmanager
def _deaf() -> Iterator[None]:
    """Ignore Ctrl-C for a moment: a process that is started meanwhile leaves it to its parent for good."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _serve(pipe: Connection, make: Callable[..., Answer], arguments: tuple[object, ...]) -> None:
    """The life of a process."""
    threading.Thread(target=_end_with_parent, daemon=True).start()
    answer = make(*arguments)
    while True:
        request = pipe.recv()
        try:
            pipe.send(answer(request, lambda what: pipe.send(Told(what))))
        except OptbenchError as error:
            pipe.send(Failed(str(error)))
        except Exception as error:
            pipe.send(Failed(f"{type(error).__name__}: {error}"))


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
