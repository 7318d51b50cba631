"""The program behind the sympy engine: `python -m equilibria.engines.sympy_worker`.

Reads the number of variables and then one polynomial a line in v1, v2, ...; prints `prime` and its
generators whenever one is found, and `all` at the end. Whoever started it may stop it any time.
"""

from __future__ import annotations

import sys

from equilibria.engines.base import plain_ring
from equilibria.grammar import parse
from equilibria.polynomial import Polynomial, Ring


def main() -> None:
    from sympy import QQ
    from sympy.polys.orderings import grevlex
    from sympy.polys.rings import PolyElement, PolyRing

    from equilibria.engines.sympy_primes import minimal_primes

    size, *lines = sys.stdin.read().split("\n")
    plain = plain_ring(int(size))
    ring = PolyRing(plain.names, QQ, grevlex)

    def emit(basis: list[PolyElement]) -> None:
        texts = [
            _text(plain, {m: (c.numerator, c.denominator) for m, c in f.terms()}) for f in basis
        ]
        print("prime", *texts, sep="\n", flush=True)

    generators = []
    for line in filter(str.strip, lines):
        terms = parse(line, plain).terms
        dense = {_exponents(key, len(plain.names)): value for key, value in terms.items()}
        generators.append(
            ring.from_dict({m: QQ(c.numerator, c.denominator) for m, c in dense.items()})
        )
    minimal_primes(generators, emit)
    print("all", "done", sep="\n", flush=True)


def _exponents(key: tuple[tuple[int, int], ...], size: int) -> tuple[int, ...]:
    powers = dict(key)
    return tuple(powers.get(index, 0) for index in range(size))


def _text(ring: Ring, terms: dict[tuple[int, ...], tuple[int, int]]) -> str:
    from fractions import Fraction

    sparse = {
        tuple((i, power) for i, power in enumerate(m) if power): Fraction(int(a), int(b))
        for m, (a, b) in terms.items()
    }
    return Polynomial(ring, sparse).text()


if __name__ == "__main__":
    main()
