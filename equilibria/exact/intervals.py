"""Polynomials whose coefficients are known within error bounds, and their real roots.

A coefficient is an integer midpoint with an integer radius, both over one power of two; products
round outwards. Descartes' rule of signs on bisected intervals isolates the roots in (0, 1): no sign
change means no root, one means exactly one. A sign that the radii leave open raises `Uncertain`, and
the caller starts again with more bits, so that what is returned holds for the exact polynomial.
Source: Collins and Akritas, "Polynomial real root isolation using Descartes' rule of signs", 1976.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

MOST_BISECTIONS = 4000  # a cluster of roots that no bisection separates is a multiple root


class Uncertain(ArithmeticError):
    """The sign of a number is not certain at the present precision."""


@dataclass(frozen=True, slots=True)
class Polynomial:
    """sum over k of (mid_k +- rad_k) / 2^bits t^k."""

    mid: tuple[int, ...]
    rad: tuple[int, ...]
    bits: int

    @classmethod
    def enclosing(cls, bounds: Sequence[tuple[Fraction, Fraction]], bits: int) -> Polynomial:
        """Return a polynomial whose coefficients lie between the given bounds, constant first."""
        mid, rad = [], []
        for low, high in bounds:
            bottom, top = floor_of(low, bits), -floor_of(-high, bits)
            mid.append((bottom + top) >> 1)
            rad.append((top - bottom + 1) >> 1)
        return cls(tuple(mid), tuple(rad), bits)

    def __mul__(self, other: Polynomial) -> Polynomial:
        left, right = [abs(m) + r for m, r in zip(self.mid, self.rad, strict=True)], other
        mid = _convolved(self.mid, right.mid)
        rad = _convolved(left, right.rad)
        for k, value in enumerate(_convolved(self.rad, [abs(m) for m in right.mid])):
            rad[k] += value
        return Polynomial(*_rounded(mid, rad, self.bits), self.bits)

    def __add__(self, other: Polynomial) -> Polynomial:
        return self._combined(other, 1)

    def __sub__(self, other: Polynomial) -> Polynomial:
        return self._combined(other, -1)

    def _combined(self, other: Polynomial, sign: int) -> Polynomial:
        size = max(len(self.mid), len(other.mid))
        a, b = _padded(self.mid, size), _padded(other.mid, size)
        r, t = _padded(self.rad, size), _padded(other.rad, size)
        mid = tuple(x + sign * y for x, y in zip(a, b, strict=True))
        return Polynomial(mid, tuple(x + y for x, y in zip(r, t, strict=True)), self.bits)

    def without_power(self, power: int) -> Polynomial:
        """Return the polynomial over t^power; the coefficients left out must contain zero."""
        if any(abs(m) > r for m, r in zip(self.mid[:power], self.rad[:power], strict=True)):
            raise ValueError("a coefficient that should vanish does not")
        return Polynomial(self.mid[power:], self.rad[power:], self.bits)

    def sign_at(self, numerator: int, exponent: int) -> int:
        """Return the sign at numerator/2^exponent, a point of [0, 1]; never 0."""
        mid = rad = 0
        for m, r in zip(reversed(self.mid), reversed(self.rad), strict=True):
            mid = (mid * numerator >> exponent) + m
            rad = (rad * numerator >> exponent) + r + 2
        return _sign(mid, rad)

    def roots(self) -> Iterator[tuple[int, int]]:
        """Yield (c, k) for every root in (0, 1), ascending: it alone lies in (c, c + 1)/2^k."""
        keep = self.bits + 64
        waiting = [(list(self.mid), list(self.rad), 0, 0)]
        for _ in range(MOST_BISECTIONS):
            if not waiting:
                return
            mid, rad, c, k = waiting.pop()
            changes = _sign_changes(mid, rad)
            if changes == 1:
                yield c, k
            if changes < 2:
                continue
            mid, rad = _halved(mid, rad, keep)
            waiting.append((_shifted(mid), _shifted(rad), 2 * c + 1, k + 1))
            waiting.append((mid, rad, 2 * c, k + 1))
        raise Uncertain("roots too close to be separated")

    def refined(self, c: int, k: int, relative: int) -> tuple[int, int]:
        """Return (c, k) of a shorter interval with the same root, of relative width 2^-relative."""
        left = self.sign_at(c, k)
        while c < 1 << relative:
            c, k = 2 * c, k + 1
            if self.sign_at(c + 1, k) == left:
                c += 1
        return c, k


def floor_of(value: Fraction, bits: int) -> int:
    """Return the floor of value 2^bits."""
    return (value.numerator << bits) // value.denominator


def _convolved(left: Sequence[int], right: Sequence[int]) -> list[int]:
    total = [0] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        if a:
            for j, b in enumerate(right):
                total[i + j] += a * b
    return total


def _rounded(
    mid: Sequence[int], rad: Sequence[int], bits: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return midpoints and radii over 2^bits, rounded so that what they enclose stays enclosed."""
    # An exact zero stays exact: it is a coefficient that is not there.
    return (
        tuple(m >> bits for m in mid),
        tuple((r >> bits) + 2 if m or r else 0 for m, r in zip(mid, rad, strict=True)),
    )


def _padded(values: Sequence[int], size: int) -> list[int]:
    return [*values, *([0] * (size - len(values)))]


def _sign(mid: int, rad: int) -> int:
    if abs(mid) > rad:
        return 1 if mid > 0 else -1
    raise Uncertain


def _sign_changes(mid: Sequence[int], rad: Sequence[int]) -> int:
    """Return 0, 1 or 2 (or more) sign changes of (1 + t)^n p(1/(1 + t)): roots in (0, 1)."""
    centre, spread = _shifted(list(reversed(mid))), _shifted(list(reversed(rad)))
    changes = last = 0
    for m, r in zip(centre, spread, strict=True):
        if not m and not r:
            continue
        sign = _sign(m, r)
        changes += sign == -last
        last = sign
        if changes > 1:
            break
    return changes


def _shifted(values: list[int]) -> list[int]:
    """Return the coefficients of p(t + 1)."""
    row = list(values)
    for start in range(len(row) - 1):
        for j in range(len(row) - 2, start - 1, -1):
            row[j] += row[j + 1]
    return row


def _halved(mid: list[int], rad: list[int], keep: int) -> tuple[list[int], list[int]]:
    """Return the coefficients of 2^n p(t/2), shortened to about `keep` bits."""
    degree = len(mid) - 1
    mid = [m << (degree - i) for i, m in enumerate(mid)]
    rad = [r << (degree - i) for i, r in enumerate(rad)]
    excess = max(max(map(abs, mid)), max(rad)).bit_length() - keep
    if excess <= 0:
        return mid, rad
    short = _rounded(mid, rad, excess)
    return list(short[0]), list(short[1])
