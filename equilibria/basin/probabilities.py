"""Where do runs from a random start end? Fractions with confidence intervals, and the scale needed.

Each start is followed (flow or map) until it settles in a stable stratum; intervals are
Clopper-Pearson's, so they cover at least what they say at any sample size. Runs that do not settle
are counted apart and never as collapse or success: an interval for "collapses" has the settled
collapses as its lower and, with the unsettled ones, as its upper end.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from equilibria.basin.mapping import iterate
from equilibria.basin.targets import Residual, Targets, targets_for
from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.integrate import RUNAWAY, Control, Settle, Trajectories, integrate
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CONFIDENCE = 0.95
WITHOUT_DECAY = 0.1
"""Stands for the decay in the time limit where there is none."""
WIDTH = 256
LEAST_A_WORKER = 64
WORK, LEAST_STEPS, MOST_STEPS = 30_000_000, 3000, 200_000
"""Steps of all trajectories of one sample together, and of a single one, at least and at most."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Share:
    """The fraction of runs that ended in one component, with a confidence interval."""

    id: str
    rank: int | None
    count: int
    fraction: float
    low: float
    high: float

    def to_json(self) -> dict[str, object]:
        """Return the entry of `probabilities`."""
        return {
            "id": self.id,
            "rank": self.rank,
            "count": self.count,
            "fraction": self.fraction,
            "low": self.low,
            "high": self.high,
        }


@dataclass(frozen=True)
class Sample:
    """How to start: name, scale of the initial values, number of runs, seed."""

    init: str = "kaiming"
    scale: float = 1.0
    runs: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        if self.runs < 1:
            raise FormatError(f"--runs {self.runs}: expected a whole number of at least 1")
        if not 0 < self.scale < np.inf:
            raise FormatError(f"--scale {self.scale}: must be above 0")
        if not 0 <= self.seed < 2**64:
            raise FormatError(f"--seed {self.seed}: expected a whole number from 0 to 2^64 - 1")


@dataclass(frozen=True)
class Endings:
    """Where the runs of a sample ended."""

    sample: Sample
    shares: tuple[Share, ...]
    undecided: int
    diverged: int
    confidence: float
    is_map: bool
    rtol: float
    t_max: float
    trajectories: Trajectories
    """Final states (W, P[, T] in the basis of the modes) and times of the runs; code k is shares[k]."""

    @property
    def collapse(self) -> Share:
        """Return the share of full collapse (rank 0), with count 0 when no run collapsed."""
        for share in self.shares:
            if share.rank == 0:
                return share
        low, high = clopper_pearson(0, self.sample.runs, self.confidence)
        return Share("rank0", 0, 0, 0.0, low, high)

    def to_json(self) -> dict[str, object]:
        """Return the object `init` of schema `noncollapse/basin/1`."""
        return {
            "init": self.sample.init,
            "scale": self.sample.scale,
            "runs": self.sample.runs,
            "seed": self.sample.seed,
            "dynamics": "map" if self.is_map else "flow",
            "how": "numeric",
            "tolerance": None if self.is_map else self.rtol,
            "confidence": self.confidence,
            "probabilities": [share.to_json() for share in self.shares],
            "undecided": self.undecided,
            "diverged": self.diverged,
            "settled": self.sample.runs - self.undecided - self.diverged,
        }


def clopper_pearson(count: int, total: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """Return the exact binomial confidence interval of a fraction count/total."""
    from scipy.special import betaincinv

    tail = (1 - confidence) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


def check_scope(model: Model) -> None:
    """Raise `ScopeError` for procedures without a basin analysis."""
    if model.traits.bootstraps:
        return
    reason = "its basins are not computed here"
    if model.traits.family is Family.JOINT and model.eta and model.eta_p:
        reason = "every start collapses (T1.1)"
    raise ScopeError(
        f"--procedure {model.procedure}: {reason}",
        hint="`basin` answers for stop-gradient and ema",
    )


def basin_probabilities(
    model: Model,
    sample: Sample,
    *,
    is_map: bool = False,
    rtol: float = 1e-6,
    t_max: float | None = None,
    width: int = WIDTH,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Endings:
    """Return the probability of ending in each stratum from a random start.

    The result of run i depends on (seed, i) alone, not on `width`, `workers` or the number of runs.
    """
    check_scope(model)
    dynamics = MatrixDynamics(model, 1)
    targets = targets_for(model, dynamics, is_map=is_map)
    W, P = initial_matrices(
        sample.init,
        model.n,
        model.d,
        runs=range(sample.runs),
        seed=sample.seed,
        scale=sample.scale,
    )
    limit = horizon(model) if t_max is None else t_max
    course = Course(is_map, rtol, limit, width)
    ends = follow(model, targets, dynamics.pack(W, P), course, workers=workers, progress=progress)
    return _endings(sample, targets, ends, is_map=is_map, rtol=rtol, t_max=limit)


def horizon(model: Model) -> float:
    """Return a time by which all but exceptional runs settle: 400 times the slowest decay."""
    eta = to_float(min(model.eta, model.eta_p))
    slowest = min(
        eta or WITHOUT_DECAY, to_float(model.flow_rate) if model.traits.has_target else np.inf
    )
    return 400.0 / slowest


@dataclass(frozen=True)
class Course:
    """How trajectories are followed: by the map or the flow, how exactly, how long, how many at once."""

    is_map: bool
    rtol: float
    t_max: float
    width: int = WIDTH


def follow(
    model: Model,
    targets: Targets,
    starts: Array,
    course: Course,
    *,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Trajectories:
    """Integrate (or iterate) every start until it settles, on `workers` threads (all cores).

    NumPy works outside the interpreter lock, and a trajectory is the same in any company, so the
    number of threads changes the time and nothing else. A trajectory may take `WORK` steps over the
    number of starts (within bounds): what is slower than that stays undecided, on any machine.
    """
    cores = workers or os.cpu_count() or 1
    rtol, t_max, width = course.rtol, course.t_max, course.width
    if isinstance(targets, Residual):
        rtol = min(rtol, 1e-8)  # its test of standing still must not drown in integration errors
    count = max(1, min(cores, len(starts) // LEAST_A_WORKER))

    most = work_limit(len(starts))
    settle = targets.settle if progress is None else _told(targets.settle, progress, len(starts))

    def part(index: int) -> Trajectories:
        rows = starts[index::count]
        dynamics = MatrixDynamics(model, min(width, len(rows)))
        if course.is_map:
            return _iterated(dynamics, settle, rows, t_max=t_max, most=most, width=width)
        control = Control(rtol=rtol, atol=1e-3 * rtol, t_max=t_max, max_steps=most, width=width)
        return integrate(dynamics.flow, rows, settle, control)

    if count == 1:
        return part(0)
    with ThreadPoolExecutor(count) as pool:
        return _woven(list(pool.map(part, range(count))), starts)


def _woven(parts: Sequence[Trajectories], starts: Array) -> Trajectories:
    """Return the trajectories in the order of their starts, of which each part has every n-th."""
    count = len(parts)
    y, t = np.empty_like(starts), np.empty(len(starts))
    code, steps = np.empty(len(starts), np.int64), np.empty(len(starts), np.int64)
    for index, piece in enumerate(parts):
        y[index::count], t[index::count] = piece.y, piece.t
        code[index::count], steps[index::count] = piece.code, piece.steps
    return Trajectories(y, t, code, steps)


def work_limit(count: int) -> int:
    """Return how many steps each of `count` trajectories may take."""
    return max(LEAST_STEPS, min(MOST_STEPS, WORK // count))


def _told(settle: Settle, progress: Progress, total: int) -> Settle:
    """Return `settle` that also tells how many have settled."""
    done, lock = 0, Lock()

    def told(y: Array, f: Array) -> NDArray[np.int64]:
        nonlocal done
        code = settle(y, f)
        with lock:
            done += int((code >= 0).sum())
            progress(min(done, total), total)
        return code

    return told


def _iterated(
    dynamics: MatrixDynamics,
    settle: Settle,
    starts: Array,
    *,
    t_max: float,
    most: int,
    width: int,
) -> Trajectories:
    rates = dynamics.rates
    moving = dynamics.n * dynamics.d + dynamics.n**2 if rates.nu else 0

    def step(y: Array, velocity: Array, out: Array) -> None:
        dynamics.step(y, velocity if moving else None, out)

    steps = int(min(most, t_max / rates.h + 1))
    return iterate(step, starts, settle, velocities=moving, max_steps=steps, width=width)


def _endings(
    sample: Sample, targets: Targets, ends: Trajectories, *, is_map: bool, rtol: float, t_max: float
) -> Endings:
    found = list(zip(targets.names, targets.ranks, range(len(targets.names)), strict=True))
    found.sort(key=lambda entry: (-(entry[1] or 0), entry[0]))  # threads find them in any order
    shares: list[Share] = []
    numbers = ends.code.copy()
    for name, rank, code in found:
        count = int((ends.code == code).sum())
        if count:
            numbers[ends.code == code] = len(shares)
            low, high = clopper_pearson(count, sample.runs)
            shares.append(Share(name, rank, count, count / sample.runs, low, high))
    ends = Trajectories(ends.y, ends.t, numbers, ends.steps)
    diverged = int((ends.code == RUNAWAY).sum())
    settled = sum(share.count for share in shares)
    return Endings(
        sample=sample,
        shares=tuple(shares),
        undecided=sample.runs - settled - diverged,
        diverged=diverged,
        confidence=CONFIDENCE,
        is_map=is_map,
        rtol=rtol,
        t_max=t_max,
        trajectories=ends,
    )
