"""The picture of a phase diagram: regions with the names of what is stable there, drawn boundaries.

Colours repeat what the labels say: grey where only collapse is stable, the deeper the blue the
higher the rank that can be learned, a pale red where nothing is stable. Boundaries are drawn
through their exact points; the dash pattern says of which kind they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.files.drawing import PLAIN, new_figure, save, style
from equilibria.phase.boundary import Boundary
from equilibria.phase.diagram import PhaseDiagram, Region, describe

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import LineStyleType
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

# Okabe-Ito, with a dash pattern and a word for every kind.
STYLES: dict[str, tuple[str, LineStyleType, str]] = {
    "fold": ("#000000", "-", "fold: equilibria appear (LP)"),
    "transcritical": ("#009E73", (0, (1, 1.2)), "transcritical: exchange of stability (BP)"),
    "hopf": ("#CC79A7", (0, (5, 1.5, 1, 1.5)), "Hopf: the flow oscillates (HB)"),
    "flip": ("#D55E00", (0, (5, 1.6)), "flip: multiplier -1 (PD)"),
    "neimark-sacker": ("#0072B2", (0, (3, 1, 1, 1, 1, 1)), "Neimark-Sacker: complex pair (NS)"),
}
LEARNED = ("#e9f1f7", "#b7d3e8", "#8db9da")
COLLAPSE, NOTHING = "#ececec", "#f6dcd3"
MOST_LABELS = 14
LINE_HEIGHT, LETTER_WIDTH = 0.042, 0.0125


def draw(diagram: PhaseDiagram, stream: IO[bytes], form: str) -> None:
    """Write the figure as "png" or "svg"; equal diagrams give equal bytes."""
    with style(PLAIN):
        figure = new_figure((7.4, 5.4))
        axes = figure.add_subplot()
        draw_on(axes, diagram)
        _labels(axes, diagram)
        _legend(figure, axes, diagram)
        save(figure, stream, form, dpi=160)


def draw_on(axes: Axes, diagram: PhaseDiagram) -> None:
    """Draw regions, boundaries and frame on existing axes, for something to be laid over them."""
    _regions(axes, diagram)
    _boundaries(axes, diagram.boundaries)
    _frame(axes, diagram)


def _regions(axes: Axes, diagram: PhaseDiagram) -> None:
    from matplotlib.colors import ListedColormap

    colours = [colour_of(region, diagram) for region in diagram.regions]
    x = edges([to_float(v) for v in diagram.x.values], log=diagram.x.log)
    y = edges([to_float(v) for v in diagram.y.values], log=diagram.y.log)
    axes.pcolormesh(
        x,
        y,
        diagram.cells,
        cmap=ListedColormap(colours),
        vmin=-0.5,
        vmax=len(colours) - 0.5,
        rasterized=True,
        linewidth=0,
        antialiased=False,
    )


def edges(values: Sequence[float], *, log: bool) -> Array:
    """Return the borders between cells: midpoints in the axis's own scale, ends at the ends."""
    line = np.log(values) if log else np.asarray(values)
    inner = (line[1:] + line[:-1]) / 2
    edges = np.concatenate([line[:1], inner, line[-1:]])
    return np.exp(edges) if log else np.asarray(edges)


def colour_of(region: Region, diagram: PhaseDiagram) -> str:
    if region.map.masks == ():
        return NOTHING
    if region.collapse_only:
        return COLLAPSE
    full = min(diagram.setting.model.n, diagram.setting.model.d)
    share = (region.map.top or 0).bit_count() / full
    return LEARNED[min(int(share * 3), 2)] if share < 1 else LEARNED[2]


def _boundaries(axes: Axes, boundaries: Sequence[Boundary]) -> None:
    for boundary in boundaries:
        colour, dashes, _ = STYLES[boundary.kind]
        x = [point.x.value for point in boundary.points]
        y = [point.y.value for point in boundary.points]
        if len(x) == 1:
            axes.plot(x, y, ".", color=colour, markersize=4)
        else:
            width, alpha = (1.5, 1.0) if boundary.changes else (0.8, 0.5)
            axes.plot(x, y, color=colour, linestyle=dashes, linewidth=width, alpha=alpha)


def _frame(axes: Axes, diagram: PhaseDiagram) -> None:
    for axis, name, low, high in (
        (diagram.x, "x", diagram.x.low, diagram.x.high),
        (diagram.y, "y", diagram.y.low, diagram.y.high),
    ):
        if axis.log:
            getattr(axes, f"set_{name}scale")("log")
        getattr(axes, f"set_{name}lim")(to_float(low), to_float(high))
        getattr(axes, f"set_{name}label")(axis.label)
    axes.set_title(_title(diagram), fontsize=9, loc="left")


def _title(diagram: PhaseDiagram) -> str:
    model, varied = diagram.setting.model, {diagram.x.name, diagram.y.name}
    parts = [f"{model.procedure}, n = {model.n}, d = {model.d}"]
    for name, symbol, value in (
        ("lr", "h", model.h),
        ("weight-decay", "η", model.eta),
        ("ema", "μ", model.mu),
    ):
        if name not in varied and (name != "ema" or model.traits.has_target):
            parts.append(f"{symbol} = {value}")
    if model.nu:
        parts.append(f"ν = {model.nu}")
    if diagram.setting.decay == "coupled":
        parts.append("η_P = αη")
    return "stable components of the map · " + ", ".join(parts)


def _labels(axes: Axes, diagram: PhaseDiagram) -> None:
    """Write on every region of some size what is stable there, at its roomiest place."""
    names: dict[str, list[int]] = {}
    for region in diagram.regions:
        names.setdefault("\n".join(_text(region)), []).append(region.index)
    written = 0
    for text, members in names.items():
        inside = np.isin(diagram.cells, members)
        spot = roomiest(inside)
        if spot is None or written == MOST_LABELS:
            continue
        fitted = _fitted(text.split("\n"), spot[2])
        if fitted is None:
            continue
        axes.text(
            *_within(spot, fitted, inside.shape),
            fitted[0],
            transform=axes.transAxes,
            ha="center",
            va="center",
            fontsize=8,
            linespacing=1.25,
            rotation=fitted[1],
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": "none", "alpha": 0.75},
        )
        written += 1


def _within(
    spot: tuple[int, int, tuple[float, float]], fitted: tuple[str, int], shape: tuple[int, ...]
) -> tuple[float, float]:
    """Return where the label goes, in shares of the frame and moved inside of it."""
    lines = fitted[0].split("\n")
    size = LETTER_WIDTH * max(map(len, lines)), LINE_HEIGHT * len(lines)
    wide, high = size if not fitted[1] else (0.75 * size[1], 1.3 * size[0])
    x, y = (spot[1] + 0.5) / shape[1], (spot[0] + 0.5) / shape[0]
    return (
        min(max(x, wide / 2 + 0.012), 1 - wide / 2 - 0.012),
        min(max(y, high / 2 + 0.012), 1 - high / 2 - 0.012),
    )


def _text(region: Region) -> list[str]:
    lines = describe(region.map, most=3).split(" | ")
    if region.map != region.flow and region.flow.masks is not None and len(region.flow.masks) > 1:
        lines.append("(step too large)" if region.collapse_only else "(others: step too large)")
    return lines


def _fitted(lines: list[str], room: tuple[float, float]) -> tuple[str, int] | None:
    """Return the label and its rotation as fits into a room given in shares of the frame."""
    first = lines[0] if len(lines) < 3 else f"{lines[0]} ..."
    for candidate in (lines, [" | ".join(lines)], [first]):
        wide, high = LETTER_WIDTH * max(map(len, candidate)), LINE_HEIGHT * len(candidate)
        if wide <= room[0] and high <= room[1]:
            return "\n".join(candidate), 0
        if wide <= room[1] and 0.75 * high <= room[0]:
            return "\n".join(candidate), 90
    return None


def roomiest(inside: NDArray[np.bool_]) -> tuple[int, int, tuple[float, float]] | None:
    """Return the cell deepest inside, with the width and height of the region there as shares."""
    from scipy.ndimage import distance_transform_edt

    rows, columns = inside.shape
    depth = distance_transform_edt(np.pad(inside, 1), sampling=(1 / rows, 1 / columns))[1:-1, 1:-1]
    if not depth.max() > 0:
        return None
    row, column = (int(k) for k in np.unravel_index(int(np.argmax(depth)), inside.shape))
    for _ in range(2):  # to the middle of a long band, where it is nearly as deep
        left, right = _run(inside[row], column)
        if depth[row, (left + right) // 2] >= 0.8 * depth.max():
            column = (left + right) // 2
        low, high = _run(inside[:, column], row)
        if depth[(low + high) // 2, column] >= 0.8 * depth.max():
            row = (low + high) // 2
    return row, column, ((right - left) / columns, (high - low) / rows)


def _run(line: NDArray[np.bool_], place: int) -> tuple[int, int]:
    """Return the ends of the run of True around a place."""
    gaps = np.flatnonzero(~line)
    below, above = gaps[gaps < place], gaps[gaps > place]
    first = int(below[-1]) + 1 if below.size else 0
    return first, int(above[0]) if above.size else int(line.size)


def _legend(figure: Figure, axes: Axes, diagram: PhaseDiagram) -> None:
    from matplotlib.lines import Line2D

    present = [kind for kind in STYLES if any(b.kind == kind for b in diagram.boundaries)]
    if not present:
        return
    handles = [
        Line2D([], [], color=STYLES[k][0], linestyle=STYLES[k][1], label=STYLES[k][2])
        for k in present
    ]
    del axes
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=2 if len(handles) > 1 else 1,
        frameon=False,
        fontsize=8,
        handlelength=3.2,
    )
