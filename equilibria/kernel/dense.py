"""Characteristic polynomials of interval matrices, and how many roots lie where.

A matrix is held as integers of precision BITS with one error bound for all entries, so that
Faddeev-LeVerrier runs in plain integer arithmetic. Zeros that a symmetry forces are divided out
only when as many coefficients can vanish as the symmetry forces zeros, and no more.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import comb
from operator import mul

from .intervals import Interval
from .refusal import Refusal
from .spectra import routh_intervals

BITS = 1536
Poly = list[Interval]
"""Coefficients, constant term first."""


@dataclass(frozen=True)
class Balls:
    """A square matrix: entry (i, j) lies in (middle[i][j] +- radius)/2^BITS."""

    middle: list[list[int]]
    radius: int

    @property
    def largest(self) -> int:
        """Return a bound of all entries."""
        return max(abs(x) for row in self.middle for x in row) + self.radius


def balls(rows: list[list[Interval]]) -> Balls:
    """Return the smallest ball matrix of this form around intervals."""
    middle = [[(x.low + x.high) >> 1 for x in row] for row in rows]
    radius = max(x.width for row in rows for x in row) // 2 + 1
    return Balls(middle, radius)


def characteristic(rows: list[list[Interval]]) -> Poly:
    """Return det(x - A), constant first."""
    size, A = len(rows), balls(rows)
    one = 1 << BITS
    current = Balls([[one if i == j else 0 for j in range(size)] for i in range(size)], 0)
    found = [Interval(one, one, BITS)]
    for k in range(1, size + 1):
        current = _product(A, current)
        total = sum(current.middle[i][i] for i in range(size))
        error = size * current.radius
        coefficient = Interval(-((total + error) // k) - 1, -((total - error) // k) + 1, BITS)
        found.append(coefficient)
        centre = (coefficient.low + coefficient.high) >> 1
        for i in range(size):
            current.middle[i][i] += centre
        current = Balls(current.middle, current.radius + coefficient.width)
    return found[::-1]


def _product(left: Balls, right: Balls) -> Balls:
    size = len(left.middle)
    columns = list(zip(*right.middle, strict=True))
    middle = [[sum(map(mul, row, column)) >> BITS for column in columns] for row in left.middle]
    error = size * (left.largest * right.radius + left.radius * right.largest)
    return Balls(middle, (error >> BITS) + 2)


def moved(poly: Poly, by: Fraction) -> Poly:
    """Return c p(y + by) with c > 0, outward rounded where `by` is not dyadic."""
    u, v, degree = by.numerator, by.denominator, len(poly) - 1
    result = [c.times(v ** (degree - power)) for power, c in enumerate(poly)]
    for start in range(degree if u else 0):
        for power in range(degree - 1, start - 1, -1):
            result[power] = result[power] + result[power + 1].times(u)
    return result


def folded(poly: Poly, radius: Fraction) -> Poly:
    """Return (1 - s)^deg p(radius (1 + s)/(1 - s)), up to a positive factor."""
    u, v, degree = radius.numerator, radius.denominator, len(poly) - 1
    total = [Interval(0, 0, BITS)] * (degree + 1)
    for power, c in enumerate(poly):
        weight = u**power * v ** (degree - power)
        for i in range(power + 1):
            for j in range(degree - power + 1):
                factor = weight * comb(power, i) * comb(degree - power, j) * (-1) ** j
                total[i + j] = total[i + j] + c.times(factor)
    return total


def divided(polys: list[Poly], centre: Fraction, zeros: int) -> list[Poly]:
    """Divide by (x - centre), `zeros` times in all, or refuse; roots x become v x - u, centre = u/v.

    `zeros` is a lower bound for the multiplicity of the root; the coefficients that may vanish
    bound it from above, and the two must agree.
    """
    found, count = [], 0
    for poly in polys:
        near = moved(poly, centre)
        drop = 0
        while not near[drop].sign:
            drop += 1
        count += drop
        found.append(near[drop:])
    if count != zeros:
        raise Refusal(f"{count} eigenvalues may be at {centre}, the symmetry explains {zeros}")
    return found


def split(polys: list[Poly], centre: int, zeros: int) -> list[Poly]:
    """Divide by (x - centre) as `divided` does, and keep the roots where they are."""
    return [moved(poly, Fraction(-centre)) for poly in divided(polys, Fraction(centre), zeros)]


def beyond(poly: Poly, level: Fraction, kind: str) -> int | None:
    """Return how many roots lie right of the level (flow) or outside the circle (map)."""
    plane = moved(poly, level) if kind == "flow" else folded(poly, level)
    return routh_intervals(plane[::-1])
