"""Hidden layers and turned views, tried: where runs end, and whether what turns turns as predicted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from empirical.experiments.result import ExperimentResult
from empirical.linear.chain_map import ChainMap, ChainState
from equilibria.data.moments import Moments
from equilibria.data.units import complex_signal
from equilibria.systems.model import Model
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component
from equilibria.varieties.routes import variety_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STEPS = 12_000
FLOW_STEPS, FLOW_TIME = 6000, 0.1
RESTING, SETTLED = 1e-5, 1e-7
NEAR = 1e-4
TURNING = 1e-3
RUNNING, ELSEWHERE, DIVERGED = "still moving", "elsewhere", "diverged"


@dataclass(frozen=True)
class Known:
    """A component by what no rotation changes: sizes of W and P W on the units; or its frequency."""

    id: str
    stable: bool
    encoder: Array
    prediction: Array
    frequency: float | None = None


def deep_runs_end_stable(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """No deep run rests on a component predicted unstable, for (L, K) = (2,1), (3,1), (2,2)."""
    del out
    counts: Counter[str] = Counter()
    for L, K in ((2, 1), (3, 1), (2, 2)):
        model = Model(
            moments=Moments.commuting(signal=[1, "3/4", "1/2"], total=["5/4", 1, 1]),
            embed_dim=3,
            encoder_layers=L,
            predictor_layers=K,
            weight_decay="1/400",
            lr="1/4",
        )
        counts.update({f"L{L} K{K} {name}": n for name, n in _endings(model, runs, seed).items()})
    return _result(
        "deep-runs-end-stable",
        "runs with hidden layers rest on components predicted stable, or are under way",
        "theory T23.1, T24.1",
        counts,
        3 * runs,
    )


def turned_runs_end_as_predicted(
    *, runs: int = 1000, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """Runs on turned views rest or turn as B1, B3 and B4 predict, at the predicted frequency."""
    del out
    still = Model(moments=_turning("3/5+2/5i", 1), weight_decay="2/25", embed_dim=1)
    beside = Model(moments=_turning("7/20,9/10i", 1), weight_decay="1/40", embed_dim=1)
    right = _turning("25/16i", 2)
    lagging = Model("ema", right, weight_decay="9/200", embed_dim=1, ema="19/20")
    counts: Counter[str] = Counter()
    for name, model in (("B1", still), ("B3", beside), ("B4", lagging)):
        found = _endings(model, runs, seed)
        counts.update({f"{name} {ending}": n for ending, n in found.items()})
    return _result(
        "turned-runs-end-as-predicted",
        "runs on turned views rest or turn where predicted, the waves at their frequency to 1e-3",
        "theory T31.3, T32.1, T32.2",
        counts,
        3 * runs,
    )


def _turning(signal: str, variance: int) -> Moments:
    pairs = complex_signal(signal, "--signal")
    return Moments.turning(signal=pairs, total=[variance] * len(pairs))


def _result(
    name: str, statement: str, source: str, counts: Counter[str], runs: int
) -> ExperimentResult:
    wrong = sum(n for ending, n in counts.items() if "unstable" in ending or ELSEWHERE in ending)
    return ExperimentResult(
        name=name,
        statement=statement,
        source=source,
        predicted="none on a component predicted unstable, none elsewhere",
        measured=", ".join(f"{n} {ending}" for ending, n in sorted(counts.items())),
        holds=wrong == 0,
        runs=runs,
    )


def _endings(model: Model, runs: int, seed: int) -> Counter[str]:
    """Return how many runs end where: of the map, or of the flow where views turn."""
    step = ChainMap(model)
    state = step.start(runs, seed, scale=1.5)
    turns = not model.moments.symmetric
    for _ in range(FLOW_STEPS if turns else STEPS):
        if turns:
            step.flow(state, FLOW_TIME)
        else:
            step.step(state)
    known = [_known(model, component) for component in variety_of(model, 10_000).components]
    rest = torch.stack([m.abs().amax(dim=(1, 2)) for m in step.forces(state)]).amax(dim=0)
    sizes, before = _sizes(model, state), _plane_angles(model, state)
    step.flow(state, FLOW_TIME)
    rate = _turned(before, _plane_angles(model, state)) / FLOW_TIME
    return Counter(
        _ending(known, sizes[0][run], sizes[1][run], float(rest[run]), rate[run])
        for run in range(runs)
    )


def _ending(known: list[Known], encoder: Array, prediction: Array, rest: float, rate: Array) -> str:
    if not np.isfinite(prediction).all():
        return DIVERGED
    for place in known:
        close = _close(encoder, place.encoder) and _close(prediction, place.prediction)
        verdict = "stable" if place.stable else "unstable"
        if close and place.frequency is None and rest <= RESTING:
            return f"on {place.id}, {verdict}"
        turns = place.frequency is not None and np.abs(rate).max() > 0
        if close and turns and np.abs(np.abs(rate) / place.frequency - 1).min() <= TURNING:
            return f"on the wave {place.id}, {verdict}"
    return RUNNING if rest > SETTLED else ELSEWHERE


def _close(left: Array, right: Array) -> bool:
    return bool(np.abs(left - right).max() <= NEAR * max(1.0, float(np.abs(right).max())))


def _units(model: Model) -> list[list[int]]:
    units = model.moments.units
    if units is None:
        return [[column] for column in range(model.d)]
    return [[column - 1 for column in unit.columns] for unit in units]


def _sizes(model: Model, state: ChainState) -> tuple[Array, Array]:
    """Return |W| and |P W| on every unit, (R, units) each."""
    W, P = state.gains(model.chain.encoder)
    parts = []
    for gain in (W, P @ W):
        array = gain.cpu().numpy()
        norms = [np.linalg.norm(array[:, :, unit], axis=(1, 2)) for unit in _units(model)]
        parts.append(np.stack(norms, axis=1))
    return parts[0], parts[1]


def _known(model: Model, component: Component) -> Known:
    step = ChainMap(model)
    deep = model.chain.is_deep
    names = model.chain.names if deep else [name[0] for name in model.chain.names]
    layers = [
        torch.tensor([[[entry_float(x) for x in row] for row in component.representative[name]]])
        for name in names
    ]
    state = step.at([layer.to(torch.float64) for layer in layers])
    encoder, prediction = _sizes(model, state)
    stable = component.flow.is_stable if component.rotates else component.map.is_stable
    return Known(component.id, stable, encoder[0], prediction[0], component.frequency)


def _plane_angles(model: Model, state: ChainState) -> Array:
    """Return the angle of W's first row in the plane of every pair, (R, pairs)."""
    W = state.gains(model.chain.encoder)[0].cpu().numpy()[:, 0]
    pairs = [unit for unit in _units(model) if len(unit) == 2]
    angles = [np.arctan2(W[:, b], W[:, a]) for a, b in pairs]
    return np.stack(angles, axis=1) if angles else np.zeros((len(W), 1))


def _turned(before: Array, after: Array) -> Array:
    return (after - before + np.pi) % (2 * np.pi) - np.pi
