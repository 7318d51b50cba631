"""What keeps training from collapse? Take away the stop-gradient, or the predictor.

Linear models have exact answers. Without stop-gradient |W(t)| <= exp(-(eta + r) t) |W(0)| with
r = lambda_min(Sigma - M Sigma^-1 M^T) (T1.2). With stop-gradient but P = I,

    dW = -W (Sigma - M + eta),   so   W_k = W_0 (I - h (Sigma - M + eta))^k.

Networks differ in one thing that matters: batch norm at the output holds the scale up, so that what
is left can only lose dimensions. Both heads are trained.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.collapse import COMPLETE
from empirical.experiments.answer import TIAN, Answer, Numbers
from empirical.experiments.papers.linear_runs import follow, map_of, norm, spaced, starts
from empirical.experiments.result import ExperimentResult
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

GONE = 1e-3
SLACK = 1e-9


def linear(*, seed: int = 0, full: bool = False, runs: int = 0) -> Answer:
    """Without stop-gradient, or without predictor, every linear run collapses; with both, not."""
    runs = runs or (2000 if full else 200)
    base = Model(embed_dim=4, weight_decay="1/20", lr="1/20")
    joint = Model(procedure="joint", embed_dim=4, weight_decay="1/20", lr="1/20")
    W, P = starts(base, runs, seed)
    eye = np.broadcast_to(np.eye(base.n), P.shape).copy()
    at = spaced(4000, 30)
    paths = {
        "both": follow(map_of(base, runs), W, P, at),
        "no stop-gradient": follow(map_of(joint, runs), W, P, at),
        # P = I stays: a rate of 0 and no decay.
        "no predictor": follow(map_of(base, runs, alpha=0.0, eta_p=0.0), W, eye, at),
    }
    size = {name: norm(path["W"]) for name, path in paths.items()}
    numbers = {
        "step": at,
        "|W| (median)": {name: np.median(value, axis=1) for name, value in size.items()},
        "collapsed": {name: float((value[-1] < GONE).mean()) for name, value in size.items()},
        "no predictor, off the formula": _off_the_formula(base, paths["no predictor"]["W"], at),
        "no stop-gradient, over the bound": _over_the_bound(joint, size["no stop-gradient"], at),
        "bound": np.exp(-_rate(joint) * float(joint.h) * np.array(at)),
    }
    return Answer(_linear_result(numbers, runs), numbers)


def _off_the_formula(model: Model, W: Array, at: list[int]) -> float:
    sigma, m = model.moments.matrices()
    factor = np.eye(model.d) - float(model.h) * (sigma - m + float(model.eta) * np.eye(model.d))
    predicted = np.stack([W[0] @ np.linalg.matrix_power(factor, k) for k in at])
    return float((norm(W - predicted) / norm(W[0])).max())


def _rate(model: Model) -> float:
    """Return eta + r of T1.2."""
    sigma, m = model.moments.matrices()
    r = float(np.linalg.eigvalsh(sigma - m @ np.linalg.solve(sigma, m.T))[0])
    return float(model.eta) + r


def _over_the_bound(model: Model, size: Array, at: list[int]) -> float:
    """Return the largest ratio of |W| to its bound; a step of size h exceeds the flow's by O(h)."""
    bound = np.exp(-_rate(model) * float(model.h) * np.array(at))[:, None] * size[0]
    seen = size > 1e-9
    return float(np.where(seen, size / bound, 0.0).max())


def _linear_result(numbers: Numbers, runs: int) -> ExperimentResult:
    share = numbers["collapsed"]
    words = ", ".join(f"{name} {value:.1%}" for name, value in share.items())
    exact, over = (
        numbers["no predictor, off the formula"],
        numbers["no stop-gradient, over the bound"],
    )
    return ExperimentResult(
        name="tian2021-collapse-linear",
        statement="without stop-gradient, and without a predictor, the encoder collapses",
        source=f"{TIAN}, theorem 2",
        predicted="without stop-gradient |W| <= exp(-(eta + r) t) |W(0)| (T1.1, T1.2); with P = I "
        "W_k = W_0 (I - h (Sigma - M + eta))^k: collapse from every start; with both it is not the "
        "only end",
        measured=f"collapsed of {runs} each: {words}; no predictor: relative distance to the formula "
        f"{exact:.1e}; no stop-gradient: |W| at most {over:.3f} of its bound",
        holds=bool(
            share["no stop-gradient"] == share["no predictor"] == 1.0
            and share["both"] < 0.5
            and exact < SLACK
            and over <= 1 + SLACK
        ),
        runs=3 * runs,
    )


CASES: dict[str, tuple[dict[str, object], bool]] = {
    "both": ({"head_bn": "hidden"}, False),
    "no stop-gradient": ({"head_bn": "hidden", "stop_gradient": False}, True),
    "no predictor": ({"head_bn": "hidden", "predictor": "none"}, True),
    "output norm: both": ({}, False),
    "output norm: no stop-gradient": ({"stop_gradient": False}, True),
    "output norm: no predictor": ({"predictor": "none"}, True),
    "output norm, MLP predictor: both": ({"predictor": "mlp"}, False),
    "output norm, MLP predictor: no stop-gradient": (
        {"predictor": "mlp", "stop_gradient": False},
        True,
    ),
}
"""Settings beside a linear predictor and batch norm at the output; does the linear theory collapse?"""


def network(*, seed: int = 0, full: bool = False, epochs: int = 0) -> Answer:
    """The same in a network: with and without batch norm at the output, linear and MLP predictor."""
    from empirical.experiments.papers.networks_run import digits, trained

    common = {**digits(full=full, epochs=epochs or 40), "predictor": "linear", "seed": seed}
    numbers: dict[str, Numbers] = {}
    for name, (changed, expected) in CASES.items():
        run = trained(**{**common, **changed})
        numbers[name] = {
            "step": run.line("step"),
            "std": run.line("std"),
            "effective_rank": run.line("effective_rank"),
            "knn": run.data["knn"],
            "verdict": run.data["verdict"],
            "expected": expected,
        }
    return Answer(_network_result(numbers), numbers)


def _network_result(numbers: dict[str, Numbers]) -> ExperimentResult:
    words = [
        f"{name}: std {run['std'][-1]:.2f}, effective rank {run['effective_rank'][-1]:.1f}, "
        f"kNN {run['knn']:.3f} ({run['verdict']})"
        for name, run in numbers.items()
    ]
    wrong = [
        name for name, run in numbers.items() if (run["verdict"] == COMPLETE) != run["expected"]
    ]
    if wrong:
        words.append("the networks depart from the linear statement in: " + "; ".join(wrong))
    return ExperimentResult(
        name="tian2021-collapse-network",
        statement="without stop-gradient, and without a predictor, the encoder collapses; with both not",
        source=f"{TIAN}, theorem 2, stated for linear networks",
        predicted="the linear theory: complete collapse without either, none with both (the verdict "
        "of `train`: a constant takes over, or nothing is left)",
        measured="; ".join(words),
        holds=not wrong,
        runs=len(numbers),
    )
