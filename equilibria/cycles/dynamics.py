"""The core system away from equilibria: field, step, Jacobian, symmetry.

State: P (k, k), W (k, d), then the velocities V_P, V_W if there is heavy-ball momentum, then the
target T (k, d) if it is a moving average, all row-major, in the order of `noncommuting.systems`:

    R = T M - P W Sigma,   F = (kappa (R W^T - eta P), P^T R - eta W),   dT = beta (W - T)
    map: V+ = nu V + F,   (P, W)+ = (P, W) + h V+,   T+ = mu T + (1 - mu) W+

g in O(k) acts by P -> g P g^T, V_P -> g V_P g^T and W, T -> g W, g T.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

import numpy as np

from equilibria.cycles.setting import Setting
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium


@dataclass(frozen=True, slots=True, eq=False)
class Dynamics:
    """A setting on k output rows; states are vectors (size,)."""

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
        """F (..., own) at states (..., size)."""
        s = self.setting
        P, W, T = self.split(x)
        R = T @ s.M - P @ (W @ s.Sigma)
        dP = s.kappa * (R @ np.swapaxes(W, -1, -2) - s.eta * P)
        return self._join(dP, np.swapaxes(P, -1, -2) @ R - s.eta * W)

    def field(self, x: Array) -> Array:
        """The right-hand side of the flow at states (..., size)."""
        dx = self.force(x)
        if self.setting.beta is None:
            return dx
        _, W, T = self.split(x)
        dT = self.setting.beta * (W - T)
        return np.concatenate([dx, dT.reshape(*x.shape[:-1], -1)], axis=-1)

    def jacobian(self, x: Array) -> Array:
        """The derivative (..., size, size) of `field` at states (..., size)."""
        s = self.setting
        P, W, T = (part[..., None, :, :] for part in self.split(x))
        A, H, G = self.split(np.eye(x.shape[-1]))
        R, WS = T @ s.M - P @ (W @ s.Sigma), W @ s.Sigma
        Z = G @ s.M - A @ WS - P @ (H @ s.Sigma)
        At, Ht, Wt, Pt = (np.swapaxes(part, -1, -2) for part in (A, H, W, P))
        dA = s.kappa * (Z @ Wt + R @ Ht - s.eta * A)
        rows = self._join(dA, At @ R + Pt @ Z - s.eta * H)
        if s.beta is not None:
            dG = s.beta * (H - G).reshape(H.shape[0], -1)
            dG = np.broadcast_to(dG, (*rows.shape[:-1], dG.shape[-1]))
            rows = np.concatenate([rows, dG], axis=-1)
        return np.swapaxes(rows, -1, -2)

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

    def _join(self, A: Array, H: Array) -> Array:
        lead = A.shape[:-2]
        return np.concatenate([A.reshape(*lead, -1), H.reshape(*lead, -1)], axis=-1)

    def _pair(self, x: Array) -> tuple[Array, Array]:
        k, lead = self.k, x.shape[:-1]
        return x[..., : k * k].reshape(*lead, k, k), x[..., k * k :].reshape(*lead, k, -1)

    def _pairs(self, x: Array) -> list[tuple[Array, Array]]:
        """(P, W) and, with momentum, (V_P, V_W)."""
        count = 2 if self.setting.is_map and self.setting.nu else 1
        return [self._pair(x[..., i * self.own : (i + 1) * self.own]) for i in range(count)]


def plain_field(dynamics: Dynamics, *, most: float = np.inf) -> Callable[[Array], Array]:
    """`Dynamics.field` for one state at a time, several times faster: for integrators.

    Raises `LinAlgError` after `most` evaluations: an integrator can get stuck.
    """
    s, k, d = dynamics.setting, dynamics.k, dynamics.setting.d
    Sigma, M, eta, kappa, beta = s.Sigma, s.M, s.eta, s.kappa, s.beta
    square, own = k * k, dynamics.own
    calls = count(1)

    def field(x: Array) -> Array:
        if next(calls) > most:
            raise np.linalg.LinAlgError(f"no end after {most:.0f} evaluations of the flow")
        P, W = x[:square].reshape(k, k), x[square:own].reshape(k, d)
        T = W if beta is None else x[own:].reshape(k, d)
        R = T @ M - P @ (W @ Sigma)
        dx = np.empty_like(x)
        dx[:square] = (kappa * (R @ W.T - eta * P)).ravel()
        dx[square:own] = (P.T @ R - eta * W).ravel()
        if beta is not None:
            dx[own:] = (beta * (W - T)).ravel()
        return dx

    return field


def dynamics_of(setting: Setting, x: Array) -> Dynamics:
    """The dynamics of which x is a state: k from its number of coordinates."""
    for k in range(1, x.size + 1):
        dynamics = Dynamics(setting, k)
        if dynamics.size >= x.size:
            break
    if dynamics.size != x.size:
        raise ValueError(f"a state of {x.size} numbers does not fit d = {setting.d}")
    return dynamics


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
