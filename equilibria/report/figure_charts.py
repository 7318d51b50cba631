"""The first panel where no mode describes the equilibria: one row for each component."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equilibria.report.analysis import Analysis
from equilibria.report.figure_marks import BELOW, FAINT, drawable, marker, marker_style, note
from equilibria.report.portrait import Standing, standing_of
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CHART_ROWS = 16


def draw_predictors(axes: Axes, report: Analysis) -> None:
    """Draw the eigenvalues of every component's predictor, for moments without common modes."""
    components = report.components[:CHART_ROWS]
    for row, component in enumerate(components):
        values, kind = (
            predictor_eigenvalues(component),
            standing_of(component),
        )
        axes.plot([0.0, *values], [row] * (len(values) + 1), color="0.85", linewidth=0.8, zorder=1)
        axes.plot(
            values,
            [row] * len(values),
            **marker_style(kind, 6.0),
            zorder=5,
            gid=f"component:{component.id}",
        )
    axes.set_xlabel("Re p, eigenvalues of the predictor")
    _chart(axes, report, components, "predictor of each component")


def predictor_eigenvalues(component: Component) -> list[float]:
    """Return the real parts of the eigenvalues of P at the representative, ascending."""
    rows = component.representative.get("P", ())
    matrix: Array = np.array([[entry_float(x) for x in row] for row in rows])
    return sorted(float(x) for x in np.linalg.eigvals(matrix).real) if matrix.size else []


def draw_extents(axes: Axes, report: Analysis) -> None:
    """Draw the largest multiplier of every component, for systems without a predictor."""
    components = report.components[:CHART_ROWS]
    for row, component in enumerate(components):
        value = component.map.common_extent
        kind = standing_of(component)
        if value is None or not math.isfinite(value):
            note(axes, "no number", (1.0, row), (0, 0), "center", "center")
            continue
        axes.plot([1.0, value], [row, row], color="0.85", linewidth=0.8, zorder=1)
        marker(axes, value, row, kind, gid=f"component:{component.id}", size=6.0)
    axes.axvline(1.0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_xlabel("radius, largest normal multiplier in modulus")
    _chart(axes, report, components, "largest multiplier of each component")


def _chart(axes: Axes, report: Analysis, components: Sequence[Component], title: str) -> None:
    from matplotlib.lines import Line2D

    axes.set_yticks(range(len(components)), [drawable(c.id, 18) for c in components], fontsize=8)
    axes.set_ylim(max(len(components), 3) - 0.4, -0.6)
    axes.margins(x=0.08)
    hidden = len(report.components) - len(components)
    axes.set_title(title + (f" (the first {len(components)})" if hidden else ""))
    kinds = {standing_of(c) for c in components}
    handles = [
        Line2D([], [], **marker_style(kind, 7.0), label=kind.value)
        for kind in Standing
        if kind in kinds
    ]
    axes.legend(handles=handles, ncols=4, **BELOW)
