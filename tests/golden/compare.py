"""Texts that agree: words and whole numbers exactly, decimals up to a tolerance.

Decimals of different machines differ in their last digits, so that those of a long number may differ
by one, and what is as small as rounding is no number at all.
"""

from __future__ import annotations

import json
import re
from fractions import Fraction
from itertools import zip_longest

RELATIVE = 1e-6
ABSOLUTE = 1e-9
LONG = 5
STORED = 9

NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+(?:[eE][-+]?\d+)?|[eE][-+]?\d+)(?![\w.])")
FRACTION = re.compile(r"-?(?=[\d/]{18})\d+/\d+")
SPACE = re.compile(r"\s+")


def compact(text: str) -> str:
    """Return text whose long decimals and fractions have nine digits, the form that is stored."""

    def shortened(found: re.Match[str]) -> str:
        if len(re.split("[eE]", found[0])[0].strip("+-0.").replace(".", "")) <= STORED:
            return found[0]
        short = f"{float(found[0]):.{STORED}g}"
        return short if NUMBER.fullmatch(short) else f"{short}.0"

    return NUMBER.sub(shortened, FRACTION.sub(lambda found: repr(float(Fraction(found[0]))), text))


def compact_json(text: str) -> str:
    """Return a JSON object with one key a line, and one element a line of its lists of objects."""

    def flat(value: object) -> str:
        return json.dumps(value, ensure_ascii=False)

    def shown(value: object) -> str:
        if isinstance(value, list) and value and isinstance(value[0], dict):
            return "[\n" + "\n".join(f"  {flat(item)}" for item in value) + "\n]"
        return flat(value)

    data = json.loads(text)
    if not isinstance(data, dict):
        return shown(data) + "\n"
    return "".join(f"{key}: {shown(value)}\n" for key, value in data.items())


def difference(expected: str, found: str, relative: float = RELATIVE) -> str | None:
    """Return the first line that differs, as two lines; None where the texts agree."""
    pairs = zip_longest(expected.splitlines(), found.splitlines())
    for number, (one, other) in enumerate(pairs, 1):
        if one is None or other is None or not lines_agree(one, other, relative):
            return f"line {number}\n  expected {one}\n  found    {other}"
    return None


def lines_agree(one: str, other: str, relative: float = RELATIVE) -> bool:
    """Return whether two lines have the same words and numbers that agree."""
    if one == other:
        return True
    mine, theirs = NUMBER.findall(one), NUMBER.findall(other)
    agree = (numbers_agree(a, b, relative) for a, b in zip(mine, theirs, strict=False))
    if len(mine) != len(theirs) or not all(agree):
        return False
    words, others = NUMBER.split(one), NUMBER.split(other)
    if any(len(a) != len(b) for a, b in zip(mine, theirs, strict=True)):
        # A number of another length moves what stands beside it.
        words, others = ([SPACE.sub(" ", w).strip() for w in part] for part in (words, others))
    return words == others


def numbers_agree(one: str, other: str, relative: float = RELATIVE) -> bool:
    """Return whether two decimals are the same up to rounding."""
    a, b = float(one), float(other)
    allowed = relative * (max(abs(a), abs(b)) + ABSOLUTE / RELATIVE)
    mantissa = re.split("[eE]", one.lstrip("+-"))[0]
    if len(mantissa.replace(".", "").lstrip("0")) >= LONG:
        last = 10.0 ** -len(mantissa.partition(".")[2])
        exponent = re.search(r"[eE]([-+]?\d+)", one)
        allowed += 1.01 * last * 10.0 ** (int(exponent[1]) if exponent else 0)
    return abs(a - b) <= allowed
