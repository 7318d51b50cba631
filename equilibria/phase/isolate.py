"""From a crossing in doubles to an interval of rationals whose end signs are proved.

The block that is outside on one side of a crossing is looked up, and its exact sign taken at two
rational points close to the crossing, one on each side. Opposite signs prove that the block's
condition vanishes in between; whether the multiplier -1 passes there (a flip) or a complex pair
does (Neimark-Sacker) is the sign of the same polynomial at -1.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, log10

import numpy as np

from equilibria.phase.boundary import BoundaryPoint, Coordinate
from equilibria.phase.exact import ExactPoint, Kind
from equilibria.phase.trace import Crossing, Item, Tracer
from equilibria.phase.verdicts import Rules, decide, undecided
from equilibria.rationals import to_float

WIDTHS = (1e-10, 1e-8, 1e-6)

Place = tuple[Kind, int, int]


@dataclass(frozen=True, slots=True)
class Isolated:
    """A crossing with its exact enclosure, the kind of boundary and the block that decides."""

    crossing: Crossing
    point: BoundaryPoint
    kind: str
    block: str
    between: tuple[str, ...]


def isolate(tracer: Tracer, crossing: Crossing, *, certify: bool) -> Isolated | None:
    """Return the crossing as rationals; None where no single block is responsible."""
    item = tracer.items[crossing.item]
    fixed = tracer.y[crossing.row] if crossing.horizontal else tracer.x[crossing.column]
    certified, attempts = False, WIDTHS if certify and tracer.setting.model.exact else WIDTHS[:1]
    for width in attempts:
        inside, outside = rational_bracket(crossing.inside, crossing.outside, width)
        place = _responsible(tracer, item, crossing, to_float(fixed), to_float(outside))
        if place is None:
            return None
        ends = [_at(tracer, crossing, fixed, value) for value in (inside, outside)]
        certified = len(attempts) > 1 and ends[0].sign(*place) < 0 < ends[1].sign(*place)
        if certified:
            break
    moving = Coordinate(min(inside, outside), max(inside, outside))
    still = Coordinate.exact(fixed)
    pair = (moving, still) if crossing.horizontal else (still, moving)
    return Isolated(
        crossing,
        BoundaryPoint(*pair, certified),
        crossing_kind(ends[0], ends[1], place),
        block_name(place),
        _between(place),
    )


def rational_bracket(inside: float, outside: float, width: float) -> tuple[Fraction, Fraction]:
    """Return short decimals around both ends of a bracket, about a relative `width` apart."""
    centre, reach = (inside + outside) / 2, width * max(abs(inside), abs(outside), 1e-12) / 2
    reach = max(reach, abs(inside - outside))
    digits = 1 - floor(log10(reach))
    low, high = (
        Fraction(Decimal(repr(round(centre - reach, digits)))),
        Fraction(Decimal(repr(round(centre + reach, digits)))),
    )
    return (low, high) if inside < outside else (high, low)


def _at(tracer: Tracer, crossing: Crossing, fixed: Fraction, value: Fraction) -> ExactPoint:
    x, y = (value, fixed) if crossing.horizontal else (fixed, value)
    return ExactPoint(tracer.setting.model_at(x, y))


def _responsible(
    tracer: Tracer, item: Item, crossing: Crossing, fixed: float, outside: float
) -> Place | None:
    """Return the block that is outside at the far end."""
    x, y = (outside, fixed) if crossing.horizontal else (fixed, outside)
    points = tracer.setting.points(np.array([x]), np.array([y]))
    decided = decide(points, undecided, margin=0.0)
    if not item.is_map:
        i, j = item.modes
        return ("pair-flow", i, j)
    return next(broken(decided.map, item.modes, points.n), None)


def broken(rules: Rules, modes: tuple[int, ...], n: int) -> Iterator[Place]:
    """Yield the blocks of a stratum that break the rules of the map, at the first point."""
    rank = len(modes)
    if not rules.ranks[0, 2 if rank == n else (1 if rank else 0)]:
        yield ("rank", 2 if rank == n else (1 if rank else 0), 0)
    for i in modes:
        if not rules.allowed[0, i]:
            yield ("diagonal", i, 0)
        if rank < n and rules.output[0, i]:
            yield ("output", i, 0)
    for i in modes:
        for j in range(rules.allowed.shape[1]):
            if j not in modes and rules.require[0, i, j]:
                yield ("inactive", i, j)
            if j in modes and j > i and rules.conflict is not None and rules.conflict[0, i, j]:
                yield ("pair", i, j)


def crossing_kind(inside: ExactPoint, outside: ExactPoint, place: Place) -> str:
    """Return flip, neimark-sacker or hopf."""
    kind, i, j = place
    if kind.endswith("-flow"):
        return "hopf"
    model = outside.model
    simple = model.eta_p == model.eta and not (model.nu and model.procedure == "ema")
    if outside.family != "bootstrap" or kind in ("rank", "output") or simple:
        return "flip"
    if kind == "inactive":
        flipped = outside.inactive_flip(i, j)
        return "flip" if flipped else "neimark-sacker"
    return "flip" if inside.flips(kind, i, j) != outside.flips(kind, i, j) else "neimark-sacker"


def block_name(place: Place) -> str:
    """Return a block in words: diagonal 1+, pair 1+,2+, inactive 1+,3, output 1+, rank 0."""
    kind, i, j = place
    word = kind.removesuffix("-flow")
    if word == "rank":
        return ("inactive outputs of rank 0", "inactive outputs", "2 eta")[i]
    if word == "pair":
        return f"pair {i + 1}+,{j + 1}+"
    if word == "inactive":
        return f"inactive {i + 1}+,{j + 1}"
    return f"{word} {i + 1}+"


def _between(place: Place) -> tuple[str, ...]:
    kind, i, j = place
    if kind == "rank":
        return ()
    if kind.startswith("pair"):
        return (f"{i + 1}+", f"{j + 1}+")
    return (f"{i + 1}+", str(j + 1)) if kind == "inactive" else (f"{i + 1}+",)

