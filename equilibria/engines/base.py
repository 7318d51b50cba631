"""What an engine is: something that proposes the irreducible components of a polynomial system.

An engine knows nothing of learning and is never believed: `elimination` checks what it proposes.
Every engine runs as a program of its own, so that time and memory have hard limits and a crash
over there is a sentence over here. To add one, write a class with these three members and list it
in `ENGINES`:

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
from pathlib import Path
from typing import Protocol

from equilibria.errors import ConsistencyError, FormatError
from equilibria.grammar import parse
from equilibria.polynomial import Polynomial, Ring

MAX_OUTPUT = 20_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an engine may run (seconds) and how much memory it may take (bytes)."""

    seconds: float = 60.0
    memory: int = 4 << 30


@dataclass(frozen=True, slots=True)
class Answer:
    """What an engine proposes: prime ideals over Q whose zero sets together are the system's.

    `complete` is the engine's own word for "these are all"; `note` says what stopped it otherwise.
    A proposal may contain a prime that another one makes redundant.
    """

    engine: str
    version: str
    primes: tuple[tuple[Polynomial, ...], ...]
    complete: bool
    note: str = ""


class Engine(Protocol):
    """A program that decomposes polynomial systems over the rationals."""

    name: str

    def version(self) -> str | None: ...

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer: ...


def plain_ring(size: int) -> Ring:
    """Return Q[v1, ..., v_size]: engines never see the user's names."""
    return Ring(tuple(f"v{index}" for index in range(1, size + 1)))


def read_primes(
    output: str, ring: Ring, engine: str
) -> tuple[tuple[tuple[Polynomial, ...], ...], bool]:
    """Return the primes in an engine's answer, and whether it came to its end.

    The answer has a line `prime` before the generators of each, one a line, and `done` at the end.
    """
    plain = plain_ring(len(ring.names))
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    finished = bool(lines) and lines[-1] == "done"
    if not finished and "prime" in lines:  # the last prime may have been cut short
        lines = lines[: len(lines) - 1 - lines[::-1].index("prime")]
    primes: list[list[Polynomial]] = []
    for line in lines[:-1] if finished else lines:
        if line == "prime":
            primes.append([])
            continue
        try:
            generator = parse(line, plain, where=f"the answer of {engine}")
        except FormatError as error:
            raise ConsistencyError(str(error)) from error
        if not primes:
            raise ConsistencyError(f"the answer of {engine} starts with `{line[:40]}`")
        primes[-1].append(Polynomial(ring, generator.terms))
    nowhere = [prime for prime in primes if any(g.degree == 0 for g in prime)]
    return tuple(tuple(prime) for prime in primes if prime not in nowhere), finished


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a program ended: what it printed, and why it was stopped (None when it ended itself)."""

    output: str
    code: int
    stopped: str | None


def run_program(
    arguments: Sequence[str], text: str, limits: Limits, environment: Mapping[str, str]
) -> Outcome:
    """Run one program on `text` (its standard input) in an empty temporary directory.

    No shell is involved. What it printed before a limit stopped it comes back too.
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
            stopped = _wait(process, limits)
        output = answer.read_bytes()[:MAX_OUTPUT].decode("ascii", errors="replace")
    return Outcome(output, process.returncode, stopped)


def _wait(process: subprocess.Popen[bytes], limits: Limits) -> str | None:
    try:
        _bound(process.pid, limits)
        process.wait(timeout=limits.seconds)
    except subprocess.TimeoutExpired:
        return f"the time limit of {limits.seconds:g} s"
    finally:
        _end(process)
    return None


def _bound(pid: int, limits: Limits) -> None:
    """Limit memory and file size of a running process, where the system can (Linux)."""
    try:
        import resource
    except ImportError:
        return
    if hasattr(resource, "prlimit"):
        try:
            resource.prlimit(pid, resource.RLIMIT_AS, (limits.memory, limits.memory))
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (MAX_OUTPUT, MAX_OUTPUT))
        except ProcessLookupError:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the process and everything it started (it leads a session of its own)."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
    process.wait()
