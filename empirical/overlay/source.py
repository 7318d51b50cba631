"""What `overlay` reads: a run folder of `simulate`, checked before anything is computed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.linear.settings import Settings, model_of_run, read_config
from empirical.runs.folder import RunFolder
from empirical.runs.trajectories import Arrays
from equilibria.errors import FormatError
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_POINTS = 96
"""Snapshots of one run that are compared with the components."""


@dataclass(frozen=True)
class Path3:
    """One run over time: step (K,), W (K, n, d), P (K, n, n) and T (K, n, d) or None."""

    step: NDArray[np.int64]
    W: Array
    P: Array
    T: Array | None

    def rows(self, index: Any) -> Path3:
        """Return some of the snapshots."""
        T = None if self.T is None else self.T[index]
        return Path3(self.step[index], self.W[index], self.P[index], T)

    def state(self, index: int) -> dict[str, Array]:
        """Return one snapshot by name."""
        found = {"W": self.W[index], "P": self.P[index]}
        return found if self.T is None else {**found, "T": self.T[index]}


@dataclass(frozen=True)
class Source:
    """A folder of `simulate`: its model and settings, and the arrays of its trajectory."""

    folder: RunFolder
    model: Model
    settings: Settings
    arrays: Arrays

    @property
    def name(self) -> str:
        return self.folder.path.resolve().name

    @cached_property
    def runs(self) -> int:
        """Return how many runs the folder holds."""
        return self.settings.runs

    @property
    def traced(self) -> int:
        """Return how many of them, the first ones, were recorded over time."""
        return int(self.arrays["W"].shape[1])

    def run_name(self, run: int) -> str:
        return self.name if self.runs == 1 else f"{self.name}#{run}"

    def model_of(self, run: int) -> Model:
        return model_of_run(self.model, self.settings, run)

    def status(self, run: int) -> str:
        """Return settled, running or diverged, as `simulate` found."""
        return str(self.arrays["status"][run])

    def final(self, run: int) -> Path3:
        """Return the last weights of a run, as a path of one point."""
        arrays = self.arrays
        T = arrays["final_T"][run][None] if "final_T" in arrays else None
        step = arrays["final_step"][run : run + 1]
        return Path3(step, arrays["final_W"][run][None], arrays["final_P"][run][None], T)

    def over_time(self, run: int) -> Path3:
        """Return a recorded run until it came to rest, with its final weights as the last point."""
        arrays = self.arrays
        T = arrays["T"][:, run] if "T" in arrays else None
        whole = Path3(arrays["step"], arrays["W"][:, run], arrays["P"][:, run], T)
        end = int(arrays["final_step"][run])
        sizes = np.abs(whole.W).max(axis=(1, 2)) + np.abs(whole.P).max(axis=(1, 2))
        before = whole.rows((whole.step < end) & np.isfinite(sizes))
        last = self.final(run)
        if not np.isfinite(last.W).all():  # diverged: what was recorded is all there is
            return before
        both = before, last
        T = None
        if before.T is not None and last.T is not None:
            T = np.concatenate([before.T, last.T])
        return Path3(
            np.concatenate([path.step for path in both]),
            np.concatenate([path.W for path in both]),
            np.concatenate([path.P for path in both]),
            T,
        )


def thinned(path: Path3, most: int = MOST_POINTS) -> Path3:
    """Return about `most` snapshots, the first and the last among them.

    Half of them are even in steps, for the late, geometric part, and half on a logarithmic scale,
    for what happens early.
    """
    step = path.step
    if len(step) <= most:
        return path
    even = np.linspace(step[0], step[-1], most // 2)
    early = np.geomspace(step[0] + 1, step[-1] + 1, most - most // 2) - 1
    places = np.searchsorted(step, np.concatenate([even, early]).round())
    return path.rows(np.unique(np.clip(places, 0, len(step) - 1)))


def read_source(path: str | Path) -> Source:
    """Return a folder of `simulate`; raises `FormatError` for one that is foreign or incomplete."""
    folder = RunFolder.open(path)
    model, settings = read_config(folder)
    arrays = folder.trajectory()
    _check(folder, model, settings, arrays)
    return Source(folder, model, settings, arrays)


def _check(folder: RunFolder, model: Model, settings: Settings, arrays: Arrays) -> None:
    """Raise `FormatError` where the trajectory is not that of the configuration."""
    where = folder.path / "trajectory.npz"
    n, d, runs = model.n, model.d, settings.runs
    W = arrays["W"]
    if W.ndim != 4 or W.shape[2:] != (n, d):
        raise FormatError(f"{where}: W has shape {W.shape}, config.toml says (K, runs, {n}, {d})")
    if not len(W) or W.shape[1] > runs:
        raise FormatError(
            f"{where}: holds {W.shape[1]} runs and {len(W)} steps, config.toml says {runs} runs"
        )
    expected: dict[str, tuple[int, ...]] = {
        "final_W": (runs, n, d), "final_P": (runs, n, n), "final_step": (runs,),
        "status": (runs,), "stratum": (runs,),
    }  # fmt: skip
    if model.traits.has_target:
        expected["final_T"] = (runs, n, d)
        if "T" not in arrays:
            raise FormatError(f"{where}: no array `T`, though ema has a target")
    for name, shape in expected.items():
        if name not in arrays:
            raise FormatError(f"{where}: no array `{name}`; `simulate --resume {folder.path}`")
        if arrays[name].shape != shape:
            raise FormatError(f"{where}: {name} has shape {arrays[name].shape}, expected {shape}")
