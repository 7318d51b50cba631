"""The stop-gradient flow of one mode in dimensionless form, in three charts without singularities.

With p = (m/s) P, c = w^2 - p^2 = (m/s)^2 C and E = eta s/m^2 (T12.2; alpha = 1 units, T0.1),

    C' = -2 E C,     P' = (C + P^2)(1 - P) - E P.

The boundary of the basin of collapse, the stable manifold of the lower root P_-, is a curve
C = kappa(P), decreasing from C_+ at P = -infinity through 0 at P_- to C_- at P = +infinity. Each
chart has the form x' = b0(x) + b1(x) y, y' = a(x) y (times a positive factor, or the sign of x):

    "lower"     x = P,    y = C            P < P_-, where C > 0
    "upper"     x = P,    y = C + P^2      P > P_-, where C < 0; y = W^2 stays positive
    "infinite"  x = 1/P,  y = C            both ends; regular at x = 0, and time runs as sign(x)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from equilibria.exact.dyadic import ZERO, DyadicPolynomial

ONE = Fraction(1)


@dataclass(frozen=True)
class Chart:
    """Coefficients of a, b0, b1 in ascending powers of x, multiplied by the denominator of E."""

    name: str
    a: tuple[Fraction, ...]
    b0: tuple[Fraction, ...]
    b1: tuple[Fraction, ...]

    def local(self, x0: Fraction, h: Fraction, exponent: int = 0) -> tuple[DyadicPolynomial, ...]:
        """Return a, b0, b1 in s, where x = x0 + h s and y is measured in units of 2^exponent."""
        unit = Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
        return (
            DyadicPolynomial.of(shifted(self.a, x0, h)),
            DyadicPolynomial.of(shifted(self.b0, x0, h)),
            DyadicPolynomial.of([unit * value for value in shifted(self.b1, x0, h)]),
        )


def shifted(coefficients: Sequence[Fraction], x0: Fraction, h: Fraction) -> list[Fraction]:
    """Return the coefficients of s -> polynomial(x0 + h s)."""
    return [
        sum(
            (
                comb(i, k) * value * x0 ** (i - k) * h**k
                for i, value in enumerate(coefficients)
                if i >= k
            ),
            ZERO,
        )
        for k in range(len(coefficients))
    ]


def charts(E: Fraction) -> dict[str, Chart]:
    """Return the three charts of the flow with this E."""
    den = Fraction(E.denominator)

    def scaled(*values: Fraction) -> tuple[Fraction, ...]:
        return tuple(den * value for value in values)

    return {
        "lower": Chart("lower", scaled(-2 * E), scaled(ZERO, -E, ONE, -ONE), scaled(ONE, -ONE)),
        "upper": Chart(
            "upper", scaled(-2 * E, 2 * ONE, -2 * ONE), scaled(ZERO, -E), scaled(ONE, -ONE)
        ),
        "infinite": Chart(
            "infinite",
            scaled(ZERO, -2 * E),
            scaled(ONE, -ONE, E),
            scaled(ZERO, ZERO, ONE, -ONE),
        ),
    }


def taylor(
    a: DyadicPolynomial, b0: DyadicPolynomial, b1: DyadicPolynomial, y0: int, order: int, prec: int
) -> list[int]:
    """Return Taylor coefficients of y(s) with y' (b0 + b1 y) = h a y, in units of 2^-prec.

    `a` is already multiplied by h. Rounded to `prec` places: a proposal, to be verified.
    """
    fa, f0, f1 = (_fixed(poly, prec) for poly in (a, b0, b1))
    y, b = [y0], [f0[0] + (f1[0] * y0 >> prec)]
    if not b[0]:
        return []
    for k in range(order):
        total = _product(fa, y, k) >> prec
        total -= sum((k + 1 - j) * y[k + 1 - j] * b[j] for j in range(1, k + 1)) >> prec
        y.append((total << prec) // ((k + 1) * b[0]))
        b.append((f0[k + 1] if k + 1 < len(f0) else 0) + (_product(f1, y, k + 1) >> prec))
    return y


def saddle_taylor(
    a: DyadicPolynomial,
    b0: DyadicPolynomial,
    b1: DyadicPolynomial,
    start: tuple[int, int],
    order: int,
    prec: int,
) -> list[int]:
    """Return Taylor coefficients of the invariant curve through a saddle at s = 0.

    `start` holds y_0 and the slope y_1. At order k the unknown y_k enters with the factor
    a_0 - k B_1 - y_1 b1_0, which no k >= 2 annuls (T12.2: no resonance).
    """
    fa, f0, f1 = (_fixed(poly, prec) for poly in (a, b0, b1))
    y = list(start)

    def b_of(k: int) -> int:
        return (f0[k] if k < len(f0) else 0) + (_product(f1, y, k) >> prec)

    b = [0, b_of(1)]
    for k in range(2, order + 1):
        y.append(0)
        known = sum(j * y[j] * b[k + 1 - j] for j in range(2, k)) + y[1] * b_of(k)
        known -= _product(fa, y, k)
        y[k] = known // (fa[0] - k * b[1] - (y[1] * f1[0] >> prec))
        b.append(b_of(k))
    return y


def _fixed(poly: DyadicPolynomial, prec: int) -> list[int]:
    move = prec - poly.bits
    return [value << move if move >= 0 else value >> -move for value in poly.numerators]


def _product(short: list[int], long: list[int], k: int) -> int:
    """Return the coefficient of s^k of a product of two series."""
    return sum(value * long[k - i] for i, value in enumerate(short) if 0 <= k - i < len(long))
