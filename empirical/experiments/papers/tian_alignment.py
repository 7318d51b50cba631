"""Do predictor and correlation come to share eigenvectors? Linear models and a network.

F = W Sigma W^T is the correlation of the predictor's inputs, u its eigenvectors. Alignment is the
mean of <u, P u> / |P u| over the leading u, asymmetry |P - P^T| / |P|, commutator
|F P - P F| / (|F| |P|).

Two statements of different strength. At every equilibrium that is stable (commuting moments: T8.1)
P is symmetric and commutes with F; that predicts where true training ends. Theorem 3 is about the
*symmetrised* flow: there the commutator obeys d[F, P]/dt = -(K [F, P] + [F, P] K), hence

    |[F, P]|(t) <= |[F, P]|(0) exp(-2 integral of lambda_min(K)),

an inequality that runs of that flow can be held against.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.answer import TIAN, Answer, Numbers
from empirical.experiments.papers.linear_runs import follow, map_of, norm, spaced, starts
from empirical.experiments.result import ExperimentResult
from equilibria.data.moments import Moments
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from empirical.networks.settings import Settings

    Array = NDArray[np.float64]

N = 6
ALIGNED, SYMMETRIC = 0.99, 0.01
ALIVE = 1e-6
SLACK = 1e-6
"""Relative error of the integration that the bound of theorem 3 is allowed."""


def linear(*, seed: int = 0, full: bool = False, runs: int = 0) -> Answer:
    """In linear training the predictor aligns with the correlation; theorem 3's bound is kept."""
    runs = runs or (256 if full else 24)
    moments = Moments.commuting(signal=[f"{4**k}/{5**k}" for k in range(N)], noise="1/4")
    model = Model(moments=moments, embed_dim=N, weight_decay="1/50", lr="1/10")
    at = spaced(20_000 if full else 8000, 24)
    curves: dict[str, dict[str, Array]] = {}
    for name, changed in (("stop-gradient", {}), ("EMA", {"mu": 0.99})):
        kind = model if not changed else Model(
            procedure="ema", moments=moments, embed_dim=N, weight_decay="1/50", lr="1/10"
        )  # fmt: skip
        W, P = starts(kind, runs, seed)
        path = follow(map_of(kind, runs, **changed), W, P, at)
        curves[name] = eigen_curves(path["W"], path["P"], moments.matrices()[0])
    bound = symmetrised(seed=seed, runs=runs)
    numbers = {"steps": at, "curves": curves, "theorem 3": bound}
    return Answer(_linear_result(curves, bound, runs), numbers)


def eigen_curves(W: Array, P: Array, sigma: Array) -> dict[str, Array]:
    """Return alignment, asymmetry and commutator (K, R) of runs; nan for runs that collapsed.

    Leading eigenvectors are those of the modes alive at the last point.
    """
    F = W @ sigma @ W.swapaxes(-1, -2)
    values, u = np.linalg.eigh(F)
    rank = (values[-1] > ALIVE * max(1.0, float(values[-1].max()))).sum(axis=-1)
    moved = P @ u
    cosine = (u * moved).sum(axis=-2) / np.maximum(np.linalg.norm(moved, axis=-2), 1e-300)
    leading = np.arange(F.shape[-1])[None, :] >= F.shape[-1] - rank[:, None]
    with np.errstate(invalid="ignore"):
        alignment = (cosine * leading).sum(axis=-1) / np.where(rank, rank, np.nan)
    alive = np.where(rank, 1.0, np.nan)
    size = np.maximum(norm(P), 1e-300)
    commutator = norm(F @ P - P @ F) / np.maximum(norm(F) * size, 1e-300)
    return {
        "alignment": alignment,
        "asymmetry": alive * norm(P - P.swapaxes(-1, -2)) / size,
        "commutator": alive * commutator,
    }


def symmetrised(*, seed: int, runs: int, n: int = 4, time: float = 20.0) -> Numbers:
    """Integrate the symmetrised flow (X = I, X' = I/4) and hold [F, P] against theorem 3's bound."""
    tau, a, alpha, eta, h = 1.0, 1.25, 1.0, 0.2, 0.005
    g = np.random.default_rng(seed)
    P, F = g.standard_normal((2, runs, n, n)) / np.sqrt(n)
    P, F = (P + P.swapaxes(1, 2)) / 2, F @ F.swapaxes(1, 2)
    eye = np.eye(n)

    def both(left: Array, right: Array) -> Array:
        return left @ right + right @ left

    def slope(P: Array, F: Array) -> tuple[Array, Array, Array]:
        K = a * P @ P - tau * P + alpha * a / 2 * F + 1.5 * eta * eye
        dP = -alpha * a / 2 * both(P, F) + alpha * tau * F - eta * P
        dF = -a * both(P @ P, F) + tau * both(P, F) - 2 * eta * F
        return dP, dF, np.asarray(np.linalg.eigvalsh(K)[:, 0], np.float64)

    first = norm(F @ P - P @ F)
    gone, ratio, lowest, seen = np.zeros(runs), [], np.inf, []
    for number in range(round(time / h)):
        k1 = slope(P, F)
        k2 = slope(P + h / 2 * k1[0], F + h / 2 * k1[1])
        k3 = slope(P + h / 2 * k2[0], F + h / 2 * k2[1])
        k4 = slope(P + h * k3[0], F + h * k3[1])
        weighted = [
            h / 6 * (w + 2 * x + 2 * y + z) for w, x, y, z in zip(k1, k2, k3, k4, strict=True)
        ]
        P, F, gone = P + weighted[0], F + weighted[1], gone + weighted[2]
        lowest = min(lowest, float(k1[2].min()))
        if number % 200 == 199:
            left = norm(F @ P - P @ F) / first
            kept = left > 1e-9  # below, rounding
            ratio.append(float(np.max(np.where(kept, left * np.exp(2 * gone), 0.0))))
            seen.append(
                (h * (number + 1), float(np.median(left)), float(np.median(np.exp(-2 * gone))))
            )
    return {"largest ratio to the bound": max(ratio), "smallest lambda_min(K)": lowest,
            "time, measured, bound (medians)": seen}  # fmt: skip


def _linear_result(
    curves: dict[str, dict[str, Array]], bound: Numbers, runs: int
) -> ExperimentResult:
    words, holds = [], True
    for name, curve in curves.items():
        last = {key: value[-1][np.isfinite(value[-1])] for key, value in curve.items()}
        start = float(np.nanmedian(curve["alignment"][0]))
        kept = len(last["alignment"])
        good = (last["alignment"] > ALIGNED) & (last["asymmetry"] < SYMMETRIC)
        holds &= bool(kept and good.all())
        words.append(
            f"{name}: {kept} of {runs} runs learn something; median alignment {start:.2f} to "
            f"{np.median(last['alignment']):.4f} (lowest {last['alignment'].min():.4f}), largest "
            f"asymmetry {last['asymmetry'].max():.1e}"
        )
    ratio = bound["largest ratio to the bound"]
    holds &= ratio <= 1 + SLACK
    words.append(f"symmetrised flow: |[F, P]| at most {ratio:.4f} of theorem 3's bound")
    return ExperimentResult(
        name="tian2021-alignment-linear",
        statement="the predictor's eigenspace aligns with that of the correlation of its inputs",
        source=f"{TIAN}, theorem 3 and figure 2",
        predicted="every stable equilibrium has P symmetric and commuting with F (T8.1): alignment 1, "
        "asymmetry 0; the symmetrised flow keeps |[F, P]| below exp(-2 integral lambda_min(K)) (T12.4)",
        measured="; ".join(words),
        holds=holds,
        runs=2 * runs,
    )


def network(*, seed: int = 0, full: bool = False, epochs: int = 0) -> Answer:
    """In a network with a linear predictor alignment rises to 0.99 and asymmetry falls later."""
    from empirical.experiments.papers.networks_run import digits, trained

    common = {**digits(full=full, epochs=epochs or 160), "predictor": "linear", "seed": seed}
    settings = {"decay 5e-4": {}, "decay 0.02": {"weight_decay": "0.02"}}
    runs = {name: trained(**{**common, **changed}) for name, changed in settings.items()}
    numbers = {
        name: {
            "step": run.line("step"),
            "alignment": run.line("eigen_alignment"),
            "asymmetry": run.line("asymmetry"),
            "commutator": run.line("commutator"),
            "knn": run.data["knn"],
            "eta t": run.settings.weight_decay * flow_time(run.settings, run.data["steps"]),
        }
        for name, run in runs.items()
    }
    return Answer(_network_result(numbers), numbers)


def _network_result(numbers: dict[str, Numbers]) -> ExperimentResult:
    words = []
    for name, run in numbers.items():
        words.append(
            f"{name} (eta t = {run['eta t']:.1f}): alignment of the 8 leading eigenvectors "
            f"{run['alignment'][0]:.2f} to {run['alignment'][-1]:.3f}, asymmetry "
            f"{run['asymmetry'][0]:.2f} to {run['asymmetry'][-1]:.2f}, commutator "
            f"{run['commutator'][0]:.2f} to {run['commutator'][-1]:.2f}, kNN {run['knn']:.3f}"
        )
    slow, fast = numbers.values()
    moved = all(
        run["alignment"][-1] > run["alignment"][0] and run["asymmetry"][-1] < run["asymmetry"][0]
        for run in numbers.values()
    )
    there = fast["alignment"][-1] > 0.98 and fast["asymmetry"][-1] < 0.25 * fast["asymmetry"][0]
    if slow["alignment"][-1] < 0.98:
        words.append("at the small decay the run is too short: neither has come to its end")
    return ExperimentResult(
        name="tian2021-alignment-network",
        statement="in training the alignment tends to 1 and the predictor becomes symmetric, sooner "
        "with a larger weight decay",
        source=f"{TIAN}, figure 2 and effect 7 (STL-10, ResNet-18, eta t about 10)",
        predicted="the linear theory: alignment 1, asymmetry 0 in the end, on the time scale 1/eta "
        "(T11.2); with eta t = 4 above 0.98 and below a quarter of the start; after eta t = 0.1 "
        "nothing is promised",
        measured="; ".join(words),
        holds=bool(moved and there and fast["alignment"][-1] > slow["alignment"][-1]),
        runs=len(numbers),
    )


def flow_time(settings: Settings, steps: int) -> float:
    """Return the time that so many steps take in the flow: the sum of lr, over 1 - momentum."""
    shape = 0.5 if settings.schedule == "cosine" else 1.0
    return steps * settings.lr * shape / (1 - settings.momentum)
