"""The program behind the flint engine, a process of its own (`python -m`).

Reads the number of variables and then one polynomial a line in v1, v2, ...; prints `prime` and its
generators whenever one is found, `all` if no branch was given up, and `done` with their number.
"""

from __future__ import annotations

import sys
from fractions import Fraction
from math import lcm

from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.engines.base import plain_ring


def main() -> None:
    from flint import Ordering

    from equilibria.varieties.elimination.engines.flint_primes import Basis, context, minimal_primes

    size, *lines = sys.stdin.read().split("\n")
    plain = plain_ring(int(size))
    ring = context(plain.names, Ordering.degrevlex)

    def emit(basis: Basis) -> None:
        texts = [_text(plain, {m: int(c) for m, c in f.to_dict().items()}) for f in basis]
        print("prime", *texts, sep="\n", flush=True)

    parsed = (parse(line, plain) for line in filter(str.strip, lines))
    given_up = minimal_primes([ring.from_dict(_dense(f)) for f in parsed], emit)
    if not given_up:
        print("all")
    print("done", given_up, sep="\n", flush=True)


def _dense(f: Polynomial) -> dict[tuple[int, ...], int]:
    """Return the terms of f with denominators cleared."""
    scale = lcm(*(c.denominator for c in f.terms.values()))
    return {
        tuple(dict(key).get(i, 0) for i in range(len(f.ring.names))): int(c * scale)
        for key, c in f.terms.items()
    }


def _text(ring: Ring, terms: dict[tuple[int, ...], int]) -> str:
    sparse = {
        tuple((i, power) for i, power in enumerate(m) if power): Fraction(c)
        for m, c in terms.items()
    }
    return Polynomial(ring, sparse).text()


if __name__ == "__main__":
    main()
