"""The program behind the sympy engine, a process of its own (`python -m`).

Reads the number of variables and the steps of work that may be done, then one polynomial a line in
v1, v2, ...; prints `prime` and its generators whenever one is found, `all` where it came to its end
and `stopped` where the work was done before, and `done` with the steps.
"""

from __future__ import annotations

import sys

from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.engines.base import plain_ring


def main() -> None:
    from sympy import QQ
    from sympy.polys.orderings import grevlex
    from sympy.polys.rings import PolyElement, PolyRing

    from equilibria.varieties.elimination.engines.sympy_primes import Work, WorkDone, minimal_primes

    head, *lines = sys.stdin.read().split("\n")
    size, most = map(int, head.split())
    plain = plain_ring(size)
    work = Work(most)
    ring = work.counted(PolyRing(plain.names, QQ, grevlex))

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
    try:
        minimal_primes(generators, emit, work)
        end = "all"
    except WorkDone:
        end = "stopped"
    print(end, "done", most - work.left, sep="\n", flush=True)


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
