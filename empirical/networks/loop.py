"""The loop: settings in, a trained network, its record and a verdict out.

One step, in this order: views, forward, correlation, loss, backward, optimiser, closed-form
predictor, target. Images and order are functions of (seed, step), so that a run that goes on from a
checkpoint is the run that was not interrupted, bit for bit on one CPU.
"""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import NoReturn

import torch
from torch import Tensor

from empirical.collapse import COMPLETE, UNCLEAR
from empirical.images.datasets import Images
from empirical.networks import diagnose
from empirical.networks.curl import step_curl
from empirical.networks.memory import advice, batch_that_fits
from empirical.networks.monitor import Monitor
from empirical.networks.optimiser import rates_at
from empirical.networks.progress import Progress
from empirical.networks.record import Record, loss_tensors, tensorboard
from empirical.networks.result import TrainResult, lines_of
from empirical.networks.settings import Settings
from empirical.networks.setup import Setup, machine_of, threads_for
from empirical.networks.state import not_finite, restore, tensors_of
from empirical.networks.workers import joined
from empirical.runs.folder import RunFolder
from equilibria.errors import FormatError, LimitReached

CURL_LIMIT = 3_000_000
"""Weights up to which the curl is measured: it takes some passes in double precision."""
OF_THE_PREDICTOR = ("eigen_alignment", "asymmetry", "commutator", "balance")


def train(
    settings: Settings,
    *,
    folder: RunFolder | None = None,
    resume: bool = False,
    progress: bool = False,
    images: Images | None = None,
) -> TrainResult:
    """Train as the settings say; with a folder, leave a run behind, or go on with the one there.

    `images` is the data set where the caller has read it already. One process at a time writes to a
    folder; a run that was killed before its first checkpoint begins again.

    Raises `FormatError` for data or a device that is not there, `LimitReached` when a tensor is not
    finite or memory runs out.
    """
    machine = machine_of(settings)
    with threads_for(settings), joined(machine.device) as workers, ExitStack() as held:
        if folder is not None and workers.leads:
            held.enter_context(folder.locked())
        run = Run(machine.build(workers, images), folder if workers.leads else None)
        if resume:
            run.restore(folder)
        run.progress = Progress(run.steps, on=progress and workers.leads)
        try:
            run.train()
            return run.finish()
        except torch.OutOfMemoryError:
            pass  # the exception keeps the step's tensors alive; they must go before measuring
        fits = batch_that_fits(run.setup.peak, settings.batch_size, run.setup.memory())
        raise LimitReached(advice(fits, settings.batch_size))


class Run:
    """A run in progress: what the loop changes."""

    def __init__(self, setup: Setup, folder: RunFolder | None) -> None:
        self.setup, self.settings = setup, setup.settings
        self.learner, self.optimiser = setup.learner, setup.optimiser
        self.workers, self.steps = setup.workers, setup.steps
        self.record = Record(folder)
        self.monitor = setup.monitor() if self.workers.leads else None
        self.step, self.stopped = 0, False
        self.total, self.count = torch.zeros((), device=setup.device), 0
        self.first_bad = torch.full((), -1, device=setup.device)
        self.seconds, self.trained = 0.0, 0
        self.progress = Progress(self.steps, on=False)
        self.resumed = False
        if folder is not None and self.settings.tensorboard:
            self.record.writer = tensorboard(folder)

    # --- the loop ------------------------------------------------------------------------------

    def train(self) -> None:
        """Take all steps, logging and saving on the way."""
        if not self.resumed:
            self.log()
        while self.step < self.steps and not self.stopped:
            start = time.perf_counter()
            until = min(self.steps, *(self._next(every) for every in self._stops()))
            while self.step < until:
                self.one_step()
                self.progress.step(self.step)
            self._synchronise()
            self.seconds += time.perf_counter() - start
            self._pause()

    def one_step(self) -> None:
        """Take one step; see the module's first lines for the order."""
        settings, learner = self.settings, self.learner
        first, second = self.setup.views(self.step)
        with self.setup.autocast():
            loss, *outputs = self.setup.module(first, second)
        self._check(loss)
        z = tuple(outputs[: 1 + (settings.symmetric_loss or learner.target is None)])
        learner.observe(z, self.step)
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step(rates_at(self.optimiser, settings, self.step, self.steps))
        learner.after_step(self.step, self.steps)
        self.total += loss.detach()
        self.count += 1
        self.step += 1
        self.trained += settings.batch_size

    def _check(self, loss: Tensor) -> None:
        """Notice a loss that is not finite: at once on a CPU, at the next line on a GPU."""
        if self.setup.device.type == "cpu":
            if not bool(torch.isfinite(loss)):
                self._stop_at(self.step)
            return
        bad = ~torch.isfinite(loss.detach()) & (self.first_bad < 0)
        self.first_bad = torch.where(bad, self.step, self.first_bad)

    def _stop_at(self, step: int, what: str = "the loss") -> NoReturn:
        name = not_finite(self.learner) or what
        raise LimitReached(
            f"step {step}: {name} is not finite; use a smaller --lr than {self.settings.lr:g}"
            + (" or --warmup" if not self.settings.warmup else ""),
            hint="the last checkpoint and the metrics up to here are in the run folder"
            if self.record.folder is not None
            else None,
        )

    def _stops(self) -> tuple[int, int]:
        return self.setup.log_every, self.setup.checkpoint_every

    def _next(self, every: int) -> int:
        return (self.step // every + 1) * every

    def _pause(self) -> None:
        bad = int(self.first_bad)
        if bad >= 0 or not_finite(self.learner) is not None:
            self._stop_at(bad if bad >= 0 else self.step)
        ended = self.step == self.steps
        if self.step % self.setup.log_every == 0 or ended:
            self.log()
        if self.step % self.setup.checkpoint_every == 0 or ended or self.stopped:
            self.save()

    def _synchronise(self) -> None:
        if self.setup.device.type == "cuda":
            torch.cuda.synchronize()

    # --- the record ----------------------------------------------------------------------------

    def log(self) -> None:
        """Measure and write one line; decide whether the run has collapsed."""
        loss = self.workers.mean(self.total) / max(1, self.count)
        collapsed = torch.zeros((), device=self.setup.device)
        if self.monitor is not None:
            try:
                numbers, linear = self.monitor.measure(final=self.step == 0)
            except FloatingPointError as error:
                self._stop_at(self.step, str(error))
            word = numbers["verdict"]
            line = {"step": self.step, "loss": float(loss) if self.count else None, **numbers}
            line["seconds"] = round(self.seconds, 3)
            if not self.record.metrics:
                line["knn_pixels"] = self.monitor.knn_pixels
            before = self.record.metrics[-1]["verdict"] if self.record.metrics else ""
            self.record.log(line, linear)
            self.progress.measured(line)
            # Twice in a row: a single line may be the network just after its initialisation.
            if self.settings.stop_on_collapse and word == before == COMPLETE:
                collapsed += 1
        self.stopped = bool(self.workers.mean(collapsed) > 0)
        self.total, self.count = torch.zeros_like(self.total), 0

    def save(self) -> None:
        """Write a checkpoint of everything that training changes."""
        tensors = tensors_of(self.learner, self.optimiser)
        self.record.save(self.step, tensors | loss_tensors(self.total, self.count))

    def restore(self, folder: RunFolder | None) -> None:
        """Go on from the last complete checkpoint; every process reads it, the lead writes."""
        if folder is None:
            raise FormatError("--resume: no folder to go on from; start the run again")
        found = folder.last_checkpoint()
        if found is None:  # killed before the first one: nothing is lost by beginning again
            self.record.begin_again()
            return
        restore(self.learner, self.optimiser, found.tensors, str(found.path))
        self.total = found.tensors["loss.total"].to(self.setup.device)
        self.count, self.step, self.resumed = int(found.tensors["loss.count"]), found.step, True
        if self.record.folder is not None:
            self.record.go_on_from(found.step)
            assert self.monitor is not None
            self.monitor.start = self.record.metrics[0].get("grounds")

    # --- the end -------------------------------------------------------------------------------

    def finish(self) -> TrainResult:
        """Measure the trained network, write the summary and return the result."""
        self.progress.done()
        data = {} if self.monitor is None else summary_of(self, self.monitor)
        self.workers.wait()
        place = self.record.folder
        if self.monitor is None:
            return TrainResult(self.settings, (), data, None)
        if place is not None:
            self.record.save_trajectory()
            place.write_summary(data)
        self.record.close()
        lines = lines_of(self.settings, data, None if place is None else Path(place.path))
        return TrainResult(
            self.settings, lines, data, None if place is None else place.path,
            decided=data["verdict"] != UNCLEAR,
        )  # fmt: skip


def summary_of(run: Run, monitor: Monitor) -> dict[str, object]:
    """Measure the trained network a last time and return everything worth keeping."""
    s = run.settings
    start, last = run.record.metrics[0], run.record.metrics[-1]
    return {
        "procedure": s.method,
        "backbone": s.backbone,
        "dataset": s.dataset,
        "data_notes": list(run.setup.source.notes),
        "steps": run.step,
        "stopped": run.stopped,
        **{name: last[name] for name in ("verdict", "kind", "text", "grounds")},
        "collapse": {name: last[name] for name in diagnose.NAMES},
        "initial": {name: start[name] for name in (*diagnose.NAMES, "knn", "knn_pixels")},
        "loss": last["loss"],
        "knn": monitor.knn(final=True),
        "linear_probe": monitor.probe(),
        "curl": _curl(run, monitor),
        **{name: last.get(name) for name in OF_THE_PREDICTOR},
        "images_per_second": run.trained / run.seconds if run.seconds else 0.0,
        "seconds": run.seconds,
        "device": run.setup.device_words(),
        "precision": run.setup.precision,
        "processes": run.workers.count,
        "trajectory": {"kept": len(run.record.points), "logged": len(run.record.metrics)},
    }


def _curl(run: Run, monitor: Monitor) -> float | None:
    weights = sum(p.numel() for p in run.learner.parameters())
    if not run.settings.curl or weights > CURL_LIMIT:
        return None
    return step_curl(run.learner, monitor.first, monitor.second, seed=run.settings.seed)
