"""The second panel: multipliers in the unit circle, and the slow ones near 1 once more, larger."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.report.analysis import Analysis
from equilibria.report.figure_marks import BELOW, COLOURS, FAINT, INK, drawable
from equilibria.report.numbers import extent
from equilibria.report.portrait import Standing, main_component, split_neutral
from equilibria.varieties.component import Component, Verdict

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec

SPECTRUM_LIMIT = 20_000


def draw_spectrum(figure: Figure, place: SubplotSpec, report: Analysis) -> None:
    """Draw the multipliers of the main component in the unit circle, and a zoom towards 1."""
    component = main_component(report)
    normal, neutral, why = _multipliers(report, component)
    near = zoom_radius(normal)
    if near is None:
        circle, strip = figure.add_subplot(place), None
    else:
        cells = place.subgridspec(2, 1, height_ratios=(1, 0.32), hspace=0.34)
        circle, strip = figure.add_subplot(cells[0]), figure.add_subplot(cells[1])
    _circle(circle, normal, neutral)
    if component is not None:
        circle.set_title(_spectrum_title(component))
    if why:
        circle.text(0, 0, why, ha="center", va="center", fontsize=8.5, color=INK)
    last = circle if strip is None else strip
    if strip is not None and near is not None:
        _strip(strip, normal, neutral, near)
    last.set_xlabel("Re z, multiplier of the map")
    handles = [*_spectrum_handles(normal, neutral)]
    if handles and strip is not None:
        circle.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.04, 1.02))
    elif handles:
        circle.legend(handles=handles, ncols=3, **BELOW)


def _multipliers(
    report: Analysis, component: Component | None
) -> tuple[list[complex], list[complex], str]:
    model = report.model
    if component is None:
        return [], [], "no component"
    if model.n**2 + 2 * model.n * model.d > SPECTRUM_LIMIT:
        return [], [], "too many multipliers to draw;\nthe table has the radius"
    normal, neutral = split_neutral(component.map, centre=1.0)
    return normal, neutral, "" if normal or neutral else "no spectrum is known here"


def _spectrum_title(component: Component) -> str:
    radius = component.map.extent
    where = "one point of " if component.map.varies else ""
    verdict = component.map.verdict.value if component.map.varies else component.map.words
    text = f"multipliers at {where}{drawable(component.id, 26)}: {verdict}"
    if radius is None or not math.isfinite(radius):
        return text
    shown = f"{radius:.5f}" if component.map.varies else extent(component.map, "map")
    text += f"\nradius {shown}"
    if 0 < radius < 1 and component.map.verdict is Verdict.STABLE:
        steps = -1 / math.log(radius)
        count = f"{steps:,.0f}" if steps >= 100 else f"{steps:.3g}"
        text += f", {count} steps per factor e"
    return text


def zoom_radius(normal: Sequence[complex]) -> float | None:
    """Return how far from 1 the slow multipliers reach; None where a zoom would not help.

    The slow ones are those before the widest gap, in ratio, of the distances from 1.
    """
    distances = sorted({abs(z - 1) for z in normal if abs(z - 1) > 1e-12})
    if not distances or distances[0] > 0.2:
        return None
    ratios = [(b / a, a) for a, b in pairwise(distances)]
    gap, before = max(ratios, default=(0.0, 0.0))
    return before if gap > 3 and before < 0.25 else min(distances[-1], 0.25)


def _circle(axes: Axes, normal: Sequence[complex], neutral: Sequence[complex]) -> None:
    from matplotlib.ticker import MaxNLocator

    angle = np.linspace(0, 2 * np.pi, 181)
    axes.plot(np.cos(angle), np.sin(angle), color=FAINT, linewidth=1.0, zorder=1, gid="unit-circle")
    axes.axhline(0.0, color="0.9", linewidth=0.8, zorder=0)
    axes.axvline(0.0, color="0.9", linewidth=0.8, zorder=0)
    _points(axes, normal, neutral, 6.0)
    reach = 1.12 * max([1.0, *(abs(z) for z in normal)])
    axes.set_xlim(-reach, reach)
    axes.set_ylim(-reach, reach)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5))
    axes.set_aspect("equal", anchor="W")
    axes.set_ylabel("Im z")


def _points(axes: Axes, normal: Sequence[complex], neutral: Sequence[complex], size: float) -> None:
    """Draw multipliers: normal ones filled, neutral ones as hollow rings."""
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "zorder": 5}
    for values, colour, gid in _classes(normal):
        axes.plot(
            [z.real for z in values],
            [z.imag for z in values],
            **style,
            markersize=size,
            markerfacecolor=colour,
            markeredgecolor="white",
            markeredgewidth=0.5,
            gid=gid,
        )
    if neutral:
        axes.plot(
            [z.real for z in neutral],
            [z.imag for z in neutral],
            **style,
            markersize=size + 2,
            markerfacecolor="none",
            markeredgecolor=INK,
            markeredgewidth=1.2,
            gid="neutral",
        )


def _classes(normal: Sequence[complex]) -> list[tuple[list[complex], str, str]]:
    inside = [z for z in normal if abs(z) < 1]
    outside = [z for z in normal if abs(z) >= 1]
    rows = [
        (inside, COLOURS[Standing.STABLE], "inside"),
        (outside, COLOURS[Standing.UNSTABLE], "outside"),
    ]
    return [row for row in rows if row[0]]


def _spectrum_handles(normal: Sequence[complex], neutral: Sequence[complex]) -> Iterator[Artist]:
    from matplotlib.lines import Line2D

    style: dict[str, Any] = {"linestyle": "none", "marker": "o"}
    for values, colour, gid in _classes(normal):
        words = "normal" if gid == "inside" else "normal, not inside"
        yield Line2D(
            [],
            [],
            **style,
            markersize=6,
            markerfacecolor=colour,
            markeredgecolor="white",
            label=f"{words} ({len(values)})",
        )
    if neutral:
        yield Line2D(
            [],
            [],
            **style,
            markersize=7,
            markerfacecolor="none",
            markeredgecolor=INK,
            label=f"neutral ({len(neutral)})",
        )


def _strip(axes: Axes, normal: Sequence[complex], neutral: Sequence[complex], near: float) -> None:
    """Draw the multipliers within `near` of 1, with the unit circle."""
    from matplotlib.ticker import MaxNLocator

    left, right = 1 - 1.12 * near, 1 + 0.3 * near
    close = [z for z in normal if abs(z - 1) <= near * (1 + 1e-9)]
    right = max(right, *(z.real + 0.12 * near for z in close))
    height = max([0.15 * near, *(1.3 * abs(z.imag) for z in close)])
    imaginary = np.linspace(-height, height, 61)
    inside = np.clip(1 - imaginary**2, 0, None)
    axes.plot(np.sqrt(inside), imaginary, color=FAINT, linewidth=1.0, zorder=1)
    axes.axhline(0.0, color="0.9", linewidth=0.8, zorder=0)
    _points(axes, close, neutral, 6.0)
    axes.set_xlim(left, right)
    axes.set_ylim(-height, height)
    axes.xaxis.set_major_locator(MaxNLocator(5))
    if all(abs(z.imag) < 1e-9 for z in close):
        axes.set_yticks([])
    else:
        axes.set_ylabel("Im z")
        axes.yaxis.set_major_locator(MaxNLocator(3))
    axes.set_title(f"zoom: {len(close)} of {len(normal)} within {near:.2g} of 1", fontsize=9)
