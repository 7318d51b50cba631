"""Joining crossings into curves: two crossings on the rim of one cell are neighbours."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from equilibria.phase.isolate import Isolated

Edge = tuple[bool, int, int]
"""(horizontal, row, column) of the edge's lower left node."""


def curves(found: Sequence[Isolated]) -> list[list[Isolated]]:
    """Return the crossings of one item in order along each of its curves."""
    by_edge = {_edge(point): point for point in found}
    neighbours: dict[Edge, list[Edge]] = defaultdict(list)
    for cell in sorted({cell for edge in by_edge for cell in _cells(edge)}):
        rim = [edge for edge in _rim(cell) if edge in by_edge]
        for a, b in zip(rim[0::2], rim[1::2], strict=False):
            neighbours[a].append(b)
            neighbours[b].append(a)
    return [[by_edge[edge] for edge in chain] for chain in _chains(list(by_edge), neighbours)]


def runs(curve: Sequence[Isolated]) -> list[list[Isolated]]:
    """Split a curve where the kind of boundary or the deciding block changes."""
    pieces: list[list[Isolated]] = []
    for point in curve:
        if pieces and (pieces[-1][-1].kind, pieces[-1][-1].block) == (point.kind, point.block):
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return pieces


def _edge(point: Isolated) -> Edge:
    return point.crossing.horizontal, point.crossing.row, point.crossing.column


def _cells(edge: Edge) -> list[tuple[int, int]]:
    """Return the (row, column) of the one or two cells beside an edge."""
    horizontal, row, column = edge
    return [(row, column), (row - 1, column)] if horizontal else [(row, column), (row, column - 1)]


def _rim(cell: tuple[int, int]) -> list[Edge]:
    row, column = cell
    return [
        (True, row, column),
        (False, row, column + 1),
        (True, row + 1, column),
        (False, row, column),
    ]


def _chains(edges: list[Edge], neighbours: dict[Edge, list[Edge]]) -> list[list[Edge]]:
    remaining = dict.fromkeys(sorted(edges, key=lambda edge: (edge[2], edge[1], edge[0])))
    chains = []
    while remaining:
        ends = (edge for edge in remaining if sum(n in remaining for n in neighbours[edge]) < 2)
        current: Edge | None = next(ends, next(iter(remaining)))
        chain = []
        while current is not None:
            chain.append(current)
            del remaining[current]
            current = next((n for n in neighbours[current] if n in remaining), None)
        chains.append(chain)
    return chains
