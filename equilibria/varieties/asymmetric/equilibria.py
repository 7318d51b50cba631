"""Equilibria for any M: all of rank one, and the largest of full rank.

In units with a = alpha eta/eta_P the equilibria are balanced, a W W^T = P^T P (T6.1), and

    rank one    w (p^2 Sigma - p M + eta) = 0, a left eigenvector of a quadratic pencil (T30.4)
    full rank   Z = a G + eta Sigma^-1 with Z^2 = N^T (Z - eta Sigma^-1) N,  G = W^T W,  N = M Sigma^-1

where iteration from above descends to the largest solution, whatever the symmetry of M (T6.7).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla
from numpy.typing import NDArray

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model

Array = NDArray[np.float64]
REAL = 1e-8
SETTLED = 1e-13
STEPS = 400
ACCEPTED = 1e-9


@dataclass(frozen=True)
class Point:
    """An equilibrium (W, P), n x d and n x n; `p` is the predictor's eigenvalue at rank one."""

    W: Array
    P: Array
    rank: int
    p: float | None = None


@dataclass(frozen=True)
class Data:
    """Moments and rates in floating point."""

    sigma: Array
    m: Array
    n: int
    alpha: float
    eta: float
    eta_p: float

    @classmethod
    def of(cls, model: Model) -> Data:
        sigma, m = model.moments.matrices()
        rates = (to_float(model.alpha), to_float(model.eta), to_float(model.eta_p))
        return cls(sigma, m, model.n, *rates)

    @property
    def a(self) -> float:
        return self.alpha * self.eta / self.eta_p

    def residual(self, W: Array, P: Array) -> float:
        """Return the size of the flow relative to that of its terms."""
        gap = W @ self.m - P @ W @ self.sigma
        moved = max(
            np.abs(P.T @ gap - self.eta * W).max(),
            np.abs(self.alpha * gap @ W.T - self.eta_p * P).max(),
        )
        scale = max(np.abs(P.T @ W @ self.m).max(), np.abs(self.alpha * W @ self.m @ W.T).max())
        return float(moved / scale) if scale else 0.0


def rank_one(data: Data) -> list[Point]:
    """Return the equilibria of rank one by descending p: real eigenvalues of the pencil.

    A pair of eigenvalues within 1e-8 of meeting counts as real.
    """
    d = len(data.sigma)
    # (p u, u) with u = w^T: p^2 Sigma u - p M^T u + eta u = 0.
    left = np.block([[data.m.T, -data.eta * np.eye(d)], [np.eye(d), np.zeros((d, d))]])
    right = sla.block_diag(data.sigma, np.eye(d))
    values, vectors = sla.eig(left, right)
    found = []
    for p, vector in zip(values, vectors.T, strict=True):
        if abs(p.imag) <= REAL * abs(p) and p.imag >= 0 and abs(p) > 0:
            found.append(_row(data, float(p.real), vector[d:]))
    found.sort(key=lambda point: -(point.p or 0.0))
    return [point for point in found if data.residual(point.W, point.P) <= ACCEPTED]


def _row(data: Data, p: float, vector: NDArray[np.complex128]) -> Point:
    turned = vector * np.exp(-1j * np.angle(vector[np.argmax(np.abs(vector))]))
    row = turned.real / np.linalg.norm(turned.real)
    W, P = np.zeros((data.n, len(row))), np.zeros((data.n, data.n))
    W[0], P[0, 0] = abs(p) / np.sqrt(data.a) * row, p
    return Point(W, P, 1, p)


def full_rank(data: Data) -> Point | None:
    """Return the largest equilibrium of rank d, None where there is none or n < d (T6.7)."""
    d = len(data.sigma)
    if data.n < d or d == 1:
        return None
    inverse = np.linalg.inv(data.sigma)
    N = data.m @ inverse
    shift = data.eta * inverse
    Z = np.linalg.norm(N, 2) ** 2 * np.eye(d) + shift
    for _ in range(STEPS):
        after = _root(N.T @ (Z - shift) @ N)
        if after is None:
            return None
        change = np.abs(after - Z).max()
        Z = after
        if change <= SETTLED * np.abs(Z).max():
            break
    gram = (Z - shift) / data.a
    values, vectors = np.linalg.eigh(gram)
    if values[0] <= ACCEPTED * values[-1]:
        return None
    W = np.zeros((data.n, d))
    W[:d] = (vectors * np.sqrt(values)) @ vectors.T
    P = np.zeros((data.n, data.n))
    square = W[:d] @ data.sigma @ W[:d].T + data.eta_p / data.alpha * np.eye(d)
    P[:d, :d] = np.linalg.solve(square.T, (W[:d] @ data.m @ W[:d].T).T).T
    return Point(W, P, d) if data.residual(W, P) <= ACCEPTED else None


def _root(matrix: Array) -> Array | None:
    """Return the square root of a symmetric matrix, None where it is not positive semidefinite."""
    values, vectors = np.linalg.eigh((matrix + matrix.T) / 2)
    if values[0] < -ACCEPTED * max(values[-1], 0.0) or values[-1] <= 0:
        return None
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T)


def collapse_bound(data: Data) -> float:
    """Return lambda_max(M Sigma^-1 M^T)/4: beyond it there is no other equilibrium (T2.4, T30.1)."""
    return float(np.linalg.eigvalsh(data.m @ np.linalg.solve(data.sigma, data.m.T))[-1]) / 4
