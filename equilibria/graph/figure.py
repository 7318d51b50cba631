"""The drawing of a connection graph: columns by rank, rows by index, arrows leading down to sinks.

Sinks are filled, saddles hollow; proved connections solid, numeric ones dashed; colour repeats it.
Connections that a path of drawn ones implies are left out. Equal graphs give equal bytes.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from equilibria.files.drawing import PLAIN, check_format, new_figure, save, style
from equilibria.graph.layout import HEIGHT, Layout, bend, box_width, layout
from equilibria.graph.result import Connection, ConnectionGraph, Node
from equilibria.varieties.component import How, Verdict

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import FancyBboxPatch

STABLE, UNSTABLE, UNDECIDED = "#009E73", "#D55E00", "#CC79A7"
PROVED, NUMERIC, INK, FAINT = "0.25", "#0072B2", "0.15", "0.93"
DASHES: tuple[float, tuple[float, float]] = (0, (4, 2))
STYLE = {**PLAIN, "text.parse_math": False}


def draw_graph(graph: ConnectionGraph, stream: IO[bytes], format: str) -> None:
    """Write the drawing as `png` or `svg` to a binary stream."""
    check_format(format)
    with style(STYLE):
        save(graph_figure(graph), stream, format)


def graph_figure(graph: ConnectionGraph) -> Figure:
    """Return the figure; nodes are artists with gid `node:ID`, arrows with gid `edge:FROM:TO`."""
    plan = layout(graph)
    with style(STYLE):
        figure = new_figure(plan.size, None)
        axes = figure.add_axes((0, 0, 1, 1))
        axes.set_xlim(0, plan.size[0])
        axes.set_ylim(0, plan.size[1])
        axes.set_axis_off()
        _frame(axes, graph, plan)
        boxes = {node.id: _node(axes, node, plan) for node in graph.nodes}
        for connection in graph.backbone():
            _arrow(axes, connection, plan, boxes)
        _legend(axes, graph, plan)
    return figure


def _frame(axes: Axes, graph: ConnectionGraph, plan: Layout) -> None:
    """Draw the title, the names of columns and rows, and a band for every second row."""
    model, height = graph.model, plan.size[1]
    rates = f"η = {model.eta}"
    if model.traits.has_target:
        rates += f", β = {model.flow_rate}"
    sinks = len(graph.sinks)
    title = f"{model.procedure}, n = {model.n}, d = {model.d}, {rates}"
    cycles = f", {len(graph.cycles)} limit cycles".removesuffix("s" * (len(graph.cycles) == 1))
    strata = f"{len(graph.nodes) - len(graph.cycles)} strata{cycles if graph.cycles else ''}"
    said = f"{strata}, {sinks} attractor{'' if sinks == 1 else 's'}"
    axes.text(0.2, height - 0.22, title, fontsize=11, weight="bold", va="center", color=INK)
    axes.text(0.2, height - 0.45, said, fontsize=9, va="center", color=INK)
    top = max(y for _, y in plan.rows)
    for rank, x in plan.columns:
        axes.text(x, top + 0.42, f"rank {rank}", ha="center", va="center", color="0.35")
    for k, (index, y) in enumerate(plan.rows):
        axes.text(0.2, y, f"index {index}", va="center", color="0.35", fontsize=8.5)
        if k % 2 == 0:
            axes.axhspan(y - 0.27, y + 0.27, color=FAINT, zorder=0, linewidth=0)


def _node(axes: Axes, node: Node, plan: Layout) -> FancyBboxPatch:
    from matplotlib.patches import FancyBboxPatch

    x, y = plan.places[node.id]
    wide = box_width(plan.labels[node.id])
    colour = {
        Verdict.STABLE: STABLE,
        Verdict.UNSTABLE: UNSTABLE,
        Verdict.UNDECIDED: UNDECIDED,
    }[node.flow]
    filled = node.flow is Verdict.STABLE
    box = FancyBboxPatch(
        (x - wide / 2 + 0.06, y - HEIGHT / 2 + 0.06),
        wide - 0.12,
        HEIGHT - 0.12,
        boxstyle="round4,pad=0.06" if node.kind == "cycle" else "round,pad=0.06",
        facecolor=colour if filled else "white",
        edgecolor=colour,
        linewidth=1.4,
        linestyle=":" if node.flow is Verdict.UNDECIDED else "-",
        zorder=3,
        hatch="///" if node.kind == "cycle" and not filled else None,
        gid=f"node:{node.id}",
    )
    axes.add_patch(box)
    ink, weight = ("white", "bold") if filled else (INK, "normal")
    axes.text(
        x,
        y - 0.005,
        plan.labels[node.id],
        ha="center",
        va="center",
        color=ink,
        weight=weight,
        zorder=4,
    )
    return box


def _arrow(
    axes: Axes, connection: Connection, plan: Layout, boxes: dict[str, FancyBboxPatch]
) -> None:
    from matplotlib.patches import FancyArrowPatch

    proved = connection.how is How.PROVED
    axes.add_patch(
        FancyArrowPatch(
            plan.places[connection.source],
            plan.places[connection.target],
            connectionstyle=f"arc3,rad={bend(connection.source, connection.target, plan)}",
            arrowstyle="-|>,head_length=4,head_width=2",
            patchA=boxes[connection.source],
            patchB=boxes[connection.target],
            shrinkA=1.0,
            shrinkB=1.0,
            linewidth=0.9,
            linestyle="-" if proved else DASHES,
            color=PROVED if proved else NUMERIC,
            zorder=2,
            gid=f"edge:{connection.source}:{connection.target}",
        )
    )


def _legend(axes: Axes, graph: ConnectionGraph, plan: Layout) -> None:
    """Explain the marks that occur, on the lowest lines."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    backbone = graph.backbone()
    proved = [c for c in backbone if c.how is How.PROVED]
    handles: list[Artist] = [Patch(facecolor=STABLE, edgecolor=STABLE, label="attractor (sink)")]
    if any(node.flow is Verdict.UNSTABLE for node in graph.nodes):
        handles.append(Patch(facecolor="white", edgecolor=UNSTABLE, label="saddle"))
    if graph.degenerate:
        label = "degenerate, undecided"
        handles.append(Patch(facecolor="white", edgecolor=UNDECIDED, linestyle=":", label=label))
    if proved:
        handles.append(Line2D([], [], color=PROVED, label="connection, proved"))
    if len(proved) < len(backbone):
        handles.append(Line2D([], [], color=NUMERIC, linestyle=DASHES, label="connection, numeric"))
    axes.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(0.1 / plan.size[0], 0.2 / plan.size[1]),
        ncols=len(handles),
        frameon=False,
        fontsize=8.5,
        borderpad=0.1,
        handlelength=2.2,
        columnspacing=1.4,
    )
    implied = graph.digraph.number_of_edges() - len(backbone)
    if implied:
        said = f"{implied} more connections are implied by paths of these"
        axes.text(0.2, 0.14, said, fontsize=8, va="center", color="0.35")
