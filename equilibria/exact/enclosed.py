"""Real numbers that are known by enclosures: rational bounds, as narrow as one asks.

Sums and products of algebraic numbers of large degree have no handy normal form, but their signs are
found by enclosing them ever more closely. Zero is never recognised this way: who builds a number that
may vanish must know it (`known zero`), and `sign` gives up as `Uncertain` at a fixed precision.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

from equilibria.exact.dyadic import binary_exponent, round_dyadic
from equilibria.exact.intervals import Uncertain
from equilibria.exact.rationals import to_float

Bounds = tuple[Fraction, Fraction]
PRECISIONS = (96, 192, 384, 768, 1536, 3072)
DOUBLE = 64


class Enclosed:
    """A number as a function from bits to bounds; `rational` holds it where it is one."""

    __slots__ = ("_bits", "_bounds", "_last", "rational")

    def __init__(
        self, bounds: Callable[[int], Bounds] | None = None, rational: Fraction | None = None
    ) -> None:
        self._bounds, self.rational = bounds, rational
        self._bits = 0
        self._last: Bounds = (Fraction(0), Fraction(0))

    @classmethod
    def of(cls, value: Fraction | int) -> Enclosed:
        """Return a rational number."""
        return cls(rational=Fraction(value))

    def enclosure(self, bits: int) -> Bounds:
        """Return bounds; every operation adds a relative error of 2^-bits at most."""
        if self.rational is not None:
            return self.rational, self.rational
        assert self._bounds is not None
        if self._bits != bits:
            self._last, self._bits = outward(self._bounds(bits), bits), bits
        return self._last

    def __bool__(self) -> bool:
        """Whether it is not known to be zero."""
        return self.rational != 0

    def _with(
        self,
        other: Enclosed | Fraction | int,
        exact: Callable[[Fraction, Fraction], Fraction],
        bounds: Callable[[Bounds, Bounds], Bounds],
    ) -> Enclosed:
        right = other if isinstance(other, Enclosed) else Enclosed.of(other)
        if self.rational is not None and right.rational is not None:
            return Enclosed.of(exact(self.rational, right.rational))
        return Enclosed(lambda bits: bounds(self.enclosure(bits), right.enclosure(bits)))

    def __add__(self, other: Enclosed | Fraction | int) -> Enclosed:
        return self._with(other, lambda a, b: a + b, lambda a, b: (a[0] + b[0], a[1] + b[1]))

    def __sub__(self, other: Enclosed | Fraction | int) -> Enclosed:
        return self._with(other, lambda a, b: a - b, lambda a, b: (a[0] - b[1], a[1] - b[0]))

    def __mul__(self, other: Enclosed | Fraction | int) -> Enclosed:
        if not self or not other:
            return Enclosed.of(0)
        return self._with(other, lambda a, b: a * b, _product)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Fraction | int) -> Enclosed:
        return Enclosed.of(other) - self

    def __neg__(self) -> Enclosed:
        return self * -1

    def __pow__(self, power: int) -> Enclosed:
        result = Enclosed.of(1)
        for _ in range(power):
            result = result * self
        return result

    def inverse(self) -> Enclosed:
        """Return 1/x; its enclosure raises `Uncertain` while the bounds of x contain zero."""
        if self.rational is not None:
            return Enclosed.of(1 / self.rational)
        return Enclosed(lambda bits: _inverse(self.enclosure(bits)))

    def root(self, degree: int) -> Enclosed:
        """Return the real root of a number that is not negative."""
        if degree == 1:
            return self
        if self.rational is not None:
            exact = rational_root(self.rational, degree)
            if exact is not None:
                return Enclosed.of(exact)
        return Enclosed(lambda bits: _root(self.enclosure(bits), degree, bits))

    def sign(self) -> int:
        """Return -1, 0 or 1; raises `Uncertain` for what 3072 bits do not tell from zero."""
        if self.rational is not None:
            return (self.rational > 0) - (self.rational < 0)
        for bits in PRECISIONS:
            try:
                low, high = self.enclosure(bits)
            except Uncertain:
                continue
            if low > 0 or high < 0:
                return 1 if low > 0 else -1
        raise Uncertain("a number that may be zero")

    def __float__(self) -> float:
        """Return the double next to it; 0 where no precision tells it from zero."""
        for bits in PRECISIONS:
            try:
                low, high = self.enclosure(bits)
            except Uncertain:
                continue
            if high - low <= max(abs(low), abs(high)) / (1 << DOUBLE):
                return to_float((low + high) / 2)
        return 0.0


def rational_root(value: Fraction, degree: int) -> Fraction | None:
    """Return the rational root of a number that is not negative, None where it has none."""
    top, bottom = whole_root(value.numerator, degree), whole_root(value.denominator, degree)
    if top**degree == value.numerator and bottom**degree == value.denominator:
        return Fraction(top, bottom)
    return None


def whole_root(value: int, degree: int) -> int:
    """Return the largest integer whose power is at most `value` >= 0, by Newton's method."""
    if value < 2:
        return value
    guess = 1 << -(-value.bit_length() // degree)
    while True:
        closer = ((degree - 1) * guess + value // guess ** (degree - 1)) // degree
        if closer >= guess:
            return guess
        guess = closer


def outward(bounds: Bounds, bits: int) -> Bounds:
    """Return bounds with about `bits` binary digits that enclose the given ones."""
    low, high = bounds
    size = max(low.denominator.bit_length(), high.denominator.bit_length())
    if size <= bits and max(low.numerator.bit_length(), high.numerator.bit_length()) <= 2 * bits:
        return bounds
    largest = max(abs(low), abs(high))
    places = bits - binary_exponent(largest) + 1
    return round_dyadic(low, places, -1), round_dyadic(high, places, 1)


def _product(a: Bounds, b: Bounds) -> Bounds:
    if a[0] >= 0 and b[0] >= 0:
        return a[0] * b[0], a[1] * b[1]
    corners = (a[0] * b[0], a[0] * b[1], a[1] * b[0], a[1] * b[1])
    return min(corners), max(corners)


def _inverse(bounds: Bounds) -> Bounds:
    low, high = bounds
    if low <= 0 <= high:
        raise Uncertain
    return 1 / high, 1 / low


def _root(bounds: Bounds, degree: int, bits: int) -> Bounds:
    low, high = max(bounds[0], Fraction(0)), bounds[1]
    places = bits - binary_exponent(high) // degree + 1
    scale = max(0, places) * degree

    def floor(value: Fraction) -> int:
        return whole_root((value.numerator << scale) // value.denominator, degree)

    unit = 1 << max(0, places)
    return Fraction(floor(low), unit), Fraction(floor(high) + 1, unit)
