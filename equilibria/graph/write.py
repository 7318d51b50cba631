"""The graph as a GraphML file."""

from __future__ import annotations

from pathlib import Path

from equilibria.files.write import atomic
from equilibria.graph.result import ConnectionGraph


def write_graphml(graph: ConnectionGraph, path: str | Path) -> None:
    """Write the DiGraph as GraphML, all of it or nothing."""
    import networkx as nx

    with atomic(path, "--graphml", binary=True) as stream:
        nx.write_graphml_xml(graph.digraph, stream)
