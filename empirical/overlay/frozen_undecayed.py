"""Equilibria of the frozen features when a decay is 0: families, not orbits.

    eta_P = 0 < eta   P^T R = eta W and R W^T = 0 give W = 0, P free
    eta = 0 < eta_P   alpha R W^T = eta_P P and P^T R = 0 give P = 0, W M W^T = 0
    eta = eta_P = 0   R = W M - P W Sigma = 0 (all of them when M is positive semidefinite, T4.3)

The first two are known in closed form. In the third the nearest point is found by projecting onto
the linearised equation R = 0 again and again from the same state, the least change of (W, P) each
time, with products alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse.linalg as ssl

from empirical.overlay.work import Work

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ITERATIONS = 40
SOLVED = 1e-9
ACCURACY = 1e-10
PRODUCTS = 4000
KERNEL = 1e-9


@dataclass(frozen=True)
class Member:
    """A point (W, P) of a family; `words` say which family, and what else there may be."""

    W: Array
    P: Array
    words: str


def without_predictor_decay(W: Array, P: Array) -> Member:
    """Return the nearest equilibrium for eta_P = 0 < eta: every one has W = 0."""
    return Member(np.zeros_like(W), P, "W = 0 with any predictor, the only equilibria")


def without_encoder_decay(W: Array, P: Array, m: Array) -> Member:
    """Return the nearest equilibrium for eta = 0 < eta_P: P = 0 and W in the kernel of M.

    Those are all of them when M is semidefinite; an indefinite M has more.
    """
    values, V = np.linalg.eigh(m)
    size = float(np.abs(values).max())
    kernel = V[:, np.abs(values) <= KERNEL * size]
    words = "P = 0 with W M = 0"
    if values[0] < -KERNEL * size < KERNEL * size < values[-1]:
        words += "; M is indefinite, equilibria with W M W^T = 0 alone were not searched"
    return Member(W @ kernel @ kernel.T, np.zeros_like(P), words)


def undecayed(W: Array, P: Array, sigma: Array, m: Array, work: Work) -> Member | None:
    """Return a point with R = 0 near (W, P), or None where the projections do not converge.

    From afar a nearby point, close to the family the nearest. Raises `Exhausted`.
    """
    anchor, best = (W, P), np.inf
    for _ in range(ITERATIONS):
        R = W @ m - P @ W @ sigma
        size = float(np.linalg.norm(W @ m) + np.linalg.norm(P @ W @ sigma))
        off = float(np.linalg.norm(R))
        if off <= SOLVED * size:
            words = "R = 0 without decay"
            if float(np.linalg.eigvalsh(m)[0]) < -KERNEL * float(np.linalg.norm(m)):
                words += "; M is indefinite, equilibria with R not 0 were not searched"
            return Member(W, P, words)
        if not np.isfinite(off):
            return None
        if off > best / 2:  # too far for the nearest point: the least step from here instead
            anchor = W, P
        best = min(best, off)
        W, P = _projected(W, P, anchor, R, sigma, m, work)
    return None


def _projected(
    W: Array, P: Array, anchor: tuple[Array, Array], R: Array, sigma: Array, m: Array, work: Work
) -> tuple[Array, Array]:
    """Return the point nearest to `anchor` on which R = 0, linearised at (W, P), holds."""
    n, d = W.shape
    cost = 4.0 * n * d * (n + 2 * d)
    WS = W @ sigma

    def forth(x: Array) -> Array:
        work.spend(cost)
        H, A = x[: n * d].reshape(n, d), x[n * d :].reshape(n, n)
        return (H @ m - P @ (H @ sigma) - A @ WS).ravel()

    def back(y: Array) -> Array:
        work.spend(cost)
        Z = y.reshape(n, d)
        return np.concatenate([(Z @ m - P.T @ (Z @ sigma)).ravel(), (-Z @ WS.T).ravel()])

    operator: Any = ssl.LinearOperator(
        (n * d, n * d + n * n), matvec=forth, rmatvec=back, dtype=np.float64
    )
    gone = np.concatenate([(anchor[0] - W).ravel(), (anchor[1] - P).ravel()])
    right = -R.ravel() - forth(gone)
    x = ssl.lsqr(operator, right, atol=ACCURACY, btol=ACCURACY, conlim=0, iter_lim=PRODUCTS)[0]
    return anchor[0] + x[: n * d].reshape(n, d), anchor[1] + x[n * d :].reshape(n, n)
