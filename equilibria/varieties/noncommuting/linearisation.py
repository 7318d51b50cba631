"""The linearisation at an equilibrium of rank k, restricted to its core (theorems T7.0 and T7.1).

For a displacement (A (k, k), H (k, d)) of (P, W) and G (k, d) of the target, alpha = 1 units and
kappa = eta_P / eta_W,

    Z = G M - A W Sigma - P H Sigma
    dA = kappa (Z W^T + R H^T - eta A)
    dH = A^T R + P^T Z - eta H.

It splits as X (A, H) + B G: X for the frozen target, B for what the target sends back. With
stop-gradient G = H; the moving average adds dG = beta (H - G); maps are built from the same parts.

The rotations (Omega P - P Omega, Omega W) are always neutral. With equal decays the balance
functionals l(A, H) = H W^T + W H^T - A^T P - P^T A are left eigenvectors for -2 eta (T2.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import (
    Array,
    CoreEquilibrium,
    prediction_gap,
    symmetrised,
)


@dataclass(frozen=True, slots=True, eq=False)
class CoreLinearisation:
    """X and B as functions and as matrices; coordinates are (A, H), both in row-major order."""

    P: Array
    W: Array
    R: Array
    Sigma: Array
    M: Array
    eta: float
    kappa: float

    @property
    def shape(self) -> tuple[int, int]:
        """(k, d)."""
        return self.W.shape[0], self.W.shape[1]

    @property
    def size(self) -> int:
        """k^2 + k d, the number of coordinates of (A, H)."""
        k, d = self.shape
        return k * k + k * d

    def frozen(self, A: Array, H: Array) -> tuple[Array, Array]:
        """X (A, H) for A (..., k, k) and H (..., k, d)."""
        Z = -(A @ (self.W @ self.Sigma)) - self.P @ (H @ self.Sigma)
        dA = self.kappa * (Z @ self.W.T + self.R @ np.swapaxes(H, -1, -2) - self.eta * A)
        dH = np.swapaxes(A, -1, -2) @ self.R + self.P.T @ Z - self.eta * H
        return dA, dH

    def target(self, G: Array) -> tuple[Array, Array]:
        """B G for G (..., k, d)."""
        Z = G @ self.M
        return self.kappa * (Z @ self.W.T), self.P.T @ Z

    def split(self, x: Array) -> tuple[Array, Array]:
        """Coordinates (..., k^2 + k d) to (A, H)."""
        k, d = self.shape
        lead = x.shape[:-1]
        return x[..., : k * k].reshape(*lead, k, k), x[..., k * k :].reshape(*lead, k, d)

    def join(self, A: Array, H: Array) -> Array:
        """(A, H) to coordinates (..., k^2 + k d)."""
        k, d = self.shape
        lead = H.shape[:-2]
        return np.concatenate([A.reshape(*lead, k * k), H.reshape(*lead, k * d)], axis=-1)

    def frozen_matrix(self) -> Array:
        """X as a matrix (size, size)."""
        return self.join(*self.frozen(*self.split(np.eye(self.size)))).T

    def target_matrix(self) -> Array:
        """B as a matrix (size, k d)."""
        k, d = self.shape
        return self.join(*self.target(np.eye(k * d).reshape(k * d, k, d))).T

    def rotations(self) -> Array:
        """The k (k-1) / 2 neutral directions (Omega P - P Omega, Omega W) as rows."""
        k, _ = self.shape
        rows, columns = np.triu_indices(k, 1)
        Omega = np.zeros((rows.size, k, k))
        Omega[np.arange(rows.size), rows, columns] = 1.0
        Omega[np.arange(rows.size), columns, rows] = -1.0
        return self.join(Omega @ self.P - self.P @ Omega, Omega @ self.W)

    def without_balance(self, A: Array, H: Array) -> tuple[Array, Array]:
        """Project orthogonally onto the kernel of the balance functionals l.

        l l* is S -> 2 (C S + S C) with C = W W^T + P^T P, which is diagonal in an eigenbasis of C.
        """
        values, U = np.linalg.eigh(symmetrised(self.W @ self.W.T + self.P.T @ self.P))
        defect = H @ self.W.T - self.P.T @ A
        defect = U.T @ (defect + defect.T) @ U
        S = U @ (defect / (2 * (values[:, None] + values[None, :]))) @ U.T
        return A + 2 * self.P @ S, H - 2 * S @ self.W

    def inactive(self) -> Array:
        """Eigenvalues that one inactive output row adds besides k zeros (T7.1 with kappa).

        -(1 + kappa) eta (k times), -eta (d - k), -kappa spec(W Sigma W^T + eta) (k).
        """
        k, d = self.shape
        rates = np.linalg.eigvalsh(symmetrised(self.W @ self.Sigma @ self.W.T)) + self.eta
        mixed = np.full(k, -(1 + self.kappa) * self.eta)
        return np.concatenate([mixed, np.full(d - k, -self.eta), -self.kappa * rates])


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedCore:
    """An equilibrium with `n` outputs, at least its rank, and the moments and decays it is one of.

    Sigma, M (d, d); eta = eta_W; kappa = eta_P / eta_W.
    """

    core: CoreEquilibrium
    Sigma: Array
    M: Array
    eta: float
    n: int
    kappa: float = 1.0

    def linearised(self) -> CoreLinearisation:
        """Return the linearisation of the core's own system, without the inactive outputs."""
        return linearise(self.core, self.Sigma, self.M, self.eta, kappa=self.kappa)


def linearise(
    core: CoreEquilibrium, Sigma: Array, M: Array, eta: float, *, kappa: float = 1.0
) -> CoreLinearisation:
    """The linearisation at a core equilibrium; kappa = eta_P / eta_W."""
    R = prediction_gap(core.P, core.W, Sigma, M)
    return CoreLinearisation(core.P, core.W, R, Sigma, M, eta, kappa)
