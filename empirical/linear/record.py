"""What a simulation keeps: how each run ended, and the first runs over time.

Memory is bounded: so many snapshots at most (every second one goes when there are more), of so many
runs at most. Steps are spaced evenly on a logarithmic scale unless `log_every` says otherwise.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.runs.trajectories import Arrays
from equilibria.errors import LimitReached
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Runs = NDArray[np.int64]

RUNNING, SETTLED, DIVERGED = 0, 1, 2
STATUS = ("running", "settled", "diverged")
PER_DECADE = 32
MOST_SNAPSHOTS = 1024
TRACKED_BYTES = 32 * 2**20
FINAL_BYTES = 8 * 2**30


def _log_steps() -> tuple[int, ...]:
    steps = [1]
    while steps[-1] < 10**9:
        steps.append(max(steps[-1] + 1, int(np.ceil(steps[-1] * 10 ** (1 / PER_DECADE)))))
    return tuple(steps)


LOG_STEPS = _log_steps()


def next_log(step: int, every: int | None) -> int:
    """Return the first step to record after `step`: a fixed sequence, wherever a loop has paused."""
    if every is not None:
        return (step // every + 1) * every
    return LOG_STEPS[bisect_right(LOG_STEPS, step)]


class Record:
    """Final values of all runs and snapshots of the tracked ones, in the coordinates of the data.

    `final` holds W, P[, T] (NaN for a diverged run), `change` of the last step, `step` and `status`.
    """

    def __init__(self, model: Model, runs: int) -> None:
        n, d = model.n, model.d
        self.letters = "WPT" if model.traits.has_target else "WP"
        size = {"W": (n, d), "P": (n, n), "T": (n, d)}
        bytes_a_run = 8 * sum(int(np.prod(size[name])) for name in self.letters)
        if runs * bytes_a_run > FINAL_BYTES:
            raise LimitReached(
                f"--runs {runs}: the final weights alone are {runs * bytes_a_run / 2**30:.0f} GiB; "
                "use fewer runs"
            )
        self.tracked = min(runs, max(1, TRACKED_BYTES // (6 * PER_DECADE * bytes_a_run)))
        self.final: dict[str, Any] = {name: np.zeros((runs, *size[name])) for name in self.letters}
        self.final["change"] = np.full(runs, np.inf)
        self.final["step"] = np.zeros(runs, np.int64)
        self.final["status"] = np.zeros(runs, np.int64)
        self.snapshots: list[tuple[int, dict[str, Array]]] = []

    def store(
        self, owner: Runs, weights: Mapping[str, Array], change: Array, *, step: int, status: int
    ) -> None:
        """Note how some runs ended, or where they are."""
        for name, value in weights.items():
            self.final[name][owner] = np.nan if status == DIVERGED else value
        self.final["change"][owner] = np.nan if status == DIVERGED else change
        self.final["step"][owner] = step
        self.final["status"][owner] = status

    def snapshot(self, step: int, owner: Runs, weights: Mapping[str, Array]) -> None:
        """Keep the weights of the tracked runs; those that rest stay where they came to rest."""
        now = {name: self.final[name][: self.tracked].copy() for name in self.letters}
        for name, value in weights.items():
            now[name][owner] = value
        if len(self.snapshots) >= MOST_SNAPSHOTS:
            self.snapshots = self.snapshots[::2]
        self.snapshots.append((step, now))

    @property
    def counts(self) -> dict[str, int]:
        """Return how many runs have settled and how many have diverged."""
        status = self.final["status"]
        return {
            "settled": int((status == SETTLED).sum()),
            "diverged": int((status == DIVERGED).sum()),
        }

    def over_time(self) -> Arrays:
        """Return `step` (K,) and W, P[, T] (K, runs, ...)."""
        arrays: dict[str, Any] = {"step": np.array([step for step, _ in self.snapshots])}
        for name in self.letters:
            arrays[name] = np.stack([now[name] for _, now in self.snapshots])
        return arrays

    def tensors(self) -> Arrays:
        """Return everything, for a checkpoint."""
        tensors = {f"final.{name}": value for name, value in self.final.items()}
        return tensors | {f"snapshot.{name}": value for name, value in self.over_time().items()}

    def restore(self, tensors: Arrays) -> None:
        """Take everything back from a checkpoint; raises KeyError when something is missing."""
        self.final = {name: tensors[f"final.{name}"].copy() for name in self.final}
        columns = {name: tensors[f"snapshot.{name}"] for name in self.letters}
        self.snapshots = [
            (int(step), {name: column[k] for name, column in columns.items()})
            for k, step in enumerate(tensors["snapshot.step"])
        ]
