"""The point of a family at which a certificate takes its verdicts, where these change along it.

A report may show a family at whatever point suits it; a certificate shows it at one that nobody can
choose: aligned, balanced, and with P = 0 on idle rows, or 2 max(c, 0) (1 if that is 0) without decay.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from functools import partial

import numpy as np

from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import modes_of
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import Component, How, Stability, Verdict
from equilibria.varieties.without_decay.candidates import root_above
from equilibria.varieties.without_decay.points import (
    Point,
    detail,
    roots_of,
    spectrum_of,
    without_neutral,
)

BOUNDARY = 1e-9


def at_listed_point(model: Model, component: Component) -> Component:
    """Return the component with representative and verdicts at the listed point.

    Only stop-gradient and EMA without decay of the predictor show families at other points.
    """
    if model.traits.family is not Family.BOOTSTRAP or model.eta_p or component.modes is None:
        return component
    point = _listed(model, component.modes)
    weight = {m.number: w for m, w in zip(point.active, point.weights, strict=True)}
    blocks = []
    for p in point.predictors:
        for mode in modes_of(model.moments):
            w = weight.get(mode.number, Fraction(0))
            blocks.append((mode.s * (model.alpha * w * w + p * p) + model.eta, p * mode.m))
    flow, step = (_stability(model, component, blocks, is_map=is_map) for is_map in (False, True))
    return replace(component, flow=flow, map=step, build_detail=partial(detail, model, point))


def _listed(model: Model, numbers: tuple[int, ...]) -> Point:
    modes = modes_of(model.moments)
    active = tuple(mode for mode in modes if mode.number in numbers)
    correlations = [mode.m / mode.s for mode in active]
    scale = root_above(1 / model.alpha)
    idle = Fraction(0)
    if not model.eta:
        idle = 2 * max([idle, *(mode.m / mode.s for mode in modes)]) or Fraction(1)
    predictors = (*correlations, *([idle] * (model.n - len(active))))
    return Point(active, predictors, tuple(abs(c) * scale if c else scale for c in correlations))


def _stability(
    model: Model, component: Component, blocks: list[tuple[Fraction, Fraction]], *, is_map: bool
) -> Stability:
    dynamics = Dynamics.of(model, is_map=is_map)
    neutral = model.n**2 + sum(a == b for a, b in blocks)
    values = roots_of(blocks, dynamics)
    leading = without_neutral(values, blocks, dynamics)
    size = np.abs(leading) if is_map else leading.real
    largest = [float(size.max())] if size.size else []
    largest += [float(model.nu)] if is_map and model.nu else []
    gap = max(largest, default=-1.0) - (1.0 if is_map else 0.0)
    if any(a < b for a, b in blocks) or gap > BOUNDARY:
        verdict = Verdict.UNSTABLE
    elif neutral != component.dimension or abs(gap) <= BOUNDARY:
        verdict = Verdict.UNDECIDED
    else:
        verdict = Verdict.STABLE
    return Stability(
        verdict,
        How.CERTIFIED,
        neutral,
        max(largest, default=None),
        build_spectrum=partial(spectrum_of, values, model, dynamics),
    )
