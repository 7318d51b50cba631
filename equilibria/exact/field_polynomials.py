"""Polynomials in one variable over a real number field: lists of elements, constant term first."""

from __future__ import annotations

from fractions import Fraction
from math import comb

from equilibria.exact.number_field import Element

FieldPoly = list[Element]


def trim(f: FieldPoly) -> FieldPoly:
    """Return f without zero leading coefficients."""
    size = len(f)
    while size and not f[size - 1]:
        size -= 1
    return f[:size]


def derivative(f: FieldPoly) -> FieldPoly:
    return [c * Fraction(i) for i, c in enumerate(f)][1:]


def divide(a: FieldPoly, b: FieldPoly) -> tuple[FieldPoly, FieldPoly]:
    """Return quotient and remainder."""
    rest, unit = list(a), b[-1].inverse()
    quotient = [b[-1] * Fraction(0)] * max(len(a) - len(b) + 1, 0)
    while len(rest) >= len(b):
        factor, shift = rest[-1] * unit, len(rest) - len(b)
        quotient[shift] = factor
        for i, c in enumerate(b):
            rest[shift + i] = rest[shift + i] - factor * c
        rest = trim(rest[:-1])
    return quotient, rest


def greatest_common_divisor(a: FieldPoly, b: FieldPoly) -> FieldPoly:
    """Return the monic greatest common divisor."""
    while b:
        a, b = b, divide(a, b)[1]
    unit = a[-1].inverse()
    return [c * unit for c in a]


def square_free_parts(f: FieldPoly) -> list[tuple[FieldPoly, int]]:
    """Return (g, m) so that f is the product of all g**m, each g without multiple roots (Yun)."""
    if len(f) <= 1:
        return []
    common = greatest_common_divisor(f, derivative(f))
    factor, rest = divide(f, common)[0], divide(derivative(f), common)[0]
    parts, multiplicity = [], 1
    while len(factor) > 1:
        change = _minus(rest, derivative(factor))
        part = greatest_common_divisor(factor, change)
        if len(part) > 1:
            parts.append((part, multiplicity))
        factor, rest = divide(factor, part)[0], divide(change, part)[0]
        multiplicity += 1
    return parts


def shifted(f: FieldPoly, by: int) -> FieldPoly:
    """Return f(x + by)."""
    result = [c * Fraction(0) for c in f]
    for k, c in enumerate(f):
        for i in range(k + 1):
            result[i] = result[i] + c * Fraction(comb(k, i) * by ** (k - i))
    return result


def _minus(a: FieldPoly, b: FieldPoly) -> FieldPoly:
    zero = b[0] * Fraction(0)
    size = max(len(a), len(b))
    first, second = ([*x, *[zero] * (size - len(x))] for x in (a, b))
    return trim([x - y for x, y in zip(first, second, strict=True)])
