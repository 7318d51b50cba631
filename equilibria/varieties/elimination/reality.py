"""Does a complex component have real points, and where?

Yes, in full dimension: one smooth real point is enough, and it is looked for by giving rational
values to independent variables. No: a sum of squares with a positive constant lies in the ideal, or
no point of the component is nearest to a chosen point. In between: a sum of squares confines the
real points to a smaller set.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from itertools import combinations, islice, product
from math import comb

from equilibria.errors import LimitReached
from equilibria.exact.characteristic import determinant
from equilibria.exact.number_field import Element
from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.ideal import Ideal, Residue
from equilibria.varieties.elimination.points import Point, real_points

SIMPLE = tuple(
    Fraction(*pair) for pair in [(1, 1), (-1, 1), (1, 2), (2, 1), (0, 1), (-2, 1), (1, 8)]
)
MAX_MINORS = 60


class Real(StrEnum):
    """What is known about the real points of a component.

    `YES`: they have its full dimension. `THIN`: they lie in a smaller set, which is given.
    """

    YES = "yes"
    NO = "no"
    THIN = "thin"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class RealPart:
    """The answer with its ground; `inside` generates the smaller set when it is `THIN`."""

    real: Real
    how: str
    points: tuple[Point, ...] = ()
    inside: tuple[Polynomial, ...] = ()


def real_part(ideal: Ideal) -> RealPart:
    """Say whether the zero set of a prime ideal has real points."""
    if ideal.dimension == 0:
        points = tuple(real_points(ideal))
        how = f"{len(points)} real roots by Sturm's theorem"
        return RealPart(Real.YES if points else Real.NO, how, points)
    for f in (*ideal.generators, *ideal.basis):
        squares = sum_of_squares(f)
        if squares is not None:
            if any(g.degree == 0 for g in squares):
                return RealPart(Real.NO, f"{f.text()} has no real zero")
            return RealPart(Real.THIN, f"{f.text()} is a sum of squares", inside=squares)
    found = next(sample_points(ideal), None)
    if found is not None:
        return RealPart(Real.YES, "a smooth real point", (found,))
    return _nearest_points(ideal)


def sample_points(ideal: Ideal) -> Iterator[Point]:
    """Yield smooth real points over simple values of the independent variables."""
    names = ideal.independent
    for values in islice(_by_size(len(names)), 60):
        yield from points_over(ideal, dict(zip(names, values, strict=True)))


def _by_size(count: int) -> Iterator[tuple[Fraction, ...]]:
    grid = product(range(len(SIMPLE)), repeat=count) if count <= 4 else iter([])
    for places in sorted(grid, key=lambda places: (max(places), places)):
        yield tuple(SIMPLE[place] for place in places)


def points_over(ideal: Ideal, values: dict[str, Fraction]) -> Iterator[Point]:
    """Yield the smooth real points of the component at which some variables have given values."""
    ring = ideal.ring
    slices = [ring.variable(name) - value for name, value in values.items()]
    cut = Ideal(ring, [*ideal.basis, *slices], ideal.budget)
    if cut.dimension == 0:
        yield from (point for point in real_points(cut) if is_smooth(ideal, point))


def is_smooth(ideal: Ideal, point: Point) -> bool:
    """Say whether the gradients of the ideal have full rank at the point."""
    names = ideal.ring.names
    rows = [[point.value(f.diff(name)) for name in names] for f in ideal.basis]
    return rank(rows) == len(names) - ideal.dimension


def rank(rows: list[list[Element]]) -> int:
    """Return the rank of a matrix, by exact elimination."""
    rows, found = [list(row) for row in rows], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(found, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[found], rows[pivot] = rows[pivot], rows[found]
        unit = rows[found][column].inverse()
        for i in range(found + 1, len(rows)):
            if rows[i][column]:
                scale = rows[i][column] * unit
                rows[i] = [a - scale * b for a, b in zip(rows[i], rows[found], strict=True)]
        found += 1
    return found


def sum_of_squares(f: Polynomial) -> tuple[Polynomial, ...] | None:
    """Return polynomials that vanish wherever f does on real points, when f shows such a form.

    Either all monomials are squares with coefficients of one sign, or f is a quadratic polynomial
    that is definite after completing squares. A constant among them: f has no real zero.
    """
    signs = {c > 0 for c in f.terms.values()}
    if len(signs) == 1 and all(power % 2 == 0 for key in f.terms for _, power in key):
        ring = f.ring
        return tuple(
            Polynomial(ring, {tuple((i, 1) for i, _ in key): Fraction(1)}) for key in f.terms
        )
    return _definite_quadratic(f) if f.degree == 2 else None


def _definite_quadratic(f: Polynomial) -> tuple[Polynomial, ...] | None:
    ring, rest = f.ring, f
    forms: list[Polynomial] = []
    sign = 0
    while rest.degree == 2:
        square = next((key for key in rest.terms if len(key) == 1 and key[0][1] == 2), None)
        if square is None:
            return None
        lead = rest.terms[square]
        if sign and (lead > 0) != (sign > 0):
            return None
        sign = 1 if lead > 0 else -1
        form = rest.diff(ring.names[square[0][0]]) * (1 / (2 * lead))
        forms.append(form)
        rest = rest - form * form * lead
    if rest.degree == 1 or (rest and (rest.terms[()] > 0) != (sign > 0)):
        return None
    return (*forms, rest) if rest else tuple(forms)


def _nearest_points(ideal: Ideal) -> RealPart:
    """Look at the points of the component that may be nearest to a chosen one.

    Every closed real set has a nearest point; there the gradients and the direction to the chosen
    point are dependent. No real solution of that: no real point.
    """
    ring, names = ideal.ring, ideal.ring.names
    codimension = len(names) - ideal.dimension
    rows = [[f.diff(name) for name in names] for f in ideal.basis]
    rows.append([x - Fraction(3 * i + 1, 7 * i + 5) for i, x in enumerate(ring.variables())])
    size = codimension + 1
    if comb(len(rows), size) * comb(len(names), size) > MAX_MINORS:
        return RealPart(Real.UNKNOWN, "no smooth real point was found")
    one = Residue(ideal, ring.constant(1))
    minors = [
        determinant([[Residue(ideal, rows[i][j]) for j in chosen] for i in some], one).form
        for some in combinations(range(len(rows)), size)
        for chosen in combinations(range(len(names)), size)
    ]
    critical = Ideal(ring, [*ideal.basis, *minors], ideal.budget)
    if critical.is_everything:
        return RealPart(Real.NO, "no point of it is nearest to a chosen one")
    if critical.dimension > 0:
        return RealPart(Real.UNKNOWN, "no smooth real point was found")
    nearest = real_points(critical)
    if not nearest:
        return RealPart(Real.NO, "no real point of it is nearest to a chosen one")
    smooth = [point for point in nearest if is_smooth(ideal, point)]
    if smooth:
        return RealPart(Real.YES, "a smooth real point", tuple(smooth[:1]))
    return RealPart(Real.UNKNOWN, "its real points that were found are singular")


def try_real_part(ideal: Ideal) -> RealPart:
    """Return `real_part`, or `UNKNOWN` where the time was over."""
    try:
        return real_part(ideal)
    except LimitReached as error:
        return RealPart(Real.UNKNOWN, str(error))
