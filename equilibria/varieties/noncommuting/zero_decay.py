"""Without weight decay: components of equilibria and their balanced points (T4.1, T5.1, T5.4).

For eta = 0 and distinct canonical correlations the equilibria with R = 0 form one component for
every set J of at most min(n, d) of them, each of dimension n^2; if M is positive semidefinite there
are no others (T4.3). Stability varies along a component. It is reported at the balanced point,
which is where small weight decay and balanced initial values lead (T6.8). There the spectrum of the
flow is n^2 zeros along the component and the spectrum of

    L(R) = P^T R M - R W^T W Sigma - P P^T R Sigma        on R (n, d).

If |J| < min(n, d) the balanced point lies where components meet; L has (n - |J|) (d - |J|) further
zeros there and the verdict is "undecided" unless another eigenvalue is unstable. P is arbitrary on
the n - |J| rows that W leaves free: a multiple of the identity there gives a regular point.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from equilibria.varieties.noncommuting.balanced import balanced_point, canonical_correlations
from equilibria.varieties.noncommuting.core import Array, ComplexArray, check_moments
from equilibria.varieties.noncommuting.eigen import eigenvalues_with_bounds, matrix_size
from equilibria.varieties.noncommuting.spectrum import FLOOR
from equilibria.varieties.noncommuting.verdict import SpectralVerdict, judge

MOST_SUBSETS = 5000


@dataclass(frozen=True, slots=True, eq=False)
class ZeroDecayComponent:
    """One component at eta = 0, seen at its balanced point P (n, n), W (n, d).

    `normal` is the spectrum of L (with a moving average, of its quadratic form), `tangent` the
    number n^2 of zeros along the component.
    """

    J: tuple[int, ...]
    correlations: Array
    P: Array
    W: Array
    tangent: int
    normal: ComplexArray
    verdict: SpectralVerdict


def components(
    Sigma: Array,
    M: Array,
    n: int,
    *,
    beta: float | None = None,
    free: float = 0.0,
    subsets: Iterable[tuple[int, ...]] | None = None,
) -> list[ZeroDecayComponent]:
    """The components with R = 0 for eta = 0; all sets J unless `subsets` are given.

    Indices count the canonical correlations in decreasing order; zero correlations take no part.
    P is `free` times the identity on the rows that W leaves free; 0 is the balanced point.
    """
    check_moments(Sigma, M, 0.0)
    correlations, _ = canonical_correlations(Sigma, M)
    chosen = _all_subsets(correlations, n) if subsets is None else list(subsets)
    return [_component(Sigma, M, n, tuple(J), correlations, beta, free) for J in chosen]


def residual_operator(P: Array, W: Array, Sigma: Array, M: Array, *, beta: float | None) -> Array:
    """L of T5.1 as a matrix (n d, n d); with beta, the flow of (R, T - W) as (2 n d, 2 n d)."""
    n, d = W.shape
    back = np.kron(P.T, M)
    damping = np.kron(np.eye(n), (W.T @ W @ Sigma).T) + np.kron(P @ P.T, Sigma)
    if beta is None:
        return back - damping
    unit = np.eye(n * d)
    return np.block(
        [[-damping, -beta * np.kron(np.eye(n), M)], [-np.kron(P.T, np.eye(d)), -beta * unit]]
    )


def residual_map(P: Array, W: Array, Sigma: Array, M: Array, *, h: float, mu: float) -> Array:
    """The update of (R, T - W) by one step of the moving-average map, as (2 n d, 2 n d).

    With W+ = W + h P^T R and T+ = mu T + (1 - mu) W+ the residual of the target changes by
    (1 - mu) (h P^T R - (T - W)) M - h (R W^T W + P P^T R) Sigma.
    """
    n, d = W.shape
    unit = np.eye(n * d)
    slow = residual_operator(P, W, Sigma, M, beta=None)
    step = unit + h * (slow - mu * np.kron(P.T, M))
    return np.block(
        [
            [step, -(1 - mu) * np.kron(np.eye(n), M)],
            [-mu * h * np.kron(P.T, np.eye(d)), mu * unit],
        ]
    )


def _all_subsets(correlations: Array, n: int) -> list[tuple[int, ...]]:
    usable = np.flatnonzero(np.abs(correlations) > 1e-12 * np.abs(correlations).max(initial=0.0))
    found: list[tuple[int, ...]] = []
    for size in range(min(n, usable.size) + 1):
        for J in combinations(usable.tolist(), size):
            found.append(J)
            if len(found) > MOST_SUBSETS:
                raise ValueError(f"more than {MOST_SUBSETS} components; name the subsets you want")
    return found


def _component(
    Sigma: Array,
    M: Array,
    n: int,
    J: tuple[int, ...],
    correlations: Array,
    beta: float | None,
    free: float,
) -> ZeroDecayComponent:
    k, d = len(J), Sigma.shape[0]
    P, W = free * np.eye(n), np.zeros((n, d))
    if k:
        P[:k, :k], W[:k] = balanced_point(Sigma, M, J)
    L = residual_operator(P, W, Sigma, M, beta=beta)
    size = matrix_size(L)
    values, bounds = eigenvalues_with_bounds(L, 1e-14 * size, flow=True)
    verdict = judge(
        values,
        np.maximum(bounds, FLOOR * size),
        kind="flow",
        neutral=n * n,
        neutral_expected=n * n,
        method="dense",
        count=8,
    )
    ordered = values[np.argsort(-values.real, kind="stable")]
    return ZeroDecayComponent(J, correlations[list(J)], P, W, n * n, ordered, verdict)
