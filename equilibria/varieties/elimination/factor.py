"""Factors over Q, from sympy. What is proved with them is proved by multiplying out or by signs."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from equilibria.exact.polynomial import Polynomial

if TYPE_CHECKING:
    from sympy.polys.rings import PolyElement
from equilibria.exact.univariate import Line


def factor_line(line: Line) -> list[tuple[Line, int]]:
    """Return the irreducible factors (monic, not constant) with multiplicities, in fixed order."""
    if len(line) <= 2:
        return [([c / line[-1] for c in line], 1)] if len(line) == 2 else []
    found = _factor_terms(("t",), {(i,): c for i, c in enumerate(line) if c})
    factors = []
    for terms, multiplicity in found:
        degree = max(m[0] for m in terms)
        entries = [terms.get((i,), Fraction(0)) for i in range(degree + 1)]
        factors.append(([c / entries[-1] for c in entries], multiplicity))
    return sorted(factors)


def factor(f: Polynomial) -> tuple[Fraction, list[tuple[Polynomial, int]]]:
    """Return a constant and the irreducible factors with multiplicities."""
    names = f.variables()
    if not names:
        return f.terms.get((), Fraction(0)), []
    places = [f.ring.names.index(name) for name in names]
    dense = {}
    for key, value in f.terms.items():
        powers = dict(key)
        dense[tuple(powers.get(place, 0) for place in places)] = value
    factors = []
    for terms, multiplicity in _factor_terms(names, dense):
        sparse = {
            tuple((places[i], power) for i, power in enumerate(m) if power): c
            for m, c in terms.items()
        }
        factors.append((Polynomial(f.ring, sparse), multiplicity))
    constant = next(iter(f.sorted_terms()))[1]
    for g, multiplicity in factors:
        constant /= next(iter(g.sorted_terms()))[1] ** multiplicity
    return constant, sorted(factors, key=lambda entry: entry[0].text())


def _factor_terms(
    names: tuple[str, ...], terms: dict[tuple[int, ...], Fraction]
) -> list[tuple[dict[tuple[int, ...], Fraction], int]]:
    from sympy import QQ, Symbol
    from sympy.polys.orderings import lex
    from sympy.polys.rings import PolyRing

    ring = PolyRing([Symbol(name) for name in names], QQ, lex)
    element = ring.from_dict({m: QQ(c.numerator, c.denominator) for m, c in terms.items()})
    return [(_plain(g), int(multiplicity)) for g, multiplicity in element.factor_list()[1]]


def _plain(element: PolyElement) -> dict[tuple[int, ...], Fraction]:
    return {m: Fraction(int(c.numerator), int(c.denominator)) for m, c in element.terms()}
