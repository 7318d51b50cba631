"""Equilibria of every rank from many random starts: small systems only, no claim of completeness.

Equilibria of rank k are the zeros of the polynomials of T6.1,

    E(P, Q) = P^T Q M - P P^T Q Sigma - eta Q = 0,    Q Q^T = I_k,    W = P^T Q,

which for eta > 0 have no zero with singular P, so nothing can slip into collapse. All starts run at
once through a Levenberg-Marquardt iteration, what converges is polished by Newton, and points of
one O(n)-orbit are identified by the invariants W^T W and W^T P W. How often the rarest equilibrium
was met says how many may have been missed; `counting` gives the exact number for d = 2.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium, check_moments
from equilibria.varieties.noncommuting.newton import refined
from equilibria.varieties.noncommuting.reduced import reduced_point

BATCH = 2000
SAME = 1e-6  # relative distance of invariants below which two points are one orbit
SINGULAR = 1e-9  # of the reduced Jacobian's singular values: the equilibrium is not isolated


@dataclass(frozen=True, slots=True, eq=False)
class RankSearch:
    """What the starts of one rank came to; `hits` counts the starts per equilibrium found."""

    rank: int
    starts: int
    converged: int
    equilibria: tuple[CoreEquilibrium, ...]
    hits: tuple[int, ...]
    degenerate: int

    @property
    def rarest(self) -> int:
        """Hits of the equilibrium met least often; 0 if none was found."""
        return min(self.hits, default=0)


@dataclass(frozen=True, slots=True, eq=False)
class SearchResult:
    """The searches of all ranks 1..min(n, d); the collapse (rank 0) is not searched for.

    `degenerate` in a rank counts equilibria that are not isolated: folds or whole families.
    """

    ranks: tuple[RankSearch, ...]
    seed: int

    @property
    def equilibria(self) -> list[CoreEquilibrium]:
        """All equilibria found, by rank and then by decreasing trace of W^T W."""
        return [e for rank in self.ranks for e in rank.equilibria]

    @property
    def rarest(self) -> int:
        """Hits of the equilibrium met least often over all ranks; 0 if none was found."""
        return min((rank.rarest for rank in self.ranks if rank.hits), default=0)


def multistart(
    Sigma: Array, M: Array, n: int, eta: float, seed: int, *, starts: int = 1000
) -> SearchResult:
    """Search for equilibria of every rank k <= min(n, d) from `starts` random points per rank."""
    check_moments(Sigma, M, eta)
    if not eta > 0:
        raise ValueError("eta = 0: equilibria form families; see zero_decay.components")
    random = np.random.default_rng(seed)
    ranks = range(1, min(n, Sigma.shape[0]) + 1)
    return SearchResult(tuple(_search(Sigma, M, eta, k, starts, random) for k in ranks), seed)


def _search(
    Sigma: Array, M: Array, eta: float, k: int, starts: int, random: np.random.Generator
) -> RankSearch:
    groups: list[tuple[Array, Array, int]] = []  # invariant, W, hits
    converged = 0
    for first in range(0, starts, BATCH):
        P, Q = _starts(Sigma, M, eta, k, min(BATCH, starts - first), random)
        P, Q, done = _levenberg_marquardt(P, Q, Sigma, M, eta)
        converged += int(done.sum())
        for p, q in zip(P[done], Q[done], strict=True):
            _add(groups, p, p.T @ q)
    polished = [
        (refined(W, Sigma, M, eta, label="", origin="multistart"), hits) for _, W, hits in groups
    ]
    found = [(e, hits) for e, hits in polished if e is not None]
    found.sort(key=lambda pair: tuple(np.round(-_invariant(pair[0].P, pair[0].W), 9)))
    equilibria = tuple(_labelled(e, i) for i, (e, _) in enumerate(found))
    degenerate = sum(_is_degenerate(e, Sigma, M, eta) for e in equilibria)
    hits = tuple(count for _, count in found)
    return RankSearch(k, starts, converged, equilibria, hits, degenerate)


def _starts(
    Sigma: Array, M: Array, eta: float, k: int, count: int, random: np.random.Generator
) -> tuple[Array, Array]:
    """P = O S with log-uniform singular values between p_- and p_+ scales; Q orthonormal rows."""
    d = Sigma.shape[0]
    high = 2 * float(np.linalg.norm(np.linalg.solve(Sigma, M), 2))
    low = min(0.5 * eta / float(np.linalg.norm(M, 2)), 0.1 * high)
    sizes = np.exp(random.uniform(np.log(low), np.log(high), size=(count, k)))
    left = np.linalg.qr(random.normal(size=(count, k, k)))[0]
    right = np.linalg.qr(random.normal(size=(count, k, k)))[0]
    Q = np.linalg.qr(random.normal(size=(count, d, k)))[0]
    return (left * sizes[:, None, :]) @ right, np.swapaxes(Q, 1, 2)


def _residual(P: Array, Q: Array, Sigma: Array, M: Array, eta: float) -> Array:
    """The equations, flattened: (count, k d + k (k+1) / 2); rows of Q Q^T = I scaled by eta."""
    count, k, _ = P.shape
    Pt = np.swapaxes(P, 1, 2)
    E = Pt @ Q @ M - P @ Pt @ Q @ Sigma - eta * Q
    frame = eta * (Q @ np.swapaxes(Q, 1, 2) - np.eye(k))
    upper = np.triu_indices(k)
    return np.concatenate([E.reshape(count, -1), frame[:, upper[0], upper[1]]], axis=1)


def _jacobian(P: Array, Q: Array, Sigma: Array, M: Array, eta: float) -> Array:
    """Derivative of `_residual`: (count, equations, k^2 + k d)."""
    count, k, d = Q.shape
    upper = np.triu_indices(k)
    P, Q = P[:, None], Q[:, None]
    Pt = np.swapaxes(P, -1, -2)
    A = np.eye(k * k).reshape(1, k * k, k, k)
    H = np.eye(k * d).reshape(1, k * d, k, d)
    At = np.swapaxes(A, -1, -2)
    by_P = At @ (Q @ M) - (A @ Pt + P @ At) @ (Q @ Sigma)
    by_Q = Pt @ H @ M - P @ Pt @ H @ Sigma - eta * H
    HQ = H @ np.swapaxes(Q, -1, -2)
    frame = eta * (HQ + np.swapaxes(HQ, -1, -2))[..., upper[0], upper[1]]
    top = np.concatenate([by_P, by_Q], axis=1).reshape(count, k * k + k * d, k * d)
    bottom = np.concatenate([np.zeros((count, k * k, upper[0].size)), frame], axis=1)
    return np.swapaxes(np.concatenate([top, bottom], axis=2), 1, 2)


def _levenberg_marquardt(
    P: Array, Q: Array, Sigma: Array, M: Array, eta: float, *, iterations: int = 150
) -> tuple[Array, Array, np.ndarray[tuple[int], np.dtype[np.bool_]]]:
    """Run all starts together; return the points and which of them solve the equations."""
    count, k, d = Q.shape
    damping = np.full(count, 1e-2)
    r = _residual(P, Q, Sigma, M, eta)
    goal = 1e-10 * eta
    for _ in range(iterations):
        active = np.flatnonzero(np.linalg.norm(r, axis=1) > goal)
        if not active.size:
            break
        J = _jacobian(P[active], Q[active], Sigma, M, eta)
        Jt = np.swapaxes(J, 1, 2)
        normal = Jt @ J
        scale = np.einsum("cii->c", normal) / normal.shape[1]
        normal += (damping[active] * scale)[:, None, None] * np.eye(normal.shape[1])
        step = -np.linalg.solve(normal, Jt @ r[active][:, :, None])[:, :, 0]
        newP = P[active] + step[:, : k * k].reshape(-1, k, k)
        newQ = Q[active] + step[:, k * k :].reshape(-1, k, d)
        new = _residual(newP, newQ, Sigma, M, eta)
        better = np.linalg.norm(new, axis=1) < np.linalg.norm(r[active], axis=1)
        accepted = active[better]
        P[accepted], Q[accepted], r[accepted] = newP[better], newQ[better], new[better]
        damping[active] = np.clip(damping[active] * np.where(better, 0.2, 5.0), 1e-13, 1e6)
    return P, Q, np.linalg.norm(r, axis=1) <= goal


def _invariant(P: Array, W: Array) -> Array:
    """The O(n)-invariants W^T W and W^T P W, which determine the orbit; trace first."""
    G = W.T @ W
    return np.concatenate([[np.trace(G)], G.ravel(), (W.T @ P @ W).ravel()])


def _add(groups: list[tuple[Array, Array, int]], P: Array, W: Array) -> None:
    """Count the point in the group of its orbit, or open a new group."""
    mark = _invariant(P, W)
    for i, (other, representative, hits) in enumerate(groups):
        if np.linalg.norm(mark - other) <= SAME * np.linalg.norm(other):
            groups[i] = (other, representative, hits + 1)
            return
    groups.append((mark, W, 1))


def _labelled(e: CoreEquilibrium, index: int) -> CoreEquilibrium:
    return CoreEquilibrium(e.P, e.W, e.rank, e.residual, f"rank{e.rank} #{index}", e.origin)


def _is_degenerate(e: CoreEquilibrium, Sigma: Array, M: Array, eta: float) -> bool:
    singular = np.linalg.svd(
        reduced_point(e.W, Sigma, M, eta).regularised_jacobian(), compute_uv=False
    )
    return bool(singular[-1] <= SINGULAR * singular[0])
