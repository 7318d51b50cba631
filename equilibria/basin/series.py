"""The power series of the stable manifold, P = psi(C) = sum a_k C^k, with a proved remainder.

T12.2: a_0 = P_-, and for k >= 1, with D_k = (2k + 1) E - P_-^2 > 0,

    D_k a_k = a_{k-1} - [k = 1] + (3 P_- - 1) Q_k + T_k ,

where Q_k and T_k collect the products of two and of three coefficients with indices >= 1. Since
D_k >= D_1, the sum Y = sum_{k>=1} |a_k| r^k is majorised by the least root of

    D_1 Y = r (1 - P_-) + r Y + |3 P_- - 1| Y^2 + Y^3 ,

so any (r, Y) with "right side <= left side" proves sum_{k>=1} |a_k| r^k <= Y, hence convergence for
|C| <= r and a remainder after order K of at most Y (|C|/r)^(K+1). Coefficients are enclosed in
intervals of fixed-point integers, rounded outwards.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from equilibria.basin.barriers import lower_root

Interval = tuple[int, int]
"""A closed interval, in units of 2^-bits."""


@dataclass(frozen=True)
class ManifoldSeries:
    """psi to order K with enclosures of the coefficients, and the majorant (radius, bound)."""

    E: Fraction
    coefficients: tuple[tuple[Fraction, Fraction], ...]
    radius: Fraction
    bound: Fraction

    def enclosure(self, C: Fraction) -> tuple[Fraction, Fraction]:
        """Return bounds of psi(C), |C| < radius; raises `ValueError` outside."""
        if abs(C) >= self.radius:
            raise ValueError(f"the series is proved for |C| < {float(self.radius):.6g}")
        low = high = Fraction(0)
        power = Fraction(1)
        for lower, upper in self.coefficients:
            ends = (lower * power, upper * power)
            low, high = low + min(ends), high + max(ends)
            power *= C
        tail = self.bound * abs(C / self.radius) ** len(self.coefficients)
        return low - tail, high + tail


def manifold_series(E: Fraction, *, order: int = 24, bits: int = 256) -> ManifoldSeries:
    """Return the series of the stable manifold, 0 < E < 1/4."""
    bits += 4 * order * max(1, -(E.numerator.bit_length() - E.denominator.bit_length()))
    ends = lower_root(E, bits, -1), lower_root(E, bits, 1)
    unit = 1 << bits
    root: Interval = ((ends[0] * unit).__floor__(), -((-ends[1] * unit).__floor__()))
    decay: Interval = ((E * unit).__floor__(), -((-E * unit).__floor__()))
    square = _multiply(root, root, bits)
    a: list[Interval] = [root]
    pairs: list[Interval] = [(0, 0), (0, 0)]  # pairs[k] = Q_k
    for k in range(1, order + 1):
        if k >= 2:
            pairs.append(_convolve(a, a, k, 1, bits))
        cubic = _convolve(a, pairs, k, 1, bits) if k >= 3 else (0, 0)
        factor = (3 * root[0] - unit, 3 * root[1] - unit)
        right = _add(a[k - 1], _multiply(factor, pairs[k], bits), cubic)
        if k == 1:
            right = _add(right, (-unit, -unit))
        divisor = ((2 * k + 1) * decay[0] - square[1], (2 * k + 1) * decay[1] - square[0])
        a.append(_divide(right, divisor, bits))
    radius, bound = _majorant(E, ends)
    return ManifoldSeries(
        E, tuple((Fraction(lo, unit), Fraction(hi, unit)) for lo, hi in a), radius, bound
    )


def _majorant(E: Fraction, root: tuple[Fraction, Fraction]) -> tuple[Fraction, Fraction]:
    """Return a radius and a bound that satisfy the inequality of the module, exactly."""
    divisor = 3 * E - root[1] ** 2
    quadratic = max(abs(3 * end - 1) for end in root)
    constant = 1 - root[0]
    best = (Fraction(0), Fraction(1))
    for step in range(1, 64):
        Y = divisor * Fraction(step, 64) / max(quadratic, divisor)
        radius = (divisor * Y - quadratic * Y**2 - Y**3) / (constant + Y)
        if radius > best[0]:
            best = (radius, Y)
    # Short numbers: a smaller radius keeps the inequality.
    radius, Y = best
    grid = 1 << (12 + radius.denominator.bit_length() - radius.numerator.bit_length())
    return Fraction((radius * grid).__floor__(), grid), Y


def _add(*terms: Interval) -> Interval:
    return sum(lo for lo, _ in terms), sum(hi for _, hi in terms)


def _multiply(left: Interval, right: Interval, bits: int) -> Interval:
    products = [x * y for x in left for y in right]
    return min(products) >> bits, -((-max(products)) >> bits)


def _divide(value: Interval, divisor: Interval, bits: int) -> Interval:
    """Return value/divisor for a positive divisor."""
    quotients_low = [(value[0] << bits) // end for end in divisor]
    quotients_high = [-((-value[1] << bits) // end) for end in divisor]
    return min(quotients_low), max(quotients_high)


def _convolve(a: list[Interval], b: list[Interval], k: int, first: int, bits: int) -> Interval:
    """Return sum of a_i b_{k-i} over indices >= `first` of a and >= 1 of b that exist."""
    terms = [_multiply(a[i], b[k - i], bits) for i in range(first, k) if k - i < len(b)]
    return _add(*terms) if terms else (0, 0)
