"""Fates of many starts of one mode by integration of the flow, or by iterating the map.

A start has collapsed once it is in the ball of T2.5, from which nothing returns,

    alpha w^2 + p^2 < alpha (eta/(2 alpha m))^2 = eta^2/(4 m^2)    and the same for t,

and survives once it is within a twentieth of p_+ - p_- of the upper equilibrium (the two
equilibria +-w are one component). Boundaries are found by sections of intervals, many at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from equilibria.basin.batch import RUNAWAY, Control, integrate
from equilibria.basin.mapping import iterate
from equilibria.basin.mode import ModeProblem
from equilibria.basin.probabilities import MAX_MAP_STEPS, horizon
from equilibria.basin.separatrix import Fate
from equilibria.rationals import to_float

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

COLLAPSED, ALIVE = 0, 1
NEAR = 0.05
STILL = 1e-9
SECTIONS = 8
FATES = {COLLAPSED: Fate.COLLAPSES, ALIVE: Fate.SURVIVES, RUNAWAY: Fate.DIVERGES}


def mode_fates(problem: ModeProblem, points: Array, *, rtol: float = 1e-9) -> Codes:
    """Return 0 (collapses), 1 (survives), -1 (did not settle) or -2 (diverges) for (p, w, t) rows.

    For stop-gradient the third column is ignored.
    """
    dynamics = problem.dynamics
    starts = np.ascontiguousarray(points[:, : dynamics.size])
    settle = _settle(problem)
    if not problem.is_map:
        limit = horizon(problem.model)
        control = Control(rtol=rtol, atol=1e-3 * rtol, t_max=limit, width=4096)
        return integrate(dynamics.flow, starts, settle, control).code
    rates = dynamics.rates
    size = dynamics.size

    def step(y: Array, velocity: Array, scratch: Array) -> None:
        if velocity.shape[1]:
            after = dynamics.step(np.concatenate([y, velocity], axis=1))
            y[:], velocity[:] = after[:, :size], after[:, size:]
        else:
            y[:] = dynamics.step(y)

    steps = min(MAX_MAP_STEPS, int(horizon(problem.model) / rates.h) + 1)
    velocities = 2 if rates.nu else 0
    return iterate(step, starts, settle, velocities=velocities, max_steps=steps, width=4096).code


def _settle(problem: ModeProblem) -> Callable[[Array, Array], Codes]:
    rates, m = problem.dynamics.rates, problem.dynamics.m
    eta = min(rates.eta, rates.eta_p)
    if not eta:
        return _settle_still(problem)
    kappa = rates.eta_p / rates.eta
    encoder, balanced = np.sqrt(rates.alpha), np.sqrt(rates.alpha / kappa)
    ball = eta**2 / (4 * m**2) if m else np.inf
    roots = [state.value for state in problem.states]
    upper = roots[0] if roots else np.nan
    near = NEAR * abs(roots[0] - roots[1]) if len(roots) == 2 else 0.0

    def settle(y: Array, f: Array) -> Codes:
        p, w, t = y[:, 0], y[:, 1], y[:, -1]
        code = np.full(len(y), -1, dtype=np.int64)
        small = (p**2 + (encoder * w) ** 2 < ball) & ((encoder * t) ** 2 < ball)
        code[small] = COLLAPSED
        off = np.maximum(np.abs(p - upper), np.abs(balanced * np.abs(w) - abs(upper)))
        off = np.maximum(off, balanced * np.abs(t - w))
        code[off <= near] = ALIVE
        return code

    return settle


def _settle_still(problem: ModeProblem) -> Callable[[Array, Array], Codes]:
    scale = float(np.sqrt(problem.dynamics.rates.alpha))

    def settle(y: Array, f: Array) -> Codes:
        still = np.abs(f).max(axis=1) <= STILL * np.maximum(1.0, np.abs(y).max(axis=1))
        alive = scale * np.abs(y[:, 1]) > 1e-4
        return np.where(still, np.where(alive, ALIVE, COLLAPSED), -1).astype(np.int64)

    return settle


def crossings(
    problem: ModeProblem,
    points: Callable[[Codes, Array], Array],
    low: Array,
    high: Array,
    *,
    tolerance: float,
) -> Array:
    """Return brackets (rows of two) of the first change from collapse along each line.

    `points(rows, parameter)` gives starts (p, w, t) on the lines with these indices. A line is NaN
    where its low end does not collapse or its high end does. Lines are searched together.
    """
    rows = np.arange(len(low), dtype=np.int64)
    ends = np.concatenate([points(rows, low), points(rows, high)])
    code = mode_fates(problem, ends).reshape(2, -1)
    usable = (code[0] == COLLAPSED) & (code[1] != COLLAPSED) & (code[1] != -1)
    bracket = np.where(usable[:, None], np.column_stack([low, high]), np.nan)
    open_rows = np.flatnonzero(usable)
    fractions = np.arange(1, SECTIONS) / SECTIONS
    while open_rows.size:
        span = bracket[open_rows, 1] - bracket[open_rows, 0]
        size = np.abs(bracket[open_rows]).max(axis=1)
        wide = span > tolerance * np.maximum(size, 1e-3)
        open_rows, span = open_rows[wide], span[wide]
        if not open_rows.size:
            break
        inner = bracket[open_rows, :1] + span[:, None] * fractions
        lines = np.repeat(open_rows, len(fractions))
        codes = mode_fates(problem, points(lines, inner.ravel())).reshape(inner.shape)
        grid = np.column_stack([bracket[open_rows, 0], inner, bracket[open_rows, 1]])
        left = codes != COLLAPSED
        first = np.where(left.any(axis=1), left.argmax(axis=1), len(fractions))
        chosen = np.arange(len(open_rows))
        bracket[open_rows] = np.column_stack([grid[chosen, first], grid[chosen, first + 1]])
    return bracket


def point_row(problem: ModeProblem, p: float, w: float, t: float) -> Array:
    """Return one start as a batch."""
    return np.array([[p, w, t]], dtype=np.float64)


def on_slice(problem: ModeProblem) -> Callable[[Array, Array], Array]:
    """Return (c, p) -> starts with t = w = sqrt((c + p^2)/alpha), for boundaries in (p, c)."""
    alpha = to_float(problem.model.alpha)

    def starts(c: Array, p: Array) -> Array:
        w = np.sqrt(np.maximum(c + p**2, 0.0) / alpha)
        return np.column_stack([p, w, w])

    return starts
