"""Exact numbers from text and back: 0.99 is 99/100, never the nearest double.

Everything a user types is read here. Lengths and exponents are bounded before any arithmetic, so
that `1e999999999` is a message and not a full memory.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Rational

from equilibria.errors import FormatError
from equilibria.escaping import escape

Number = int | float | str | Fraction

MAX_CHARACTERS = 4000
MAX_EXPONENT = 400

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,4})?", re.ASCII)


def rational(value: Number, name: str = "value") -> Fraction:
    """Return `value` as an exact rational.

    Text may be an integer, a decimal, scientific notation or a fraction of two of these. A float is
    read as the shortest decimal that prints it, so `0.1` is 1/10. Raises `FormatError` naming
    `name` and the value when it is anything else.
    """
    if isinstance(value, bool):
        raise FormatError(f"{name} {value}: expected a number such as 0.99, 99/100 or 1e-3")
    if isinstance(value, Rational):
        return Fraction(value.numerator, value.denominator)
    if isinstance(value, float):
        if not math.isfinite(value):
            raise FormatError(f"{name} {value}: expected a finite number")
        return Fraction(repr(float(value)))
    if isinstance(value, str):
        return _from_text(value, name)
    raise FormatError(f"{name} {value!r}: expected a number such as 0.99, 99/100 or 1e-3")


def _from_text(value: str, name: str) -> Fraction:
    text = value.strip()
    shown = _shown(text)
    if len(text) > MAX_CHARACTERS:
        raise FormatError(f"{name} {shown}: more than {MAX_CHARACTERS} characters in one number")
    numerator, slash, denominator = text.partition("/")
    top = _from_decimal(numerator.strip(), name, shown)
    if not slash:
        return top
    bottom = _from_decimal(denominator.strip(), name, shown)
    if bottom == 0:
        raise FormatError(f"{name} {shown}: division by zero")
    return top / bottom


def _shown(text: str) -> str:
    """Return text for a one-line message: short, and nothing in it that moves the cursor."""
    plain = escape(text)
    return plain if len(plain) <= 40 else plain[:37] + "..."


def _from_decimal(text: str, name: str, shown: str) -> Fraction:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise FormatError(f"{name} {shown}: expected a number such as 0.99, 99/100 or 1e-3")
    exponent = match.group(3)
    if exponent and abs(int(exponent[1:])) > MAX_EXPONENT:
        raise FormatError(f"{name} {shown}: exponents beyond {MAX_EXPONENT} are not accepted")
    return Fraction(text)


def rationals(text: str, name: str = "value") -> tuple[Fraction, ...]:
    """Return a comma-separated list such as `1,3/4,0.5` as exact rationals."""
    parts = text.split(",")
    if any(not part.strip() for part in parts):
        raise FormatError(
            f"{name} {_shown(text)!r}: expected numbers separated by commas, as in 1,3/4"
        )
    return tuple(rational(part, name) for part in parts)


def to_text(value: Fraction) -> str:
    """Return `a/b`, or `a` for an integer."""
    return str(value)


def to_float(value: Fraction) -> float:
    """Return the nearest double, 0.0 on underflow (a 1000-digit fraction still converts)."""
    return value.numerator / value.denominator


def integer_sqrt_exact(value: int) -> int | None:
    """Return the square root of a non-negative integer when it is one."""
    root = math.isqrt(value)
    return root if root * root == value else None
