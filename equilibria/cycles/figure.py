"""Cycles in the (G11, G22) plane, and the leading pair along a parameter with its Hopf points.

Solid curves and filled marks are stable, dashed and hollow ones unstable; colour repeats it. A
plain matplotlib figure, without a window and without pyplot; equal reports give equal bytes with
the same version of matplotlib.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import IO, TYPE_CHECKING

import numpy as np

from equilibria.cycles.report import SYMBOLS, Along, CyclesReport, cycle_id
from equilibria.files.drawing import check_format, new_figure, save, style
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from equilibria.varieties.noncommuting.core import Array

HEIGHT, WIDTH = 4.6, 6.0
BLUE, VERMILION, GREEN, INK = "#0072B2", "#D55E00", "#009E73", "0.15"
WORDS = {
    "beta": "β   rate of the target",
    "eta": "η   weight decay",
    "h": "h   step size",
    "ema": "μ   momentum of the target",
    "kappa": "κ   decay of the predictor over the encoder's",
}


def draw_cycles(report: CyclesReport, stream: IO[bytes], format: str) -> None:
    """Write the figure as `png` or `svg`; raises `FormatError` for other formats."""
    check_format(format)
    with style():
        figure = cycles_figure(report)
        save(figure, stream, format)


def cycles_figure(report: CyclesReport) -> Figure:
    """Return the figure: the orbits, the pair along the parameter, the cycles along it.

    Only panels that have something to show are drawn.
    """
    along = report.along
    drawers: list[Callable[[Axes], None]] = []
    if report.cycles or along is None:
        drawers.append(lambda axes: _orbits(axes, report))
    if along is not None:
        drawers.append(lambda axes: _pair(axes, along))
        if along.cycles:
            drawers.append(lambda axes: _extents(axes, along, report.scale))
    figure = new_figure((WIDTH * len(drawers), HEIGHT))
    panels = np.atleast_1d(np.asarray(figure.subplots(1, len(drawers))))
    for draw, axes in zip(drawers, panels, strict=True):
        draw(axes)
    return figure


def _orbits(axes: Axes, report: CyclesReport) -> None:
    """The diagonal of G over a period; with one input only, against time."""
    scale, d = report.scale, report.model.d
    second = min(1, d - 1)
    for index, cycle in enumerate(report.cycles):
        G = cycle.gram / scale
        stable = cycle.verdict is Verdict.STABLE
        name = f"{cycle_id(index)}, {cycle.verdict.value}, period {cycle.period:.4g}"
        axes.plot(
            G[:, 0, 0],
            G[:, second, second],
            color=BLUE if stable else VERMILION,
            linestyle="-" if stable else "--",
            linewidth=1.8,
            label=name,
            gid=cycle_id(index),
        )
        _arrows(axes, G[:, 0, 0], G[:, second, second], BLUE if stable else VERMILION)
    for focus in report.foci:
        G = focus.core.gram / scale
        axes.plot(
            G[0, 0],
            G[second, second],
            marker="o",
            color=INK,
            markerfacecolor="white" if focus.unstable else INK,
            linestyle="none",
            label=_once(axes, f"{'unstable' if focus.unstable else 'stable'} equilibrium"),
        )
    if not report.cycles:
        axes.set_title("No cycle was found (numeric)")
    else:
        axes.set_title(f"Cycles of the {report.model.procedure} flow (numeric)")
    axes.set_xlabel("G₁₁   squared length of the encoder along input 1")
    axes.set_ylabel("G₂₂   along input 2")
    _around(axes, report)
    axes.legend(loc="best", fontsize=8)


def _around(axes: Axes, report: CyclesReport) -> None:
    """Show the cycles; equilibria far from them stay outside."""
    axes.margins(0.12)
    if not report.cycles:
        return
    second = min(1, report.model.d - 1)
    for index, limits in ((0, axes.set_xlim), (second, axes.set_ylim)):
        ends = [cycle.amplitude[index] for cycle in report.cycles]
        low, high = min(a for a, _ in ends) / report.scale, max(b for _, b in ends) / report.scale
        limits(low - 0.2 * (high - low), high + 0.3 * (high - low))


def _arrows(axes: Axes, x: Array, y: Array, color: str) -> None:
    """Three arrow heads that say which way time runs."""
    for share in (0.15, 0.5, 0.85):
        at = int(share * (len(x) - 3))
        axes.annotate(
            "",
            xy=(x[at + 2], y[at + 2]),
            xytext=(x[at], y[at]),
            arrowprops={"arrowstyle": "-|>", "color": color, "shrinkA": 0, "shrinkB": 0},
        )


def _once(axes: Axes, label: str) -> str:
    """The label, or one that legends skip when it is there already."""
    return "_" + label if label in axes.get_legend_handles_labels()[1] else label


def _pair(axes: Axes, along: Along) -> None:
    branch = along.branch
    is_map = along.parameter in ("h", "ema")
    axes.axhline(0, color="0.6", linewidth=0.8)
    axes.plot(branch.values, branch.margins, color=INK, linewidth=1.5, gid="leading-pair")
    for point in branch.points:
        filled = point.criticality == "supercritical"
        axes.plot(
            point.value,
            0,
            marker="s",
            color=VERMILION,
            markerfacecolor=VERMILION if filled else "white",
            linestyle="none",
            label=_once(axes, f"{point.kind} point, {point.criticality}"),
        )
        axes.annotate(
            f"{point.value:.6g}",
            (point.value, 0),
            textcoords="offset points",
            xytext=(5, -12 if point.speed > 0 else 6),
            fontsize=8,
        )
    _scaled(axes, branch.values)
    axes.set_xlabel(WORDS[along.parameter])
    axes.set_ylabel("|z| - 1 of the leading pair" if is_map else "real part of the leading pair")
    axes.set_title(f"The equilibrium along {SYMBOLS[along.parameter]}")
    if branch.points:
        axes.legend(loc="best", fontsize=8)


def _extents(axes: Axes, along: Along, scale: float) -> None:
    """Least and largest G11 of the cycles, and the equilibrium they surround."""
    for branch in along.cycles:
        for stable in (True, False):
            wanted = [(c.verdict is Verdict.STABLE) == stable for c in branch.cycles]
            for side in (0, 1):
                level = [
                    c.amplitude[0][side] / scale if keep else np.nan
                    for c, keep in zip(branch.cycles, wanted, strict=True)
                ]
                if any(wanted):
                    axes.plot(
                        branch.values,
                        level,
                        color=BLUE if stable else VERMILION,
                        linestyle="-" if stable else "--",
                        marker=".",
                        markersize=4,
                        label=_once(axes, f"{'stable' if stable else 'unstable'} cycle"),
                    )
    for point in along.branch.points:
        axes.plot(
            point.value,
            point.core.gram[0, 0] / scale,
            marker="s",
            color=VERMILION,
            markerfacecolor=VERMILION if point.criticality == "supercritical" else "white",
            linestyle="none",
            label=_once(axes, f"{point.kind} point"),
        )
    _scaled(axes, [value for branch in along.cycles for value in branch.values])
    axes.set_xlabel(WORDS[along.parameter])
    axes.set_ylabel("least and largest G₁₁ on the cycle")
    axes.set_title("The cycles born there")
    axes.legend(loc="best", fontsize=8)


def _scaled(axes: Axes, values: Sequence[float] | Array) -> None:
    """A logarithmic parameter axis for ranges over more than a decade."""
    low, high = float(np.min(values)), float(np.max(values))
    if low > 0 and high > 10 * low:
        from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 3.0)))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
