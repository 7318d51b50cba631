"""Exact numbers a + b sqrt(x) + c sqrt(y) + d sqrt(x) sqrt(y) and the signs of them.

The two roots of a mode, s p^2 - m p + eta = 0, live in Q(sqrt(D)); a block of the Jacobian couples
two modes, so every sign that decides stability is the sign of a number in Q(sqrt(x), sqrt(y)). The
zero test is exact (dependent radicals are folded together), so the refinement of the sign of a
non-zero number always ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt

from equilibria.exact.rationals import integer_sqrt_exact, to_float

Parts = tuple[Fraction, Fraction, Fraction, Fraction]

ZERO = Fraction(0)
SMALL_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47)


def radical(value: Fraction) -> tuple[Fraction, int]:
    """Return (c, x) with sqrt(value) = c sqrt(x), x a positive integer without small square factors.

    Perfect squares give x = 1.
    """
    radicand = value.numerator * value.denominator
    factor = Fraction(1, value.denominator)
    exact = integer_sqrt_exact(radicand)
    if exact is not None:
        return factor * exact, 1
    for prime in SMALL_PRIMES:
        while radicand % (prime * prime) == 0:
            radicand //= prime * prime
            factor *= prime
    return factor, radicand


@dataclass(frozen=True, slots=True)
class Surd:
    """An element of Q(sqrt(x), sqrt(y)); `parts` on the basis 1, sqrt x, sqrt y, sqrt x sqrt y."""

    x: int
    y: int
    parts: Parts

    def _coerce(self, other: Surd | Fraction | int) -> Surd:
        if isinstance(other, Surd):
            if (other.x, other.y) != (self.x, self.y):
                raise ValueError("surds of different fields")
            return other
        return Surd(self.x, self.y, (Fraction(other), ZERO, ZERO, ZERO))

    def __bool__(self) -> bool:
        """Whether it is written with a part that is not zero."""
        return any(self.parts)

    def __add__(self, other: Surd | Fraction | int) -> Surd:
        a, b = self.parts, self._coerce(other).parts
        return Surd(self.x, self.y, (a[0] + b[0], a[1] + b[1], a[2] + b[2], a[3] + b[3]))

    def __sub__(self, other: Surd | Fraction | int) -> Surd:
        return self + (-1) * self._coerce(other)

    def __neg__(self) -> Surd:
        return (-1) * self

    def __mul__(self, other: Surd | Fraction | int) -> Surd:
        a = self.parts
        if not isinstance(other, Surd):
            return Surd(self.x, self.y, (a[0] * other, a[1] * other, a[2] * other, a[3] * other))
        b, x, y = self._coerce(other).parts, self.x, self.y
        return Surd(
            x,
            y,
            (
                a[0] * b[0] + x * a[1] * b[1] + y * a[2] * b[2] + x * y * a[3] * b[3],
                a[0] * b[1] + a[1] * b[0] + y * (a[2] * b[3] + a[3] * b[2]),
                a[0] * b[2] + a[2] * b[0] + x * (a[1] * b[3] + a[3] * b[1]),
                a[0] * b[3] + a[3] * b[0] + a[1] * b[2] + a[2] * b[1],
            ),
        )

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Fraction | int) -> Surd:
        return self._coerce(other) - self

    def inverse(self) -> Surd:
        """Return 1/self; raises `ZeroDivisionError` for zero."""
        number = self.folded()
        a, b, c, d = number.parts
        x, y = number.x, number.y
        # (A + B sqrt y)(A - B sqrt y) with A = a + b sqrt x, B = c + d sqrt x lies in Q(sqrt x).
        conjugate = Surd(x, y, (a, b, -c, -d))
        norm = (number * conjugate).parts
        scale = norm[0] ** 2 - x * norm[1] ** 2
        if not scale:
            raise ZeroDivisionError("inverse of a surd that is zero")
        return _unfold(
            conjugate * Surd(x, y, (norm[0] / scale, -norm[1] / scale, ZERO, ZERO)), self
        )

    def folded(self) -> Surd:
        """Return the same number with dependent radicals merged, so that zero has zero parts."""
        a, b, c, d = self.parts
        x, y = self.x, self.y
        root = integer_sqrt_exact(x)
        if root is not None:
            a, b, c, d, x = a + root * b, ZERO, c + root * d, ZERO, 1
        root = integer_sqrt_exact(y)
        if root is not None:
            a, b, c, d, y = a + root * c, b + root * d, ZERO, ZERO, 1
        root = integer_sqrt_exact(x * y) if x > 1 and y > 1 else None
        if root is not None:  # sqrt(y) = root / sqrt(x) = (root / x) sqrt(x)
            a, b, c, d, y = a + root * d, b + Fraction(root, x) * c, ZERO, ZERO, 1
        return Surd(x, y, (a, b, c, d))

    def sign(self) -> int:
        """Return -1, 0 or 1, exactly."""
        number = self.folded()
        if not any(number.parts):
            return 0
        bits = 64
        while True:
            low, high = number.enclosure(bits)
            if low > 0:
                return 1
            if high < 0:
                return -1
            bits *= 2

    def enclosure(self, bits: int) -> tuple[Fraction, Fraction]:
        """Return rational bounds, from integer square roots with `bits` binary places."""
        low = high = self.parts[0]
        for part, radicand in zip(self.parts[1:], (self.x, self.y, self.x * self.y), strict=True):
            floor = isqrt(radicand << (2 * bits))
            bounds = (part * Fraction(floor, 1 << bits), part * Fraction(floor + 1, 1 << bits))
            low, high = low + min(bounds), high + max(bounds)
        return low, high

    def __float__(self) -> float:
        """Return a double; exact cancellation is resolved with 200 bits."""
        low, high = self.folded().enclosure(200)
        return to_float((low + high) / 2)

    def text(self) -> str:
        """Return a closed form such as `2/5 + 1/5*sqrt(3)`."""
        number = self.folded()
        pieces: list[str] = []
        radicands = (1, number.x, number.y, number.x * number.y)
        for part, radicand in zip(number.parts, radicands, strict=True):
            if not part:
                continue
            size = abs(part)
            body = str(size) if radicand == 1 else f"sqrt({radicand})"
            if radicand != 1 and size != 1:
                body = f"{size}*{body}"
            sign = "-" if part < 0 else "+"
            pieces.append(f" {sign} {body}" if pieces else (f"-{body}" if part < 0 else body))
        return "".join(pieces) or "0"


def _unfold(number: Surd, like: Surd) -> Surd:
    """Return `number` on the basis of `like`, whose dependent radicals it has merged."""
    a, b, c, d = number.parts
    if (number.x, number.y) == (like.x, like.y):
        return number
    # Folding replaces a radicand by 1 and leaves its parts empty, so the others keep their places.
    return Surd(like.x, like.y, (a, b, c, d))


def rational_surd(value: Fraction) -> Surd:
    """Return a rational as a surd of the field Q."""
    return Surd(1, 1, (value, ZERO, ZERO, ZERO))


def in_common_field(first: Surd, second: Surd) -> tuple[Surd, Surd]:
    """Return two one-radical numbers as elements of one field Q(sqrt(x), sqrt(y))."""
    x, y = first.x, second.x
    a = Surd(x, y, (first.parts[0], first.parts[1], ZERO, ZERO))
    b = Surd(x, y, (second.parts[0], ZERO, second.parts[1], ZERO))
    return a, b
