"""What the first panel of a figure shows: one mode, its flow, and where it can rest.

For commuting moments the learning of a mode is a flow in the plane (p, w), p the predictor's
eigenvalue and w the encoder's weight (for EMA on the slice t = w), or on a line where there is no
free predictor. Everything here is the one-mode model with the report's rates, analysed like any
other; nothing is drawn. w and -w are the same equilibrium up to O(1), so w >= 0 is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.moments import Moments
from equilibria.errors import AnalysisError
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.exact.rationals import to_float
from equilibria.report.analysis import Analysis
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import Mode, modes_of, states_of
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component, Stability, Verdict
from equilibria.varieties.routes import variety_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MARGIN = 0.3


class Standing(StrEnum):
    """How an equilibrium of the mode is drawn: the verdicts of flow and map together."""

    STABLE = "stable"
    PART = "stable in part"
    FLOW_ONLY = "stable flow, unstable map"
    UNSTABLE = "unstable"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Spot:
    """An isolated equilibrium of the mode; `whole` is the map's verdict with all other modes.

    `whole` is None where it is the same or the component is not listed.
    """

    name: str
    p: float
    w: float
    standing: Standing
    whole: Verdict | None = None


@dataclass(frozen=True, slots=True)
class Segment:
    """A straight part of a curve of equilibria on which the verdict does not change."""

    name: str
    p: tuple[float, float]
    w: tuple[float, float]
    standing: Standing


@dataclass(frozen=True)
class Portrait:
    """One mode: its model, window, equilibria, and (through `velocity`) its flow."""

    mode: Mode
    model: Model
    p_window: tuple[float, float]
    w_window: tuple[float, float]
    spots: tuple[Spot, ...]
    segments: tuple[Segment, ...]
    joints: tuple[tuple[float, float], ...]

    @cached_property
    def _system(self):  # type: ignore[no-untyped-def]
        return self.model.traits.system(self.model)

    @property
    def planar(self) -> bool:
        """Return whether the predictor moves by itself, so that the picture is a plane."""
        return self.model.traits.learns_predictor

    def velocity(self, p: Array, w: Array) -> tuple[Array, Array]:
        """Return (dp, dw) of the flow at t = w; dp is 0 where the predictor is not free."""
        rates = self._system.evaluate({"P_1_1": p, "W_1_1": w, "T_1_1": w})
        return rates.get("P_1_1", np.zeros_like(w)), rates["W_1_1"]

    def growth(self, w: Array) -> Array:
        """Return dw/w for a predictor that is set from the encoder, p = (s w^2)^a."""
        exponent = self.model.traits.exponent or Fraction(1)
        p = (to_float(self.mode.s) * w * w) ** to_float(exponent)
        safe = np.where(w == 0, 1.0, w)
        rate = self.velocity(p, w)[1] / safe
        return np.where(w == 0, -to_float(self.model.eta), rate)

    def potential(self, w: Array) -> Array:
        """Return the contrastive loss of the mode."""
        from equilibria.systems.procedures.contrastive import contrastive_potential

        values: Array = contrastive_potential(self.model).evaluate({"W_1_1": w}, float)
        return values


def main_component(report: Analysis) -> Component | None:
    """Return the highest-rank component with a stable map, else full collapse, else the first."""
    stable = [c for c in report.components if c.map.is_stable]
    if stable:
        return max(stable, key=lambda c: c.rank or 0)
    collapse = next((c for c in report.components if c.rank == 0), None)
    return collapse or next(iter(report.components), None)


def mode_portrait(report: Analysis) -> Portrait | None:
    """Return the portrait of the leading mode; None where no mode describes the equilibria."""
    model = report.model
    if model.traits.family is None or not model.moments.commute:
        return None
    mode = _leading_mode(report)
    single = replace(model, moments=Moments.commuting(signal=[mode.m], total=[mode.s]), embed_dim=1)
    try:
        components = variety_of(single).components
    except AnalysisError:
        return None
    spots = [_spot(report, c, mode) for c in components if not c.dimension]
    curves = [c for c in components if c.dimension]
    p_window, w_window = _windows(single, mode, spots, curves)
    segments: list[Segment] = []
    joints: set[tuple[float, float]] = set()
    for component in curves:
        parts, ends = _segments(component, mode, p_window, w_window)
        segments += parts
        joints.update(ends)
    return Portrait(
        mode, single, p_window, w_window, tuple(spots), tuple(segments), tuple(sorted(joints))
    )


def standing(flow: Verdict, step: Verdict) -> Standing:
    """Return how the two verdicts are drawn; the flow decides unless only the map is unstable."""
    if flow is Verdict.STABLE and step is Verdict.UNSTABLE:
        return Standing.FLOW_ONLY
    if flow is Verdict.STABLE and step is Verdict.UNDECIDED:
        return Standing.UNDECIDED
    return Standing(flow.value)


def standing_of(component: Component) -> Standing:
    """Return how a component is drawn that may be stable in part of itself."""
    flow, step = component.flow, component.map
    if not step.judged:
        return Standing(flow.settled.value)
    found = standing(flow.settled, step.settled)
    return Standing.PART if found is Standing.STABLE and (flow.part or step.part) else found


def _leading_mode(report: Analysis) -> Mode:
    """Return the mode with the largest |p+| (without decay |m/s|) in the main component."""
    model, main = report.model, main_component(report)
    modes = modes_of(model.moments)
    active = set(main.modes or ()) if main is not None else set()
    candidates = [mode for mode in modes if mode.number in active] or list(modes)
    return max(candidates, key=lambda mode: (*_strength(model, mode), -mode.number))


def _strength(model: Model, mode: Mode) -> tuple[float, float]:
    family = model.traits.family
    if family is Family.CONTRASTIVE:
        return to_float((mode.m - model.eta) / mode.s), 0.0
    if family is Family.DIRECT and mode.m <= 0:
        return 0.0, to_float(mode.m)
    if family is Family.JOINT or not model.eta:
        return to_float(abs(mode.m) / mode.s), 0.0
    states = states_of(mode, model.eta)
    return max((abs(state.value) for state in states), default=0.0), to_float(abs(mode.m))


def _spot(report: Analysis, component: Component, mode: Mode) -> Spot:
    name = _renumbered(component.id, mode)
    point = component.representative
    p = entry_float(point["P"][0][0]) if "P" in point else 0.0
    here = standing_of(component)
    whole = next((c for c in report.components if c.id == name), None)
    differs = whole is not None and standing_of(whole) is not here
    return Spot(
        name,
        p,
        abs(entry_float(point["W"][0][0])),
        here,
        whole.map.settled if whole is not None and differs else None,
    )


def _renumbered(name: str, mode: Mode) -> str:
    """Return the id that a component of the one-mode model has in the report."""
    return name.replace(":1", f":{mode.number}")


def _windows(
    model: Model, mode: Mode, spots: Sequence[Spot], curves: Sequence[Component]
) -> tuple[tuple[float, float], tuple[float, float]]:
    correlation = to_float(mode.m / mode.s)
    places = [spot.p for spot in spots]
    weights = [spot.w for spot in spots]
    if curves or not any(places):
        places.append(correlation or 1.0)
    reach = max(abs(p) for p in places)
    if not any(weights):
        weights.append(reach / to_float(model.alpha) ** 0.5)
    top = max(weights)
    low, high = min(0.0, *places), max(0.0, *places)
    if model.traits.family is Family.JOINT:
        low, high = -reach, reach
    return (low - MARGIN * reach, high + MARGIN * reach), (-0.08 * top, (1 + MARGIN) * top)


def _segments(
    component: Component,
    mode: Mode,
    p_window: tuple[float, float],
    w_window: tuple[float, float],
) -> tuple[list[Segment], list[tuple[float, float]]]:
    """Cut a line of equilibria, w = 0 or p = constant, where one of its conditions vanishes."""
    name = _renumbered(component.id, mode)
    along, window = ("P_1_1", p_window) if component.rank == 0 else ("W_1_1", w_window)
    p = component.representative["P"][0][0]
    flow, step = _conditions(component, along)
    cuts = sorted({x for q in (*flow, *step) for x in _roots(q) if window[0] < x < window[1]})
    places = [window[0], *cuts, window[1]]
    parts, ends = [], []
    for left, right in pairwise(places):
        if component.stable_where is None:
            part = standing_of(component)
        else:
            middle = Fraction((left + right) / 2)
            part = standing(_verdict(flow, along, middle), _verdict(step, along, middle))
        line, still = (left, right), entry_float(p)
        across = (line, (0.0, 0.0)) if component.rank == 0 else ((still, still), line)
        parts.append(Segment(name, *across, part))
    for cut in cuts:
        ends.append((cut, 0.0) if component.rank == 0 else (entry_float(p), cut))
    return parts, ends


def _conditions(
    component: Component, along: str
) -> tuple[tuple[Polynomial, ...], tuple[Polynomial, ...]]:
    if component.stable_where is None:
        return (), ()
    ring = Ring((along,))

    def read(texts: Iterable[str]) -> tuple[Polynomial, ...]:
        return tuple(parse(text.removesuffix("> 0"), ring) for text in texts)

    return read(component.stable_where.flow), read(component.stable_where.map)


def _verdict(conditions: Sequence[Polynomial], along: str, value: Fraction) -> Verdict:
    signs = [q.evaluate({along: value}) for q in conditions]
    if any(sign < 0 for sign in signs):
        return Verdict.UNSTABLE
    return Verdict.STABLE if all(sign > 0 for sign in signs) else Verdict.UNDECIDED


def _roots(q: Polynomial) -> list[float]:
    """Return the real roots of a polynomial in one variable."""
    powers = {sum(power for _, power in key): to_float(c) for key, c in q.terms.items()}
    coefficients = [powers.get(k, 0.0) for k in range(q.degree, -1, -1)]
    values = np.roots(coefficients) if q.degree > 0 else np.array([])
    real = [float(value.real) for value in values if abs(value.imag) < 1e-12 * (1 + abs(value))]
    return [0.0 if abs(value) < 1e-12 else value for value in real]


def split_neutral(stability: Stability, *, centre: complex) -> tuple[list[complex], list[complex]]:
    """Return the normal and the neutral part of a spectrum, a value for each multiplicity."""
    values = [e.value for e in stability.spectrum for _ in range(e.multiplicity)]
    values.sort(key=lambda value: abs(value - centre))
    return values[stability.neutral :], values[: stability.neutral]
