"""Characteristic polynomials over any exact ring that contains Q, block by block.

Where a Jacobian has a triangular block structure, the blocks have the eigenvalues: the strongly
connected parts of its graph are split off first.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from math import comb
from typing import Protocol, Self, TypeVar


class Number(Protocol):
    """What the matrices may hold: exact, commutative, with a test for zero."""

    def __add__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self | Fraction, /) -> Self: ...
    def __bool__(self) -> bool: ...


N = TypeVar("N", bound=Number)
Matrix = Sequence[Sequence[N]]


def characteristic_polynomials(matrix: Matrix[N], one: N) -> list[list[N]]:
    """Return the characteristic polynomial of each diagonal block, constant term first, monic."""
    return [
        characteristic_polynomial([[matrix[i][j] for j in block] for i in block], one)
        for block in blocks(matrix)
    ]


def characteristic_polynomial(matrix: Matrix[N], one: N) -> list[N]:
    """Return det(x - matrix) by the method of Faddeev and LeVerrier, constant term first."""
    size, zero = len(matrix), one * Fraction(0)
    coefficients = [one]
    product = [[one if i == j else zero for j in range(size)] for i in range(size)]
    for step in range(1, size + 1):
        product = [
            [_dot(row, [product[k][j] for k in range(size)], zero) for j in range(size)]
            for row in matrix
        ]
        trace = zero
        for i in range(size):
            trace = trace + product[i][i]
        coefficient = trace * Fraction(-1, step)
        coefficients.append(coefficient)
        for i in range(size):
            product[i][i] = product[i][i] + coefficient
    return coefficients[::-1]


def determinant(matrix: Matrix[N], one: N) -> N:
    constant = characteristic_polynomial(matrix, one)[0]
    return constant if len(matrix) % 2 == 0 else constant * Fraction(-1)


def _dot(row: Sequence[N], column: Sequence[N], zero: N) -> N:
    total = zero
    for a, b in zip(row, column, strict=True):
        if a and b:
            total = total + a * b
    return total


def blocks(matrix: Matrix[N]) -> list[list[int]]:
    """Return the strongly connected parts of the graph of non-zero entries."""
    size = len(matrix)
    reach = [{j for j in range(size) if matrix[i][j] or i == j} for i in range(size)]
    for k in range(size):
        for i in range(size):
            if k in reach[i]:
                reach[i] |= reach[k]
    parts: dict[int, list[int]] = {}
    for i in range(size):
        first = min(j for j in reach[i] if i in reach[j])
        parts.setdefault(first, []).append(i)
    return list(parts.values())


def cayley(coefficients: Sequence[N], one: N) -> list[N]:
    """Return (1 - x)**n f((1 + x)/(1 - x)): the unit disc becomes the left half-plane.

    A root z = 1 becomes 0; a root z = -1 makes the degree drop.
    """
    degree = len(coefficients) - 1
    result = [one * Fraction(0) for _ in range(degree + 1)]
    for k, c in enumerate(coefficients):
        for power, entry in enumerate(_binomial_product(k, degree - k)):
            if entry:
                result[power] = result[power] + c * Fraction(entry)
    return result


def _binomial_product(plus: int, minus: int) -> list[int]:
    """Return the coefficients of (1 + x)**plus (1 - x)**minus."""
    result = [0] * (plus + minus + 1)
    for i in range(plus + 1):
        for j in range(minus + 1):
            result[i + j] += comb(plus, i) * comb(minus, j) * (-1) ** j
    return result


def hurwitz_conditions(coefficients: Sequence[N], one: N) -> list[N]:
    """Return numbers that are all positive exactly when every root has a negative real part.

    The criterion of Lienard and Chipart, for a polynomial (constant term first) whose constant
    term is positive where all roots have negative real parts.
    """
    degree = len(coefficients) - 1
    falling = list(reversed(coefficients))
    zero = one * Fraction(0)

    def entry(i: int, j: int) -> N:
        index = 2 * (j + 1) - (i + 1)
        return falling[index] if 0 <= index <= degree else zero

    conditions = [coefficients[degree], *(coefficients[k] for k in range(0, degree, 2))]
    for size in range(degree - 1, 0, -2):
        conditions.append(
            determinant([[entry(i, j) for j in range(size)] for i in range(size)], one)
        )
    return conditions
