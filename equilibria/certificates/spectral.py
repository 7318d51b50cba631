"""The claims about one spectrum: verdict, counts, exact trace, and a cell for the extent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from fractions import Fraction

from equilibria.certificates import plain
from equilibria.certificates.exact import Field, Terms, add
from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import Stability

EXTENT_BITS = 24
STEP_BITS = 23

Point = Mapping[str, Terms]
Slopes = Mapping[str, Mapping[str, Terms]]


def spectrum(stability: Stability, trace: Terms, kind: str) -> dict[str, object]:
    """Return the entry of one component for flow or map; the counts come from its spectrum."""
    return {
        "verdict": stability.verdict.value,
        "neutral": str(stability.neutral),
        "unstable": str(unstable_count(stability, kind)),
        "trace": plain.terms(trace),
        "extent": "none" if stability.extent is None else str(cell(stability.extent)),
    }


def cell(extent: float) -> int:
    """Return k with (k - 1/7)/2^24 <= extent < (k + 6/7)/2^24."""
    return math.floor(Fraction(extent) * (1 << EXTENT_BITS) + Fraction(1, 7))


def largest_step(step: float) -> dict[str, str]:
    """Return e and k with (k - 1/7) 2^(e - 23) <= step < (k + 6/7) 2^(e - 23), 2^23 <= k."""
    exponent = math.frexp(step)[1] - 1
    scaled = Fraction(step) / Fraction(2) ** (exponent - STEP_BITS)
    return {"exponent": str(exponent), "cell": str(math.floor(scaled + Fraction(1, 7)))}


def unstable_count(stability: Stability, kind: str) -> int:
    """Return how many eigenvalues lie beyond the boundary, the neutral ones left out."""
    centre = 0.0 if kind == "flow" else 1.0
    values = [e.value for e in stability.spectrum for _ in range(e.multiplicity)]
    values.sort(key=lambda value: abs(value - centre))
    normal = values[stability.neutral :]
    # On the boundary itself (an undecided verdict) rounding must not count.
    slack = 1e-12 if stability.verdict == "undecided" else 0.0
    if kind == "flow":
        return sum(value.real > slack for value in normal)
    return sum(abs(value) > 1 + slack for value in normal)


def trace(
    field: Field,
    system: PolynomialSystem,
    equations: Mapping[str, Polynomial],
    point: Point,
    tied: Slopes,
) -> Terms:
    """Return the exact trace of the Jacobian; `tied` holds dP/dW where P follows W."""
    total: Terms = {}
    for name, entry in equations.items():
        for variable in entry.variables():
            slope: Terms | None = tied.get(variable, {}).get(name)
            if variable == name:
                slope = {(): Fraction(1)}
            if slope:
                value = evaluate(field, entry.diff(variable), point)
                total = add(total, field.times(value, slope))
    return total


def evaluate(field: Field, value: Polynomial, point: Point) -> Terms:
    """Return a polynomial at a point of the tower; absent variables are 0."""
    names = value.ring.names
    total: Terms = {}
    for key, coefficient in value.terms.items():
        if any(names[index] not in point for index, _ in key):
            continue
        term: Terms = {(): coefficient}
        for index, power in key:
            for _ in range(power):
                term = field.times(term, point[names[index]])
        total = add(total, term)
    return total
