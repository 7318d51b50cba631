"""Connection graphs against hand calculations, dense Jacobians, the potential, and other routes."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from equilibria.data.moments import Moments
from equilibria.errors import ConsistencyError, ScopeError
from equilibria.graph import ConnectionGraph, connection_graph, graph_lines, starts
from equilibria.graph.directions import Direction, blocks_of, directions_of
from equilibria.graph.landscape import Block, Landscape
from equilibria.graph.result import Node
from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import How, Verdict
from tests import dense

E7 = Moments.isotropic(signal=["7/10", "13/20", "1/2"], variance=1)
E8 = Moments.commuting(signal=["1/20", "13/200", "3/10"], total=["1/18", "1/10", "2"])
MIXED = Moments.commuting(signal=["11", "11/29"], total=["2", "1/29"])
SIGNED = Moments.isotropic(signal=["1", "-3/4", "1/2"], variance=1)
SINGLE = Model(
    moments=Moments.isotropic(signal=["7/10"], variance=1), embed_dim=1, weight_decay="1/10"
)

MODELS = {
    "default": Model(),
    "ema": Model(procedure="ema"),
    "alpha": Model(predictor_lr=4, embed_dim=3),
    "isotropic": Model(moments=E7, embed_dim=3, weight_decay="1/10"),
    "isotropic, three modes": Model(
        moments=Moments.isotropic(signal=[1, "3/4", "1/2"], variance=1), weight_decay="1/20"
    ),
    "signed": Model(moments=SIGNED, weight_decay="1/20"),
    "unequal": Model(predictor_lr="1/10", predictor_weight_decay="1/200"),
}


@pytest.fixture(scope="module")
def graphs() -> dict[str, ConnectionGraph]:
    return {name: connection_graph(model) for name, model in MODELS.items()}


def edges(graph: ConnectionGraph) -> set[tuple[str, str]]:
    return {(c.source, c.target) for c in graph.connections}


def test_the_default_model_has_three_attractors_among_nine_strata(graphs) -> None:
    graph = graphs["default"]
    assert len(graph.nodes) == 9
    assert graph.sinks == ("rank2:1+,2+", "rank1:1+", "rank0")
    assert graph.decided
    assert not graph.outside


@pytest.mark.parametrize("name", MODELS)
def test_every_index_counts_the_positive_eigenvalues_of_the_dense_jacobian(name, graphs) -> None:
    check_indices(graphs[name], MODELS[name])


def check_indices(graph: ConnectionGraph, model: Model) -> None:
    from equilibria.varieties.commuting.variety import aligned_variety

    for component in aligned_variety(model).components:
        values = dense.spectrum(component, model)
        unstable = int((values.real > 1e-7 * np.abs(values).max()).sum())
        assert graph.node(component.id).index == unstable, component.id


@pytest.mark.parametrize("name", MODELS)
def test_sinks_are_the_stable_strata_and_nothing_leaves_them(name, graphs) -> None:
    graph = graphs[name]
    stable = {node.id for node in graph.nodes if node.flow is Verdict.STABLE}
    without_exit = {n for n in graph.digraph if graph.digraph.out_degree(n) == 0}
    assert set(graph.sinks) == stable == without_exit


@pytest.mark.parametrize("name", ["isotropic", "isotropic, three modes"])
def test_the_potential_falls_along_every_connection(name, graphs) -> None:
    graph = graphs[name]
    assert len(graph.connections) > 10
    for connection in graph.connections:
        high, low = (graph.node(end).potential for end in (connection.source, connection.target))
        assert high is not None
        assert low is not None
        assert high > low, connection


@pytest.mark.parametrize("name", [name for name in MODELS if name != "unequal"])
def test_the_rank_never_rises_along_a_connection(name, graphs) -> None:
    graph = graphs[name]
    for connection in graph.connections:
        assert graph.node(connection.source).rank >= graph.node(connection.target).rank


def test_indices_of_the_isotropic_example_are_those_computed_by_hand(graphs) -> None:
    # p = (1/2, 2/5), p- = (1/5, 1/4); mode 3 has no real root. Pair roots: -q (1 - eta/(p_i p_j)).
    graph = graphs["isotropic"]
    assert graph.node("rank2:1-,2+").p == ("1/5", "2/5")
    expected = {
        "rank0": 0, "rank1:1+": 0, "rank2:1+,2+": 0, "rank1:1-": 1, "rank1:2+": 1,
        "rank2:1+,2-": 1, "rank1:2-": 2, "rank2:1-,2+": 2, "rank2:1-,2-": 3,
    }  # fmt: skip
    assert {node.id: node.index for node in graph.nodes} == expected


def test_the_lower_root_of_one_mode_leads_up_and_down() -> None:
    # p (p (7/10 - p) - 1/10) on the balanced line: rate eta - p^2 s = 3/50 at p- = 1/5.
    graph = connection_graph(SINGLE)
    assert {(c.source, c.target, c.how) for c in graph.connections if c.kind == "diagonal"} == {
        ("rank1:1-", "rank1:1+", How.PROVED),
        ("rank1:1-", "rank0", How.PROVED),
    }
    assert graph.node("rank1:1-").potential == pytest.approx(13 / 1500)
    land = Landscape(SINGLE)
    ((block, count),) = blocks_of(land, (land.states[1],))
    (direction,) = directions_of(land, block, count)
    assert direction.rate == pytest.approx(3 / 50)
    assert direction.P[0, 0] == pytest.approx(direction.W[0, 0])
    assert direction.P[0, 0] > 0


@pytest.mark.slow
def test_attractors_of_the_example_without_a_chain() -> None:
    graph = connection_graph(Model(moments=E8, embed_dim=3, weight_decay="1/100"))
    named = {node.modes for node in graph.nodes if node.id in graph.sinks}
    assert named == {(), (1,), (3,), (1, 3), (1, 2), (1, 2, 3)}
    assert ("rank1:2+", "rank1:1+") in edges(graph)  # 2/5 lies in [3/10, 3/5]


def test_modes_of_either_sign_are_learned_side_by_side(graphs) -> None:
    assert graphs["signed"].sinks == ("rank2:1+,2+", "rank2:1+,3+", "rank1:1+", "rank1:2+", "rank0")
    assert ("rank1:3+", "rank1:1+") in edges(graphs["signed"])
    assert ("rank1:3+", "rank1:2+") not in edges(graphs["signed"])


def test_stop_gradient_and_ema_have_the_same_proved_connections(graphs) -> None:
    proved = [
        {(c.source, c.target) for c in graphs[name].connections if c.how is How.PROVED}
        for name in ("default", "ema")
    ]
    assert proved[0] == proved[1]
    assert len(proved[0]) == 12


def test_unequal_decays_are_never_called_proved(graphs) -> None:
    assert {c.how for c in graphs["unequal"].connections} == {How.NUMERIC}


@pytest.mark.slow
def test_mixed_equilibria_are_saddles_with_two_unstable_directions() -> None:
    model = Model(moments=MIXED, weight_decay=1)
    graph = connection_graph(model)
    check_indices(graph, model)
    ends = {name: {t for s, t in edges(graph) if s == name} for name in ("rank2:a", "rank2:b")}
    assert [graph.node(name).index for name in ends] == [2, 2]
    assert ends["rank2:a"] == ends["rank2:b"] != set()  # mirror images


def test_a_rotation_into_a_stronger_mode_agrees_with_scipy(graphs) -> None:
    """Integrate the polynomials from rank1:2+ with a trace of mode 1, by another integrator."""
    from scipy.integrate import solve_ivp

    from equilibria.varieties.commuting.variety import aligned_variety

    model = MODELS["default"]
    system = procedure(model.procedure).build(model)
    component = next(c for c in aligned_variety(model).components if c.id == "rank1:2+")
    point = dense.state_of(component, system, "flow")
    point["W_1_1"] += 1e-3

    def flow(_: float, y: np.ndarray) -> list[float]:
        return list(system.evaluate(dict(zip(point, y.tolist(), strict=True)), "flow").values())

    end = solve_ivp(flow, (0, 900), list(point.values()), method="LSODA", rtol=1e-8, atol=1e-11)
    found = dict(zip(point, end.y[:, -1], strict=True))
    target = next(c for c in aligned_variety(model).components if c.id == "rank1:1+")
    gram = sum(found[f"W_{i}_1"] ** 2 for i in (1, 2))
    assert gram == pytest.approx(entry_float(target.representative["W"][0][0]) ** 2, rel=1e-4)
    assert max(abs(found[f"W_{i}_2"]) for i in (1, 2)) < 1e-4
    assert ("rank1:2+", "rank1:1+") in edges(graphs["default"])


def test_sets_of_modes_evolve_independently() -> None:
    """P and W block diagonal: a block does what it does alone (the ground of `directions`)."""
    from equilibria.systems.numeric import MatrixDynamics

    model = Model(moments=E7, embed_dim=3, weight_decay="1/10")
    random = np.random.default_rng(3)
    W, P = np.zeros((1, 3, 3)), np.zeros((1, 3, 3))
    W[0, :2, :2], W[0, 2, 2] = random.normal(size=(2, 2)), 0.3
    P[0, :2, :2], P[0, 2, 2] = random.normal(size=(2, 2)), 0.2
    both, alone = MatrixDynamics(model, 1), MatrixDynamics(model, 1)
    out, single = np.empty((1, both.size)), np.empty((1, both.size))
    both.flow(both.pack(W, P), out)
    W[0, 2], P[0, 2] = 0.0, 0.0
    alone.flow(alone.pack(W, P), single)
    for moved, only in zip(both.unpack(out)[:2], alone.unpack(single)[:2], strict=True):
        assert np.array_equal(moved[0, :2, :2], only[0, :2, :2])
        assert not moved[0, :2, 2].any()
        assert not moved[0, 2, :2].any()
        assert not only[0, 2].any()


def test_a_smaller_step_shows_the_same_connections(graphs, monkeypatch) -> None:
    monkeypatch.setattr(starts, "EPSILON", 1e-4)
    again = connection_graph(MODELS["default"])
    wanted = [
        {(c.source, c.target, c.kind) for c in g.connections if c.kind != "generic"}
        for g in (graphs["default"], again)
    ]
    assert wanted[0] == wanted[1]


def test_equal_arguments_give_equal_graphs(graphs) -> None:
    again = connection_graph(MODELS["default"])
    assert again == graphs["default"]
    assert again.to_json() == graphs["default"].to_json()


def test_equal_modes_are_one_family() -> None:
    model = Model(moments=Moments.isotropic(signal=[1, 1], variance=1))
    graph = connection_graph(model)
    assert [node.id for node in graph.nodes if node.rank == 1] == ["rank1:1+", "rank1:1-"]
    assert graph.sinks == ("rank2:1+,2+", "rank1:1+", "rank0")
    assert ("rank2:1-,2-", "rank2:1+,2-") in edges(graph)


def test_measured_moments_give_the_graph_of_their_modes() -> None:
    rotation = np.array([[0.8, -0.6], [0.6, 0.8]])
    sigma, m = (rotation @ np.diag(v) @ rotation.T for v in ([1.25, 1.0], [1.0, 0.75]))
    graph = connection_graph(Model(moments=Moments.dense(sigma, m)))
    assert graph.sinks == ("rank2:1+,2+", "rank1:1+", "rank0")
    assert {node.index_how for node in graph.nodes} == {How.NUMERIC, How.PROVED}


def test_a_fold_is_degenerate_and_leaves_the_question_open() -> None:
    moments = Moments.isotropic(signal=[1, "1/2"], variance=1)
    graph = connection_graph(Model(moments=moments, weight_decay="1/16"))
    assert graph.degenerate == ("rank2:1+,2+",)
    assert not graph.decided


def test_above_the_threshold_collapse_is_alone() -> None:
    graph = connection_graph(Model(weight_decay=1))
    assert [node.id for node in graph.nodes] == ["rank0"]
    assert not graph.connections


def test_joint_training_has_collapse_alone() -> None:
    assert connection_graph(Model(procedure="joint")).sinks == ("rank0",)


def test_a_short_list_says_what_leads_outside() -> None:
    model = Model(moments=Moments.commuting(signal=[1, "3/4", "9/16"]), weight_decay="1/50")
    whole, cut = connection_graph(model), connection_graph(model, max_components=12)
    assert len(cut.nodes) == 12 < len(whole.nodes) == cut.total
    assert sum(cut.outside.values()) > 0
    assert edges(cut) <= edges(whole)


@pytest.mark.parametrize(
    ("model", "word"),
    [
        (Model(procedure="contrastive"), "contrastive"),
        (Model(procedure="direct-pred"), "direct-pred"),
        (Model(weight_decay=0), "--weight-decay 0"),
        (Model(predictor_weight_decay=0), "--predictor-weight-decay 0"),
        (
            Model(
                moments=Moments.dense([[2, 0], [0, 1]], [[1, "1/4"], ["1/4", "1/2"]]), embed_dim=5
            ),
            "do not commute",
        ),
    ],
)
def test_models_without_a_graph_are_refused_with_a_hint(model: Model, word: str) -> None:
    with pytest.raises(ScopeError, match=word) as caught:
        connection_graph(model)
    assert caught.value.hint


def test_a_stable_stratum_with_an_exit_is_a_contradiction(graphs) -> None:
    graph = graphs["default"]
    turned = tuple(
        Node(**{**{f: getattr(n, f) for f in n.__dataclass_fields__}, "flow": Verdict.STABLE})
        for n in graph.nodes
    )
    with pytest.raises(ConsistencyError, match="unstable direction leaves it"):
        ConnectionGraph(graph.model, turned, graph.connections)
    with pytest.raises(ConsistencyError, match="nothing leaves it"):
        ConnectionGraph(graph.model, graph.nodes, graph.connections[:4])


def test_a_wrong_count_of_unstable_directions_is_noticed() -> None:
    land = Landscape(SINGLE)
    with pytest.raises(ConsistencyError, match="by exact signs"):
        directions_of(land, Block("diagonal", (land.states[0],)), 1)
    assert land.eta == float(Fraction(1, 10))


def test_directions_that_doubles_do_not_see_leave_orbits_out_and_say_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def blind(*_: object) -> list[Direction]:
        raise ConsistencyError("1 unstable direction by exact signs, but the eigenvalues are -0.1")

    monkeypatch.setattr("equilibria.graph.connect.directions_of", blind)
    graph = connection_graph(Model())
    assert not graph.decided
    assert set(graph.unsettled) == {node.id for node in graph.nodes if node.index}
    assert "did not settle" in "\n".join(graph_lines(graph))


def test_an_orbit_that_ends_elsewhere_than_is_proved_is_not_called_proved(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("equilibria.graph.connect._Survey._as_proved", lambda *_: False)
    graph = connection_graph(Model())
    assert not graph.decided
    assert all(connection.how is How.NUMERIC for connection in graph.connections)
