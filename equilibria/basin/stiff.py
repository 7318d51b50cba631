"""Modes followed to their end at any decay: implicit steps as long as the slow motion allows.

At weight decay eta a mode needs about 1/eta of time (or 1/(h eta) steps of the map), while it is pulled
onto its slow manifold at rate one. Explicit steps cannot be longer than that rate allows; these are
linearly implicit Euler steps extrapolated to order `ORDER` (Deuflhard's SEULEX with the harmonic
sequence; Hairer and Wanner, IV.9), with the difference of the last two columns as error estimate.

The flow is integrated so from the start. The map is iterated, and where it moves slowly enough to be the
unit-time flow of its generator (the series log(1 + Delta), last term below `SERIES` over the leap) a
leap over many steps is one such integration step. Work is counted in attempts a trajectory, never in
seconds; what has not settled by then stays `PENDING`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from equilibria.basin.polar import PolarMode
from equilibria.systems.integrate import PENDING, RUNAWAY

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]
    Mask = NDArray[np.bool_]

ORDER = 7
ATTEMPTS = 2000
"""Steps of the flow, or bursts of the map, that a trajectory may take."""
BURST = 32
SERIES = 1e-8
SHORTEST = 64.0
"""A leap of fewer steps of the map does not pay."""
FAR = 1e12
FAR_LOG = 30.0
LIFTING = -5.0
LIMIT = 1e300

Settle = Callable[["Array", "Array"], "Codes"]
"""From rows (p, w, t) and their derivatives (or displacements), a code >= 0 or -1."""


def follow_modes(
    mode: PolarMode, points: Array, settle: Settle, *, scale: float, inner: float, rtol: float
) -> Codes:
    """Return the code on which each start (p, w, t) settles, `PENDING` or `RUNAWAY`.

    `scale` is the size of p below which its relative accuracy does not matter; below `inner`, in the
    direction of m, a mode whose w and t are negligible is lost (`PolarMode.dying`).
    """
    y = mode.normalised(mode.start(points))
    code = np.full(len(y), PENDING, dtype=np.int64)
    rows = np.arange(len(y))
    stride = np.full(len(y), SHORTEST if mode.is_map else 1e-3)
    with np.errstate(all="ignore"):
        for _ in range(ATTEMPTS):
            if mode.is_map:
                moved = _burst(mode, y)
                y, stride = _leap(mode, y, stride, scale, rtol)
            else:
                moved = mode.generator(y)
                y, stride, _ = _step(mode, y, stride, scale, rtol)
            reached = settle(mode.points(y), mode.velocity(y, moved))
            reached[(reached == PENDING) & mode.dying(y, inner)] = 0
            wild = ~((np.abs(y[:, 0]) < FAR) & (y[:, -1] < FAR_LOG))
            done = (reached != PENDING) | wild
            if done.any():
                code[rows[done]] = np.where(reached[done] != PENDING, reached[done], RUNAWAY)
                y, stride, rows = y[~done], stride[~done], rows[~done]
                if not rows.size:
                    break
    return code


def _burst(mode: PolarMode, y: Array) -> Array:
    """Iterate the map `BURST` times in place; return the last displacement."""
    moved = np.zeros_like(y)
    for _ in range(BURST):
        moved = mode.increment(y)
        y += moved
    mode.normalised(y)
    return moved


def _leap(
    mode: PolarMode, y: Array, stride: Array, scale: float, rtol: float
) -> tuple[Array, Array]:
    """Leap over steps of the map where it is slow; return the states and the next strides."""
    tail = (mode.tail(y) / _weights(mode, y, scale)).max(axis=1)
    allowed = SERIES / np.maximum(tail, 1 / LIMIT)
    able = np.flatnonzero(allowed > SHORTEST)
    if able.size:
        tried = np.minimum(stride[able], allowed[able])
        after, following, taken = _step(mode, y[able], tried, scale, rtol)
        y[able[taken]] = after[taken]
        stride[able] = np.maximum(following, SHORTEST)
    return y, stride


def _step(
    mode: PolarMode, y: Array, stride: Array, scale: float, rtol: float
) -> tuple[Array, Array, Mask]:
    """Attempt one step a row; return the states, the next strides, and which steps were taken."""
    size = y.shape[1]
    slope = mode.generator(y)
    jacobian = np.empty((len(y), size, size))
    for column in range(size):
        nudge = 1e-7 * np.maximum(np.abs(y[:, column]), scale if column == 0 else 1e-3)
        shifted = y.copy()
        shifted[:, column] += nudge
        jacobian[:, :, column] = (mode.generator(shifted) - slope) / nudge[:, None]
    table: list[Array] = []
    for parts in range(1, ORDER + 1):
        part = stride / parts
        matrix = np.eye(size) - part[:, None, None] * jacobian
        matrix[~np.isfinite(matrix).all(axis=(1, 2))] = np.eye(size)
        inverse = _inverse(matrix)
        z = y
        for index in range(parts):
            rate = slope if index == 0 else mode.generator(z)
            z = z + np.einsum("bij,bj->bi", inverse, part[:, None] * rate)
        row = [z]
        for k in range(1, parts):
            row.append(row[-1] + (row[-1] - table[k - 1]) / (parts / (parts - k) - 1))
        table = row
    error = (np.abs(table[-1] - table[-2]) / _weights(mode, y, scale)).max(axis=1) / rtol
    error = np.where(np.isfinite(error), error, LIMIT)
    # Where z has grown back it turns p within a few units of time: never step across that.
    soft = table[-1][:, -1] <= np.maximum(y[:, -1] + 2, LIFTING)
    error = np.where(soft, error, LIMIT)
    taken = error <= 1
    factor = np.clip(0.8 * np.maximum(error, 1e-12) ** (-1 / ORDER), 0.1, 4.0)
    after = y.copy()
    after[taken] = mode.normalised(table[-1][taken])
    return after, stride * factor, taken


def _inverse(matrix: Array) -> Array:
    try:
        return np.asarray(np.linalg.inv(matrix))
    except np.linalg.LinAlgError:  # a singular one among them: its step fails by its error
        return np.asarray(np.linalg.pinv(matrix))


def _weights(mode: PolarMode, y: Array, scale: float) -> Array:
    """Return what an error of one means in each variable: relative for p, absolute for u and L."""
    weights = np.ones_like(y)
    weights[:, 0] = np.abs(y[:, 0]) + scale
    if mode.heavy:
        weights[:, 1] = weights[:, 0]
    weights[:, -1] = 1 + np.abs(y[:, -1])
    return weights
