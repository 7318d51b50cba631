"""How long phase diagrams take, and what the same points cost by dense eigenvalues.

Run `python benchmarks/phase.py`. Both routes are timed in the same run: the naive one forms the
full Jacobian of the flow and of the map at every stratum that the block route decides about, and
takes its eigenvalues; it is timed on a sample of points and its time per point compared.
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from equilibria.data.moments import Moments
from equilibria.phase import parse_axis, phase_diagram
from equilibria.phase.cells import evaluate
from equilibria.phase.setting import Setting
from equilibria.phase.strata import modes_in
from equilibria.systems.model import Model, default_signal


def model_of(size: int) -> Model:
    moments = Moments.commuting(signal=default_signal(size))
    return Model(procedure="ema", moments=moments, embed_dim=size)


def peak_megabytes() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def block_route(size: int, x_text: str, y_text: str, *, boundaries: bool, jobs: int | None):
    x, y = parse_axis(x_text, "--x"), parse_axis(y_text, "--y")
    start = time.perf_counter()
    diagram = phase_diagram(model_of(size), x, y, with_boundaries=boundaries, jobs=jobs)
    return diagram, time.perf_counter() - start


def naive_point(model: Model, mask: int) -> tuple[float, float]:
    """Return the abscissa and the radius of one stratum from the dense Jacobians of flow and map."""
    n, d = model.n, model.d
    sigma, m = model.moments.matrices()
    eta, h, mu = float(model.eta), float(model.h), float(model.mu)
    P, W = np.zeros((n, n)), np.zeros((n, d))
    for row, number in enumerate(modes_in(mask)):
        s, k = sigma[number - 1, number - 1], m[number - 1, number - 1]
        p = (k + np.sqrt(k * k - 4 * eta * s)) / (2 * s)
        P[row, row] = W[row, number - 1] = p
    R = W @ m - P @ W @ sigma
    In, Id = np.eye(n), np.eye(d)
    # Row-major vec: vec(A X B) = (A kron B^T) vec(X).
    swap_p, swap_w = _swap(n, n), _swap(n, d)
    dR = (-np.kron(In, (W @ sigma).T), -np.kron(P, sigma), np.kron(In, m))
    rw, pr = np.kron(In, W), np.kron(P.T, Id)
    force = np.block(
        [
            [rw @ dR[0] - eta * np.eye(n * n), rw @ dR[1] + np.kron(R, In) @ swap_w, rw @ dR[2]],
            [pr @ dR[0] + np.kron(In, R.T) @ swap_p, pr @ dR[1] - eta * np.eye(n * d), pr @ dR[2]],
        ]
    )
    size = n * n + n * d
    beta = (1 - mu) / h
    target = np.zeros((n * d, size + n * d))
    target[:, n * n : size], target[:, size:] = np.eye(n * d), -np.eye(n * d)
    flow = np.vstack([force, beta * target])
    step = np.eye(size + n * d)
    step[:size] += h * force
    step[size:] = (1 - mu) * step[n * n : size]
    step[size:, size:] += mu * np.eye(n * d)
    return float(np.linalg.eigvals(flow).real.max()), float(np.abs(np.linalg.eigvals(step)).max())


def _swap(rows: int, columns: int) -> np.ndarray:
    """Return K with vec(X^T) = K vec(X) for X of shape (rows, columns), row-major."""
    order = np.arange(rows * columns).reshape(rows, columns).T.ravel()
    return np.eye(rows * columns)[order]


def naive_seconds(size: int, x_text: str, y_text: str, sample: int) -> tuple[float, int]:
    """Return the seconds per point of the naive route, and how many verdicts disagreed."""
    x, y = parse_axis(x_text, "--x"), parse_axis(y_text, "--y")
    setting = Setting(model_of(size), x.name, y.name)
    rng = np.random.default_rng(0)
    spent, wrong = 0.0, 0
    for _ in range(sample):
        a, b = x.values[rng.integers(len(x.values))], y.values[rng.integers(len(y.values))]
        found = evaluate(setting, [a], [b], 0, 1)
        flow, step = found.answers[0]
        model = setting.model_at(a, b)
        start = time.perf_counter()
        numbers = {mask: naive_point(model, mask) for mask in flow.masks or ()}
        spent += time.perf_counter() - start
        for mask, (abscissa, radius) in numbers.items():
            # Neutral eigenvalues are 0 and 1 up to rounding, so only clear verdicts are compared.
            wrong += abscissa > 1e-6 or ((radius > 1 + 1e-6) == (mask in (step.masks or ())))
    return spent / sample, wrong


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=317, help="points along each axis (317)")
    parser.add_argument("--sample", type=int, default=12, help="points of the naive route (12)")
    options = parser.parse_args()
    count = options.count
    decay, noise = f"weight-decay=0.002:0.3:{count}:log", f"noise=0.02:1:{count}"
    lr = f"lr=0.05:5:{count}:log"
    print(f"{count * count} points, strata stable for flow and map and the largest step of each:")
    for size in (8, 16):
        for x, y in ((decay, noise), (lr, decay)):
            diagram, one = block_route(size, x, y, boundaries=False, jobs=1)
            names = f"{diagram.x.name} x {diagram.y.name}"
            print(
                f"  n = d = {size:<2}  {names:<22} {one:6.2f} s in one process, "
                f"{len(diagram.regions)} regions"
            )
    diagram, spread = block_route(16, lr, decay, boundaries=True, jobs=None)
    points = sum(len(b.points) for b in diagram.boundaries)
    certified = sum(p.certified for b in diagram.boundaries for p in b.points)
    print(
        f"  n = d = 16  as the command does it {spread:6.2f} s, with {len(diagram.boundaries)} "
        f"boundaries ({points} points, {certified} exact or certified)"
    )
    print(f"peak memory {peak_megabytes():.0f} MB")
    print()
    _, blocks = block_route(8, lr, decay, boundaries=False, jobs=1)
    per_block = blocks / count**2
    per_naive, wrong = naive_seconds(8, lr, decay, options.sample)
    print(
        f"n = d = 8, {lr.split('=')[0]} x {decay.split('=')[0]}, flow and map of every such stratum:"
    )
    print(f"  blocks            {per_block * 1e6:10.1f} us a point")
    print(f"  dense eigenvalues {per_naive * 1e6:10.1f} us a point, {options.sample} sampled")
    print(f"  ratio             {per_naive / per_block:10.0f}   (at least 100 is claimed)")
    print(f"  disagreeing verdicts on the sample: {wrong}")
    if per_naive < 100 * per_block or wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()
