"""Where the roots of a polynomial lie, exactly: left half-plane, imaginary axis or right.

For f of degree n write f(i x) = i**n (f1(x) - i f2(x)). The Cauchy index of f2/f1 over the line,
read off a Sturm chain, is n minus twice the number of roots on the right. Roots that come as
x and -x (all those on the axis among them) are the common roots of f1 and f2 and are counted apart.
Source: Gantmacher, "Theory of Matrices", vol. 2, chapter XV.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from equilibria.exact.characteristic import cayley
from equilibria.exact.field_polynomials import FieldPoly, derivative, divide, trim
from equilibria.exact.number_field import Element


@dataclass(frozen=True, slots=True)
class Placement:
    """How many roots are outside (right half-plane, or |z| > 1) and on the boundary.

    `outside` is exact or a lower bound of at least 1; `boundary` is exact when `outside` is 0.
    """

    outside: int
    boundary: int

    def __add__(self, other: Placement) -> Placement:
        return Placement(self.outside + other.outside, self.boundary + other.boundary)


def place(coefficients: Sequence[Element], kind: str) -> Placement:
    """Place the roots of a monic polynomial against the imaginary axis or the unit circle."""
    if kind == "flow":
        return _half_plane(list(coefficients))
    one = coefficients[-1].field.constant(1)
    moved = cayley(coefficients, one)
    degree = len(moved)
    moved = trim(moved)
    return _half_plane(moved) + Placement(0, degree - len(moved))


def _half_plane(f: FieldPoly) -> Placement:
    zeros = next(i for i, c in enumerate(f) if c)
    f = f[zeros:]
    degree = len(f) - 1
    if degree == 0:
        return Placement(0, zeros)
    first, second = _parts(f, 0), _parts(f, 1)
    index, common = _cauchy_index(first, second)
    on_the_right = (degree - (len(common) - 1) - index) // 2
    if len(common) > 1:
        distinct, repeated = _cauchy_index(common, derivative(common))
        if distinct < len(common) - len(repeated):
            return Placement(on_the_right + 1, zeros)
        zeros += len(common) - 1
    return Placement(on_the_right, zeros)


def _parts(f: FieldPoly, offset: int) -> FieldPoly:
    """Return f1 (offset 0) or f2 (offset 1)."""
    degree = len(f) - 1
    part = [c * Fraction(0) for c in f]
    for k in range(degree - offset, -1, -2):
        part[k] = f[k] * Fraction((-1) ** ((degree - offset - k) // 2))
    return trim(part)


def _cauchy_index(f1: FieldPoly, f2: FieldPoly) -> tuple[int, FieldPoly]:
    """Return the Cauchy index of f2/f1 over the real line, and the common divisor."""
    chain = [f1]
    while f2:
        chain.append(f2)
        f1, f2 = f2, [-c for c in divide(f1, f2)[1]]
    index = 0
    for a, b in pairwise(chain):
        at_plus = a[-1].sign() * b[-1].sign()
        odd = (len(a) - len(b)) % 2
        at_minus = -at_plus if odd else at_plus
        index += (at_minus < 0) - (at_plus < 0)
    return index, chain[-1]
