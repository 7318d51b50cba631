"""The claims that only runs can support: what is predicted, what was measured, does it hold?

Each experiment is quick by default and takes `runs` for more; with `out` it leaves its run folders
there, without it they are hashed and removed. `holds` is None where it could not be tried, with the
reason in `measured`. Nothing measured calls itself proved.
"""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from empirical.experiments.result import Experiment, ExperimentResult, late
from empirical.images.beside import IMAGES
from empirical.linear.outcome import SimulationResult
from equilibria.basin.probabilities import Sample, basin_probabilities
from equilibria.data.moments import Moments
from equilibria.errors import AnalysisError
from equilibria.systems.model import Model

SURE = 1e-3
"""Two samples disagree when chance alone would make them so different this rarely."""


def simulated(model: Model, name: str, out: Path | None, **options: Any) -> SimulationResult:
    """Run `simulate` into out/name, or into a folder that is gone afterwards."""
    from empirical.linear.simulate import simulate

    if out is not None:
        return simulate(model, out=Path(out) / name, overwrite=True, **options)
    with TemporaryDirectory() as place:
        return simulate(model, out=Path(place) / name, **options)


def _endings(result: SimulationResult) -> str:
    parts = [f"{o.count} on {o.id}" for o in result.outcomes]
    others = {"elsewhere": result.elsewhere, "running": result.running, "diverged": result.diverged}
    parts += [f"{count} {name}" for name, count in others.items() if count]
    return ", ".join(parts)


def joint_collapses(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """Without a stop-gradient every start collapses (T1.1)."""
    model = Model(procedure="joint", moments=_three_modes(), embed_dim=3)
    result = simulated(model, "joint-collapses", out, runs=runs, seed=seed)
    return ExperimentResult(
        name="joint-collapses",
        statement="joint minimisation collapses from every start",
        source="Tian, Chen, Ganguli 2021, theorem 2; Ponce et al. 2025, lemma 4.3; T1.1",
        predicted=f"{runs} on rank0",
        measured=_endings(result),
        holds=result.collapsed.count == runs,
        runs=runs,
        sha256=result.sha256,
    )


def stop_gradient_ends_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """Stop-gradient never ends on a component predicted unstable."""
    model = Model(procedure="stop-gradient", moments=_three_modes(), embed_dim=3)
    return _ends_stable("stop-gradient-ends-stable", model, runs, seed, out)


def ema_ends_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """EMA never ends on a component predicted unstable."""
    model = Model(procedure="ema", ema="9/10", moments=_three_modes(), embed_dim=3)
    return _ends_stable("ema-ends-stable", model, runs, seed, out)


def direct_pred_ends_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """DirectPred ends at the roots p+ of the learned predictor, on sets predicted stable (T13)."""
    return _ends_stable("direct-pred-ends-stable", Model(procedure="direct-pred"), runs, seed, out)


def direct_copy_ends_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """DirectCopy likewise."""
    return _ends_stable("direct-copy-ends-stable", Model(procedure="direct-copy"), runs, seed, out)


def _three_modes() -> Moments:
    return Moments.commuting(signal=[1, "3/4", "9/16"])


def _ends_stable(
    name: str, model: Model, runs: int, seed: int, out: Path | None, source: str = "T8.1, T8.3"
) -> ExperimentResult:
    result = simulated(model, name, out, runs=runs, seed=seed)
    return ExperimentResult(
        name=name,
        statement=f"{model.procedure} never ends on a component predicted unstable",
        source="T13.1, T13.2" if model.procedure.startswith("direct") else source,
        predicted="0 runs on unstable components or elsewhere",
        measured=_endings(result),
        holds=result.agreement == 1.0 if result.settled else None,
        runs=runs,
        sha256=result.sha256,
    )


def collapse_agrees_with_basin(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """The fractions that end on each component are those of `basin`, from other random starts."""
    from scipy.stats import chi2_contingency

    model = Model(procedure="stop-gradient")
    result = simulated(model, "collapse-agrees-with-basin", out, runs=runs, seed=seed)
    expected = basin_probabilities(model, Sample("kaiming", 1.0, runs, seed + 1), is_map=True)
    left = {outcome.id: outcome.count for outcome in result.outcomes}
    right = {share.id: share.count for share in expected.shares}
    names = sorted({*left, *right})
    table = np.array([[counts.get(name, 0) for name in names] for counts in (left, right)])
    chance = float(chi2_contingency(table).pvalue) if len(names) > 1 else 1.0
    collapse = expected.collapse
    return ExperimentResult(
        name="collapse-agrees-with-basin",
        statement="the fraction of runs that collapses is the one that `basin` computes",
        source="basin",
        predicted=f"collapse {collapse.fraction:.4f} ({collapse.low:.4f} to {collapse.high:.4f})",
        measured=f"collapse {result.collapsed.fraction:.4f} ({result.collapsed.low:.4f} to "
        f"{result.collapsed.high:.4f}); all components alike with p = {chance:.3f}",
        holds=chance > SURE and result.settled == runs,
        runs=runs,
        sha256=result.sha256,
    )


def ema_collapses_less(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """From the same starts fewer runs collapse with an EMA target than without."""
    ema = simulated(
        Model(procedure="ema", ema="9/10"), "ema-collapses-less", out, runs=runs, seed=seed
    )
    plain = simulated(Model(), "ema-collapses-less-control", out, runs=runs, seed=seed)
    learned = [sum(o.count * (o.rank or 0) for o in r.outcomes) / runs for r in (ema, plain)]
    return ExperimentResult(
        name="ema-collapses-less",
        statement="from the same random starts an EMA target learns more modes than stop-gradient",
        source="Ponce et al. 2025, section 4, observed there for one mode",
        predicted="more modes a run",
        measured=f"{learned[0]:.3f} modes a run with mu = 9/10, {learned[1]:.3f} without",
        holds=learned[0] > learned[1],
        runs=runs,
        sha256=ema.sha256,
    )


def cifar_moments_end_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None, images: str | Path | None = None
) -> ExperimentResult:
    """On the moments of augmented CIFAR-10 images, which do not commute, runs end where predicted."""
    name, place = "cifar-moments-end-stable", Path(images) if images is not None else IMAGES
    statement = "on moments measured from CIFAR-10 no run ends on a component predicted unstable"
    if not place.is_file():
        return ExperimentResult(
            name, statement, "T6, T7", "0 runs", f"not tried: no {place.name}", None, 0
        )
    from equilibria.data.augmentation import parse_augment
    from equilibria.data.images import load_images
    from equilibria.data.measure import estimate_moments

    measured = estimate_moments(
        load_images(f"{place}:x_train")[:2000],
        size=8,
        gray=True,
        augmentation=parse_augment("shift=2,flip,noise=0.1,brightness=0.2"),
        views=8,
        components=4,
        seed=seed,
    )
    moments = Moments.dense(measured.Sigma, measured.M, source="CIFAR-10")
    model = Model(moments=moments, embed_dim=2, weight_decay="1/100")
    result = simulated(model, name, out, runs=runs, seed=seed)
    return ExperimentResult(
        name=name,
        statement=statement,
        source="T6.6 to T6.9, T7.6",
        predicted="0 runs on unstable components or elsewhere",
        measured=f"commutator {moments.commutator:.1e}: {_endings(result)}",
        holds=result.agreement == 1.0 and result.diverged == 0,
        runs=runs,
        sha256=result.sha256,
    )


def experiment(name: str, **options: object) -> ExperimentResult:
    """Run an experiment by name; raises `AnalysisError` listing the names when there is none."""
    if name not in EXPERIMENTS:
        raise AnalysisError(f"experiment {name}: expected one of {', '.join(EXPERIMENTS)}")
    return EXPERIMENTS[name](**options)


EXPERIMENTS: dict[str, Experiment] = {
    "joint-collapses": joint_collapses,
    "stop-gradient-ends-stable": stop_gradient_ends_stable,
    "ema-ends-stable": ema_ends_stable,
    "direct-pred-ends-stable": direct_pred_ends_stable,
    "direct-copy-ends-stable": direct_copy_ends_stable,
    "collapse-agrees-with-basin": collapse_agrees_with_basin,
    "ema-collapses-less": ema_collapses_less,
    "one-mode-spheres": late("one_model.one_mode_spheres"),
    "limit-cycle-in-training": late("one_model.limit_cycle_in_training"),
    "ema-window-in-training": late("one_model.ema_window_in_training"),
    "cifar-moments-end-stable": cifar_moments_end_stable,
}
