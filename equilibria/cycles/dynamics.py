"""The core system away from equilibria: field, step, tangent, symmetry.

State: P (k, k), W (k, d), then the velocities V_P, V_W if there is heavy-ball momentum, then the
target T (k, d) if it is a moving average, all row-major, in the order of `noncommuting.systems`:

    R = T M - P W Sigma,   F = (kappa (R W^T - eta P), P^T R - eta W),   dT = beta (W - T)
    map: V+ = nu V + F,   (P, W)+ = (P, W) + h V+,   T+ = mu T + (1 - mu) W+

g in O(k) acts by P -> g P g^T, V_P -> g V_P g^T and W, V_W, T -> g W, ... The tangent of the flow
is the linearisation of `noncommuting`, which is exact at every point once R is the R there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.cycles.setting import Setting
from equilibria.noncommuting.core import Array, CoreEquilibrium
from equilibria.noncommuting.linearisation import CoreLinearisation


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """A setting on k output rows; states are vectors (size,), tangents columns (size, m)."""

    setting: Setting
    k: int

    @property
    def own(self) -> int:
        """k^2 + k d, the coordinates of (P, W)."""
        return self.k * (self.k + self.setting.d)

    @property
    def size(self) -> int:
        """The number of coordinates of a state."""
        with_momentum = self.setting.is_map and self.setting.nu
        target = self.k * self.setting.d if self.setting.averaged else 0
        return self.own * (2 if with_momentum else 1) + target

    def split(self, x: Array) -> tuple[Array, Array, Array]:
        """(P, W, T) of a state (..., size); T is W without a moving average."""
        P, W = self._pair(x[..., : self.own])
        if not self.setting.averaged:
            return P, W, W
        k, d = self.k, self.setting.d
        return P, W, x[..., x.shape[-1] - k * d :].reshape(*x.shape[:-1], k, d)

    def at_rest(self, P: Array, W: Array) -> Array:
        """The state with this P and W, the target on the encoder and no velocity."""
        x = np.zeros(self.size)
        x[: self.own] = np.concatenate([P.ravel(), W.ravel()])
        if self.setting.averaged:
            x[x.size - W.size :] = W.ravel()
        return x

    def at(self, core: CoreEquilibrium) -> Array:
        """The state of an equilibrium."""
        return self.at_rest(core.P, core.W)

    def gram(self, x: Array) -> Array:
        """G = W^T W (..., d, d) of states (..., size)."""
        _, W, _ = self.split(x)
        return np.swapaxes(W, -1, -2) @ W

    def force(self, x: Array) -> Array:
        """F (own,) at a state."""
        s = self.setting
        P, W, T = self.split(x)
        R = T @ s.M - P @ (W @ s.Sigma)
        dP, dW = s.kappa * (R @ W.T - s.eta * P), P.T @ R - s.eta * W
        return np.concatenate([dP.ravel(), dW.ravel()])

    def field(self, x: Array) -> Array:
        """The right-hand side of the flow."""
        dx = self.force(x)
        if self.setting.beta is None:
            return dx
        _, W, T = self.split(x)
        return np.append(dx, self.setting.beta * (W - T))

    def tangent(self, x: Array, V: Array) -> Array:
        """The derivative of `field` at x applied to the columns of V (size, m)."""
        s = self.setting
        P, W, T = self.split(x)
        lin = CoreLinearisation(P, W, T @ s.M - P @ (W @ s.Sigma), s.Sigma, s.M, s.eta, s.kappa)
        A, H, G = self.split(V.T)
        A, H = (one + two for one, two in zip(lin.frozen(A, H), lin.target(G), strict=True))
        dV = lin.join(A, H).T
        if s.beta is None:
            return dV
        k, d = lin.shape
        return np.vstack([dV, s.beta * (V[k * k : self.own] - V[self.own :])])

    def step(self, x: Array) -> Array:
        """The next state of the map."""
        s = self.setting
        assert s.h is not None
        velocity = self.force(x)
        if s.nu:
            velocity = velocity + s.nu * x[self.own : 2 * self.own]
        after = x[: self.own] + s.h * velocity
        parts = [after, velocity] if s.nu else [after]
        if s.mu is not None:
            _, _, T = self.split(x)
            parts.append((s.mu * T + (1 - s.mu) * self._pair(after)[1]).ravel())
        return np.concatenate(parts)

    def rotated(self, x: Array, g: Array) -> Array:
        """g acting on a state (..., size)."""
        parts = []
        for P, W in self._pairs(x):
            parts += [g @ P @ g.T, g @ W]
        if self.setting.averaged:
            parts.append(g @ self.split(x)[2])
        lead = x.shape[:-1]
        return np.concatenate([part.reshape(*lead, -1) for part in parts], axis=-1)

    def rotations(self, x: Array) -> Array:
        """The directions (Omega P - P Omega, Omega W, ...) as rows, one for each plane."""
        rows = []
        for Omega in skew_basis(self.k):
            parts = []
            for P, W in self._pairs(x):
                parts += [(Omega @ P - P @ Omega).ravel(), (Omega @ W).ravel()]
            if self.setting.averaged:
                parts.append((Omega @ self.split(x)[2]).ravel())
            rows.append(np.concatenate(parts))
        return np.array(rows).reshape(-1, x.size)

    def balances(self, x: Array) -> Array:
        """The derivatives of the k (k+1)/2 entries of W W^T - P^T P as rows (T2.1)."""
        k, d = self.k, self.setting.d
        P, W, _ = self.split(x)
        unit = np.eye(self.own)
        A, H = self._pair(unit)
        B = H @ W.T + W @ np.swapaxes(H, -1, -2)
        B = B - np.swapaxes(A, -1, -2) @ P - P.T @ A
        upper = np.triu_indices(k)
        rows = np.zeros((k * (k + 1) // 2, self.size))
        rows[:, : k * k + k * d] = B[:, upper[0], upper[1]].T
        return rows

    def _pair(self, x: Array) -> tuple[Array, Array]:
        k, lead = self.k, x.shape[:-1]
        return x[..., : k * k].reshape(*lead, k, k), x[..., k * k :].reshape(*lead, k, -1)

    def _pairs(self, x: Array) -> list[tuple[Array, Array]]:
        """(P, W) and, with momentum, (V_P, V_W)."""
        count = 2 if self.setting.is_map and self.setting.nu else 1
        return [self._pair(x[..., i * self.own : (i + 1) * self.own]) for i in range(count)]


def skew_basis(k: int) -> Array:
    """The antisymmetric e_a e_b^T - e_b e_a^T, a < b."""
    rows, columns = np.triu_indices(k, 1)
    basis = np.zeros((rows.size, k, k))
    basis[np.arange(rows.size), rows, columns] = 1.0
    basis[np.arange(rows.size), columns, rows] = -1.0
    return basis


def aligning(X: Array, Y: Array) -> Array:
    """The orthogonal g (k, k) for which |g X - Y| is least."""
    U, _, Vt = np.linalg.svd(Y @ X.T)
    return np.asarray(U @ Vt)
