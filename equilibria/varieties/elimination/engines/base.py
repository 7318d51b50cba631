"""What an engine is: something that proposes the irreducible components of a polynomial system.

An engine knows nothing of learning and is never believed: `elimination` checks what it proposes.
Every engine runs as a program of its own, so that work and memory have hard limits and a crash over
there is a sentence over here. What ends an engine early must not depend on how busy the machine is:
our own workers count what they do, and a clock (processor time) ends in `NotFinished`. To add one,
write a class with these three members and list it in `ENGINES`:

1. `name`, the word the user types;
2. `version()`, text that goes into the report, or None where the engine is not installed;
3. `minimal_primes(polynomials, limits)`, an `Answer`.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from pathlib import Path
from typing import Protocol

from equilibria.errors import ConsistencyError, FormatError, LimitReached, NotFinished
from equilibria.exact.grammar import parse, shorten
from equilibria.exact.polynomial import Polynomial, Ring

MAX_OUTPUT = 20_000_000
WAITING = 100
"""How many times its processor time a program may take on a busy machine before it is ended."""

HEADS = ("prime", "residue", "all", "stopped", "done")

Ideals = tuple[tuple[Polynomial, ...], ...]
"""Ideals by their generators."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What an engine may use.

    `work` in nominal seconds, for engines that count what they do; `seconds` of processor time
    behind that, where there is no answer any more; `memory` in bytes.
    """

    work: float = 60.0
    seconds: float = 600.0
    memory: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine proposes: prime ideals over Q whose zero sets together are the system's.

    `complete` is the engine's own word for "these are all"; `note` says what stopped it otherwise.
    A proposal may contain a prime that another one makes redundant. `residues`, where an engine
    gives them, are what is left of the ideal when one prime after the other is divided out
    (I_k = I_(k-1) : P_k^oo): an easy way to check that the primes are all. `steps` is the work that
    was done, where the engine counts it.
    """

    engine: str
    version: str
    primes: Ideals
    complete: bool
    note: str = ""
    residues: Ideals = ()
    steps: int = 0


class Engine(Protocol):
    """A program that decomposes polynomial systems over the rationals."""

    name: str

    def version(self) -> str | None: ...

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer: ...


def plain_ring(size: int) -> Ring:
    """Return Q[v1, ..., v_size]: engines never see the user's names."""
    return Ring(tuple(f"v{index}" for index in range(1, size + 1)))


def read_answer(output: str, ring: Ring, engine: str) -> tuple[Ideals, Ideals, bool]:
    """Return the primes in an engine's output, its residues, and whether the primes are all.

    The output has a line `prime` or `residue` before the generators of each ideal, one a line, and
    `all` behind the last prime. What was cut short is dropped.
    """
    plain = plain_ring(len(ring.names))
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    heads = [i for i, line in enumerate(lines) if line in HEADS]
    if lines and (not heads or heads[0] > 0):
        raise ConsistencyError(f"the answer of {engine} starts with `{lines[0][:40]}`")
    found: dict[str, list[tuple[Polynomial, ...]]] = {"prime": [], "residue": []}
    for start, end in pairwise(heads):
        if lines[start] in found:
            texts = lines[start + 1 : end]
            found[lines[start]].append(
                tuple(_generator(text, plain, ring, engine) for text in texts)
            )
    return tuple(found["prime"]), tuple(found["residue"]), "all" in lines


def steps_done(output: str) -> int:
    """Return the number behind `done`: what a worker of ours has counted."""
    *_, last = ["", *output.split()]
    return int(last) if "done" in output.split() and last.isdigit() else 0


def _generator(text: str, plain: Ring, ring: Ring, engine: str) -> Polynomial:
    try:
        return Polynomial(ring, parse(text, plain, where=f"the answer of {engine}").terms)
    except FormatError as error:
        if "too large" in str(error):
            raise LimitReached(shorten(str(error), 120)) from error
        raise ConsistencyError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: what it printed, and its exit code."""

    output: str
    code: int


def run_program(
    arguments: Sequence[str], text: str, limits: Limits, environment: Mapping[str, str]
) -> Outcome:
    """Run one program on `text` (its standard input) in an empty temporary directory.

    No shell is involved. Raises `NotFinished` where it used up its seconds of processor time.
    """
    with tempfile.TemporaryDirectory(prefix="noncollapse-") as folder:
        source, answer = Path(folder, "input"), Path(folder, "output")
        source.write_text(text, encoding="ascii")
        with source.open("rb") as stdin, answer.open("wb") as stdout:
            process = subprocess.Popen(
                list(arguments),
                stdin=stdin,
                stdout=stdout,
                stderr=subprocess.DEVNULL,
                cwd=folder,
                env={"HOME": folder, "LANG": "C", **environment},
                start_new_session=True,
            )
            _wait(process, limits, Path(arguments[0]).name)
        output = answer.read_bytes()[:MAX_OUTPUT].decode("ascii", errors="replace")
    return Outcome(output, process.returncode)


def _wait(process: subprocess.Popen[bytes], limits: Limits, name: str) -> None:
    """Wait for a program. Another one that keeps it waiting does not use up its time."""
    try:
        counted = _bound(process.pid, limits)
        process.wait(timeout=WAITING * limits.seconds if counted else limits.seconds)
    except subprocess.TimeoutExpired as error:
        raise _not_finished(name, limits) from error
    finally:
        if process.poll() is None:  # the program leads a session: end all that it started
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    if counted and -process.returncode in (signal.SIGXCPU, signal.SIGKILL):
        raise _not_finished(name, limits)


def _not_finished(name: str, limits: Limits) -> NotFinished:
    return NotFinished(
        f"not finished, and no list is complete: {name} used its {limits.seconds:g} s of "
        "processor time",
        hint="raise --time-limit",
    )


def _bound(pid: int, limits: Limits) -> bool:
    """Limit time, memory and file size of a running process, where the system can (Linux)."""
    try:
        import resource
    except ImportError:
        return False
    if not hasattr(resource, "prlimit"):
        return False
    seconds = ceil(limits.seconds)
    try:
        resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))
        resource.prlimit(pid, resource.RLIMIT_CPU, (seconds, seconds + 1))
    except ProcessLookupError:
        return True
    return True


def engine_environment() -> dict[str, str]:
    """Return the environment of an engine in Python: ours, with this package on the import path."""
    home = str(Path(__file__).resolve().parents[4])
    path = os.environ.get("PYTHONPATH")
    return {
        **os.environ,
        "PYTHONPATH": f"{home}{os.pathsep}{path}" if path else home,
        "PYTHONHASHSEED": "0",
    }
