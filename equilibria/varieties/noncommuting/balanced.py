"""Where the branches start: balanced points without weight decay (theorem T6.8).

For eta = 0 and a set J of k nonzero canonical correlations (eigenvalues of N = M Sigma^{-1}) the
equilibria whose encoder sees exactly J form a manifold, and on it the balanced points
W W^T = P^T P form one orbit of O(k):

    L (k, d): left eigenvectors, L N = D L,    H = L L^T,    D G D = G H G,
    W = g L,    P = g D g^{-1},    g^T g = G.

With Y = H^{1/2} G H^{1/2} and B = H^{1/2} D H^{-1/2} the equation is Y = (B Y B^T)^{1/2}, which
contracts the Thompson metric by 1/2: one solution, found by iteration.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import scipy.linalg as sla

from equilibria.varieties.noncommuting.core import Array, spd_sqrt, symmetrised


def canonical_correlations(Sigma: Array, M: Array) -> tuple[Array, Array]:
    """Return (k (d,) in decreasing order, L (d, d)) with L M = diag(k) L Sigma, L Sigma L^T = I."""
    values, vectors = sla.eigh(symmetrised(M), symmetrised(Sigma))
    return values[::-1].copy(), vectors[:, ::-1].T.copy()


def balanced_point(Sigma: Array, M: Array, J: Sequence[int]) -> tuple[Array, Array]:
    """The balanced (P (k, k), W (k, d)) at eta = 0 for the canonical correlations with indices J.

    Indices count the canonical correlations in decreasing order from 0.
    """
    chosen = sorted(set(J))
    values, L = canonical_correlations(Sigma, M)
    if len(chosen) != len(J) or not all(0 <= j < values.size for j in chosen):
        raise ValueError(
            f"J = {tuple(J)}: expected distinct indices between 0 and {values.size - 1}"
        )
    if np.abs(values[chosen]).min(initial=np.inf) <= 1e-12 * np.abs(values).max(initial=0.0):
        raise ValueError(f"J = {tuple(J)}: contains a canonical correlation that is zero")
    D, L = values[chosen], L[chosen]
    G = _balanced_gram(D, L @ L.T)
    g = spd_sqrt(G)
    return (g * D) @ np.linalg.inv(g), g @ L


def _balanced_gram(D: Array, H: Array) -> Array:
    """The positive definite G (k, k) with diag(D) G diag(D) = G H G."""
    root = spd_sqrt(H)
    inverse_root = np.linalg.inv(root)
    B = (root * D) @ inverse_root
    Y: Array = np.eye(D.size)
    for _ in range(200):
        previous, Y = Y, spd_sqrt(B @ Y @ B.T)
        if np.linalg.norm(Y - previous) <= 1e-15 * np.linalg.norm(Y):
            break
    return symmetrised(inverse_root @ Y @ inverse_root)
