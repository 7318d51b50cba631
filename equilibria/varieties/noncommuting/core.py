"""Equilibria of rank k, written on their core: the k output rows on which anything happens.

Everywhere in this package the predictor's learning-rate ratio has been scaled away (theorems T0.1
and T0.3: alpha is a unit of length for the encoder), so an equilibrium with decay eta > 0 is

    R W^T = eta P,    P^T R = eta W,    R = W M - P W Sigma,                        (flow = 0)

with Sigma (d, d) symmetric positive definite and M (d, d) symmetric. By T6.1 an equilibrium of
rank k lives on k orthonormal output directions, W = P^T Q with Q Q^T = I_k and R = eta Q; n > k
rows only add zeros to P and W. The same points are equilibria of stop-gradient, of the moving
average (T = W) and fixed points of every Euler map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating[Any]]
ComplexArray = npt.NDArray[np.complex128]


@dataclass(frozen=True, slots=True, eq=False)
class CoreEquilibrium:
    """One orbit of equilibria of rank k under O(n), by a representative on its core.

    P (k, k) and W (k, d) are in alpha = 1 units; `residual` is the relative size of the flow there
    (see `relative_residual`); `origin` names the method that found it.
    """

    P: Array
    W: Array
    rank: int
    residual: float
    label: str
    origin: str

    @property
    def gram(self) -> Array:
        """G = W^T W (d, d), the same for every representative of the orbit."""
        return self.W.T @ self.W

    def embedded(self, n: int, *, alpha: float = 1.0) -> tuple[Array, Array]:
        """Return (P (n, n), W (n, d)) of the full system with rate ratio alpha.

        With unequal decays pass a = alpha / kappa in place of alpha (T0.3).
        """
        k, d = self.W.shape
        if n < k:
            raise ValueError(f"n = {n}: an equilibrium of rank {k} needs at least {k} outputs")
        P, W = np.zeros((n, n)), np.zeros((n, d))
        P[:k, :k], W[:k] = self.P, self.W / np.sqrt(alpha)
        return P, W


def check_moments(Sigma: Array, M: Array, eta: float) -> None:
    """Raise ValueError unless Sigma is symmetric positive definite, M symmetric and eta >= 0."""
    if Sigma.ndim != 2 or Sigma.shape != M.shape or Sigma.shape[0] != Sigma.shape[1]:
        raise ValueError(f"Sigma {Sigma.shape}, M {M.shape}: expected two square matrices alike")
    for name, matrix in (("Sigma", Sigma), ("M", M)):
        gap = float(np.abs(matrix - matrix.T).max(initial=0.0))
        if not gap <= 1e-10 * float(np.abs(matrix).max(initial=0.0)):
            raise ValueError(f"{name} is not symmetric, largest difference {gap:.1e}")
    if not np.linalg.eigvalsh(Sigma)[0] > 0:
        raise ValueError("Sigma is not positive definite")
    if not (np.isfinite(eta) and eta >= 0):
        raise ValueError(f"eta = {eta}: the weight decay must be a finite number >= 0")


def prediction_gap(P: Array, W: Array, Sigma: Array, M: Array) -> Array:
    """R = W M - P W Sigma (k, d): what the predictor still gets wrong when the target is W."""
    return W @ M - P @ W @ Sigma


def flow(P: Array, W: Array, Sigma: Array, M: Array, eta: float) -> tuple[Array, Array]:
    """The stop-gradient flow (dP (k, k), dW (k, d)) in alpha = 1 units, equal decays."""
    R = prediction_gap(P, W, Sigma, M)
    return R @ W.T - eta * P, P.T @ R - eta * W


def relative_residual(P: Array, W: Array, Sigma: Array, M: Array, eta: float) -> float:
    """|flow| divided by the sum of the sizes of the terms that must cancel in it."""
    dP, dW = flow(P, W, Sigma, M, eta)
    norm = np.linalg.norm
    terms = norm(W @ M @ W.T) + norm(P.T @ W @ M) + eta * (norm(P) + norm(W))
    return float(np.hypot(norm(dP), norm(dW)) / terms) if terms else 0.0


def core_equilibrium(
    P: Array, W: Array, Sigma: Array, M: Array, eta: float, *, label: str, origin: str
) -> CoreEquilibrium:
    """Wrap a point (P (k, k), W (k, d)) together with its measured residual."""
    residual = relative_residual(P, W, Sigma, M, eta)
    return CoreEquilibrium(P, W, W.shape[0], residual, label, origin)


def collapse(d: int) -> CoreEquilibrium:
    """The equilibrium W = 0, P = 0: rank 0, an empty core."""
    return CoreEquilibrium(np.zeros((0, 0)), np.zeros((0, d)), 0, 0.0, "rank0", "exact")


def symmetrised(X: Array) -> Array:
    """(X + X^T) / 2."""
    return 0.5 * (X + X.T)


def spd_sqrt(X: Array) -> Array:
    """The positive semidefinite square root of a symmetric matrix; negative dust becomes 0."""
    values, vectors = np.linalg.eigh(symmetrised(X))
    root: Array = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root
