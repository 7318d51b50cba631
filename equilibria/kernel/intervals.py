"""Intervals of dyadic numbers, rounded outward.

An interval of precision b is two integers low <= high and stands for [low/2^b, high/2^b]. Every
operation returns an interval that contains all results for members of its arguments.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True, slots=True)
class Interval:
    """[low/2^bits, high/2^bits]."""

    low: int
    high: int
    bits: int

    @staticmethod
    def of(value: Fraction | int, bits: int) -> Interval:
        """Return the smallest interval of this precision around a rational."""
        number = Fraction(value)
        scaled = number.numerator << bits
        low = scaled // number.denominator
        return Interval(low, -(-scaled // number.denominator), bits)

    def __add__(self, other: Interval) -> Interval:
        return Interval(self.low + other.low, self.high + other.high, self.bits)

    def __sub__(self, other: Interval) -> Interval:
        return Interval(self.low - other.high, self.high - other.low, self.bits)

    def __neg__(self) -> Interval:
        return Interval(-self.high, -self.low, self.bits)

    def __mul__(self, other: Interval) -> Interval:
        corners = (
            self.low * other.low,
            self.low * other.high,
            self.high * other.low,
            self.high * other.high,
        )
        return Interval(min(corners) >> self.bits, -((-max(corners)) >> self.bits), self.bits)

    def times(self, factor: int) -> Interval:
        """Return an integer multiple, exactly."""
        ends = (self.low * factor, self.high * factor)
        return Interval(min(ends), max(ends), self.bits)

    def over(self, divisor: Interval) -> Interval | None:
        """Return the quotient; None when the divisor contains 0."""
        if divisor.sign is None or divisor.sign == 0:
            return None
        low, high, b = self.low << self.bits, self.high << self.bits, divisor
        floors = [x // y for x in (low, high) for y in (b.low, b.high)]
        ceilings = [-(-x // y) for x in (low, high) for y in (b.low, b.high)]
        return Interval(min(floors), max(ceilings), self.bits)

    @property
    def sign(self) -> int | None:
        """Return 1, -1, 0 for exactly zero, None when the sign is not known."""
        if self.low > 0:
            return 1
        if self.high < 0:
            return -1
        return 0 if self.low == self.high == 0 else None

    @property
    def width(self) -> int:
        """Return high - low in units of 2^-bits."""
        return self.high - self.low

    def within(self, outer: Interval) -> bool:
        """Return whether this lies strictly inside `outer`."""
        return outer.low < self.low and self.high < outer.high

    def meet(self, other: Interval) -> Interval | None:
        """Return the intersection; None when it is empty."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Interval(low, high, self.bits) if low <= high else None
