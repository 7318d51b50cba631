"""Characteristic polynomials over a tower, and how many roots lie where.

The matrix is cut into strongly connected blocks first; the characteristic polynomial of a block is
exact (Faddeev-LeVerrier over the tower), so that neutral eigenvalues are zeros of coefficients.
How many roots lie right of a line or outside a circle is read from the first column of Routh's
array in interval arithmetic; the circle |z| = r becomes a line by z = r (1 + s)/(1 - s).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import comb, lcm
from typing import Any, TypeAlias

from .intervals import Interval
from .refusal import Refusal
from .towers import Element, Tower, Value, plus

Known: TypeAlias = dict[tuple[object, ...], Any]
"""Results for blocks that come back, by what they are made of."""
Coefficients = list[Element]
"""A polynomial in one variable, constant term first, over the integers of a tower."""

EXTENT_BITS = 24
SHIFTS = (Fraction(1, 10**6), Fraction(1, 10**12), Fraction(1, 10**24))


@dataclass(frozen=True)
class Matrix:
    """A sparse square matrix: entries (row, column) -> element, over one denominator."""

    size: int
    entries: dict[tuple[int, int], Element]
    denominator: int

    @staticmethod
    def of(size: int, entries: dict[tuple[int, int], Value]) -> Matrix:
        """Return the matrix over the common denominator."""
        kept = {key: value for key, value in entries.items() if value}
        common = lcm(*(x.denominator for value in kept.values() for x in value.values()))
        scaled = {
            key: {e: int(x * common) for e, x in value.items()} for key, value in kept.items()
        }
        return Matrix(size, scaled, common)


def blocks(matrix: Matrix) -> list[list[int]]:
    """Return the strongly connected components of the graph of non-zero entries."""
    forward = _reach(matrix.size, set(matrix.entries))
    found: list[list[int]] = []
    seen: set[int] = set()
    for i in range(matrix.size):
        if i not in seen:
            block = [
                j for j in range(matrix.size) if j == i or (forward[i] >> j & forward[j] >> i & 1)
            ]
            seen.update(block)
            found.append(block)
    return found


def _reach(size: int, edges: set[tuple[int, int]]) -> list[int]:
    """Return, as bit sets, what can be reached from each vertex (Warshall)."""
    reach = [0] * size
    for i, j in edges:
        reach[i] |= 1 << j
    for k in range(size):
        for i in range(size):
            if reach[i] >> k & 1:
                reach[i] |= reach[k]
    return reach


def characteristic(tower: Tower, matrix: Matrix, block: list[int]) -> Coefficients:
    """Return det(denominator x - block), constant first: roots are those of the block."""
    size = len(block)
    rows = [[matrix.entries.get((i, j), {}) for j in block] for i in block]
    # Faddeev-LeVerrier: N_1 = I, c_k = -tr(A N_k)/k, N_{k+1} = A N_k + c_k I.
    coefficients: Coefficients = [{(): 1}]
    current: list[list[Element]] = [
        [{(): 1} if i == j else {} for j in range(size)] for i in range(size)
    ]
    for k in range(1, size + 1):
        current = _product(tower, rows, current)
        total: Element = {}
        for i in range(size):
            total = plus(total, current[i][i])
        coefficient = {key: -value // k for key, value in total.items()}
        coefficients.append(coefficient)
        for i in range(size):
            current[i][i] = plus(current[i][i], coefficient)
    # det(y - A) with y = denominator x
    power = 1
    scaled: Coefficients = []
    for coefficient in reversed(coefficients):
        scaled.append({key: value * power for key, value in coefficient.items()})
        power *= matrix.denominator
    return scaled


def _product(
    tower: Tower, left: list[list[Element]], right: list[list[Element]]
) -> list[list[Element]]:
    size = len(left)
    result: list[list[Element]] = []
    for row in left:
        present = [(k, value) for k, value in enumerate(row) if value]
        out: list[Element] = []
        for j in range(size):
            total: Element = {}
            for k, value in present:
                if right[k][j]:
                    total = plus(total, tower.times(value, right[k][j]))
            out.append(total)
        result.append(out)
    return result


def shifted(coefficients: Coefficients, by: Fraction) -> Coefficients:
    """Return q(y) = c p(y + by) with an integer c > 0."""
    u, v, degree = by.numerator, by.denominator, len(coefficients) - 1
    # v^degree p((y + u)/v) has the roots v x - u; the scale by v > 0 moves no sign.
    result = [
        {key: value * v ** (degree - power) for key, value in coefficient.items()}
        for power, coefficient in enumerate(coefficients)
    ]
    if u:
        for start in range(degree):
            for power in range(degree - 1, start - 1, -1):
                result[power] = plus(result[power], result[power + 1], u)
    return result


def folded(coefficients: Coefficients, radius: Fraction) -> Coefficients:
    """Return (1 - s)^deg p(radius (1 + s)/(1 - s)): the disc becomes the left half plane."""
    u, v, degree = radius.numerator, radius.denominator, len(coefficients) - 1
    total: Coefficients = [{} for _ in range(degree + 1)]
    for power, coefficient in enumerate(coefficients):
        weight = u**power * v ** (degree - power)
        rest = degree - power
        for i in range(power + 1):
            for j in range(rest + 1):
                factor = weight * comb(power, i) * comb(rest, j) * (-1) ** j
                total[i + j] = plus(total[i + j], coefficient, factor)
    return total


def without_zeros(coefficients: Coefficients) -> tuple[Coefficients, int]:
    """Return the polynomial divided by the highest power of x, and that power."""
    power = 0
    while power < len(coefficients) - 1 and not coefficients[power]:
        power += 1
    return coefficients[power:], power


def without_ones(coefficients: Coefficients) -> tuple[Coefficients, int]:
    """Return the polynomial divided by the highest power of x - 1, and that power."""
    count = 0
    while len(coefficients) > 1:
        quotient: Coefficients = []
        carry: Element = {}
        for coefficient in reversed(coefficients):
            carry = plus(carry, coefficient)
            quotient.append(carry)
        if quotient.pop():
            break
        coefficients, count = quotient[::-1], count + 1
    return coefficients, count


def right_of_axis(tower: Tower, coefficients: Coefficients) -> tuple[int, int]:
    """Return how many roots have positive real part and how many lie at 0 or infinity.

    Refuses where roots on the rest of the imaginary axis cannot be excluded.
    """
    finite, zeros = without_zeros(coefficients)
    dropped = 0
    while len(finite) > 1 and not finite[-1]:
        finite, dropped = finite[:-1], dropped + 1
    count = routh(tower, finite)
    if count is None:
        count = _beside(tower, finite)
    return count, zeros + dropped


def _beside(tower: Tower, coefficients: Coefficients) -> int:
    """Count on both sides of the axis, closer and closer, until the counts agree."""
    for gap in SHIFTS:
        counts = [routh(tower, shifted(coefficients, side * gap)) for side in (-1, 1)]
        if counts[0] is not None and counts[0] == counts[1]:
            return counts[0]
    raise Refusal("eigenvalues on the boundary cannot be excluded")


def routh(tower: Tower, coefficients: Coefficients) -> int | None:
    """Return the number of roots with positive real part; None when the array is not regular."""
    size = _size(coefficients)
    for bits in (128, 512, 2048):
        fine = 1 << (bits + size).bit_length()  # few different precisions, so that roots are reused
        tower.spend(len(coefficients) ** 2 * (1 + (fine >> 8)))
        values = [tower.enclose(c, fine) for c in reversed(coefficients)]
        count = routh_intervals(values)
        if count is not None:
            return count
        if len(values) > 1 and not coefficients[-2]:
            return None  # the array begins with a zero and stays irregular at any precision
    return None


def _size(coefficients: Coefficients) -> int:
    return max(abs(x).bit_length() for c in coefficients for x in c.values())


def routh_intervals(values: list[Interval]) -> int | None:
    """Return the sign changes in the first column of Routh's array, leading coefficient first."""
    upper, lower = values[0::2], values[1::2]
    signs = []
    for _ in range(len(values)):
        sign = upper[0].sign if upper else None
        if sign is None or sign == 0:
            return None
        signs.append(sign)
        if not lower:
            break
        ratio = upper[0].over(lower[0])
        if ratio is None:
            return None
        following = [
            a - ratio * b
            for a, b in zip(upper[1:], [*lower[1:], lower[0].of(0, lower[0].bits)], strict=False)
        ]
        upper, lower = lower, following
    return sum(a != b for a, b in pairwise(signs))


def grid(cell: int) -> Fraction:
    """Return the grid point (cell - 1/7)/2^24; the seventh keeps simple numbers off the grid."""
    return Fraction(7 * cell - 1, 7 << EXTENT_BITS)
