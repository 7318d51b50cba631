"""Ids in canonical order, and where components meet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, islice

from equilibria.errors import LimitReached
from equilibria.varieties.component import Component
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.entries import Listed
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.points import real_points

MAX_PAIRS = 10


def named(entries: Sequence[Listed]) -> list[tuple[Component, Ideal]]:
    """Give ids in canonical order: by dimension, points by coordinates, the rest by equations."""
    counts: dict[int, int] = {}
    named = []
    for entry in sorted(entries, key=lambda e: e.order):
        dimension = entry.component.dimension
        number = counts.get(dimension, 0)
        counts[dimension] = number + 1
        name = f"dim{dimension}:{letters(number)}"
        named.append((replace(entry.component, id=name), entry.ideal))
    return named


def letters(number: int) -> str:
    """Return a, b, ..., z, aa, ab, ... for 0, 1, ..."""
    text = ""
    number += 1
    while number:
        number, place = divmod(number - 1, 26)
        text = chr(ord("a") + place) + text
    return text


def with_meetings(named: Sequence[tuple[Component, Ideal]], budget: Budget) -> list[Component]:
    """Add to each component where it meets the others, for the first few that meet in points."""
    components = [component for component, _ in named]
    extended = [i for i, component in enumerate(components) if component.dimension > 0]
    for i, j in islice(combinations(extended, 2), 10):
        try:
            both = Ideal(
                named[i][1].ring, [*named[i][1].basis, *named[j][1].basis], budget.share(0.05)
            )
            points = real_points(both) if both.dimension == 0 else []
        except LimitReached:
            return components
        if 0 < len(points) <= 4:
            where = " and ".join(
                f"({', '.join(x.text() for x in point.coordinates.values())})" for point in points
            )
            for one, other in ((i, j), (j, i)):
                note = f"meets {components[other].id} at {where}"
                joined = "; ".join(filter(None, (components[one].note, note)))
                components[one] = replace(components[one], note=joined)
    return components
