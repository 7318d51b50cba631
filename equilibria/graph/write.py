"""The graph as JSON, schema `noncollapse/graph/1`, and as GraphML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from equilibria.files.write import atomic
from equilibria.graph.result import ConnectionGraph

SCHEMA = "noncollapse/graph/1"


def graph_json(graph: ConnectionGraph) -> dict[str, Any]:
    """Return the graph as plain data."""
    from equilibria.report.json import moments_json, parameters_json

    return {
        "schema": SCHEMA,
        "procedure": graph.model.procedure,
        "parameters": parameters_json(graph.model),
        "moments": moments_json(graph.model),
        "nodes": [node.to_json() for node in graph.nodes],
        "edges": [connection.to_json() for connection in graph.connections],
        "sinks": list(graph.sinks),
        "degenerate": list(graph.degenerate),
        "unsettled": dict(graph.unsettled),
        "outside": dict(graph.outside),
        "strata_total": graph.total,
        "complete": {"value": graph.complete, "why": graph.why},
        "itinerary": None if graph.order is None else graph.order.to_json(),
    }


def write_graphml(graph: ConnectionGraph, path: str | Path) -> None:
    """Write the DiGraph as GraphML, all of it or nothing."""
    import networkx as nx

    with atomic(path, "--graphml", binary=True) as stream:
        nx.write_graphml_xml(graph.digraph, stream)
