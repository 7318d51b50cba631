"""How far mini-batches keep a run from its equilibrium: the linearised map under gradient noise.

Near a stable component x+ = A x + B k with the kick k = (alpha dR W^T, P^T dR), where

    dR = T (M_B - M) - P W (S_B - Sigma) = mean over the batch of u x^T - E u x^T,   u = T y - P W x.

For Gaussian pairs (Isserlis) Cov(dR_ab, dR_cd) = (E u_a u_c Sigma_bd + R_ad R_cb) / B with
R = E u x^T; for a data set the covariance of u x^T over all pairs in both orders is computed. Motion
along the orbit of O(n) is neutral and carries no distance: with N an orthonormal basis of the
complement of the orbit's tangent, N^T A N is the map across it, and the stationary covariance C
solves C = (N^T A N) C (N^T A N)^T + N^T B Q B^T N (discrete Lyapunov equation). First order in the
noise: a bias of order h/B and the curvature of the orbit are left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.linear.settings import Settings, load_pairs
from empirical.overlay.steps import jacobian, shapes_of
from equilibria.errors import ScopeError
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LARGEST = 1200
DRAWS = 20_000


@dataclass(frozen=True)
class Noise:
    """Stationary fluctuation: mean distance, its 10 % and 90 % quantiles, and relative deviations.

    `gram` is the mean of |W^T W - S*| / |S*| with S* = W*^T W* (0 at collapse).
    """

    distance: float
    low: float
    high: float
    gram: float
    batch: int


def stationary(model: Model, W: Array, P: Array, settings: Settings) -> Noise:
    """Return the predicted fluctuation around a stable equilibrium (W, P, T = W).

    Raises `ScopeError` for procedures without a learned predictor, for systems that are too large
    and where the linearised map does not contract.
    """
    if not model.traits.bootstraps:
        raise ScopeError(f"{model.procedure}: the noise is predicted for stop-gradient and ema")
    shapes = shapes_of(model)
    size = sum(rows * columns for rows, columns in shapes.values())
    if size > LARGEST:
        raise ScopeError(f"noise: {size} unknowns, at most {LARGEST} are linearised")
    C, N = _covariance(model, W, P, settings, size)
    weights = sum(shapes[name][0] * shapes[name][1] for name in shapes if name[0] != "V")
    root = N[:weights] @ _root(C)  # of the covariance of (W, P[, T])
    draws = np.random.default_rng(0).standard_normal((DRAWS, root.shape[1])) * _spectrum(root)
    lengths = np.sqrt((draws**2).sum(axis=1))
    low, high = np.quantile(lengths, [0.1, 0.9])
    gram = _gram_deviation(W, root[: W.size])
    return Noise(float(lengths.mean()), float(low), float(high), gram, settings.batch_size)


def _covariance(
    model: Model, W: Array, P: Array, settings: Settings, size: int
) -> tuple[Array, Array]:
    """Return (C, N): the covariance across the orbit, and the basis in which it is written."""
    from scipy.linalg import null_space, solve_discrete_lyapunov

    still = {"W": W, "P": P, "T": W, "VW": np.zeros_like(W), "VP": np.zeros_like(P)}
    state = {name: still[name] for name in shapes_of(model)}
    A, B = jacobian(model, state)
    kick = _kick_covariance(model, W, P, settings)
    tangent = np.zeros((size, 0)) if not W.any() else _tangent(model, W, P, size)
    N = null_space(tangent.T) if tangent.shape[1] else np.eye(size)
    across = N.T @ A @ N
    if np.abs(np.linalg.eigvals(across)).max() >= 1:
        raise ScopeError("noise: the linearised map does not contract here")
    driven = N.T @ B
    C = np.asarray(solve_discrete_lyapunov(across, driven @ kick @ driven.T), np.float64)
    return C, N


def _tangent(model: Model, W: Array, P: Array, size: int) -> Array:
    """Return an orthonormal basis of the orbit's tangent: (K W, K P - P K, K W), K skew."""
    n = len(P)
    columns = []
    for i in range(n):
        for j in range(i):
            K = np.zeros((n, n))
            K[i, j], K[j, i] = 1.0, -1.0
            parts = {"W": K @ W, "P": K @ P - P @ K, "T": K @ W}
            vector = np.concatenate(
                [parts[name].ravel() for name in shapes_of(model) if name in parts]
            )
            columns.append(np.pad(vector, (0, size - len(vector))))
    if not columns:
        return np.zeros((size, 0))
    left, values, _ = np.linalg.svd(np.stack(columns, axis=1), full_matrices=False)
    return np.asarray(left[:, values > 1e-9 * values[0]])


def _kick_covariance(model: Model, W: Array, P: Array, settings: Settings) -> Array:
    """Return the covariance of the kick (K_W, K_P) of one step."""
    n, d = W.shape
    cov = _residual_covariance(model, W, P, settings).reshape(n * d, n * d) / settings.batch_size
    push = np.zeros((n * d + n * n, n * d))
    for place in range(n * d):
        dR = np.zeros((n, d))
        dR.flat[place] = 1.0
        parts = (P.T @ dR, float(model.alpha) * dR @ W.T)
        push[:, place] = np.concatenate([part.ravel() for part in parts])
    return np.asarray(push @ cov @ push.T)


def _residual_covariance(model: Model, W: Array, P: Array, settings: Settings) -> Array:
    """Return Cov(u_a x_b, u_c x_d) as (n, d, n, d) for one pair of views."""
    sigma, m = model.moments.matrices()
    PW = P @ W
    if settings.data is None:
        R = W @ m - PW @ sigma
        U = W @ sigma @ W.T - W @ m @ PW.T - PW @ m @ W.T + PW @ sigma @ PW.T
        return np.asarray(np.einsum("ac,bd->abcd", U, sigma) + np.einsum("ad,cb->abcd", R, R))
    x, y = load_pairs(settings.data)
    both = [(x, y), (y, x)]  # a batch takes a pair in either order
    u_x = np.concatenate([_outer(b @ W.T - a @ PW.T, a) for a, b in both])
    u_x -= u_x.mean(axis=0)
    n, d = W.shape
    return np.asarray((u_x.T @ u_x / len(u_x)).reshape(n, d, n, d))


def _outer(u: Array, x: Array) -> Array:
    return np.asarray((u[:, :, None] * x[:, None, :]).reshape(len(x), -1))


def _root(C: Array) -> Array:
    values, vectors = np.linalg.eigh((C + C.T) / 2)
    return np.asarray(vectors * np.sqrt(np.clip(values, 0.0, None)))


def _spectrum(root: Array) -> Array:
    """Return the singular values of a root: all that the length of a Gaussian vector depends on."""
    values = np.zeros(root.shape[1])
    found = np.linalg.svd(root, compute_uv=False)
    values[: len(found)] = found
    return values


def _gram_deviation(W: Array, root: Array) -> float:
    """Return the mean of |d(W^T W)| / |W^T W| to first order."""
    size = float(np.linalg.norm(W.T @ W))
    if not size:
        return 0.0
    columns = root.T.reshape(-1, *W.shape)
    moved = columns.swapaxes(1, 2) @ W
    moved = (moved + moved.swapaxes(1, 2)).reshape(len(columns), -1)
    values = np.linalg.svd(moved, compute_uv=False)
    draws = np.random.default_rng(1).standard_normal((DRAWS, len(values))) * values
    return float(np.sqrt((draws**2).sum(axis=1)).mean()) / size
