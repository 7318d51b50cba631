"""Boundaries of moments that do not commute: roots of margins along the lines of the grid.

Between two neighbouring points of different sign the margin of the leading eigenvalue is followed
to zero (Brent's method); the eigenvalue there says of which kind the boundary is. At Hopf points
the first Lyapunov coefficient says whether an attracting cycle is born (`cycles.normal_form`). Two
crossings between neighbouring points of the same sign are not seen: refine the grid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
from scipy.optimize import brentq

from equilibria.cycles.normal_form import first_lyapunov
from equilibria.cycles.pairs import nearest_pair
from equilibria.exact.rationals import to_float
from equilibria.phase.axes import Axis
from equilibria.phase.boundary import Boundary, BoundaryPoint, Coordinate
from equilibria.phase.branches import Branch, Fold
from equilibria.phase.margins import Margins, Which, kind_of

TOLERANCE = 1e-12
JUMP = 1e-4  # margin at a root, relative to the largest rate, above which it is no root
STABLE_KINDS = {"flow": ("hopf", "transcritical"), "map": ("flip", "neimark-sacker")}
REACH = 2.5  # cells between neighbouring points of one curve, at most


@dataclass(frozen=True, slots=True)
class Crossing:
    """One point of a boundary: where, on a line along which axis, of which component and kind."""

    branch: str
    which: Which
    kind: str
    along: str
    x: float
    y: float
    value: complex
    lyapunov: float | None = None

    @property
    def criticality(self) -> str:
        """supercritical, subcritical or undecided, of a Hopf point; empty for other kinds."""
        if self.kind != "hopf":
            return ""
        if not self.lyapunov:
            return "undecided"
        return "supercritical" if self.lyapunov < 0 else "subcritical"


def line_crossings(
    margins: Margins, branch: Branch, along: str, line: Sequence[Fraction], fixed: Fraction
) -> Iterator[Crossing]:
    """Yield the crossings of a component between the neighbouring points of one line of the grid.

    The line runs `along` "x" or "y" at a `fixed` value of the other axis.
    """
    at = to_float(fixed)
    values = [to_float(value) for value in line]
    if (margins.x if along == "x" else margins.y) == "weight-decay":
        values = sorted({*values, *branch.ends})  # what changes only just before a fold counts too

    def spot(value: float) -> tuple[float, float]:
        return (value, at) if along == "x" else (at, value)

    which: Which
    for which in ("flow", "map"):
        signs = [margins.leading(branch, which, *spot(value)) for value in values]
        for k in range(len(values) - 1):
            one, two = signs[k], signs[k + 1]
            if one is None or two is None or one.sign * two.sign >= 0:
                continue
            found = _root(margins, branch, which, along, at, (values[k], values[k + 1]))
            if found is not None and found.kind in STABLE_KINDS[which]:
                yield _judged(margins, branch, found)


def _root(
    margins: Margins, branch: Branch, which: Which, along: str, at: float, ends: tuple[float, float]
) -> Crossing | None:
    def spot(value: float) -> tuple[float, float]:
        return (value, at) if along == "x" else (at, value)

    def margin(value: float) -> float:
        found = margins.leading(branch, which, *spot(value))
        if found is None:
            raise ValueError("the component ends here")
        return found.margin

    try:
        root = float(brentq(margin, *ends, xtol=TOLERANCE * abs(ends[1]), rtol=TOLERANCE))
    except ValueError:
        return None
    found = margins.leading(branch, which, *spot(root))
    assert found is not None
    if abs(found.margin) > JUMP * found.size:
        return None  # Newton's method went over to another component: a jump, no root
    kind = kind_of(found.value, which)
    return Crossing(branch.id, which, kind, along, *spot(root), found.value)


def _judged(margins: Margins, branch: Branch, crossing: Crossing) -> Crossing:
    """Add the first Lyapunov coefficient of a Hopf point."""
    if crossing.kind != "hopf":
        return crossing
    setting = margins.settings(crossing.x, crossing.y)["flow"]
    core = branch.at(setting)
    pair = None if core is None else nearest_pair(setting, core, crossing.value)
    if core is None or pair is None:
        return crossing
    return replace(crossing, lyapunov=first_lyapunov(setting, core, pair))


def boundaries_of(
    crossings: Sequence[Crossing], folds: Sequence[Fold], x: Axis, y: Axis, formulas: dict[str, str]
) -> tuple[Boundary, ...]:
    """Return the crossings as curves, and the folds as lines across the diagram."""
    groups: dict[tuple[str, str, str], list[Crossing]] = {}
    for crossing in crossings:
        key = (crossing.kind, crossing.branch, crossing.criticality)
        groups.setdefault(key, []).append(crossing)
    found = [
        Boundary(
            kind,
            (branch,),
            f"leading eigenvalue of {branch}" + (f", {criticality}" if criticality else ""),
            (branch,),
            tuple(_point(c) for c in curve),
            formulas[kind],
            criticality=criticality,
        )
        for (kind, branch, criticality), members in sorted(groups.items())
        for curve in _curves(members, x, y)
    ]
    return (*_fold_lines(folds, x, y), *found)


def _point(crossing: Crossing) -> BoundaryPoint:
    """The coordinate along the line is isolated by the tolerance of the root, the other is exact."""
    x, y = Coordinate.exact(Fraction(crossing.x)), Coordinate.exact(Fraction(crossing.y))
    width = Fraction(4 * TOLERANCE)
    root = Fraction(crossing.x if crossing.along == "x" else crossing.y)
    isolated = Coordinate(root * (1 - width), root * (1 + width))
    point = (isolated, y) if crossing.along == "x" else (x, isolated)
    return BoundaryPoint(*point, certified=False)


def _fold_lines(folds: Sequence[Fold], x: Axis, y: Axis) -> Iterator[Boundary]:
    """Folds that meet are one boundary between two components."""
    rest = list(folds)
    while rest:
        fold = rest.pop(0)
        met = [f for f in rest if abs(f.found - fold.found) <= 1e-6 * abs(fold.found)]
        rest = [f for f in rest if f not in met]
        names = tuple(sorted({fold.id, *(f.id for f in met)}))
        low, high = sorted(Fraction(value) for value in (fold.found, fold.lost))
        decay, across = Coordinate(low, high), (y if x.name == "weight-decay" else x)
        points = tuple(
            BoundaryPoint(*((decay, other) if x.name == "weight-decay" else (other, decay)), False)
            for other in map(Coordinate.exact, (across.low, across.high))
        )
        formula = "two equilibria meet and vanish: the reduced Jacobian is singular"
        yield Boundary("fold", names, "existence", (), points, formula)


def _curves(members: Sequence[Crossing], x: Axis, y: Axis) -> list[list[Crossing]]:
    """Chain points to their nearest neighbours, cells being the unit of length."""
    places = np.array([[_cells(c.x, x), _cells(c.y, y)] for c in members])
    left = list(range(len(members)))
    curves: list[list[Crossing]] = []
    while left:
        start = min(left, key=lambda i: tuple(places[i]))
        chain = [left.pop(left.index(start))]
        for end in (-1, 0):
            while left:
                gaps = [float(np.linalg.norm(places[i] - places[chain[end]])) for i in left]
                nearest = int(np.argmin(gaps))
                if gaps[nearest] > REACH:
                    break
                chain.insert(len(chain) if end else 0, left.pop(nearest))
        curves.append([members[i] for i in chain])
    return curves


def _cells(value: float, axis: Axis) -> float:
    """Where a value lies, in cells from the first."""
    values = [to_float(v) for v in axis.values]
    if axis.log:
        values, value = [float(np.log(v)) for v in values], float(np.log(value))
    return float(np.interp(value, values, np.arange(len(values))))
