"""Reading a certificate: JSON of limited size, strict shapes, numbers as text.

Numbers are strings "a" or "a/b" in lowest terms with at most 4,000 digits; JSON numbers, booleans
and null never occur. A polynomial is a list of terms, each a coefficient followed by its variables:
[["1/2", "x", "x"], ["-3"]] is x^2/2 - 3. Whatever is not of the expected shape is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from math import gcd
from pathlib import Path
from typing import Any, TypeAlias

from .refusal import Refusal, at

MOST_BYTES = 32 << 20
MOST_DIGITS = 4000
MOST_TERMS = 200_000
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(/[1-9][0-9]*)?", re.ASCII)
Entry: TypeAlias = Mapping[str, Any]
"""An object of a certificate: whoever reads an entry of it says of which shape it must be."""
GENERATOR = re.compile(r"[a-z][1-9][0-9]{0,3}", re.ASCII)
NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,39}", re.ASCII)


def read_file(path: str | Path) -> object:
    """Return the JSON value in a file; raises `Refusal` when it is not plain, small JSON."""
    try:
        with open(path, "rb") as stream:
            data = stream.read(MOST_BYTES + 1)
    except OSError as error:
        raise Refusal(f"cannot be read ({error.strerror})") from None
    return read_bytes(data)


def read_bytes(data: bytes) -> object:
    """Return the JSON value of the bytes; raises `Refusal`."""
    if len(data) > MOST_BYTES:
        raise Refusal(f"larger than {MOST_BYTES >> 20} MiB")
    try:
        text = data.decode("utf-8")
        return json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_no_number,
            parse_int=_no_number,
            parse_float=_no_number,
        )
    except UnicodeDecodeError:
        raise Refusal("not UTF-8 text") from None
    except json.JSONDecodeError as error:
        raise Refusal(f"not JSON: {error.msg} at line {error.lineno}") from None
    except RecursionError:
        raise Refusal("nested too deeply") from None


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for key, value in pairs:
        if key in found:
            raise Refusal(f"the key {key[:40]!r} occurs twice")
        found[key] = value
    return found


def _no_number(text: str) -> object:
    raise Refusal(f"the bare number {text[:20]}: numbers are written as strings")


def fields(value: object, names: Iterable[str]) -> list[object]:
    """Return the entries of an object that has exactly these keys."""
    names = list(names)
    if not isinstance(value, dict):
        raise Refusal("expected an object")
    for name in names:
        if name not in value:
            raise Refusal(f"`{name}` is missing")
    for name in value:
        if name not in names:
            raise Refusal(f"unexpected entry {name[:40]!r}")
    return [value[name] for name in names]


def mapping(value: object) -> Entry:
    """Return an object."""
    if not isinstance(value, dict):
        raise Refusal("expected an object")
    return value


def listing(value: object, most: int = 100_000) -> list[Any]:
    """Return a list of limited length."""
    if not isinstance(value, list):
        raise Refusal("expected a list")
    if len(value) > most:
        raise Refusal(f"more than {most} entries")
    return value


def word(value: object) -> str:
    """Return a short string."""
    if not isinstance(value, str) or len(value) > 200:
        raise Refusal("expected a short text")
    return value


def name(value: object) -> str:
    """Return the name of a variable."""
    if not isinstance(value, str) or not NAME.fullmatch(value):
        raise Refusal("expected the name of a variable")
    return value


def generator(value: object) -> str:
    """Return the name of a generator, a letter and a number, unlike any word of a certificate."""
    if not isinstance(value, str) or not GENERATOR.fullmatch(value):
        raise Refusal("expected a letter and a number")
    return value


def rational(value: object) -> Fraction:
    """Return a number "a" or "a/b" in lowest terms."""
    if not isinstance(value, str) or len(value) > MOST_DIGITS or not NUMBER.fullmatch(value):
        raise Refusal("expected a number as text, a or a/b")
    top, _, bottom = value.partition("/")
    numerator, denominator = int(top), int(bottom or "1")
    if value.startswith("-0") or gcd(numerator, denominator) != 1 or bottom == "1":
        raise Refusal(f"the number {value[:40]} is not in lowest terms")
    return Fraction(numerator, denominator)


def integer(value: object, least: int | None = None, most: int | None = None) -> int:
    """Return a whole number within limits."""
    number = rational(value)
    if number.denominator != 1:
        raise Refusal("expected a whole number")
    found = number.numerator
    if (least is not None and found < least) or (most is not None and found > most):
        raise Refusal(f"{str(found)[:20]} is out of range")
    return found


def matrix(value: object, size: int) -> list[list[Fraction]]:
    """Return a square matrix of numbers."""
    rows = listing(value)
    if len(rows) != size or any(not isinstance(row, list) or len(row) != size for row in rows):
        raise Refusal(f"expected {size} rows of {size} numbers")
    return [[rational(entry) for entry in row] for row in rows]


def polynomial(value: object) -> dict[tuple[str, ...], Fraction]:
    """Return a polynomial; terms must be distinct, sorted inside, and not zero."""
    found: dict[tuple[str, ...], Fraction] = {}
    for index, term in enumerate(listing(value, MOST_TERMS)):
        with at(f"term {index}"):
            if not isinstance(term, list) or not 1 <= len(term) <= 64:
                raise Refusal("expected a coefficient followed by variables")
            key = tuple(name(entry) for entry in term[1:])
            coefficient = rational(term[0])
            if not coefficient or key in found or list(key) != sorted(key):
                raise Refusal("a term is zero, repeated or not sorted")
            found[key] = coefficient
    return found
