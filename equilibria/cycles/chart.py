"""A neighbourhood of given moments and rates, as a ball in a vector space.

theta = (E, F, e, b), zero for the given system, moves it to

    Sigma -> S exp(E) S,   S = Sigma^{1/2},    K -> tanh(artanh(K) + F),   M = Sigma^{1/2} K Sigma^{1/2},
    eta -> eta exp(e),     beta -> beta exp(b),

with E, F symmetric (all d (d+1)/2 entries each), so that Sigma stays positive definite and |K| < 1;
where |K| >= 1 to begin with, K is measured in units of its norm instead (T0.2). |theta| is the
Frobenius norm of (E, F, e, b) together: 0.1 is a change of about ten per cent.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from equilibria.cycles.pairs import leading_pair, margin
from equilibria.cycles.setting import Setting
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium, spd_sqrt, symmetrised

NEXT = 0.2  # relative change of G up to which an equilibrium counts as the same
NO_PAIR = -2.0  # objective where the spectrum is real; a pair gives at least -1


class Chart:
    """theta -> setting, equilibrium, objective; `evaluations` counts equilibria solved for."""

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
        self.last: Array | None = None

    def setting(self, theta: Array) -> Setting:
        """The system at theta."""
        base = self.base
        parts = {name: theta[place] for name, place in self.parts.items()}
        root, M, eta, beta = self.root, base.M, base.eta, base.beta
        Sigma = base.Sigma
        if "Sigma" in parts:
            Sigma = symmetrised(root @ _exponential(self._symmetric(parts["Sigma"])) @ root)
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
        """The system at theta and its most learned equilibrium, if there is one."""
        self.evaluations += 1
        try:
            setting = self.setting(theta)
            core = self._followed(setting) or setting.largest(self.rank)
        except (ValueError, np.linalg.LinAlgError):
            return None
        if core is None:
            return None
        self.last = core.W
        return setting, core

    def _followed(self, setting: Setting) -> CoreEquilibrium | None:
        """The equilibrium next to the last one, which costs less than starting from nothing."""
        if self.last is None:
            return None
        core, before = setting.near(self.last), self.last.T @ self.last
        if core is None or np.linalg.norm(core.gram - before) > NEXT * np.linalg.norm(before):
            return None
        return core

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
        """How far each part has moved."""
        parts = self.parts.items()
        return tuple((name, float(np.linalg.norm(theta[place]))) for name, place in parts)


def _exponential(X: Array) -> Array:
    """exp of a symmetric matrix."""
    values, vectors = np.linalg.eigh(X)
    return np.asarray((vectors * np.exp(values)) @ vectors.T)
