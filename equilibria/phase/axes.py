"""The two parameters that a phase diagram varies, as exact rationals.

An axis is written NAME=LO:HI[:COUNT][:log]. Linear axes are exact divisions of the interval;
logarithmic ones are rounded to six digits, so that every point of the grid is a rational number
that can be typed back into another command.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise

from equilibria.errors import FormatError
from equilibria.exact.rationals import quantity, rational, shown, to_float

NAMES = ("lr", "weight-decay", "ema", "predictor-lr", "noise")
DEFAULT_COUNT = 96
MAX_COUNT = 20_000

SYMBOLS = {
    "lr": "learning rate h",
    "weight-decay": "weight decay η",
    "ema": "EMA momentum μ",
    "predictor-lr": "predictor rate α",
    "noise": "noise v (Σ = M + vI)",
}

FORM = "expected NAME=LO:HI[:COUNT][:log] such as lr=0.01:4:200:log"


@dataclass(frozen=True)
class Axis:
    """One varied parameter: its name, its exact values in ascending order, and its scale."""

    name: str
    values: tuple[Fraction, ...]
    log: bool = False

    @property
    def low(self) -> Fraction:
        return self.values[0]

    @property
    def high(self) -> Fraction:
        return self.values[-1]

    @property
    def label(self) -> str:
        """Return the word and the symbol of the parameter."""
        return SYMBOLS[self.name]

    def resampled(self, count: int) -> tuple[Fraction, ...]:
        """Return `count` exact values over the same range."""
        return grid_values(self.low, self.high, count, log=self.log)


def parse_axis(text: str, option: str, *, count: int = DEFAULT_COUNT) -> Axis:
    """Return the axis written as NAME=LO:HI[:COUNT][:log], with `count` points if it has none.

    Raises `FormatError` naming the option, what was wrong with it and what is accepted.
    """
    name, equals, rest = text.partition("=")
    if not equals:
        raise FormatError(f"{option} {text}: {FORM}")
    if name not in NAMES:
        raise FormatError(f"{option} {name}: expected one of {', '.join(NAMES)}")
    parts = rest.split(":")
    log = len(parts) > 2 and parts[-1] == "log"
    if log:
        parts.pop()
    if len(parts) not in (2, 3):
        raise FormatError(f"{option} {text}: {FORM}")
    low, high = (quantity(part, f"{option} {name}") for part in parts[:2])
    if len(parts) == 3:
        count = _count(parts[2], option)
    return make_axis(name, low, high, count, log=log, option=option)


def make_axis(
    name: str, low: Fraction, high: Fraction, count: int, *, log: bool = False, option: str = "axis"
) -> Axis:
    """Return an axis after checking that every value is one the parameter can take."""
    if name not in NAMES:
        raise FormatError(f"{option} {name}: expected one of {', '.join(NAMES)}")
    if not low < high:
        raise FormatError(f"{option} {name}: {low}:{high} must ascend")
    if not 2 <= count <= MAX_COUNT:
        raise FormatError(f"{option} {name}: {count} points, expected 2 to {MAX_COUNT}")
    if log and low <= 0:
        raise FormatError(f"{option} {name}: a log axis must begin above 0, not at {low}")
    if name in ("lr", "weight-decay", "predictor-lr") and low <= 0:
        raise FormatError(f"{option} {name}: must begin above 0, not at {low}")
    if name == "noise" and low < 0:
        raise FormatError(f"{option} {name}: must not be negative, not {low}")
    if name == "ema" and not (low >= 0 and high < 1):
        raise FormatError(f"{option} {name}: {low}:{high}, the momentum must satisfy 0 <= MU < 1")
    return Axis(name, grid_values(low, high, count, log=log), log)


def grid_values(
    low: Fraction, high: Fraction, count: int, *, log: bool = False
) -> tuple[Fraction, ...]:
    """Return `count` ascending rationals from `low` to `high`, both included."""
    if not log:
        return tuple(low + (high - low) * k / (count - 1) for k in range(count))
    ratio = to_float(high) / to_float(low)
    for digits in (6, 12):
        inner = [
            Fraction(f"{to_float(low) * ratio ** (k / (count - 1)):.{digits - 1}e}")
            for k in range(1, count - 1)
        ]
        values = (low, *inner, high)
        if all(a < b for a, b in pairwise(values)):
            return values
    raise FormatError(f"{low}:{high}: too narrow for {count} points on a log axis")


def _count(text: str, option: str) -> int:
    value = rational(text, option)
    if value.denominator != 1:
        raise FormatError(f"{option} {shown(text)}: the number of points must be whole; {FORM}")
    return int(min(value, Fraction(MAX_COUNT + 1)))
