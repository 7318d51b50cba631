"""Decide many claims at once, each within its time limit.

Claims run in worker processes that are killed and replaced when the limit passes: a polynomial
elimination cannot be interrupted from inside. The limit counts the worker's processor time, so that
a busy machine changes no verdict; the clock on the wall is a net for what waits for something else.
The order of the outcomes is that of the claims.
"""

from __future__ import annotations

import importlib
import multiprocessing
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

from equilibria.claims.claim import Claim, Outcome
from equilibria.claims.decision import decide, unfinished
from equilibria.claims.kinds.base import Experiments
from equilibria.errors import FormatError

GRACE = 2.0  # seconds beyond the limit, for checks that keep it themselves
EMPIRICAL_FACTOR = 20  # training runs get this many time limits
WALL_FACTOR = 10  # a worker that shares its core, or whose engines do the work, gets this many

EXPERIMENTS = "empirical.experiments.registry:ALL"
"""Where the training experiments are, for the workers that run them; nothing here imports them."""

Progress = Callable[[int, int, Outcome], None]


@dataclass(slots=True)
class _Worker:
    process: BaseProcess
    pipe: Connection
    index: int | None = None
    begun: float = 0.0
    worked: float = 0.0
    limit: float = 0.0

    def released(self) -> int:
        """Return the place of the claim that it had; it is free for another."""
        index, self.index = self.index, None
        assert index is not None
        return index


def run_claims(
    claims: Sequence[Claim],
    *,
    jobs: int = 1,
    time_limit: int = 60,
    experiments: str | None = None,
    progress: Progress | None = None,
) -> tuple[Outcome, ...]:
    """Return the outcome of every claim, `jobs` at a time, each within `time_limit` seconds.

    `experiments` names a mapping of training experiments as "module:NAME"; without it empirical
    claims are not run. Raises `FormatError` for a claim that makes no sense.
    """
    outcomes: list[Outcome | None] = [None] * len(claims)
    waiting = list(range(len(claims)))[::-1]
    workers = [_start(experiments) for _ in range(min(jobs, len(claims)))]
    done = 0
    try:
        while waiting or any(worker.index is not None for worker in workers):
            for worker in workers:
                if worker.index is None and waiting:
                    _assign(worker, waiting.pop(), claims, time_limit)
            for place, worker in enumerate(workers):
                outcome = _collect(worker, claims)
                if outcome is None:
                    continue
                if not worker.process.is_alive() or worker.begun < 0:
                    workers[place] = _start(experiments) if waiting else worker
                outcomes[worker.released()] = outcome
                done += 1
                if progress is not None:
                    progress(done, len(claims), outcome)
            _pause(workers)
    finally:
        for worker in workers:
            worker.process.kill()
            worker.process.join()
            worker.pipe.close()
    return tuple(outcome for outcome in outcomes if outcome is not None)


def _start(experiments: str | None) -> _Worker:
    # A fresh interpreter: a fork would inherit the threads of whatever library is loaded.
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_work, args=(theirs, experiments), daemon=True)
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _assign(worker: _Worker, index: int, claims: Sequence[Claim], time_limit: int) -> None:
    worker.limit = time_limit * (EMPIRICAL_FACTOR if claims[index].empirical else 1)
    worker.index, worker.begun = index, time.perf_counter()
    worker.worked = _processor_seconds(worker.process.pid) or 0.0
    worker.pipe.send((claims[index], time_limit))


def _collect(worker: _Worker, claims: Sequence[Claim]) -> Outcome | None:
    """Return the outcome that a worker has, or what it means that it has none in time."""
    if worker.index is None:
        return None
    claim, spent = claims[worker.index], time.perf_counter() - worker.begun
    if worker.pipe.poll():
        try:
            kind, payload = worker.pipe.recv()
        except EOFError:
            worker.begun = -1.0
            return unfinished(claim, "the process that decided it died (memory?)", spent)
        return _received(kind, payload)
    if _is_over(worker, spent):
        worker.process.kill()
        worker.process.join()
        worker.begun = -1.0
        return unfinished(claim, f"stopped after {worker.limit:g} s (--time-limit)", spent)
    return None


def _is_over(worker: _Worker, spent: float) -> bool:
    worked = _processor_seconds(worker.process.pid)
    if worked is None:
        return spent > worker.limit + GRACE
    return worked - worker.worked > worker.limit + GRACE or spent > WALL_FACTOR * (
        worker.limit + GRACE
    )


def _processor_seconds(pid: int | None) -> float | None:
    """Return the processor time of a process; None where the system has no such clock, or it ended.

    The number of the clock is what `clock_getcpuclockid` of Linux makes of a process number.
    """
    try:
        return None if pid is None else time.clock_gettime((~pid << 3) | 2)
    except (AttributeError, OSError):
        return None


def _received(kind: str, payload: Any) -> Outcome:
    if kind == "input":
        raise FormatError(payload[0], hint=payload[1])
    if kind == "bug":
        raise RuntimeError(payload)
    outcome: Outcome = payload
    return outcome


def _pause(workers: Sequence[_Worker]) -> None:
    busy = [worker.pipe for worker in workers if worker.index is not None]
    if busy:
        wait(busy, timeout=0.2)


def _work(pipe: Connection, experiments: str | None) -> None:
    """Serve claims until the parent goes away."""
    table: Experiments | None = None
    while True:
        try:
            claim, time_limit = pipe.recv()
        except (EOFError, KeyboardInterrupt):
            return
        try:
            if claim.empirical and experiments is not None and table is None:
                table = load_experiments(experiments)
            outcome = decide(claim, time_limit=time_limit, experiments=table)
            pipe.send(("outcome", outcome))
        except FormatError as error:
            pipe.send(("input", (str(error), error.hint)))
        except KeyboardInterrupt:
            return
        except Exception:
            pipe.send(("bug", f"claim {claim.id}\n{traceback.format_exc()}"))


def load_experiments(name: str) -> Experiments:
    """Return the mapping named "module:NAME"; raises `FormatError` where it cannot be imported.

    The name comes from the program that calls, never from a claims file.
    """
    module, _, attribute = name.partition(":")
    try:
        found: Experiments = getattr(importlib.import_module(module), attribute)
    except ImportError as error:
        raise FormatError(
            f"--empirical: {error}", hint='training runs need `pip install ".[empirical]"`'
        ) from error
    return found
