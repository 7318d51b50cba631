"""Equilibria of rank k near a head, found on their core: k of the n output rows, however many n.

By T6.1 W and P of an equilibrium live on rank W output directions. Near one those are the leading
left singular vectors of W, so the rank is read off the singular values and Newton's method runs on
the k x d core with the predictor eliminated (`equilibria.varieties.noncommuting.reduced`). Products
with the derivative cost O(k d^2 + k^2 d): nothing of the Jacobian's size is formed for a large core.
Units with alpha = 1, equal decays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse.linalg as ssl

from empirical.overlay.work import Work
from equilibria.varieties.noncommuting.core import relative_residual
from equilibria.varieties.noncommuting.reduced import ReducedPoint, reduced_point
from equilibria.varieties.noncommuting.solvers import FACTORISED_UP_TO, regular_solver

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ITERATIONS = 40
SOLVED = 1e-11
LONGEST = 0.3
"""The longest step, relative to |W|."""
ACCURACY = 1e-3
USEFUL = 0.3
"""Relative residuals of a linear solve: asked for, and still good for a step."""
BASIS = 160
RESTARTS = 4
DUST = 1e-12


def thin_svd(W: Array) -> tuple[Array, Array, Array]:
    """Return U (n, r), s (r,), V (d, r) with W = U diag(s) V^T, by the smaller Gram matrix.

    Directions below 1e-6 of the largest are lost in its rounding and left out.
    """
    n, d = W.shape
    tall = W if n >= d else W.T
    values, V = np.linalg.eigh(tall.T @ tall)
    s = np.sqrt(np.maximum(values[::-1], 0.0))
    kept = s > max(1e-6 * float(s[0]), np.finfo(float).tiny)
    s, V = s[kept], V[:, ::-1][:, kept]
    U = tall @ V / s
    return (U, s, V) if n >= d else (V, s, U)


def ranks_to_try(s: Array, floor: float, most: int) -> list[int]:
    """Return at most `most` ranks for singular values `s`, descending, the likeliest first.

    Singular values of equilibria are not arbitrarily small: the rank ends at a gap, above `floor`
    on one side. The gaps are taken by their ratio, widest first.
    """
    levels = np.append(s, min(floor, float(s[-1])) if len(s) else floor)
    ratios = levels[:-1] / np.maximum(levels[1:], 1e-300)
    order = np.argsort(-ratios, kind="stable") + 1
    alive = int((s > floor).sum())
    ranks = [int(k) for k in order if k <= max(alive, 1)]
    if alive:
        ranks.insert(1, alive)
    return list(dict.fromkeys(ranks))[:most]


def rest_near(W: Array, sigma: Array, m: Array, eta: float, work: Work) -> Array | None:
    """Return the core (k, d) at rest to which damped Newton steps lead from W (k, d), or None.

    Raises `Exhausted` when the work is spent before.
    """
    best = np.inf
    for _ in range(ITERATIONS):
        try:
            point = reduced_point(W, sigma, m, eta)
            residual = relative_residual(point.P, W, sigma, m, eta)
            if not np.isfinite(residual):
                return None
            if residual <= SOLVED:
                return W
            best = min(best, residual)
            step = _step(point, work)
        except np.linalg.LinAlgError:
            return None
        length, size = float(np.linalg.norm(step)), float(np.linalg.norm(W))
        W = W + step * min(1.0, LONGEST * size / max(length, 1e-300))
    return None


def _step(point: ReducedPoint, work: Work) -> Array:
    """Return the Newton step at a point: factorised for a small core, by GMRES for a large one."""
    k, d = point.W.shape
    if k * d <= FACTORISED_UP_TO:
        work.spend((k * d) ** 3 / 1.5 + 6 * k**3 * d**2)
        return np.asarray(regular_solver(point)(-point.value.ravel()), np.float64).reshape(k, d)
    cost = product_cost(k, d)
    scale = _Scaling(point)
    gauge = float(np.linalg.norm(point.M, 2) / np.linalg.norm(point.W, 2) ** 2)

    def product(x: Array) -> Array:
        work.spend(cost)
        H = scale(x.reshape(k, d))
        HW = H @ point.W.T  # the rotations, on which the derivative is 0, are moved to `gauge`
        return scale(point.differential(H) + gauge * (HW - HW.T) @ point.W).ravel()

    operator: Any = ssl.LinearOperator((k * d, k * d), matvec=product, dtype=np.float64)
    right = scale(np.asarray(-point.value, np.float64)).ravel()
    x, failed = ssl.gmres(operator, right, rtol=ACCURACY, restart=BASIS, maxiter=RESTARTS)
    if failed:  # part of the way is a step too: Newton's method goes on from there
        left = float(np.linalg.norm(product(x) - right))
        if not left <= USEFUL * float(np.linalg.norm(right)):
            raise np.linalg.LinAlgError("GMRES did not converge")
    return scale(x.reshape(k, d))


def product_cost(k: int, d: int) -> float:
    """Return the operations of one product with the derivative and its scaling."""
    return 2.0 * (4 * k * d * d + 12 * k * k * d + 4 * k**3)


class _Scaling:
    """D^-1/2 H, D = p s + eta / p + c between eigenvectors of P P^T and of Sigma.

    It has the size of DF on aligned states of commuting moments (T7.2, inactive inputs), where the
    modes' variances spread it over many decades.
    """

    def __init__(self, point: ReducedPoint) -> None:
        values, self.left = np.linalg.eigh(point.P @ point.P.T)
        p = np.sqrt(np.maximum(values, 0.0))
        p = np.maximum(p, DUST + 1e-6 * float(p[-1]))
        s, self.right = np.linalg.eigh(point.Sigma)
        size = p[:, None] * np.maximum(s, 0.0) + (point.eta / p)[:, None]
        self.factor = 1 / np.sqrt(size)

    def __call__(self, H: Array) -> Array:
        inner = (self.left.T @ H @ self.right) * self.factor
        return np.asarray(self.left @ inner @ self.right.T)
