"""Gradient certificates: theorems 1, 2.1, 3.1-3.4, 11.1, 13.5 and oracles E1-E4, E13."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.errors import ConsistencyError, LimitReached, ScopeError
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.gradient import (
    EquilibriumSpectrum,
    exact_witness,
    gradient_certificate,
    or_reason,
    system_certificate,
)
from equilibria.gradient.aligned_blocks import diagonal_block, pair_block
from equilibria.gradient.bootstrap import (
    bootstrap_map,
    closed_loop,
    curl_witness,
    formula_curl,
    witness_model,
)
from equilibria.gradient.constant_metric import (
    bootstrap_constant_metric,
    constant_metrics,
    definite_member,
    missing_direction,
)
from equilibria.gradient.direct import direct_pair, sector_loop
from equilibria.gradient.factor import frobenius_witness, integrating_factor
from equilibria.gradient.forms import OneForm, is_potential, nonzero_point, one_form, potential
from equilibria.gradient.integrals import balance
from equilibria.gradient.live import active_modes
from equilibria.gradient.live import state as state_of
from equilibria.gradient.potentials import balanced_potential, potential_text
from equilibria.gradient.report import CurlWitness
from equilibria.gradient.spectrum import characteristic_polynomial, obstruction
from equilibria.gradient.submodel import metric_text, submodel, weight
from equilibria.report.analyze import analyze
from equilibria.report.system_report import analyze_system_file
from equilibria.report.text import gradient_lines
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.procedures import procedure
from equilibria.systems.procedures.joint import joint_potential
from equilibria.varieties.component import How

CONIC = Path(__file__).parents[2] / "examples" / "systems" / "conic.toml"
F = Fraction
QUICK = settings(max_examples=25, deadline=None)


# -------------------------------------------------------------------------------------- strategies

small = st.fractions(min_value=-2, max_value=2, max_denominator=4)
positive = st.fractions(min_value=F(1, 4), max_value=2, max_denominator=4)
rate = st.sampled_from([F(0), F(1, 20), F(1, 3), F(1)])


@st.composite
def moments(draw, size=None, dense=None):
    d = draw(st.integers(1, 3)) if size is None else size
    if not (draw(st.booleans()) if dense is None else dense):
        total = draw(st.lists(positive, min_size=d, max_size=d))
        signal = draw(st.lists(small, min_size=d, max_size=d))
        return Moments.commuting(signal=signal, total=total)
    root = [draw(st.lists(small, min_size=d, max_size=d)) for _ in range(d)]
    sigma = [
        [sum(root[i][k] * root[j][k] for k in range(d)) + (i == j) for j in range(d)]
        for i in range(d)
    ]
    upper = [draw(st.lists(small, min_size=d, max_size=d)) for _ in range(d)]
    m = [[upper[min(i, j)][max(i, j)] for j in range(d)] for i in range(d)]
    return Moments.dense(sigma, m)


@st.composite
def models(draw, name=None, outputs=None, data=None):
    name = name or draw(st.sampled_from(["stop-gradient", "ema"]))
    return Model(
        procedure=name,
        moments=draw(moments() if data is None else data),
        embed_dim=draw(st.integers(1, 3)) if outputs is None else outputs,
        weight_decay=draw(rate),
        predictor_weight_decay=draw(rate),
        predictor_lr=draw(st.sampled_from([F(1), F(1, 2), F(3)])),
        ema=draw(st.sampled_from(["0.9", "0.99", "0"])) if name == "ema" else None,
    )


def has_signal(model):
    return any(value for row in model.moments.rational_matrices()[1] for value in row)


def full_form(model, **options):
    system = procedure(model.procedure).build(model)
    return one_form(system, lambda name: weight(model, name), **options)


def zeros(form):
    return {name: F(0) for name in next(iter(form.entries.values())).ring.names}


def flow_function(model):
    """The flow as a function of float arrays (W, P[, T]), written a second time in NumPy."""
    sigma, m = model.moments.matrices()
    eta, eta_p, alpha = float(model.eta), float(model.eta_p), float(model.alpha)
    beta = float(model.flow_rate)

    def bootstrap(W, P, T=None):
        R = (W if T is None else T) @ m - P @ W @ sigma
        parts = [P.T @ R - eta * W, alpha * R @ W.T - eta_p * P]
        return parts if T is None else [*parts, beta * (W - T)]

    def direct(W):
        F_ = W @ sigma @ W.T
        values, vectors = np.linalg.eigh(F_)
        power = 0.5 if model.procedure == "direct-pred" else 1.0
        P = (vectors * np.maximum(values, 0) ** power) @ vectors.T
        return [P @ W @ m - P @ P @ W @ sigma - eta * W]

    return direct if model.procedure.startswith("direct") else bootstrap


def shapes(model):
    letters = {"ema": "WPT", "stop-gradient": "WP"}.get(model.procedure, "W")
    return [(model.n, model.n if letter == "P" else model.d) for letter in letters]


def numeric_jacobian(model, x, step=1e-5):
    """Central differences of the flow at the flat state x."""
    f, sizes = flow_function(model), shapes(model)

    def flat(y):
        parts, start = [], 0
        for shape in sizes:
            parts.append(y[start : start + shape[0] * shape[1]].reshape(shape))
            start += shape[0] * shape[1]
        return np.concatenate([part.ravel() for part in f(*parts)])

    columns = [(flat(x + e) - flat(x - e)) / (2 * step) for e in step * np.eye(len(x))]
    return np.array(columns).T, flat(x)


def flat_point(model, point):
    """A dictionary of numbers by variable name as the flat state of `numeric_jacobian`."""
    names = [
        f"{letter}_{i + 1}_{j + 1}"
        for letter, shape in zip("WPT", shapes(model), strict=False)
        for i in range(shape[0])
        for j in range(shape[1])
    ]
    values = [point.get(name, 0) for name in names]
    return names, np.array(
        [
            getattr(value, "value", float(getattr(value, "real", 0)))
            if hasattr(value, "exact")
            else float(value)
            for value in values
        ]
    )


# ----------------------------------------------------------------------- curl: formula, two routes


@QUICK
@given(models())
def test_curl_formula_agrees_with_the_polynomials_of_the_whole_system(model):
    if model.procedure == "stop-gradient" and not has_signal(model):
        return
    pair, formula = formula_curl(model)
    assert formula.text() == full_form(model).curl(*pair).text()
    witness = curl_witness(model, witness_model(model))
    value = full_form(model).curl(*pair).evaluate({**zeros(full_form(model)), **witness.point})
    assert value == witness.value != 0


@QUICK
@given(models(), st.data())
def test_a_submodel_is_the_restriction_of_the_whole_one_form(model, data):
    rows = data.draw(st.integers(1, model.n))
    columns = sorted(data.draw(st.sets(st.integers(0, model.d - 1), min_size=1)))
    inner, outer = submodel(model, rows, columns).form(), full_form(model)
    point = {name: data.draw(small) for name in inner.names}
    everywhere = {**zeros(outer), **point}
    for name in inner.names:
        assert inner.entries[name].evaluate(point) == outer.entries[name].evaluate(everywhere)


@QUICK
@given(models(), st.integers(0, 10**6))
def test_curl_agrees_with_finite_differences(model, seed):
    form = full_form(model)
    state = np.random.default_rng(seed).normal(size=len(form.names))
    jacobian, _ = numeric_jacobian(model, state)
    metric = np.diag([float(weight(model, name)) for name in form.names])
    point = dict(zip(form.names, state, strict=True))
    for a, b in combinations(range(len(form.names)), 2):
        exact = form.curl(form.names[a], form.names[b]).evaluate(point, float)
        measured = (metric @ jacobian)[a, b] - (metric @ jacobian)[b, a]
        assert exact == pytest.approx(measured, abs=1e-6)


def test_default_ema_matches_the_mock_up():
    witness = gradient_certificate(Model(procedure="ema")).flow.witness
    assert witness.variables == ("T_1_1", "W_1_1")
    assert witness.curl == "-P_1_1 + 1/10"
    assert (witness.point, witness.value) == ({"P_1_1": 0}, F(1, 10))


def test_curl_is_found_when_the_diagonal_of_m_vanishes():
    data = Moments.dense([[2, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 0, 0], [0, 0, 3], [0, 3, 0]])
    report = gradient_certificate(Model(moments=data))
    witness = report.flow.witness
    assert (witness.variables, witness.curl, witness.value) == (("W_1_2", "P_1_1"), "-3*W_1_3", -3)
    assert report.flow.loop.work == -3
    assert report.flow.integrating_factor.exists is False
    assert report.flow.constant_metric.exists is False


def test_without_signal_stop_gradient_is_a_gradient_field_and_ema_is_not():
    data = Moments.commuting(signal=[0, 0], total=[1, 2])
    report = gradient_certificate(Model(moments=data, predictor_lr=3, predictor_weight_decay="1/7"))
    assert report.flow.is_gradient is True
    assert report.flow.witness is None
    assert report.potential == (
        "1/2*W_1_1**2*P_1_1**2 + 1/2*W_1_1**2*P_2_1**2 + W_1_1*W_2_1*P_1_1*P_1_2 + "
        "W_1_1*W_2_1*P_2_1*P_2_2 + W_1_2**2*P_1_1**2 + W_1_2**2*P_2_1**2 + "
        "2*W_1_2*W_2_2*P_1_1*P_1_2 + 2*W_1_2*W_2_2*P_2_1*P_2_2 + 1/2*W_2_1**2*P_1_2**2 + "
        "1/2*W_2_1**2*P_2_2**2 + W_2_2**2*P_1_2**2 + W_2_2**2*P_2_2**2 + 1/40*W_1_1**2 + "
        "1/40*W_1_2**2 + 1/40*W_2_1**2 + 1/40*W_2_2**2 + 1/42*P_1_1**2 + 1/42*P_1_2**2 + "
        "1/42*P_2_1**2 + 1/42*P_2_2**2"
    )
    moving = gradient_certificate(Model(procedure="ema", moments=data)).flow
    assert moving.is_gradient is False
    assert moving.witness.curl == "1/10"
    assert moving.constant_metric.exists is False


@QUICK
@given(models("ema"))
def test_the_ema_map_is_not_a_gradient_step(model):
    witness = bootstrap_map(model).witness
    form = full_form(model, step=model.h)
    curl = form.curl("T_1_1", "W_1_1").evaluate({**zeros(form), **witness.point})
    assert curl == witness.value != 0


# ------------------------------------------------------------------------------------ closed loops


def test_e13_work_is_minus_one_for_every_s_eta_and_alpha():
    for s, eta, alpha in ((1, 0, 1), (F(7, 3), F(1, 5), 1), (4, 1, F(2, 9))):
        data = Moments.commuting(signal=[2], total=[s])
        model = Model(moments=data, embed_dim=1, weight_decay=eta, predictor_lr=alpha)
        loop = gradient_certificate(model).flow.loop
        assert loop.plane == ("P_1_1", "W_1_1")
        assert loop.corners[0] == {"P_1_1": 0, "W_1_1": 0}
        assert loop.corners[1] == {"P_1_1": 1, "W_1_1": 0}
        assert loop.corners[2] == {"P_1_1": 1, "W_1_1": 1}
        assert loop.work == -1


@QUICK
@given(models("stop-gradient", 1, moments(1)), st.lists(small, min_size=4, max_size=4))
def test_work_around_a_rectangle_is_the_formula_of_t3_2(model, ends):
    p0, p1, w0, w1 = ends
    corners = [{"P_1_1": p, "W_1_1": w} for p, w in ((p0, w0), (p1, w0), (p1, w1), (p0, w1))]
    m = model.moments.signal[0]
    assert full_form(model).work(corners) == -m * (p1 - p0) * (w1**2 - w0**2) / 2


@QUICK
@given(models("ema", 1, moments(1)), st.lists(small, min_size=5, max_size=5))
def test_work_of_ema_in_the_plane_of_predictor_and_target(model, ends):
    p0, p1, t0, t1, w = ends
    corners = [
        {"P_1_1": p, "T_1_1": t, "W_1_1": w} for p, t in ((p0, t0), (p1, t0), (p1, t1), (p0, t1))
    ]
    m = model.moments.signal[0]
    assert full_form(model).work(corners) == -m * w * (p1 - p0) * (t1 - t0)


@QUICK
@given(models())
def test_reported_loop_does_work_in_the_whole_system(model):
    if model.procedure == "stop-gradient" and not has_signal(model):
        return
    witness = curl_witness(model, witness_model(model))
    loop = closed_loop(witness_model(model).form(), witness)
    assert full_form(model).work(loop.corners) == loop.work != 0


def test_no_loop_of_a_gradient_field_does_work():
    model = Model(procedure="joint", predictor_lr=3)
    corners = [
        {"W_1_1": F(1), "P_1_2": F(2)},
        {"W_1_1": F(3), "P_1_2": F(2), "P_1_1": F(5)},
        {"W_2_1": F(-1, 3), "P_1_2": F(2)},
    ]
    assert full_form(model).work(corners) == 0


# -------------------------------------------------------------------------------- constant metrics


@QUICK
@given(models())
def test_no_constant_metric_by_elimination_on_one_output_row(model):
    if model.procedure == "stop-gradient" and not has_signal(model):
        return
    answer = bootstrap_constant_metric(model)
    assert (answer.exists, answer.how) == (False, How.PROVED)
    row = submodel(model, 1, range(model.d)).system
    assert missing_direction(constant_metrics(row.flow), row.variables) is not None


def test_elimination_on_the_whole_system_agrees_with_one_row():
    for name in ("stop-gradient", "ema"):
        model = Model(procedure=name, moments=Moments.commuting(signal=[1]), embed_dim=2)
        system = procedure(name).build(model)
        assert missing_direction(constant_metrics(system.flow), system.variables) is not None


@QUICK
@given(models("joint", 1))
def test_control_the_joint_flow_has_the_metric_of_its_learning_rates(model):
    system = procedure("joint").build(model)
    metrics = constant_metrics(system.flow)
    wanted = {(x, x): weight(model, x) for x in system.variables}
    gram = definite_member(metrics, system.variables)
    assert gram is not None
    form = OneForm(
        {
            a: sum(
                (
                    system.flow[b] * gram.get((a, b), gram.get((b, a), F(0)))
                    for b in system.variables
                ),
                system.flow[a].ring.constant(0),
            )
            for a in system.variables
        }
    )
    assert potential(form) is not None
    scaled = OneForm({x: system.flow[x] * wanted[x, x] for x in system.variables})
    assert potential(scaled) is not None


# ----------------------------------------------------------------------------- integrating factors


@QUICK
@given(models())
def test_frobenius_witness_holds_in_the_whole_system(model):
    if model.procedure == "stop-gradient" and not has_signal(model):
        return
    answer = integrating_factor(model)
    form = full_form(model)
    if answer.exists:
        assert model.procedure == "stop-gradient"
        assert model.n == 1
        assert frobenius_witness(form) is None
        return
    point = {**zeros(form), **answer.witness.point}
    assert form.frobenius(*answer.witness.variables).evaluate(point) == answer.witness.value != 0


def test_control_a_multiple_of_a_gradient_passes_frobenius():
    ring = Ring(("x", "y", "z"))
    x, y, z = ring.variables()
    v = x * y + z**3 + x**2 * z
    form = OneForm({name: (x * x + 1) * v.diff(name) for name in ring.names})
    assert potential(form) is None
    assert frobenius_witness(form) is None
    bent = OneForm({**form.entries, "x": form.entries["x"] + y})
    assert frobenius_witness(bent) is not None


def test_one_mode_without_decay_has_the_factor_of_the_style_guide():
    data = Moments.commuting(signal=[1], total=["5/4"])
    model = Model(moments=data, embed_dim=1, weight_decay=0, predictor_lr=3)
    answer = gradient_certificate(model).flow
    assert answer.is_gradient is False
    assert answer.constant_metric.exists is False
    assert answer.integrating_factor.exists is True
    assert answer.integrating_factor.factor == "1/(-5/4*W_1_1*P_1_1 + W_1_1)"
    assert answer.integrating_factor.potential == "-P_1_1*W_1_1"
    assert answer.integrating_factor.excluded_near.asymmetry == 1


def test_one_mode_with_decay_has_a_factor_away_from_equilibria_only():
    model = Model(moments=Moments.commuting(signal=[1]), embed_dim=1)
    answer = gradient_certificate(model).flow.integrating_factor
    assert answer.exists is True
    excluded = answer.excluded_near
    assert excluded.component == "rank1:1+"
    w = excluded.equilibrium["W_1_1"].value
    jacobian, value = numeric_jacobian(model, np.array([w, w]))
    assert np.allclose(value, 0, atol=1e-12)
    assert excluded.asymmetry.value == pytest.approx(jacobian[1, 0] - jacobian[0, 1], abs=1e-8)
    assert gradient_certificate(replace(model, procedure="ema")).flow.integrating_factor.exists is (
        False
    )


@QUICK
@given(models("ema"))
def test_no_factor_near_a_live_equilibrium(model):
    excluded = integrating_factor(model).excluded_near
    if excluded is None:
        return
    names, state = flat_point(model, excluded.equilibrium)
    jacobian, value = numeric_jacobian(model, state)
    assert np.allclose(value, 0, atol=1e-9)
    a, b = (names.index(name) for name in excluded.variables)
    scale = [float(weight(model, name)) for name in excluded.variables]
    measured = scale[0] * jacobian[a, b] - scale[1] * jacobian[b, a]
    exact = getattr(excluded.asymmetry, "value", excluded.asymmetry)
    assert float(exact) == pytest.approx(measured, abs=1e-6)
    assert exact != 0


# ------------------------------------------------------------------------------------ every metric


def one_mode(s, m, **rates):
    return Model(moments=Moments.commuting(signal=[m], total=[s]), embed_dim=1, **rates)


def test_e1_jordan_block():
    model = one_mode(1, "2/3", weight_decay="1/12")
    witness = gradient_certificate(model).flow.any_metric.witness
    assert (witness.kind, witness.how) == ("jordan-block", How.PROVED)
    assert witness.equilibrium == {"P_1_1": F(1, 2), "W_1_1": F(1, 2)}
    assert witness.eigenvalues == (complex(-1 / 6),)
    assert "1 eigenvector" in witness.exact
    direct = exact_witness(procedure("stop-gradient").build(model), witness.equilibrium)
    assert direct.kind == "jordan-block"


def test_e1_is_codimension_one():
    for eta in ("1/13", "100/1201"):
        assert gradient_certificate(
            one_mode(1, "2/3", weight_decay=eta)
        ).flow.any_metric.exists is (None)


def test_e2_unequal_decay_gives_a_nonreal_pair():
    model = one_mode(
        1, "2/3", weight_decay="1/12", predictor_weight_decay="1/24", predictor_lr="1/2"
    )
    witness = gradient_certificate(model).flow.any_metric.witness
    assert (witness.kind, witness.how) == ("nonreal-eigenvalue", How.PROVED)
    assert witness.equilibrium == {"P_1_1": F(1, 2), "W_1_1": F(1, 2)}
    assert sorted(witness.eigenvalues, key=lambda z: z.imag) == pytest.approx(
        [(-1 - 1j) / 12, (-1 + 1j) / 12]
    )


E3 = {
    "sigma": [[8, 2], [2, 1]],
    "m": [[11, 4], [4, 3]],
    "a": [[1, -1], [0, 3]],
    "chi": [1, 73, 1000, 5344, 9888],
}
E4 = {
    "sigma": [[2, 0], [0, F(1, 29)]],
    "m": [[11, 0], [0, F(11, 29)]],
    "a": [[1, 1], [2, 5]],
    "chi": [F(c, 841) for c in (841, 15631, 68206, -40862, 40656)],
}


@pytest.mark.parametrize("case", [E3, E4], ids=["E3", "E4"])
def test_e3_and_e4_characteristic_polynomials_and_witness(case):
    model = Model(moments=Moments.dense(case["sigma"], case["m"]), weight_decay=1)
    a = case["a"]
    point = {f"W_{i + 1}_{j + 1}": F(a[i][j]) for i in (0, 1) for j in (0, 1)}
    point |= {f"P_{i + 1}_{j + 1}": F(a[j][i]) for i in (0, 1) for j in (0, 1)}
    system = procedure("stop-gradient").build(model)
    witness = exact_witness(system, point)
    assert (witness.kind, witness.how) == ("nonreal-eigenvalue", How.PROVED)
    jacobian = [
        [system.flow[x].diff(y).evaluate(point) for y in system.variables] for x in system.variables
    ]
    expected = [F(1)]
    for factor in ([1, 0], [1, 2], [1, 2], [1, 2], case["chi"]):
        expected = [F(c) for c in np.polymul(np.array(expected, object), np.array(factor, object))]
    assert characteristic_polynomial(jacobian) == expected
    given_spectrum = EquilibriumSpectrum("rank2:a", point, ())
    report = gradient_certificate(model, equilibria=[given_spectrum])
    assert report.flow.any_metric.witness == witness._replace(component="rank2:a")
    assert gradient_certificate(model).flow.any_metric.exists is None


def test_numeric_spectra_count_only_when_clear():
    data = Moments.dense(E3["sigma"], E3["m"])
    model = Model(moments=data, weight_decay=1)
    point = {"W_1_1": 1.0, "W_1_2": -1.0, "W_2_2": 3.0, "P_1_1": 1.0, "P_2_1": -1.0, "P_2_2": 3.0}
    spectrum = (-57.0636 + 0j, -5.8818 + 2.6327j, -5.8818 - 2.6327j, -2 + 1e-8j, -2 - 1e-8j)

    def ask(values, residual):
        known = EquilibriumSpectrum("rank2:a", point, values, residual)
        return gradient_certificate(model, equilibria=[known]).flow.any_metric

    assert ask(spectrum, 1e-14).how is How.NUMERIC
    assert len(ask(spectrum, 1e-14).witness.eigenvalues) == 2
    assert ask(spectrum[:1] + spectrum[3:], 1e-14).exists is None
    assert ask(spectrum, 1e-3).exists is None
    faint = (-57 + 0j, -5 + 0.5j, -5 - 0.5j)
    assert ask(faint, 1e-14).exists is False
    assert ask(faint, 5e-10).exists is None
    assert ask(spectrum, float("nan")).exists is None


def test_exact_witness_refuses_what_is_no_equilibrium():
    system = procedure("stop-gradient").build(Model())
    with pytest.raises(ScopeError, match="not an equilibrium"):
        exact_witness(system, {"W_1_1": F(1)})
    with pytest.raises(ScopeError, match="tied"):
        exact_witness(procedure("direct-copy").build(Model(procedure="direct-copy")), {})
    with pytest.raises(LimitReached):
        exact_witness(procedure("ema").build(Model(procedure="ema", embed_dim=3)), {})


@QUICK
@given(st.lists(st.lists(st.integers(-2, 2), min_size=3, max_size=3), min_size=3, max_size=3))
def test_symmetric_matrices_have_no_obstruction_and_others_agree_with_numerics(rows):
    A = np.array(rows)
    symmetric = [[F(int(value)) for value in row] for row in A + A.T]
    assert obstruction(symmetric) is None
    found = obstruction([[F(value) for value in row] for row in rows])
    imaginary = np.abs(np.linalg.eigvals(A.astype(float)).imag).max()
    if imaginary > 1e-3:
        assert found.kind == "nonreal-eigenvalue"
    elif found is not None and found.kind == "jordan-block":
        # a defective matrix has eigenvectors that are numerically dependent
        assert np.linalg.cond(np.linalg.eig(A.astype(float))[1]) > 1e5


def test_jordan_blocks_at_zero_and_diagonalizable_repeats():
    assert obstruction([[F(0), F(1)], [F(0), F(0)]]).kind == "jordan-block"
    assert obstruction([[F(3), F(0)], [F(0), F(3)]]) is None
    assert obstruction([[F(0), F(-1)], [F(1), F(0)]]).eigenvalues == (1j, -1j)


def dense_symmetrizable(jacobian):
    return bool(np.abs(np.linalg.eigvals(jacobian).imag).max() < 1e-7)


@QUICK
@given(models(outputs=2, data=moments(2, dense=False)))
def test_witnesses_are_equilibria_with_the_eigenvalues_they_name(model):
    witness = gradient_certificate(model).flow.any_metric.witness if has_signal(model) else None
    if witness is None:
        return
    _, state = flat_point(model, witness.equilibrium)
    jacobian, value = numeric_jacobian(model, state)
    assert np.allclose(value, 0, atol=1e-8)
    spectrum = np.linalg.eigvals(jacobian)
    for eigenvalue in witness.eigenvalues:
        tolerance = 1e-6 if witness.kind == "nonreal-eigenvalue" else 2e-2
        assert np.abs(spectrum - eigenvalue).min() < tolerance * (1 + abs(eigenvalue))
    if witness.kind == "nonreal-eigenvalue":
        assert not dense_symmetrizable(jacobian)


@QUICK
@given(models(outputs=2, data=moments(2, dense=False)))
def test_blocks_are_part_of_the_dense_spectrum(model):
    if not (model.eta and model.eta_p):
        return
    modes = list(zip(range(2), model.moments.total, model.moments.signal, strict=True))
    live = list(active_modes(model, modes))
    for first, second in combinations(live, 2):
        if first.j == second.j:
            continue
        blocks = [diagonal_block(model, first), pair_block(model, first, second)]
        point = state_of(model, first, 1) | state_of(model, second, 2)
        _, x = flat_point(model, point)
        jacobian, value = numeric_jacobian(model, x)
        assert np.allclose(value, 0, atol=1e-8)
        spectrum = np.linalg.eigvals(jacobian)
        for block in blocks:
            rows = np.array([[float(entry) for entry in row] for row in block])
            for eigenvalue in np.linalg.eigvals(rows):
                assert np.abs(spectrum - eigenvalue).min() < 2e-3 * (1 + abs(eigenvalue))


def test_ema_with_a_negative_inactive_mode_oscillates_in_the_window_of_t7_5():
    data = Moments.commuting(signal=[1, -1], total=[1, 1])
    for ema, expected in (("0.9", False), ("0.999999", None)):
        model = Model(procedure="ema", moments=data, embed_dim=1, ema=ema)
        answer = gradient_certificate(model).flow.any_metric
        assert answer.exists is expected
    answer = gradient_certificate(Model(procedure="ema", moments=data, embed_dim=1, ema="0.9"))
    assert answer.flow.any_metric.witness.kind == "nonreal-eigenvalue"
    assert answer.flow.any_metric.witness.component == "rank1:1+"


def test_ema_jordan_block_at_collapse_when_the_rates_agree():
    model = Model(procedure="ema", ema="0.995")
    assert model.flow_rate == model.eta
    witness = gradient_certificate(model).flow.any_metric.witness
    assert (witness.kind, witness.component) == ("jordan-block", "rank0")
    assert exact_witness(procedure("ema").build(model), {}).kind == "jordan-block"


@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
@pytest.mark.parametrize("outputs", [1, 2])
def test_without_predictor_decay_collapse_has_nonreal_eigenvalues(name, outputs):
    dense = Moments.dense([[2, 1], [1, 2]], [[1, F(1, 3)], [F(1, 3), 2]])
    for data in (Moments.commuting(signal=[1, "3/4"]), dense):
        model = Model(procedure=name, moments=data, embed_dim=outputs, weight_decay=0)
        answer = gradient_certificate(model).flow.any_metric
        if (name, outputs) == ("stop-gradient", 1):
            assert answer.exists is None
            continue
        assert (answer.exists, answer.how) == (False, How.PROVED)
        _, state = flat_point(model, answer.witness.equilibrium)
        jacobian, value = numeric_jacobian(model, state)
        assert np.allclose(value, 0)
        assert not dense_symmetrizable(jacobian)


@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
def test_trace_argument_for_large_dense_moments_without_predictor_decay(name):
    rng = np.random.default_rng(5)
    root = rng.normal(size=(7, 7))
    data = Moments.dense(root @ root.T + np.eye(7), root @ root.T)
    model = Model(procedure=name, moments=data, embed_dim=2, weight_decay=0)
    answer = gradient_certificate(model).flow.any_metric
    assert answer.how is How.PROVED
    _, state = flat_point(model, answer.witness.equilibrium)
    jacobian, value = numeric_jacobian(model, state)
    assert np.allclose(value, 0)
    spectrum = np.linalg.eigvals(jacobian)
    assert np.abs(spectrum.imag).max() > 0.01
    if name == "stop-gradient":
        trace = float(np.trace(data.matrices()[1]))
        assert np.abs(spectrum.imag).sum() / 2 == pytest.approx(trace, rel=1e-5)


def test_unequal_decay_makes_pairs_oscillate():
    # T8.6: kappa < 1/4 and p_i/p_j near 1/2 at small decay; the roots are irrational
    data = Moments.commuting(signal=["1/2", 1], total=[1, 1])
    model = Model(moments=data, weight_decay="1/1000", predictor_weight_decay="24/100000")
    answer = gradient_certificate(model).flow.any_metric
    assert (answer.exists, answer.how) == (False, How.PROVED)
    assert answer.witness.component == "rank2:1+,2+"
    assert answer.witness.kind == "nonreal-eigenvalue"
    _, state = flat_point(model, answer.witness.equilibrium)
    jacobian, value = numeric_jacobian(model, state)
    assert np.allclose(value, 0, atol=1e-9)
    assert max(np.linalg.eigvals(jacobian).real) > 1e-4
    assert not dense_symmetrizable(jacobian)


@QUICK
@given(models("stop-gradient", 2, moments(2, dense=False)))
def test_equal_decay_never_gives_nonreal_eigenvalues_at_aligned_equilibria(model):
    if not model.eta or not has_signal(model):
        return
    equal = replace(model, predictor_weight_decay=model.eta)
    witness = gradient_certificate(equal).flow.any_metric.witness
    assert witness is None or witness.kind == "jordan-block"


# ------------------------------------------------------------------------- potentials and controls


@QUICK
@given(models("joint"))
def test_joint_is_a_gradient_field_in_the_metric_of_its_rates(model):
    report = gradient_certificate(model)
    assert report.flow.is_gradient is True
    assert report.flow.witness is None
    assert report.potential == joint_potential(model).text()
    assert next(full_form(model).curls(), None) is None
    euclidean = one_form(procedure("joint").build(model))
    if model.alpha == 1:
        assert report.flow.euclidean_witness is None
    else:
        witness = report.flow.euclidean_witness
        curl = euclidean.curl(*witness.variables)
        assert curl.evaluate({**zeros(euclidean), **witness.point}) == witness.value != 0


def test_control_a_flipped_sign_in_the_joint_flow_is_noticed():
    model = Model(procedure="joint")
    form = full_form(model)
    entry = form.entries["W_1_1"]
    key, value = entry.sorted_terms()[0]
    broken = OneForm(
        {**form.entries, "W_1_1": Polynomial(entry.ring, {**entry.terms, key: -value})}
    )
    assert is_potential(form, joint_potential(model))
    assert not is_potential(broken, joint_potential(model))
    assert potential(broken) is None


@pytest.mark.parametrize("name", ["joint", "contrastive"])
def test_matrix_potentials_of_large_models_hold_for_all_sizes(name):
    # the identity is checked monomial by monomial: each meets at most 3 rows and 4 columns
    sizes = [(3, 2)] if name == "joint" else [(2, 4)]
    for n, d in sizes:
        sigma = [
            [F(2 if i == j else 1, 1 + i + j) + 2 * (i == j) for j in range(d)] for i in range(d)
        ]
        m = [[F(1, 2 + i + j) for j in range(d)] for i in range(d)]
        model = Model(procedure=name, moments=Moments.dense(sigma, m), embed_dim=n, predictor_lr=2)
        assert potential(full_form(model)) is not None
    large = Model(procedure=name, moments=Moments.commuting(signal=["1/2"] * 5), embed_dim=4)
    assert potential_text(large).count("tr") >= 1


def test_large_joint_potential_text_is_the_loss():
    rng = np.random.default_rng(1)
    model = Model(
        procedure="joint",
        moments=Moments.commuting(signal=["1/2"] * 4),
        embed_dim=4,
        predictor_lr=2,
    )
    assert potential_text(model) == (
        "(1/2)*tr(P W Sigma W^T P^T) - tr(P W M W^T) + (1/2)*tr(W Sigma W^T)"
        " + (1/40)*|W|^2 + (1/80)*|P|^2"
    )
    W, P = rng.normal(size=(4, 4)), rng.normal(size=(4, 4))
    S, M = model.moments.matrices()
    value = np.trace(P @ W @ S @ W.T @ P.T) / 2 - np.trace(P @ W @ M @ W.T)
    value += np.trace(W @ S @ W.T) / 2 + (W**2).sum() / 40 + (P**2).sum() / 80
    point = {f"W_{i + 1}_{j + 1}": W[i, j] for i in range(4) for j in range(4)}
    point |= {f"P_{i + 1}_{j + 1}": P[i, j] for i in range(4) for j in range(4)}
    assert joint_potential(model).evaluate(point, float) == pytest.approx(value)


def gradient_of(potential_function, W, step=1e-5):
    out = np.zeros_like(W)
    for index in np.ndindex(*W.shape):
        e = np.zeros_like(W)
        e[index] = step
        out[index] = (potential_function(W + e) - potential_function(W - e)) / (2 * step)
    return out


def test_isotropic_stop_gradient_is_a_gradient_flow_on_its_balanced_set():
    s, alpha, eta = 1.5, 0.5, 0.1
    data = Moments.isotropic(signal=[1, "3/4", "-1/2"], variance="3/2")
    model = Model(moments=data, weight_decay="1/10", predictor_lr="1/2")
    known = gradient_certificate(model).restricted_potential
    assert known.how is How.PROVED
    assert known.potential == (
        "-(1/2)*tr(W M W^T) + (1/4*sqrt(2))*sum(sigma_i**3) + (1/10*sqrt(2))*sum(sigma_i), "
        "sigma_i the singular values of W"
    )
    assert known.where.startswith("P = 1/2*sqrt(2)*(W W^T)^(1/2)")
    M = data.matrices()[1]
    root = np.sqrt(alpha)

    def V(W):
        sigma = np.linalg.svd(W, compute_uv=False)
        return (
            -np.trace(W @ M @ W.T) / 2 + s * root / 3 * (sigma**3).sum() + eta / root * sigma.sum()
        )

    rng = np.random.default_rng(2)
    for _ in range(5):
        W = rng.normal(size=(2, 3))
        values, vectors = np.linalg.eigh(W @ W.T)
        P = root * (vectors * np.sqrt(values)) @ vectors.T
        dW, dP = flow_function(model)(W, P)
        assert np.allclose(dW, -P @ gradient_of(V, W), atol=1e-6)
        # invariance: P^2 = alpha W W^T stays true
        balance_rate = dP @ P + P @ dP - alpha * (dW @ W.T + W @ dW.T)
        assert np.allclose(balance_rate, 0, atol=1e-9)


def test_restricted_potential_is_not_claimed_outside_its_scope():
    assert balanced_potential(Model()) is None
    isotropic = Moments.isotropic(signal=[1, "1/2"], variance=1)
    assert balanced_potential(Model(moments=isotropic)) is not None
    assert balanced_potential(Model(moments=isotropic, predictor_weight_decay=1)) is None
    assert balanced_potential(Model(procedure="ema", moments=isotropic)) is None
    turned = Moments.dense([[1, 0], [0, 1]], [[1, F(1, 3)], [F(1, 3), 1]])
    assert balanced_potential(Model(moments=turned)) is not None


# ------------------------------------------------------------------------------- direct predictors


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
@QUICK
@given(models("direct-copy"), st.integers(0, 10**6))
def test_direct_curl_and_verdict_agree_with_finite_differences(name, model, seed):
    model = replace(model, procedure=name)
    report = gradient_certificate(model)
    rng = np.random.default_rng(seed)
    if report.flow.is_gradient:
        for _ in range(3):
            W = rng.normal(size=(model.n, model.d))
            if model.n > model.d and name == "direct-pred":
                return  # F^(1/2) is not smooth where F is singular
            jacobian, _ = numeric_jacobian(model, W.ravel(), 1e-6)
            assert np.allclose(jacobian, jacobian.T, atol=2e-4 * (1 + np.abs(jacobian).max()))
        return
    row = replace(model, embed_dim=1)
    witness = report.flow.witness
    names, state = flat_point(row, witness.point)
    jacobian, _ = numeric_jacobian(row, state, 1e-6)
    a, b = (names.index(x) for x in witness.variables)
    measured = jacobian[a, b] - jacobian[b, a]
    if witness.times:
        measured *= np.sqrt(state @ row.moments.matrices()[0] @ state)
    assert measured == pytest.approx(float(witness.value), rel=1e-4, abs=1e-5)
    assert report.flow.constant_metric.exists is False


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
def test_sector_loop_agrees_with_quadrature(name):
    data = Moments.dense([[2, F(1, 2)], [F(1, 2), 1]], [[1, F(1, 3)], [F(1, 3), F(3, 4)]])
    model = Model(procedure=name, moments=data, embed_dim=1)
    a = 0.5 if name == "direct-pred" else 1.0
    loop = sector_loop(model, direct_pair(model), F(1, 2) if a == 0.5 else F(1))
    sigma = data.matrices()[0]
    f = flow_function(model)
    first, second = (np.array(ray, dtype=float) for ray in loop.rays)

    def on(level, direction):
        return direction * np.sqrt(level / (direction @ sigma @ direction))

    def polyline(points):
        total = 0.0
        for start, end in pairwise(points):
            middle = (start + end) / 2
            total += f(middle[None, :])[0][0] @ (end - start)
        return total

    t = np.linspace(0, 1, 4001)
    rays = [[on((1 + x) ** 2, u) for x in t] for u in (first, second)]
    arcs = [[on(level, (1 - x) * first + x * second) for x in t] for level in (4.0, 1.0)]
    work = polyline(rays[0]) + polyline(arcs[0]) + polyline(rays[1][::-1]) + polyline(arcs[1][::-1])
    assert work == pytest.approx(float(loop.work), abs=1e-5)
    assert loop.work != 0


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
def test_direct_potential_for_proportional_moments(name):
    sigma = [[2, F(1, 2)], [F(1, 2), 1]]
    m = [[F(2, 3) * value for value in row] for row in sigma]
    model = Model(procedure=name, moments=Moments.dense(sigma, m), embed_dim=2)
    report = gradient_certificate(model)
    a = F(1, 2) if name == "direct-pred" else F(1)
    assert report.potential == (
        f"({-F(2, 3) / (2 * a + 2)})*tr(F^({a + 1})) + ({1 / (4 * a + 2)})*tr(F^({2 * a + 1})) + "
        "(1/40)*|W|^2 with F = W Sigma W^T"
    )
    S, c, e = model.moments.matrices()[0], 2 / 3, float(a)

    def V(W):
        f = np.linalg.eigvalsh(W @ S @ W.T)
        return (
            -c * (f ** (e + 1)).sum() / (2 * e + 2)
            + (f ** (2 * e + 1)).sum() / (4 * e + 2)
            + (W**2).sum() / 40
        )

    W = np.array([[1.0, -0.4], [0.3, 0.8]])
    assert np.allclose(flow_function(model)(W)[0], -gradient_of(V, W), atol=1e-7)


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
@pytest.mark.parametrize("isotropic", [True, False])
def test_direct_flow_is_a_gradient_field_for_the_metric_of_its_predictor(name, isotropic):
    if isotropic:
        data, decay = Moments.isotropic(signal=[1, "1/2", "1/3"], variance="3/2"), "1/10"
    else:
        data = Moments.dense(
            [[2, F(1, 2), 0], [F(1, 2), 1, 0], [0, 0, 1]],
            [[1, 0, F(1, 3)], [0, 2, 0], [F(1, 3), 0, 1]],
        )
        decay = 0
    model = Model(procedure=name, moments=data, weight_decay=decay)
    report = gradient_certificate(model)
    assert report.flow.is_gradient is False
    assert report.flow.any_metric.exists is True
    power = "3/2" if name == "direct-pred" else "2"
    first = f"-(1/2)*tr(W M W^T) + ({'1/3' if name == 'direct-pred' else '1/4'})*tr(F^({power}))"
    last = " + (1/15)*tr(F^(1/2))" if name == "direct-pred" else " + (1/30)*log det(F)"
    text = first + (last if isotropic else "") + " with F = W Sigma W^T"
    assert report.restricted_potential.potential == text
    S, M = data.matrices()
    e, eta = (0.5 if name == "direct-pred" else 1.0), float(model.eta)

    def V(W):
        f = np.linalg.eigvalsh(W @ S @ W.T)
        value = -np.trace(W @ M @ W.T) / 2 + (f ** (e + 1)).sum() / (2 * e + 2)
        if eta:
            s = 1.5
            value += (
                eta / (2 * s) * np.log(f).sum()
                if e == 1
                else eta / s / (2 - 2 * e) * (f ** (1 - e)).sum()
            )
        return value

    W = np.array([[1.0, -0.4, 0.2], [0.3, 0.8, -0.7]])
    values, vectors = np.linalg.eigh(W @ S @ W.T)
    P = (vectors * values**e) @ vectors.T
    assert np.allclose(flow_function(model)(W)[0], -P @ gradient_of(V, W), atol=1e-7)


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
@pytest.mark.parametrize(("n", "d", "eta"), [(2, 2, "1/20"), (2, 2, 0), (1, 3, "1/20"), (3, 3, 0)])
def test_direct_frobenius_value_agrees_with_finite_differences(name, n, d, eta):
    data = Moments.commuting(signal=[1, "3/4", "1/4"][:d], total=["5/4", 1, "7/8"][:d])
    model = Model(procedure=name, moments=data, embed_dim=n, weight_decay=eta)
    answer = gradient_certificate(model).flow.integrating_factor
    assert (answer.exists, answer.how) == (False, How.PROVED)
    witness = answer.witness
    whitened = "W Sigma^(1/2)" in witness.elsewhere
    rows = 1 if "multiple" in witness.form else 2
    if whitened:
        rows = n
    inner = replace(model, embed_dim=rows)
    point = dict(witness.point)
    if whitened:  # any constant of full rank in the other rows and columns
        point |= {f"W_{i}_{i}": F(7, 5) for i in range(3, n + 1)}
    names, state = flat_point(inner, point)
    scale = np.tile(np.sqrt(np.diag(data.matrices()[0])) if whitened else np.ones(d), rows)
    jacobian, value = numeric_jacobian(inner, state / scale, 1e-6)
    theta = value / scale
    J = jacobian / scale[:, None] / scale[None, :]
    i, j, k = (names.index(x) for x in witness.variables)
    curl = J - J.T
    measured = theta[i] * curl[j, k] + theta[j] * curl[k, i] + theta[k] * curl[i, j]
    if rows > 1:
        assert measured == pytest.approx(float(witness.value), rel=1e-4, abs=1e-6)
    else:
        assert abs(measured) > 1e-4


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
def test_direct_one_row_factors(name):
    two = Moments.commuting(signal=[1, "3/4"])
    flow = gradient_certificate(
        Model(procedure=name, moments=two, embed_dim=1, weight_decay=0)
    ).flow
    assert flow.integrating_factor.factor == "1/P_1_1"
    assert (
        gradient_certificate(
            Model(procedure=name, moments=two, embed_dim=1)
        ).flow.integrating_factor.exists
        is True
    )
    one = gradient_certificate(
        Model(procedure=name, moments=Moments.commuting(signal=[1]), embed_dim=1)
    )
    assert one.flow.is_gradient is True
    dense = Moments.dense([[2, 1], [1, 2]], [[1, F(1, 3)], [F(1, 3), 2]])
    answer = gradient_certificate(Model(procedure="direct-pred", moments=dense)).flow
    assert answer.is_gradient is False
    assert answer.integrating_factor.exists is None


# --------------------------------------------------------------------------------- first integrals


@QUICK
@given(models())
def test_balance_law_of_flow_and_map(model):
    system = procedure(model.procedure).build(model)
    B = balance(model)
    laws = gradient_certificate(model).first_integrals if has_signal(model) else ()
    rng = np.random.default_rng(3)
    point = {name: F(int(rng.integers(-3, 4)), 2) for name in system.variables}
    after = system.evaluate(point, "map")
    n, d = model.n, model.d
    W, P, T = (
        np.array(
            [[point.get(f"{letter}_{i + 1}_{j + 1}", F(0)) for j in range(size)] for i in range(n)],
            dtype=object,
        )
        for letter, size in (("W", d), ("P", n), ("T", d))
    )
    target = T if model.procedure == "ema" else W
    sigma, m = (np.array(matrix, dtype=object) for matrix in model.moments.rational_matrices())
    R = target @ m - P @ W @ sigma
    gain = P.T @ R @ R.T @ P - model.alpha * (W @ R.T @ R @ W.T)
    PP = P.T @ P
    for i in range(n):
        for j in range(n):
            rate = sum(B[i][j].diff(x) * system.flow[x] for x in B[i][j].variables())
            excess = 2 * (model.eta_p - model.eta) / model.alpha
            here = B[i][j].evaluate(point)
            assert rate.evaluate(point) == -2 * model.eta * here + excess * PP[i, j]
            if not excess:
                keep = (1 - model.h * model.eta) ** 2
                assert B[i][j].evaluate(after) == keep * here + model.h**2 * gain[i, j]
    for law in laws:
        assert ("constant" in law.law) == (model.eta == model.eta_p == 0)


def test_first_integrals_are_listed_without_decay_and_never_for_joint():
    model = Model(moments=Moments.commuting(signal=[1]), embed_dim=1, weight_decay=0)
    (integral,) = gradient_certificate(model).first_integrals
    assert integral.entries == ("W_1_1**2 - P_1_1**2",)
    assert integral.map_law == "B+ = 1*B + 1/100*(P^T R R^T P - W R^T R W^T)"
    assert gradient_certificate(Model(procedure="joint")).first_integrals == ()
    (decaying,) = gradient_certificate(Model(predictor_lr=2)).first_integrals
    assert decaying.definition == "B = W W^T - P^T P/(2)"
    assert decaying.law.startswith("dB/dt = -1/10*B exactly")
    assert decaying.map_law == "B+ = 39601/40000*B + 1/100*(P^T R R^T P - 2*W R^T R W^T)"


# ------------------------------------------------------------------------------ whole certificates


@pytest.mark.parametrize("name", ["stop-gradient", "ema", "joint", "contrastive", "direct-pred"])
def test_json_has_the_promised_shape(name):
    body = gradient_certificate(Model(procedure=name)).to_json()
    assert json.loads(json.dumps(body, allow_nan=False)) == body
    assert {"flow", "potential", "map", "first_integrals", "scope"} <= set(body)
    flow = body["flow"]
    assert {
        "is_gradient",
        "how",
        "witness",
        "integrating_factor",
        "constant_metric",
        "any_metric",
    } <= (set(flow))
    if flow["is_gradient"]:
        assert flow["witness"] is None
        assert isinstance(body["potential"], str)
    else:
        assert body["potential"] is None
        assert {"variables", "curl", "point", "value"} <= set(flow["witness"])
        assert F(flow["witness"]["value"]) != 0
        assert F(flow["loop"]["work"]) != 0
        assert flow["integrating_factor"]["exists"] is False
        assert flow["constant_metric"]["exists"] is False
        assert flow["any_metric"]["witness"] is None
    assert all({"text", "how"} == set(sentence) for sentence in body["scope"])


def test_heavy_ball_leaves_the_flow_and_undoes_the_map():
    for name in ("stop-gradient", "ema", "joint", "direct-copy"):
        model = Model(procedure=name, momentum="9/10")
        report, plain = (
            gradient_certificate(model),
            gradient_certificate(replace(model, momentum=0)),
        )
        assert report.flow == plain.flow
        assert report.potential == plain.potential
        assert report.map.is_gradient is None


def system_of(**equations):
    ring = Ring(tuple(equations))
    variables = dict(zip(ring.names, ring.variables(), strict=True))
    flow = {name: build(**variables) for name, build in equations.items()}
    return PolynomialSystem(ring.names, flow, {}, (), "none", ())


def test_certificates_of_any_system():
    gradient = system_certificate(system_of(x=lambda x, y: 2 * x * y, y=lambda x, y: x * x - y))
    assert gradient.potential == "-x**2*y + 1/2*y**2"
    rotation = system_certificate(system_of(x=lambda x, y: -y, y=lambda x, y: x + 0 * y))
    assert rotation.flow.is_gradient is False
    assert rotation.flow.witness.value == -2
    assert rotation.flow.constant_metric.exists is False
    assert rotation.flow.integrating_factor.exists is True
    stretched = system_certificate(system_of(x=lambda x, y: 3 * y, y=lambda x, y: x + 0 * y))
    assert stretched.flow.is_gradient is False
    assert stretched.flow.constant_metric.exists is True
    contact = system_certificate(
        system_of(x=lambda x, y, z: -1 * y, y=lambda x, y, z: x * 1, z=lambda x, y, z: 0 * z + 1)
    )
    assert contact.flow.integrating_factor.exists is False
    model = Model(procedure="direct-copy")
    tied = system_certificate(procedure("direct-copy").build(model))
    assert tied.flow.is_gradient is None
    assert tied.flow.how is None


@QUICK
@given(models("joint", 1, moments(1)))
def test_generic_route_agrees_on_joint(model):
    report = system_certificate(procedure("joint").build(model))
    if model.alpha == 1:
        assert report.flow.is_gradient is True
    else:
        assert report.flow.is_gradient is False
        assert report.flow.constant_metric.exists is True


@QUICK
@given(models("stop-gradient", 1))
def test_generic_route_agrees_on_stop_gradient(model):
    model = replace(model, predictor_lr=1)
    if not has_signal(model):
        return
    generic = system_certificate(procedure("stop-gradient").build(model)).flow
    ours = gradient_certificate(model).flow
    assert generic.is_gradient is ours.is_gradient is False
    assert generic.integrating_factor.exists is ours.integrating_factor.exists
    assert generic.constant_metric.exists is ours.constant_metric.exists is False


def test_nonzero_point_avoids_all_roots():
    ring = Ring(("x", "y"))
    x, y = ring.variables()
    wanted = x * (x - 1) * (x + 1) * (y - 2) * y
    assert wanted.evaluate(nonzero_point(wanted)) != 0


def test_large_models_answer_from_formulas():
    size = 2048
    rng = np.random.default_rng(0)
    root = rng.normal(size=(64, 64))
    dense = Moments.dense(root @ root.T / 64 + np.eye(64), root @ root.T / 64)
    modes = Moments.commuting(signal=[F(1, 2) + F(j, 3 * size) for j in range(size)])
    start = time.perf_counter()
    for name in ("stop-gradient", "ema", "joint", "contrastive", "direct-pred", "direct-copy"):
        for data, n in ((modes, size), (dense, 64)):
            report = gradient_certificate(Model(procedure=name, moments=data, embed_dim=n))
            assert report.flow.is_gradient is (name in ("joint", "contrastive"))
            assert len(json.dumps(report.to_json())) < 20_000
    assert time.perf_counter() - start < 20


def test_default_certificate_imports_no_heavy_library():
    code = (
        "import sys\n"
        "from equilibria.systems.model import Model\n"
        "from equilibria.gradient import gradient_certificate\n"
        "for name in ('ema', 'stop-gradient', 'joint', 'direct-pred'):\n"
        "    gradient_certificate(Model(procedure=name)).to_json()\n"
        "gradient_certificate(Model(procedure='ema', weight_decay=0)).to_json()\n"
        "print(sorted({'numpy', 'scipy', 'sympy', 'torch'} & set(sys.modules)))\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", ["stop-gradient", "ema", "joint", "direct-pred", "direct-copy"])
@pytest.mark.parametrize("scale", ["1e300", "1e-300"])
@pytest.mark.parametrize("decay", [0, "1/20"])
def test_extreme_numbers_stay_exact(name, scale, decay):
    data = Moments.commuting(signal=[scale, "3/4"], total=[scale, 1])
    model = Model(procedure=name, moments=data, weight_decay=decay)
    report = gradient_certificate(model)
    assert report.flow.is_gradient is (name == "joint")
    report.to_json()


# A loop for every curl, also one that is odd under an exchange of its variables.


def form_of(x, y):
    ring = Ring(("x", "y"))
    return OneForm({"x": parse(x, ring), "y": parse(y, ring)})


def loop_of(form):
    a, b, curl = next(form.curls())
    point = nonzero_point(curl)
    value = curl.evaluate({name: point.get(name, F(0)) for name in form.names})
    return closed_loop(form, CurlWitness((a, b), curl.text(), point, value))


def test_an_odd_curl_has_a_loop_off_the_origin():
    form = form_of("x*(1 - x - 2*y)", "y*(1 - y - 2*x)")  # curl 2 (y - x): 0 over every square at 0
    assert all(form.work([{"y": i * s, "x": j * s} for i, j in SQUARE]) == 0 for s in (1, 2, 3))
    loop = loop_of(form)
    assert form.work(loop.corners) == loop.work != 0


SQUARE = ((0, 0), (1, 0), (1, 1), (0, 1))
SMALL = st.integers(-3, 3)


@QUICK
@given(st.lists(st.tuples(SMALL, st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=4))
def test_every_curl_has_a_loop(terms):
    """theta = (f, 0) with f made odd: df/dy is any antisymmetric polynomial."""
    f = " + ".join(
        f"({c})*(x**{i}*y**{j + 1}/{j + 1} - x**{j}*y**{i + 1}/{i + 1})" for c, i, j in terms
    )
    form = form_of(f, "0")
    if next(form.curls(), None) is None:
        return
    loop = loop_of(form)
    assert form.work(loop.corners) == loop.work != 0
    assert len(set(map(str, loop.corners))) == 4


def test_a_certificate_that_fails_leaves_a_sentence():
    def limited():
        raise LimitReached("too large")

    def contradicted():
        raise ConsistencyError("two routes disagree")

    for make, words in ((limited, "too large"), (contradicted, "report it")):
        report = or_reason("some flow", make)
        assert report.flow.is_gradient is None
        assert words in report.sentences[0][0]


def test_a_report_survives_its_gradient_question(monkeypatch):
    def broken(*_, **__):
        raise ConsistencyError("two routes disagree")

    monkeypatch.setattr("equilibria.gradient.gradient_certificate", broken)
    monkeypatch.setattr("equilibria.gradient.system_certificate", broken)
    for data in (analyze(Model()).to_json(), analyze_system_file(str(CONIC)).to_json()):
        assert data["components"]
        assert data["gradient_field"]["flow"]["is_gradient"] is None
        assert "left out" in data["gradient_field"]["scope"][0]["text"]


@pytest.mark.parametrize("name", ["joint", "contrastive"])
def test_the_verdict_on_a_gradient_field_names_the_procedure(name):
    (line, *_) = gradient_lines(eq.analyze(eq.Model(procedure=name)))
    assert f"({name}: minus the gradient of a loss)" in line


@pytest.mark.parametrize(
    ("name", "metric"),
    [
        ("stop-gradient", "|dP|^2/(2) + |dW|^2"),
        ("ema", "|dP|^2/(2) + |dW|^2 + |dT|^2"),
        ("joint", "|dP|^2/(2) + |dW|^2"),
        ("direct-pred", "|dW|^2"),
        ("contrastive", "|dW|^2"),
    ],
)
def test_the_metric_measures_what_is_trained(name, metric):
    assert metric_text(eq.Model(procedure=name, predictor_lr=2)) == metric


@pytest.mark.parametrize(
    ("name", "signal", "argument"),
    [
        ("stop-gradient", [1, "1/2"], "gives C Sigma"),
        ("ema", [1, "1/2"], "gives C M = 0 with C positive definite"),
        ("ema", [0, 0], "makes the (W, T) block of G zero"),
    ],
)
def test_the_argument_against_constant_metrics_is_that_of_the_model(name, signal, argument):
    model = eq.Model(procedure=name, moments=Moments.commuting(signal=signal))
    found = bootstrap_constant_metric(model)
    assert found.exists is False
    assert argument in found.argument
