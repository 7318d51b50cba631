"""`overlay`: one or many run folders against what is predicted for them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.overlay.folder import FolderOverlay
from empirical.overlay.judge import RunOverlay, diverged, judge
from empirical.overlay.noise import Noise, stationary
from empirical.overlay.predicted import OrbitTarget, Prediction, predict
from empirical.overlay.result import OverlayResult
from empirical.overlay.source import Path3, Source, read_source, thinned
from empirical.overlay.trace import Trace, traces
from empirical.runs.folder import RunFolder
from equilibria.errors import FormatError, ScopeError
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from empirical.overlay.networks import NetworkOverlay

MOST_RUNS = 256
MOST_TRACED = 64
POINTS = 4096
"""Snapshots that are compared with the components in all; many runs get fewer each."""


def overlay(
    runs: Sequence[str | Path],
    *,
    max_runs: int = MOST_RUNS,
    html: bool = True,
    write: bool = True,
) -> OverlayResult:
    """Compare each run folder with the predicted stable set.

    The first `max_runs` runs of a folder are judged. With `write`, overlay.json, overlay.png and
    (with `html`) overlay.html are put into each folder, each whole or not at all; all folders are
    read and judged before anything is written.

    Raises `FormatError` for a folder that is no run, half-written or not what it says.
    """
    if not runs:
        raise FormatError("overlay: give at least one run folder")
    found = [_one(path, max_runs) for path in runs]
    if write:
        from empirical.overlay.write import written

        for index, folder in enumerate(found):
            found[index] = written(folder, html=html)
    return OverlayResult(tuple(found))


def _one(path: str | Path, max_runs: int) -> FolderOverlay | NetworkOverlay:
    folder = RunFolder.open(path)
    if folder.config.get("command") != "simulate" and "method" in folder.config:
        from empirical.overlay.networks import network_overlay

        return network_overlay(folder)
    return judged(read_source(path), max_runs)


def judged(source: Source, max_runs: int = MOST_RUNS) -> FolderOverlay:
    """Return the overlay of a folder without writing it."""
    count = min(source.runs, max_runs)
    traced = min(count, source.traced, MOST_TRACED)
    paths = {run: source.over_time(run) for run in range(traced)}
    late = {run: source.final(run) for run in range(traced, count)}
    each = max(12, POINTS // max(1, traced))
    if not source.settings.batch_size:
        paths = {run: thinned(path, each) for run, path in paths.items()}
    late = {run: path for run, path in late.items() if source.status(run) != "diverged"}
    predictions, found = _by_model(source, {**paths, **late}, count)
    noises: dict[tuple[Model, str], Noise | str] = {}
    verdicts = [
        _verdict(source, run, predictions[run], found.get(run), noises) for run in range(count)
    ]
    kept = {run: trace for run, trace in found.items() if run in paths}
    return FolderOverlay(source, tuple(verdicts), predictions, kept)


def _by_model(
    source: Source, paths: dict[int, Path3], count: int
) -> tuple[dict[int, Prediction], dict[int, Trace]]:
    """Predict once for all runs that share their rates."""
    groups: dict[tuple[str, ...], list[int]] = {}
    for run in range(count):
        key = tuple(values[run] for values in (source.settings.vary or {}).values())
        groups.setdefault(key, []).append(run)
    predictions: dict[int, Prediction] = {}
    found: dict[int, Trace] = {}
    for runs in groups.values():
        own = {run: paths[run] for run in runs if run in paths and len(paths[run].step)}
        prediction = predict(source.model_of(runs[0]), list(own.values()))
        predictions |= dict.fromkeys(runs, prediction)
        if not prediction.targets:
            raise ScopeError(f"{source.folder.path}: no equilibrium is known to compare with")
        found |= traces(prediction, own)
    return predictions, found


def _verdict(
    source: Source,
    run: int,
    prediction: Prediction,
    trace: Trace | None,
    noises: dict[tuple[Model, str], Noise | str],
) -> RunOverlay:
    if trace is None or source.status(run) == "diverged":
        return diverged(source, run, trace)
    expected: Noise | str | None = None
    if source.settings.batch_size:
        target = prediction.targets[trace.nearest]
        key = (prediction.model, target.id)
        if key not in noises:
            noises[key] = _noise(source, prediction.model, target)
        expected = noises[key]
    return judge(source, run, prediction, trace, expected)


def _noise(source: Source, model: Model, target: object) -> Noise | str:
    """Return the predicted fluctuation, or why there is none."""
    if not isinstance(target, OrbitTarget):
        return "without weight decay the equilibria fill families; their noise is not predicted"
    if target.blocks:
        return "with repeated modes the noise is not predicted"
    try:
        return stationary(model, target.W, target.P, source.settings)
    except ScopeError as error:
        return str(error)
