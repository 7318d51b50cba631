"""Many trajectories at once: Dormand-Prince 5(4) with a step size and error control of its own each.

A pool of `width` trajectories advances together through NumPy; one that has settled leaves the pool
and the next start takes its place, so no work is spent on settled ones. Every operation acts on one
trajectory at a time (elementwise, sums along rows, one matrix product a trajectory) and the step-size
rule uses comparisons with a fixed table instead of powers, so that a trajectory does not depend on
its neighbours: the same start gives the same bits in any batch. The error norm is the root mean square
over the variables, as in scipy's `solve_ivp`, so equal tolerances mean the same.

Coefficients: Dormand and Prince 1980, in the form of Hairer, Norsett and Wanner, table II.5.2.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

Rhs = Callable[["Array", "Array"], None]
"""Writes dy/dt into its second argument; both have shape (trajectories, variables)."""
Settle = Callable[["Array", "Array"], "Codes"]
"""From states and their derivatives, a code >= 0 for each settled trajectory and -1 for the rest."""

PENDING = -1
RUNAWAY = -2
"""Codes of a trajectory that did not settle: time ran out, or it left every bound."""

STAGES = (
    (1 / 5,),
    (3 / 40, 9 / 40),
    (44 / 45, -56 / 15, 32 / 9),
    (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
    (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
    (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
)
ERROR = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)

FACTORS = np.geomspace(5.0, 0.2, 65)
LEVELS = (0.9 / FACTORS[1:]) ** 5
"""The step is multiplied by FACTORS[i] when the error, in units of the tolerance, is in level i."""


@dataclass(frozen=True)
class Trajectories:
    """Where each start ended: state, time, code of what it settled on, accepted steps."""

    y: Array
    t: Array
    code: Codes
    steps: Codes


@dataclass(frozen=True)
class Control:
    """Tolerances on each variable, the time limit, and how often settling is tested (in steps)."""

    rtol: float = 1e-6
    atol: float = 1e-9
    t_max: float = 1e5
    check_every: int = 8
    max_steps: int = 200_000
    width: int = 256
    bound: float = 1e12


def integrate(rhs: Rhs, starts: Array, settle: Settle, control: Control) -> Trajectories:
    """Integrate dy/dt = rhs(y) from every row of `starts` until it settles or time runs out."""
    pool = _Pool(rhs, np.ascontiguousarray(starts, dtype=np.float64), settle, control)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        while pool.active:
            pool.advance()
    return Trajectories(pool.final, pool.final_t, pool.code, pool.taken)


class _Pool:
    """The trajectories in flight: rows 0..active-1 of preallocated arrays."""

    def __init__(self, rhs: Rhs, starts: Array, settle: Settle, control: Control) -> None:
        count, size = starts.shape
        width = min(control.width, count)
        self.rhs, self.settle, self.control, self.starts = rhs, settle, control, starts
        self.final, self.final_t = starts.copy(), np.zeros(count)
        self.code = np.full(count, PENDING, dtype=np.int64)
        self.taken = np.zeros(count, dtype=np.int64)
        self.y, self.new, self.tmp, self.acc = (np.zeros((width, size)) for _ in range(4))
        self.k = [np.zeros((width, size)) for _ in range(7)]
        self.t, self.h = np.zeros(width), np.zeros(width)
        self.steps = np.zeros(width, dtype=np.int64)
        self.owner = np.zeros(width, dtype=np.int64)
        self.next, self.active, self.clock = 0, 0, 0
        self._refill()

    def _refill(self) -> None:
        """Fill free rows with the next starts, with a first step from the size of the slope."""
        first = self.active
        room = min(len(self.h) - first, len(self.starts) - self.next)
        if room <= 0:
            return
        rows = slice(first, first + room)
        self.owner[rows] = np.arange(self.next, self.next + room)
        self.y[rows] = self.starts[self.next : self.next + room]
        self.rhs(self.y[rows], self.k[0][rows])
        scale = self.control.atol + self.control.rtol * np.abs(self.y[rows])
        size = np.max(np.abs(self.y[rows]) / scale, axis=1)
        slope = np.max(np.abs(self.k[0][rows]) / scale, axis=1)
        self.h[rows] = np.minimum(0.01 * (size + 1.0) / (slope + 1e-300), self.control.t_max)
        self.t[rows], self.steps[rows] = 0.0, 0
        self.next += room
        self.active += room

    def advance(self) -> None:
        """Attempt one step of every trajectory in the pool; every few steps, test for settling."""
        a = self.active
        y, new, tmp, h = self.y[:a], self.new[:a], self.tmp[:a], self.h[:a]
        k = [stage[:a] for stage in self.k]
        column = h[:, None]
        for stage, weights in enumerate(STAGES, 1):
            self._combine(weights, k, new, tmp)
            np.multiply(new, column, out=new)
            np.add(new, y, out=new)
            self.rhs(new, k[stage])
        error = self.acc[:a]
        self._combine(ERROR, k, error, tmp)
        np.multiply(error, column, out=error)
        np.abs(error, out=error)
        np.maximum(np.abs(y, out=tmp), np.abs(new), out=tmp)
        np.multiply(tmp, self.control.rtol, out=tmp)
        np.add(tmp, self.control.atol, out=tmp)
        np.divide(error, tmp, out=error)
        np.multiply(error, error, out=error)
        norm = np.sqrt(error.sum(axis=1) / error.shape[1])
        norm[~np.isfinite(norm)] = 1e30
        accepted = norm <= 1.0
        self.t[:a] += np.where(accepted, h, 0.0)
        self.steps[:a] += accepted
        if accepted.all():
            self.y, self.new = self.new, self.y
            self.k[0], self.k[6] = self.k[6], self.k[0]
        else:
            mask = accepted[:, None]
            np.copyto(y, new, where=mask)
            np.copyto(k[0], k[6], where=mask)
        factor = FACTORS[np.searchsorted(LEVELS, norm)]
        h *= np.where(accepted, factor, np.minimum(factor, 0.9))
        self.clock += 1
        if self.clock % self.control.check_every == 0:
            self._retire()

    @staticmethod
    def _combine(weights: tuple[float, ...], k: list[Array], out: Array, tmp: Array) -> None:
        np.multiply(k[0], weights[0], out=out)
        for weight, stage in zip(weights[1:], k[1:], strict=False):
            if weight:
                np.multiply(stage, weight, out=tmp)
                np.add(out, tmp, out=out)

    def _retire(self) -> None:
        """Record settled, timed-out and runaway trajectories; compact the pool and refill it."""
        a = self.active
        code = self.settle(self.y[:a], self.k[0][:a])
        late = (self.t[:a] >= self.control.t_max) | (self.steps[:a] >= self.control.max_steps)
        wild = (np.abs(self.y[:a]).max(axis=1) > self.control.bound) | (self.h[:a] < 1e-14)
        done = (code >= 0) | late | wild
        if not done.any():
            return
        code = np.where((code < 0) & wild, RUNAWAY, code)
        owner = self.owner[:a][done]
        self.final[owner], self.final_t[owner] = self.y[:a][done], self.t[:a][done]
        self.code[owner], self.taken[owner] = code[done], self.steps[:a][done]
        keep = np.flatnonzero(~done)
        self.active = keep.size
        for array in (self.y, self.k[0], self.t, self.h, self.steps, self.owner):
            array[: keep.size] = array[keep]
        self._refill()
