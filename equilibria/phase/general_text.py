"""The phase diagram of moments that do not commute, in words and as a picture."""

from __future__ import annotations

from textwrap import wrap
from typing import IO, TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.files.drawing import PLAIN, new_figure, save, style
from equilibria.phase.figure import COLLAPSE, LEARNED, NOTHING, STYLES, edges, roomiest
from equilibria.phase.general import GeneralDiagram, GeneralRegion
from equilibria.phase.oscillation import Stretch

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.typing import LineStyleType

WIDTH = 100
MOST_REGIONS, MOST_BOUNDARIES = 12, 24
CYCLE = "#882255"


def general_lines(diagram: GeneralDiagram) -> list[str]:
    """Return the lines that the command prints."""
    model, x, y = diagram.model, diagram.x, diagram.y
    lines = [
        f"{model.procedure}, n = {model.n}, d = {model.d}, moments that do not commute · "
        f"{len(x.values)} x {len(y.values)} points",
        f"{x.name} {x.low} to {x.high} across, {y.name} {y.low} to {y.high} up",
        "",
        _sentence(diagram),
        "",
        "  region   share    stable components of the map",
    ]
    for region in diagram.regions[:MOST_REGIONS]:
        share = 100 * region.cells / diagram.cells.size
        text = _names(region.map)
        text += "" if region.flow == region.map else f"   (flow: {_names(region.flow)})"
        lines.append(f"  {region.index:>6}   {share:>5.1f} %  {text}")
    if len(diagram.regions) > MOST_REGIONS:
        lines.append(f"  ... and {len(diagram.regions) - MOST_REGIONS} smaller regions")
    if diagram.boundaries:
        lines += ["", *_boundary_table(diagram)]
        if len(diagram.boundaries) > MOST_BOUNDARIES:
            more = len(diagram.boundaries) - MOST_BOUNDARIES
            lines.append(f"  ... and {more} more; --json has all of them")
    lines += [line for stretch in diagram.cycles for line in _stretch_lines(stretch, diagram)]
    for note in diagram.notes:
        lines += wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
    return [line[:WIDTH].rstrip() for line in lines]


def _sentence(diagram: GeneralDiagram) -> str:
    total = diagram.cells.size
    learned = sum(r.cells for r in diagram.regions if any(n != "rank0" for n in r.map))
    only = sum(r.cells for r in diagram.regions if r.collapse_only)
    return (
        f"Learning is stable at {_share(learned, total)} of the grid, collapse is all that is "
        f"stable at {_share(only, total)}."
    )


def _share(part: int, total: int) -> str:
    return "all" if part == total else f"{100 * part / total:.1f} %"


def _names(names: tuple[str, ...]) -> str:
    return " | ".join(names) if names else "nothing is stable"


def _boundary_table(diagram: GeneralDiagram) -> list[str]:
    """Return the boundaries as a table as wide as it must be."""
    rows = [("boundary", "of", "where", "known (points)")]
    for boundary in diagram.boundaries[:MOST_BOUNDARIES]:
        xs = [point.x.value for point in boundary.points]
        ys = [point.y.value for point in boundary.points]
        where = f"{diagram.x.name} {_span(xs)}, {diagram.y.name} {_span(ys)}"
        kind = boundary.kind + (f" ({boundary.criticality[:5]}.)" if boundary.criticality else "")
        who = " = ".join(boundary.between)
        rows.append((kind, who, where, f"{boundary.how} ({len(xs)})"))
    widths = [max(len(row[i]) for row in rows) for i in range(4)]
    return [
        "  " + "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def _span(values: list[float]) -> str:
    low, high = min(values), max(values)
    return f"{low:.6g}" if high - low <= 1e-9 * abs(high) else f"{low:.5g} to {high:.5g}"


def _stretch_lines(stretch: Stretch, diagram: GeneralDiagram) -> list[str]:
    names = {"x": diagram.x.name, "y": diagram.y.name}
    along, other = names[stretch.along], names["y" if stretch.along == "x" else "x"]
    attracting = [v for v, good in zip(stretch.values, stretch.attracting, strict=True) if good]
    where = f"attracts from {_range(attracting)}" if attracting else "never attracts"
    first, last = stretch.values[0], stretch.values[-1]
    return [
        "",
        f"  cycle born from {stretch.branch} at {other} = {stretch.fixed:.6g}, followed along {along} "
        f"{first:.6g} to {last:.6g}:",
        f"      {where}; {stretch.reason} [numeric]",
    ]


def _range(values: list[float]) -> str:
    return f"{min(values):.6g} to {max(values):.6g}"


def draw_general(diagram: GeneralDiagram, stream: IO[bytes], form: str) -> None:
    """Write the figure as "png" or "svg"; equal diagrams give equal bytes."""
    with style(PLAIN):
        figure = new_figure((7.4, 5.4))
        axes = figure.add_subplot()
        _regions(axes, diagram)
        handles = [*_boundaries(axes, diagram), *_cycles(axes, diagram)]
        _frame(axes, diagram)
        _labels(axes, diagram)
        if handles:
            figure.legend(
                handles=handles,
                loc="outside lower center",
                ncols=2,
                frameon=False,
                fontsize=8,
                handlelength=3.2,
            )
        save(figure, stream, form, dpi=160)


def _regions(axes: Axes, diagram: GeneralDiagram) -> None:
    from matplotlib.colors import ListedColormap

    colours = [_colour(region, diagram) for region in diagram.regions]
    x, y = (
        edges([to_float(v) for v in axis.values], log=axis.log) for axis in (diagram.x, diagram.y)
    )
    axes.pcolormesh(
        x,
        y,
        diagram.cells,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        rasterized=True,
    )


def _colour(region: GeneralRegion, diagram: GeneralDiagram) -> str:
    if not region.map:
        return NOTHING
    if region.collapse_only:
        return COLLAPSE
    rank = max(int(name[4:].partition(":")[0]) for name in region.map)
    full = min(diagram.model.n, diagram.model.d)
    return LEARNED[min(int(rank / full * 3), 2)]


def _boundaries(axes: Axes, diagram: GeneralDiagram) -> list[Artist]:
    from matplotlib.lines import Line2D

    for boundary in diagram.boundaries:
        colour, dashes, _ = STYLES[boundary.kind]
        xs = [point.x.value for point in boundary.points]
        ys = [point.y.value for point in boundary.points]
        line: LineStyleType = dashes if len(xs) > 1 else "none"
        axes.plot(xs, ys, color=colour, linestyle=line, linewidth=1.5, marker=".", markersize=3)
    present = [kind for kind in STYLES if any(b.kind == kind for b in diagram.boundaries)]
    return [
        Line2D([], [], color=STYLES[k][0], linestyle=STYLES[k][1], label=STYLES[k][2])
        for k in present
    ]


def _cycles(axes: Axes, diagram: GeneralDiagram) -> list[Artist]:
    from matplotlib.lines import Line2D

    for stretch in diagram.cycles:
        values = np.where(stretch.attracting, stretch.values, np.nan)
        fixed = np.full(values.size, stretch.fixed)
        spot = (values, fixed) if stretch.along == "x" else (fixed, values)
        axes.plot(*spot, color=CYCLE, linewidth=4, alpha=0.6, solid_capstyle="butt")
    if not any(any(stretch.attracting) for stretch in diagram.cycles):
        return []
    label = "attracting cycle of the flow, on the lines followed"
    return [Line2D([], [], color=CYCLE, linewidth=4, alpha=0.6, label=label)]


def _frame(axes: Axes, diagram: GeneralDiagram) -> None:
    for axis, name in ((diagram.x, "x"), (diagram.y, "y")):
        if axis.log:
            getattr(axes, f"set_{name}scale")("log")
        getattr(axes, f"set_{name}lim")(to_float(axis.low), to_float(axis.high))
        getattr(axes, f"set_{name}label")(axis.label)
    model, varied = diagram.model, {diagram.x.name, diagram.y.name}
    rates = [("lr", "h", model.h), ("weight-decay", "η", model.eta)]
    if model.traits.has_target:
        rates.append(("ema", "μ", model.mu))
    shown = [f"{symbol} = {value}" for name, symbol, value in rates if name not in varied]
    words = [f"{model.procedure}, n = {model.n}, d = {model.d}", *shown]
    title = "stable components of the map · " + ", ".join(words)
    axes.set_title(title, fontsize=9, loc="left")


def _labels(axes: Axes, diagram: GeneralDiagram) -> None:
    """Write what is stable on every region that has room for it."""
    for names in sorted({region.map for region in diagram.regions}):
        members = [region.index for region in diagram.regions if region.map == names]
        inside = np.isin(diagram.cells, members)
        spot = roomiest(inside)
        if spot is None or spot[2][0] < 0.12 or spot[2][1] < 0.045 * max(1, len(names)):
            continue
        axes.text(
            (spot[1] + 0.5) / inside.shape[1],
            (spot[0] + 0.5) / inside.shape[0],
            "\n".join("collapse" if name == "rank0" else name for name in names) or "nothing",
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=8,
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75},
        )
