"""In which order are modes learned? The strata that runs from a small random start pass.

With weight decay full collapse attracts, so a start must be large enough: a ladder of scales is
tried, each with the same random draws, and the smallest scale from which most runs reach the
highest rank that any of them reaches is the one reported, unless a scale is given.

Between two scales with different ends lies a threshold, and on it a saddle: the first run is
started just above each of its thresholds, found to a relative 1e-4, and the saddles that it then
passes show the order in which modes are learned.

Without decay there is no threshold and no isolated stratum. There mode j counts as learned from
when sqrt(alpha) |w_j| passes half of |m_j|/s_j, its value at balance.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.exact.rationals import to_float
from equilibria.graph.landscape import Landscape
from equilibria.graph.orbits import Orbit, Starts, Tracker
from equilibria.graph.result import Itinerary, LearningOrder, Stop, Threshold
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.integrate import Control, integrate
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics
from equilibria.varieties.commuting.modes import modes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LADDER_STEP = 2**0.5
LADDER_TOP = 2.0
LADDER_FOOT = 0.25
SECTION, SECTIONS = 12, 4
SMALL = 1e-2
STILL = 1e-4
PATIENCE = 20.0
BALANCED = "balanced"


def learning_order(
    model: Model,
    *,
    init: str = BALANCED,
    scale: float | None = None,
    runs: int = 8,
    seed: int = 0,
) -> LearningOrder:
    """Return the strata that `runs` runs from a small random start pass, in order.

    W and P are drawn as `init` (`basin.initial`) and multiplied by `scale`; None chooses it. With
    `balanced`, W is normal and P = sqrt(a) (W W^T)^(1/2), the set that every run approaches (T2.1,
    T11.2). Run i depends on (seed, i) alone. Also answers without weight decay.
    """
    from equilibria.graph.scope import check_scope, check_seed

    check_scope(model, decay=False)
    check_seed(seed)
    if runs < 1:
        raise FormatError(f"--runs {runs}: expected a whole number of at least 1")
    if scale is not None and not 0 < scale < np.inf:
        raise FormatError(f"--start {scale}: must be above 0")
    W, P = _draw(model, init, runs, seed)
    if not model.eta or not model.eta_p:
        chosen = SMALL if scale is None else scale
        return LearningOrder(init, chosen, seed, _stages(model, chosen * W, chosen * P))
    landscape = Landscape(model)
    scales = [scale] if scale is not None else _scales(landscape)
    orbits = _follow(landscape, scales, W, P)
    order = [
        LearningOrder(init, value, seed, _itineraries(landscape, part))
        for value, part in zip(scales, orbits, strict=True)
    ]
    best = order[_chosen(landscape, orbits)]
    return replace(
        best,
        ladder=tuple((o.scale, _ends(o.runs)) for o in order),
        thresholds=_thresholds(landscape, [o.runs[0] for o in order], scales, W[:1], P[:1]),
    )


def _draw(model: Model, init: str, runs: int, seed: int) -> tuple[Array, Array]:
    """Return W and P at scale 1, in the mode basis."""
    name = "normal" if init == BALANCED else init
    W, P = initial_matrices(name, model.n, model.d, runs=range(runs), seed=seed, scale=1.0)
    W = W @ model.moments.eigenbasis[2]
    if init == BALANCED:
        left, values, _ = np.linalg.svd(W)
        kappa = 1.0 if model.kappa is None else to_float(model.kappa)
        full = np.zeros((runs, model.n))
        full[:, : values.shape[1]] = np.sqrt(to_float(model.alpha) / kappa) * values
        P = np.matmul(left * full[:, None, :], left.transpose(0, 2, 1))
    return W, P


def _scales(landscape: Landscape) -> list[float]:
    roots = landscape.roots[:, 1:]
    finite = roots[np.isfinite(roots)]
    if not finite.size:
        return [1.0]
    low, high = LADDER_FOOT * float(finite.min()), LADDER_TOP * float(finite.max())
    count = int(np.ceil(np.log(high / low) / np.log(LADDER_STEP))) + 1
    return [float(f"{low * LADDER_STEP**k:.3g}") for k in range(count)]


def _follow(landscape: Landscape, scales: Sequence[float], W: Array, P: Array) -> list[list[Orbit]]:
    runs = len(W)
    every = tuple(range(len(landscape.modes)))
    starts = Starts(
        W=np.concatenate([scale * W for scale in scales]),
        P=np.concatenate([scale * P for scale in scales]),
        T=np.concatenate([scale * W for scale in scales]),
        within=(every,) * (runs * len(scales)),
    )
    orbits = Tracker(landscape, W.shape[1]).run(starts)
    return [orbits[k * runs : (k + 1) * runs] for k in range(len(scales))]


def _thresholds(
    landscape: Landscape, ladder: Sequence[Itinerary], scales: Sequence[float], W: Array, P: Array
) -> tuple[Threshold, ...]:
    """Return the thresholds of one run, by sections of the intervals in which its end changes."""
    steps = [
        (low, high, below.end)
        for low, high, below, above in zip(scales, scales[1:], ladder, ladder[1:], strict=False)
        if below.end != above.end and below.end is not None
    ]
    above: list[Itinerary] = []
    for _ in range(SECTIONS if steps else 0):
        inner = [np.geomspace(low, high, SECTION + 1)[1:].tolist() for low, high, _ in steps]
        found = _follow(landscape, [scale for part in inner for scale in part], W, P)
        flat = [_itineraries(landscape, part)[0] for part in found]
        above = []
        for k, (low, _, end) in enumerate(steps):
            runs = flat[k * SECTION : (k + 1) * SECTION]
            first = next((i for i, run in enumerate(runs) if run.end != end), SECTION - 1)
            steps[k] = (inner[k][first - 1] if first else low, inner[k][first], end)
            above.append(runs[first])
    return tuple(
        Threshold(high, below or "", run.end or "unsettled", run.stops)
        for (_, high, below), run in zip(steps, above, strict=True)
    )


def _chosen(landscape: Landscape, orbits: Sequence[Sequence[Orbit]]) -> int:
    """Return the first scale from which most runs reach the highest rank that any reaches."""
    ranks = [
        [-1 if orbit.end is None else len(landscape.stratum(orbit.end)) for orbit in part]
        for part in orbits
    ]
    top = max(max(part) for part in ranks)
    shares = [sum(rank == top for rank in part) / len(part) for part in ranks]
    half = min(0.5, max(shares) - 1e-9)
    return next(k for k, share in enumerate(shares) if share > half)


def _itineraries(landscape: Landscape, orbits: Sequence[Orbit]) -> tuple[Itinerary, ...]:
    return tuple(
        Itinerary(
            run=run,
            stops=tuple(
                Stop(landscape.name(visit.choice), visit.time, visit.distance)
                for visit in orbit.visits
            ),
            end=None if orbit.end is None else landscape.name(orbit.end),
            time=orbit.time,
        )
        for run, orbit in enumerate(orbits)
    )


def _ends(runs: Sequence[Itinerary]) -> tuple[tuple[str, int], ...]:
    counts = Counter("unsettled" if run.end is None else run.end for run in runs)
    return tuple(sorted(counts.items()))


class _Stages:
    """When each mode of each run is learned, without decay."""

    def __init__(self, model: Model, dynamics: MatrixDynamics, runs: int) -> None:
        modes = modes_of(model.moments)
        self.dynamics, self.size = dynamics, dynamics.size
        self.root = np.sqrt(dynamics.rates.alpha)
        self.wanted = np.array([to_float(abs(mode.m) / mode.s) for mode in modes])
        self.most = min(model.n, int((self.wanted > 0).sum()))
        self.when = np.full((runs, len(modes)), np.inf)

    def flow(self, y: Array, out: Array) -> None:
        self.dynamics.flow(y, out)
        out[:, self.size] = 0.0
        out[:, self.size + 1] = 1.0

    def settle(self, y: Array, f: Array) -> NDArray[np.int64]:
        W, _, _ = self.dynamics.unpack(y)
        size = self.root * np.sqrt(np.einsum("bij,bij->bj", W, W))
        owner = np.rint(y[:, self.size]).astype(np.int64)
        time = y[:, self.size + 1] - 1.0
        fresh = (size > self.wanted / 2) & (self.wanted > 0) & np.isinf(self.when[owner])
        rows, columns = np.nonzero(fresh)
        self.when[owner[rows], columns] = time[rows]
        full = np.isfinite(self.when[owner]).sum(axis=1) == self.most
        return np.where(full & self.still(y, f), 0, -1)

    def still(self, y: Array, f: Array) -> NDArray[np.bool_]:
        """Return whether a state hardly moves."""
        moving = np.abs(f[:, : self.size]).max(axis=1)
        return np.asarray(moving <= STILL * np.abs(y[:, : self.size]).max(axis=1))


def _stages(model: Model, W: Array, P: Array) -> tuple[Itinerary, ...]:
    runs = len(W)
    modes = modes_of(model.moments)
    moments = Moments.commuting(signal=[m.m for m in modes], total=[m.s for m in modes])
    dynamics = MatrixDynamics(replace(model, moments=moments), runs)
    stages = _Stages(model, dynamics, runs)
    extra = np.stack([np.arange(runs, dtype=np.float64), np.ones(runs)], axis=1)
    starts = np.concatenate([dynamics.pack(W, P), extra], axis=1)
    weakest = min((to_float(abs(mode.m)) for mode in modes if mode.m), default=1.0)
    size = np.abs(starts[:, : dynamics.size]).max()
    control = Control(
        rtol=1e-7, atol=1e-12, t_max=PATIENCE / (weakest * size), check_every=1, max_steps=40_000
    )
    ends = integrate(stages.flow, starts, stages.settle, control)
    velocity = np.empty_like(ends.y)
    stages.flow(ends.y, velocity)
    settled = stages.still(ends.y, velocity)
    return tuple(
        _staged(run, stages.when[run], float(ends.t[run]), settled=bool(settled[run]))
        for run in range(runs)
    )


def _staged(run: int, when: Array, time: float, *, settled: bool) -> Itinerary:
    learned: list[int] = []
    stops = []
    for column in np.argsort(when, kind="stable").tolist():
        if np.isfinite(when[column]):
            learned = sorted([*learned, column + 1])
            name = f"rank{len(learned)}:" + ",".join(map(str, learned))
            stops.append(Stop(name, float(when[column])))
    end = stops[-1].id if stops and settled else None
    return Itinerary(run, tuple(stops), end, time)
