"""Exact root location: are all roots in the left half-plane, or in the unit disc?

Polynomials are lists of coefficients, constant term first, whose entries are rationals or surds:
anything with exact arithmetic and a sign. Both questions are Routh's: a disc becomes a half-plane
by a Moebius map. The answer is -1 (all strictly inside), 1 (one strictly outside) or 0 (some on the
boundary as far as this test can tell). Source: Meinsma, "Elementary proof of the Routh-Hurwitz
test", 1995.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Protocol, Self, TypeVar


class Signed(Protocol):
    """What the coefficients may be: exact, with a sign and with rational bounds."""

    def __add__(self, other: Self | Fraction | int, /) -> Self: ...
    def __sub__(self, other: Self | Fraction | int, /) -> Self: ...
    def __mul__(self, other: Self | Fraction | int, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def __bool__(self) -> bool: ...
    def inverse(self) -> Self: ...
    def sign(self) -> int: ...
    def enclosure(self, bits: int) -> tuple[Fraction, Fraction]: ...


N = TypeVar("N", bound=Signed)


def hurwitz(coefficients: list[N]) -> int:
    """Return -1, 0 or 1 as all roots have negative real part, undecided, one has positive."""
    rows = _trimmed(coefficients)
    if len(rows) <= 1:
        return -1
    if rows[-1].sign() < 0:
        rows = [-value for value in rows]
    signs = [value.sign() for value in rows]
    if min(signs) < 0:
        return 1  # roots in the closed left half-plane make all coefficients non-negative
    if signs[0] == 0:
        return 0
    return _routh(rows)


def _routh(coefficients: list[N]) -> int:
    upper, lower = coefficients[::-1][0::2], coefficients[::-1][1::2]
    while lower:
        sign = lower[0].sign()
        if sign == 0:
            return 0
        if sign < 0:
            return 1
        ratio = upper[0] * lower[0].inverse()
        reduced = [
            upper[i + 1] - ratio * lower[i + 1] if i + 1 < len(lower) else upper[i + 1]
            for i in range(len(upper) - 1)
        ]
        upper, lower = lower, reduced
    return -1


def disc(coefficients: list[N], h: Fraction) -> int:
    """Return -1, 0 or 1 for roots l with |1 + h l| < 1: all, undecided, one strictly outside.

    With h l = 2 w/(1 - w) the disc is the half-plane Re w < 0; the degree falls exactly when
    1 + h l = -1 is a root, which lies on the boundary.
    """
    rows = _trimmed(coefficients)
    degree = len(rows) - 1
    image: list[N] = [rows[0] * 0 for _ in range(degree + 1)]
    for k, value in enumerate(rows):
        scaled = value * (Fraction(2) / h) ** k
        for j, weight in enumerate(_binomials(degree - k)):
            image[k + j] = image[k + j] + scaled * weight
    answer = hurwitz(image)
    fell = image[-1].sign() == 0
    return max(answer, 0) if fell else answer


def _binomials(power: int) -> list[int]:
    """Return the coefficients of (1 - w)^power."""
    row = [1]
    for _ in range(power):
        row = [a - b for a, b in zip([*row, 0], [0, *row], strict=True)]
    return row


def _trimmed(coefficients: list[N]) -> list[N]:
    rows = list(coefficients)
    while len(rows) > 1 and rows[-1].sign() == 0:
        rows.pop()
    return rows


def add(left: list[N], right: list[N], sign: int = 1) -> list[N]:
    """Return left + sign * right."""
    size = max(len(left), len(right))
    zero = left[0] * 0
    return [
        (left[i] if i < len(left) else zero) + (right[i] if i < len(right) else zero) * sign
        for i in range(size)
    ]
