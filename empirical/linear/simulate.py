"""`simulate`: many linear runs at once, each classified by the component that it reaches."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.linear.classify import components_of
from empirical.linear.outcome import Outcome, SimulationResult
from empirical.linear.record import RUNNING, STATUS
from empirical.linear.settings import (
    RATES,
    Settings,
    as_text,
    data_moments,
    load_pairs,
    read_config,
    write_config,
)
from empirical.linear.simulation import Progress, Simulation
from empirical.runs.folder import RunFolder
from empirical.runs.trajectories import Arrays
from equilibria.basin.probabilities import clopper_pearson
from equilibria.errors import AnalysisError, FormatError
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray


def simulate(
    model: Model,
    *,
    runs: int = 256,
    steps: int | None = None,
    init: str = "kaiming",
    scale: float = 1.0,
    batch_size: int = 0,
    data: str | Path | None = None,
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float64",
    out: str | Path | None = None,
    overwrite: bool = False,
    log_every: int | None = None,
    vary: Mapping[str, Iterable[object]] | None = None,
    progress: bool | None = None,
    checkpoint_seconds: float = 30.0,
) -> SimulationResult:
    """Train `runs` linear models at once and say where each ends.

    `steps` None runs until every run has settled (at most 10^6 steps; 10^4 with mini-batches).
    `init` is kaiming, normal, orthogonal or an .npz file with W and P; `scale` multiplies both.
    `batch_size` 0 uses the moments; otherwise batches of Gaussian views with the model's moments, or
    of the pairs x, y (N, d) in `data`, whose moments then replace the model's. `vary` gives rates
    (lr, weight_decay, predictor_lr, predictor_weight_decay, ema, momentum) run by run; a short list
    is repeated. With `out` a run folder is written, from which `resume` goes on after a crash;
    without, nothing is written. The result of a run depends on (seed, run) alone.

    Raises `FormatError` for a bad option, `LimitReached` when the final weights would not fit.
    """
    model.plain("simulate")
    settings = Settings(
        runs=runs,
        steps=steps,
        init=init,
        scale=float(scale),
        batch_size=batch_size,
        data=None if data is None else str(data),
        seed=seed,
        device=device,
        dtype=dtype,
        log_every=log_every,
        vary=_varied(vary, model, runs),
    )
    if settings.data is not None:
        model = replace(model, moments=data_moments(*load_pairs(settings.data), settings.data))
    with _bar(progress) as report:
        simulation = Simulation(
            model, settings, progress=report, checkpoint_seconds=checkpoint_seconds
        )
        simulation.check()
        if out is not None:  # nothing is written for a question that cannot be answered
            simulation.folder = write_config(Path(out), model, settings, overwrite=overwrite)
        with nullcontext() if simulation.folder is None else simulation.folder.locked():
            return _complete(simulation)


def resume(
    path: str | Path, *, progress: bool | None = None, checkpoint_seconds: float = 30.0
) -> SimulationResult:
    """Go on with a simulation that was stopped or killed; the end is what it would have been.

    On the CPU the files are the same bit for bit; on another device no run is lost. Raises
    `FormatError` when `path` is no such run, or another process is writing to it.
    """
    folder = RunFolder.open(path)
    model, settings = read_config(folder)
    with folder.locked(), _bar(progress) as report:
        simulation = Simulation(
            model, settings, folder=folder, progress=report, checkpoint_seconds=checkpoint_seconds
        )
        simulation.load()
        return _complete(simulation)


def _varied(
    vary: Mapping[str, Iterable[object]] | None, model: Model, runs: int
) -> dict[str, tuple[str, ...]] | None:
    if not vary:
        return None
    for name in vary:
        if name not in RATES or (name == "ema" and not model.traits.has_target):
            raise FormatError(
                f"vary {name}: not a rate of {model.procedure}; known: {', '.join(RATES)}"
            )
    return {name: as_text(values, name, runs) for name, values in vary.items()}


@contextmanager
def _bar(wanted: bool | None) -> Iterator[Progress | None]:
    """Show a progress bar on stderr, by default when it is a terminal."""
    if not (sys.stderr.isatty() if wanted is None else wanted):
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("runs settled"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("step {task.fields[step]}"),
        TimeElapsedColumn(),
    )
    with Bars(*columns, console=Console(stderr=True), transient=True) as bars:
        task = bars.add_task("simulate", total=None, step=0)

        def report(done: int, total: int, step: int) -> None:
            bars.update(task, completed=done, total=total, step=step)

        yield report


def _complete(simulation: Simulation) -> SimulationResult:
    start = time.perf_counter()
    simulation.run()
    seconds = time.perf_counter() - start
    arrays = _final_arrays(simulation)
    folder, sha256 = simulation.folder, None
    if folder is not None:
        sigma, m = simulation.model.moments.matrices()
        folder.save_trajectory(**simulation.record.over_time(), Sigma=sigma, M=m, **arrays)
        sha256 = folder.digest()
    result = _result(simulation, arrays, seconds, sha256)
    if folder is not None:
        folder.write_summary(
            {
                "procedure": result.model.procedure,
                "backbone": "linear",
                "dataset": simulation.settings.data or "moments",
                "runs": result.settings.runs,
                "steps": result.steps,
                "endings": result.data["endings"],
                "elsewhere": result.elsewhere,
                "running": result.running,
                "diverged": result.diverged,
                "agreement": result.agreement,
                "largest_lr": dict(result.largest_lr),
                "device": result.device,
                "sha256": sha256,
            }
        )
    return result


def _final_arrays(simulation: Simulation) -> Arrays:
    """Return the arrays with one row a run, strata included; a diverged run has none."""
    final, settings = simulation.record.final, simulation.settings
    runs = np.arange(settings.runs)
    alive = np.flatnonzero(np.isfinite(final["change"]))
    weights = {name: final[name][alive] for name in simulation.record.letters}
    status = final["status"].copy()
    names = np.full(settings.runs, "", dtype=object)
    endings = simulation.endings(alive, weights)
    led_to = _without_noise(simulation, alive, weights) if settings.batch_size else {}
    for run, ending in zip(alive.tolist(), endings, strict=True):
        if settings.batch_size:  # noise keeps it from being near; see the module `simulation`
            names[run] = ending.id
            same = ending.id == simulation.early.get(str(run)) == led_to[run]
            status[run] = STATUS.index("settled") if same else status[run]
        elif ending.near:
            names[run] = ending.id
    h = np.array([float(simulation.lr(run)) for run in runs.tolist()])
    arrays = {f"final_{name}": final[name] for name in simulation.record.letters}
    arrays |= {"final_step": final["step"], "final_change": final["change"]}
    arrays["final_residual"] = final["change"] / h
    arrays["stratum"] = names.astype(str)
    arrays["status"] = np.array(STATUS)[status]
    return arrays


def _without_noise(
    simulation: Simulation, alive: NDArray[np.int64], weights: Arrays
) -> dict[int, str]:
    """Return to which component the full-batch map leads from the last weights of noisy runs."""
    settings = simulation.settings
    if not len(alive):
        return {}
    vary = {
        name: tuple(values[run] for run in alive.tolist())
        for name, values in (settings.vary or {}).items()
    }
    quiet = replace(
        settings, runs=len(alive), steps=None, batch_size=0, data=None, vary=vary or None
    )
    follow = Simulation(simulation.model, quiet)
    follow.run(weights)
    final = follow.record.final
    ends = {name: final[name] for name in follow.record.letters}
    endings = follow.endings(np.arange(len(alive)), ends)
    rest = np.isfinite(final["change"]) & (final["status"] != RUNNING)
    return {
        run: ending.id if still and ending.near else ""
        for run, ending, still in zip(alive.tolist(), endings, rest.tolist(), strict=True)
    }


def _result(
    simulation: Simulation, arrays: Arrays, seconds: float, sha256: str | None
) -> SimulationResult:
    settings, model = simulation.settings, simulation.model
    status, stratum = arrays["status"], arrays["stratum"]
    settled = status == "settled"
    first: dict[str, int] = {}
    for run in np.flatnonzero(settled & (stratum != "")).tolist():
        first.setdefault(str(stratum[run]), run)
    counts = Counter(stratum[settled & (stratum != "")].tolist())
    outcomes = []
    for name, count in counts.items():
        place = simulation.places(first[name]).place(name)
        low, high = clopper_pearson(count, settings.runs)
        share = count / settings.runs
        outcomes.append(Outcome(name, place.rank, place.verdict, count, share, low, high))
    outcomes.sort(key=lambda o: (-o.count, o.id))
    return SimulationResult(
        model=model,
        settings=settings,
        outcomes=tuple(outcomes),
        elsewhere=int((settled & (stratum == "")).sum()),
        running=int((status == "running").sum()),
        diverged=int((status == "diverged").sum()),
        steps=int(arrays["final_step"].max()),
        largest_lr=_largest_lr(model),
        folder=None if simulation.folder is None else simulation.folder.path,
        sha256=sha256,
        seconds=seconds,
        device=simulation.like.device.type,
        arrays=arrays,
    )


def _largest_lr(model: Model) -> tuple[tuple[str, float], ...]:
    """Return the predicted largest stable learning rate of each component that the flow keeps."""
    try:
        components = components_of(model)
    except AnalysisError:
        return ()
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    return tuple(
        (c.id, float(c.map.largest_step)) for c in stable if c.map.largest_step is not None
    )
