"""Where the nodes of the drawing go: columns by rank, rows by index, everything in inches.

Unstable strata of high rank are top left, attractors at the bottom. Within a cell the order follows
the predecessors, so that arrows cross little; an arrow bends when it would run through a node.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equilibria.graph.result import ConnectionGraph, Node

Point = tuple[float, float]
Array = NDArray[np.float64]

LETTER, PADDING, HEIGHT = 0.084, 0.2, 0.27
SLOT_GAP, COLUMN_GAP, ROW = 0.38, 0.75, 0.92
LEFT, BOTTOM, TOP, RIGHT = 0.95, 0.95, 1.1, 0.3
BENDS = tuple(sorted(np.round(np.linspace(-0.8, 0.8, 41), 2).tolist(), key=lambda r: (abs(r), -r)))
CLEARANCE = 0.06
BRICK = 0.5
LEAST_WIDTH = 6.4


@dataclass(frozen=True)
class Layout:
    """Centres of the nodes, the columns with their ranks, the rows with their indices, the size."""

    places: Mapping[str, Point]
    labels: Mapping[str, str]
    columns: tuple[tuple[int, float], ...]
    rows: tuple[tuple[int, float], ...]
    size: Point

    def half(self, name: str) -> Point:
        """Return half the width and height of a node's box."""
        return box_width(self.labels[name]) / 2, HEIGHT / 2


def label_of(node: Node) -> str:
    """Return what is written on a node; the rank is its column's title."""
    return node.id.split(":", 1)[1] if ":" in node.id else "0"


def box_width(label: str) -> float:
    """Return the width of the box around a label."""
    return LETTER * len(label) + PADDING


def layout(graph: ConnectionGraph) -> Layout:
    """Return the places of all nodes; equal graphs give equal places."""
    labels = {node.id: label_of(node) for node in graph.nodes}
    slot = max(map(box_width, labels.values())) + SLOT_GAP
    ranks = sorted({node.rank for node in graph.nodes}, reverse=True)
    indices = sorted({node.index for node in graph.nodes})
    cells: dict[tuple[int, int], list[Node]] = {}
    for node in graph.nodes:
        cells.setdefault((node.rank, node.index), []).append(node)
    height = {index: BOTTOM + ROW * row for row, index in enumerate(indices)}
    places: dict[str, Point] = {}
    columns = []
    left = LEFT
    for rank in ranks:
        widest = max(len(nodes) for (r, _), nodes in cells.items() if r == rank)
        tall = sum(r == rank for r, _ in cells) > 1
        centre = left + slot * widest / 2
        columns.append((rank, centre))
        for row, index in reversed(list(enumerate(indices))):
            # Rows are laid like bricks, so that long arrows pass between the nodes of a row.
            middle = centre + BRICK * slot * (row % 2 - 0.5) if tall else centre
            nodes = _ordered(cells.get((rank, index), []), graph, places)
            for k, node in enumerate(nodes):
                places[node.id] = (middle + slot * (k - (len(nodes) - 1) / 2), height[index])
        left += slot * widest + COLUMN_GAP
    width = left - COLUMN_GAP + RIGHT
    shift = max(0.0, (LEAST_WIDTH - width) / 2)
    return Layout(
        places={name: (x + shift, y) for name, (x, y) in places.items()},
        labels=labels,
        columns=tuple((rank, x + shift) for rank, x in columns),
        rows=tuple(height.items()),
        size=(max(width, LEAST_WIDTH), BOTTOM + ROW * (len(indices) - 1) + TOP),
    )


def _ordered(
    nodes: Sequence[Node], graph: ConnectionGraph, places: Mapping[str, Point]
) -> list[Node]:
    """Return the nodes of a cell from left to right: by where their predecessors are."""

    def centre(node: Node) -> tuple[float, str]:
        above = [places[name][0] for name in graph.digraph.predecessors(node.id) if name in places]
        return (float(np.mean(above)) if above else 0.0, node.id)

    return sorted(nodes, key=centre)


def bend(source: str, target: str, plan: Layout) -> float:
    """Return the curvature of the arrow that meets fewest other nodes, the straightest of them."""
    start, end = np.array(plan.places[source]), np.array(plan.places[target])
    others = [name for name in plan.places if name not in (source, target)]
    centres = np.array([plan.places[name] for name in others]).reshape(-1, 2)
    halves = np.array([plan.half(name) for name in others]).reshape(-1, 2) + CLEARANCE
    hits = [_hits(_curve(start, end, rad), centres, halves) for rad in BENDS]
    return BENDS[int(np.argmin(hits))]


def _curve(start: Array, end: Array, rad: float) -> Array:
    """Return points of matplotlib's arc3 connection, a quadratic Bezier curve."""
    (dx, dy), middle = end - start, (start + end) / 2
    control = middle + rad * np.array([dy, -dx])
    t = np.linspace(0.02, 0.98, 49)[:, None]
    return np.asarray((1 - t) ** 2 * start + 2 * t * (1 - t) * control + t**2 * end)


def _hits(curve: Array, centres: Array, halves: Array) -> int:
    inside = (np.abs(curve[:, None, :] - centres) < halves).all(axis=2)
    return int(inside.any(axis=0).sum())
