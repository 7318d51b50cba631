"""Every equilibrium of rank one, for any moments (theorem T6.6).

On one output row the core is a number p and a vector w with |w| = |p| (alpha = 1 units), and
flow = 0 says exactly

    Q(p) w = 0,    Q(p) = p^2 Sigma - p M + eta I:

a quadratic eigenvalue problem with at most 2 d real eigenvalues p. The list is complete, up to the
decision which computed eigenvalues are real; `near_fold` in the label marks a pair so close to
merging that rounding could have decided. At a repeated p the eigenvectors span a whole family and
an orthonormal basis of it is returned.
"""

from __future__ import annotations

import numpy as np
import scipy.linalg as sla

from equilibria.noncommuting.core import (
    Array,
    ComplexArray,
    CoreEquilibrium,
    check_moments,
    core_equilibrium,
)

REAL = 1e-6  # |Im p| / |p| below which a real eigenvalue is looked for


def pencil_eigenvalues(Sigma: Array, M: Array, eta: float) -> ComplexArray:
    """All 2d complex p with det(p^2 Sigma - p M + eta I) = 0 (linearised in whitened variables)."""
    d = Sigma.shape[0]
    L = np.linalg.cholesky(Sigma)
    K = sla.solve_triangular(L, sla.solve_triangular(L, M, lower=True).T, lower=True)
    C = sla.solve_triangular(L, np.eye(d), lower=True)
    scale = float(np.sqrt(eta) / np.sqrt(np.linalg.eigvalsh(Sigma)[-1]))
    stiffness = eta / scale * (C @ C.T)
    companion = np.block([[np.zeros((d, d)), scale * np.eye(d)], [-stiffness, K]])
    return np.linalg.eigvals(companion).astype(np.complex128)


def rank_one(Sigma: Array, M: Array, eta: float) -> list[CoreEquilibrium]:
    """All equilibria of rank one for eta > 0, by decreasing p (T6.6)."""
    check_moments(Sigma, M, eta)
    if eta == 0:
        raise ValueError("eta = 0: rank-one equilibria form families; see zero_decay.components")
    roots = [
        _polished(p, Sigma, M, eta) for p in _real_candidates(pencil_eigenvalues(Sigma, M, eta))
    ]
    distinct = _distinct([p for p in roots if p is not None])
    found = [_equilibrium(p, w, Sigma, M, eta) for p in distinct for w in _kernel(p, Sigma, M, eta)]
    return [e for e in found if e.residual < 1e-10]


def _real_candidates(values: ComplexArray) -> list[float]:
    return [float(p.real) for p in values if abs(p.imag) <= REAL * abs(p) and p.imag >= 0]


def _pencil(p: float, Sigma: Array, M: Array, eta: float) -> Array:
    return p * p * Sigma - p * M + eta * np.eye(Sigma.shape[0])


def _polished(p: float, Sigma: Array, M: Array, eta: float) -> float | None:
    """Newton on the eigenvalue curve of Q(p) that is nearest to zero; None if it leaves."""
    start = p
    for _ in range(30):
        values, vectors = np.linalg.eigh(_pencil(p, Sigma, M, eta))
        i = int(np.argmin(np.abs(values)))
        w = vectors[:, i]
        slope = float(2 * p * (w @ Sigma @ w) - w @ M @ w)
        if slope == 0:
            break
        step = -float(values[i]) / slope
        if abs(step) > 1e-3 * abs(start):
            return None
        p += step
        if abs(step) <= 1e-13 * abs(p):
            break
    return p


def _distinct(roots: list[float]) -> list[float]:
    kept: list[float] = []
    for p in sorted(roots, reverse=True):
        if not kept or abs(kept[-1] - p) > 1e-9 * abs(p):
            kept.append(p)
    return kept


def _kernel(p: float, Sigma: Array, M: Array, eta: float) -> list[Array]:
    """Unit vectors spanning ker Q(p): one, unless p is a repeated eigenvalue."""
    Q = _pencil(p, Sigma, M, eta)
    values, vectors = np.linalg.eigh(Q)
    size = p * p * np.linalg.norm(Sigma) + abs(p) * np.linalg.norm(M) + eta
    near = np.flatnonzero(np.abs(values) <= 1e-11 * size)
    chosen = near if near.size else np.array([np.argmin(np.abs(values))])
    return [_signed(vectors[:, i]) for i in chosen]


def _signed(w: Array) -> Array:
    """Fix the sign so that the largest entry is positive: the same bytes every time."""
    return np.asarray(w * np.sign(w[np.argmax(np.abs(w))]))


def _equilibrium(p: float, w: Array, Sigma: Array, M: Array, eta: float) -> CoreEquilibrium:
    slope = 2 * p * (w @ Sigma @ w) - w @ M @ w
    fold = " near_fold" if abs(slope) < 1e-5 * abs(w @ M @ w) else ""
    P, W = np.array([[p]]), abs(p) * w[None, :]
    label = f"rank1 p={p:.6g}{fold}"
    return core_equilibrium(P, W, Sigma, M, eta, label=label, origin="pencil")
