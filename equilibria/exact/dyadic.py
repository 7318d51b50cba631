"""Polynomials with dyadic coefficients, exactly, and the proof that one keeps its sign on [0, 1].

A barrier is checked by the sign of one polynomial on one interval. Integers with a common binary
exponent make that exact and fast: no gcd, no rounding. The test is Bernstein's: when all
coefficients of (1 + u)^n N(1/(1 + u)) have one strict sign, N has that sign on [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class DyadicPolynomial:
    """sum of numerators[i] 2^-bits s^i."""

    numerators: tuple[int, ...]
    bits: int

    @classmethod
    def of(cls, coefficients: Sequence[Fraction]) -> DyadicPolynomial:
        """Return the polynomial with these coefficients; each must be dyadic."""
        bits = max(value.denominator.bit_length() - 1 for value in coefficients)
        if any(value.denominator & (value.denominator - 1) for value in coefficients):
            raise ValueError("a coefficient is not dyadic")
        return cls(
            tuple(v.numerator << (bits - v.denominator.bit_length() + 1) for v in coefficients),
            bits,
        )

    def __add__(self, other: DyadicPolynomial) -> DyadicPolynomial:
        bits = max(self.bits, other.bits)
        left = [value << (bits - self.bits) for value in self.numerators]
        right = [value << (bits - other.bits) for value in other.numerators]
        if len(left) < len(right):
            left, right = right, left
        for index, value in enumerate(right):
            left[index] += value
        return DyadicPolynomial(tuple(left), bits)

    def __neg__(self) -> DyadicPolynomial:
        return DyadicPolynomial(tuple(-value for value in self.numerators), self.bits)

    def __mul__(self, other: DyadicPolynomial) -> DyadicPolynomial:
        product = [0] * (len(self.numerators) + len(other.numerators) - 1)
        for i, left in enumerate(self.numerators):
            if left:
                for j, right in enumerate(other.numerators, i):
                    product[j] += left * right
        return DyadicPolynomial(tuple(product), self.bits + other.bits)

    def derivative(self) -> DyadicPolynomial:
        """Return the derivative in s."""
        terms = tuple(i * value for i, value in enumerate(self.numerators) if i)
        return DyadicPolynomial(terms or (0,), self.bits)

    def __call__(self, s: Fraction) -> Fraction:
        total = ZERO
        for value in reversed(self.numerators):
            total = total * s + value
        return total / (1 << self.bits) if self.bits >= 0 else total * (1 << -self.bits)

    def sign(self) -> int:
        """Return +1 or -1 when that is proved to be the sign on all of [0, 1], else 0."""
        terms = list(self.numerators)  # of (1 + u)^n N(1/(1 + u)), leading power of u first
        if not terms[0]:
            return 0
        terms.reverse()  # reversed polynomial, then the shift u -> u + 1
        for start in range(len(terms) - 1):
            for index in range(len(terms) - 2, start - 1, -1):
                terms[index] += terms[index + 1]
        if all(value > 0 for value in terms):
            return 1
        return -1 if all(value < 0 for value in terms) else 0


def round_dyadic(value: Fraction, bits: int, direction: int) -> Fraction:
    """Return a multiple of 2^-bits next to `value`: not below it for +1, not above it for -1."""
    scaled = value * (1 << bits) if bits >= 0 else value / (1 << -bits)
    whole = -((-scaled.numerator) // scaled.denominator) if direction > 0 else scaled.__floor__()
    return Fraction(whole, 1 << bits) if bits >= 0 else Fraction(whole << -bits)


def binary_exponent(value: Fraction) -> int:
    """Return e with 2^(e-1) <= |value| < 2^(e+1); 0 for zero."""
    if not value:
        return 0
    return value.numerator.bit_length() - value.denominator.bit_length()
