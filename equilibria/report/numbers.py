"""Numbers beside a verdict: enough digits to bear it out, and none that a double does not have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from equilibria.varieties.component import Stability, Verdict

Kind = Literal["flow", "map"]
Write = Callable[[float, str], str]
INFINITE = (float("inf"), float("-inf"))
NEAR_ZERO, NEAR_ONE = 5e-4, 1e-4
"""Below these distances from the boundary four and five decimals say too little."""
LARGE = 1e5
EXACT, SEEN = 1e-11, 1e-14
"""Distances from 1 at which a double still has three digits of the distance, and one."""


def decimal(value: float | None, form: str, write: Write = format) -> str:
    """Return a number in this format, a dash where there is none."""
    if value is None or value != value or value in INFINITE:
        return "-"
    return write(value, form)


def significant(value: float, places: int, write: Write = format) -> str:
    """Return a number to so many decimals, or as many significant digits where those show none."""
    form = f".{places}f" if not value or abs(value) >= 10.0 ** (2 - places) else f".{places}g"
    return write(value, form)


def extent(stability: Stability, kind: Kind, write: Write = format) -> str:
    """Return the abscissa of the flow or the radius of the map where all points share it.

    Close to the boundary an abscissa is written with an exponent and a radius as 1 and its distance
    from 1. What the verdict knows and a double cannot hold is `< 0`, `> 1`.
    """
    value = stability.common_extent
    if value is None or value != value or value in INFINITE:
        return "-"
    boundary = 0 if kind == "flow" else 1
    beyond = value - boundary
    side = {Verdict.STABLE: -1, Verdict.UNSTABLE: 1}.get(stability.verdict, 0)
    if side and (side * beyond <= 0 or (kind == "map" and abs(beyond) < SEEN)):
        return f"{'<' if side < 0 else '>'} {boundary}"
    if kind == "flow":
        usual = not value or NEAR_ZERO <= abs(value) < LARGE
        return write(value, "+.4f" if usual else "+.2e")
    if not beyond or abs(beyond) >= NEAR_ONE:
        return write(value, ".5f" if value < LARGE else ".2e")
    return "1" + write(beyond, "+.2e" if abs(beyond) >= EXACT else "+.0e")
