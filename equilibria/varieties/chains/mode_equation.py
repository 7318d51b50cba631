"""At which predictor eigenvalues a unit of a chain can rest, and up to which weight decay.

With p = |eigenvalue of P|, theta = a/K and the effective decay of T20.2 a unit (s, m) rests where

    eta_eff = p^theta (|m| - s p),       that is       p^a (|m| - s p)^K = eta_eff^K,        (T22.3)

and for the pair of a normal M its size |m| plays m (T31.1). The right form has one maximum, at the fold
p_f = theta rho/(theta + 1), rho = |m|/s: below the fold's decay there are two roots, p- in (0, p_f) and
p+ in (p_f, rho). Signs at rational points isolate them, exact also where |m| is a square root.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import comb, gcd

from equilibria.data.units import Unit
from equilibria.errors import ConsistencyError
from equilibria.exact.enclosed import Bounds, Enclosed, rational_root
from equilibria.exact.surds import Surd, radical
from equilibria.exact.univariate import Line, line_text, primitive, quadratic_text, simplest_between
from equilibria.systems.depth import Chain

RATIONAL_BITS = 400  # a leading coefficient beyond this has no rational root anyone would write
LABEL_DIGITS = 10
SPLITTING_BITS = 4096


def gain(unit: Unit) -> Fraction | Surd:
    """Return |m|, a square root for a pair whose size is not rational."""
    if not unit.im:
        return abs(unit.re)
    factor, radicand = radical(unit.square)
    if radicand == 1:
        return factor
    zero = Fraction(0)
    return Surd(radicand, 1, (zero, factor, zero, zero))


@dataclass(frozen=True)
class ModeEquation:
    """p^a (m - s p)^K = E with the common power of the exponents taken out where E allows it."""

    s: Fraction
    m: Fraction | Surd
    square: Fraction
    a: int
    k: int
    constant: Fraction

    @classmethod
    def of(cls, chain: Chain, unit: Unit) -> ModeEquation:
        a, k, constant = chain.a, chain.predictor, chain.effective_power
        common = gcd(a, k)
        root = rational_root(constant, common)
        if root is not None:
            a, k, constant = a // common, k // common, root
        return cls(unit.s, gain(unit), unit.square, a, k, constant)

    @property
    def share(self) -> Fraction:
        """Return p_f/rho, where the fold lies between 0 and rho = m/s."""
        return Fraction(self.a, self.a + self.k)

    def side(self, p: Fraction) -> int:
        """Return the sign of p^a (m - s p)^K - E for 0 <= p <= m/s: positive between the two roots."""
        if isinstance(self.m, Fraction):
            value = p**self.a * (self.m - self.s * p) ** self.k - self.constant
            return (value > 0) - (value < 0)
        rest = self.m - self.s * p
        power = rest
        for _ in range(self.k - 1):
            power = power * rest
        return (power * p**self.a - self.constant).sign()

    @cached_property
    def count(self) -> int:
        """Return how many roots there are: 0, 1 (at the fold) or 2.

        At the fold the left side is rho^a m^K times a rational; squares are compared.
        """
        if not self.square:
            return 0
        top = (self.share / self.s) ** self.a * (1 - self.share) ** self.k
        gap = top**2 * self.square ** (self.a + self.k) - self.constant**2
        return 0 if gap < 0 else (2 if gap else 1)

    @cached_property
    def splits(self) -> tuple[Fraction, Fraction]:
        """Return rational (f, r) with one root in (0, f) and the other in (f, r), of two."""
        if isinstance(self.m, Fraction):
            rho = self.m / self.s
            return self.share * rho, rho
        bits = 64
        while bits <= SPLITTING_BITS:
            rho = self.m.enclosure(bits)[0] / self.s
            if self.side(self.share * rho) > 0 > self.side(rho):
                return self.share * rho, rho
            bits *= 2
        raise ConsistencyError("two roots that no rational point of 4096 bits separates")

    def ends(self, outer: bool) -> Bounds:
        """Return the interval that holds the outer or the inner root and no other."""
        fold, rho = self.splits
        return (fold, rho) if outer else (Fraction(0), fold)

    @cached_property
    def line(self) -> Line | None:
        """Return p^a (m - s p)^K - E with coprime integer coefficients, where m is rational."""
        if not isinstance(self.m, Fraction):
            return None
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
        self.rational: Fraction | None = None
        self._fold: Enclosed | None = None
        if equation.count == 1:
            self._at_fold()
            return
        self.low, self.high = equation.ends(outer)
        if equation.line is not None:
            bits = equation.line[-1].numerator.bit_length()
            self.rational = self._rational(equation.line[-1]) if bits <= RATIONAL_BITS else None

    def _at_fold(self) -> None:
        m, scale = self.equation.m, self.equation.share / self.equation.s
        if isinstance(m, Fraction):
            self.rational = m * scale
        else:
            self._fold = enclosed(m) * scale

    def _rational(self, leading: Fraction) -> Fraction | None:
        """Return the root if it is rational: its denominator divides the leading coefficient."""
        low, high = self._narrowed(Fraction(1) / (2 * leading * leading))
        candidate = simplest_between(low, high) if low < high else low
        return candidate if not self.equation.side(candidate) else None

    def bounds(self, bits: int) -> Bounds:
        """Return bounds of relative width 2^-bits."""
        while not self.low:
            self._halve()
        return self._narrowed(self.low / (1 << bits))

    def _narrowed(self, width: Fraction) -> Bounds:
        while self.high - self.low > width:
            self._halve()
        return self.low, self.high

    def _halve(self) -> None:
        middle = simplest_middle(self.low, self.high)
        side = self.equation.side(middle)
        if not side:
            self.low = self.high = middle
        elif (side > 0) == self.outer:
            self.low = middle
        else:
            self.high = middle

    def compare(self, point: Fraction) -> int:
        """Return the sign of root - point, exactly."""
        if self.rational is not None:
            return (self.rational > point) - (self.rational < point)
        if self._fold is not None:
            return (self._fold - point).sign()
        low, high = self.equation.ends(self.outer)
        if not low < point < high:
            return 1 if point <= low else -1
        side = self.equation.side(point)
        if not side:
            return 0
        return 1 if (side > 0) == self.outer else -1

    def number(self) -> Enclosed:
        """Return the root as a number."""
        return self._fold or Enclosed(self.bounds, self.rational)

    def text(self) -> str:
        """Return a fraction, a closed form with a square root, or the equation and an approximation."""
        if self.rational is not None:
            return str(self.rational)
        line, value = self.equation.line, float(self.number())
        if line is None:
            e = self.equation
            power = f"p**{e.a}*(sqrt({e.square}) - {e.s}*p)**{e.k}"
            return f"the root of {power} = {e.constant} near {value:.{LABEL_DIGITS}g}"
        if len(line) == 3:
            return quadratic_text(line, upper=self.outer)
        return f"the root of {line_text(line, 'p')} near {value:.{LABEL_DIGITS}g}"


def simplest_middle(low: Fraction, high: Fraction) -> Fraction:
    """Return a point of few digits in the middle half of an interval."""
    gap = (high - low) / 4
    bits = max(0, 1 - gap.numerator.bit_length() + gap.denominator.bit_length())
    scaled = (low + high) / 2 * (1 << bits)
    return Fraction(round(scaled), 1 << bits)


def enclosed(value: Fraction | Surd) -> Enclosed:
    """Return an exact number as an enclosed one."""
    return Enclosed.of(value) if isinstance(value, Fraction) else Enclosed(value.enclosure)


def fold_square(chain: Chain, unit: Unit) -> Fraction:
    """Return eta_c^(2 K), where eta_c is the decay at which the unit's roots meet (T22.3)."""
    a, k = chain.a, chain.predictor
    share = Fraction(a, a + k)
    return ((share / unit.s) ** a * (1 - share) ** k) ** 2 * unit.square ** (a + k)
