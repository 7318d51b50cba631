"""The linear model inside a network at one step, and how far it is from rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.overlay.distance import orbit_distance
from empirical.overlay.frozen import followed, nearby

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ALIVE = 1e-3


@dataclass(frozen=True)
class Decay:
    """What the equilibria depend on beside the moments: eta, eta_P and alpha."""

    eta: float
    eta_p: float
    alpha: float


@dataclass(frozen=True)
class Moment:
    """The linear model at one step.

    `f`, `p`, `p_rest`: eigenvalues of F, the predictor along its eigenvectors, and where it would
    rest for this head. `distance` and `rank` are those to and of the nearby equilibrium (None: none
    found), `size` is |(W, P)|, `speed` the relative change of the moments per step before it.
    """

    step: int
    f: Array
    p: Array
    p_rest: Array
    gap: float
    distance: float | None
    rank: int | None
    reached: int
    size: float
    speed: float


def drift_of(arrays: Mapping[str, NDArray[Any]], names: str | tuple[str, ...]) -> float:
    """Return the largest relative change of the named arrays over the last tenth of training."""
    step = arrays["step"]
    since = max(0, int(np.searchsorted(step, 0.9 * step[-1], side="right")) - 1)
    return max(_change(arrays[name][since], arrays[name][-1]) for name in names)


def _change(before: Array, after: Array) -> float:
    return float(np.linalg.norm(after - before) / max(float(np.linalg.norm(after)), 1e-300))


def moment_at(arrays: Mapping[str, NDArray[Any]], k: int, decay: Decay) -> Moment:
    W, P, sigma, m = (np.asarray(arrays[name][k]) for name in ("W", "P", "Sigma", "M"))
    F = W @ sigma @ W.T
    ridge = decay.eta_p / decay.alpha
    rest = W @ m @ W.T @ np.linalg.pinv(F + ridge * np.eye(len(F)))
    f, axes = np.linalg.eigh(F)
    found = nearby(W, P, sigma, m, decay)
    if found is None:  # too far for Newton: where does the flow lead that has these moments?
        found = nearby(*followed(W, P, sigma, m, decay), sigma, m, decay)
    size = float(np.hypot(np.linalg.norm(W), np.linalg.norm(P)))
    distance = rank = None
    if found is not None:
        distance = float(orbit_distance(W[None], P[None], None, *found)[0])
        rank = _rank(found[0])
    before = max(0, k - 1)
    gone = max(int(arrays["step"][k] - arrays["step"][before]), 1)
    moved = max(_change(arrays[name][before], arrays[name][k]) for name in ("Sigma", "M"))
    return Moment(
        step=int(arrays["step"][k]), f=f[::-1], p=np.diag(axes.T @ P @ axes)[::-1],
        p_rest=np.diag(axes.T @ rest @ axes)[::-1],
        gap=float(np.linalg.norm(P - rest) / max(float(np.linalg.norm(rest)), 1e-300)),
        distance=distance, rank=rank, reached=_rank(W), size=size, speed=moved / gone,
    )  # fmt: skip


def _rank(W: Array) -> int:
    values = np.linalg.svd(W, compute_uv=False)
    return int((values > ALIVE * max(1.0, float(values[0]))).sum())


def moment_json(moment: Moment) -> dict[str, Any]:
    """Return one step for overlay.json."""
    return {
        "step": moment.step,
        "correlation_eigenvalues": moment.f.tolist(),
        "predictor": moment.p.tolist(),
        "predictor_at_rest": moment.p_rest.tolist(),
        "predictor_gap": moment.gap,
        "distance": moment.distance,
        "rank_nearby": moment.rank,
        "rank": moment.reached,
        "size": moment.size,
        "moments_speed": moment.speed,
    }
