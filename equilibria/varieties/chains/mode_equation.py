"""At which predictor eigenvalues a mode of a deep chain can rest, and up to which weight decay.

With p = |eigenvalue of P|, theta = a/K and the effective decay of T20.2 a mode (s, m) rests where

    eta_eff = p^theta (|m| - s p),       that is       p^a (|m| - s p)^K = eta_eff^K,        (T22.3)

whose sides are rational in p. The right form has one maximum, at the fold p_f = theta rho/(theta + 1),
rho = |m|/s: below the fold's decay there are two roots, p- in (0, p_f) and p+ in (p_f, rho). Signs at
rational points isolate them; nothing is rounded.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import comb, gcd

from equilibria.exact.enclosed import Bounds, Enclosed, rational_root
from equilibria.exact.univariate import Line, line_text, primitive, quadratic_text, simplest_between
from equilibria.systems.depth import Chain
from equilibria.varieties.commuting.modes import Mode

RATIONAL_BITS = 400  # a leading coefficient beyond this has no rational root anyone would write
LABEL_DIGITS = 10


@dataclass(frozen=True)
class ModeEquation:
    """p^a (|m| - s p)^K = E with the common power of the exponents taken out where E allows it."""

    s: Fraction
    m: Fraction
    a: int
    k: int
    constant: Fraction

    @classmethod
    def of(cls, chain: Chain, mode: Mode) -> ModeEquation:
        a, k, constant = chain.a, chain.predictor, chain.effective_power
        common = gcd(a, k)
        root = rational_root(constant, common)
        if root is not None:
            a, k, constant = a // common, k // common, root
        return cls(mode.s, abs(mode.m), a, k, constant)

    @property
    def fold(self) -> Fraction:
        """Return p at the fold."""
        return Fraction(self.a, self.a + self.k) * self.m / self.s

    def slack(self, p: Fraction) -> Fraction:
        """Return p^a (m - s p)^K - E for 0 <= p <= m/s: positive between the two roots."""
        return p**self.a * (self.m - self.s * p) ** self.k - self.constant

    @cached_property
    def count(self) -> int:
        """Return how many roots there are: 0, 1 (at the fold) or 2."""
        if not self.m:
            return 0
        slack = self.slack(self.fold)
        return 0 if slack < 0 else (2 if slack else 1)

    def ends(self, outer: bool) -> Bounds:
        """Return the interval that holds the outer or the inner root and no other."""
        return (self.fold, self.m / self.s) if outer else (Fraction(0), self.fold)

    @cached_property
    def line(self) -> Line:
        """Return the polynomial p^a (m - s p)^K - E with coprime integer coefficients."""
        coefficients = [-self.constant, *[Fraction(0)] * (self.a + self.k)]
        for j in range(self.k + 1):
            term = comb(self.k, j) * self.m ** (self.k - j) * (-self.s) ** j
            coefficients[self.a + j] += term
        line = primitive(coefficients)
        return line if line[-1] > 0 else [-value for value in line]


class RootPlace:
    """One root of a mode equation, narrowed on demand; `rational` where it is a rational number."""

    def __init__(self, equation: ModeEquation, outer: bool) -> None:
        self.equation, self.outer = equation, outer
        self.low, self.high = equation.ends(outer)
        self.rational: Fraction | None = None
        if equation.count == 1:
            self.rational = equation.fold
        elif equation.line[-1].numerator.bit_length() <= RATIONAL_BITS:
            self.rational = self._rational()

    def _rational(self) -> Fraction | None:
        """Return the root if it is rational: its denominator divides the leading coefficient."""
        leading = abs(self.equation.line[-1])
        low, high = self._narrowed(Fraction(1) / (2 * leading * leading))
        candidate = simplest_between(low, high) if low < high else low
        return candidate if not self.equation.slack(candidate) else None

    def bounds(self, bits: int) -> Bounds:
        """Return bounds of relative width 2^-bits; the interval is at most a factor two at first."""
        if not self.low:
            while not self.low:
                self._halve()
        return self._narrowed(self.low / (1 << bits))

    def _narrowed(self, width: Fraction) -> Bounds:
        while self.high - self.low > width:
            self._halve()
        return self.low, self.high

    def _halve(self) -> None:
        middle = simplest_middle(self.low, self.high)
        slack = self.equation.slack(middle)
        if not slack:
            self.low = self.high = middle
        elif (slack > 0) == self.outer:
            self.low = middle
        else:
            self.high = middle

    def compare(self, point: Fraction) -> int:
        """Return the sign of root - point, exactly."""
        if self.rational is not None:
            return (self.rational > point) - (self.rational < point)
        low, high = self.equation.ends(self.outer)
        if not low < point < high:
            return 1 if point <= low else -1
        slack = self.equation.slack(point)
        if not slack:
            return 0
        return 1 if (slack > 0) == self.outer else -1

    def number(self) -> Enclosed:
        """Return the root as a number."""
        return Enclosed(self.bounds, self.rational)

    def text(self) -> str:
        """Return a fraction, a closed form with a square root, or the equation and an approximation."""
        if self.rational is not None:
            return str(self.rational)
        line = self.equation.line
        if len(line) == 3:
            return quadratic_text(line, upper=self.outer)
        value = float(self.number())
        return f"the root of {line_text(line, 'p')} near {value:.{LABEL_DIGITS}g}"


def simplest_middle(low: Fraction, high: Fraction) -> Fraction:
    """Return a point of few digits in the middle half of an interval."""
    gap = (high - low) / 4
    bits = max(0, 1 - gap.numerator.bit_length() + gap.denominator.bit_length())
    scaled = (low + high) / 2 * (1 << bits)
    return Fraction(round(scaled), 1 << bits)


def fold_power(chain: Chain, mode: Mode) -> Fraction:
    """Return eta_c^K, the K-th power of the decay at which the mode's roots meet (T22.3)."""
    a, k = chain.a, chain.predictor
    m = abs(mode.m)
    p = Fraction(a, a + k) * m / mode.s
    return p**a * (m - mode.s * p) ** k
