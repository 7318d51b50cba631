"""The report, the figure, the witness and the node of a model with a cycle."""

import io
import json

import numpy as np
import pytest

from equilibria.cycles import cycle_nodes, orbit_of, periodic_orbit_witness, report_lines, study
from equilibria.cycles.examples import e5
from equilibria.cycles.figure import draw_cycles
from equilibria.cycles.parameter_range import parse_range
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.systems.model import Model


def e5_model(**options):
    moments, eta = e5()
    return Model(moments=moments, weight_decay=eta, embed_dim=2, **options)


@pytest.fixture(scope="module")
def report():
    return study(e5_model(), parameter=("beta", 103.0, 105.0))


def test_the_report_tells_of_the_cycle_and_where_it_is_born(report):
    text = "\n".join(report_lines(report))
    assert text.startswith("Not every attractor is an equilibrium: 1 stable limit cycle.")
    assert "period 0.523187" in text
    assert "Hopf at β = 104.02337" in text
    assert all(len(line) <= 100 for line in text.splitlines())
    assert report.endings["cycle"] >= 1
    (branch,) = report.along.cycles
    assert branch.values[-1] == 105.0


def test_json_has_its_schema_and_is_the_same_every_time(report):
    text = json.dumps(report.to_json(), allow_nan=False)
    data = json.loads(text)
    assert data["schema"] == "noncollapse/cycles/1"
    assert data["cycles"][0]["id"] == "cycle:a"
    assert data["cycles"][0]["how"] == "numeric"
    assert data["along"]["branch"]["hopf_points"][0]["criticality"] == "supercritical"
    assert data["search"] is None
    assert json.dumps(report.to_json(), allow_nan=False) == text


def test_the_figure_is_deterministic(report):
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        draw_cycles(report, file, "svg")
    assert files[0].getvalue() == files[1].getvalue()
    assert b'id="cycle:a"' in files[0].getvalue()
    with pytest.raises(FormatError, match="--plot"):
        draw_cycles(report, io.BytesIO(), "pdf")


def test_the_witness_is_an_orbit_that_returns_and_the_node_says_that_it_attracts(report):
    cycle = report.cycles[0]
    witness = orbit_of(cycle, report.model)
    assert witness.kind == "periodic-orbit"
    assert witness.residual < 1e-9
    assert len(witness.points) == 24
    assert set(witness.start) == {f"{m}_{i}_{j}" for m in "WP" for i in (1, 2) for j in (1, 2)}
    gram = [point["W"].T @ point["W"] for point in witness.points]
    assert max(g[0, 0] for g in gram) == pytest.approx(1.2280, abs=2e-2)
    json.dumps(witness.to_json())
    (node,) = cycle_nodes(report.cycles)
    assert (node.id, node.stable, len(node.multipliers)) == ("cycle:a", True, 4)
    assert node.to_json()["period"] == cycle.period


def test_the_rate_of_the_predictor_is_only_a_unit(report):
    """T0.1: alpha = 4 halves the encoder, nothing else."""
    witness = periodic_orbit_witness(e5_model(predictor_lr=4))
    assert witness.period == pytest.approx(report.cycles[0].period, rel=1e-9)
    largest = max((point["W"].T @ point["W"])[0, 0] for point in witness.points)
    assert largest == pytest.approx(1.2280 / 4, abs=5e-3)


def test_commuting_moments_give_no_cycle_and_no_witness():
    model = Model(moments=Moments.commuting(signal=["1", "3/4"], noise="1/4"))
    report = study(model)
    assert report.cycles == ()
    assert "No cycle" in report.sentence
    assert periodic_orbit_witness(model) is None
    json.dumps(report.to_json(), allow_nan=False)


def test_questions_out_of_scope_are_refused():
    with pytest.raises(ScopeError, match="--procedure joint"):
        study(Model(procedure="joint"))
    with pytest.raises(ScopeError, match="--weight-decay 0"):
        study(Model(weight_decay=0))


def test_ranges_are_read_and_checked():
    assert parse_range("weight-decay=1/100:0.1") == ("eta", 0.01, 0.1)
    assert parse_range("lr=1e-3:1") == ("h", 0.001, 1.0)
    for wrong in ("beta", "gamma=1:2", "beta=2:1", "ema=0.9:1", "beta=0:1"):
        with pytest.raises(FormatError, match="--along"):
            parse_range(wrong)
    assert np.isfinite(parse_range("beta=1:2")[1])
