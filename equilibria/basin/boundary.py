"""The boundary of one mode: thresholds, rows in (p, c), and a curve in the (p, w) plane.

For EMA the set that survives is, at fixed c = alpha w^2 - p^2, closed upwards in (p, t) as long as
p, t >= 0 and w > 0: with w = sqrt((c + p^2)/alpha) and c(t) known,

    p' = alpha w (t m - p w s) - eta p,      t' = beta (w(p, c) - t)

is a cooperative system there (dp'/dt = alpha w m >= 0, dt'/dp = beta p/(alpha w) >= 0), so order is
kept (Kamke). Hence each row with p >= 0 has one threshold, and bisection finds it.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.basin.answers import Boundary, Bounds
from equilibria.basin.fates import crossings, on_slice
from equilibria.basin.mode import ModeProblem, mode_problem
from equilibria.basin.outward import down, enclose, up
from equilibria.basin.probabilities import Progress
from equilibria.basin.separatrix import Separatrix
from equilibria.basin.small_decay import TOLERANCE, upper_c, upper_curve, upper_psi
from equilibria.basin.stiff import ATTEMPTS
from equilibria.errors import LimitReached
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray
from equilibria.varieties.component import How

ROWS = 40
CURVE = 240
NUMERIC_TOLERANCE = 1e-6
DRAWN = Fraction(5, 2)
"""Largest |p| of the curve, in units of m/s."""


def basin_boundary(
    model: Model,
    mode: int,
    *,
    is_map: bool = False,
    rows: int = ROWS,
    tolerance: float | None = None,
    progress: Progress | None = None,
) -> Boundary:
    """Return the boundary between collapse and learning of mode `mode` (from 1)."""
    problem = mode_problem(model, mode, is_map=is_map)
    if problem.regime == "always-collapses":
        return _one_fate(problem)
    if problem.regime == "conserved":
        return _conserved(problem)
    if problem.regime == "separatrix":
        return _separatrix(problem, rows, tolerance)
    return _numeric(problem, rows, tolerance or NUMERIC_TOLERANCE, progress)


def _make(problem: ModeProblem, how: How, statement: str, **fields: object) -> Boundary:
    values: dict[str, object] = {"thresholds": {}, "rows": (), "curve": (), "tolerance": None}
    values.update(fields)
    return Boundary(
        mode=problem.mode.number,
        regime=problem.regime,
        is_map=problem.is_map,
        how=how,
        statement=statement,
        roots=tuple(state.value for state in problem.states),
        E=problem.E,
        falling=problem.mode.m < 0,
        **values,  # type: ignore[arg-type]
    )


def _one_fate(problem: ModeProblem) -> Boundary:
    how = How.PROVED if problem.model.moments.is_diagonal else How.NUMERIC
    return _make(problem, how, "eta > m^2/(4 s): every start collapses, so there is no boundary")


def _conserved(problem: ModeProblem) -> Boundary:
    """Return the exact answer without decay: c itself decides."""
    unit = problem.unit
    zero = Fraction(0)
    return _make(
        problem,
        problem.how,
        "no decay: c = alpha w^2 - p^2 is conserved; a start with w != 0 survives exactly when "
        "c > 0, or p has the sign of m and c > -(m/s)^2",
        thresholds={
            "c_minus": enclose((-(unit**2), -(unit**2)), problem.how),
            "c_zero": enclose((zero, zero), problem.how),
            "c_plus": enclose((zero, zero), problem.how),
        },
    )


def _separatrix(problem: ModeProblem, rows: int, tolerance: float | None) -> Boundary:
    assert problem.E is not None
    boundary = problem.separatrix
    if tolerance is not None:
        boundary = Separatrix(problem.E, Fraction(tolerance))
    square = problem.unit**2
    how = problem.how
    thresholds = {
        "c_zero": enclose(boundary.c_zero, how, square),
        "c_plus": enclose(boundary.c_plus, how, square),
    }
    notes: tuple[str, ...] = ()
    if boundary.has_upper:
        thresholds["c_minus"] = enclose(boundary.c_minus, how, square)
    else:
        try:
            thresholds["c_minus"] = _numeric_c_minus(problem)
            notes = ("eta s/m^2 is small: the part c < 0 is numeric, the part c > 0 certified",)
        except LimitReached as error:
            notes = (f"{error}; it is left out, and --point still answers for starts there",)
    return _make(
        problem,
        how,
        f"a start survives exactly when p {'<' if problem.mode.m < 0 else '>'} psi(c), "
        "c = alpha w^2 - p^2",
        thresholds=thresholds,
        rows=_certified_rows(problem, boundary, thresholds, rows),
        curve=_certified_curve(problem, boundary),
        tolerance=float(boundary.tolerance),
        notes=notes,
    )


def _numeric_c_minus(problem: ModeProblem) -> Bounds:
    assert problem.E is not None
    value = upper_curve(to_float(problem.E))[2] * to_float(problem.unit) ** 2
    return Bounds(value * (1 + TOLERANCE), value * (1 - TOLERANCE), How.NUMERIC)


def _certified_rows(
    problem: ModeProblem, boundary: Separatrix, thresholds: dict[str, Bounds], count: int
) -> tuple[tuple[float, float, float], ...]:
    """Return rows between c_- and c_+, denser towards c = 0."""
    half = max(1, count // 2)
    steps = (np.arange(1, half + 1) / (half + 1)) ** 2
    known = "c_minus" in thresholds
    values = [thresholds["c_minus"].high * x for x in steps[::-1].tolist()] if known else []
    values += [0.0] + [thresholds["c_plus"].low * x for x in steps.tolist()]
    rows = []
    for c in values:
        C = Fraction(c) / problem.unit**2
        ends = boundary.psi(C)
        if ends is None and C < 0 and problem.E is not None:
            P = upper_psi(to_float(problem.E), to_float(C))
            if P is not None:
                ends = (Fraction(P * (1 - TOLERANCE)), Fraction(P * (1 + TOLERANCE)))
        if ends is not None:
            low, high = sorted(end * problem.unit for end in ends)
            rows.append((c, down(low), up(high)))
    return tuple(rows)


def _certified_curve(problem: ModeProblem, boundary: Separatrix) -> tuple[tuple[float, float], ...]:
    unit, alpha = to_float(problem.unit), to_float(problem.model.alpha)
    points = []
    for P in np.linspace(-float(DRAWN), float(DRAWN), CURVE).tolist():
        side = boundary.compare_root(Fraction(P))
        if side > 0 and not boundary.has_upper:
            assert problem.E is not None
            try:
                C: float | None = upper_c(to_float(problem.E), P)
            except LimitReached:
                continue
        else:
            curves = boundary.lower_barriers if side < 0 else boundary.upper_barriers
            C = curves[0].c_float(P)
        if C is not None:
            points.append((P * unit, abs(unit) * math.sqrt(max(0.0, C + P * P) / alpha)))
    return tuple(points)


def _numeric(
    problem: ModeProblem, count: int, tolerance: float, progress: Progress | None
) -> Boundary:
    """Return the boundary on the slice t = w by sections: rows at p >= 0, the curve at any p."""
    if not problem.states:
        return _make(problem, How.NUMERIC, _without_roots(problem))
    scale, alpha = abs(to_float(problem.unit)), to_float(problem.model.alpha)
    sign = 1.0 if problem.unit > 0 else -1.0
    heights = np.concatenate([[0.0], np.linspace(-1.0, 2.5, count + 1) * scale])
    found = crossings(
        problem,
        lambda rows, w: np.column_stack([sign * heights[rows], w, w]),
        np.full_like(heights, 1e-7 * scale),
        np.full_like(heights, 4 * scale / math.sqrt(alpha)),
        tolerance=tolerance,
        progress=progress,
    )
    columns = found.bracket
    thresholds = {}
    if not np.isnan(columns[0]).any():
        low, high = (float(alpha * w * w) for w in columns[0])
        thresholds["c_zero"] = Bounds(low, high, How.NUMERIC)
    rows, open_rows = _numeric_rows(problem, thresholds, count, tolerance, progress)
    undecided = open_rows + int(found.undecided.sum())
    return _make(
        problem,
        How.NUMERIC,
        f"a start survives {'below' if problem.mode.m < 0 else 'above'} the boundary psi(c), "
        "c = alpha w^2 - p^2" + (", on the slice t = w" if problem.ema else ""),
        thresholds=thresholds,
        rows=rows,
        curve=_curve(sign * heights[1:], columns[1:].mean(axis=1)),
        tolerance=tolerance,
        notes=_numeric_notes(problem, undecided),
        undecided=undecided,
    )


def _curve(p: NDArray[np.float64], w: NDArray[np.float64]) -> tuple[tuple[float, float], ...]:
    """Return the points (p, w), in order of p, of the lines that meet the boundary."""
    points = zip(p.tolist(), w.tolist(), strict=True)
    return tuple(sorted((x, y) for x, y in points if not math.isnan(y)))


def _numeric_rows(
    problem: ModeProblem,
    thresholds: dict[str, Bounds],
    count: int,
    tolerance: float,
    progress: Progress | None,
) -> tuple[tuple[tuple[float, float, float], ...], int]:
    """Return rows (c, low, high) with p from max(0, sqrt(-c)) to 2.5 m/s, and how many are open."""
    scale = abs(to_float(problem.unit))
    sign = 1.0 if problem.unit > 0 else -1.0
    half = max(1, count // 2)
    steps = np.arange(1, half + 1) / (half + 1)
    top = thresholds["c_zero"].low if "c_zero" in thresholds else 0.1 * scale**2
    c = np.concatenate([-((1.5 * scale * steps[::-1]) ** 2), [0.0], top * steps])
    starts = on_slice(problem)
    found = crossings(
        problem,
        lambda rows, p: starts(c[rows], sign * p),
        np.sqrt(np.maximum(-c, 0.0)),
        np.full_like(c, 2.5 * scale),
        tolerance=tolerance,
        progress=progress,
    )
    rows = []
    for value, ends in zip(c.tolist(), found.bracket.tolist(), strict=True):
        if not math.isnan(ends[0]):
            low, high = sorted(sign * end for end in ends)
            rows.append((value, low, high))
    return tuple(rows), int(found.undecided.sum())


def _without_roots(problem: ModeProblem) -> str:
    if not problem.model.eta:
        return (
            "without decay the boundary is computed for the stop-gradient flow only; give --point"
        )
    return "eta > m^2/(4 s): the mode has no equilibrium with w != 0, so nothing is learned"


def _numeric_notes(problem: ModeProblem, undecided: int) -> tuple[str, ...]:
    notes = []
    if undecided:
        notes.append(
            f"{undecided} lines are undecided: a start on them did not settle within "
            f"{ATTEMPTS} bursts or implicit steps"
        )
    if not problem.is_map and problem.ema and problem.model.eta == problem.model.eta_p:
        notes.append(
            "for p >= 0 each c has exactly one threshold: the flow is monotone in (p, t) at fixed c"
        )
    if problem.model.eta != problem.model.eta_p:
        notes.append("unequal decays: c is not a clock here, so nothing is certified")
    return tuple(notes)
