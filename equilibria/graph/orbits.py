"""Orbits from many starts at once, with the strata that each one passes.

The full flow of (W, P[, T]) is integrated by the batched Dormand-Prince pair of `basin.batch`. An
orbit has arrived when it is near a stratum that attracts everything in the subspace in which the
orbit runs, and moves no faster than that allows. Near a saddle it is under way, however slowly it
moves: the saddle is noted as passed, with the closest distance and the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.graph.landscape import Choice, Landscape
from equilibria.graph.locate import Locator
from equilibria.systems.integrate import Control, integrate
from equilibria.systems.numeric import MatrixDynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

PASSED = 0.25
"""A stratum is passed when every mode comes within this fraction of the gap to its next root."""
ARRIVED = 0.02
WIDTH = 256
MAX_STEPS = 40_000
LONGEST = 1e6
PATIENCE = 120.0
"""The time limit, in units of the slowest rate (1e-6 grows to 1 in 14 of them)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """A stratum that an orbit came near: when, how near (in gaps), and for how long."""

    choice: Choice
    distance: float
    time: float
    entered: float
    left: float


@dataclass(frozen=True, slots=True)
class Orbit:
    """Where one start went. `end` is None when it did not arrive within the time limit."""

    end: Choice | None
    time: float
    distance: float
    residual: float
    visits: tuple[Visit, ...]


@dataclass(frozen=True, slots=True)
class Starts:
    """Starts in the mode basis, and for each the columns that are not exactly zero."""

    W: Array
    P: Array
    T: Array
    within: tuple[tuple[int, ...], ...]


class _Passage:
    """The visits of one orbit so far."""

    __slots__ = ("best", "entered", "last", "time", "visits")

    def __init__(self) -> None:
        self.visits: list[Visit] = []
        self.last: Choice | None = None
        self.best = self.time = self.entered = 0.0

    def note(self, choice: Choice, distance: float, time: float) -> None:
        if choice != self.last:
            self.last, self.entered, self.best = choice, time, np.inf
            self.visits.append(Visit(choice, distance, time, time, time))
        if distance < self.best:
            self.best, self.time = distance, time
        self.visits[-1] = Visit(choice, self.best, self.time, self.entered, time)


class Tracker:
    """Integrates starts and reports orbits."""

    def __init__(self, landscape: Landscape, rows: int, *, rtol: float = 1e-7) -> None:
        self.landscape, self.locator, self.rtol = landscape, Locator(landscape), rtol
        self.dynamics = MatrixDynamics(landscape.in_mode_basis(rows), WIDTH)
        self.size = self.dynamics.size
        self.reaches: dict[tuple[Choice, tuple[int, ...]], float] = {}

    def run(self, starts: Starts, *, t_max: float | None = None) -> list[Orbit]:
        """Return the orbits of all starts, in order."""
        count = len(starts.within)
        if not count:
            return []
        self.within = starts.within
        self.passages = [_Passage() for _ in range(count)]
        self.ends: dict[int, tuple[Choice, float, float, float]] = {}
        control = Control(
            rtol=self.rtol,
            atol=1e-5 * self.rtol,
            t_max=1.0 + (self.patience() if t_max is None else t_max),
            check_every=8,
            max_steps=MAX_STEPS,
            width=WIDTH,
        )
        ends = integrate(self._flow, self._packed(starts), self._settle, control)
        return [self._orbit(row, float(ends.t[row])) for row in range(count)]

    def patience(self) -> float:
        """Return the time limit: many times the slowest rate that any block has."""
        land = self.landscape
        positive, negative = land.blocks.inactive_terms()
        grow = np.concatenate(
            [
                np.abs(negative - positive).ravel(),
                np.abs(land.blocks.p**2 * land.blocks.s - land.eta),
                [land.eta],
            ]
        )
        slowest = float(grow[grow > 1e-9 * land.speed].min())
        rates = self.dynamics.rates
        if rates.beta is not None:
            slowest *= rates.beta / (rates.beta + land.speed)
        return min(PATIENCE / slowest, LONGEST)

    def _packed(self, starts: Starts) -> Array:
        """Return rows (W, P[, T], number of the start, time + 1); the last two move trivially."""
        count = len(starts.within)
        parts = [starts.W.reshape(count, -1), starts.P.reshape(count, -1)]
        if self.dynamics.ema:
            parts.append(starts.T.reshape(count, -1))
        parts += [np.arange(count, dtype=np.float64)[:, None], np.ones((count, 1))]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def _flow(self, y: Array, out: Array) -> None:
        self.dynamics.flow(y, out)
        out[:, self.size] = 0.0
        out[:, self.size + 1] = 1.0

    def _settle(self, y: Array, f: Array) -> NDArray[np.int64]:
        """Note what each orbit passes; return 0 for those that have arrived."""
        code = np.full(len(y), -1, dtype=np.int64)
        W, P, T = self.dynamics.unpack(y)
        digits, distance, absolute = self.locator.nearest(W, P, T)
        near = np.flatnonzero(distance <= PASSED)
        if not near.size:
            return code
        owner = np.rint(y[near, self.size]).astype(np.int64)
        time = y[near, self.size + 1] - 1.0
        velocity = self._velocity(f[near])
        for row, who, when, speed in zip(
            near.tolist(), owner.tolist(), time.tolist(), velocity.tolist(), strict=True
        ):
            choice = self.locator.choice(digits[row])
            self.passages[who].note(choice, float(distance[row]), when)
            if distance[row] > ARRIVED:
                continue
            reach = self._reach(choice, self.within[who])
            slow = speed <= reach * self.locator.floor * self.landscape.speed
            if distance[row] <= reach and slow:
                self.ends[who] = (choice, when, float(absolute[row]), speed)
                code[row] = 0
        return code

    def _velocity(self, f: Array) -> Array:
        """Return the largest rate of change of P, sqrt(a) W, sqrt(a) T."""
        dW, dP, dT = self.dynamics.unpack(f)
        moves = [np.abs(part).max(axis=(1, 2)) for part in (dP, dW, dT)]
        return np.asarray(np.maximum(moves[0], self.locator.root * np.maximum(*moves[1:])))

    def _reach(self, choice: Choice, within: tuple[int, ...]) -> float:
        key = (choice, within)
        if key not in self.reaches:
            rate = self.landscape.contraction(choice, within)
            self.reaches[key] = ARRIVED * min(1.0, rate / self.landscape.eta)
        return self.reaches[key]

    def _orbit(self, row: int, time: float) -> Orbit:
        visits = tuple(self.passages[row].visits)
        if row not in self.ends:
            last = visits[-1].distance if visits else np.inf
            return Orbit(None, time - 1.0, last, np.nan, visits)
        choice, when, distance, residual = self.ends[row]
        return Orbit(choice, when, distance, residual, visits)
