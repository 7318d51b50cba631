"""A parameter and how far to follow it, from words such as `beta=1:1000`."""

from __future__ import annotations

from typing import get_args

from equilibria.cycles.setting import Parameter
from equilibria.errors import FormatError
from equilibria.exact.rationals import quantity, to_float

Range = tuple[Parameter, float, float]

NAMES: dict[str, Parameter] = {
    "beta": "beta",
    "eta": "eta",
    "weight-decay": "eta",
    "h": "h",
    "lr": "h",
    "ema": "ema",
}


def parse_range(text: str, option: str = "--along") -> Range:
    """Return (parameter, low, high) of `beta=1:1000`; `weight-decay` is eta and `lr` is h.

    >>> parse_range("beta=1:1e3")
    ('beta', 1.0, 1000.0)
    """
    name, _, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    if not colon or name not in NAMES:
        known = ", ".join(NAMES)
        raise FormatError(f"{option} {text}: expected NAME=LOW:HIGH with NAME one of {known}")
    a, b = (to_float(quantity(end, option)) for end in (low, high))
    parameter = NAMES[name]
    assert parameter in get_args(Parameter)
    if not 0 < a < b:
        raise FormatError(f"{option} {text}: expected 0 < LOW < HIGH")
    if parameter == "ema" and b >= 1:
        raise FormatError(f"{option} {text}: the momentum must satisfy MU < 1")
    return parameter, a, b
