"""The (p, w) plane of one mode: the basin of collapse shaded, its boundary, the equilibria.

The dash pattern and the filling carry the meaning, colour repeats it: filled circles are stable,
hollow ones unstable; thin dashed curves are c = c-, c0 and c+. A plain matplotlib figure, without a
window and without pyplot; equal reports give equal bytes with the same version of matplotlib.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

import numpy as np

from equilibria.basin.answers import Boundary
from equilibria.basin.report import BasinReport
from equilibria.basin.separatrix import Fate
from equilibria.exact.rationals import to_float
from equilibria.files.drawing import check_format, new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (7.2, 5.0)
BLUE, VERMILION, SHADE, INK = "#0072B2", "#D55E00", "#E69F00", "0.15"
LABELS = {"c_minus": "c-", "c_zero": "c0", "c_plus": "c+"}
DASHES = {"c_minus": (0, (2, 2)), "c_zero": (0, (5, 2)), "c_plus": (0, (7, 2, 1, 2))}


def draw_basin(report: BasinReport, stream: IO[bytes], format: str) -> None:
    """Write the figure as `png` or `svg`; raises `FormatError` for other formats."""
    check_format(format)
    with style():
        figure = basin_figure(report)
        save(figure, stream, format)


def basin_figure(report: BasinReport) -> Figure:
    """Return the figure of the report's boundary, or of its probabilities where there is none."""
    figure = new_figure(SIZE)
    axes = figure.add_subplot()
    if report.boundary is not None:
        _draw_plane(axes, report, report.boundary)
    else:
        _draw_shares(axes, report)
    return figure


def _draw_plane(axes: Axes, report: BasinReport, boundary: Boundary) -> None:
    alpha = to_float(report.model.alpha)
    span, top = _window(report, boundary, alpha)
    axes.set_xlim(-0.5 * span if boundary.roots else -span, span)
    if boundary.roots and boundary.roots[0] < 0:
        axes.set_xlim(-span, 0.5 * span)
    axes.set_ylim(0, top)
    if boundary.curve:
        p, w = (np.array(values) for values in zip(*boundary.curve, strict=True))
        axes.fill_between(p, 0, w, color=SHADE, alpha=0.25, linewidth=0, label="collapses")
        axes.plot(p, w, color=VERMILION, linewidth=1.8, label="boundary", gid="boundary")
    elif boundary.regime == "always-collapses":
        axes.axhspan(0, top, color=SHADE, alpha=0.25, linewidth=0, label="collapses")
    _draw_levels(axes, boundary, alpha, top)
    _draw_equilibria(axes, boundary, alpha * _ratio(report))
    _draw_point(axes, report)
    axes.set_xlabel("p   predictor")
    axes.set_ylabel("w   encoder")
    kind = "map" if boundary.is_map else "flow"
    axes.set_title(f"Mode {boundary.mode}, {report.model.procedure} {kind} ({boundary.how.value})")
    axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=8)


def _ratio(report: BasinReport) -> float:
    """Return 1/kappa: the equilibria have alpha w^2/kappa = p^2 (T0.3)."""
    kappa = report.model.kappa
    return 1 / to_float(kappa) if kappa else 1.0


def _window(report: BasinReport, boundary: Boundary, alpha: float) -> tuple[float, float]:
    sizes = [abs(root) for root in boundary.roots[:1]]
    levels = [abs(b.high) for name, b in boundary.thresholds.items() if name != "c_minus"]
    size = 1.6 * max(sizes, default=1.0)
    low = boundary.thresholds.get("c_minus")
    if low is not None:
        size = max(size, 1.25 * np.sqrt(abs(low.low)))
    top = max([1.6 * max(sizes, default=1.0), *(1.3 * np.sqrt(level) for level in levels)])
    if report.point is not None:
        p, w, _ = report.point.point
        size, top = max(size, 1.1 * abs(to_float(p))), max(top, 1.1 * abs(to_float(w)))
    return float(size), float(top / np.sqrt(alpha))


def _draw_levels(axes: Axes, boundary: Boundary, alpha: float, top: float) -> None:
    """Draw the hyperbolas alpha w^2 - p^2 = c at the thresholds."""
    left, right = axes.get_xlim()
    p = np.linspace(left, right, 801)
    for name, bounds in boundary.thresholds.items():
        square = bounds.high + p**2
        w = np.sqrt(np.where(square >= 0, square, np.nan) / alpha)
        label = f"c = {LABELS[name]} = {(bounds.low + bounds.high) / 2:.4g}"
        axes.plot(p, w, color="0.45", linewidth=0.9, linestyle=DASHES[name], label=label, gid=name)


def _draw_equilibria(axes: Axes, boundary: Boundary, weight: float) -> None:
    axes.plot([0], [0], "o", color=BLUE, clip_on=False, zorder=5, label="stable", gid="rank0")
    names = ("p+", "p-")
    for name, root in zip(names, boundary.roots, strict=False):
        filled = name == "p+"
        axes.plot(
            [root],
            [abs(root) / np.sqrt(weight)],
            "o",
            markeredgecolor=BLUE if filled else INK,
            markerfacecolor=BLUE if filled else "white",
            zorder=5,
            label=None if filled else "unstable",
            gid=name,
        )
        axes.annotate(
            name, (root, abs(root) / np.sqrt(weight)), xytext=(6, 4), textcoords="offset points"
        )


def _draw_point(axes: Axes, report: BasinReport) -> None:
    if report.point is None:
        return
    p, w, _ = (to_float(value) for value in report.point.point)
    marks = {Fate.SURVIVES: "^", Fate.COLLAPSES: "v"}
    axes.plot(
        [p],
        [abs(w)],
        marks.get(report.point.fate, "s"),
        color=INK,
        zorder=6,
        linestyle="none",
        label=f"start: {report.point.fate.value}",
        gid="start",
    )


def _draw_shares(axes: Axes, report: BasinReport) -> None:
    """Draw the probability of each component with its interval."""
    assert report.endings is not None
    shares = report.endings.shares[:24]
    place = np.arange(len(shares))
    value = np.array([share.fraction for share in shares])
    below = value - [share.low for share in shares]
    above = np.array([share.high for share in shares]) - value
    colors = [SHADE if share.rank == 0 else BLUE for share in shares]
    axes.barh(place, value, xerr=np.stack([below, above]), color=colors, ecolor=INK, capsize=3)
    axes.set_yticks(place, [share.id for share in shares])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("fraction of runs, with its 95 % interval")
    sample = report.endings.sample
    axes.set_title(f"{sample.init} init, scale {sample.scale:g}, {sample.runs} runs")
