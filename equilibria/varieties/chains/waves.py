"""Rotating waves: states of rank one that turn for ever in a plane that the views turn (T32).

In a pair with M = re + i im on its plane one row of W can turn at a constant rate Omega while all its
sizes rest. With phi = beta/(beta + i Omega) on the target, and p^theta q = eta_eff,

    (eta_1/q) |m| exp(i theta) phi = eta_1 (1 + s p/q) + i Omega.

For stop-gradient (phi = 1) this is the mode equation of re alone, and Omega = eta_1 im/q: exact. For EMA
the roots are found numerically. The verdict is that of the spectrum in the frame that turns along.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from equilibria.data.units import Unit
from equilibria.errors import AnalysisError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.chains.counts import Counts
from equilibria.varieties.chains.rest import Rest, units_of
from equilibria.varieties.component import (
    Component,
    Detail,
    Eigenvalue,
    How,
    Stability,
    Verdict,
    collapse_grade,
)

Numbers = float | NDArray[np.float64]
GRID = 4000
TOLERANCE = 1e-5
"""Of the largest eigenvalue: where three nearly meet, rounding moves them by its cube root."""
TOO_CLOSE = "closer to the boundary than double precision tells where eigenvalues nearly meet"
UNITS_KEPT = 2
MEETS_THE_DATA = ("W", "T", "W1", "T1")
NOT_FOR_THE_MAP = "a wave is judged for the flow: the map has it at another size and rate"


@dataclass(frozen=True)
class Wave:
    """One wave: the unit, the root label, |p| with the sign of P, and the frequency."""

    unit: Unit
    root: str
    p: float
    frequency: float

    @property
    def turn(self) -> float:
        """Return the rate of the angle of the row (x, y): views turn it backwards where p > 0."""
        return math.copysign(self.frequency, -self.p)

    @property
    def id(self) -> str:
        against = "-" if self.p < 0 else ""
        return f"rank1:{against}{self.unit.name}{self.root}"


def wave_components(model: Model) -> list[Component]:
    """Return the waves of all pairs of a model with decays above 0, with their verdicts."""
    return [_component(model, wave) for wave in waves(model)]


def waves(model: Model) -> Iterator[Wave]:
    """Yield the waves; with EMA those that a grid of 4000 sizes separates."""
    seen = set()
    for unit in units_of(model.moments):
        if not unit.im or unit.value in seen:  # of equal pairs the first one stands for all
            continue
        seen.add(unit.value)
        if model.traits.has_target:
            yield from _with_lag(model, unit)
            continue
        still = Unit(unit.columns[:1], unit.s, unit.re)
        for rest in Rest.all_of(model.chain, still):
            turn = rest.q.inverse() * (model.chain.decays[0] * unit.im)
            yield Wave(unit, rest.root, rest.sign * float(rest.p), float(turn))


def _with_lag(model: Model, unit: Unit) -> Iterator[Wave]:
    """Yield the waves under EMA: p > 0 at the pair's angle, p < 0 at the opposite one."""
    for sign in (1, -1):
        lag = _Lag.of(model, unit, sign)
        found = sorted(_zeros(lag.residual, lag.size / lag.s), reverse=True)
        for place, p in enumerate(found):
            label = "+" if place == 0 else "-" * place
            yield Wave(unit, label, sign * p, float(lag.frequency(p)))


@dataclass(frozen=True)
class _Lag:
    """The condition of T32.2 for a pair (s, size, cosine), as a function of |p|."""

    s: float
    size: float
    cosine: float
    beta: float
    theta: float
    eta: float
    effective: float

    @classmethod
    def of(cls, model: Model, unit: Unit, sign: int) -> _Lag:
        chain = model.chain
        size = math.hypot(to_float(unit.re), to_float(unit.im))
        return cls(
            s=to_float(unit.s),
            size=size,
            cosine=sign * to_float(unit.re) / size,
            beta=to_float(model.flow_rate),
            theta=to_float(chain.theta),
            eta=to_float(chain.decays[0]),
            effective=to_float(chain.effective_power) ** (1 / chain.predictor),
        )

    def _terms(self, p: Numbers) -> tuple[Numbers, Numbers]:
        q = self.effective / p**self.theta
        return self.eta * (1 + self.s * p / q), self.eta * self.size / q

    def frequency(self, p: Numbers) -> Numbers:
        own, target = self._terms(p)
        return self.beta * target * math.sqrt(1 - self.cosine**2) / (own + self.beta)

    def residual(self, p: Numbers) -> Numbers:
        own, target = self._terms(p)
        return self.frequency(p) ** 2 - self.beta * (own - target * self.cosine)


def _zeros(function: Callable[[Numbers], Numbers], top: float) -> Iterator[float]:
    from scipy.optimize import brentq

    grid = top * np.concatenate([np.geomspace(1e-9, 1e-3, GRID // 4), np.linspace(1e-3, 1, GRID)])
    values = np.asarray(function(grid))
    for place in np.flatnonzero(values[:-1] * values[1:] < 0):
        low, high = float(grid[place]), float(grid[place + 1])
        yield float(brentq(lambda p: float(function(p)), low, high, xtol=1e-15, rtol=1e-14))


def _component(model: Model, wave: Wave) -> Component:
    chain = model.chain
    spectrum, note = _spectrum(model, wave)
    equal = sum(unit.value == wave.unit.value for unit in units_of(model.moments))
    free = 1 + 2 * (equal - 1)  # its phase, and the planes of equal pairs that it could lie in
    neutral = free + sum(min(width, UNITS_KEPT) - 1 for width in chain.widths[1:-1])
    orbit = Counts(chain, 1).orbit + free
    values = sorted(spectrum, key=abs)[neutral:]
    extent = max((value.real for value in values), default=None)
    verdict = Verdict.UNDECIDED
    if extent is not None and abs(extent) > TOLERANCE * max(map(abs, spectrum)):
        verdict = Verdict.STABLE if extent < 0 else Verdict.UNSTABLE
    elif extent is not None:
        note = TOO_CLOSE
    counted = tuple(Eigenvalue(complex(value), 1) for value in spectrum)
    flow = Stability(verdict, How.NUMERIC, orbit, extent, note=note, build_spectrum=lambda: counted)
    return Component(
        id=wave.id,
        rank=1,
        dimension=orbit,
        collapse=collapse_grade(1, chain.bottleneck, model.d),
        flow=flow,
        map=Stability(
            Verdict.UNDECIDED, How.NUMERIC, orbit, None, note=NOT_FOR_THE_MAP, judged=False
        ),
        modes=None,
        note=f"turns for ever in the plane of {wave.unit.name} with frequency {wave.frequency:.6g}",
        build_detail=lambda: Detail((), _layers(model, wave)),
        motion="rotates",
        frequency=wave.frequency,
    )


def _spectrum(model: Model, wave: Wave) -> tuple[list[complex], str]:
    """Return the spectrum in the turning frame, of a core with at most two units a layer.

    Further units that no mode uses repeat the blocks of the second.
    """
    core = replace(
        model,
        embed_dim=min(model.n, UNITS_KEPT),
        hidden_dims=tuple(min(width, UNITS_KEPT) for width in model.chain.hidden) or None,
    )
    try:
        system = core.traits.system(core)
    except AnalysisError as limit:
        return [], f"the wave's spectrum is left out: {limit}"
    point = dict.fromkeys(system.flow, 0.0)
    for letter, rows in _layers(core, wave).items():
        for i, values in enumerate(rows, 1):
            point.update({f"{letter}_{i}_{j}": x for j, x in enumerate(values, 1)})
    index = {name: place for place, name in enumerate(system.flow)}
    jacobian = np.zeros((len(index), len(index)))
    for (row, column), entry in system.jacobian().items():
        jacobian[index[row], index[column]] = entry.evaluate(point, float)
    for unit in units_of(core.moments):
        if unit.value == wave.unit.value:  # equal pairs turn along
            for first, second in _planes(index, unit):
                jacobian[first, second] += wave.turn
                jacobian[second, first] -= wave.turn
    reduced = core.chain.widths != model.chain.widths
    note = "the spectrum is that of a core with two units a layer" if reduced else ""
    return [complex(value) for value in np.linalg.eigvals(jacobian)], note


def _planes(index: Mapping[str, int], unit: Unit) -> Iterator[tuple[int, int]]:
    """Yield the places of the two coordinates that turn, in every row that meets the data."""
    left, right = (f"_{column}" for column in unit.columns)
    for name, place in index.items():
        head, _, column = name.rpartition("_")
        if head.split("_")[0] in MEETS_THE_DATA and f"_{column}" == left:
            yield place, index[head + right]


def _layers(model: Model, wave: Wave) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Return every layer at one moment of the wave, the plane's first coordinate ahead."""
    chain, beta = model.chain, to_float(model.flow_rate)
    scale = math.prod(map(to_float, chain.sizes[chain.encoder :]))
    u = (wave.p * wave.p / scale) ** (1 / (2 * chain.predictor))
    sizes = [math.sqrt(to_float(size)) * u for size in chain.sizes]
    sizes[-1] *= math.copysign(1.0, wave.p)
    plane = [column - 1 for column in wave.unit.columns]
    layers = {}
    for place, (name, (rows, columns)) in enumerate(chain.shapes.items()):
        matrix = np.zeros((rows, columns))
        matrix[0, plane[0] if place == 0 else 0] = sizes[place]
        layers[name] = matrix
    if model.traits.has_target:
        for place, name in enumerate(chain.names[: chain.encoder]):
            target = layers[name].copy()
            if place == 0:
                lag = sizes[0] * beta / complex(beta, wave.turn)
                target[0, plane] = lag.real, lag.imag
            layers[f"T{name[1:]}"] = target
    if not chain.is_deep:
        layers = {name[0]: matrix for name, matrix in layers.items()}
    return {name: tuple(map(tuple, matrix.tolist())) for name, matrix in layers.items()}
