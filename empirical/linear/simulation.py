"""The loop of `simulate`: advance, look who has arrived, record, and be ready to be killed.

A full-batch run is settled when the residual (change of one step over the learning rate) is below
the tolerance and still falling; near a saddle it falls first and then grows again, so a run that
waits there is not settled. What is predicted to be stable plays no part in it. A mini-batch run
never rests; it is settled when it is nearest to the same component at four fifths of its steps and at
the end, and the full-batch map leads from its last weights to that component.

Everything that happens is a function of (configuration, run, step): a simulation that was killed
goes on from its last checkpoint and ends with the same bits, on one CPU with one set of libraries.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import torch

from empirical.linear.classify import Ending, Places, places_of
from empirical.linear.minibatch_noise import Batches, DataBatches, GaussianBatches
from empirical.linear.pool import Data, Pool, rates_of
from empirical.linear.record import DIVERGED, RUNNING, SETTLED, Record, next_log
from empirical.linear.settings import Settings, load_pairs, model_of_run
from empirical.linear.starts import starting_weights
from empirical.runs.folder import RunFolder
from empirical.runs.trajectories import Arrays
from equilibria.errors import FormatError
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Runs = NDArray[np.int64]

CHECK = 64
TOLERANCE = {"float64": 1e-9, "float32": 1e-5}
BOUND = 1e8
"""A run with an entry beyond this has diverged; equilibria are of the size of |M|/|Sigma|."""
WAVE_BYTES = {"cpu": 2**30, "cuda": 32 * 2**30}

Progress = Callable[[int, int, int], None]
"""Called with runs done, runs in all, and the step."""


class Simulation:
    """All runs of one configuration, in waves that bound the memory."""

    def __init__(
        self,
        model: Model,
        settings: Settings,
        *,
        folder: RunFolder | None = None,
        progress: Progress | None = None,
        checkpoint_seconds: float = 30.0,
    ) -> None:
        self.model, self.settings, self.folder = model, settings, folder
        self.progress, self.every = progress, checkpoint_seconds
        self.like = torch.zeros(1, dtype=getattr(torch, settings.dtype), device=_device(settings))
        self.data = Data.of(model, self.like)
        self.batches = self._batches()
        self.record = Record(model, settings.runs)
        size = 8 * 24 * (2 * model.n * model.d + model.n**2)
        self.per_wave = max(self.record.tracked, WAVE_BYTES[self.like.device.type] // size)
        self.wave, self.first, self.step, self.round = 0, 0, 0, 0
        self.after = 0
        self.early: dict[str, str] = {}
        self.pool: Pool | None = None
        self._known: dict[tuple[str, ...], Places] = {}
        self._saved = time.monotonic()

    def _batches(self) -> Batches | None:
        settings = self.settings
        if not settings.batch_size:
            return None
        if settings.data is None:
            sigma, m = self.data.matrices()
            return GaussianBatches(sigma, m, settings.batch_size, settings.seed, like=self.like)
        x, y = (self.data.into(view) for view in load_pairs(settings.data))
        return DataBatches(x, y, settings.batch_size, settings.seed, like=self.like)

    def _starts(self, runs: range) -> dict[str, Array]:
        settings, n, d = self.settings, self.model.n, self.model.d
        return starting_weights(
            settings.init, n, d, runs=runs, seed=settings.seed, scale=settings.scale
        )

    def check(self) -> None:
        """Raise `FormatError` for starting weights that cannot be had; the rest was checked before."""
        self._starts(range(self.settings.runs - 1, self.settings.runs))

    # --- the loop ------------------------------------------------------------------------------

    def run(self, weights: Mapping[str, Array] | None = None) -> None:
        """Go on from wherever this simulation is until the end.

        `weights` W, P[, T] replace the starting weights of the settings.
        """
        if weights is not None:
            self.per_wave = self.settings.runs
            self._begin(weights)
        while self.first < self.settings.runs:
            self._finish(self.pool or self._begin())
            self.pool, self.step = None, 0
            self.wave, self.first = self.wave + 1, self.after
        if self.folder is not None:
            self.save()

    def _begin(self, weights: Mapping[str, Array] | None = None) -> Pool:
        settings, model = self.settings, self.model
        self.after = min(self.first + self.per_wave, settings.runs)
        owner = np.arange(self.first, self.after)
        if weights is None:
            weights = self._starts(range(self.first, self.after))
        rates = rates_of(model, settings, owner, self.like)
        momentum = bool(model.nu) or "momentum" in (settings.vary or {})
        self.pool = Pool.start(model, owner, weights, rates, self.data, momentum=momentum)
        if self.wave == 0:
            self._snapshot(self.pool)
        return self.pool

    def _finish(self, pool: Pool) -> None:
        """Advance one wave until all its runs rest, or the last step."""
        limit = self.settings.limit
        fifth = limit - limit // 5 if self.batches is not None else limit
        while len(pool.owner) and self.step < limit:
            log = next_log(self.step, self.settings.log_every)
            check = (self.step // CHECK + 1) * CHECK
            former = pool.change.copy()
            stop = min(log, check, fifth if self.step < fifth else limit)
            pool.advance(self.step, stop, self.batches)
            self.step = stop
            if stop in (check, limit):
                self._retire(pool, former)
            else:
                pool.change = former  # compared from check to check
            if self.batches is not None and stop == fifth:
                endings = self.endings(pool.owner, pool.weights(slice(None)))
                pairs = zip(pool.owner.tolist(), endings, strict=True)
                self.early |= {str(run): ending.id for run, ending in pairs}
            if stop == log:
                self._log(pool)
            self._report()
        self._store(pool, np.arange(len(pool.owner)), RUNNING)
        self._log(pool)

    def _retire(self, pool: Pool, former: Array) -> None:
        """Take out the runs that have come to rest or have left all bounds."""
        size = pool.size
        wild = ~(size < BOUND)
        still = np.zeros(len(size), bool)
        if self.batches is None:
            h = pool.rates.h.cpu().double().numpy()
            small = pool.change <= TOLERANCE[self.settings.dtype] * h * np.maximum(1.0, size)
            still = small & (pool.change <= former) & np.isfinite(former) & ~wild
        if still.any() or wild.any():
            self._store(pool, np.flatnonzero(still), SETTLED)
            self._store(pool, np.flatnonzero(wild), DIVERGED)
            pool.keep(np.flatnonzero(~(still | wild)))

    def _store(self, pool: Pool, rows: Runs, status: int) -> None:
        if len(rows):
            weights, change = pool.weights(rows), pool.change[rows]
            self.record.store(pool.owner[rows], weights, change, step=self.step, status=status)

    def _snapshot(self, pool: Pool) -> None:
        rows = np.flatnonzero(pool.owner < self.record.tracked)
        self.record.snapshot(self.step, pool.owner[rows], pool.weights(rows))

    def _log(self, pool: Pool) -> None:
        if self.wave == 0 and self.record.snapshots[-1][0] != self.step:
            self._snapshot(pool)
        self.round += 1
        if self.folder is not None:
            change = pool.change[np.isfinite(pool.change)]
            median = float(np.median(change)) if len(change) else None
            place = {"step": self.step, "wave": self.wave, "round": self.round}
            self.folder.log({**place, **self.record.counts, "median_change": median})

    def _report(self) -> None:
        if self.progress is not None:
            self.progress(sum(self.record.counts.values()), self.settings.runs, self.step)
        if self.folder is not None and time.monotonic() - self._saved >= self.every:
            self.save()

    # --- being killed and going on -------------------------------------------------------------

    def save(self) -> None:
        """Write a checkpoint from which `load` goes on."""
        assert self.folder is not None
        tensors = dict(self.record.tensors())
        if self.pool is not None:
            state = self.pool.state.items()
            tensors |= {f"state.{name}": value.cpu().numpy() for name, value in state}
            tensors |= {"owner": self.pool.owner, "change": self.pool.change}
        # Where the wave begins and ends is written down: its size is another on another device.
        place = {"wave": self.wave, "at": self.step, "round": self.round,
                 "first": self.first, "after": self.after}  # fmt: skip
        metadata = {name: str(value) for name, value in place.items()}
        # Steps start again with every wave, so checkpoints are numbered by work done.
        number = self.wave * self.settings.limit + self.step
        self.folder.save_checkpoint(number, tensors, {**metadata, "early": json.dumps(self.early)})
        self._saved = time.monotonic()

    def load(self) -> None:
        """Go back to the last complete checkpoint, or to the beginning where there is none."""
        assert self.folder is not None
        self.folder.clear_leftovers()
        found = self.folder.last_checkpoint(framework="np")
        if found is not None:
            try:
                self._restore(found.tensors, found.metadata)
            except (KeyError, ValueError) as error:
                raise FormatError(f"{found.path}: not a checkpoint of `simulate`") from error
        self.folder.truncate_metrics(self.round, key="round")

    def _restore(self, tensors: Arrays, place: Mapping[str, str]) -> None:
        self.wave, self.step, self.round = (int(place[name]) for name in ("wave", "at", "round"))
        self.first, self.after = int(place["first"]), int(place["after"])
        self.early = json.loads(place["early"])
        self.record.restore(tensors)
        if "owner" in tensors:
            owner = tensors["owner"].copy()
            states = {name: value for name, value in tensors.items() if name.startswith("state.")}
            state = {name[6:]: self.like.new_tensor(value) for name, value in states.items()}
            rates = rates_of(self.model, self.settings, owner, self.like)
            self.pool = Pool(self.model, owner, state, rates, self.data)
            self.pool.change = tensors["change"].copy()

    # --- where runs are ------------------------------------------------------------------------

    def places(self, run: int) -> Places:
        """Return the components of the model that a run trains."""
        key = tuple(values[run] for values in (self.settings.vary or {}).values())
        if key not in self._known:
            self._known[key] = places_of(model_of_run(self.model, self.settings, run))
        return self._known[key]

    def lr(self, run: int) -> Fraction:
        """Return the learning rate of a run."""
        return model_of_run(self.model, self.settings, run).h

    def endings(self, owner: Runs, weights: Mapping[str, Array]) -> list[Ending]:
        """Return the nearest component for each of some runs; none where weights are not finite."""
        finite = [np.isfinite(v).all(axis=(1, 2)) for v in weights.values()]
        whole = np.logical_and.reduce(finite)
        groups: dict[int, tuple[Places, list[int]]] = {}
        for row, run in enumerate(owner.tolist()):
            if not whole[row]:
                continue
            places = self.places(run)
            groups.setdefault(id(places), (places, []))[1].append(row)
        endings: dict[int, Ending] = {}
        for places, rows in groups.values():
            part = {name: value[rows] for name, value in weights.items()}
            found = places.endings(part["W"], part["P"], part.get("T"))
            endings |= dict(zip(rows, found, strict=True))
        nowhere = Ending("", np.inf, False)
        return [endings.get(row, nowhere) for row in range(len(owner))]


def _device(settings: Settings) -> torch.device:
    """Return the device asked for; raises `FormatError` when it is not there."""
    available = torch.cuda.is_available()
    if settings.device == "cuda" and not available:
        raise FormatError("--device cuda: there is no CUDA device; use --device cpu")
    return torch.device("cuda" if available and settings.device != "cpu" else "cpu")
