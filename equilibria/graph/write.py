"""The graph as a GraphML file."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

from equilibria.files.write import write_text
from equilibria.graph.result import ConnectionGraph


def graphml_text(graph: ConnectionGraph) -> str:
    """Return the DiGraph as GraphML."""
    import networkx as nx

    stream = BytesIO()
    nx.write_graphml_xml(graph.digraph, stream)
    return stream.getvalue().decode()


def write_graphml(graph: ConnectionGraph, path: str | Path) -> None:
    """Write the DiGraph as GraphML, all of it or nothing."""
    write_text(path, graphml_text(graph), "--graphml")
