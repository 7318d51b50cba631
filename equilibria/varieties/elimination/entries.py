"""One entry of the list for each point, and one for each component of positive dimension.

A component is shown at a point that is stable if any is, with the conditions that split it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from equilibria.errors import LimitReached
from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import (
    Algebraic,
    Component,
    Conditions,
    Detail,
    Entry,
    Stability,
)
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.conditions import Split, stability_conditions
from equilibria.varieties.elimination.coordinates import coordinates, equations_of
from equilibria.varieties.elimination.decomposition import PrimeComponent
from equilibria.varieties.elimination.equations import is_euler_step
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.points import Point
from equilibria.varieties.elimination.reality import points_over, sample_points
from equilibria.varieties.elimination.regions import as_line, describe, irredundant, samples
from equilibria.varieties.elimination.stability import euler_largest_step, not_judged, stability_at
from equilibria.varieties.elimination.standing import EVERYWHERE_DEGENERATE, joined, standing

MAX_SAMPLES = 24
GOOD_DEGREE = 4
CONDITION_SHARE = 0.15

Splits = Mapping[str, Split | str]


@dataclass(frozen=True)
class Listed:
    """A component before it gets its id, which its place in the order decides."""

    component: Component
    order: tuple[int, tuple[float, ...], tuple[str, ...]]
    ideal: Ideal


def isolated(system: PolynomialSystem, part: PrimeComponent, point: Point) -> Listed:
    flow, step = _stabilities(system, point)
    equations = tuple(f"{name} = {value.text()}" for name, value in point.coordinates.items())
    component = Component(
        id="",
        rank=None,
        dimension=0,
        collapse=None,
        flow=flow,
        map=step,
        build_detail=partial(Detail, equations, _representative(point)),
    )
    order = tuple(round(value, 9) for value in point.floats().values())
    return Listed(component, (0, order, equations), part.ideal)


def extended(system: PolynomialSystem, part: PrimeComponent, budget: Budget) -> Listed:
    """Return a component of positive dimension, shown at a point that is stable if any is."""
    try:
        ideal = coordinates(part.ideal, budget.share(CONDITION_SHARE))
    except LimitReached:
        ideal = part.ideal
    splits = {
        kind: _conditions(equations, ideal, kind, budget)
        for kind, equations in (("flow", system.flow), ("map", system.map))
        if equations
    }
    point = _representative_point(part, part.ideal.within(budget.share(CONDITION_SHARE)), splits)
    flow, step = _stabilities(system, point, part.dimension, splits)
    equations = equations_of(ideal)
    component = Component(
        id="",
        rank=None,
        dimension=part.dimension,
        collapse=None,
        flow=flow,
        map=step,
        stable_where=_stable_where(splits, ideal, equations),
        note=_where_note(splits),
        build_detail=partial(Detail, equations, _representative(point)),
    )
    return Listed(component, (part.dimension, (), equations), part.ideal)


def _stabilities(
    system: PolynomialSystem, point: Point, dimension: int = 0, splits: Splits | None = None
) -> tuple[Stability, Stability]:
    """Return the verdicts on flow and map: at the point, or with `splits` on its component."""
    found = {}
    for kind, equations in (("flow", system.flow), ("map", system.map)):
        if not equations:
            found[kind] = not_judged(kind, dimension)
            continue
        at = stability_at(equations, point, dimension, kind)
        found[kind] = at if splits is None else standing(at, splits[kind])
    flow, step = found["flow"], found["map"]
    # Along a component one number is the largest step of all points only where none has another.
    if system.flow and system.map and is_euler_step(system) and not (flow.part or flow.varies):
        step = replace(step, largest_step=euler_largest_step(flow))
    return flow, step


def _conditions(
    equations: Mapping[str, Polynomial], ideal: Ideal, kind: str, budget: Budget
) -> Split | str:
    """Return the conditions, or a sentence on why there are none."""
    try:
        timed = ideal.within(budget.share(CONDITION_SHARE))
        found = stability_conditions(equations, timed, kind)
    except LimitReached as error:
        return f"no conditions: {error}"
    if len({name for f in found.conditions for name in f.variables()}) == 1:
        found = replace(found, conditions=irredundant(found.conditions))
        return replace(found, degenerate=found.degenerate and not found.never)
    return found


def _representative_point(part: PrimeComponent, ideal: Ideal, splits: Splits) -> Point:
    """Return a sample that is stable for the map and the flow, or for as much as can be.

    Among equals one with simple coordinates; the search ends with the first that is good enough.
    """
    known = {
        kind: found.conditions
        for kind, found in splits.items()
        if not isinstance(found, str) and not found.never
    }

    def rating(point: Point) -> tuple[bool, bool, int]:
        holds = {
            kind: all(point.value(f).sign() > 0 for f in found) for kind, found in known.items()
        }
        return holds.get("map", True), holds.get("flow", True), -point.degree

    best = part.real.points[0]
    with contextlib.suppress(LimitReached):
        for point in _candidates(part.dimension, ideal, known):
            best = max(best, point, key=rating)
            if rating(best) >= (True, True, -GOOD_DEGREE):
                break
    return best


def _candidates(
    dimension: int, ideal: Ideal, known: Mapping[str, tuple[Polynomial, ...]]
) -> Iterator[Point]:
    """Yield points in every cell of a line that the conditions cut, or over simple values."""
    used = {name for found in known.values() for f in found for name in f.variables()}
    if len(used) == 1 and dimension == 1:
        lines = [as_line(f) for found in known.values() for f in found]
        for value in sorted(samples(lines), key=lambda x: (x.denominator, abs(x), -x)):
            yield from points_over(ideal, {next(iter(used)): value})
    elif used:
        yield from islice(sample_points(ideal), MAX_SAMPLES)


def _stable_where(splits: Splits, ideal: Ideal, equations: Sequence[str]) -> Conditions | None:
    texts = {
        kind: tuple(f"{f.text()} > 0" for f in found.conditions)
        for kind, found in splits.items()
        if not isinstance(found, str) and not found.degenerate
    }
    if len(texts) < len(splits) or not any(texts.values()):
        return None
    free = ", ".join(ideal.ring.names[i] for i in ideal.free)
    return Conditions(
        texts.get("flow", ()),
        texts.get("map", ()),
        f"points of the component, where {', '.join(equations)}"
        if free
        else "points of the component",
    )


def _where_note(splits: Splits) -> str:
    parts = []
    for kind, found in splits.items():
        if isinstance(found, str):
            parts.append(f"{kind}: {found}")
        elif found.degenerate:
            rest = joined(found.conditions)
            parts.append(
                f"{kind}: {EVERYWHERE_DEGENERATE}" + (f", unstable unless {rest}" if rest else "")
            )
        elif len({name for f in found.conditions for name in f.variables()}) <= 1:
            parts.append(f"{kind}: stable {_where(describe(found.conditions))}")
        else:
            parts.append(f"{kind}: stable where {joined(found.conditions)}")
    return "; ".join(parts)


def _where(words: str) -> str:
    return words if words in ("everywhere", "nowhere") else f"where {words}"


def _representative(point: Point) -> dict[str, tuple[tuple[Entry, ...], ...]]:
    return {
        name: (
            (
                value.rational
                if value.rational is not None
                else Algebraic(float(value), value.text()),
            ),
        )
        for name, value in point.coordinates.items()
    }
