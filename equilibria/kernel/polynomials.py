"""Sparse polynomials over the rationals: a dictionary from monomials to fractions.

A monomial is the sorted tuple of its variables, repeated by multiplicity: x^2 y is ("x", "x", "y").
The zero polynomial is the empty dictionary; no coefficient is zero.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

Monomial = tuple[str, ...]
Polynomial = dict[Monomial, Fraction]
Matrix = list[list[Polynomial]]


def constant(value: Fraction | int) -> Polynomial:
    """Return a constant polynomial."""
    return {(): Fraction(value)} if value else {}


def variable(name: str) -> Polynomial:
    """Return a variable."""
    return {(name,): Fraction(1)}


def add(left: Polynomial, right: Polynomial, factor: Fraction | int = 1) -> Polynomial:
    """Return left + factor * right."""
    total = dict(left)
    for key, value in right.items():
        new = total.get(key, 0) + factor * value
        if new:
            total[key] = Fraction(new)
        else:
            total.pop(key, None)
    return total


def scale(polynomial: Polynomial, factor: Fraction | int) -> Polynomial:
    """Return factor * polynomial."""
    return {key: value * factor for key, value in polynomial.items()} if factor else {}


def times(left: Polynomial, right: Polynomial) -> Polynomial:
    """Return the product."""
    total: Polynomial = {}
    for a, x in left.items():
        for b, y in right.items():
            key = tuple(sorted(a + b))
            total[key] = total.get(key, Fraction(0)) + x * y
    return {key: value for key, value in total.items() if value}


def derivative(polynomial: Polynomial, name: str) -> Polynomial:
    """Return the partial derivative."""
    total: Polynomial = {}
    for key, value in polynomial.items():
        count = key.count(name)
        if count:
            place = key.index(name)
            total[key[:place] + key[place + 1 :]] = value * count
    return total


def substitute(polynomial: Polynomial, values: Mapping[str, Polynomial]) -> Polynomial:
    """Return the polynomial with every variable of `values` replaced."""
    total: Polynomial = {}
    for key, value in polynomial.items():
        term = constant(value)
        for name in key:
            term = times(term, values.get(name, variable(name)))
        total = add(total, term)
    return total


def evaluate(polynomial: Polynomial, point: Mapping[str, Fraction]) -> Fraction:
    """Return the value at a rational point; variables not named are 0."""
    total = Fraction(0)
    for key, value in polynomial.items():
        for name in key:
            value = value * point.get(name, 0)
        total += value
    return total


def product(left: Matrix, right: Matrix) -> Matrix:
    """Return the matrix product."""
    columns = list(zip(*right, strict=True))
    return [[_dot(row, column) for column in columns] for row in left]


def _dot(row: Sequence[Polynomial], column: Sequence[Polynomial]) -> Polynomial:
    total: Polynomial = {}
    for a, b in zip(row, column, strict=True):
        if a and b:
            total = add(total, times(a, b))
    return total


def transpose(matrix: Matrix) -> Matrix:
    """Return the transpose."""
    return [list(row) for row in zip(*matrix, strict=True)]


def combine(left: Matrix, right: Matrix, factor: Fraction | int = 1) -> Matrix:
    """Return left + factor * right."""
    return [
        [add(a, b, factor) for a, b in zip(x, y, strict=True)]
        for x, y in zip(left, right, strict=True)
    ]


def multiple(matrix: Matrix, factor: Fraction | int) -> Matrix:
    """Return factor * matrix."""
    return [[scale(entry, factor) for entry in row] for row in matrix]


def numbers(rows: Sequence[Sequence[Fraction]]) -> Matrix:
    """Return a matrix of constants."""
    return [[constant(value) for value in row] for row in rows]


def trace(matrix: Matrix) -> Polynomial:
    """Return the trace."""
    total: Polynomial = {}
    for i, row in enumerate(matrix):
        total = add(total, row[i])
    return total
