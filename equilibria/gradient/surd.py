"""Numbers a + b sqrt(D) with rational a, b, D: the roots p of s p^2 - m p + eta = 0, exactly."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from equilibria.rationals import integer_sqrt_exact, to_float
from equilibria.results import Algebraic, Entry


@dataclass(frozen=True, slots=True)
class Surd:
    """a + b sqrt(D), D >= 0; sums and products are taken of numbers with the same D."""

    a: Fraction
    b: Fraction
    D: Fraction

    def __add__(self, other: Surd | Fraction | int) -> Surd:
        if isinstance(other, Surd):
            return Surd(self.a + other.a, self.b + other.b, self.D)
        return Surd(self.a + other, self.b, self.D)

    def __mul__(self, other: Surd | Fraction | int) -> Surd:
        if isinstance(other, Surd):
            return Surd(
                self.a * other.a + self.b * other.b * self.D,
                self.a * other.b + self.b * other.a,
                self.D,
            )
        return Surd(self.a * other, self.b * other, self.D)

    __radd__ = __add__
    __rmul__ = __mul__

    def __sub__(self, other: Surd | Fraction | int) -> Surd:
        return self + other * -1

    def __neg__(self) -> Surd:
        return self * -1

    @property
    def sign(self) -> int:
        """Return -1, 0 or 1, decided by comparing squares."""
        left, right = self.a * self.a, self.b * self.b * self.D
        if left > right:
            return 1 if self.a > 0 else -1
        if left < right:
            return 1 if self.b > 0 else -1
        if (self.a > 0) == (self.b > 0) and right:
            return 1 if self.a > 0 else -1
        return 0

    @property
    def value(self) -> float:
        return to_float(self.a) + to_float(self.b) * math.sqrt(to_float(self.D))

    @property
    def rational(self) -> Fraction | None:
        """Return the number itself when it is rational."""
        if not self.b:
            return self.a
        root = rational_sqrt(self.D)
        return None if root is None else self.a + self.b * root

    @property
    def entry(self) -> Entry:
        """Return the number as it goes into a report."""
        exact = self.rational
        if exact is not None:
            return exact
        return Algebraic(self.value, f"({self.a}) + ({self.b})*sqrt({self.D})")


def rational_sqrt(value: Fraction) -> Fraction | None:
    """Return the square root of a non-negative rational when it is rational."""
    top = integer_sqrt_exact(value.numerator)
    bottom = integer_sqrt_exact(value.denominator)
    return None if top is None or bottom is None else Fraction(top, bottom)


def sqrt_entry(value: Fraction) -> Entry:
    """Return the square root of a non-negative rational as it goes into a report."""
    root = rational_sqrt(value)
    return Algebraic(math.sqrt(to_float(value)), f"sqrt({value})") if root is None else root


def sqrt_text(value: Fraction) -> str:
    """Return the square root of a non-negative rational as text."""
    root = rational_sqrt(value)
    return f"sqrt({value})" if root is None else str(root)
