"""The equilibrium of the frozen-feature system near a given head and predictor, of any size.

Candidates, each an equilibrium to rounding: the collapse, the nearest stratum where the moments
commute, and what Newton's method reaches from the leading singular directions of W, for a few ranks.
The nearest one counts, its distance taken with O(n) divided out (Procrustes on k of n rows), so the
distance is an upper bound, and the exact one close to an equilibrium. What was searched is said,
and what was not searched is never called absent. Everything is done on the core of rank k (T6.1), in
units where alpha = 1 and decays are equal (T0.1, T0.3), within a budget of arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from empirical.overlay.distance import orbit_distance
from empirical.overlay.frozen_aligned import Aligned, commuting_basis, nearest_aligned
from empirical.overlay.frozen_newton import ranks_to_try, rest_near, thin_svd
from empirical.overlay.frozen_undecayed import (
    undecayed,
    without_encoder_decay,
    without_predictor_decay,
)
from empirical.overlay.frozen_verdict import NOT_SEARCHED, Decay, aligned_verdict, core_verdict
from empirical.overlay.work import Exhausted, Work
from equilibria.varieties.noncommuting.reduced import eliminate_predictor

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RANKS = 4
NEAR = 0.1
"""An equilibrium within this share of |(W, P)| is one that the head rests at."""
FLOOR = 1e-3
FOLLOWED = 4000
PACE = 0.5

Status = Literal["found", "not found", "not searched"]


@dataclass(frozen=True)
class Nearby:
    """The nearest equilibrium that a search found: its distance, an upper bound, and its name.

    `words` say what was searched, or why nothing was. `core` is (W (k, d), P (k, k)) in units with
    alpha = 1, None without decay; `aligned` is there when it is a stratum of commuting moments.
    """

    status: Status
    words: str
    distance: float | None = None
    rank: int | None = None
    name: str | None = None
    core: tuple[Array, Array] | None = None
    aligned: Aligned | None = None


def nearby(W: Array, P: Array, sigma: Array, m: Array, decay: Decay, work: Work) -> Nearby:
    """Return the nearest equilibrium found for W (n, d), P (n, n) and moments (d, d)."""
    if not (decay.eta and decay.eta_p):
        return _of_a_family(W, P, sigma, m, decay, work)
    scale = float(np.sqrt(decay.alpha * decay.eta / decay.eta_p))
    size = float(np.hypot(np.linalg.norm(W), np.linalg.norm(P)))
    best = Nearby("found", "collapse", size, 0, "rank0", (np.zeros((0, W.shape[1])), P[:0, :0]))
    reach = Reach(scale * size, NEAR * scale * size)
    tried, ended = 0, ""
    try:
        for found in _candidates(scale * W, P, sigma, m, decay.eta, work, reach):
            if found is None:
                tried += 1
                continue
            name, core, aligned = found
            work.spend(8.0 * len(P) ** 3 + 60.0 * len(P) ** 2 * len(core[0]))
            away = orbit_distance(W[None], P[None], None, core[0] / scale, core[1])
            rank, distance = len(core[0]), float(away[0])
            if distance < (best.distance or 0.0):
                words = "aligned, by modes" if aligned else "Newton on the core"
                best = Nearby("found", words, distance, rank, name, core, aligned)
                reach.distance = scale * distance
    except Exhausted:
        ended = "the search ended at its limit of work; "
    if best.rank or not (tried or ended):
        left = f" ({ended}{tried} starts led nowhere)" if tried or ended else ""
        return replace(best, words=best.words + left)
    if not tried:
        return Nearby(NOT_SEARCHED, f"{ended}no start was followed to its end")
    return Nearby("not found", f"{ended}Newton's method did not converge from {tried} starts")


Found = tuple[str, tuple["Array", "Array"], Aligned | None]


@dataclass
class Reach:
    """How near the best candidate is so far, in units with alpha = 1, and what is near enough."""

    distance: float
    enough: float

    @property
    def met(self) -> bool:
        return self.distance <= self.enough


def _candidates(
    W: Array, P: Array, sigma: Array, m: Array, eta: float, work: Work, reach: Reach
) -> Iterator[Found | None]:
    """Yield equilibria near (W, P), likeliest first; None for a start that led nowhere."""
    basis = commuting_basis(sigma, m)
    if basis is not None:
        aligned = nearest_aligned(W, basis, sigma, m, eta)
        yield aligned.name, aligned.core, aligned
        if reach.met:
            return
    yield from _by_newton(W, sigma, m, eta, work, reach)
    U, s, V = thin_svd(W)
    if reach.met or not len(s):
        return
    core = _followed(s[:, None] * V.T, U.T @ P @ U, sigma, m, eta, work)
    yield from _by_newton(core, sigma, m, eta, work, None)


def _by_newton(
    W: Array, sigma: Array, m: Array, eta: float, work: Work, reach: Reach | None
) -> Iterator[Found | None]:
    """Yield what Newton's method reaches from the leading singular directions of W.

    With `reach`, ranks at which nothing can be nearer than the best so far are left out.
    """
    _, s, V = thin_svd(W)
    # A mode at rest has p (m - p s) = eta, so p > eta / |M|: what is smaller has died or is dying.
    top = float(s[0]) if len(s) else 0.0
    floor = max(eta / max(float(np.linalg.norm(m, 2)), 1e-300), FLOOR * top)
    for k in ranks_to_try(s, floor, RANKS):
        if reach is not None and float(np.linalg.norm(s[k:])) >= reach.distance:
            continue  # Eckart and Young: no W of rank k is nearer
        found = rest_near(s[:k, None] * V[:, :k].T, sigma, m, eta, work)
        if found is None:
            yield None
            continue
        P = np.asarray(eliminate_predictor(found, sigma, m, eta), np.float64)
        yield f"rank{k}", (found, P), None


def _followed(W: Array, P: Array, sigma: Array, m: Array, eta: float, work: Work) -> Array:
    """Return W where the flow of stop-gradient on the frozen moments leads in `FOLLOWED` steps."""
    k, d = W.shape
    work.spend(FOLLOWED * 2.0 * (2 * k * d * d + 4 * k * k * d))
    top = float(np.linalg.eigvalsh(sigma)[-1])
    for _ in range(FOLLOWED):
        h = PACE / (top * max(1.0, float((P**2).sum()), float((W**2).sum())))
        R = W @ m - P @ W @ sigma
        W, P = W + h * (P.T @ R - eta * W), P + h * (R @ W.T - eta * P)
    return W


def _of_a_family(W: Array, P: Array, sigma: Array, m: Array, decay: Decay, work: Work) -> Nearby:
    """Return the nearest point of the families that there are without decay."""
    try:
        if decay.eta:
            found = without_predictor_decay(W, P)
        elif decay.eta_p:
            found = without_encoder_decay(W, P, m)
        else:
            near = undecayed(W, P, sigma, m, work)
            if near is None:
                return Nearby("not found", "projections onto R = 0 did not converge")
            found = near
    except Exhausted:
        return Nearby(NOT_SEARCHED, "the head is too large to search its families without decay")
    away = float(np.hypot(np.linalg.norm(W - found.W), np.linalg.norm(P - found.P)))
    rank = len(thin_svd(found.W)[1]) if found.W.any() else 0
    return Nearby("found", found.words, away, rank, f"rank{rank}")


def verdict_of(
    found: Nearby, sigma: Array, m: Array, decay: Decay, n: int, beta: float | None
) -> tuple[str, str]:
    """Return stable, unstable, undecided or not searched for the flow there, and how it is known.

    `beta` is the rate of the target's moving average, None for stop-gradient. The verdict is that
    of the orbit: its core decides for all n (T7.1).
    """
    if found.core is None:
        return NOT_SEARCHED, "without decay the equilibria are families"
    kappa = decay.eta_p / decay.eta
    if found.aligned is not None:
        return aligned_verdict(found.aligned, decay.eta, kappa, n, beta)
    return core_verdict(found.core, sigma, m, decay, n, beta)
