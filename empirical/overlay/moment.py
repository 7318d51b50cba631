"""The linear model inside a network at one step, and how far it is from rest."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.frozen import Nearby
from empirical.runs.trajectories import Arrays

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ALIVE = 1e-3
EPS = 1e-15


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
    rest for this head, along the min(n, d) directions that the outputs span. `near` is the nearest
    equilibrium found, or says why there is none, `size` is |(W, P)|, `speed` the relative change of
    the moments per step before it.
    """

    step: int
    f: Array
    p: Array
    p_rest: Array
    gap: float
    near: Nearby
    reached: int
    size: float
    speed: float

    @property
    def distance(self) -> float | None:
        """Return the distance to the nearest equilibrium found."""
        return self.near.distance

    @property
    def rank(self) -> int | None:
        """Return the rank of the nearest equilibrium found."""
        return self.near.rank


def window_of(step: NDArray[np.int64]) -> tuple[int, float]:
    """Return the last point before the last tenth of training, and the share of it after there.

    A thinned trajectory has points further apart than that; the share says how much is looked at.
    """
    since = max(0, int(np.searchsorted(step, 0.9 * step[-1], side="right")) - 1)
    return since, float(step[-1] - step[since]) / max(float(step[-1]), 1.0)


def drift_of(arrays: Arrays, names: str | tuple[str, ...]) -> float:
    """Return the largest relative change of the named arrays over the window at the end."""
    since, _ = window_of(arrays["step"])
    return max(_change(arrays[name][since], arrays[name][-1]) for name in names)


def _change(before: Array, after: Array) -> float:
    return float(np.linalg.norm(after - before) / max(float(np.linalg.norm(after)), 1e-300))


def moment_at(arrays: Arrays, k: int, decay: Decay, near: Nearby) -> Moment:
    """Return the linear model at the k-th point of a trajectory."""
    W, P, sigma, m = state_at(arrays, k)
    f, axes = _correlation(W, sigma)
    total = f + decay.eta_p / decay.alpha
    usable = total > EPS * max(float(total.max()), 1e-300)
    inverse = np.where(usable, 1 / np.where(usable, total, 1.0), 0.0)
    rest = (W @ (m @ (W.T @ axes))) * inverse
    whole = rest @ axes.T
    before = max(0, k - 1)
    gone = max(int(arrays["step"][k] - arrays["step"][before]), 1)
    moved = max(_change(arrays[name][before], arrays[name][k]) for name in ("Sigma", "M"))
    return Moment(
        step=int(arrays["step"][k]), f=f, p=_along(axes, P @ axes), p_rest=_along(axes, rest),
        gap=float(np.linalg.norm(P - whole) / max(float(np.linalg.norm(whole)), 1e-300)),
        near=near, reached=_rank(W), size=float(np.hypot(np.linalg.norm(W), np.linalg.norm(P))),
        speed=moved / gone,
    )  # fmt: skip


def state_at(arrays: Arrays, k: int) -> tuple[Array, Array, Array, Array]:
    """Return W, P, Sigma, M at the k-th point; moments that do not change have no axis of time."""
    W, P = (np.asarray(arrays[name][k]) for name in "WP")
    sigma, m = (np.asarray(arrays[name][k]) for name in ("Sigma", "M"))
    return W, P, sigma, m


def _correlation(W: Array, sigma: Array) -> tuple[Array, Array]:
    """Return the min(n, d) leading eigenvalues of F = W Sigma W^T and its eigenvectors (n, .)."""
    n, d = W.shape
    Q, R = (np.eye(n), W) if n <= d else np.linalg.qr(W)
    f, axes = np.linalg.eigh(R @ sigma @ R.T)
    return f[::-1], Q @ axes[:, ::-1]


def _along(axes: Array, image: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->j", axes, image))


def _rank(W: Array) -> int:
    n, d = W.shape
    gram = W.T @ W if n > d else W @ W.T
    values = np.sqrt(np.maximum(np.linalg.eigvalsh(gram), 0.0))
    return int((values > ALIVE * max(1.0, float(values[-1]))).sum())


def moment_json(moment: Moment) -> dict[str, object]:
    """Return one step for overlay.json."""
    return {
        "step": moment.step,
        "correlation_eigenvalues": moment.f.tolist(),
        "predictor": moment.p.tolist(),
        "predictor_at_rest": moment.p_rest.tolist(),
        "predictor_gap": moment.gap,
        "search": moment.near.status,
        "searched": moment.near.words,
        "distance": moment.distance,
        "nearby": moment.near.name,
        "rank_nearby": moment.rank,
        "rank": moment.reached,
        "size": moment.size,
        "moments_speed": moment.speed,
    }
