"""The fate of one start of one mode, and its distance to the boundary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from equilibria.basin.answers import BasinAnswer, Bounds
from equilibria.basin.fates import ALIVE, COLLAPSED, FATES, crossings, mode_fates, point_row
from equilibria.basin.mode import ModeProblem, Point, conserved_fate, mode_problem
from equilibria.basin.outward import enclose
from equilibria.basin.probabilities import Progress
from equilibria.basin.separatrix import Fate
from equilibria.basin.small_decay import TOLERANCE, upper_c
from equilibria.basin.stiff import ATTEMPTS
from equilibria.errors import FormatError, LimitReached
from equilibria.exact.rationals import Number, quantity, to_float
from equilibria.systems.model import Model
from equilibria.varieties.component import How

LARGEST_FACTOR = 64
NUMERIC_FACTOR = 8.0
SCALE_BITS = 24
NUMERIC_TOLERANCE = 1e-6
UNSETTLED = (
    f"not settled after {ATTEMPTS} bursts or implicit steps: it circles, or drifts too slowly"
)


def basin_point(
    model: Model,
    mode: int,
    point: Sequence[Number],
    *,
    is_map: bool = False,
    progress: Progress | None = None,
) -> BasinAnswer:
    """Return what becomes of the start `point` = (p, w) or (p, w, t) of mode `mode` (from 1).

    The target starts at t = w when it is not given. Stop-gradient flows with equal decays are
    decided by exact arithmetic; the rest by integration, and the answer says which.
    """
    problem = mode_problem(model, mode, is_map=is_map)
    start = _checked(problem, point)
    if problem.regime == "always-collapses":
        return _always(problem, start)
    if problem.regime == "conserved":
        fate, why = conserved_fate(problem, start[0], start[1])
        return _answer(problem, start, fate, problem.how, why)
    if problem.regime == "separatrix":
        return _separated(problem, start)
    return _integrated(problem, start, progress)


def _checked(problem: ModeProblem, point: Sequence[Number]) -> Point:
    numbers = [quantity(value, "--point") for value in point]
    most = 3 if problem.ema else 2
    if not 2 <= len(numbers) <= most:
        form = "p,w or p,w,t" if problem.ema else "p,w"
        raise FormatError(f"--point: got {len(numbers)} numbers, expected {form}")
    return numbers[0], numbers[1], numbers[-1] if len(numbers) == 3 else numbers[1]


def _answer(problem: ModeProblem, start: Point, fate: Fate, how: How, why: str) -> BasinAnswer:
    return BasinAnswer(
        mode=problem.mode.number,
        point=start,
        fate=fate,
        how=how,
        why=why,
        is_map=problem.is_map,
        balance=problem.balance(start[0], start[1]),
    )


def _always(problem: ModeProblem, start: Point) -> BasinAnswer:
    how = How.PROVED if problem.model.moments.is_diagonal else How.NUMERIC
    why = "eta > m^2/(4 s): every start of this mode collapses"
    return _answer(problem, start, Fate.COLLAPSES, how, why)


def _separated(problem: ModeProblem, start: Point) -> BasinAnswer:
    """Decide by the separatrix, exactly."""
    boundary = problem.separatrix
    P, C = problem.dimensionless(start[0], start[1])
    fate, tolerance = boundary.decide(P, C)
    if fate is Fate.UNDECIDED and C < 0 and not boundary.has_upper:
        return _hugging(problem, start, P, C)
    how = problem.how
    why = {
        Fate.SURVIVES: "on the far side of a verified barrier",
        Fate.COLLAPSES: "on the near side of a verified barrier",
        Fate.UNDECIDED: "on the boundary, as far as the finest barriers tell",
    }[fate]
    if not start[1]:
        why = "w = 0 stays 0"
    ends = boundary.psi(C)
    margin = None
    if ends is not None and start[1]:
        signed = sorted(((P - ends[0]) * problem.unit, (P - ends[1]) * problem.unit))
        sign = 1 if problem.unit > 0 else -1
        margin = enclose((sign * signed[0], sign * signed[1]), how)
    scale = _critical_factor(problem, P, C) if start[1] else None
    answer = _answer(problem, start, fate, how, why)
    return replace(answer, margin=margin, scale=scale, tolerance=float(tolerance))


def _critical_factor(problem: ModeProblem, P: Fraction, C: Fraction) -> Bounds | None:
    """Return the factor at which (p, w) as a whole crosses the boundary, by exact bisection."""
    boundary = problem.separatrix

    def fate(factor: Fraction) -> Fate:
        return boundary.fate(factor * P, factor * factor * C)

    low, high = Fraction(1, LARGEST_FACTOR), Fraction(LARGEST_FACTOR)
    while fate(low) is not Fate.COLLAPSES and low > Fraction(1, 1 << 40):
        low /= LARGEST_FACTOR
    if fate(low) is not Fate.COLLAPSES or fate(high) is not Fate.SURVIVES:
        return None
    for _ in range(SCALE_BITS + 12):
        middle = (low + high) / 2
        outcome = fate(middle)
        if outcome is Fate.UNDECIDED:
            break
        low, high = (middle, high) if outcome is Fate.COLLAPSES else (low, middle)
        if high - low < high / (1 << SCALE_BITS):
            break
    return enclose((low, high), problem.how)


def _hugging(problem: ModeProblem, start: Point, P: Fraction, C: Fraction) -> BasinAnswer:
    """Decide the part C < 0 at small E by the numeric curve."""
    assert problem.E is not None
    try:
        distance = to_float(C) - upper_c(to_float(problem.E), to_float(P))
    except LimitReached:
        return _integrated(problem, start, None)
    fate = Fate.SURVIVES if distance > 0 else Fate.COLLAPSES
    if abs(distance) <= TOLERANCE * max(1.0, abs(to_float(C))):
        # W^2 = C + P^2 is exponentially small on the boundary: only its logarithm could tell.
        fate = Fate.UNDECIDED
    why = "compared with the boundary integrated numerically (small eta s/m^2)"
    return replace(_answer(problem, start, fate, How.NUMERIC, why), tolerance=TOLERANCE)


def _integrated(problem: ModeProblem, start: Point, progress: Progress | None) -> BasinAnswer:
    """Decide by integration (flow) or iteration (map), and find the critical factor."""
    numbers = [to_float(value) for value in start]
    code = int(mode_fates(problem, point_row(problem, *numbers))[0])
    fate = FATES.get(code, Fate.UNDECIDED)
    why = f"found by {'iterating the map' if problem.is_map else 'integrating the flow'}"
    if fate is Fate.UNDECIDED:
        why = UNSETTLED
    scale = None
    if problem.states and any(numbers[1:]) and code in (COLLAPSED, ALIVE):
        line = np.array([numbers])
        low, high = np.array([1e-6]), np.array([NUMERIC_FACTOR])
        if code == ALIVE:
            high = np.array([1.0])
        bracket = crossings(
            problem,
            lambda rows, factor: factor[:, None] * line[rows],
            low,
            high,
            tolerance=NUMERIC_TOLERANCE,
            progress=progress,
        ).bracket[0]
        if not np.isnan(bracket).any():
            scale = Bounds(float(bracket[0]), float(bracket[1]), How.NUMERIC)
    answer = _answer(problem, start, fate, How.NUMERIC, why)
    return replace(answer, scale=scale, tolerance=NUMERIC_TOLERANCE)
