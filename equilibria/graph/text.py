"""The graph in words: a sentence, the strata by index, the connections, the learning order."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from equilibria.cycles.report import multiplier
from equilibria.graph.result import Connection, ConnectionGraph, LearningOrder, Node
from equilibria.varieties.component import How
from equilibria.varieties.listing import shortened

WIDTH = 100
MOST_EDGES = 64
MOST_LADDER = 24


def graph_lines(graph: ConnectionGraph, *, every: bool = False) -> list[str]:
    """Return the lines that the command prints; `every` lists the connections that paths imply."""
    lines = [*_heading(graph), "", _sentence(graph), ""]
    lines += _node_lines(graph)
    lines += [line for node in graph.cycles for line in _cycle_lines(node)]
    lines += ["", *_edge_lines(graph, every=every)]
    lines += _footnotes(graph)
    if graph.order is not None:
        lines += ["", *order_lines(graph.order)]
    return [line[:WIDTH].rstrip() for line in lines]


def _heading(graph: ConnectionGraph) -> list[str]:
    from equilibria.systems.model_text import moments_line

    model = graph.model
    rates = f"η = {model.eta}"
    if model.traits.has_target:
        rates += f"   β = {model.flow_rate}"
    title = model.traits.title
    return [
        f"{title} · encoder {model.n}x{model.d}, predictor {model.n}x{model.n}",
        f"{rates}     {moments_line(model)}",
    ]


def _sentence(graph: ConnectionGraph) -> str:
    sinks, cycles = len(graph.sinks), len(graph.cycles)
    nodes = len(graph.nodes) - cycles
    edges = graph.digraph.number_of_edges()
    listed = "" if graph.total in (None, nodes) else f" of {graph.total}"
    attractors = "1 attractor" if sinks == 1 else f"{sinks} attractors"
    strata = "stratum" if nodes == 1 else "strata"
    if cycles:
        strata += " and 1 limit cycle" if cycles == 1 else f" and {cycles} limit cycles"
    followed = f" ({graph.runs} orbits followed)" if graph.runs else ""
    unclear = graph.degenerate
    extra = f" Undecided: {shortened(unclear)}." if unclear else ""
    return f"{attractors} among {nodes}{listed} {strata}, {edges} connections{followed}.{extra}"


def _node_lines(graph: ConnectionGraph) -> list[str]:
    """Return the strata: sinks first, then by index."""
    sinks = set(graph.sinks)
    lines = ["  index   strata"]
    lines += _wrapped("sinks", [node.id for node in graph.nodes if node.id in sinks])
    rest = [node for node in graph.nodes if node.id not in sinks]
    for index in sorted({node.index for node in rest}):
        lines += _wrapped(str(index), [_marked(node) for node in rest if node.index == index])
    return lines


def _marked(node: Node) -> str:
    return f"{node.id} (degenerate)" if node.flow.value == "undecided" else node.id


def _cycle_lines(node: Node) -> list[str]:
    sizes = ", ".join(multiplier(abs(value)) for value in node.multipliers[:4])
    ranges = "   ".join(
        f"G{j}{j} {low:.5g} to {high:.5g}" for j, (low, high) in enumerate(node.amplitude, 1)
    )
    return [
        "",
        f"  {node.id}   {node.flow.value}, period {node.period:.6g}, |multipliers| {sizes} [numeric]",
        f"            {ranges}",
    ]


def _wrapped(head: str, names: Sequence[str]) -> list[str]:
    lines, line = [], f"  {head:>5}  "
    for name in names:
        if len(line) + len(name) + 1 > WIDTH:
            lines.append(line)
            line = " " * 9
        line += " " + name
    return [*lines, line]


def _edge_lines(graph: ConnectionGraph, *, every: bool) -> list[str]:
    backbone = graph.backbone()
    shown = list(graph.connections) if every else backbone
    if not shown:
        return ["  no connections"]
    wide = max(len(c.source) for c in shown)
    target = max(len(c.target) for c in shown)
    lines = [f"  {'from':<{wide}}    {'to':<{target}}  known    along"]
    order = {node.id: (node.index, k) for k, node in enumerate(graph.nodes)}
    ranked = sorted(shown, key=lambda c: (order[c.source], order[c.target]))
    for connection in ranked[:MOST_EDGES]:
        known = "proved " if connection.how is How.PROVED else "numeric"
        lines.append(
            f"  {connection.source:<{wide}} -> {connection.target:<{target}}  {known}  "
            f"{connection.direction}{_passing(connection)}"
        )
    if len(ranked) > MOST_EDGES:
        lines.append(f"  ... and {len(ranked) - MOST_EDGES} more; --json has all of them")
    implied = graph.digraph.number_of_edges() - len(backbone)
    if implied and not every:
        lines += [
            "",
            f"  {implied} more connections are implied by paths of these; --json has them",
        ]
    return lines


def _passing(connection: Connection) -> str:
    return f", passing {', '.join(connection.passed)}" if connection.passed else ""


def _footnotes(graph: ConnectionGraph) -> list[str]:
    lines = [
        "",
        "  proved   p- leads up to p+ and down to 0 in one mode's plane, others at rest (T12.1)",
        f"  numeric  {_numeric(graph)}",
    ]
    if all(connection.how is not How.PROVED for connection in graph.connections):
        del lines[1]
    if not graph.connections:
        lines = []
    for name, count in graph.unsettled.items():
        lines.append(f"  {name}: {count} orbits did not settle; what they connect is undecided")
    if graph.outside:
        total = sum(graph.outside.values())
        lines.append(f"  {total} orbits lead to strata that are not listed (--max-components)")
    if not graph.complete and graph.why:
        lines.append(f"  not all equilibria may be listed: {graph.why}")
    return lines


def _numeric(graph: ConnectionGraph) -> str:
    if graph.model.moments.commute:
        return "the flow, from a thousandth of the gap along the direction, until it settles"
    tolerance = graph.connections[0].tolerance if graph.connections else 0.0
    return (
        "the flow, integrated to "
        f"{tolerance:.0e} from a thousandth away along the direction until it stays"
    )


def order_lines(order: LearningOrder) -> list[str]:
    """Return the learning order in words."""
    count = len(order.runs)
    runs = "1 run" if count == 1 else f"{count} runs"
    lines = [f"{runs} from {order.init} W, P at scale {order.scale:g} pass [numeric]"]
    for path, times in order.common():
        lines.append(f"  {times:>4} x  {' -> '.join(path) or 'nothing'}")
    if order.thresholds:
        lines += ["", "the first run, started just above each of its thresholds, passes [numeric]"]
        for threshold in order.thresholds:
            names = " -> ".join(stop.id for stop in threshold.stops)
            lines.append(f"  scale > {threshold.scale:<10.6g} {names}")
    if len(order.ladder) > 1:
        lines += ["", "  from scale  ends"]
        lines += _ladder_lines(order)[:MOST_LADDER]
    return lines


def _ladder_lines(order: LearningOrder) -> list[str]:
    """Return one line for every change of the ends along the ladder."""
    lines: list[str] = []
    before = None
    for scale, ends in order.ladder:
        if ends != before:
            found = Counter(dict(ends))
            words = ", ".join(f"{number} x {name}" for name, number in found.most_common())
            lines.append(f"  {scale:<10.3g}  {words}")
        before = ends
    return lines
