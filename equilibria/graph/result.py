"""What `graph` finds: strata, connections, the order of saddles; a networkx DiGraph on demand."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from equilibria.errors import ConsistencyError
from equilibria.systems.model import Model
from equilibria.varieties.component import How, Verdict

if TYPE_CHECKING:
    import networkx as nx

SCHEMA = "noncollapse/graph/1"
KINDS = ("diagonal", "input", "pair", "eigenvector", "plane", "floquet", "generic")


@dataclass(frozen=True, slots=True)
class Node:
    """A stratum: `index` counts its unstable eigenvalues, `p` are the roots of its modes.

    A limit cycle (`kind` cycle) has a period, the (least, largest) diagonal entries of W^T W, and
    Floquet multipliers of the reduced flow; its `map` is undecided, being a cycle of the flow.
    """

    id: str
    rank: int
    modes: tuple[int, ...]
    roots: tuple[str, ...]
    p: tuple[str, ...]
    p_values: tuple[float, ...]
    index: int
    index_how: How
    flow: Verdict
    map: Verdict
    potential: float | None = None
    """The value of T11.1, which falls along balanced orbits; None where T11.1 does not apply."""
    kind: Literal["equilibrium", "cycle"] = "equilibrium"
    period: float | None = None
    amplitude: tuple[tuple[float, float], ...] = ()
    multipliers: tuple[complex, ...] = ()
    tolerance: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the entry of `nodes`; cycles have more fields."""
        plain = {
            "id": self.id,
            "kind": self.kind,
            "rank": self.rank,
            "modes": list(self.modes),
            "roots": list(self.roots),
            "p": list(self.p),
            "p_values": list(self.p_values),
            "index": self.index,
            "index_how": self.index_how.value,
            "flow": self.flow.value,
            "map": self.map.value,
            "potential": self.potential,
        }
        if self.kind == "equilibrium":
            return plain
        return plain | {
            "period": self.period,
            "amplitude": [list(ends) for ends in self.amplitude],
            "multipliers": [[value.real, value.imag] for value in self.multipliers],
            "tolerance": self.tolerance,
            "how": How.NUMERIC.value,
        }


@dataclass(frozen=True, slots=True)
class Connection:
    """An orbit from near one stratum to another, and how it is known.

    `kind` is the block of the unstable direction (`directions`); without blocks `eigenvector`,
    `plane` (of a pair) or `floquet` (of a cycle); `generic` for starts displaced anywhere in the
    unstable eigenspace. `tolerance` is the relative one of the integration. `runs` such starts
    agreed; `eps`, `distance` (in units of p, or of the node), `residual`, `time` and the strata
    `passed` are those of the first.
    """

    source: str
    target: str
    how: How
    kind: str
    direction: str
    runs: int
    eps: float
    distance: float
    residual: float
    time: float
    passed: tuple[str, ...] = ()
    tolerance: float = 1e-7

    def to_json(self) -> dict[str, object]:
        """Return the entry of `edges`."""
        return {
            "from": self.source,
            "to": self.target,
            "how": self.how.value,
            "kind": self.kind,
            "direction": self.direction,
            "runs": self.runs,
            "eps": self.eps,
            "distance": self.distance,
            "residual": self.residual,
            "time": self.time,
            "passed": list(self.passed),
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class ConnectionGraph:
    """Strata and the connections between them; the sinks are the attractors.

    `unsettled` counts, for each stratum, the runs that arrived nowhere within the time limit, and
    `outside` those that led to a stratum that is not listed.
    """

    model: Model
    nodes: tuple[Node, ...]
    connections: tuple[Connection, ...]
    unsettled: Mapping[str, int] = field(default_factory=dict)
    outside: Mapping[str, int] = field(default_factory=dict)
    total: int | None = None
    complete: bool = True
    why: str = ""
    runs: int = 0
    order: LearningOrder | None = None
    seconds: float = field(compare=False, default=0.0)

    def __post_init__(self) -> None:
        leaving = {connection.source for connection in self.connections}
        for node in self.nodes:
            open_ends = node.id in self.unsettled or node.id in self.outside
            if node.flow is Verdict.STABLE and (node.id in leaving or node.index):
                raise ConsistencyError(f"{node.id} is stable, but an unstable direction leaves it")
            if node.flow is Verdict.UNSTABLE and node.id not in leaving and not open_ends:
                raise ConsistencyError(f"{node.id} is unstable, but nothing leaves it")

    def node(self, name: str) -> Node:
        """Return the node with this id; raises `KeyError` when it is not listed."""
        for node in self.nodes:
            if node.id == name:
                return node
        raise KeyError(name)

    @property
    def sinks(self) -> tuple[str, ...]:
        """Return the attractors: stable strata, which no connection leaves."""
        return tuple(node.id for node in self.nodes if node.flow is Verdict.STABLE)

    @property
    def cycles(self) -> tuple[Node, ...]:
        """Return the limit cycles among the nodes."""
        return tuple(node for node in self.nodes if node.kind == "cycle")

    @property
    def degenerate(self) -> tuple[str, ...]:
        """Return the strata whose linear part decides nothing."""
        return tuple(node.id for node in self.nodes if node.flow is Verdict.UNDECIDED)

    @property
    def decided(self) -> bool:
        """Return whether every run arrived and every stratum has a verdict."""
        return not self.unsettled and not self.degenerate

    @cached_property
    def digraph(self) -> nx.DiGraph[str]:
        """Return the graph with scalar attributes; an edge carries its best-known connection."""
        import networkx as nx

        graph: nx.DiGraph[str] = nx.DiGraph(procedure=self.model.procedure)
        sinks = set(self.sinks)
        for node in self.nodes:
            values = {k: v for k, v in node.to_json().items() if k != "id" and v is not None}
            values["sink"] = node.id in sinks
            graph.add_node(node.id, **_scalars(values))
        for connection in sorted(self.connections, key=_preference):
            if not graph.has_edge(connection.source, connection.target):
                values = connection.to_json()
                del values["from"], values["to"]
                graph.add_edge(connection.source, connection.target, **_scalars(values))
            else:
                edge = graph.edges[connection.source, connection.target]
                edge["also"] = "; ".join(filter(None, [edge.get("also"), connection.direction]))
        return graph

    def backbone(self) -> list[Connection]:
        """Return one connection for every edge that no path of other edges implies."""
        import networkx as nx

        graph = self.digraph
        reduced = graph
        if nx.is_directed_acyclic_graph(graph):
            reduced = nx.transitive_reduction(graph)
        best: dict[tuple[str, str], Connection] = {}
        for connection in sorted(self.connections, key=_preference):
            best.setdefault((connection.source, connection.target), connection)
        return [c for edge, c in best.items() if reduced.has_edge(*edge)]

    def to_json(self) -> dict[str, object]:
        """Return the object of schema `noncollapse/graph/1`."""
        from equilibria.systems.model_json import moments_json, parameters_json

        return {
            "schema": SCHEMA,
            "procedure": self.model.procedure,
            "parameters": parameters_json(self.model),
            "moments": moments_json(self.model),
            "nodes": [node.to_json() for node in self.nodes],
            "edges": [connection.to_json() for connection in self.connections],
            "sinks": list(self.sinks),
            "degenerate": list(self.degenerate),
            "unsettled": dict(self.unsettled),
            "outside": dict(self.outside),
            "strata_total": self.total,
            "complete": {"value": self.complete, "why": self.why},
            "itinerary": None if self.order is None else self.order.to_json(),
        }


def _preference(connection: Connection) -> tuple[bool, int, str, str, str]:
    return (
        connection.how is not How.PROVED,
        KINDS.index(connection.kind),
        connection.source,
        connection.target,
        connection.direction,
    )


def _scalars(values: Mapping[str, object]) -> dict[str, object]:
    """Return lists as text: GraphML knows scalars only."""
    return {
        key: " ".join(map(str, value)) if isinstance(value, list) else value
        for key, value in values.items()
    }


@dataclass(frozen=True, slots=True)
class Stop:
    """A stratum on the way: the time of closest approach, and how near it was (in gaps)."""

    id: str
    time: float
    distance: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the entry of `stops`."""
        return {"id": self.id, "time": self.time, "distance": self.distance}


@dataclass(frozen=True, slots=True)
class Itinerary:
    """One run: the strata that it passes, in order; `end` is None when it did not settle."""

    run: int
    stops: tuple[Stop, ...]
    end: str | None
    time: float

    @property
    def names(self) -> tuple[str, ...]:
        """Return the ids in order."""
        return tuple(stop.id for stop in self.stops)

    def to_json(self) -> dict[str, object]:
        """Return the entry of `runs`."""
        return {
            "run": self.run,
            "stops": [stop.to_json() for stop in self.stops],
            "end": self.end,
            "time": self.time,
        }


@dataclass(frozen=True, slots=True)
class Threshold:
    """A scale of the first run above which it ends elsewhere, and what it passes just above."""

    scale: float
    below: str
    above: str
    stops: tuple[Stop, ...]

    def to_json(self) -> dict[str, object]:
        """Return the entry of `thresholds`."""
        return {
            "scale": self.scale,
            "below": self.below,
            "above": self.above,
            "stops": [stop.to_json() for stop in self.stops],
        }


@dataclass(frozen=True, slots=True)
class LearningOrder:
    """The itineraries of runs from one scale; `ladder` counts the ends from every scale tried."""

    init: str
    scale: float
    seed: int
    runs: tuple[Itinerary, ...]
    ladder: tuple[tuple[float, tuple[tuple[str, int], ...]], ...] = ()
    thresholds: tuple[Threshold, ...] = ()

    def common(self) -> list[tuple[tuple[str, ...], int]]:
        """Return the itineraries with their counts, the most frequent first."""
        counts = Counter(run.names for run in self.runs)
        return sorted(counts.items(), key=lambda item: (-item[1], item[0]))

    def to_json(self) -> dict[str, object]:
        """Return the object `itinerary`."""
        return {
            "init": self.init,
            "scale": self.scale,
            "seed": self.seed,
            "how": "numeric",
            "runs": [run.to_json() for run in self.runs],
            "ladder": [{"scale": scale, "ends": dict(ends)} for scale, ends in self.ladder],
            "thresholds": [threshold.to_json() for threshold in self.thresholds],
        }
