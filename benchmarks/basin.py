"""10^4 random starts at n = d = 8: one batch against one `solve_ivp` per start, at one tolerance.

The naive route is timed on a sample of starts in the same process and extrapolated per start. It is
given, for free, what it cannot know: the time at which the last of all the starts has settled
(`until the last settles`), or even the batch's own test of settling, as an event (`with the same
test`). `safe horizon` is what it needs without knowing either: a time that suffices for every start
(`horizon`, the batch's own limit). Accuracy of both is measured against an integration at 1e-12.

    python benchmarks/basin.py [--runs 10000] [--sample 20] [--workers N]
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.integrate import solve_ivp

from equilibria.basin.probabilities import Sample, basin_probabilities, horizon
from equilibria.basin.targets import targets_for
from equilibria.data.moments import Moments
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.model import Model, default_signal
from equilibria.systems.numeric import MatrixDynamics

SIZE, RTOL, CHECK_AT = 8, 1e-6, 20.0


def naive_flow(model: Model) -> Callable[[float, np.ndarray], np.ndarray]:
    """Return the flow of one start as a reader of the paper would write it."""
    sigma, m = model.moments.matrices()
    eta, n = float(model.eta), SIZE

    def rhs(t: float, y: np.ndarray) -> np.ndarray:
        W, P = y[: n * n].reshape(n, n), y[n * n :].reshape(n, n)
        R = W @ m - P @ W @ sigma
        return np.concatenate([(P.T @ R - eta * W).ravel(), (R @ W.T - eta * P).ravel()])

    return rhs


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return seconds and the result."""
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--runs", type=int, default=10_000)
    parser.add_argument("--sample", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    model = Model(moments=Moments.commuting(signal=default_signal(SIZE)), embed_dim=SIZE)
    basin_probabilities(model, Sample(runs=8))  # imports and tables
    seconds, endings = timed(
        lambda: basin_probabilities(
            model, Sample(runs=options.runs), rtol=RTOL, workers=options.workers
        )
    )
    one, _ = timed(lambda: basin_probabilities(model, Sample(runs=options.sample * 25), workers=1))
    batch, single = seconds / options.runs, one / (options.sample * 25)
    settled = float(endings.trajectories.t.max())
    print(f"n = d = {SIZE}, {options.runs} starts, rtol = {RTOL:g}, atol = {RTOL / 1000:g}")
    print(f"  load average of this machine     {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    for share in endings.shares:
        print(
            f"  {share.id:<32} {100 * share.fraction:6.2f} %  [{share.low:.4f}, {share.high:.4f}]"
        )
    print(f"  undecided                        {endings.undecided}")
    print(
        f"  batch, {options.workers} threads: {seconds:.1f} s in all, {1e3 * batch:.3f} ms a start"
    )
    print(f"  batch, 1 thread:  {1e3 * single:.3f} ms a start")

    rhs = naive_flow(model)
    W, P = initial_matrices("kaiming", SIZE, SIZE, runs=range(options.sample), seed=0, scale=1.0)
    starts = np.concatenate([W.reshape(len(W), -1), P.reshape(len(P), -1)], axis=1)
    dynamics = MatrixDynamics(model, 1)
    targets = targets_for(model, dynamics, is_map=False)

    def arrived(t: float, y: np.ndarray) -> float:
        return 1.0 if targets.settle(y[None], y[None])[0] < 0 else -1.0

    arrived.terminal = True  # type: ignore[attr-defined]
    routes = {
        "until the last settles": (settled, None),
        "with the same test": (horizon(model), arrived),
        "safe horizon": (horizon(model), None),
    }
    for name, (until, event) in routes.items():
        count = options.sample if name != "safe horizon" else max(2, options.sample // 5)
        naive, _ = timed(
            lambda until=until, event=event, count=count: [
                solve_ivp(rhs, (0, until), y, rtol=RTOL, atol=RTOL / 1000, events=event)
                for y in starts[:count]
            ]
        )
        naive /= count
        print(
            f"  solve_ivp {name:<24} {1e3 * naive:8.2f} ms a start   "
            f"{naive / batch:7.1f} x the batch ({naive / single:.1f} x one thread)"
        )
    accuracy(model, rhs, starts)


def accuracy(model: Model, rhs: Callable[..., np.ndarray], starts: np.ndarray) -> None:
    """Print the errors of both at the same times, while everything still moves."""
    from equilibria.systems.integrate import Control, integrate

    dynamics = MatrixDynamics(model, len(starts))
    ends = integrate(
        dynamics.flow,
        starts,
        lambda y, f: np.full(len(y), -1),
        Control(rtol=RTOL, atol=RTOL / 1000, t_max=CHECK_AT, check_every=1),
    )
    errors = []
    for row, y in enumerate(starts):
        until = (0, float(ends.t[row]))
        exact = solve_ivp(rhs, until, y, rtol=1e-12, atol=1e-14, method="DOP853").y[:, -1]
        plain = solve_ivp(rhs, until, y, rtol=RTOL, atol=RTOL / 1000).y[:, -1]
        errors.append((np.abs(ends.y[row] - exact).max(), np.abs(plain - exact).max()))
    batch, naive = np.array(errors).max(axis=0)
    print(f"  largest error at t = {CHECK_AT:g}: batch {batch:.1e}, solve_ivp {naive:.1e}")


if __name__ == "__main__":
    main()
