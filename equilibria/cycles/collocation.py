"""A periodic boundary value problem modulo rotations, by collocation.

A relative periodic orbit returns to itself turned: x(T) = g x(0) with g in O(k), so that G = W^T W
has period T while W rotates. On every interval of a mesh the orbit is a polynomial through the
Radau IIA points (order 2 STAGES - 1, stiffly accurate). Newton's method solves the collocation
equations together with

    g^-1 x(T) = x(0),    f(x)^T dx = 0,    (Omega x)^T dx = 0 for every rotation Omega,

at x = x(0), for the orbit, T and g. The stages are eliminated interval by interval; what remains
are the derivatives of the intervals' flows, whose product is the monodromy matrix.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.polynomial import legendre
from scipy.integrate import solve_ivp

from equilibria.cycles.dynamics import Dynamics, aligning, plain_field, skew_basis
from equilibria.varieties.noncommuting.core import Array

STAGES = 5
INTERVALS = 40
ITERATIONS = 25
EVALUATIONS = 60_000  # of the flow, for a first guess of the orbit
CONVERGED = 1e-12  # relative size of the last Newton step
DIVERGED, WANDERING = 1e3, 1e-2  # relative size of a Newton step at which it is given up,
PATIENCE = 12  # at once and from this iteration on
ASTRAY = 0.03  # the same from a neighbouring cycle, where steps ought to shrink at once
LONGEST_STEP = 0.3  # relative change that one Newton step may make


@dataclass(frozen=True, slots=True, eq=False)
class Closed:
    """What Newton converged to: x(0), T, g, the monodromy g^-1 Dphi_T, the stages on their mesh."""

    start: Array
    period: float
    turn: Array
    monodromy: Array
    mesh: Array
    stages: Array

    @property
    def states(self) -> Array:
        """The states at all stages, (intervals * STAGES, size)."""
        return self.stages.reshape(-1, self.start.size)


def collocate(dynamics: Dynamics, x: Array, period: float) -> Closed | None:
    """Newton from the run that starts at x and nearly returns after `period`; None without success."""
    try:
        guess = _guess(dynamics, x, period, radau(STAGES)[0])
    except np.linalg.LinAlgError:
        return None
    if guess is None:
        return None
    mesh, X = guess  # (intervals + 1,) in [0, 1]; stages (intervals, STAGES, size)
    g = aligning(dynamics.split(x)[1], dynamics.split(X[-1, -1])[1])
    return _newton(dynamics, x, mesh, X, period, g)


def recollocate(
    dynamics: Dynamics, last: Closed, before: Closed | None, share: float
) -> Closed | None:
    """Newton from a solution at a neighbouring parameter, on its mesh; None without success.

    `before` is the one before that, and `share` how much further the parameter moves, relative to
    the distance between the two: the orbit, period and turn are extrapolated. No integration is
    needed, which matters for unstable cycles: runs leave them.
    """
    x, X, period = last.start, last.stages.copy(), last.period
    if before is not None and np.array_equal(before.mesh, last.mesh):
        x = x + share * (last.start - before.start)
        X += share * (last.stages - before.stages)
        period += share * (last.period - before.period)
    if not period > 0:
        return None
    return _newton(dynamics, x, last.mesh, X, period, last.turn, warm=True)


def _newton(
    dynamics: Dynamics,
    x0: Array,
    mesh: Array,
    X: Array,
    period: float,
    g: Array,
    *,
    warm: bool = False,
) -> Closed | None:
    """Newton's method for the orbit, its period and its turn; X is overwritten."""
    A = radau(STAGES)[1]
    least = np.inf
    for iteration in range(ITERATIONS):
        try:
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                maps, right = _intervals(dynamics, x0, X, period * np.diff(mesh), period, A)
                D, dx, dT, turn = _closure(dynamics, x0, X[-1, -1], maps, g)
                size = max(float(np.linalg.norm(dx) / np.linalg.norm(x0)), abs(dT) / period)
                damp = min(1.0, LONGEST_STEP / size) if size else 1.0
                g = g @ _rotation(damp * turn)
        except (np.linalg.LinAlgError, ValueError):
            return None
        if not size < (DIVERGED if iteration < PATIENCE else WANDERING):
            return None
        if warm and size > max(ASTRAY, 2 * least):
            return None
        least = min(least, size)
        step = dx
        for i in range(X.shape[0]):
            dX = right[i, :, :-2] @ step + right[i, :, -2] * dT + right[i, :, -1]
            X[i] += damp * dX.reshape(X.shape[1:])
            step = dX[-x0.size :]
        x0, period = x0 + damp * dx, period + damp * dT
        if not (period > 0 and np.all(np.isfinite(X))):
            return None
        if size <= CONVERGED:
            return Closed(x0, float(period), g, D, mesh, X)
    return Closed(x0, float(period), g, D, mesh, X) if size <= 1e3 * CONVERGED else None


def _rotation(Omega: Array) -> Array:
    """The Cayley transform of an antisymmetric matrix: exp to second order, and orthogonal."""
    unit = np.eye(Omega.shape[0])
    return np.linalg.solve(unit - Omega / 2, unit + Omega / 2)


@cache
def radau(stages: int) -> tuple[Array, Array]:
    """Nodes c (m,) in (0, 1] and coefficients a (m, m) of Radau IIA; b is the last row of a."""
    series = np.zeros(stages + 1)
    series[-1], series[-2] = 1.0, -1.0
    c = np.sort((legendre.legroots(series).real + 1) / 2)
    c[-1] = 1.0
    powers = np.arange(stages)
    V = c[:, None] ** powers
    integrals = c[:, None] ** (powers + 1) / (powers + 1)
    return c, np.linalg.solve(V.T, integrals.T).T


def _guess(dynamics: Dynamics, x: Array, period: float, nodes: Array) -> tuple[Array, Array] | None:
    """A mesh that follows the step sizes of an integrator, and the run at its stages."""
    field = plain_field(dynamics, most=EVALUATIONS)

    def run(times: Array | None) -> tuple[Array, Array] | None:
        done = solve_ivp(
            lambda _, y: field(y),
            (0.0, period),
            x,
            method="LSODA",
            jac=lambda _, y: dynamics.jacobian(y),
            t_eval=times,
            rtol=1e-8,
            atol=1e-11,
        )
        usable = done.success and bool(np.all(np.isfinite(done.y)))
        return (done.t, done.y.T) if usable else None

    first = run(None)
    if first is None:
        return None
    steps = first[0] / period
    own = np.interp(np.linspace(0, 1, INTERVALS + 1), np.linspace(0, 1, steps.size), steps)
    mesh = 0.5 * own + 0.5 * np.linspace(0, 1, INTERVALS + 1)
    times = (mesh[:-1, None] + np.diff(mesh)[:, None] * nodes).ravel() * period
    times[-1] = period
    second = run(times)
    if second is None:
        return None
    return mesh, second[1].reshape(INTERVALS, nodes.size, x.size).copy()


def _intervals(
    dynamics: Dynamics, x0: Array, X: Array, lengths: Array, period: float, A: Array
) -> tuple[Array, Array]:
    """For every interval the derivatives of its stages by its left end, by T, and the defect.

    The second result (intervals, m size, size + 2) has these as columns; the first is its last rows,
    those of the right end.
    """
    count, m, size = X.shape
    F, J = dynamics.field(X), dynamics.jacobian(X)
    left = np.concatenate([x0[None], X[:-1, -1]])
    sums = (A @ F) * lengths[:, None, None]
    defect = left[:, None] + sums - X
    J = np.swapaxes(J * lengths[:, None, None, None], 1, 2)  # (intervals, a, stage j, b)
    blocks = A[None, :, None, :, None] * J[:, None]
    blocks = blocks.reshape(count, m * size, m * size)
    columns = np.zeros((count, m * size, size + 2))
    columns[:, :, :size] = np.tile(np.eye(size), (m, 1))
    columns[:, :, size] = (sums / period).reshape(count, -1)
    columns[:, :, size + 1] = defect.reshape(count, -1)
    solved = np.linalg.solve(np.eye(m * size) - blocks, columns)
    return solved[:, -size:], solved


def _closure(
    dynamics: Dynamics, x0: Array, end: Array, maps: Array, g: Array
) -> tuple[Array, Array, float, Array]:
    """(g^-1 Dphi_T, dx, dT, Omega) from the maps of the intervals."""
    size, planes = x0.size, skew_basis(dynamics.k)
    D: Array = np.eye(size)
    by_period: Array = np.zeros(size)
    defect: Array = np.zeros(size)
    for step in maps:
        D = step[:, :size] @ D
        by_period = step[:, :size] @ by_period + step[:, size]
        defect = step[:, :size] @ defect + step[:, size + 1]
    D = dynamics.rotated(D.T, g.T).T
    turns, r = dynamics.rotations(x0), planes.shape[0]
    matrix = np.zeros((size + 1 + r, size + 1 + r))
    matrix[:size, :size] = D - np.eye(size)
    matrix[:size, size] = dynamics.rotated(by_period, g.T)
    matrix[:size, size + 1 :] = -turns.T
    matrix[size, :size] = dynamics.field(x0)
    matrix[size + 1 :, :size] = turns
    right = np.zeros(size + 1 + r)
    right[:size] = x0 - dynamics.rotated(end + defect, g.T)
    rows = np.linalg.norm(matrix, axis=1)
    solution = np.linalg.solve(matrix / rows[:, None], right / rows)
    Omega = np.tensordot(solution[size + 1 :], planes, 1)
    return D, solution[:size], float(solution[size]), Omega
