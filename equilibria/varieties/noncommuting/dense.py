"""Jacobians of the full n-row system in its original units: the second, independent route.

Nothing here knows about cores, balance or rescaling: the derivatives of

    R = T M - P W Sigma,   dP = alpha R W^T - eta_P P,   dW = P^T R - eta_W W,   dT = beta (W - T)

are written down with Kronecker products, vec in row-major order: vec(X Y Z) = (X (x) Z^T) vec(Y).
Coordinates: (P, W) for stop-gradient, (P, W, T) with a moving average; maps with momentum insert
the velocities, (P, W, V_P, V_W[, T]). Valid at any point, equilibrium or not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import Array


@dataclass(frozen=True, slots=True, eq=False)
class Physics:
    """Moments and rates of the full system."""

    Sigma: Array
    M: Array
    predictor_decay: float
    encoder_decay: float
    alpha: float = 1.0


def force(P: Array, W: Array, T: Array, physics: Physics) -> tuple[Array, Array]:
    """(dP (n, n), dW (n, d)) for the target T (n, d)."""
    R = T @ physics.M - P @ W @ physics.Sigma
    return (
        physics.alpha * R @ W.T - physics.predictor_decay * P,
        P.T @ R - physics.encoder_decay * W,
    )


def jacobian_force(P: Array, W: Array, T: Array, physics: Physics) -> tuple[Array, Array]:
    """(d force / d (P, W), d force / d T) as matrices (n^2 + n d, n^2 + n d) and (.., n d)."""
    n, d = W.shape
    In, Id = np.eye(n), np.eye(d)
    R = T @ physics.M - P @ W @ physics.Sigma
    R_P, R_W = -np.kron(In, (W @ physics.Sigma).T), -np.kron(P, physics.Sigma)
    R_T = np.kron(In, physics.M)
    to_P, to_W = physics.alpha * np.kron(In, W), np.kron(P.T, Id)
    P_W = to_P @ R_W + physics.alpha * np.kron(R, In) @ _transposition(n, d)
    W_P = np.kron(In, R.T) @ _transposition(n, n) + to_W @ R_P
    own = np.block(
        [
            [to_P @ R_P - physics.predictor_decay * np.eye(n * n), P_W],
            [W_P, to_W @ R_W - physics.encoder_decay * np.eye(n * d)],
        ]
    )
    return own, np.vstack([to_P @ R_T, to_W @ R_T])


def jacobian_flow(
    P: Array, W: Array, physics: Physics, *, T: Array | None = None, beta: float | None = None
) -> Array:
    """Jacobian of the flow: stop-gradient if beta is None, else moving average (T is W if None)."""
    n, d = W.shape
    own, target = jacobian_force(P, W, W if T is None else T, physics)
    encoder = np.eye(n * d, n * n + n * d, n * n)
    if beta is None:
        return own + target @ encoder
    return np.block([[own, target], [beta * encoder, -beta * np.eye(n * d)]])


def jacobian_map(
    P: Array,
    W: Array,
    physics: Physics,
    *,
    h: float,
    mu: float | None = None,
    nu: float = 0.0,
    T: Array | None = None,
) -> Array:
    """Jacobian of the update map with step h, heavy ball nu, moving average mu of the new W."""
    n, d = W.shape
    N = n * n + n * d
    own, target = jacobian_force(P, W, W if T is None else T, physics)
    encoder, unit = np.eye(n * d, N, n * n), np.eye(N)
    if mu is None:
        own, target = own + target @ encoder, np.zeros((N, 0))
    velocity = np.hstack([own, nu * unit, target])
    position = np.hstack([unit, np.zeros((N, N)), np.zeros_like(target)]) + h * velocity
    rows = [position, velocity]
    if mu is not None:
        keep = np.hstack([np.zeros((n * d, 2 * N)), mu * np.eye(n * d)])
        rows.append((1 - mu) * encoder @ position + keep)
    full = np.vstack(rows)
    if nu:
        return full
    kept = np.r_[0:N, 2 * N : full.shape[0]]
    return np.asarray(full[np.ix_(kept, kept)])


def _transposition(rows: int, columns: int) -> Array:
    """The permutation K with K vec(Y) = vec(Y^T) for Y (rows, columns)."""
    order = np.arange(rows * columns).reshape(rows, columns).T.ravel()
    return np.eye(rows * columns)[order]
