"""One run against the components: distances over time, saddles passed, where it is now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.predicted import Prediction
from empirical.overlay.source import Path3
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ROUGH, CLOSE = 2, 1.2
PASSES = 0.2
"""A saddle is visited when the run comes within this part of the size of the equilibria."""


@dataclass(frozen=True)
class Saddle:
    """An unstable component near which a run was: first and last step, smallest distance."""

    id: str
    first: int
    last: int
    distance: float


@dataclass(frozen=True, eq=False)
class Trace:
    """A run over time with the distance to each target: step (K,), each (targets, K)."""

    path: Path3
    each: Array
    stable: Array
    """(K,) distance to the nearest stable target; inf where there is none."""
    saddles: tuple[Saddle, ...]

    @property
    def nearest(self) -> int:
        """Return which target is nearest at the end."""
        return int(self.each[:, -1].argmin())


def traces(prediction: Prediction, paths: Mapping[int, Path3]) -> dict[int, Trace]:
    """Return the traces of runs that share a model; all their snapshots are compared at once."""
    runs = [run for run, path in paths.items() if len(path.step)]
    if not runs:
        return {}
    together = _joined([paths[run] for run in runs])
    each = _distances(prediction, together)
    stable = np.array([t.verdict is Verdict.STABLE for t in prediction.targets])
    lengths = [len(paths[run].step) for run in runs]
    found = {}
    for run, part in zip(runs, np.split(each, np.cumsum(lengths)[:-1], axis=1), strict=True):
        nearest = part[stable].min(axis=0) if stable.any() else np.full(part.shape[1], np.inf)
        found[run] = Trace(paths[run], part, nearest, _saddles(prediction, paths[run], part))
    return found


def _distances(prediction: Prediction, path: Path3) -> Array:
    """Return the distance to each target: minimised to the end where a target is among the nearest.

    Elsewhere a few steps of the minimisation do: an upper bound for what is far away.
    """
    targets = prediction.targets
    each = np.stack([target.distances(path, iterations=ROUGH) for target in targets])
    close = each <= CLOSE * each.min(axis=0)
    for target, row, chosen in zip(targets, each, close, strict=True):
        if chosen.any():
            row[chosen] = target.distances(path.rows(chosen))
    return each


def _joined(paths: Sequence[Path3]) -> Path3:
    lags = [path.T for path in paths if path.T is not None]
    return Path3(
        np.concatenate([path.step for path in paths]),
        np.concatenate([path.W for path in paths]),
        np.concatenate([path.P for path in paths]),
        np.concatenate(lags) if lags else None,
    )


def _saddles(prediction: Prediction, path: Path3, each: Array) -> tuple[Saddle, ...]:
    """Return the unstable components passed, in order: nearest of all for a while, and close."""
    nearest = each.argmin(axis=0)
    found: list[Saddle] = []
    edges = np.flatnonzero(np.diff(nearest)) + 1
    for part in np.split(np.arange(len(nearest)), edges):
        target = prediction.targets[int(nearest[part[0]])]
        distance = each[nearest[part[0]], part]
        close = part[distance <= PASSES * prediction.scale]
        if target.verdict is Verdict.UNSTABLE and len(close):
            first, last = int(path.step[close[0]]), int(path.step[close[-1]])
            found.append(Saddle(target.id, first, last, float(distance.min())))
    return tuple(found)
