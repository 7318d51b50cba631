"""Full-rank equilibria through the Gram equation (theorems T6.2 and T6.7).

With X = W^T W (alpha = 1 units) equilibria of rank d are the symmetric solutions of

    M X M = (Sigma X + eta)(X Sigma + eta),    P = A^T,  W = A,  A = (X Sigma + eta) M^{-1},

and with Y = X + eta Sigma^{-1}, N = M Sigma^{-1} they are the fixed points of the order-preserving
concave map Phi(Y) = (N^T (Y - eta Sigma^{-1}) N)^{1/2}. Started above every solution, Phi and
Newton's method for Y^2 = N^T (Y - eta Sigma^{-1}) N both decrease to the largest one: leaving the
cone Y > eta Sigma^{-1} therefore proves that no full-rank equilibrium exists.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg as ssl

from equilibria.varieties.noncommuting.core import (
    Array,
    CoreEquilibrium,
    check_moments,
    core_equilibrium,
    spd_sqrt,
    symmetrised,
)
from equilibria.varieties.noncommuting.newton import refined

POLISHED_UP_TO = 40  # dimension d up to which Newton on the core (d^2 unknowns) finishes the job


@dataclass(frozen=True, slots=True, eq=False)
class FullRank:
    """The largest full-rank equilibrium, or None with the reason why there is none."""

    equilibrium: CoreEquilibrium | None
    reason: str


def gram_residual(G: Array, Sigma: Array, M: Array, eta: float) -> float:
    """Relative residual of T6.2 (any rank): M G M = Sigma G^2 Sigma + eta(..) + eta^2 Pi_G."""
    values, vectors = np.linalg.eigh(symmetrised(G))
    range_G = vectors[:, values > 1e-10 * values[-1]]
    left = M @ G @ M
    right = Sigma @ G @ G @ Sigma + eta * (Sigma @ G + G @ Sigma) + eta**2 * range_G @ range_G.T
    return float(np.linalg.norm(left - right) / (np.linalg.norm(left) + np.linalg.norm(right)))


def maximal_full_rank(Sigma: Array, M: Array, eta: float) -> FullRank:
    """The equilibrium with the largest W^T W among those of rank d, for eta > 0 (T6.7)."""
    check_moments(Sigma, M, eta)
    if np.linalg.cond(M) > 1e13:
        return FullRank(None, "M is singular, so every equilibrium has rank below d")
    Y, reason = _largest_fixed_point(Sigma, M, eta)
    if Y is None:
        return FullRank(None, reason)
    X = symmetrised(Y - eta * np.linalg.inv(Sigma))
    A = np.linalg.solve(M, Sigma @ X + eta * np.eye(X.shape[0])).T
    label, origin = "full rank, maximal", "gram"
    if X.shape[0] <= POLISHED_UP_TO:
        polished = refined(A, Sigma, M, eta, label=label, origin=origin)
        if polished is not None and np.linalg.norm(polished.gram - X) <= 1e-4 * np.linalg.norm(X):
            return FullRank(_body_frame(polished, Sigma, M, eta), reason)
    found = core_equilibrium(A.T, A, Sigma, M, eta, label=label, origin=origin)
    return FullRank(found, reason)


def _body_frame(e: CoreEquilibrium, Sigma: Array, M: Array, eta: float) -> CoreEquilibrium:
    """The representative with P = W^T (Q = I), which exists for every full-rank equilibrium."""
    Q = np.linalg.solve(e.P.T, e.W)
    P, W = Q.T @ e.P @ Q, Q.T @ e.W
    return core_equilibrium(P, W, Sigma, M, eta, label=e.label, origin=e.origin)


def _largest_fixed_point(Sigma: Array, M: Array, eta: float) -> tuple[Array | None, str]:
    """Decrease from ||N||^2 I: a few steps of Phi, then Newton's method for Y = Phi(Y).

    As long as Y lies above every solution, DPhi there has spectral radius at most the one at the
    largest solution, hence at most 1, and Newton keeps decreasing; a Newton step that does not
    decrease refutes the existence of a solution just as leaving the cone does.
    """
    shift = symmetrised(eta * np.linalg.inv(Sigma))
    N = np.linalg.solve(Sigma, M).T
    Y: Array = float(np.linalg.norm(N, 2)) ** 2 * np.eye(N.shape[0])
    for iteration in range(200):
        if np.linalg.eigvalsh(Y - shift)[0] <= 0:
            return None, f"the decreasing iterates leave Y > eta Sigma^-1 at step {iteration}"
        image = spd_sqrt(N.T @ (Y - shift) @ N)
        gap = float(np.linalg.norm(image - Y))
        if gap <= 1e-15 * Y.shape[0] * np.linalg.norm(Y):
            return Y, "monotone iteration converged"
        step = _newton_step(Y, image, N) if iteration >= 3 else None
        if step is None:
            Y = image
            continue
        size = float(np.linalg.norm(step))
        noise = _rounding(image) * max(1.0, size / gap)
        rise = float(np.linalg.eigvalsh(step)[-1])
        if rise > 1e-4 * size + noise:
            return None, f"Newton from above stops decreasing at step {iteration}"
        if size <= noise:
            return Y, "monotone iteration converged to rounding"
        Y = symmetrised(Y + step)
    return None, "no decision in 200 steps: eta is at the threshold to rounding"


def _rounding(image: Array) -> float:
    """The rounding error to expect in a square root `image`."""
    values = np.linalg.eigvalsh(image)
    return float(20 * np.finfo(float).eps * values[-1] ** 2 / max(values[0], 1e-12 * values[-1]))


def _newton_step(Y: Array, image: Array, N: Array) -> Array | None:
    """Solve D - DPhi[D] = Phi(Y) - Y, where image = Phi(Y) and, with C = image,

    E = DPhi[D] solves C E + E C = N^T D N. None when the linear system cannot be solved.
    """
    d = Y.shape[0]
    values, U = np.linalg.eigh(image)
    NU = U.T @ N @ U
    sums = values[:, None] + values[None, :]
    right = U.T @ (image - Y) @ U
    if d <= 6:
        matrix = np.eye(d * d) - np.kron(NU.T, NU.T) / sums.reshape(-1, 1)
        return symmetrised(U @ np.linalg.solve(matrix, right.ravel()).reshape(d, d) @ U.T)

    def matvec(x: Array) -> Array:
        D = x.reshape(d, d)
        difference: Array = (D - NU.T @ D @ NU / sums).ravel()
        return difference

    operator = ssl.LinearOperator((d * d, d * d), matvec=matvec, dtype=np.float64)
    x, failed = ssl.gmres(operator, right.ravel(), rtol=1e-8, restart=min(d * d, 80), maxiter=3)
    return None if failed else symmetrised(U @ x.reshape(d, d) @ U.T)
