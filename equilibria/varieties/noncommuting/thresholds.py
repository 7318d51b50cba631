"""The three weight decays beyond which something is no longer there.

    collapse   ell / 4 = lambda_max(M Sigma^-1 M) / 4: beyond it every trajectory collapses (T2.4);
    rank one   eta_1 = max (v^T M v)^2 / (4 v^T Sigma v) over unit v: the pencil of T6.6 has a real
               eigenvalue exactly for eta <= eta_1, and then a stable rank-one state exists (T8.4);
    full rank  eta_full: a full-rank equilibrium exists exactly for eta <= eta_full (T6.7).

eta_1 <= ell / 4, and eta_full <= ell / 4.
"""

from __future__ import annotations

import heapq

import numpy as np

from equilibria.varieties.noncommuting.core import Array, check_moments
from equilibria.varieties.noncommuting.gram import maximal_full_rank


def threshold_collapse(Sigma: Array, M: Array) -> float:
    """ell / 4 of T2.4."""
    check_moments(Sigma, M, 0.0)
    return float(np.linalg.eigvalsh(M @ np.linalg.solve(Sigma, M))[-1]) / 4


def threshold_rank_one(Sigma: Array, M: Array) -> float:
    """eta_1 of T2.4, globally, to 1e-12 relative.

    Maximising over the root p first gives eta_1 = max over p of lambda_max(p M - p^2 Sigma), one
    function of one variable for each sign of p.
    """
    check_moments(Sigma, M, 0.0)
    return max(_positive_side(Sigma, M), _positive_side(Sigma, -M))


def _positive_side(Sigma: Array, M: Array) -> float:
    """max over p >= 0 of p g(p), g(p) = lambda_max(M - p Sigma), by branch and bound.

    g is convex, so on an interval it lies below its chord and p times the chord bounds p g(p).
    """

    def g(p: float) -> float:
        return float(np.linalg.eigvalsh(M - p * Sigma)[-1])

    top = float(np.linalg.eigvals(np.linalg.solve(Sigma, M)).real.max())
    if top <= 0:
        return 0.0
    ga, gb = g(0.0), g(top)
    best = 0.0
    queue = [(-_chord_bound(0.0, ga, top, gb), 0.0, ga, top, gb)]
    while queue and -queue[0][0] > best * (1 + 1e-13):
        _, a, ga, b, gb = heapq.heappop(queue)
        c = 0.5 * (a + b)
        gc = g(c)
        best = max(best, c * gc)
        if b - a > 1e-9 * top:
            for left, gl, right, gr in ((a, ga, c, gc), (c, gc, b, gb)):
                heapq.heappush(queue, (-_chord_bound(left, gl, right, gr), left, gl, right, gr))
    return best


def _chord_bound(a: float, ga: float, b: float, gb: float) -> float:
    """Maximum over [a, b] of p times the chord of g through (a, ga) and (b, gb)."""
    slope = (gb - ga) / (b - a)
    offset = ga - slope * a
    inner = min(max(-offset / (2 * slope), a), b) if slope < 0 else b
    return max(a * ga, b * gb, inner * (offset + slope * inner))


def threshold_full_rank(Sigma: Array, M: Array, *, rtol: float = 1e-9) -> float:
    """eta_full by bisection on `maximal_full_rank`, to rtol relative; 0 when M is singular."""
    high = threshold_collapse(Sigma, M)
    low = high
    while maximal_full_rank(Sigma, M, low).equilibrium is None:
        high, low = low, low / 8
        if low < 1e-14 * threshold_collapse(Sigma, M):
            return 0.0
    while high - low > rtol * high:
        middle = 0.5 * (low + high)
        exists = maximal_full_rank(Sigma, M, middle).equilibrium is not None
        low, high = (middle, high) if exists else (low, middle)
    return 0.5 * (low + high)
