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

import math

import numpy as np
import scipy.linalg as sla

from equilibria.varieties.noncommuting.core import (
    Array,
    ComplexArray,
    CoreEquilibrium,
    check_moments,
    core_equilibrium,
)

REAL = 1e-6  # |Im p| / |p| below which a real eigenvalue is looked for


def pencil_eigenpairs(Sigma: Array, M: Array, eta: float) -> tuple[ComplexArray, ComplexArray]:
    """All 2d complex p with det(p^2 Sigma - p M + eta I) = 0, and w (d, 2d) as columns.

    Linearised in whitened variables u = L^T w, Sigma = L L^T, with the state (u, p u / scale).
    """
    d = Sigma.shape[0]
    L = np.linalg.cholesky(Sigma)
    K = sla.solve_triangular(L, sla.solve_triangular(L, M, lower=True).T, lower=True)
    C = sla.solve_triangular(L, np.eye(d), lower=True)
    scale = float(np.sqrt(eta) / np.sqrt(np.linalg.eigvalsh(Sigma)[-1]))
    stiffness = eta / scale * (C @ C.T)
    companion = np.block([[np.zeros((d, d)), scale * np.eye(d)], [-stiffness, K]])
    values, vectors = np.linalg.eig(companion)
    return values.astype(np.complex128), (C.T @ vectors[:d]).astype(np.complex128)


def rank_one(Sigma: Array, M: Array, eta: float) -> list[CoreEquilibrium]:
    """All equilibria of rank one for eta > 0, by decreasing p (T6.6)."""
    check_moments(Sigma, M, eta)
    if eta == 0:
        raise ValueError("eta = 0: rank-one equilibria form families; see zero_decay.components")
    values, vectors = pencil_eigenpairs(Sigma, M, eta)
    real = [i for i, p in enumerate(values) if abs(p.imag) <= REAL * abs(p) and p.imag >= 0]
    polished = [_polished(float(values[i].real), vectors[:, i], Sigma, M, eta) for i in real]
    found = [
        _equilibrium(group[0][0], w, Sigma, M, eta)
        for group in _grouped([pair for pair in polished if pair is not None])
        for w in _kernel(group, Sigma, M, eta)
    ]
    return [e for e in found if e.residual < 1e-10]


def _pencil(p: float, Sigma: Array, M: Array, eta: float) -> Array:
    return p * p * Sigma - p * M + eta * np.eye(Sigma.shape[0])


def _polished(
    p: float, w: ComplexArray, Sigma: Array, M: Array, eta: float
) -> tuple[float, Array] | None:
    """Alternate the root p of w^T Q(p) w = 0 and inverse iteration for w; None if p wanders off."""
    start, vector = p, _real_direction(w)
    scale = float(p * p * np.abs(Sigma).max() + abs(p) * np.abs(M).max() + eta)
    for _ in range(2):
        p = _nearest_root(p, vector, Sigma, M, eta)
        if abs(p - start) > 1e-3 * abs(start):
            return None
        shifted = _pencil(p, Sigma, M, eta) + 1e-14 * scale * np.eye(vector.size)
        vector = np.linalg.solve(shifted, vector)
        vector = vector / np.linalg.norm(vector)
    return _nearest_root(p, vector, Sigma, M, eta), vector


def _real_direction(w: ComplexArray) -> Array:
    """The unit real vector nearest to a complex multiple of w."""
    turned = w * np.exp(-0.5j * np.angle(np.sum(w * w)))
    real: Array = turned.real
    return real / np.linalg.norm(real)


def _nearest_root(p: float, w: Array, Sigma: Array, M: Array, eta: float) -> float:
    """The root of the scalar equation w^T Q(p) w = 0 nearest to p (a double one if complex)."""
    a, half = float(w @ Sigma @ w), float(w @ M @ w) / 2
    root = math.sqrt(max(half * half - a * eta, 0.0))
    outer = (half + math.copysign(root, half)) / a
    inner = eta / (a * outer)
    return outer if abs(outer - p) <= abs(inner - p) else inner


def _grouped(pairs: list[tuple[float, Array]]) -> list[list[tuple[float, Array]]]:
    """Pairs by decreasing p, those with the same p together."""
    groups: list[list[tuple[float, Array]]] = []
    for pair in sorted(pairs, key=lambda pair: -pair[0]):
        if groups and abs(groups[-1][0][0] - pair[0]) <= 1e-9 * abs(pair[0]):
            groups[-1].append(pair)
        else:
            groups.append([pair])
    return groups


def _kernel(group: list[tuple[float, Array]], Sigma: Array, M: Array, eta: float) -> list[Array]:
    """Unit vectors spanning ker Q(p): one, unless p is a repeated eigenvalue."""
    p, w = group[0]
    if len(group) == 1:
        return [_signed(w)]
    values, vectors = np.linalg.eigh(_pencil(p, Sigma, M, eta))
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
