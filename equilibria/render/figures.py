"""Report -> a figure: the leading mode's phase portrait and the multipliers that decide.

Dash pattern and filling carry the verdict (solid and filled stable, dashed and hollow unstable,
dotted undecided) and colour repeats it, in the Okabe-Ito palette. Nothing global is touched: the
figure is a plain `matplotlib.figure.Figure`, no window and no pyplot. Equal reports give equal
bytes with the same version of matplotlib.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from equilibria.errors import FormatError
from equilibria.lift import entry_float
from equilibria.rationals import to_float
from equilibria.render.portrait import (
    Portrait,
    Spot,
    Standing,
    main_component,
    mode_portrait,
    split_neutral,
    standing,
)
from equilibria.report import Report
from equilibria.results import Component, Verdict

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.gridspec import SubplotSpec
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

BELOW: dict[str, Any] = {"loc": "upper left", "bbox_to_anchor": (-0.02, -0.12), "borderpad": 0.2}
FORMATS = ("png", "svg")
SIZE = (11.0, 5.6)
DPI = 110
GRID = 41
SPECTRUM_LIMIT = 20_000
CHART_ROWS = 16

COLOURS = {
    Standing.STABLE: "#009E73",
    Standing.FLOW_ONLY: "#0072B2",
    Standing.UNSTABLE: "#D55E00",
    Standing.UNDECIDED: "#CC79A7",
}
DASHES = {
    Standing.STABLE: "-",
    Standing.FLOW_ONLY: "-.",
    Standing.UNSTABLE: "--",
    Standing.UNDECIDED: ":",
}
NULLCLINE_P, NULLCLINE_W = "#56B4E9", "#E69F00"
FIELD, FAINT, INK = "0.78", "0.6", "0.15"

STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "axes.formatter.useoffset": False,
    "legend.frameon": False,
    "text.parse_math": False,
    "svg.hashsalt": "noncollapse",
    "svg.fonttype": "path",
}


def draw_report(report: Report, stream: IO[bytes], format: str) -> None:
    """Write the figure as `png` or `svg` to a binary stream; equal reports give equal bytes."""
    if format not in FORMATS:
        raise FormatError(f"--plot: format {format!r} is not one of {', '.join(FORMATS)}")
    figure = report_figure(report)
    metadata: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}
    with _style():
        figure.savefig(stream, format=format, dpi=DPI, metadata=metadata[format])


def report_figure(report: Report) -> Figure:
    """Return the figure of a report: equilibria of the leading mode, multipliers of the main one.

    Every equilibrium is an artist whose gid is `component:ID`, curves with the number of the part.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with _style():
        figure = Figure(figsize=SIZE)
        FigureCanvasAgg(figure)
        left, right = figure.add_gridspec(
            1, 2, width_ratios=(1.35, 1), left=0.07, right=0.975, top=0.8, bottom=0.19, wspace=0.2
        )
        _title(figure, report)
        _equilibria_panel(figure.add_subplot(left), report)
        _spectrum_panel(figure, right, report)
    return figure


@contextmanager
def _style() -> Iterator[None]:
    """Use matplotlib's defaults and `STYLE`, whatever the user's configuration says."""
    import matplotlib.style

    with matplotlib.style.context(["default", STYLE]):
        yield


def _title(figure: Figure, report: Report) -> None:
    from equilibria.render.text import header

    first, *others = header(report)
    words = ["  ".join(part.split("   ")) for line in others for part in line.split(" " * 5)]
    lines = ["     ".join(words)] if sum(map(len, words)) < 110 else words
    figure.text(0.02, 0.975, drawable(first, 100), fontsize=12, weight="bold", va="top", color=INK)
    for index, line in enumerate(lines[:2]):
        place = 0.925 - 0.036 * index
        figure.text(0.02, place, drawable(line, 130), fontsize=9, va="top", color=INK)


def drawable(text: str, width: int = 40) -> str:
    """Return text on one line, at most `width` characters, that the font can draw."""
    shown = "".join(c if c.isprintable() and (ord(c) < 0x500 or c in "²√≥≤→×·") else "?" for c in text)
    return shown if len(shown) <= width else shown[: width - 3] + "..."


# Panel (a)


def _equilibria_panel(axes: Axes, report: Report) -> None:
    portrait = mode_portrait(report)
    if portrait is None:
        if any("P" in component.representative for component in report.components[:1]):
            _predictor_chart(axes, report)
        else:
            _extent_chart(axes, report)
    elif portrait.planar:
        _plane(axes, portrait)
    else:
        _line(axes, portrait)


def _mode_words(portrait: Portrait) -> str:
    mode = portrait.mode
    return f"mode {mode.number} (s = {_short(mode.s)}, m = {_short(mode.m)})"


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) <= 9 else f"{to_float(value):.4g}"


def _plane(axes: Axes, portrait: Portrait) -> None:
    """Draw the flow of a mode in the plane (p, w) and its equilibria."""
    p, w = np.linspace(*portrait.p_window, GRID), np.linspace(*portrait.w_window, GRID)
    grid_p, grid_w = np.meshgrid(p, w)
    dp, dw = portrait.velocity(grid_p, grid_w)
    _streamlines(axes, p, w, dp, dw)
    handles: list[Artist] = []
    if not portrait.segments:
        handles += _nullclines(axes, portrait)
    handles += _balance(axes, portrait)
    axes.axhline(0.0, color="0.85", linewidth=0.8, zorder=0)
    axes.axvline(0.0, color="0.85", linewidth=0.8, zorder=0)
    _curves(axes, portrait)
    _spots(axes, portrait, [(spot.p, spot.w) for spot in portrait.spots])
    axes.set_xlim(*portrait.p_window)
    axes.set_ylim(*portrait.w_window)
    slice_words = ", slice t = w" if portrait.model.procedure == "ema" else ""
    axes.set_title(f"flow of {_mode_words(portrait)}{slice_words}")
    axes.set_xlabel("p, predictor eigenvalue")
    axes.set_ylabel("w, encoder weight (w and -w are one orbit)")
    _legend(axes, portrait, handles)


def _streamlines(axes: Axes, p: Array, w: Array, dp: Array, dw: Array) -> None:
    """Draw streamlines as one simplified line instead of thousands of pieces: a small SVG."""
    drawn = axes.streamplot(p, w, dp, dw, color=FIELD, arrowsize=0.7, density=0.85, zorder=1)
    places: list[tuple[float, float]] = []
    for piece in drawn.lines.get_segments():
        points = [(float(x), float(y)) for x, y in piece]
        if places and places[-1] == points[0]:
            points = points[1:]
        elif places:
            places.append((math.nan, math.nan))
        places += points
    drawn.lines.remove()
    if places:
        axes.plot(*np.array(places).T, color=FIELD, linewidth=0.6, zorder=1)


def _nullclines(axes: Axes, portrait: Portrait) -> list[Artist]:
    """Draw dp = 0 and dw = 0; the line w = 0, on which dw vanishes always, is left out."""
    from matplotlib.lines import Line2D

    p = np.linspace(*portrait.p_window, 161)
    top = portrait.w_window[1]
    w = np.linspace(1e-3 * top, top, 161)
    grid_p, grid_w = np.meshgrid(p, w)
    dp, dw = portrait.velocity(grid_p, grid_w)
    handles: list[Artist] = []
    for values, colour, label in ((dp, NULLCLINE_P, "ṗ = 0"), (dw / grid_w, NULLCLINE_W, "ẇ = 0")):
        if values.min() < 0 < values.max():
            axes.contour(p, w, values, levels=[0.0], colors=colour, linewidths=1.0, zorder=2)
            handles.append(Line2D([], [], color=colour, linewidth=1.0, label=label))
    return handles


def _balance(axes: Axes, portrait: Portrait) -> list[Artist]:
    """Draw w^2 = p^2/alpha, which the flow leaves only where the two decays differ."""
    model = portrait.model
    if model.procedure == "joint" or model.eta != model.eta_p:
        return []
    slope = to_float(model.alpha) ** -0.5
    p = np.array([portrait.p_window[0], 0.0, portrait.p_window[1]])
    label = "w² = p²" if model.alpha == 1 else "w² = p²/α"
    return axes.plot(
        p, slope * np.abs(p), color=FAINT, linewidth=0.9, dashes=(1, 2), zorder=2,
        label=f"{label}, balance",
    )  # fmt: skip


def _curves(axes: Axes, portrait: Portrait) -> None:
    counts: dict[str, int] = {}
    for segment in portrait.segments:
        part = counts[segment.name] = counts.get(segment.name, 0) + 1
        axes.plot(
            segment.p,
            segment.w,
            color=COLOURS[segment.standing],
            linestyle=DASHES[segment.standing],
            linewidth=2.6,
            solid_capstyle="butt",
            zorder=4,
            gid=f"component:{segment.name}:{part}",
        )
    for index, (p, w) in enumerate(portrait.joints, 1):
        _marker(axes, p, w, Standing.UNDECIDED, gid=f"joint:{index}", size=6.0)
    for name in counts:
        _curve_label(axes, portrait, name)


def _curve_label(axes: Axes, portrait: Portrait, name: str) -> None:
    """Name a curve at its far end, inside the window."""
    parts = [segment for segment in portrait.segments if segment.name == name]
    first, last = parts[0], parts[-1]
    upright = last.p[0] == last.p[1]
    x, y = last.p[1], last.w[1]
    if upright:
        right = x < sum(portrait.p_window) / 2
        offset, ha, va = ((6 if right else -6), -4), "left" if right else "right", "top"
    elif first.p[1] - first.p[0] > last.p[1] - last.p[0] or first is last:
        x, y, offset, ha, va = first.p[0], first.w[0], (4, 6), "left", "bottom"
    else:
        offset, ha, va = (-4, 6), "right", "bottom"
    _text(axes, f"{name}: {'p = ' + f'{x:.4g}' if upright else 'w = 0'}", (x, y), offset, ha, va)


def _text(
    axes: Axes, text: str, at: tuple[float, float], offset: tuple[float, float], ha: str, va: str
) -> None:
    axes.annotate(
        text,
        at,
        xytext=offset,
        textcoords="offset points",
        ha=ha,
        va=va,
        fontsize=8.5,
        color=INK,
        zorder=7,
        bbox={"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8},
    )


def _marker(
    axes: Axes, x: float, y: float, kind: Standing, *, gid: str | None = None, size: float = 9.0
) -> None:
    """Draw one equilibrium: filled, half filled, hollow, or hollow with a dot."""
    axes.plot([x], [y], **_marker_style(kind, size), zorder=6, clip_on=False, gid=gid)
    if kind is Standing.UNDECIDED:
        axes.plot([x], [y], marker=".", markersize=size / 3, color=COLOURS[kind], zorder=6.1)


def _marker_style(kind: Standing, size: float = 9.0) -> dict[str, Any]:
    filled = kind is Standing.STABLE
    return {
        "linestyle": "none",
        "marker": "o",
        "markersize": size,
        "fillstyle": "left" if kind is Standing.FLOW_ONLY else "full",
        "markerfacecolor": COLOURS[kind] if filled or kind is Standing.FLOW_ONLY else "white",
        "markerfacecoloralt": "white",
        "markeredgecolor": COLOURS[kind],
        "markeredgewidth": 1.7,
    }


def _spots(axes: Axes, portrait: Portrait, places: Sequence[tuple[float, float]]) -> None:
    """Draw the isolated equilibria; the inner ones of a crowd are smaller and on top."""
    groups: list[list[int]] = []
    width, height = np.ptp(axes.get_xlim()), np.ptp(axes.get_ylim())
    if portrait.planar:
        width, height = np.ptp(portrait.p_window), np.ptp(portrait.w_window)
    for index, (x, y) in enumerate(places):
        for group in groups:
            x0, y0 = places[group[0]]
            if abs(x - x0) < 0.02 * width and abs(y - y0) < 0.03 * height:
                group.append(index)
                break
        else:
            groups.append([index])
    for group in groups:
        for depth, index in enumerate(group):
            spot, (x, y) = portrait.spots[index], places[index]
            _marker(
                axes, x, y, spot.standing, gid=f"component:{spot.name}", size=(9.0, 5.0, 3.0)[min(depth, 2)]
            )  # fmt: skip
        members = [portrait.spots[index] for index in group]
        _spot_label(axes, members, places[group[0]], portrait)


def _spot_label(
    axes: Axes, spots: Sequence[Spot], at: tuple[float, float], portrait: Portrait
) -> None:
    text = ", ".join(spot.name + ("*" if spot.whole is not None else "") for spot in spots)
    offset, ha, va = (_planar_label if portrait.planar else _line_label)(spots[0], portrait)
    _text(axes, drawable(text), at, offset, ha, va)


def _planar_label(spot: Spot, portrait: Portrait) -> tuple[tuple[float, float], str, str]:
    """Return where the name goes: away from the other equilibria of the mode."""
    collapsed = spot.name == "rank0"
    side = -1 if collapsed != (portrait.mode.m < 0) else 1
    ha = "right" if side < 0 else "left"
    return (side * 9, -3 if collapsed else 7), ha, "top" if collapsed else "center"


def _line_label(spot: Spot, portrait: Portrait) -> tuple[tuple[float, float], str, str]:
    if spot.name.endswith("-"):
        return (7, -7), "left", "top"
    if spot.name == "rank0" or portrait.model.procedure == "contrastive":
        return (0, 9), "center", "bottom"
    return (8, 7), "left", "bottom"


def _line(axes: Axes, portrait: Portrait) -> None:
    """Draw a mode whose only variable is w: its potential, or its rate of growth."""
    from matplotlib.ticker import MaxNLocator

    top = max((spot.w for spot in portrait.spots), default=1.0) or 1.0
    w = np.linspace(0.0, 1.35 * top, 301)
    contrastive = portrait.model.procedure == "contrastive"
    value = portrait.potential if contrastive else portrait.growth
    axes.plot(w, value(w), color="0.45", linewidth=1.4, zorder=3)
    axes.set_xlim(-0.09 * top, 1.35 * top)
    if contrastive:
        places = [(spot.w, float(portrait.potential(np.array([spot.w]))[0])) for spot in portrait.spots]
        axes.set_ylabel("L, loss of the mode")
        axes.set_title(f"loss of {_mode_words(portrait)}; the flow goes downhill")
    else:
        places = [(spot.w, 0.0) for spot in portrait.spots]
        axes.axhline(0.0, color=FAINT, linewidth=0.8, zorder=2)
        _arrows(axes, portrait, top)
        axes.set_ylabel("ẇ/w, growth rate of the encoder weight")
        axes.set_title(f"growth of {_mode_words(portrait)}; arrows show the flow")
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(6))
    axes.set_xlabel("w, encoder weight (w and -w are one orbit)")
    axes.axvline(0.0, color="0.85", linewidth=0.8, zorder=0)
    _spots(axes, portrait, places)
    _legend(axes, portrait, [])


def _arrows(axes: Axes, portrait: Portrait, top: float) -> None:
    """Draw the direction of motion between neighbouring equilibria on the line."""
    stops = sorted({0.0, 1.35 * top, *(spot.w for spot in portrait.spots)})
    for left, right in zip(stops, stops[1:], strict=False):
        middle, reach = (left + right) / 2, 0.22 * (right - left)
        rate = float(portrait.growth(np.array([middle]))[0])
        if right - left < 0.03 * top or not rate:
            continue
        ends = (middle - reach, middle + reach) if rate > 0 else (middle + reach, middle - reach)
        arrow = {"arrowstyle": "-|>", "color": "0.35", "linewidth": 1.3}
        axes.annotate("", (ends[1], 0.0), xytext=(ends[0], 0.0), arrowprops=arrow, zorder=4)


def _legend(axes: Axes, portrait: Portrait, extra: Sequence[Artist]) -> None:
    """Explain what occurs, below the axes."""
    from matplotlib.lines import Line2D

    handles: list[Artist] = []
    kinds = {spot.standing for spot in portrait.spots}
    lines = {segment.standing for segment in portrait.segments}
    for kind in Standing:
        if kind in kinds:
            handles.append(Line2D([], [], **_marker_style(kind, 7.0), label=kind.value))
        elif kind in lines:
            style = {"color": COLOURS[kind], "linestyle": DASHES[kind], "linewidth": 2.4}
            handles.append(Line2D([], [], **style, label=kind.value))
    if portrait.joints:
        style = _marker_style(Standing.UNDECIDED, 6.0)
        handles.append(Line2D([], [], **style, label="verdict changes"))
    handles += extra
    columns = 3 if Standing.FLOW_ONLY in kinds | lines else 5
    axes.legend(handles=handles, ncols=columns, columnspacing=1.4, handlelength=2.6, **BELOW)
    changed = [spot for spot in portrait.spots if spot.whole is not None]
    if changed:
        words = "; ".join(f"{spot.name} is {spot.whole}" for spot in changed if spot.whole)
        axes.annotate(
            drawable(f"* alone; with all modes {words}", 90),
            (0.0, -0.235),
            xycoords="axes fraction",
            fontsize=8.5,
            color=INK,
        )


def _predictor_chart(axes: Axes, report: Report) -> None:
    """Draw the eigenvalues of every component's predictor, for moments without common modes."""
    components = report.components[:CHART_ROWS]
    for row, component in enumerate(components):
        values, kind = predictor_eigenvalues(component), standing(
            component.flow.verdict, component.map.verdict
        )  # fmt: skip
        axes.plot([0.0, *values], [row] * (len(values) + 1), color="0.85", linewidth=0.8, zorder=1)
        axes.plot(
            values, [row] * len(values), **_marker_style(kind, 6.0), zorder=5,
            gid=f"component:{component.id}",
        )  # fmt: skip
    axes.set_xlabel("Re p, eigenvalues of the predictor")
    _chart(axes, report, components)


def predictor_eigenvalues(component: Component) -> list[float]:
    """Return the real parts of the eigenvalues of P at the representative, ascending."""
    rows = component.representative.get("P", ())
    matrix: Array = np.array([[entry_float(x) for x in row] for row in rows])
    return sorted(float(x) for x in np.linalg.eigvals(matrix).real) if matrix.size else []


def _extent_chart(axes: Axes, report: Report) -> None:
    """Draw the largest multiplier of every component, for systems without a predictor."""
    components = report.components[:CHART_ROWS]
    for row, component in enumerate(components):
        value = component.map.extent
        kind = standing(component.flow.verdict, component.map.verdict)
        if value is None or not math.isfinite(value):
            _text(axes, "no number", (1.0, row), (0, 0), "center", "center")
            continue
        axes.plot([1.0, value], [row, row], color="0.85", linewidth=0.8, zorder=1)
        _marker(axes, value, row, kind, gid=f"component:{component.id}", size=6.0)
    axes.axvline(1.0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_xlabel("radius, largest normal multiplier in modulus")
    _chart(axes, report, components)


def _chart(axes: Axes, report: Report, components: Sequence[Component]) -> None:
    from matplotlib.lines import Line2D

    axes.set_yticks(range(len(components)), [drawable(c.id, 18) for c in components], fontsize=8)
    axes.set_ylim(max(len(components), 3) - 0.4, -0.6)
    axes.margins(x=0.08)
    hidden = len(report.components) - len(components)
    axes.set_title("components" + (f" (the first {len(components)})" if hidden else ""))
    kinds = {standing(c.flow.verdict, c.map.verdict) for c in components}
    handles = [
        Line2D([], [], **_marker_style(kind, 7.0), label=kind.value)
        for kind in Standing
        if kind in kinds
    ]
    axes.legend(handles=handles, ncols=4, **BELOW)


# Panel (b)


def _spectrum_panel(figure: Figure, place: SubplotSpec, report: Report) -> None:
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
    report: Report, component: Component | None
) -> tuple[list[complex], list[complex], str]:
    model = report.model
    if component is None:
        return [], [], "no component"
    if model.n**2 + 2 * model.n * model.d > SPECTRUM_LIMIT:
        return [], [], "too many multipliers to draw;\nthe table has the radius"
    normal, neutral = split_neutral(component.map, centre=1.0)
    return normal, neutral, "" if normal or neutral else "no spectrum is known here"


def _spectrum_title(component: Component) -> str:
    verdict, radius = component.map.verdict.value, component.map.extent
    text = f"multipliers at {drawable(component.id, 26)}: {verdict}"
    if radius is None or not math.isfinite(radius):
        return text
    text += f"\nradius {radius:.5f}"
    if 0 < radius < 1 and component.map.verdict is Verdict.STABLE:
        steps = -1 / math.log(radius)
        text += f", {steps:,.0f} steps per factor e" if steps >= 100 else (
            f", {steps:.3g} steps per factor e"
        )
    return text


def zoom_radius(normal: Sequence[complex]) -> float | None:
    """Return how far from 1 the slow multipliers reach; None where a zoom would not help.

    The slow ones are those before the widest gap, in ratio, of the distances from 1.
    """
    distances = sorted({abs(z - 1) for z in normal if abs(z - 1) > 1e-12})
    if not distances or distances[0] > 0.2:
        return None
    ratios = [(b / a, a) for a, b in zip(distances, distances[1:], strict=False)]
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


def _points(
    axes: Axes, normal: Sequence[complex], neutral: Sequence[complex], size: float
) -> None:
    """Draw multipliers: inside filled, outside hollow and crossed by colour, neutral open squares."""
    style: dict[str, Any] = {"linestyle": "none", "marker": "o", "zorder": 5}
    for values, colour, gid in _classes(normal):
        axes.plot(
            [z.real for z in values], [z.imag for z in values], **style, markersize=size,
            markerfacecolor=colour, markeredgecolor="white", markeredgewidth=0.5, gid=gid,
        )  # fmt: skip
    if neutral:
        axes.plot(
            [z.real for z in neutral], [z.imag for z in neutral], **style, markersize=size + 2,
            markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.2, gid="neutral",
        )  # fmt: skip


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
            [], [], **style, markersize=6, markerfacecolor=colour, markeredgecolor="white",
            label=f"{words} ({len(values)})",
        )  # fmt: skip
    if neutral:
        yield Line2D(
            [], [], **style, markersize=7, markerfacecolor="none", markeredgecolor=INK,
            label=f"neutral ({len(neutral)})",
        )  # fmt: skip


def _strip(
    axes: Axes, normal: Sequence[complex], neutral: Sequence[complex], near: float
) -> None:
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
