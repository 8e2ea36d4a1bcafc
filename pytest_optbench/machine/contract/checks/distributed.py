"""Distributed: two processes with averaged gradients stay one."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.distributed import init_process_group

from pytest_optbench.machine.contract.broken import ContractBroken, NotAvailable, require_close, require_equal
from pytest_optbench.machine.contract.check import check
from pytest_optbench.machine.contract.subject import Subject
from pytest_optbench.machine.contract.walk import Script, Walk
from pytest_optbench.machine.determinism import isolated

WORLD = 2
STEPS = 8
PATIENCE = 120.0
"""Seconds after which two processes are taken to wait for each other in vain."""
_NO_NETWORK = 17
"""Exit status of a process that could not join the group."""


@check(once=True, extra="distributed", exempt=("stochastic",))
def processes_agree(subject: Subject) -> None:
    """Two processes that average their gradients keep equal parameters, those of a single process.

    Prevents: an order that follows addresses or the hash seed, random numbers drawn for each process, a decision (skip,
    clip, refresh) made on something local. Criterion: two fresh interpreters with different hash seeds, joined by
    gloo, each with gradients of its own that are averaged before the step; after 8 steps both have parameters equal to
    the bit, and close to those of one process along the averaged gradients. Tolerance of the latter: rtol 1e-6, atol
    1e-7: a mean of two numbers is rounded once. Needs sockets on this machine, and an optimizer that can be imported
    from another process. Exemption: `stochastic`.
    """
    try:
        sent = pickle.dumps((subject.recipe, subject.declared, subject.configuration, subject.seed))
    except Exception as error:
        raise NotAvailable(f"the recipe cannot be sent to another process: {type(error).__name__}: {error}") from error
    with tempfile.TemporaryDirectory() as folder:
        found = _in_processes(Path(folder), sent)
    require_equal(found[1], found[0], when=f"after {STEPS} steps, in the second process against the first")
    expected = Walk(subject, gradient=_averaged(subject.seed)).take(STEPS).values()
    when = f"after {STEPS} steps in two processes, against one along the averaged gradients"
    require_close(found[0], expected, rtol=1e-6, atol=1e-7, when=when)


def _in_processes(folder: Path, sent: bytes) -> list[list[Tensor]]:
    (folder / "sent").write_bytes(sent)
    command = "import sys; sys.path[:] = sys.argv[3].split('\\n'); "
    command += f"from {__name__} import member; member(int(sys.argv[1]), sys.argv[2])"
    members = [
        subprocess.Popen(
            [sys.executable, "-c", command, str(rank), str(folder), "\n".join(sys.path)],
            env={**os.environ, "PYTHONHASHSEED": str(rank + 1), "OMP_NUM_THREADS": "1"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(WORLD)
    ]
    try:
        said = [one.communicate(timeout=PATIENCE)[1] for one in members]
    except subprocess.TimeoutExpired as late:
        raise ContractBroken(f"two processes were not done with {STEPS} steps in {PATIENCE:g} seconds") from late
    finally:
        for one in members:
            one.kill()
            one.wait()
            if one.stderr is not None:
                one.stderr.close()
    for one, text in zip(members, said, strict=True):
        last = text.strip().splitlines()[-1] if text.strip() else f"exit status {one.returncode}"
        if one.returncode == _NO_NETWORK:
            raise NotAvailable(f"two processes could not join a gloo group: {last}")
        if one.returncode:
            raise ContractBroken(f"a process of two ended with: {last}")
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(WORLD)]


def member(rank: int, place: str) -> None:
    """One of the processes: joins the others, walks, and stores its parameters."""
    folder = Path(place)
    try:
        if sys.platform.startswith("linux"):
            os.environ.setdefault("GLOO_SOCKET_IFNAME", "lo")
        init_process_group("gloo", init_method=(folder / "store").as_uri(), rank=rank, world_size=WORLD)
    except Exception as error:
        sys.stderr.write(f"\n{type(error).__name__}: {error}\n")
        raise SystemExit(_NO_NETWORK) from error
    recipe, declared, configuration, seed = pickle.loads((folder / "sent").read_bytes())
    subject = Subject(recipe, declared, configuration, seed=seed)

    def gradient(t: int, index: int, p: Tensor) -> Tensor | None:
        value = _own(seed, rank, t, index, p)
        torch.distributed.all_reduce(value)
        return value / WORLD

    with isolated(), torch.enable_grad():
        torch.manual_seed(rank)
        walk = Walk(subject, gradient=gradient)
        _ = subject.capabilities
        walk.take(STEPS)
    torch.save(walk.values(), folder / f"{rank}.pt")
    torch.distributed.destroy_process_group()


def _own(seed: int, rank: int, t: int, index: int, p: Tensor) -> Tensor:
    value = Script(seed)(t, index + 100 * rank, p)
    assert value is not None
    return value


def _averaged(seed: int):  # type: ignore[no-untyped-def]
    def gradient(t: int, index: int, p: Tensor) -> Tensor:
        return torch.stack([_own(seed, rank, t, index, p) for rank in range(WORLD)]).sum(0) / WORLD

    return gradient
