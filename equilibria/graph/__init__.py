"""Connection graphs: strata as nodes, orbits from one to another as edges, attractors as sinks.

    >>> import equilibria as eq
    >>> from equilibria.graph import connection_graph
    >>> graph = connection_graph(eq.Model(moments=eq.Moments.commuting(signal=[1, "3/4"])))
    >>> graph.sinks
    ('rank2:1+,2+', 'rank1:1+', 'rank0')
    >>> graph.node("rank2:1-,2-").index
    3

`connect` finds the connections, `learning` the order in which a run from a small start learns.
"""

from __future__ import annotations

from equilibria.graph.connect import connection_graph
from equilibria.graph.figure import draw_graph
from equilibria.graph.learning import learning_order
from equilibria.graph.result import Connection, ConnectionGraph, LearningOrder, Node
from equilibria.graph.text import graph_lines, order_lines
from equilibria.graph.write import graphml_text, write_graphml

__all__ = [
    "Connection",
    "ConnectionGraph",
    "LearningOrder",
    "Node",
    "connection_graph",
    "draw_graph",
    "graph_lines",
    "graphml_text",
    "learning_order",
    "order_lines",
    "write_graphml",
]
