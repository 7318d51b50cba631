"""The polynomials against the matrix equations, on arrays; and the rationals they are read from."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import equilibria as eq
from equilibria.errors import FormatError
from equilibria.exact.rationals import rational
from equilibria.systems.procedures import PROCEDURES, procedure
from equilibria.systems.procedures.contrastive import contrastive_potential
from equilibria.systems.procedures.joint import joint_potential

NUMBERS = st.fractions(min_value=-2, max_value=2, max_denominator=7)


@st.composite
def models(draw, name):
    d, n = draw(st.integers(1, 3)), draw(st.integers(1, 3))
    half = [[draw(NUMBERS) for _ in range(d)] for _ in range(d)]
    sigma = [
        [sum(a * b for a, b in zip(half[i], half[j], strict=True)) + (i == j) for j in range(d)]
        for i in range(d)
    ]
    m = [[half[min(i, j)][max(i, j)] for j in range(d)] for i in range(d)]
    return eq.Model(
        procedure=name,
        moments=eq.Moments.dense(sigma, m),
        embed_dim=n,
        lr=draw(st.sampled_from(["1/10", "1/3"])),
        weight_decay=draw(st.sampled_from(["0", "1/20"])),
        predictor_lr=draw(st.sampled_from(["1", "5/2"])),
        predictor_weight_decay=draw(st.sampled_from(["0", "1/7"])),
        ema="3/4" if name == "ema" else None,
        momentum=draw(st.sampled_from(["0", "9/10"])),
    )


def force(model, W, P, T):
    """Return (dW, dP) as the papers write them, in NumPy."""
    sigma, m = model.moments.matrices()
    eta, eta_p, alpha = float(model.eta), float(model.eta_p), float(model.alpha)
    if model.procedure == "contrastive":
        return W @ m - (W @ sigma @ W.T) @ W @ sigma - eta * W, None
    target = T if model.procedure == "ema" else W
    R = target @ m - P @ W @ sigma
    dW = P.T @ R - eta * W
    if model.procedure == "joint":
        dW = dW + P @ W @ m - W @ sigma
    dP = None if model.procedure.startswith("direct") else alpha * R @ W.T - eta_p * P
    return dW, dP


@pytest.mark.parametrize("name", sorted(PROCEDURES))
@given(data=st.data())
def test_flow_and_map_are_the_matrix_equations(name, data):
    model = data.draw(models(name))
    system = procedure(name).build(model)
    rng = np.random.default_rng(data.draw(st.integers(0, 99)))
    shapes = {"W": (model.n, model.d), "P": (model.n, model.n), "T": (model.n, model.d)}
    state = {letter: rng.normal(size=shape) for letter, shape in shapes.items()}
    speed = {letter: rng.normal(size=shapes[letter]) for letter in "WP"}
    point = entries(state) | entries({"V" + k: v for k, v in speed.items()})
    dW, dP = force(model, **state)
    flow = {"W": dW} | ({"P": dP} if dP is not None else {})
    if name == "ema":
        flow["T"] = float(model.flow_rate) * (state["W"] - state["T"])
    same(system.evaluate({k: point[k] for k in needed(system, "flow")}), entries(flow))
    nu, h, mu = float(model.nu), float(model.h), float(model.mu)
    after = {}
    for letter, change in flow.items():
        if letter == "T":
            continue
        velocity = change + nu * speed[letter]
        after[letter] = state[letter] + h * velocity
        if nu:
            after["V" + letter] = velocity
    if name == "ema":
        after["T"] = mu * state["T"] + (1 - mu) * after["W"]
    same(system.evaluate({k: point[k] for k in needed(system, "map")}, "map"), entries(after))


def needed(system, kind):
    equations = getattr(system, kind)
    return {v for entry in equations.values() for v in entry.variables()} | set(equations)


def entries(matrices):
    return {
        f"{letter}_{i + 1}_{j + 1}": float(value)
        for letter, matrix in matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    }


def same(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=1e-11, abs=1e-11)


@given(data=st.data())
def test_joint_flow_is_minus_the_gradient_in_its_metric(data):
    model = data.draw(models("joint"))
    system, potential = procedure("joint").build(model), joint_potential(model)
    for name, entry in system.flow.items():
        scale = model.alpha if name.startswith("P") else 1
        assert entry == potential.diff(name) * Fraction(-1) * scale


@given(data=st.data())
def test_contrastive_flow_is_minus_the_gradient_of_its_loss(data):
    model = data.draw(models("contrastive"))
    system, potential = procedure("contrastive").build(model), contrastive_potential(model)
    assert all(entry == -potential.diff(name) for name, entry in system.flow.items())


def test_polynomials_take_arrays():
    system = procedure("ema").build(eq.Model(procedure="ema"))
    grid = np.linspace(-1, 1, 5)
    point = dict.fromkeys(system.variables, grid)
    values = system.evaluate(point)
    single = system.evaluate(dict.fromkeys(system.variables, 0.5))
    assert values["W_1_1"].shape == (5,)
    assert values["W_1_1"][3] == pytest.approx(single["W_1_1"])


@given(st.fractions(max_denominator=1000))
def test_rationals_survive_text(value):
    assert rational(str(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.99", "99/100"),
        ("99/100", "99/100"),
        ("1e-3", "1/1000"),
        (" 2 ", "2"),
        ("-.5", "-1/2"),
        ("1.5/3", "1/2"),
        (0.1, "1/10"),
        (3, "3"),
    ],
)
def test_numbers_are_read_exactly(text, value):
    assert rational(text) == Fraction(value)


@pytest.mark.parametrize(
    "text",
    ["", "1/0", "nan", "inf", "1e999999999", "0x10", "1_000", "1/2/3", "١", True, "9" * 5000],
)
def test_what_is_no_number_is_refused_at_once(text):
    with pytest.raises(FormatError) as error:
        rational(text, "--lr")
    assert str(error.value).startswith("--lr")
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200
