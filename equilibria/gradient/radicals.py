"""Square roots on their way into a report: rational where they are, else with their closed form."""

from __future__ import annotations

from fractions import Fraction

from equilibria.exact.surds import Surd, radical
from equilibria.varieties.component import Algebraic, Entry


def surd(a: Fraction, b: Fraction, square: Fraction) -> Surd:
    """Return a + b sqrt(square)."""
    factor, radicand = radical(square)
    return Surd(radicand, 1, (a, b * factor, Fraction(0), Fraction(0)))


def rational_part(number: Surd) -> Fraction | None:
    """Return the number itself when it is rational."""
    parts = number.folded().parts
    return None if any(parts[1:]) else parts[0]


def surd_entry(number: Surd) -> Entry:
    """Return the number as it goes into a report."""
    exact = rational_part(number)
    return Algebraic(float(number), number.text()) if exact is None else exact


def sqrt_text(value: Fraction) -> str:
    """Return the square root of a positive rational as text."""
    return surd(Fraction(0), Fraction(1), value).text()
