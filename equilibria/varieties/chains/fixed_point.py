"""Characteristic polynomials of J_0 + phi J_1 with enclosed entries, in integer arithmetic.

Entries are integers with a radius, over one power of two; the method of Faddeev and LeVerrier is run
for as many values of phi as the degree in phi asks for, and the coefficients are interpolated. All
coefficients of one matrix are found together and kept for a number of bits.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from equilibria.exact.enclosed import Bounds, Enclosed
from equilibria.exact.intervals import floor_of

Ball = tuple[int, int]
"""(midpoint, radius), over a power of two held elsewhere."""

GUARD = 8


def characteristic_rows(
    constant: Sequence[Sequence[Enclosed]],
    target: Sequence[Sequence[Enclosed]],
    *,
    targets: int,
    neutral: int,
) -> tuple[tuple[Enclosed, ...], ...]:
    """Return the coefficients of Lambda^k phi^l of det(Lambda - J_0 - phi J_1) over Lambda^neutral.

    `targets` bounds the degree in phi; the first `neutral` powers of Lambda must vanish for all phi.
    """
    found = _Found(constant, target, targets)
    size = len(constant)

    def entry(power: int, order: int) -> Enclosed:
        if power == size:
            return Enclosed.of(int(order == 0))
        return Enclosed(lambda bits: found.bounds(bits)[power][order])

    return tuple(
        tuple(entry(power, order) for order in range(targets + 1))
        for power in range(neutral, size + 1)
    )


class _Found:
    """The coefficients of one matrix at the precision asked for last."""

    def __init__(
        self,
        constant: Sequence[Sequence[Enclosed]],
        target: Sequence[Sequence[Enclosed]],
        targets: int,
    ) -> None:
        self.constant, self.target, self.targets = constant, target, targets
        self._bits, self._rows = 0, [[(Fraction(0), Fraction(0))]]

    def bounds(self, bits: int) -> list[list[Bounds]]:
        """Return the bounds of Lambda^k phi^l."""
        if self._bits != bits:
            places = bits + GUARD * len(self.constant)
            samples = [self._sample(phi, places) for phi in range(self.targets + 1)]
            self._rows = [
                [_bounds(ball, places) for ball in _interpolated(list(values))]
                for values in zip(*samples, strict=True)
            ]
            self._bits = bits
        return self._rows

    def _sample(self, phi: int, places: int) -> list[Ball]:
        matrix = [
            [_sum(_ball(a, places), _ball(b, places), phi) for a, b in zip(*rows, strict=True)]
            for rows in zip(self.constant, self.target, strict=True)
        ]
        return _characteristic(matrix, places)


def _ball(value: Enclosed, places: int) -> Ball:
    low, high = value.enclosure(places)
    bottom, top = floor_of(low, places), -floor_of(-high, places)
    return (bottom + top) >> 1, (top - bottom + 1) >> 1


def _sum(a: Ball, b: Ball, factor: int) -> Ball:
    return a[0] + factor * b[0], a[1] + abs(factor) * b[1]


def _bounds(ball: Ball, places: int) -> Bounds:
    return Fraction(ball[0] - ball[1], 1 << places), Fraction(ball[0] + ball[1], 1 << places)


def _characteristic(matrix: list[list[Ball]], places: int) -> list[Ball]:
    """Return det(x - matrix) without its leading 1, constant term first."""
    size = len(matrix)
    one, zero = (1 << places, 0), (0, 0)
    columns = [[one if i == j else zero for i in range(size)] for j in range(size)]
    found: list[Ball] = []
    for step in range(1, size + 1):
        columns = [[_dot(row, column, places) for row in matrix] for column in columns]
        mid = sum(columns[i][i][0] for i in range(size))
        radius = sum(columns[i][i][1] for i in range(size))
        coefficient = -(mid // step), radius // step + 2
        found.append(coefficient)
        for i in range(size):
            columns[i][i] = _sum(columns[i][i], coefficient, 1)
    return found[::-1]


def _dot(row: list[Ball], column: list[Ball], places: int) -> Ball:
    mid = radius = 0
    for (a, r), (b, t) in zip(row, column, strict=True):
        mid += a * b
        radius += abs(a) * t + r * abs(b) + r * t
    return mid >> places, (radius >> places) + 2


def _interpolated(values: list[Ball]) -> list[Ball]:
    """Return c_0, c_1, ... of a polynomial of degree at most 2 from its values at 0, 1, 2."""
    if len(values) == 1:
        return values
    zero, one, two = values
    # c_2 = (f(2) - 2 f(1) + f(0))/2 and c_1 = f(1) - f(0) - c_2.
    second = _sum(_sum(two, one, -2), zero, 1)
    second = second[0] >> 1, (second[1] >> 1) + 2
    first = _sum(_sum(one, zero, -1), second, -1)
    return [zero, first, second]
