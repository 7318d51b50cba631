"""Exact numbers from text and back: 0.99 is 99/100, never the nearest double.

Everything a user types is read here. Lengths and exponents are bounded before any arithmetic, so
that `1e999999999` is a message and not a full memory. What describes a model (`quantity`) is 0 or
between 1e-30 and 1e30 in size, with at most 60 digits above and below the fraction bar: products of
a few such numbers stay within doubles, whatever question is asked about them.
"""

from __future__ import annotations

import math
import re
from fractions import Fraction
from numbers import Rational

from equilibria.errors import FormatError, LimitReached
from equilibria.files.escaping import escape

Number = int | float | str | Fraction

MAX_CHARACTERS = 4000
MAX_EXPONENT = 400
MAX_POWER = 30
MAX_DIGITS = 60
MOST = 10**9
"""Largest whole number that an option takes, where it has no bound of its own."""
MOST_SEED = 2**63 - 1

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
    short = shown(text)
    if len(text) > MAX_CHARACTERS:
        raise FormatError(f"{name} {short}: more than {MAX_CHARACTERS} characters in one number")
    numerator, slash, denominator = text.partition("/")
    top = _from_decimal(numerator.strip(), name, short)
    if not slash:
        return top
    bottom = _from_decimal(denominator.strip(), name, short)
    if bottom == 0:
        raise FormatError(f"{name} {short}: division by zero")
    return top / bottom


def shown(value: object) -> str:
    """Return a value for a one-line message: short, and nothing in it that moves the cursor."""
    if isinstance(value, Fraction | int) and value.numerator.bit_length() > 4 * MAX_CHARACTERS:
        return "of thousands of digits"  # Python refuses to print them
    plain = escape(value)
    return plain if len(plain) <= 40 else plain[:37] + "..."


def _from_decimal(text: str, name: str, short: str) -> Fraction:
    match = _DECIMAL.fullmatch(text)
    if match is None:
        raise FormatError(f"{name} {short}: expected a number such as 0.99, 99/100 or 1e-3")
    exponent = match.group(3)
    if exponent and abs(int(exponent[1:])) > MAX_EXPONENT:
        raise FormatError(f"{name} {short}: exponents beyond {MAX_EXPONENT} are not accepted")
    return Fraction(text)


def quantity(value: Number, name: str = "value") -> Fraction:
    """Return a rate, an eigenvalue or a coordinate: a rational of bounded size and length.

    Raises `FormatError` as `rational` does, and for a number that is not 0 and not between
    10^-MAX_POWER and 10^MAX_POWER in size, or that has more than MAX_DIGITS digits.
    """
    number = rational(value, name)
    if number and not _SMALLEST <= abs(number) <= _LARGEST:
        bounds = f"expected 0 or a size from 1e-{MAX_POWER} to 1e{MAX_POWER}"
        raise FormatError(f"{name} {shown(value)}: {bounds}; choose other units")
    if max(abs(number.numerator), number.denominator) >= _LONGEST:
        raise FormatError(
            f"{name} {shown(value)}: more than {MAX_DIGITS} digits; round it, or write a fraction"
        )
    return number


_SMALLEST, _LARGEST, _LONGEST = Fraction(1, 10**MAX_POWER), 10**MAX_POWER, 10**MAX_DIGITS


def whole(text: str, option: str, least: int, most: int = MOST) -> int:
    """Return a whole number from `least` to `most`; raises `FormatError` naming the option."""
    value = rational(text, option)
    if value.denominator != 1 or value < least:
        raise FormatError(f"{option} {shown(text)}: expected a whole number of at least {least}")
    if value > most:
        raise FormatError(f"{option} {shown(text)}: expected a whole number of at most {most}")
    return int(value)


def quantities(text: str, name: str = "value") -> tuple[Fraction, ...]:
    """Return a comma-separated list such as `1,3/4,0.5` as exact rationals."""
    parts = text.split(",")
    if any(not part.strip() for part in parts):
        raise FormatError(
            f"{name} {shown(text)!r}: expected numbers separated by commas, as in 1,3/4"
        )
    return tuple(quantity(part, name) for part in parts)


def to_text(value: Fraction) -> str:
    """Return `a/b`, or `a` for an integer."""
    return str(value)


def to_float(value: Fraction) -> float:
    """Return the nearest double, 0.0 on underflow (a 1000-digit fraction still converts).

    Raises `LimitReached` on overflow: rates and moments are then too far apart for doubles.
    """
    try:
        return value.numerator / value.denominator
    except OverflowError:
        raise LimitReached(
            "the rates and moments lead beyond 1e308, the range of floating point; "
            "bring them closer together"
        ) from None


def integer_sqrt_exact(value: int) -> int | None:
    """Return the square root of a non-negative integer when it is one."""
    root = math.isqrt(value)
    return root if root * root == value else None
