"""Linear training and its flow, many runs at once, against the usual ways, in one process.

    map     (a) one run at a time: autograd, torch.optim.SGD, the target by `lerp_`
    flow    (b) scipy's solve_ivp, DOP853, all starts stacked in one system
            (c) torchdiffeq's dopri5, all starts in one tensor with a shared step

The map is measured in trajectory-steps per CPU second (one thread) with EMA and moments that do not
commute, both sides in the same precision; on mini-batches of 128 both draw their data themselves.
The flow goes from random starts to t = 50 at rtol 1e-6, atol 1e-9; errors are the largest over all
starts and variables, against stacked DOP853 at 1e-11. With --cuda the map runs on the GPU too, at
10^5 runs.

    python benchmarks/linear.py [--cuda] [--sizes 2,8,64] [--seconds 2]
"""

from __future__ import annotations

import argparse
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
import sys

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import torch
from scipy.integrate import solve_ivp

from empirical.linear.flow import BootstrapFlow, integrate_flow
from empirical.linear.minibatch_noise import Batches, GaussianBatches
from empirical.linear.pool import Data, Pool, rates_of
from empirical.linear.settings import Settings
from equilibria.data.moments import Moments
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.model import Model

BATCH = 128
RUNS = {2: 1000, 8: 1000, 64: 64}
TARGETS = {2: 2000, 8: 400, 64: 15}
FLOW_RUNS = {2: 1000, 8: 1000, 64: 64}
T_END, RTOL, ATOL = 50.0, 1e-6, 1e-9


def model_of(n: int) -> Model:
    """Return EMA with random second moments that do not commute, decay 0.01, lr 0.01."""
    g = np.random.default_rng(n)
    basis = np.linalg.qr(g.normal(size=(n, n)))[0]
    signal = basis @ np.diag(g.uniform(0.2, 1.0, n)) @ basis.T
    noise = np.diag(g.uniform(0.1, 0.5, n))
    moments = Moments.dense(signal + noise, (signal + signal.T) / 2)
    return Model(
        procedure="ema",
        moments=moments,
        embed_dim=n,
        lr="1/100",
        weight_decay="1/100",
        ema="249/250",
    )


def usual_loop(model: Model, batch: int, dtype: torch.dtype) -> Callable[[], None]:
    """Return one step of the loop that everybody writes, for one run."""
    sigma, m = (torch.tensor(part, dtype=dtype) for part in model.moments.matrices())
    W, P = (torch.tensor(v[0], dtype=dtype, requires_grad=True) for v in starts(model, 1))
    T = W.detach().clone()
    optimiser = torch.optim.SGD([W, P], lr=float(model.h), weight_decay=float(model.eta))
    factor = torch.linalg.cholesky(torch.cat([torch.cat([sigma, m], 1), torch.cat([m, sigma], 1)]))

    def loss() -> torch.Tensor:
        if not batch:
            prediction = P @ W
            return 0.5 * (prediction @ sigma * prediction).sum() - (T @ m * prediction).sum()
        pairs = torch.randn(batch, 2 * model.d, dtype=dtype) @ factor.T
        x, y = pairs[:, : model.d], pairs[:, model.d :]
        return 0.5 * (x @ W.T @ P.T - (y @ T.T).detach()).square().sum(dim=1).mean()

    def step() -> None:
        optimiser.zero_grad()
        loss().backward()
        optimiser.step()
        with torch.no_grad():
            T.lerp_(W, 1 - float(model.mu))

    return step


def starts(model: Model, runs: int) -> tuple[np.ndarray, np.ndarray]:
    """Return starting weights of many runs."""
    return initial_matrices("normal", model.n, model.d, runs=range(runs), seed=0, scale=0.7)


def pool_of(model: Model, runs: int, device: str, dtype: torch.dtype) -> tuple[Pool, Batches]:
    """Return many runs in flight, and where their mini-batches come from."""
    like = torch.zeros(1, dtype=dtype, device=device)
    data, owner = Data.of(model, like), np.arange(runs)
    rates = rates_of(model, Settings(runs=runs), owner, like)
    weights = dict(zip("WP", starts(model, runs), strict=True))
    pool = Pool.start(model, owner, weights, rates, data, momentum=False)
    return pool, GaussianBatches(*data.matrices(), BATCH, 0, like=like)


def rate_of(
    work: Callable[[int], None], steps_a_call: int, seconds: float, *, cuda: bool = False
) -> float:
    """Return trajectory-steps per second of CPU time (wall time on a GPU); the best of three."""
    clock = time.perf_counter if cuda else time.process_time
    work(0)
    best = 0.0
    for _ in range(3):
        calls, start = 0, clock()
        while clock() - start < seconds / 3:
            work(calls + 1)
            calls += 1
            if cuda:
                torch.cuda.synchronize()
        best = max(best, calls * steps_a_call / (clock() - start))
    return best


def advance_rate(
    model: Model, runs: int, seconds: float, *, device: str, noisy: bool, dtype: torch.dtype
) -> float:
    """Return trajectory-steps a second of the batched map."""
    pool, batches = pool_of(model, runs, device, dtype)
    steps = 64

    def work(call: int) -> None:
        pool.advance(call * steps, (call + 1) * steps, batches if noisy else None)

    return rate_of(work, steps * runs, seconds, cuda=device == "cuda")


def repeated(step: Callable[[], None]) -> None:
    """Make 50 steps."""
    for _ in range(50):
        step()


def map_table(sizes: list[int], seconds: float, *, cuda: bool) -> None:
    """Print the table of the map."""
    print("| trajectory-steps per CPU second | " + " | ".join(f"n = d = {n}" for n in sizes) + " |")
    print("|---|" + "---|" * len(sizes))
    runs = ", ".join(str(RUNS[n]) for n in sizes)
    for dtype in (torch.float32, torch.float64):
        full: list[float] = []
        for batch in (0, BATCH):
            name = f"{'moments' if not batch else f'batches of {batch}'}, {str(dtype)[6:]}"
            usual, ours = [], []
            for n in sizes:
                model = model_of(n)
                one = usual_loop(model, batch, dtype)
                usual.append(rate_of(lambda _, one=one: repeated(one), 50, seconds))
                ours.append(
                    advance_rate(
                        model, RUNS[n], seconds, device="cpu", noisy=bool(batch), dtype=dtype
                    )
                )
            print(f"| (a) one run, {name} | " + " | ".join(f"{v:,.0f}" for v in usual) + " |")
            cells = [f"{v:,.0f} (**{v / u:,.0f}x**)" for u, v in zip(usual, ours, strict=True)]
            print(f"| {runs} runs at once, {name} | " + " | ".join(cells) + " |", flush=True)
            full = full or ours
        cells = [f"{v / u:,.0f}x" for u, v in zip(usual, full, strict=True)]
        name = str(dtype)[6:]
        print(f"| batched on moments over (a) on batches, {name} | " + " | ".join(cells) + " |")
    print("| wanted | " + " | ".join(f"{TARGETS[n]:,}x" for n in sizes) + " |")
    if cuda:
        for runs in (1000, 100_000):
            cells = []
            for n in sizes:
                count = min(runs, 20_000) if n >= 64 else runs
                value = advance_rate(
                    model_of(n), count, seconds, device="cuda", noisy=False, dtype=torch.float64
                )
                cells.append(f"{value:,.0f} ({count:,} runs)")
            name = torch.cuda.get_device_name()
            print(f"| {name}, moments, wall time | " + " | ".join(cells) + " |")


def timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """Return CPU seconds and the result."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def flow_row(n: int) -> list[tuple[str, float, float]]:
    """Return name, CPU seconds and largest error of every integrator."""
    model = model_of(n)
    W, P = (torch.tensor(v) for v in starts(model, FLOW_RUNS[n]))
    field, ours = BootstrapFlow(model, W, turn=False), BootstrapFlow(model, W)
    y0, turned = field.pack(W, P), ours.pack(W, P)
    out = torch.empty_like(y0)

    def stacked(_: float, flat: np.ndarray) -> np.ndarray:
        field(torch.from_numpy(flat).view(y0.shape), out)
        return out.numpy().ravel().copy()

    def scipy_run(rtol: float, atol: float) -> np.ndarray:
        found = solve_ivp(
            stacked,
            (0, T_END),
            y0.numpy().ravel(),
            method="DOP853",
            rtol=rtol,
            atol=atol,
            t_eval=[T_END],
        )
        return found.y[:, -1].reshape(y0.shape)

    exact = scipy_run(1e-11, 1e-13)

    def error(y: np.ndarray) -> float:
        return float(np.abs(y - exact).max())

    rows = []
    seconds, end = timed(lambda: integrate_flow(ours, turned, T_END, rtol=RTOL, atol=ATOL).y)
    found = field.pack(*ours.weights(end)).numpy()
    rows.append(("step for each trajectory (ours)", seconds, error(found)))
    seconds, found = timed(lambda: scipy_run(RTOL, ATOL))
    rows.append(("(b) solve_ivp DOP853, stacked", seconds, error(found)))
    seconds, found = timed(lambda: torchdiffeq_run(field, y0))
    rows.append(("(c) torchdiffeq dopri5", seconds, error(found)))
    return rows


def torchdiffeq_run(field: BootstrapFlow, y0: torch.Tensor) -> np.ndarray:
    """Return the end states of torchdiffeq."""
    from torchdiffeq import odeint

    def right(_: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        out = torch.empty_like(y)
        field(y, out)
        return out

    with torch.no_grad():
        times = torch.tensor([0.0, T_END], dtype=torch.float64)
        return odeint(right, y0, times, rtol=RTOL, atol=ATOL, method="dopri5")[-1].numpy()


def flow_table(sizes: list[int]) -> None:
    """Print the table of the flow."""
    print(f"\n| flow to t = {T_END:g}, CPU seconds (largest error) | "
          + " | ".join(f"n = d = {n}, {FLOW_RUNS[n]} starts" for n in sizes) + " |")  # fmt: skip
    print("|---|" + "---|" * len(sizes))
    columns = [flow_row(n) for n in sizes]
    for entries in zip(*columns, strict=True):
        cells = []
        for (_, seconds, error), column in zip(entries, columns, strict=True):
            ratio = "" if seconds == column[0][1] else f", {seconds / column[0][1]:.1f}x"
            cells.append(f"{seconds:.2f} ({error:.1e}{ratio})")
        print(f"| {entries[0][0]} | " + " | ".join(cells) + " |")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--sizes", default="2,8,64")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cuda", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sizes = [int(text) for text in options.sizes.split(",")]
    load = os.getloadavg()[0]
    print(f"{platform.machine()}, torch {torch.__version__}, one thread, load {load:.1f}\n")
    map_table(sizes, options.seconds, cuda=options.cuda and torch.cuda.is_available())
    flow_table(sizes)


if __name__ == "__main__":
    main()
