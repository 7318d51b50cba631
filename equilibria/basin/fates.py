"""Fates of many starts of one mode by integration of the flow, or by iterating the map.

A start has collapsed once it is in the ball of T2.5, from which nothing returns,

    alpha w^2 + p^2 < alpha (eta/(2 alpha m))^2 = eta^2/(4 m^2)    and the same for t,

and survives once it is within a twentieth of p_+ - p_- of the upper equilibrium (the two
equilibria +-w are one component). Boundaries are found by sections of intervals, many at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.basin.mode import ModeProblem
from equilibria.basin.polar import PolarMode
from equilibria.basin.probabilities import Progress
from equilibria.basin.separatrix import Fate
from equilibria.basin.stiff import follow_modes
from equilibria.exact.rationals import to_float
from equilibria.systems.integrate import PENDING, RUNAWAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

COLLAPSED, ALIVE = 0, 1
NEAR = 0.05
STILL = 1e-9
SECTIONS, FEW_SECTIONS, MANY = 8, 4, 16
"""Sections of a line in one round: fewer where there are many lines, whose starts cost the most."""
FATES = {COLLAPSED: Fate.COLLAPSES, ALIVE: Fate.SURVIVES, RUNAWAY: Fate.DIVERGES}


def mode_fates(problem: ModeProblem, points: Array, *, rtol: float = 1e-9) -> Codes:
    """Return 0 (collapses), 1 (survives), -1 (did not settle) or -2 (diverges) for (p, w, t) rows.

    For stop-gradient the third column is ignored.
    """
    dynamics = problem.dynamics
    mode = PolarMode(dynamics, problem.is_map)
    starts = np.array(points[:, : dynamics.size], dtype=np.float64)
    code = np.full(len(starts), PENDING, dtype=np.int64)
    moving = (starts[:, 1:] != 0).any(axis=1)
    code[~moving] = _alone(problem)
    if not moving.any():
        return code
    rates, m = dynamics.rates, abs(dynamics.m)
    decay = min(rates.eta, rates.eta_p)
    scale = 1e-2 * decay / m if decay and m else 1e-9
    inner = abs(problem.states[-1].value) if problem.states and decay else 0.0
    code[moving] = follow_modes(
        mode, starts[moving], _settle(problem), scale=scale, inner=inner, rtol=rtol
    )
    return code


def _alone(problem: ModeProblem) -> int:
    """Return the code of a start with w = t = 0, where p decays by itself and w stays 0."""
    rates = problem.dynamics.rates
    if problem.is_map and rates.h * rates.eta_p >= 2 * (1 + rates.nu):
        return RUNAWAY if rates.h * rates.eta_p > 2 * (1 + rates.nu) else PENDING
    return COLLAPSED


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


@dataclass(frozen=True)
class Crossings:
    """Brackets (rows of two) of the first change from collapse along lines, NaN where there is none.

    `undecided` marks lines on which a start did not settle within the work limit: their bracket is
    wider than asked, or NaN because an end is not known.
    """

    bracket: Array
    undecided: NDArray[np.bool_]


def crossings(
    problem: ModeProblem,
    points: Callable[[Codes, Array], Array],
    low: Array,
    high: Array,
    *,
    tolerance: float,
    progress: Progress | None = None,
) -> Crossings:
    """Return where collapse first changes along each line, from `low` (collapses) to `high`.

    `points(rows, parameter)` gives starts (p, w, t) on the lines with these indices. Lines are
    searched together, in sections; one that meets an undecided start is not narrowed any further.
    """
    rows = np.arange(len(low), dtype=np.int64)
    ends = np.concatenate([points(rows, low), points(rows, high)])
    code = mode_fates(problem, ends).reshape(2, -1)
    usable = (code[0] == COLLAPSED) & (code[1] != COLLAPSED) & (code[1] != PENDING)
    bracket = np.where(usable[:, None], np.column_stack([low, high]), np.nan)
    undecided = (code == PENDING).any(axis=0)
    open_rows = np.flatnonzero(usable)
    rounds = 0
    while open_rows.size:
        span = bracket[open_rows, 1] - bracket[open_rows, 0]
        size = np.abs(bracket[open_rows]).max(axis=1)
        excess = span / (tolerance * np.maximum(size, 1e-3))
        wide = excess > 1
        if progress is not None:
            left = math.ceil(math.log(max(1.0, float(excess.max())), FEW_SECTIONS))
            progress(rounds, rounds + left)
        open_rows, span, rounds = open_rows[wide], span[wide], rounds + 1
        if not open_rows.size:
            break
        sections = SECTIONS if open_rows.size < MANY else FEW_SECTIONS
        fractions = np.arange(1, sections) / sections
        inner = bracket[open_rows, :1] + span[:, None] * fractions
        lines = np.repeat(open_rows, len(fractions))
        codes = mode_fates(problem, points(lines, inner.ravel())).reshape(inner.shape)
        grid = np.column_stack([bracket[open_rows, 0], inner, bracket[open_rows, 1]])
        bracket[open_rows], stuck = _narrowed(grid, codes)
        undecided[open_rows[stuck]] = True
        open_rows = open_rows[~stuck]
    return Crossings(bracket, undecided)


def _narrowed(grid: Array, codes: Codes) -> tuple[Array, NDArray[np.bool_]]:
    """Return the section of the first change on each line, and where an undecided start is in it."""
    end = np.full((len(codes), 1), True)
    left = np.column_stack([codes != COLLAPSED, end]).argmax(axis=1)
    known = np.column_stack([(codes != COLLAPSED) & (codes != PENDING), end]).argmax(axis=1)
    rows = np.arange(len(grid))
    return np.column_stack([grid[rows, left], grid[rows, known + 1]]), known > left


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
