"""Exact numbers to floats that err on the stated side only."""

from __future__ import annotations

import math
from fractions import Fraction

from equilibria.basin.answers import Bounds
from equilibria.varieties.component import How


def down(value: Fraction) -> float:
    """Return the largest double not above `value`, or one next to it."""
    number = value.numerator / value.denominator
    return number if Fraction(number) <= value else math.nextafter(number, -math.inf)


def up(value: Fraction) -> float:
    """Return the smallest double not below `value`, or one next to it."""
    number = value.numerator / value.denominator
    return number if Fraction(number) >= value else math.nextafter(number, math.inf)


def enclose(ends: tuple[Fraction, Fraction], how: How, unit: Fraction = Fraction(1)) -> Bounds:
    """Return bounds of unit * value from bounds of value, in order whatever the sign of `unit`."""
    low, high = sorted((ends[0] * unit, ends[1] * unit))
    return Bounds(down(low), up(high), how)
