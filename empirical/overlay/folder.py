"""What the overlay of one run folder found."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from empirical.overlay.judge import Fluctuation, RunOverlay
from empirical.overlay.predicted import Prediction
from empirical.overlay.source import Source
from empirical.overlay.trace import Trace
from equilibria.files.untrusted import Table
from equilibria.varieties.component import Verdict

SCHEMA = "noncollapse/overlay/1"


@dataclass(frozen=True)
class FolderOverlay:
    """One run folder of `simulate` against its prediction.

    `predictions` and `traces` are by run number; runs with the same rates share a prediction.
    `judged` counts the runs looked at, the first of `source.runs`.
    """

    source: Source
    runs: tuple[RunOverlay, ...]
    predictions: dict[int, Prediction] = field(repr=False)
    traces: dict[int, Trace] = field(repr=False)
    files: tuple[str, ...] = ()

    @property
    def path(self) -> Path:
        return self.source.folder.path

    @property
    def prediction(self) -> Prediction:
        """Return the prediction of the first run."""
        return self.predictions[0]

    @property
    def uniform(self) -> bool:
        """Return whether all runs have the same rates."""
        return not self.source.settings.vary

    @property
    def judged(self) -> int:
        return len(self.runs)

    @cached_property
    def agreed(self) -> int:
        """Return how many runs rest on a component predicted stable."""
        return sum(run.predicted for run in self.runs)

    @property
    def agreement(self) -> float:
        """Return their share; a run that still moves, or has diverged, has not agreed."""
        return self.agreed / len(self.runs)

    @property
    def decided(self) -> bool:
        """Return whether every run has come to rest or diverged, and its component is decided."""
        return all(
            run.status != "running" and run.verdict is not Verdict.UNDECIDED for run in self.runs
        )

    @cached_property
    def data(self) -> Table:
        """Return the object that overlay.json holds."""
        from equilibria.systems.model_json import moments_json, parameters_json

        model = self.source.model
        known = {p.model: p for p in self.predictions.values()}
        stable = sorted({name for p in known.values() for name in p.stable_ids}, key=_order)
        return {
            "schema": SCHEMA,
            "predicted": {"stable_components": stable, "listed": self.prediction.listed},
            "runs": [_run_json(run) for run in self.runs],
            "agreement": self.agreement,
            "agreed": self.agreed,
            "judged": self.judged,
            "runs_in_folder": self.source.runs,
            "decided": self.decided,
            "procedure": model.procedure,
            "parameters": parameters_json(model),
            "moments": moments_json(model),
            "batch_size": self.source.settings.batch_size,
        }


def _order(name: str) -> tuple[int, str]:
    rank = name[4:].partition(":")[0]
    return (-int(rank) if rank.isdigit() else 0, name)


def _run_json(run: RunOverlay) -> Table:
    rate = run.contraction
    return {
        "run": run.run,
        "stratum_reached": run.stratum_reached,
        "predicted": run.predicted,
        "verdict": None if run.verdict is None else run.verdict.value,
        "status": run.status,
        "steps": run.steps,
        "distance_initial": run.distance_initial,
        "distance_final": run.distance_final,
        "distance_reached": run.distance_reached,
        "residual": run.residual,
        "change": run.change,
        "contraction_measured": rate.measured,
        "contraction_predicted": rate.predicted,
        "contraction_matched": rate.matched,
        "saddles": [
            {"id": s.id, "first": s.first, "last": s.last, "distance": s.distance}
            for s in run.saddles
        ],
        "noise": None if run.noise is None else _noise_json(run.noise),
        "note": run.note,
    }


def _noise_json(noise: Fluctuation) -> Table:
    e = noise.expected
    return {
        "measured": noise.measured,
        "expected": None if e is None else e.distance,
        "low": None if e is None else e.low,
        "high": None if e is None else e.high,
        "gram_measured": noise.gram,
        "gram_expected": None if e is None else e.gram,
        "note": noise.note,
    }


def ending_of(run: RunOverlay) -> tuple[str, bool, str]:
    """Return what makes two runs end alike: the component, whether predicted, and the status."""
    return run.stratum_reached, run.predicted, run.status


def endings(runs: tuple[RunOverlay, ...]) -> list[tuple[tuple[str, bool, str], int]]:
    """Return how many runs ended alike, most first."""
    counts = Counter(map(ending_of, runs))
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
