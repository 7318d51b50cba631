"""Where a run ended, and does that agree with what was predicted?

Three things together: the distance to the component, the residual of the map there and the change
of the last step. Distance alone says "arrived" too early near a saddle or on a slow stretch. With
mini-batches nothing rests, and `simulate` decides by where the full-batch map leads (its module
`simulation`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.noise import Noise
from empirical.overlay.predicted import OrbitTarget, Prediction, Target
from empirical.overlay.rate import Contraction, compare, fitted
from empirical.overlay.source import Source
from empirical.overlay.steps import residual
from empirical.overlay.trace import Saddle, Trace
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

RESTING = {"float64": 1e-8, "float32": 1e-4}
"""Largest residual at rest, ten times what `simulate` asks for, times the size of the weights."""
LAST = 0.8
"""Fluctuations are averaged over the last fifth of a run."""
FAR = 3.0


@dataclass(frozen=True)
class Fluctuation:
    """Mean distance to the component over the last fifth, measured and predicted (or why not)."""

    measured: float
    gram: float
    expected: Noise | None
    note: str = ""


@dataclass(frozen=True)
class RunOverlay:
    """What the overlay says about one run; distances are to the predicted stable set.

    `stratum_reached` is the nearest component; `predicted` is true only when the run rests there and
    the component is predicted stable. `status` is settled, running or diverged.
    """

    run: str
    stratum_reached: str
    predicted: bool
    verdict: Verdict | None
    status: str
    steps: int
    distance_initial: float | None
    distance_final: float | None
    distance_reached: float | None
    residual: float | None
    change: float | None
    contraction: Contraction
    saddles: tuple[Saddle, ...] = ()
    noise: Fluctuation | None = None
    note: str = ""


def judge(
    source: Source, run: int, prediction: Prediction, trace: Trace, expected: Noise | str | None
) -> RunOverlay:
    """Return the verdict on one run; `expected` is its noise, or why none is predicted."""
    model, noisy = source.model_of(run), source.settings.batch_size > 0
    target = prediction.targets[trace.nearest]
    away = float(trace.each[trace.nearest, -1])
    force, moved = _movement(source, run, model, trace)
    resting, why = _resting(source, run, trace, force, moved)
    # At full collapse there is nothing to shake: the noise is in proportion to the weights.
    quiet = not noisy or (isinstance(expected, Noise) and expected.distance == 0)
    fluctuation = None if quiet or not resting else _fluctuation(trace, target, expected)
    if fluctuation is not None:
        there, how_far = _within(fluctuation, prediction)
    else:
        there = away <= prediction.near
        how_far = "" if there or not resting else f"rests {away:.2g} away from {target.id}"
    arrived = resting and there
    contraction, verdict = Contraction(None, None, None), target.verdict
    if arrived:
        contraction, verdict = _approach(trace, target, prediction, fit=quiet)
    doubt = _doubt(target, verdict)
    saddles = tuple(s for s in trace.saddles if not (arrived and s.id == target.id))
    return RunOverlay(
        run=source.run_name(run),
        stratum_reached=target.id,
        predicted=arrived and verdict is Verdict.STABLE,
        verdict=verdict,
        status="settled" if resting else "running",
        steps=int(trace.path.step[-1]),
        distance_initial=_finite(trace.stable[0]) if len(trace.stable) > 1 else None,
        distance_final=_finite(trace.stable[-1]),
        distance_reached=away,
        residual=force,
        change=moved,
        contraction=contraction,
        saddles=saddles,
        noise=fluctuation,
        note="; ".join(part for part in (why, how_far, doubt, contraction.note) if part),
    )


def _doubt(target: Target, verdict: Verdict) -> str:
    """Return why the verdict where a run rests is not simply that of the component."""
    if verdict is not target.verdict:
        return f"rests on the part of {target.id} that is {verdict.value}"
    return f"whether {target.id} is stable is undecided" if verdict is Verdict.UNDECIDED else ""


def _approach(
    trace: Trace, target: Target, prediction: Prediction, *, fit: bool
) -> tuple[Contraction, Verdict]:
    """Return how fast the run came here, and what is predicted where it rests."""
    end = trace.path.rows(slice(-1, None))
    moduli = target.moduli(end)
    radius = float(moduli[0]) if len(moduli) else None
    verdict = target.verdict
    if not isinstance(target, OrbitTarget) and verdict is Verdict.STABLE and radius is not None:
        verdict = Verdict.STABLE if radius < 1 else Verdict.UNSTABLE
    if not fit:
        return Contraction(None, radius, None), verdict
    distance = trace.each[trace.nearest]
    return compare(fitted(trace.path.step, distance, prediction.scale), radius, moduli), verdict


def diverged(source: Source, run: int, trace: Trace | None) -> RunOverlay:
    """Return the verdict on a run that left all bounds."""
    start = None if trace is None else _finite(trace.stable[0])
    return RunOverlay(
        run=source.run_name(run), stratum_reached="", predicted=False, verdict=None,
        status="diverged", steps=int(source.arrays["final_step"][run]), distance_initial=start,
        distance_final=None, distance_reached=None, residual=None, change=None,
        contraction=Contraction(None, None, None), note="diverged",
    )  # fmt: skip


def _movement(source: Source, run: int, model: Model, trace: Trace) -> tuple[float, float]:
    """Return the residual of the full-batch map at the last weights, and the last step's change."""
    force = float(residual(model, trace.path.state(-1)))
    change = source.arrays.get("final_change")
    return force, float(model.h) * force if change is None else float(change[run])


def _resting(
    source: Source, run: int, trace: Trace, force: float, moved: float
) -> tuple[bool, str]:
    """Return whether a run is at rest, and what it does where it is not."""
    if source.status(run) != "settled":
        if source.settings.batch_size:
            return False, "did not stay near one component, or the full-batch map leads elsewhere"
        return False, f"is still moving: one-step change {moved:.0e}"
    if source.settings.batch_size:
        return True, ""
    last = trace.path.state(-1)
    size = max(1.0, *(float(np.abs(part).max()) for part in last.values()))
    bound = RESTING[source.settings.dtype] * size
    if force > bound or moved > bound * max(1.0, float(source.model_of(run).h)):
        return False, f"is recorded as settled, but moves: residual {force:.0e}, change {moved:.0e}"
    return True, ""


def _fluctuation(trace: Trace, target: Target, expected: Noise | str | None) -> Fluctuation:
    path = trace.path
    late = path.step >= LAST * path.step[-1]
    distance = float(trace.each[trace.nearest, late].mean())
    W = path.W[late]
    gram = W.swapaxes(1, 2) @ W
    point = getattr(target, "W", None)
    deviation = 0.0
    if point is not None and np.any(point):
        goal = point.T @ point
        away = np.linalg.norm(gram - goal, axis=(1, 2))
        deviation = float(away.mean() / np.linalg.norm(goal))
    if isinstance(expected, Noise):
        return Fluctuation(distance, deviation, expected)
    return Fluctuation(distance, deviation, None, expected or "")


def _within(fluctuation: Fluctuation, prediction: Prediction) -> tuple[bool, str]:
    """Return whether a noisy run stays where it was predicted to, as far as noise allows."""
    expected = fluctuation.expected
    if expected is None:
        return True, fluctuation.note
    if fluctuation.measured > FAR * expected.distance + prediction.near:
        ratio = fluctuation.measured / expected.distance
        return False, f"stays {ratio:.1f} times as far away as noise explains"
    return True, ""


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
