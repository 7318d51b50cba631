"""Phase diagrams of moments that do not commute: E6's window of beta, E5's cycles and folds."""

from __future__ import annotations

import io
import json
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from equilibria.cycles.examples import e5, e6
from equilibria.cycles.setting import of_model
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.phase import make_axis, parse_axis
from equilibria.phase.branches import Branch, follow_branches
from equilibria.phase.crossings import line_crossings
from equilibria.phase.general import GeneralDiagram, general_diagram
from equilibria.phase.general_text import draw_general, general_lines
from equilibria.phase.margins import Margins, kind_of
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting import dense

E10 = Moments.dense([[2, 0], [0, 1]], [[1, "1/4"], ["1/4", "1/2"]])


def e6_model() -> Model:
    moments, decay = e6()
    return Model(procedure="ema", moments=moments, embed_dim=3, weight_decay=decay, ema="0.99")


def full_rank(model: Model) -> Branch:
    setting = of_model(model)
    core = setting.largest()
    assert core is not None
    return Branch("rank3:a", 3, {setting.eta: core})


def test_the_window_of_e6_is_two_hopf_points_on_any_line_of_the_axes() -> None:
    """EMA destabilises exactly for 1.7733344 < (1 - mu)/h < 30.178838 (T9.2, E6)."""
    model = e6_model()
    margins, branch = Margins(model, "ema", "lr", "equal"), full_rank(model)
    along_ema = make_axis("ema", Fraction(9, 10), Fraction(999, 1000), 24).values
    along_lr = make_axis("lr", Fraction(1, 10000), Fraction(1, 100), 24, log=True).values
    lines = (("x", along_ema, Fraction(1, 500)), ("y", along_lr, Fraction(99, 100)))
    for along, values, fixed in lines:
        found = list(line_crossings(margins, branch, along, values, fixed))
        hopf = [c for c in found if c.kind == "hopf"]
        beta = sorted(((1 - c.x) / c.y, c.criticality) for c in hopf)
        assert [word for _, word in beta] == ["supercritical", "subcritical"]
        assert beta[0][0] == pytest.approx(1.7733344, rel=1e-7)
        assert beta[1][0] == pytest.approx(30.178838, rel=1e-7)


X, Y = parse_axis("weight-decay=1/2:2:5", "--x"), parse_axis("lr=0.0001:0.05:5:log", "--y")


def e5_model() -> Model:
    moments, _ = e5(Fraction(1, 28))
    return Model(moments=moments, embed_dim=2)


@pytest.fixture(scope="module")
def diagram() -> GeneralDiagram:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("equilibria.phase.oscillation.LINES", 0)  # cycles take most of the time
        return general_diagram(e5_model(), X, Y)


@pytest.fixture(scope="module")
def branches() -> list[Branch]:
    return follow_branches(e5_model(), X.values)[0]


def test_every_cell_agrees_with_the_dense_jacobian_of_the_whole_system(diagram, branches) -> None:
    """n rows, no core, no symmetry divided out: the Kronecker route of `noncommuting.dense`."""
    model = diagram.model
    sigma, m = (np.array(matrix) for matrix in model.moments.matrices())
    checked = 0
    for column, decay in enumerate(diagram.x.values):
        eta = to_float(decay)
        physics = dense.Physics(sigma, m, eta, eta)
        for branch in branches:
            if not branch.rank or not branch.exists(eta):
                continue
            P, W = branch.known[eta].embedded(2)
            neutral = branch.rank * (2 - branch.rank) + branch.rank * (branch.rank - 1) // 2
            flow = np.sort(np.linalg.eigvals(dense.jacobian_flow(P, W, physics)).real)[::-1]
            for row, lr in enumerate(map(to_float, diagram.y.values)):
                J = dense.jacobian_map(P, W, physics, h=lr)
                step = np.sort(np.abs(np.linalg.eigvals(J)))[::-1]
                region = diagram.regions[diagram.cells[row, column]]
                # The neutral eigenvalues come first where everything else is stable.
                assert (branch.id in region.flow) == (flow[neutral] < -1e-6 and flow[0] < 1e-6)
                assert (branch.id in region.map) == (step[neutral] < 1 and step[0] < 1 + 1e-6)
                checked += 1
    assert checked >= 60


def test_boundaries_are_isolated_and_of_every_kind_there_is(diagram) -> None:
    kinds = {b.kind: b for b in diagram.boundaries}
    assert {"fold", "hopf", "flip"} <= set(kinds)
    for boundary in diagram.boundaries:
        assert boundary.how == "numeric"
        for point in boundary.points:
            wide = [c for c in (point.x, point.y) if not c.is_exact]
            assert len(wide) == 1
            assert wide[0].high - wide[0].low <= Fraction(1, 10**8) * wide[0].high
    hopf = kinds["hopf"].points[0].x.value
    assert hopf == pytest.approx(1.18073, abs=1e-4)  # against eigenvalues on either side below
    assert kinds["fold"].points[0].x.value == pytest.approx(1.30417, abs=1e-4)
    assert hopf < kinds["fold"].points[0].x.value


def test_the_eigenvalue_on_either_side_of_a_hopf_point_has_another_sign(diagram, branches) -> None:
    model = diagram.model
    hopf = next(b for b in diagram.boundaries if b.kind == "hopf")
    at, name = hopf.points[0].x.value, hopf.between[0]
    branch = next(b for b in branches if b.id == name)
    margins = Margins(model, "weight-decay", "lr", "equal")
    ends = [margins.leading(branch, "flow", at * (1 + s), 0.001) for s in (-1e-6, 1e-6)]
    assert ends[0].sign == -ends[1].sign != 0
    assert abs(ends[0].value.imag) > 1


@pytest.mark.slow
def test_an_attracting_cycle_is_followed_from_the_supercritical_curve() -> None:
    diagram = general_diagram(e5_model(), X, Y)
    assert diagram.cycles
    stretch = diagram.cycles[0]
    assert any(stretch.attracting)
    assert max(stretch.values) < 1.18074
    assert all(period > 0 for period in stretch.periods)


def test_a_fold_ends_both_branches(diagram) -> None:
    fold = next(b for b in diagram.boundaries if b.kind == "fold" and "rank2:a" in b.between)
    assert len(fold.between) == 2
    setting = of_model(diagram.model)
    beyond = replace(setting, eta=fold.points[0].x.value * 1.001)
    before = replace(setting, eta=fold.points[0].x.value * 0.999)
    assert before.largest() is not None
    assert beyond.largest() is None


def test_the_diagram_can_be_told_written_and_drawn(diagram) -> None:
    lines = general_lines(diagram)
    assert max(map(len, lines)) <= 100
    assert any("do not commute" in line for line in lines)
    data = json.loads(json.dumps(diagram.to_json(), allow_nan=False))
    assert data["schema"] == "noncollapse/phase/1"
    assert data["how"] == "numeric"
    assert sum(count for row in data["cells"] for _, count in row) == 25
    streams = [io.BytesIO(), io.BytesIO()]
    for stream in streams:
        draw_general(diagram, stream, "svg")
    assert streams[0].getvalue() == streams[1].getvalue()


@pytest.mark.parametrize(
    ("value", "which", "kind"),
    [
        (0.0 + 2j, "flow", "hopf"),
        (0.6 + 0.8j, "map", "neimark-sacker"),
        (-1.0 + 0j, "map", "flip"),
        (1.0 + 0j, "map", "transcritical"),
        (0j, "flow", "transcritical"),
    ],
)
def test_the_eigenvalue_names_the_boundary(value, which, kind) -> None:
    assert kind_of(value, which) == kind


@pytest.mark.parametrize(
    ("model", "axes", "error", "word"),
    [
        (Model(moments=E10, embed_dim=5), ("lr", "weight-decay"), ScopeError, "at most 4"),
        (Model(moments=E10), ("lr", "lr"), FormatError, "two different"),
        (Model(moments=E10), ("lr", "ema"), FormatError, "--procedure ema"),
        (Model(moments=E10), ("lr", "noise"), FormatError, "noise axis"),
    ],
)
def test_what_is_out_of_scope_is_said_in_one_line(model, axes, error, word) -> None:
    x, y = (make_axis(name, Fraction(1, 10), Fraction(1, 2), 3) for name in axes)
    with pytest.raises(error, match=word) as caught:
        general_diagram(model, x, y)
    assert "\n" not in str(caught.value)


def test_grids_are_modest() -> None:
    x, y = parse_axis("lr=0.1:1:100", "--x"), parse_axis("weight-decay=0.01:0.1:100", "--y")
    with pytest.raises(FormatError, match="more than 4096 points"):
        general_diagram(Model(moments=E10), x, y)
