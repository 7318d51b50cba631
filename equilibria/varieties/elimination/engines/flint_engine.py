"""python-flint as an engine: fast on small systems, with a simple Groebner basis that can blow up."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version

from equilibria.errors import EngineMissing
from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.engines.base import (
    Answer,
    Limits,
    engine_environment,
    plain_ring,
    read_answer,
    run_program,
)

INSTALL = "pip install python-flint"


class Flint:
    """The algorithm of `flint_primes`, run in a process of its own (`flint_worker`)."""

    name = "flint"

    def version(self) -> str | None:
        """Return the version of python-flint, or None where it is not installed."""
        try:
            return version("python-flint")
        except PackageNotFoundError:
            return None

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        """Return the primes found within the limits; all of them if no branch was given up."""
        release = self.version()
        if release is None:
            raise EngineMissing("the engine flint is not installed", hint=INSTALL)
        ring = polynomials[0].ring
        plain = plain_ring(len(ring.names))
        lines = [str(len(ring.names)), *(Polynomial(plain, f.terms).text() for f in polynomials)]
        command = [
            sys.executable,
            "-P",
            "-m",
            "equilibria.varieties.elimination.engines.flint_worker",
        ]
        outcome = run_program(command, "\n".join(lines) + "\n", limits, engine_environment())
        primes, _, finished = read_answer(outcome.output, ring, self.name)
        note = "" if finished else _why(outcome.output)
        return Answer(self.name, release, primes, finished, note)


def _why(output: str) -> str:
    """Return what stopped a worker that ended itself: behind `done` it says how many branches."""
    *_, last = ["", *output.split()]
    if "done" not in output.split() or not last.isdigit():
        return "an error or the memory limit"
    branches = "1 branch" if last == "1" else f"{last} branches"
    return f"its bounds on the size of a Groebner basis: {branches} not decomposed"
