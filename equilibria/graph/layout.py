"""Where the nodes of the drawing go: columns by rank, rows by index, everything in inches.

Unstable strata of high rank are top left, attractors at the bottom. An arrow bends when it would
run through a node; within a cell the nodes are ordered so that the fewest arrows have to.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import permutations

import numpy as np
from numpy.typing import NDArray

from equilibria.graph.result import ConnectionGraph, Node

Point = tuple[float, float]
Array = NDArray[np.float64]

LETTER, PADDING, HEIGHT = 0.084, 0.2, 0.27
SLOT_GAP, COLUMN_GAP, ROW = 0.38, 0.75, 0.92
LEFT, BOTTOM, TOP, RIGHT = 0.95, 0.95, 1.1, 0.3
BENDS: tuple[float, ...] = tuple(
    sorted(np.round(np.linspace(-0.8, 0.8, 41), 2).tolist(), key=lambda r: (abs(r), -r))
)
COARSE: tuple[float, ...] = tuple(
    sorted(np.linspace(-0.8, 0.8, 21).tolist(), key=lambda r: (abs(r), -r))
)
SEARCHED_NODES, SEARCHED_CELL = 40, 4
CLEARANCE = 0.06
BRICK = 0.5
WIDEST = 1.1
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
    if node.kind == "cycle":
        return f"cycle {node.id.split(':', 1)[1]}"
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
    plan = Layout(
        places={name: (x + shift, y) for name, (x, y) in places.items()},
        labels=labels,
        columns=tuple((rank, x + shift) for rank, x in columns),
        rows=tuple(height.items()),
        size=(max(width, LEAST_WIDTH), BOTTOM + ROW * (len(indices) - 1) + TOP),
    )
    if len(places) > SEARCHED_NODES:
        return plan
    groups = [[node.id for node in cells[key]] for key in sorted(cells)]
    return _untangled(plan, groups, [(c.source, c.target) for c in graph.backbone()])


def _untangled(
    plan: Layout, cells: Sequence[Sequence[str]], edges: Sequence[tuple[str, str]]
) -> Layout:
    """Return the layout with the nodes of each cell in the order that obstructs fewest arrows."""
    best = _tangle(plan, edges)
    for cell in [*cells, *cells]:
        if not 1 < len(cell) <= SEARCHED_CELL or not best[0]:
            continue
        spots = sorted(plan.places[name] for name in cell)
        for order in permutations(sorted(cell)):
            moved = replace(plan, places={**plan.places, **dict(zip(order, spots, strict=True))})
            value = _tangle(moved, edges)
            if value < best:
                plan, best = moved, value
    return plan


def _tangle(plan: Layout, edges: Sequence[tuple[str, str]]) -> tuple[int, float]:
    """Return how many nodes the arrows run through, and how long and bent the arrows are."""
    hits, detours = 0, 0.0
    for source, target in edges:
        met = _obstacles(source, target, plan, COARSE, 25)
        best = int(np.argmin(met))
        hits += met[best]
        detours += (0.1 + abs(COARSE[best])) * _length(source, target, plan)
    return hits, round(detours, 6)


def _length(source: str, target: str, plan: Layout) -> float:
    (x, y), (u, v) = plan.places[source], plan.places[target]
    return math.hypot(u - x, v - y)


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
    return BENDS[int(np.argmin(_obstacles(source, target, plan, BENDS, 49)))]


def _obstacles(
    source: str, target: str, plan: Layout, bends: Sequence[float], points: int
) -> list[int]:
    """Return how many other nodes an arrow of each curvature meets; too wide a bend counts too."""
    start, end = np.array(plan.places[source]), np.array(plan.places[target])
    names = [name for name in plan.places if name not in (source, target)]
    centres = np.array([plan.places[name] for name in names]).reshape(-1, 2)
    halves = np.array([plan.half(name) for name in names]).reshape(-1, 2) + CLEARANCE
    curves = _curves(start, end, np.array(bends), points)
    inside = (np.abs(curves[:, :, None, :] - centres) < halves).all(axis=3)
    wide = np.abs(bends) * _length(source, target, plan) / 2 > WIDEST
    return [int(count) for count in inside.any(axis=1).sum(axis=1) + 2 * wide]


def _curves(start: Array, end: Array, rads: Array, points: int) -> Array:
    """Return points of matplotlib's arc3 connections, quadratic Bezier curves."""
    (dx, dy), middle = end - start, (start + end) / 2
    control = middle + rads[:, None] * np.array([dy, -dx])
    t = np.linspace(0.02, 0.98, points)[None, :, None]
    curve = (1 - t) ** 2 * start + 2 * t * (1 - t) * control[:, None, :] + t**2 * end
    return np.asarray(curve)
