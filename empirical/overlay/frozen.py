"""The equilibrium of the frozen-feature system near a given head and predictor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LARGEST = 700
ITERATIONS = 60
SOLVED = 1e-9
LONGEST = 0.3
FOLLOWED = 4000
PACE = 0.5


class Decay(Protocol):
    """eta, eta_P and alpha of the theory."""

    @property
    def eta(self) -> float: ...

    @property
    def eta_p(self) -> float: ...

    @property
    def alpha(self) -> float: ...


def nearby(W: Array, P: Array, sigma: Array, m: Array, decay: Decay) -> tuple[Array, Array] | None:
    """Return an equilibrium (W, P) reached from here by Newton steps of least norm, or None.

    W (n, d), P (n, n). Steps of least norm leave the motion along the orbit of O(n) alone. None when
    they do not converge, and for more than `LARGEST` unknowns.
    """
    n, d = W.shape
    if n * d + n * n > LARGEST:
        return None
    x = np.concatenate([W.ravel(), P.ravel()])
    size = max(1e-12, float(np.linalg.norm(x)))
    for _ in range(ITERATIONS):
        off, J = _equations(x, n, d, sigma, m, decay)
        if np.linalg.norm(off) <= SOLVED * size:
            return x[: n * d].reshape(n, d), x[n * d :].reshape(n, n)
        step = -np.linalg.lstsq(J, off, rcond=1e-9)[0]
        length = float(np.linalg.norm(step))
        x = x + step * min(1.0, LONGEST * size / max(length, 1e-300))
    return None


def followed(W: Array, P: Array, sigma: Array, m: Array, decay: Decay) -> tuple[Array, Array]:
    """Return where the flow of stop-gradient on the frozen moments leads in `FOLLOWED` steps."""
    top = float(np.linalg.eigvalsh(sigma)[-1])
    for _ in range(FOLLOWED):
        h = PACE / (top * max(1.0, float((P**2).sum()), decay.alpha * float((W**2).sum())))
        R = W @ m - P @ W @ sigma
        W, P = (
            W + h * (P.T @ R - decay.eta * W),
            P + h * (decay.alpha * R @ W.T - decay.eta_p * P),
        )
    return W, P


def _equations(
    x: Array, n: int, d: int, sigma: Array, m: Array, decay: Decay
) -> tuple[Array, Array]:
    """Return the force (P^T R - eta W, alpha R W^T - eta_P P) and its Jacobian."""
    W, P = x[: n * d].reshape(n, d), x[n * d :].reshape(n, n)
    R = W @ m - P @ W @ sigma
    force = np.concatenate(
        [(P.T @ R - decay.eta * W).ravel(), (decay.alpha * R @ W.T - decay.eta_p * P).ravel()]
    )
    seeds = np.eye(len(x))
    dW, dP = seeds[:, : n * d].reshape(-1, n, d), seeds[:, n * d :].reshape(-1, n, n)
    dR = dW @ m - P @ dW @ sigma - dP @ (W @ sigma)
    by_w = dP.swapaxes(1, 2) @ R + P.T @ dR - decay.eta * dW
    by_p = decay.alpha * (dR @ W.T + R @ dW.swapaxes(1, 2)) - decay.eta_p * dP
    columns = np.concatenate([by_w.reshape(len(x), -1), by_p.reshape(len(x), -1)], axis=1)
    return force, columns.T
