"""sympy as an engine: always there, enough for one-row systems and other small ones."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.engines.base import (
    Answer,
    Limits,
    engine_environment,
    plain_ring,
    read_answer,
    run_program,
    steps_done,
)

STEPS_A_SECOND = 1_000_000
"""What the worker counts in a nominal second."""


class Sympy:
    """The algorithm of `sympy_primes`, run in a process of its own (`sympy_worker`)."""

    name = "sympy"

    def version(self) -> str | None:
        """Return sympy's version."""
        try:
            return version("sympy")
        except PackageNotFoundError:
            return None

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        """Return the primes found within the work; all of them if the worker came to its end."""
        ring = polynomials[0].ring
        plain = plain_ring(len(ring.names))
        lines = [
            f"{len(ring.names)} {round(limits.work * STEPS_A_SECOND)}",
            *(Polynomial(plain, f.terms).text() for f in polynomials),
        ]
        # -P keeps the working directory off the import path
        command = [
            sys.executable,
            "-P",
            "-m",
            "equilibria.varieties.elimination.engines.sympy_worker",
        ]
        outcome = run_program(command, "\n".join(lines) + "\n", limits, engine_environment())
        primes, _, finished = read_answer(outcome.output, ring, self.name)
        note = "" if finished else _why(outcome.output, limits)
        steps = steps_done(outcome.output)
        return Answer(self.name, self.version() or "?", primes, finished, note, steps=steps)


def _why(output: str, limits: Limits) -> str:
    if "stopped" in output.split():
        return f"its bound on the work ({limits.work:g} s)"
    return "an error or the memory limit"
