"""JSON, GraphML, text and drawing of connection graphs."""

from __future__ import annotations

import io
import json
from pathlib import Path

import networkx as nx
import pytest

from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.graph import (
    ConnectionGraph,
    connection_graph,
    draw_graph,
    graph_lines,
    learning_order,
    write_graphml,
)
from equilibria.graph.figure import graph_figure
from equilibria.graph.layout import Layout, layout
from equilibria.systems.model import Model


@pytest.fixture(scope="module")
def graph() -> ConnectionGraph:
    order = learning_order(Model(), runs=2, scale=0.3)
    return connection_graph(Model(), order=order)


@pytest.fixture(scope="module")
def large() -> ConnectionGraph:
    moments = Moments.commuting(signal=[1, "3/4", "9/16"])
    return connection_graph(Model(moments=moments, embed_dim=3, weight_decay="1/100"))


def test_json_carries_its_schema_and_only_plain_finite_data(graph: ConnectionGraph) -> None:
    data = json.loads(json.dumps(graph.to_json(), allow_nan=False))
    assert data["schema"] == "noncollapse/graph/1"
    assert data["sinks"] == ["rank2:1+,2+", "rank1:1+", "rank0"]
    names = {node["id"] for node in data["nodes"]}
    assert all({edge["from"], edge["to"]} <= names for edge in data["edges"])
    assert all(edge["how"] in ("proved", "numeric") for edge in data["edges"])
    assert all(edge["eps"] > 0 and edge["time"] > 0 for edge in data["edges"])
    assert len(data["itinerary"]["runs"]) == 2


def test_graphml_comes_back_as_it_went(graph: ConnectionGraph, tmp_path: Path) -> None:
    path = tmp_path / "strata.graphml"
    write_graphml(graph, path)
    back = nx.read_graphml(path)
    assert back.is_directed()
    assert dict(back.nodes(data=True)) == dict(graph.digraph.nodes(data=True))
    assert {(u, v): data for u, v, data in back.edges(data=True)} == {
        (u, v): data for u, v, data in graph.digraph.edges(data=True)
    }
    assert back.nodes["rank2:1-,2-"]["index"] == 3
    assert back.nodes["rank0"]["sink"] is True


def test_graphml_into_a_missing_folder_names_the_option(graph: ConnectionGraph, tmp_path) -> None:
    with pytest.raises(FormatError, match="--graphml"):
        write_graphml(graph, tmp_path / "no" / "x.graphml")
    assert list(tmp_path.iterdir()) == []


def test_the_backbone_implies_every_connection(large: ConnectionGraph) -> None:
    backbone = nx.DiGraph([(c.source, c.target) for c in large.backbone()])
    whole = nx.transitive_closure(large.digraph)
    assert set(nx.transitive_closure(backbone).edges) == set(whole.edges)


def test_text_leads_with_the_answer_and_fits(graph: ConnectionGraph, large) -> None:
    lines = graph_lines(graph)
    assert lines[3].startswith("3 attractors among 9 strata")
    sinks = next(line for line in lines if line.lstrip().startswith("sinks"))
    assert sinks.split()[1:] == ["rank2:1+,2+", "rank1:1+", "rank0"]
    assert any("rank1:2+" in s and "numeric" in s and "input 1 at 2+" in s for s in lines)
    assert max(map(len, [*lines, *graph_lines(large), *graph_lines(large, every=True)])) <= 100


def test_the_drawing_is_the_same_every_time(graph: ConnectionGraph) -> None:
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        draw_graph(graph, stream, "svg")
    assert streams[0].getvalue() == streams[1].getvalue()
    assert streams[0].getvalue().count(b'id="node:') == 9
    with pytest.raises(FormatError, match="--plot"):
        draw_graph(graph, io.BytesIO(), "pdf")


def test_no_two_nodes_of_a_large_drawing_overlap(large: ConnectionGraph) -> None:
    plan = layout(large)
    assert len(plan.places) == 27
    for name, (x, y) in plan.places.items():
        half = plan.half(name)
        assert half[0] < x < plan.size[0] - half[0]
        for other, (u, v) in plan.places.items():
            width = half[0] + plan.half(other)[0]
            assert other == name or abs(x - u) > width or abs(y - v) > 2 * half[1]


def test_labels_stay_inside_their_boxes(large: ConnectionGraph) -> None:
    figure = graph_figure(large)
    figure.canvas.draw()
    plan: Layout = layout(large)
    labels = {plan.places[name]: name for name in plan.places}
    inches = figure.dpi
    found = 0
    for text in figure.axes[0].texts:
        x, y = text.get_position()
        name = labels.get((x, y + 0.005))
        if name is None:
            continue
        found += 1
        box = text.get_window_extent()
        assert box.width / inches < 2 * plan.half(name)[0]
        assert box.height / inches < 2 * plan.half(name)[1]
    assert found == 27


def test_a_lone_collapse_can_be_drawn_and_told() -> None:
    graph = connection_graph(Model(weight_decay=1))
    stream = io.BytesIO()
    draw_graph(graph, stream, "png")
    assert stream.getvalue()[:4] == b"\x89PNG"
    assert "1 attractor among 1 stratum, 0 connections." in graph_lines(graph)
