"""The first panel for commuting moments: one mode in its plane (p, w), or on its line of w."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.report.figure_marks import (
    BELOW,
    COLOURS,
    DASHES,
    FAINT,
    FIELD,
    INK,
    NULLCLINE_P,
    NULLCLINE_W,
    drawable,
    marker,
    marker_style,
    note,
)
from equilibria.report.portrait import Portrait, Spot, Standing
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

GRID = 41


def draw_plane(axes: Axes, portrait: Portrait) -> None:
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
    slice_words = ", slice t = w" if portrait.model.traits.has_target else ""
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


def _balance(axes: Axes, portrait: Portrait) -> Sequence[Artist]:
    """Draw w^2 = p^2/alpha, which the flow leaves only where the two decays differ."""
    model = portrait.model
    if model.traits.family is Family.JOINT or model.eta != model.eta_p:
        return []
    slope = to_float(model.alpha) ** -0.5
    p = np.array([portrait.p_window[0], 0.0, portrait.p_window[1]])
    label = "w² = p²" if model.alpha == 1 else "w² = p²/α"
    return axes.plot(
        p,
        slope * np.abs(p),
        color=FAINT,
        linewidth=0.9,
        dashes=(1, 2),
        zorder=2,
        label=f"{label}, balance",
    )


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
        marker(axes, p, w, Standing.UNDECIDED, gid=f"joint:{index}", size=6.0)
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
    note(axes, f"{name}: {'p = ' + f'{x:.4g}' if upright else 'w = 0'}", (x, y), offset, ha, va)


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
            marker(
                axes,
                x,
                y,
                spot.standing,
                gid=f"component:{spot.name}",
                size=(9.0, 5.0, 3.0)[min(depth, 2)],
            )
        members = [portrait.spots[index] for index in group]
        _spot_label(axes, members, places[group[0]], portrait)


def _spot_label(
    axes: Axes, spots: Sequence[Spot], at: tuple[float, float], portrait: Portrait
) -> None:
    text = ", ".join(spot.name + ("*" if spot.whole is not None else "") for spot in spots)
    offset, ha, va = (_planar_label if portrait.planar else _line_label)(spots[0], portrait)
    note(axes, drawable(text), at, offset, ha, va)


def _planar_label(spot: Spot, portrait: Portrait) -> tuple[tuple[float, float], str, str]:
    """Return where the name goes: away from the other equilibria of the mode."""
    collapsed = spot.name == "rank0"
    side = -1 if collapsed != (portrait.mode.m < 0) else 1
    ha = "right" if side < 0 else "left"
    return (side * 9, -3 if collapsed else 7), ha, "top" if collapsed else "center"


def _line_label(spot: Spot, portrait: Portrait) -> tuple[tuple[float, float], str, str]:
    if spot.name.endswith("-"):
        return (7, -7), "left", "top"
    if spot.name == "rank0" or portrait.model.traits.family is Family.CONTRASTIVE:
        return (0, 9), "center", "bottom"
    return (8, 7), "left", "bottom"


def draw_line(axes: Axes, portrait: Portrait) -> None:
    """Draw a mode whose only variable is w: its potential, or its rate of growth."""
    from matplotlib.ticker import MaxNLocator

    top = max((spot.w for spot in portrait.spots), default=1.0) or 1.0
    w = np.linspace(0.0, 1.35 * top, 301)
    contrastive = portrait.model.traits.family is Family.CONTRASTIVE
    value = portrait.potential if contrastive else portrait.growth
    axes.plot(w, value(w), color="0.45", linewidth=1.4, zorder=3)
    axes.set_xlim(-0.09 * top, 1.35 * top)
    if contrastive:
        places = [
            (spot.w, float(portrait.potential(np.array([spot.w]))[0])) for spot in portrait.spots
        ]
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
    for left, right in pairwise(stops):
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
            handles.append(Line2D([], [], **marker_style(kind, 7.0), label=kind.value))
        elif kind in lines:
            line = Line2D([], [], color=COLOURS[kind], linestyle=DASHES[kind], linewidth=2.4)
            line.set_label(kind.value)
            handles.append(line)
    if portrait.joints:
        dot = marker_style(Standing.UNDECIDED, 6.0)
        handles.append(Line2D([], [], **dot, label="verdict changes"))
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


def _mode_words(portrait: Portrait) -> str:
    mode = portrait.mode
    return f"mode {mode.number} (s = {short(mode.s)}, m = {short(mode.m)})"


def short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= 9 else f"{to_float(value):.4g}"
