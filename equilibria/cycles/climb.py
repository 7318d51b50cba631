"""Uphill to an instability, then along the boundary to the point nearest to the start.

The objective is climbed from a random displacement within the ball. From the first instability met
the boundary is approached by projecting 0 onto its linearisation (Hasofer and Lind 1974), which
leads to a nearest point of it: locally, not globally.
"""

from __future__ import annotations

import time

import numpy as np

from equilibria.cycles.chart import NO_PAIR, Chart
from equilibria.varieties.noncommuting.core import Array

CLIMBS = 60
PROJECTIONS = 25
DIFFERENCE = 1e-5
ON_BOUNDARY = 1e-7  # of a segment
ROUGH, FINE = 0.02, 1e-5  # gain of a projection that is worth another one


class Climber:
    """One search; `best` is the largest objective seen."""

    def __init__(self, chart: Chart, radius: float, seed: int, time_limit: float) -> None:
        self.chart, self.radius, self.seed = chart, radius, seed
        self.deadline = time.monotonic() + time_limit
        self.best = -np.inf
        self.cut = False

    def run(self, starts: int) -> tuple[Array | None, int, str]:
        """The unstable point nearest to 0 that was found, the starts made, and what happened."""
        chart, zero = self.chart, np.zeros(self.chart.size)
        if self._value(zero) > 0:
            return zero, 0, "the given system itself has an unstable focus"
        rng = np.random.default_rng(self.seed)
        nearest: Array | None = None
        done = 0
        for number in range(starts):
            direction = rng.standard_normal(chart.size)
            size = self.radius * (number + 1) / starts / np.linalg.norm(direction)
            theta = self._climb(direction * size, rng)
            done += 1
            if theta is not None:
                theta = self._nearer(theta, ROUGH)
                if nearest is None or np.linalg.norm(theta) < np.linalg.norm(nearest):
                    nearest = theta
            if self._late():
                break
        cut = "; the time limit cut the search short" if self.cut else ""
        if nearest is None:
            reason = f"no loss of stability by a pair was met from {done} starts{cut}"
            return None, done, reason
        nearest = self._nearer(nearest, FINE)
        return nearest, done, f"the nearest found from {done} starts{cut}"

    def _value(self, theta: Array) -> float:
        value = self.chart.objective(theta)
        self.best = max(self.best, value)
        return value

    def _late(self) -> bool:
        self.cut = self.cut or time.monotonic() > self.deadline
        return self.cut

    def _inside(self, theta: Array) -> Array:
        size = float(np.linalg.norm(theta))
        return theta if size <= self.radius else theta * (self.radius / size)

    def _climb(self, theta: Array, rng: np.random.Generator) -> Array | None:
        """Random and gradient steps uphill within the ball until the objective is positive."""
        value, step = self._value(theta), 0.3 * self.radius
        for _ in range(CLIMBS):
            if value > 0:
                return theta
            if self._late() or step < 1e-3 * self.radius:
                return None
            gradient = self._gradient(theta, value) if value > NO_PAIR else None
            if gradient is None or not np.any(gradient):
                gradient = rng.standard_normal(theta.size)
            trial = self._inside(theta + step * gradient / np.linalg.norm(gradient))
            new = self._value(trial)
            if new > value or new == NO_PAIR == value:
                theta, value, step = trial, new, min(1.5 * step, 0.5 * self.radius)
            else:
                step = 0.5 * step
        return None

    def _gradient(self, theta: Array, value: float) -> Array | None:
        """One-sided differences; None where the pair is lost nearby."""
        shifted = [self.chart.objective(theta + DIFFERENCE * e) for e in np.eye(theta.size)]
        gradient = (np.array(shifted) - value) / DIFFERENCE
        usable = np.all(np.isfinite(gradient)) and np.abs(gradient).max() < 0.1 / DIFFERENCE
        return gradient if usable else None

    def _nearer(self, theta: Array, gain: float) -> Array:
        """From an unstable point towards a nearest point of the boundary, kept unstable.

        Stops when a projection shortens the distance by less than the share `gain`.
        """
        best = self._boundary(np.zeros_like(theta), theta)
        for _ in range(PROJECTIONS):
            if self._late():
                break
            gradient = self._gradient(best, self._value(best))
            if gradient is None:
                break
            trial = self._projected(best, gradient)
            if trial is None or np.linalg.norm(trial) > (1 - gain) * np.linalg.norm(best):
                break
            best = trial
        return best

    def _projected(self, theta: Array, gradient: Array) -> Array | None:
        """A boundary point nearer to 0: towards the projection of 0 onto the linearised boundary."""
        target = gradient * (gradient @ theta) / (gradient @ gradient)
        for share in (1.0, 0.5, 0.25, 0.1, 0.03):
            trial = theta + share * (target - theta)
            inner, outer = np.zeros_like(trial), trial
            if self._value(trial) <= 0:
                inner, outer = trial, 1.1 * trial
                if self._value(outer) <= 0:
                    continue
            lifted = self._boundary(inner, outer)
            if np.linalg.norm(lifted) < np.linalg.norm(theta):
                return lifted
        return None

    def _boundary(self, stable: Array, unstable: Array) -> Array:
        """An unstable point next to the boundary on the segment (Illinois, or halving steps)."""
        low, high = 0.0, 1.0
        below, above = self._value(stable), self._value(unstable)
        if below > 0:
            return stable
        for _ in range(60):
            if high - low <= ON_BOUNDARY or above <= ON_BOUNDARY**2:
                break
            share = below / (below - above) if below > NO_PAIR else 0.5
            middle = low + (high - low) * min(max(share, 0.02), 0.98)
            value = self._value(stable + middle * (unstable - stable))
            if value > 0:
                high, above, below = middle, value, below / 2 if below > NO_PAIR else below
            else:
                low, below, above = middle, value, above / 2
        return stable + high * (unstable - stable)
