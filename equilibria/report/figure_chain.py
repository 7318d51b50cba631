"""The first panel for hidden layers: how much weight decay each mode bears, and where it rests."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.units import Unit
from equilibria.exact.rationals import to_float
from equilibria.report.analysis import Analysis
from equilibria.report.figure_marks import BELOW, FAINT, marker, marker_style, note
from equilibria.report.json import of_chains
from equilibria.report.portrait import Standing, standing_of
from equilibria.report.roots import root_labels
from equilibria.systems.model import Model
from equilibria.varieties.chains.mode_equation import gain
from equilibria.varieties.chains.rest import units_of
from equilibria.varieties.chains.thresholds import Threshold, effective_decay, thresholds
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN_MODES = 4
POINTS = 400
TINTS = ("0.15", "#0072B2", "#CC79A7", "#E69F00")


def draws_decay(model: Model) -> bool:
    """Return whether the panel says something: hidden layers, and modes that decay can kill."""
    return of_chains(model) and all(model.chain.decays)


def draw_decay(axes: Axes, report: Analysis) -> None:
    """Draw eta = p^theta (|m| - s p) for the leading modes, the decay, and the rests of rank 1.

    The lower branch of a mode, left of its fold, is dashed: no equilibrium there is stable.
    """
    model = report.model
    decay = effective_decay(model)[0]
    shown = {found.mode: found for found in thresholds(model)[:SHOWN_MODES]}
    units = {unit.name: unit for unit in units_of(model.moments)}
    for tint, (name, found) in zip(TINTS, shown.items(), strict=False):
        _unit_curves(axes, model, units[name], found, tint)
    axes.axhline(decay, color=FAINT, linewidth=1.0, zorder=2)
    kinds = _rests(axes, report, decay)
    axes.set_xlim(left=0.0)
    top = max([decay, *(found.weight_decay for found in shown.values())])
    axes.set_ylim(0.0, 1.25 * top)
    axes.set_xlabel("|p|, eigenvalue of the predictor")
    axes.set_ylabel("weight decay")
    depths = f"{model.encoder_layers}-layer encoder, {model.predictor_layers}-layer predictor"
    axes.set_title(f"the weight decay that a mode bears: {depths}")
    turning = any(component.rotates for component in report.components)
    _legend(axes, kinds, turning=turning and not model.traits.has_target)


def _unit_curves(axes: Axes, model: Model, unit: Unit, found: Threshold, tint: str) -> None:
    """Draw where a unit rests, and where one row of a pair turns, as far as the widths allow."""
    if model.chain.bottleneck >= unit.size:
        _curve(axes, model, unit, found.p, tint)
        words = f"{'modes' if unit.im else 'mode'} {unit.name}"
        note(axes, words, (found.p, found.weight_decay), (0, 5), "center", "bottom")
    if unit.im and not model.traits.has_target:
        _wave_curve(axes, model, unit, tint)


def _curve(axes: Axes, model: Model, unit: Unit, fold: float, tint: str) -> None:
    theta, s, m = to_float(model.chain.theta), to_float(unit.s), float(gain(unit))
    for low, high, dashes in ((0.0, fold, "--"), (fold, m / s, "-")):
        p = np.linspace(low, high, POINTS)
        axes.plot(p, p**theta * (m - s * p), color=tint, linestyle=dashes, linewidth=1.3, zorder=3)


def _wave_curve(axes: Axes, model: Model, unit: Unit, tint: str) -> None:
    """Draw the decay that a turning row bears: the mode equation of the real part (T32.1)."""
    theta, s, m = to_float(model.chain.theta), to_float(unit.s), abs(to_float(unit.re))
    p = np.linspace(0.0, m / s, POINTS)
    axes.plot(p, p**theta * (m - s * p), color=tint, linestyle=":", linewidth=1.3, zorder=3)


def _rests(axes: Axes, report: Analysis, decay: float) -> set[Standing]:
    """Mark the listed components of rank 1, with the verdict of the whole model."""
    places = {
        f"rank{1 + x.mode.count('&')}:{x.mode}{x.root}": abs(x.value)
        for x in root_labels(report.model)
    }
    kinds = set()
    for component in report.components:
        place = 0.0 if component.rank == 0 else places.get(component.id)
        if component.rotates:
            place = _wave_place(component)
        if place is not None:
            kind = standing_of(component)
            marker(axes, place, decay, kind, gid=f"component:{component.id}")
            kinds.add(kind)
    return kinds


def _wave_place(component: Component) -> float:
    """Return |p| of a wave: the product of its predictor layers' first entries."""
    layers = [rows for name, rows in component.representative.items() if name.startswith("P")]
    return abs(math.prod(entry_float(rows[0][0]) for rows in layers))


def _legend(axes: Axes, kinds: set[Standing], *, turning: bool) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], **marker_style(kind, 7.0), label=f"no unit or one, {kind.value}")
        for kind in Standing
        if kind in kinds
    ]
    words = "the weight decay of the model"
    handles.append(Line2D([], [], color=FAINT, linestyle="-", linewidth=1.0, label=words))
    if turning:
        words = "what a row that turns bears"
        handles.append(Line2D([], [], color=TINTS[0], linestyle=":", linewidth=1.3, label=words))
    axes.legend(handles=handles, ncols=2, **BELOW)
