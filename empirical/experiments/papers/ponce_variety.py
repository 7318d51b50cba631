"""Do runs end on the predicted variety? S = W^T W against the equation of proposition 4.5.

    (Sigma S + eta)(S Sigma + eta) = M S M          full rank, alpha = 1
    Sigma S^2 Sigma + eta (Sigma S + S Sigma) + eta^2 Pi_S = M S M     any rank, Pi_S on the range of S

At most 2^(m(m+1)/2) symmetric S solve the first; each stands for a whole orbit {U sqrt(S)}. Measured:
the residual at the end of every run, the distance of (W, P[, T]) to the nearest orbit that
`equilibria` lists, and how many different S are reached from random starts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.answer import PONCE, Answer, Numbers
from empirical.experiments.papers.linear_runs import norm
from empirical.experiments.result import ExperimentResult
from empirical.linear.classify import components_of
from empirical.linear.simulate import simulate
from empirical.overlay.distance import orbit_distance
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.commuting.representative import entry_float

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ALIVE = 1e-4
ON = 1e-5
"""Residual and distance, relative to the size of the equilibrium, of a run that is on the variety."""
WRONG = 1e-2
EMBED = 4


def measured(
    *,
    seed: int = 0,
    full: bool = False,
    runs: int = 0,
    sizes: tuple[int, ...] = (2, 3),
    data: int = 0,
) -> Answer:
    """Every run ends on the predicted variety, and few S are reached."""
    runs = runs or (2000 if full else 100)
    numbers: dict[str, Numbers] = {}
    for m in sizes:
        for index in range(data or (3 if full else 2)):
            moments = random_moments(m, seed + index)
            for kind, ema in (("stop-gradient", None), ("ema", "9/10")):
                model = Model(procedure=kind, ema=ema, moments=moments, embed_dim=EMBED,
                              weight_decay="1/50", lr="1/5")  # fmt: skip
                numbers[f"m = {m}, data {index + 1}, {'EMA' if ema else kind}"] = ended(
                    model, runs, seed
                )
    return Answer(_result(numbers, runs), numbers)


def random_moments(m: int, seed: int) -> Moments:
    """Return admissible moments that do not commute: M = A A^T, Sigma = M + B B^T."""
    g = np.random.default_rng([seed, m])
    A, B = g.standard_normal((2, m, m))
    signal = A @ A.T / m + 0.3 * np.eye(m)
    total = signal + 0.3 * B @ B.T / m + 0.05 * np.eye(m)
    return Moments.dense(
        total / total.trace() * m, signal / total.trace() * m, source=f"seed {seed}"
    )


def ended(model: Model, runs: int, seed: int) -> Numbers:
    """Return residuals, distances and the S of the runs that came to rest."""
    result = simulate(model, runs=runs, seed=seed, progress=False)
    rest = result.arrays["status"] == "settled"
    W, P = (result.arrays[f"final_{name}"][rest] for name in "WP")
    S = W.swapaxes(1, 2) @ W
    sigma, m = model.moments.matrices()
    T = result.arrays["final_T"][rest] if "final_T" in result.arrays else None
    return {
        "settled": int(rest.sum()),
        "residual": residual(S, sigma, m, float(model.eta)),
        "transposes exchanged": residual_exchanged(S, sigma, m, float(model.eta)),
        "distance": nearest(model, W, P, T),
        "P^T P - W W^T": norm(P.swapaxes(1, 2) @ P - W @ W.swapaxes(1, 2)),
        "different S": different(S),
        "rank": (np.linalg.eigvalsh(S) > ALIVE).sum(axis=1),
        "largest number": 2 ** (model.d * (model.d + 1) // 2),
        "diagonal": S[:, [0, 1], [0, 1]],
    }


def residual(S: Array, sigma: Array, m: Array, eta: float) -> Array:
    """Return the residual of the equation at each S, relative to |M S M| (1 at S = 0)."""
    values, u = np.linalg.eigh(S)
    live = np.where(values > ALIVE, 1.0, 0.0)
    onto = (u * live[:, None, :]) @ u.swapaxes(1, 2)
    left = sigma @ S @ S @ sigma + eta * (sigma @ S + S @ sigma) + eta**2 * onto
    right = m @ S @ m
    return np.asarray(norm(left - right) / np.where(live.any(axis=1), norm(right), 1.0))


def residual_exchanged(S: Array, sigma: Array, m: Array, eta: float) -> Array:
    """Return it for (S Sigma + eta)(Sigma S + eta) = M S M, a control: that must not hold at rank m."""
    eye = np.eye(len(sigma))
    right = m @ S @ m
    left = (S @ sigma + eta * eye) @ (sigma @ S + eta * eye)
    full = (np.linalg.eigvalsh(S) > ALIVE).all(axis=1)
    off = norm(left - right) / np.maximum(norm(right), 1e-300)
    return np.asarray(np.where(full, off, np.nan))


def nearest(model: Model, W: Array, P: Array, T: Array | None) -> Array:
    """Return the distance of each run to the nearest listed orbit, relative to the largest one."""
    best, size = np.full(len(W), np.inf), 0.0
    for component in components_of(model):
        point, predictor = (
            np.array([[entry_float(v) for v in row] for row in component.representative[name]])
            for name in "WP"
        )
        size = max(size, float(np.linalg.norm(point)))
        best = np.minimum(best, orbit_distance(W, P, T, point, predictor))
    return best / max(size, 1.0)


def different(S: Array, within: float = 1e-4) -> int:
    """Return how many of the matrices differ by more than `within` of the largest one."""
    kept: list[Array] = []
    size = max(1e-12, float(norm(S).max(initial=0.0)))
    for one in S:
        if all(np.linalg.norm(one - other) > within * size for other in kept):
            kept.append(one)
    return len(kept)


def _result(numbers: dict[str, Numbers], runs: int) -> ExperimentResult:
    words, holds = [], True
    for name, found in numbers.items():
        residuals, distance = found["residual"].max(), found["distance"].max()
        control = np.nanmin(found["transposes exchanged"], initial=np.inf)
        ranks = ", ".join(
            f"{(found['rank'] == k).sum()} of rank {k}" for k in np.unique(found["rank"])
        )
        words.append(
            f"{name}: {found['settled']} of {runs} at rest ({ranks}), residual at most {residuals:.0e} "
            f"(transposes exchanged: at least {control:.0e}), distance at most {distance:.0e}, "
            f"{found['different S']} different S"
        )
        holds &= bool(residuals < ON and distance < 1e-3 and control > WRONG)
        holds &= found["settled"] > 0.9 * runs and found["different S"] <= found["largest number"]
    return ExperimentResult(
        name="ponce2025-variety",
        statement="equilibria satisfy (Sigma S + eta)(S Sigma + eta) = M S M with S = W^T W; at most "
        "2^(m(m+1)/2) S, each with a whole variety of W",
        source=f"{PONCE}, proposition 4.5",
        predicted="every run rests on an orbit that `equilibria` lists (T6.2, T6.6 to T6.9), residual "
        "0; lower ranks with eta^2 times the projector on the range (T6.2)",
        measured="; ".join(words),
        holds=bool(holds),
        runs=runs * len(numbers),
    )
