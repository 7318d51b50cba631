"""Looking for oscillation near given moments: how far is the nearest loss of stability by a pair?

The system is moved by a vector theta, zero for the given one:

    Sigma -> S exp(E) S,   S = Sigma^{1/2},    K -> tanh(artanh(K) + F),   M = Sigma^{1/2} K Sigma^{1/2},
    eta -> eta exp(e),     beta -> beta exp(b),

with E, F symmetric (all d (d+1)/2 entries each), so that Sigma stays positive definite and
|K| < 1. The distance is |theta|, the Frobenius norm of (E, F, e, b) together: 0.1 is a change of
about ten per cent. The objective is the margin of the leading non-real pair at the most learned
equilibrium of rank min(n, d), relative to the size of that pair; it is climbed from several random
displacements, and from the first instability found the boundary is approached by projections onto
its linearisation (Hasofer-Lind), which leads to a nearest point of it. Local methods: what is found
is an upper bound of the distance, and finding nothing proves nothing, except for moments that
commute and do not move, where there is nothing to find (T7.4, T7.5).
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import scipy.linalg as sla

from equilibria.cycles.pairs import leading_pair, margin, others_unstable
from equilibria.cycles.setting import Setting, of_model
from equilibria.model import Model
from equilibria.moments import Moments
from equilibria.noncommuting.core import Array, CoreEquilibrium, spd_sqrt, symmetrised

Moving = Literal["Sigma", "M", "eta", "beta"]
STARTS = 8
CLIMBS = 60
PROJECTIONS = 25
DIFFERENCE = 1e-5
ON_BOUNDARY = 1e-7  # of a segment
ROUGH, FINE = 0.02, 1e-5  # gain of a projection that is worth another one
NO_PAIR = -2.0  # objective where the spectrum is real; above it, less the gap to a real collision


@dataclass(frozen=True, slots=True, eq=False)
class Oscillation:
    """The nearest instability found: the system there, its distance, the pair that crosses.

    The point lies just outside the boundary. `distance` is 0 where the given system itself
    oscillates. `others` counts further unstable eigenvalues: 0 means that a stable equilibrium loses
    its stability there through this pair.
    """

    setting: Setting
    core: CoreEquilibrium
    distance: float
    pair: complex
    others: int
    moved: tuple[tuple[str, float], ...]

    @property
    def moments(self) -> Moments:
        """The moments of the point."""
        return Moments.dense(self.setting.Sigma, self.setting.M, source="search")

    def to_json(self) -> dict[str, Any]:
        """Return the object `found`."""
        return {
            "distance": self.distance,
            "moved": dict(self.moved),
            "Sigma": self.setting.Sigma.tolist(),
            "M": self.setting.M.tolist(),
            "weight_decay": self.setting.eta,
            "flow_rate": self.setting.beta,
            "eigenvalue": [self.pair.real, self.pair.imag],
            "other_unstable": self.others,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What a search did and found; `found` is None where it found nothing, which proves nothing."""

    found: Oscillation | None
    radius: float
    seed: int
    starts: int
    evaluations: int
    best: float
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return the object `search`."""
        return {
            "found": None if self.found is None else self.found.to_json(),
            "radius": self.radius,
            "seed": self.seed,
            "starts": self.starts,
            "evaluations": self.evaluations,
            "best_objective": self.best,
            "reason": self.reason,
        }


def search_oscillation(
    moments: Moments,
    model: Model,
    *,
    radius: float = 1.0,
    seed: int = 0,
    time_limit: float = 60.0,
    moving: Sequence[Moving] | None = None,
    starts: int = STARTS,
) -> Search:
    """Look within `radius` of the given moments and rates for a loss of stability by a pair.

    The rates are those of `model`. By default everything moves that the procedure has. Equal seeds
    give equal results unless the time limit cuts the search short, which `reason` then says.
    """
    setting = of_model(model)
    sigma, m = moments.matrices()
    setting = Setting(
        np.array(sigma), np.array(m), setting.eta, beta=setting.beta, kappa=setting.kappa
    )
    names = tuple(moving) if moving is not None else get_args(Moving)
    if setting.beta is None:
        names = tuple(name for name in names if name != "beta")
    chart = _Chart(setting, names, min(model.n, moments.dimension))
    if not chart.size:
        raise ValueError("nothing may move: give at least one of Sigma, M, eta, beta")
    return _Climber(chart, radius, seed, time_limit).run(starts)


class _Chart:
    """theta -> setting, equilibrium, objective."""

    def __init__(self, setting: Setting, moving: Sequence[str], rank: int) -> None:
        self.base, self.moving, self.rank = setting, moving, rank
        d = setting.d
        self.root = spd_sqrt(setting.Sigma)
        inverse = np.linalg.inv(self.root)
        values, self.vectors = np.linalg.eigh(symmetrised(inverse @ setting.M @ inverse))
        self.cap = max(1.0, float(np.abs(values).max()) * (1 + 1e-3))
        self.angles = np.arctanh(np.clip(values / self.cap, -1 + 1e-12, 1 - 1e-12))
        each = d * (d + 1) // 2
        sizes = {"Sigma": each, "M": each, "eta": 1, "beta": 1}
        self.parts: dict[str, slice] = {}
        self.size = 0
        for name in moving:
            self.parts[name] = slice(self.size, self.size + sizes[name])
            self.size += sizes[name]
        self.evaluations = 0

    def setting(self, theta: Array) -> Setting:
        base = self.base
        parts = {name: theta[place] for name, place in self.parts.items()}
        root, M, eta, beta = self.root, base.M, base.eta, base.beta
        Sigma = base.Sigma
        if "Sigma" in parts:
            Sigma = symmetrised(root @ sla.expm(self._symmetric(parts["Sigma"])) @ root)
            root = spd_sqrt(Sigma)
        if "Sigma" in parts or "M" in parts:
            U, angles = self.vectors, np.diag(self.angles)
            if "M" in parts:
                values, V = np.linalg.eigh(angles + U.T @ self._symmetric(parts["M"]) @ U)
                U, angles = U @ V, np.diag(values)
            K = (U * (self.cap * np.tanh(np.diag(angles)))) @ U.T
            M = symmetrised(root @ K @ root)
        if "eta" in parts:
            eta = eta * float(np.exp(parts["eta"][0]))
        if "beta" in parts and beta is not None:
            beta = beta * float(np.exp(parts["beta"][0]))
        return Setting(Sigma, M, eta, beta=beta, kappa=base.kappa)

    def _symmetric(self, entries: Array) -> Array:
        """The symmetric matrix of Frobenius norm |entries|."""
        d = self.base.d
        X = np.zeros((d, d))
        rows, columns = np.triu_indices(d)
        X[rows, columns] = np.where(rows == columns, entries, entries / np.sqrt(2))
        return X + X.T - np.diag(np.diag(X))

    def equilibrium(self, theta: Array) -> tuple[Setting, CoreEquilibrium] | None:
        self.evaluations += 1
        try:
            setting = self.setting(theta)
            core = setting.largest(self.rank)
        except (ValueError, np.linalg.LinAlgError):
            return None
        return None if core is None else (setting, core)

    def objective(self, theta: Array) -> float:
        """Margin of the leading pair over its size; NO_PAIR for a real spectrum; -inf for none."""
        place = self.equilibrium(theta)
        if place is None:
            return -np.inf
        pair = leading_pair(*place)
        if pair is None:
            return NO_PAIR
        return float(margin(place[0], np.array([pair]))[0] / abs(pair))

    def distances(self, theta: Array) -> tuple[tuple[str, float], ...]:
        parts = self.parts.items()
        return tuple((name, float(np.linalg.norm(theta[place]))) for name, place in parts)


class _Climber:
    def __init__(self, chart: _Chart, radius: float, seed: int, time_limit: float) -> None:
        self.chart, self.radius, self.seed = chart, radius, seed
        self.deadline = time.monotonic() + time_limit
        self.best = -np.inf
        self.cut = False

    def run(self, starts: int) -> Search:
        chart, zero = self.chart, np.zeros(self.chart.size)
        if self._value(zero) > 0:
            return self._result(zero, 1, "the given system itself has an unstable focus")
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
            return self._result(None, done, reason)
        nearest = self._nearer(nearest, FINE)
        return self._result(nearest, done, f"the nearest found from {done} starts{cut}")

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
        """An unstable point next to the boundary on the segment, by bisection."""
        low, high = 0.0, 1.0
        while high - low > ON_BOUNDARY:
            middle = 0.5 * (low + high)
            if self._value(stable + middle * (unstable - stable)) > 0:
                high = middle
            else:
                low = middle
        return stable + high * (unstable - stable)

    def _result(self, theta: Array | None, starts: int, reason: str) -> Search:
        found = None
        if theta is not None:
            place = self.chart.equilibrium(theta)
            assert place is not None
            setting, core = place
            pair = leading_pair(setting, core)
            assert pair is not None
            found = Oscillation(
                setting,
                core,
                float(np.linalg.norm(theta)),
                pair,
                others_unstable(setting, core, pair),
                self.chart.distances(theta),
            )
        count = self.chart.evaluations
        return Search(found, self.radius, self.seed, starts, count, float(self.best), reason)
