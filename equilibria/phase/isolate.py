"""From a crossing in doubles to an interval of rationals whose end signs are proved.

The block that is outside on one side of a crossing is looked up, and its exact sign taken at two
rational points close to the crossing, one on each side. Opposite signs prove that the block's
condition vanishes in between; whether the multiplier -1 passes there (a flip) or a complex pair
does (Neimark-Sacker) is the sign of the same polynomial at -1.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import floor, log10

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.phase.boundary import BoundaryPoint, Coordinate
from equilibria.phase.exact import ExactPoint, Kind
from equilibria.phase.trace import Crossing, Tracer
from equilibria.phase.verdicts import Rules, decide, undecided
from equilibria.systems.procedures import Family

WIDTHS = (1e-10, 1e-8, 1e-6)
BATCH = 512

Place = tuple[Kind, int, int]


@dataclass(frozen=True, slots=True)
class Isolated:
    """A crossing with its exact enclosure, the kind of boundary and the block that decides."""

    crossing: Crossing
    point: BoundaryPoint
    kind: str
    block: str
    between: tuple[str, ...]


def isolate(tracer: Tracer, crossings: Sequence[Crossing], *, every: int) -> list[Isolated]:
    """Return the crossings as rationals, one in `every` certified.

    Crossings for which no single block is responsible are left out.
    """
    places = _responsible(tracer, crossings)
    return [
        _isolate(tracer, crossing, place, certify=k % every == 0)
        for k, (crossing, place) in enumerate(zip(crossings, places, strict=True))
        if place is not None
    ]


def _isolate(tracer: Tracer, crossing: Crossing, place: Place, *, certify: bool) -> Isolated:
    fixed = tracer.y[crossing.row] if crossing.horizontal else tracer.x[crossing.column]
    certify = certify and tracer.setting.model.exact
    certified = False
    for width in WIDTHS if certify else WIDTHS[:1]:
        inside, outside = rational_bracket(crossing.inside, crossing.outside, width)
        ends = [_at(tracer, crossing, fixed, value) for value in (inside, outside)]
        certified = certify and ends[0].sign(*place) < 0 < ends[1].sign(*place)
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


def _responsible(tracer: Tracer, crossings: Sequence[Crossing]) -> list[Place | None]:
    """Return, for each crossing, the block that is outside just beyond it."""
    if not crossings:
        return []
    beyond = np.array(
        [to_float(rational_bracket(c.inside, c.outside, WIDTHS[0])[1]) for c in crossings]
    )
    across = np.array([c.horizontal for c in crossings])
    x = np.where(across, beyond, tracer.across[[c.column for c in crossings]])
    y = np.where(across, tracer.up[[c.row for c in crossings]], beyond)
    found: list[Place | None] = []
    for k, crossing in enumerate(crossings):
        if k % BATCH == 0:
            points = tracer.setting.points(x[k : k + BATCH], y[k : k + BATCH])
            rules = decide(points, undecided, margin=0.0).map
        item = tracer.items[crossing.item]
        if item.is_map:
            found.append(next(broken(rules, k % BATCH, item.modes, points.n), None))
        else:
            found.append(("pair-flow", item.modes[0], item.modes[1]))
    return found


def broken(rules: Rules, row: int, modes: tuple[int, ...], n: int) -> Iterator[Place]:
    """Yield the blocks of a stratum that break the rules of the map at one point."""
    rank = len(modes)
    if not rules.ranks[row, 2 if rank == n else (1 if rank else 0)]:
        yield ("rank", 2 if rank == n else (1 if rank else 0), 0)
    for i in modes:
        if not rules.allowed[row, i]:
            yield ("diagonal", i, 0)
        if rank < n and rules.output[row, i]:
            yield ("output", i, 0)
    for i in modes:
        for j in range(rules.allowed.shape[1]):
            if j not in modes and rules.require[row, i, j]:
                yield ("inactive", i, j)
            if j in modes and j > i and rules.conflict is not None and rules.conflict[row, i, j]:
                yield ("pair", i, j)


def crossing_kind(inside: ExactPoint, outside: ExactPoint, place: Place) -> str:
    """Return flip, neimark-sacker or hopf."""
    kind, i, j = place
    if kind.endswith("-flow"):
        return "hopf"
    model = outside.model
    simple = model.eta_p == model.eta and not (model.nu and model.traits.has_target)
    if outside.family is not Family.BOOTSTRAP or kind in ("rank", "output") or simple:
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
