"""Connection graphs of moments that do not commute: limit cycles are sinks, every edge is a run."""

from __future__ import annotations

import io
import json
from fractions import Fraction

import networkx as nx
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from equilibria.cycles.examples import e5
from equilibria.data.moments import Moments
from equilibria.errors import ScopeError
from equilibria.graph import (
    ConnectionGraph,
    connection_graph,
    draw_graph,
    graph_lines,
    write_graphml,
)
from equilibria.systems.model import Model
from equilibria.varieties.component import How, Verdict
from equilibria.varieties.noncommuting.variety import general_variety

E10 = Moments.dense([[2, 0], [0, 1]], [[1, "1/4"], ["1/4", "1/2"]])


@pytest.fixture(scope="module")
def model() -> Model:
    moments, decay = e5(Fraction(1, 28))
    return Model(moments=moments, embed_dim=2, weight_decay=decay)


@pytest.fixture(scope="module")
def graph(model: Model) -> ConnectionGraph:
    return connection_graph(model)


def targets(graph: ConnectionGraph, name: str) -> set[str]:
    return {c.target for c in graph.connections if c.source == name}


def test_the_limit_cycle_of_e5_is_a_sink_that_the_unstable_focus_leads_to(graph) -> None:
    (cycle,) = graph.cycles
    assert cycle.id in graph.sinks
    assert cycle.flow is Verdict.STABLE
    assert cycle.period == pytest.approx(0.523187, abs=1e-6)  # T9.3, E5
    assert cycle.amplitude[0] == pytest.approx((0.896051, 1.227976), abs=1e-6)
    assert sorted(np.abs(cycle.multipliers))[-2] == pytest.approx(0.032, abs=5e-4)
    focus = max(graph.nodes, key=lambda n: n.kind == "equilibrium" and n.id == "rank2:a")
    assert focus.index == 2
    assert targets(graph, "rank2:a") == {cycle.id}
    assert any(c.kind == "plane" and "17.32i" in c.direction for c in graph.connections)


def test_edges_are_numeric_and_say_to_what_tolerance(graph) -> None:
    assert {c.how for c in graph.connections} == {How.NUMERIC}
    assert all(0 < c.tolerance <= 1e-6 and c.time > 0 and c.eps > 0 for c in graph.connections)
    assert not any(c.source in graph.sinks for c in graph.connections)
    assert all(c.distance <= 1e-3 for c in graph.connections)


def test_both_sides_of_a_separating_saddle_end_differently(graph) -> None:
    """Index 1 and two attractors: rank2:b separates the cycle from rank 1, rank1:d from collapse."""
    assert targets(graph, "rank2:b") == {"cycle:a", "rank1:a"}
    assert targets(graph, "rank1:d") == {"rank0", "rank1:a"}


def test_an_integration_that_knows_nothing_of_the_graph_agrees(model, graph) -> None:
    """The full n x n system from beside every unstable component, by another integrator."""
    sigma, m = (np.array(matrix) for matrix in model.moments.matrices())
    eta, rng = 1 / 16, np.random.default_rng(5)
    cycle = graph.cycles[0]
    components = {c.id: c for c in general_variety(model).components}

    def field(_: float, x: np.ndarray) -> np.ndarray:
        P, W = x[:4].reshape(2, 2), x[4:].reshape(2, 2)
        R = W @ m - P @ W @ sigma
        return np.concatenate([(R @ W.T - eta * P).ravel(), (P.T @ R - eta * W).ravel()])

    for name in ("rank2:a", "rank1:b"):
        point = components[name].representative
        x = np.concatenate([np.ravel(np.array(point[key], dtype=float)) for key in "PW"])
        live = np.abs(x) > 0  # rows beyond the rank stay zero on the unstable manifold
        x = x + 1e-3 * np.linalg.norm(x) * live * rng.standard_normal(8)
        end = 10 if targets(graph, name) == {cycle.id} else 200
        done = solve_ivp(field, (0, end), x, method="BDF", rtol=1e-6, atol=1e-10)
        late = done.y[4:, done.t > 0.8 * end]
        G11 = late[0] ** 2 + late[2] ** 2
        if targets(graph, name) == {cycle.id}:
            assert G11.min() == pytest.approx(cycle.amplitude[0][0], rel=1e-2)
            assert G11.max() == pytest.approx(cycle.amplitude[0][1], rel=1e-2)
        else:
            assert np.ptp(G11) < 1e-4 * G11.max()


def test_every_form_of_the_graph_has_the_cycle(graph, tmp_path) -> None:
    data = json.loads(json.dumps(graph.to_json(), allow_nan=False))
    assert data["schema"] == "noncollapse/graph/1"
    (cycle,) = [node for node in data["nodes"] if node["kind"] == "cycle"]
    assert {"period", "amplitude", "multipliers", "tolerance"} <= set(cycle)
    assert "cycle:a" in data["sinks"]
    write_graphml(graph, tmp_path / "g.graphml")
    back = nx.read_graphml(tmp_path / "g.graphml")
    assert back.nodes["cycle:a"]["kind"] == "cycle"
    assert back.nodes["cycle:a"]["sink"] is True
    lines = graph_lines(graph)
    assert any("|multipliers| 1, 0.03178, < 1e-6, < 1e-6 [numeric]" in line for line in lines)
    assert any("1 limit cycle" in line for line in lines)
    assert any("cycle:a" in line and "period 0.523187" in line for line in lines)
    assert max(map(len, lines)) <= 100
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        draw_graph(graph, stream, "svg")
    assert streams[0].getvalue() == streams[1].getvalue()
    assert b'id="node:cycle:a"' in streams[0].getvalue()


@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
def test_without_a_focus_every_attractor_is_an_equilibrium(name: str) -> None:
    """E10: one unstable direction at the lower root of the pencil, collapse on one side (T7.6)."""
    graph = connection_graph(Model(procedure=name, moments=E10, weight_decay="1/20"))
    assert not graph.cycles
    assert set(graph.sinks) == {n.id for n in graph.nodes if n.index == 0}
    lowest = max((n for n in graph.nodes if n.index), key=lambda n: (n.rank == 1, n.id))
    assert "rank0" in targets(graph, lowest.id)


def test_indices_count_the_unstable_eigenvalues_of_the_report(model, graph) -> None:
    for component in general_variety(model).components:
        values = [e for e in component.flow.spectrum if e.exact is None and e.value.real > 1e-6]
        assert graph.node(component.id).index == sum(e.multiplicity for e in values)


@pytest.mark.parametrize("n", [5, 9])
def test_large_sizes_are_refused_in_one_line(n: int) -> None:
    with pytest.raises(ScopeError, match=f"--embed-dim {n}.*at most 4") as caught:
        connection_graph(Model(moments=E10, embed_dim=n))
    assert "\n" not in str(caught.value)
