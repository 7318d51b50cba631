"""Real algebraic numbers: exact arithmetic in Q[t]/(q), with signs at one chosen real root of q.

An element is zero exactly when its remainder modulo the irreducible q is zero; any other sign is
decided by refining the isolating interval of the root until interval arithmetic with rationals
excludes zero. The rationals are the case q = t.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import lcm

from equilibria.exact.univariate import (
    Line,
    divide,
    line_text,
    primitive,
    quadratic_text,
    sign_changes,
    sturm_chain,
    trimmed,
    value_at,
)

Coefficients = tuple[Fraction, ...]


class RealField:
    """Q(theta) inside the reals: `modulus` is irreducible and theta its root in `interval`."""

    def __init__(self, modulus: Line, interval: tuple[Fraction, Fraction]) -> None:
        self.modulus = [c / modulus[-1] for c in modulus]
        self.degree = len(modulus) - 1
        self.low, self.high = interval
        if self.degree == 1:
            self.low = self.high = -self.modulus[0]
        self._below = value_at(self.modulus, self.low) < 0

    def constant(self, value: Fraction | int) -> Element:
        return Element(self, (Fraction(value),) + (Fraction(0),) * (self.degree - 1))

    def element(self, coefficients: Sequence[Fraction]) -> Element:
        """Return the value at theta of the polynomial with these coefficients."""
        rest = divide(trimmed(coefficients), self.modulus)[1]
        return Element(self, tuple(rest) + (Fraction(0),) * (self.degree - len(rest)))

    @cached_property
    def _high_powers(self) -> tuple[list[list[int]], int]:
        """Return theta**degree, theta**(degree + 1), ... over one common denominator."""
        rows, power = [], [-c for c in self.modulus[:-1]]
        for _ in range(self.degree - 1):
            rows.append(power)
            carried = [Fraction(0), *power[:-1]]
            power = [c - power[-1] * m for c, m in zip(carried, self.modulus, strict=False)]
        common = lcm(*(c.denominator for row in rows for c in row))
        return [[int(c * common) for c in row] for row in rows], common

    def product(self, a: Coefficients, b: Coefficients) -> Coefficients:
        """Return the coefficients of a product, computed with integers."""
        below_a, below_b = (lcm(*(c.denominator for c in x)) for x in (a, b))
        whole_a = [c.numerator * (below_a // c.denominator) for c in a]
        whole_b = [c.numerator * (below_b // c.denominator) for c in b]
        full = [0] * (2 * self.degree - 1)
        for i, x in enumerate(whole_a):
            if x:
                for j, y in enumerate(whole_b):
                    full[i + j] += x * y
        rows, common = self._high_powers
        low = [c * common for c in full[: self.degree]]
        for c, row in zip(full[self.degree :], rows, strict=True):
            if c:
                for j, entry in enumerate(row):
                    low[j] += c * entry
        below = common * below_a * below_b
        return tuple(Fraction(c, below) for c in low)

    def refine(self) -> None:
        """Halve the interval."""
        middle = (self.low + self.high) / 2
        value = value_at(self.modulus, middle)
        if not value:
            self.low = self.high = middle
        elif (value < 0) == self._below:
            self.low = middle
        else:
            self.high = middle


def rationals_field() -> RealField:
    """Return Q itself."""
    return RealField([Fraction(0), Fraction(1)], (Fraction(0), Fraction(0)))


@dataclass(frozen=True, slots=True)
class Element:
    """A number in a `RealField`, as a polynomial in theta of smaller degree than the modulus."""

    field: RealField
    coefficients: Coefficients

    def _coerce(self, other: Element | Fraction | int) -> Element:
        return other if isinstance(other, Element) else self.field.constant(other)

    def __add__(self, other: Element | Fraction | int) -> Element:
        pairs = zip(self.coefficients, self._coerce(other).coefficients, strict=True)
        return Element(self.field, tuple(a + b for a, b in pairs))

    __radd__ = __add__

    def __neg__(self) -> Element:
        return Element(self.field, tuple(-a for a in self.coefficients))

    def __sub__(self, other: Element | Fraction | int) -> Element:
        return self + (-self._coerce(other))

    def __mul__(self, other: Element | Fraction | int) -> Element:
        if not isinstance(other, Element):
            return Element(self.field, tuple(a * other for a in self.coefficients))
        if self.field.degree == 1:
            return Element(self.field, (self.coefficients[0] * other.coefficients[0],))
        return Element(self.field, self.field.product(self.coefficients, other.coefficients))

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> Element:
        result = self.field.constant(1)
        for _ in range(exponent):
            result = result * self
        return result

    def __bool__(self) -> bool:
        return any(self.coefficients)

    def inverse(self) -> Element:
        """Return 1/x, by the extended Euclidean algorithm."""
        a, b = self.field.modulus, trimmed(self.coefficients)
        before, now = [Fraction(0)], [Fraction(1)]
        while len(b) > 1:
            quotient, rest = divide(a, b)
            product = [Fraction(0)] * (len(quotient) + len(now))
            for i, x in enumerate(quotient):
                for j, y in enumerate(now):
                    product[i + j] += x * y
            size = max(len(before), len(product))
            padded = [*before, *[Fraction(0)] * (size - len(before))]
            step = [
                x - (product[i] if i < len(product) else Fraction(0)) for i, x in enumerate(padded)
            ]
            a, b, before, now = b, rest, now, trimmed(step)
        return self.field.element([c / b[0] for c in now])

    def enclosure(self) -> tuple[Fraction, Fraction]:
        """Return an interval that contains the number, from the interval of theta."""
        low, high = self.field.low, self.field.high
        bottom = top = Fraction(0)
        for c in reversed(self.coefficients):
            corners = (bottom * low, bottom * high, top * low, top * high)
            bottom, top = min(corners) + c, max(corners) + c
        return bottom, top

    def sign(self) -> int:
        """Return -1, 0 or 1, exactly."""
        if not self:
            return 0
        while True:
            bottom, top = self.enclosure()
            if bottom > 0 or top < 0:
                return 1 if bottom > 0 else -1
            self.field.refine()

    @property
    def rational(self) -> Fraction | None:
        """Return the number when it is written as a rational."""
        return None if any(self.coefficients[1:]) else self.coefficients[0]

    def __float__(self) -> float:
        while True:
            bottom, top = self.enclosure()
            if top - bottom <= max(abs(bottom), abs(top)) / (1 << 56):
                middle = (bottom + top) / 2
                return middle.numerator / middle.denominator
            self.field.refine()

    def text(self) -> str:
        """Return a fraction, a closed form with one square root, or a polynomial and interval."""
        exact = self.rational
        if exact is not None:
            return str(exact)
        minimal = self.minimal_polynomial()
        if len(minimal) == 3:
            return quadratic_text(minimal, upper=(self - -minimal[1] / (2 * minimal[2])).sign() > 0)
        chain = sturm_chain(minimal)
        while True:
            low, high = self.enclosure()
            if sign_changes(chain, low) - sign_changes(chain, high) == 1 and high - low < Fraction(
                1, 1000
            ):
                return f"the root of {line_text(minimal)} near {float(self):.10g}"
            self.field.refine()

    def minimal_polynomial(self) -> Line:
        """Return the primitive polynomial of least degree over Q that vanishes at the number."""
        rows: list[tuple[Line, Line, int]] = []
        power, degree = self.field.constant(1), 0
        while True:
            vector = list(power.coefficients)
            relation = [Fraction(0)] * degree + [Fraction(1)]
            for row, history, pivot in rows:
                scale = vector[pivot]
                if scale:
                    vector = [a - scale * b for a, b in zip(vector, row, strict=True)]
                    for i, b in enumerate(history):
                        relation[i] -= scale * b
            place = next((i for i, entry in enumerate(vector) if entry), None)
            if place is None:
                return primitive(relation)
            unit = vector[place]
            rows.append(([a / unit for a in vector], [a / unit for a in relation], place))
            power, degree = power * self, degree + 1
