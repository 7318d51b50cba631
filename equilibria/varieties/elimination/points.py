"""The real points of a zero-dimensional ideal, each with exact algebraic coordinates.

The ideal is first split by the minimal polynomials of its variables (factored over Q) until every
piece P is maximal: Q[x]/P is then a field Q(theta) of the same dimension as the quotient, for theta
a variable or a linear form in them. Its real embeddings are the real roots of the minimal
polynomial of theta, found by Sturm's theorem. So primality is proved here, not believed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, count

from equilibria.exact.number_field import Element, RealField
from equilibria.exact.polynomial import Polynomial
from equilibria.exact.univariate import Line, isolate
from equilibria.varieties.elimination.budget import words
from equilibria.varieties.elimination.factor import factor_line
from equilibria.varieties.elimination.ideal import Ideal


@dataclass(frozen=True, slots=True)
class Point:
    """A real point; `coordinates` are elements of one real number field of degree `degree`."""

    coordinates: Mapping[str, Element]
    field: RealField

    @property
    def degree(self) -> int:
        return self.field.degree

    @property
    def is_rational(self) -> bool:
        return all(value.rational is not None for value in self.coordinates.values())

    def value(self, f: Polynomial) -> Element:
        """Return f at the point, exactly."""
        result = f.evaluate(self.coordinates, self.field.constant)
        assert isinstance(result, Element)
        return result

    def floats(self) -> dict[str, float]:
        return {name: float(value) for name, value in self.coordinates.items()}


@dataclass(frozen=True, slots=True)
class Maximal:
    """A maximal ideal: `degree` complex points conjugate over Q; `points` are the real ones."""

    ideal: Ideal
    degree: int
    points: tuple[Point, ...]


def maximal_ideals(ideal: Ideal) -> Iterator[Maximal]:
    """Yield the maximal ideals above an ideal of dimension 0 (nothing for the whole ring)."""
    pending = [ideal]
    while pending:
        current = pending.pop(0)
        if current.is_everything:
            continue
        parts, found = _split(current)
        if found is not None:
            yield found
        for part in parts:
            pending.append(Ideal(current.ring, [*current.basis, part], current.budget))


def real_points(ideal: Ideal) -> list[Point]:
    """Return all real points of a zero-dimensional ideal."""
    return [point for maximal in maximal_ideals(ideal) for point in maximal.points]


def _split(ideal: Ideal) -> tuple[list[Polynomial], Maximal | None]:
    monomials = [next(iter(m.terms)) for m in ideal.standard_monomials()]
    size = len(monomials)
    for form in chain(ideal.ring.variables(), _linear_forms(ideal)):
        ideal.budget.spend(size, "points")
        powers, relation = _powers(form, ideal, monomials)
        factors = factor_line(relation)
        if len(factors) > 1 or factors[0][1] > 1:
            return [_combine(ideal, form, line) for line, _ in factors], None
        if len(relation) - 1 == size:
            return [], _maximal(ideal, monomials, powers, relation)
    raise AssertionError("some linear form separates the points of a radical ideal")


def _linear_forms(ideal: Ideal) -> Iterator[Polynomial]:
    variables = ideal.ring.variables()
    for base in count(1):
        total = ideal.ring.constant(0)
        for place, x in enumerate(variables):
            total = total + x * base**place
        yield total


def _combine(ideal: Ideal, form: Polynomial, line: Line) -> Polynomial:
    total, power = ideal.ring.constant(0), ideal.ring.constant(1)
    for c in line:
        total, power = total + power * c, ideal.normal_form(power * form)
    return ideal.normal_form(total)


def _powers(
    form: Polynomial, ideal: Ideal, monomials: list[tuple[tuple[int, int], ...]]
) -> tuple[list[Line], Line]:
    """Return the powers of `form` as vectors, and the first linear relation among them."""
    vectors: list[Line] = []
    rows: list[tuple[Line, Line, int]] = []
    power = ideal.ring.constant(1)
    while True:
        vector = [power.terms.get(m, Fraction(0)) for m in monomials]
        relation = [Fraction(0)] * len(vectors) + [Fraction(1)]
        vectors.append(vector)
        ideal.budget.spend((1 + len(rows)) * words(c.numerator for c in vector), "points")
        place = _eliminate(vector := list(vector), relation, rows)
        if place is None:
            return vectors[:-1], relation
        unit = vector[place]
        rows.append(([a / unit for a in vector], [a / unit for a in relation], place))
        power = ideal.normal_form(power * form)


def _eliminate(vector: Line, relation: Line, rows: list[tuple[Line, Line, int]]) -> int | None:
    """Subtract the rows from `vector` in place, recording how; return its first non-zero place."""
    for row, history, pivot in rows:
        scale = vector[pivot]
        if scale:
            for i, b in enumerate(row):
                vector[i] -= scale * b
            for i, b in enumerate(history):
                relation[i] -= scale * b
    return next((i for i, entry in enumerate(vector) if entry), None)


def _maximal(
    ideal: Ideal, monomials: list[tuple[tuple[int, int], ...]], powers: list[Line], relation: Line
) -> Maximal:
    ideal.budget.spend(len(ideal.ring.names) * len(monomials) ** 3, "points")
    expressions = {
        name: express([ideal.normal_form(x).terms.get(m, Fraction(0)) for m in monomials], powers)
        for name, x in zip(ideal.ring.names, ideal.ring.variables(), strict=True)
    }
    points = []
    for interval in isolate(relation):
        field = RealField(relation, interval)
        coordinates = {name: field.element(line) for name, line in expressions.items()}
        points.append(Point(coordinates, field))
    return Maximal(ideal, len(relation) - 1, tuple(points))


def express(target: Line, powers: list[Line]) -> Line:
    """Return the coefficients that write `target` in the basis `powers`.

    Raises `ValueError` where `powers` are linearly dependent.
    """
    size = len(powers)
    table = [[powers[j][i] for j in range(size)] + [target[i]] for i in range(size)]
    for column in range(size):
        pivot = next((i for i in range(column, size) if table[i][column]), None)
        if pivot is None:
            raise ValueError("no basis")
        table[column], table[pivot] = table[pivot], table[column]
        unit = table[column][column]
        table[column] = [entry / unit for entry in table[column]]
        for i in range(size):
            scale = table[i][column]
            if i != column and scale:
                table[i] = [a - scale * b for a, b in zip(table[i], table[column], strict=True)]
    return [row[-1] for row in table]
