"""Following one equilibrium while (Sigma, M, eta) move along a straight line.

Pseudo-arclength continuation of F(W; s) = 0 (see `reduced`) in (W, s), s from 0 to 1: a unit
tangent, a step along it, and Newton corrections that renew their matrix as rarely as they can. A
fold, where s turns round, is an answer and not a failure: it is located by driving the s-component
of the tangent to zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import Array
from equilibria.varieties.noncommuting.newton import newton
from equilibria.varieties.noncommuting.reduced import reduced_point
from equilibria.varieties.noncommuting.solvers import Solve, bordered_solver

FIRST_STEP = 0.35
MIN_STEP = 1e-5
MAX_STEPS = 200
CORRECTIONS = 8
ACCURACY = 1e-9  # of a correction, relative to the size of the branch point
TURN = 0.6  # least cosine between successive tangents: below it the step may have jumped


@dataclass(frozen=True, slots=True, eq=False)
class Line:
    """The straight line from (Sigma0, M0, eta0) at s = 0 to (Sigma, M, eta) at s = 1."""

    Sigma0: Array
    M0: Array
    eta0: float
    Sigma: Array
    M: Array
    eta: float

    def at(self, s: float) -> tuple[Array, Array, float]:
        """The moments and the decay at s."""
        dSigma, dM, deta = self.speed
        return self.Sigma0 + s * dSigma, self.M0 + s * dM, self.eta0 + s * deta

    @property
    def speed(self) -> tuple[Array, Array, float]:
        """The derivative of `at`."""
        return self.Sigma - self.Sigma0, self.M - self.M0, self.eta - self.eta0


@dataclass(frozen=True, slots=True, eq=False)
class Trace:
    """W at s = 1, or None with the reason; `fold` is the s of a fold that ended the branch."""

    W: Array | None
    fold: float | None
    steps: int
    reason: str


@dataclass(frozen=True, slots=True, eq=False)
class _Knot:
    """A point of the branch, z = (W / size, s), its unit tangent, and a solver for corrections."""

    z: Array
    tangent: Array
    solve: Solve


class _Branch:
    """The branch in coordinates z = (W / size, s), where size = |W| at the start."""

    def __init__(self, line: Line, W: Array) -> None:
        self.line, self.shape = line, W.shape
        self.size = float(np.linalg.norm(W))

    def split(self, z: Array) -> tuple[Array, float]:
        """z to (W (k, d), s)."""
        return self.size * z[:-1].reshape(self.shape), float(z[-1])

    def join(self, W: Array, s: float) -> Array:
        """(W, s) to z."""
        return np.append(W.ravel() / self.size, s)

    def value(self, z: Array) -> Array:
        """F at z, flattened; raises LinAlgError where W has lost rank."""
        W, s = self.split(z)
        return reduced_point(W, *self.line.at(s)).value.ravel()

    def knot(self, z: Array, border: Array) -> _Knot:
        """The knot at z; its tangent is oriented along `border`."""
        W, s = self.split(z)
        point = reduced_point(W, *self.line.at(s))
        slope = point.parameter_derivative(*self.line.speed).ravel()
        solve = bordered_solver(point, slope, border, self.size)
        unit = np.zeros(z.size)
        unit[-1] = 1.0
        tangent = solve(unit)
        return _Knot(z, tangent / np.linalg.norm(tangent), solve)

    def corrected(self, knot: _Knot, step: float) -> Array | None:
        """The branch point at arclength about `step` beyond the knot, or None.

        Corrections keep the knot's matrix while they contract fast, and renew it when not.
        """
        z, solve = knot.z + step * knot.tangent, knot.solve
        previous = np.inf
        for _ in range(CORRECTIONS):
            change = solve(-np.append(self.value(z), 0.0))
            size = float(np.linalg.norm(change))
            if not size <= 0.5 * step or size > 2 * previous:
                return None
            z = z + change
            if size < ACCURACY:
                return z
            if size > 0.2 * previous or (previous == np.inf and size > 0.02 * step):
                solve = self.knot(z, knot.tangent).solve
            previous = size
        return None

    def next(self, knot: _Knot, step: float) -> _Knot | None:
        """The next knot, or None when the step was too long to be sure of following the branch."""
        try:
            z = self.corrected(knot, step)
            if z is None:
                return None
            moved = self.knot(z, knot.tangent)
        except np.linalg.LinAlgError:
            return None
        return moved if float(moved.tangent @ knot.tangent) >= TURN else None

    def landing(self, knot: _Knot) -> Array | None:
        """W at s = 1 by Newton from the tangent through the knot, checked like any other step."""
        step = (1.0 - knot.z[-1]) / knot.tangent[-1]
        guess, _ = self.split(knot.z + step * knot.tangent)
        W = newton(guess, *self.line.at(1.0))
        if W is None or np.linalg.norm(W - guess) > 0.3 * self.size * step:
            return None
        end = self.knot(self.join(W, 1.0), knot.tangent)
        turned = float(end.tangent @ knot.tangent) < TURN or end.tangent[-1] <= 0
        return None if turned else W

    def fold(self, knot: _Knot, step: float) -> float:
        """s where the tangent's last component vanishes, between the knot and `step` beyond it."""
        low, high = 0.0, step
        turn_low, turn_high = knot.tangent[-1], -np.inf
        s = float(knot.z[-1])
        for _ in range(40):
            ratio = turn_low / (turn_low - turn_high) if np.isfinite(turn_high) else 0.5
            middle = low + min(max(ratio, 0.1), 0.9) * (high - low)
            moved = self.next(knot, middle)
            if moved is None:
                high = middle
                continue
            s, turn = float(moved.z[-1]), float(moved.tangent[-1])
            if abs(turn) < 1e-5:
                break
            low, turn_low, high, turn_high = (
                (middle, turn, high, turn_high) if turn > 0 else (low, turn_low, middle, turn)
            )
        return s


def follow(line: Line, W: Array) -> Trace:
    """Follow the equilibrium W (k, d) of line.at(0) to s = 1 (W of full row rank)."""
    branch = _Branch(line, W)
    z = branch.join(W, 0.0)
    knot, step = branch.knot(z, np.append(np.zeros(W.size), 1.0)), FIRST_STEP
    for count in range(1, MAX_STEPS + 1):
        if step >= (1.0 - knot.z[-1]) / knot.tangent[-1]:
            landed = branch.landing(knot)
            if landed is not None:
                return Trace(landed, None, count, "reached")
            step = 0.4 * (1.0 - knot.z[-1]) / knot.tangent[-1]
        moved = branch.next(knot, step)
        if moved is None:
            step /= 3
            if step < MIN_STEP:
                return Trace(None, None, count, f"step too small at s = {knot.z[-1]:.6g}")
            continue
        if moved.tangent[-1] <= 0:
            return Trace(None, branch.fold(knot, step), count, "fold")
        knot, step = moved, 1.6 * step
    return Trace(None, None, MAX_STEPS, f"{MAX_STEPS} steps did not reach s = 1")
