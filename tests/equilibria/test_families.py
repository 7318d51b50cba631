"""Contrastive, joint, direct procedures and zero decay against the dense Jacobian."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.systems.procedures import procedure
from equilibria.varieties.component import Verdict
from tests import dense

SMALL = st.fractions(min_value=Fraction(1, 5), max_value=2, max_denominator=10)
SIGNS = st.sampled_from([1, 1, -1])


@st.composite
def pairs(draw, *, signed=True, admissible=False):
    d = draw(st.integers(1, 3))
    signal = [draw(SMALL) * (draw(SIGNS) if signed else 1) for _ in range(d)]
    total = (
        [abs(m) + draw(SMALL) for m in signal] if admissible else [draw(SMALL) for _ in range(d)]
    )
    return eq.Moments.commuting(signal=signal, total=total)


def agrees(model, *, kinds=("flow", "map")) -> None:
    for component in eq.analyze(model).components:
        if not component.flow.spectrum:
            continue
        size = 1 + max(abs(v) for v in dense.listed(component.flow.spectrum))
        assert dense.residual(component, model) < 1e-11 * size**2
        for kind in kinds:
            stability = getattr(component, kind)
            brute = dense.spectrum(component, model, kind)
            assert dense.distance(brute, dense.listed(stability.spectrum)) < 2e-4 * size
            margin = brute.real if kind == "flow" else np.abs(brute) - 1
            if stability.verdict is Verdict.STABLE:
                assert stability.neutral == component.dimension
                assert np.sum(margin > 1e-6) == 0
            if stability.verdict is Verdict.UNSTABLE:
                assert margin.max() > -1e-6


@settings(max_examples=40)
@given(
    pairs(), st.integers(1, 3), st.sampled_from(["0", "1/10", "1/2"]), st.sampled_from(["0", "1/2"])
)
def test_contrastive_equals_the_dense_jacobian(moments, n, decay, momentum):
    agrees(
        eq.Model(
            procedure="contrastive",
            moments=moments,
            embed_dim=n,
            weight_decay=decay,
            momentum=momentum,
        )
    )


@settings(max_examples=40)
@given(
    pairs(admissible=True),
    st.integers(1, 3),
    st.sampled_from(["0", "1/10"]),
    st.sampled_from(["0", "1/5"]),
    st.sampled_from(["0", "1/2"]),
    st.sampled_from(["1", "1/3"]),
)
def test_joint_equals_the_dense_jacobian(moments, n, decay, predictor_decay, momentum, alpha):
    agrees(
        eq.Model(
            procedure="joint",
            moments=moments,
            embed_dim=n,
            weight_decay=decay,
            predictor_weight_decay=predictor_decay,
            momentum=momentum,
            predictor_lr=alpha,
        )
    )


@given(st.integers(1, 3), st.integers(1, 2), st.integers(0, 1))
def test_joint_without_decay_keeps_untouched_directions(n, plus, minus):
    signal = [1] * plus + [-1] * minus + [Fraction(1, 2)]
    moments = eq.Moments.commuting(signal=signal, total=[1] * len(signal))
    model = eq.Model(procedure="joint", moments=moments, embed_dim=n, weight_decay=0)
    report = eq.analyze(model)
    agrees(model)
    assert max(c.rank for c in report.components) == min(n, plus + minus)


def _joint_point(model, component, rng) -> dict[str, float]:
    """Return a generic point of a joint component: W on the untouched directions, P = +-1 there."""
    signs = np.array([1 if m > 0 else -1 for m in model.moments.signal])
    touched = [
        m * m != s * s for m, s in zip(model.moments.signal, model.moments.total, strict=True)
    ]
    n, d = model.n, model.d
    columns, values = [], []
    for sign in (1, -1):
        free = [j for j in range(d) if not touched[j] and signs[j] == sign]
        rank = sum(1 for j in component.modes if signs[j - 1] == sign)
        rows = np.zeros((rank, d))
        rows[:, free] = rng.normal(size=(rank, len(free)))
        columns.append(rows)
        values += [sign] * rank
    rows = np.vstack(columns)
    frame = rng.normal(size=(n, len(rows)))
    inverse = np.linalg.pinv(frame)
    other = rng.normal(size=(n, n)) @ (np.eye(n) - frame @ inverse)
    matrices = {"W": frame @ rows, "P": frame @ np.diag(values) @ inverse + other}
    return {
        f"{letter}_{i + 1}_{j + 1}": float(value)
        for letter, matrix in matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    }


@settings(max_examples=25)
@given(st.integers(1, 3), st.integers(0, 3), st.integers(0, 2), st.integers(0, 1))
def test_joint_dimension_is_the_nullity_at_a_generic_point(n, plus, minus, rest):
    signal = ["1"] * plus + ["-3/4"] * minus + ["1/2"] * rest
    total = ["1"] * plus + ["3/4"] * minus + ["5/4"] * rest
    if not signal:
        return
    moments = eq.Moments.commuting(signal=signal, total=total)
    model = eq.Model(procedure="joint", moments=moments, embed_dim=n, weight_decay=0)
    system = procedure("joint").build(model)
    names = list(system.flow)
    rng = np.random.default_rng(7)
    for component in eq.analyze(model, max_components=1000).components:
        point = _joint_point(model, component, rng)
        assert max(map(abs, system.evaluate(point).values())) < 1e-11
        jacobian = np.zeros((len(names), len(names)))
        for (row, column), entry in system.jacobian("flow").items():
            jacobian[names.index(row), names.index(column)] = entry.evaluate(point, float)
        sizes = np.linalg.svd(jacobian, compute_uv=False)
        assert np.sum(sizes < 1e-9) == component.dimension, component.id


REPEATED = st.tuples(st.integers(1, 3), st.integers(0, 2), st.integers(1, 4))


@settings(max_examples=20)
@given(REPEATED, st.sampled_from(["stop-gradient", "ema"]))
def test_components_of_repeated_modes_have_as_many_zeros_as_dimensions(case, name):
    copies, others, n = case
    moments = eq.Moments.commuting(
        signal=["1"] * copies + ["-4/5"] * others, total=["5/4"] * copies + ["1"] * others
    )
    model = eq.Model(procedure=name, moments=moments, embed_dim=n, weight_decay="1/20")
    met = set()
    for component in eq.analyze(model, max_components=1000).components:
        met |= set(component.roots)
        brute = dense.spectrum(component, model)
        assert np.sum(np.abs(brute) < 1e-9) == component.dimension, component.id
    assert met == {"+", "-"}


@settings(max_examples=40)
@given(
    pairs(),
    st.integers(1, 3),
    st.sampled_from(["stop-gradient", "ema"]),
    st.sampled_from(["0", "1/2"]),
    st.sampled_from(["1", "4", "1/2"]),
)
def test_zero_decay_equals_the_dense_jacobian(moments, n, name, momentum, alpha):
    agrees(
        eq.Model(
            procedure=name,
            moments=moments,
            embed_dim=n,
            weight_decay=0,
            momentum=momentum,
            predictor_lr=alpha,
            ema="9/10" if name == "ema" else None,
        )
    )


@settings(max_examples=30)
@given(pairs(), st.integers(1, 2), st.data())
def test_zero_decay_conditions_decide_random_aligned_points(moments, n, data):
    """The polynomial conditions against the dense Jacobian at other points of the component."""
    momentum = data.draw(st.sampled_from(["0", "9/10"]))
    model = eq.Model(
        procedure="ema", ema="9/10", moments=moments, embed_dim=n, weight_decay=0, momentum=momentum
    )
    for component in eq.analyze(model).components:
        if component.stable_where is None or component.modes is None:
            continue
        point = random_point(component, model, data)
        for kind in ("flow", "map"):
            conditions = getattr(component.stable_where, kind)
            values = [value_of(text, point) for text in conditions]
            if any(abs(value) < 1e-3 for value in values):
                continue
            spectrum = spectrum_at(model, point, kind)
            neutral = np.abs(spectrum - (kind == "map")).argsort()[: n * n]
            margin = spectrum.real if kind == "flow" else np.abs(spectrum) - 1
            assert (np.delete(margin, neutral).max() < 0) == all(value > 0 for value in values)


def random_point(component, model, data) -> dict[str, float]:
    values = st.floats(-2, 2).map(lambda x: round(x, 2))
    point = {f"W_{i + 1}_{j + 1}": 0.0 for i in range(model.n) for j in range(model.d)}
    point |= {f"P_{i + 1}_{j + 1}": 0.0 for i in range(model.n) for j in range(model.n)}
    for i in range(model.n):
        if i < component.rank:
            mode = component.modes[i]
            s, m = model.moments.total[mode - 1], model.moments.signal[mode - 1]
            point[f"P_{i + 1}_{i + 1}"] = float(m / s)
            point[f"W_{i + 1}_{mode}"] = data.draw(values)
        else:
            point[f"P_{i + 1}_{i + 1}"] = data.draw(values)
    return point | {
        name.replace("W", "T"): value for name, value in point.items() if name[0] == "W"
    }


def value_of(condition: str, point: dict[str, float]) -> float:
    from equilibria.exact.grammar import parse
    from equilibria.exact.polynomial import Ring

    ring = Ring(tuple(point))
    return float(parse(condition.split(" > ")[0], ring).evaluate(point, float))


def spectrum_at(model, point, kind) -> np.ndarray:
    from equilibria.systems.procedures import procedure

    system = procedure(model.procedure).build(model)
    names = list(getattr(system, kind))
    point = {name: point.get(name, 0.0) for name in names}
    jacobian = np.zeros((len(names), len(names)))
    for (row, column), entry in system.jacobian(kind).items():
        jacobian[names.index(row), names.index(column)] = entry.evaluate(point, float)
    return np.linalg.eigvals(jacobian)


@settings(max_examples=30)
@given(pairs(signed=False), st.integers(1, 3), st.sampled_from(["direct-pred", "direct-copy"]))
def test_direct_spectra_equal_finite_differences_of_the_encoder_flow(moments, n, name):
    bound = max(m * m / (4 * s) for m, s in zip(moments.signal, moments.total, strict=True))
    model = eq.Model(procedure=name, moments=moments, embed_dim=n, weight_decay=bound / 3)
    for component in eq.analyze(model).components:
        assert dense.residual(component, model) < 1e-12 * 50
        if component.rank < min(n, moments.dimension):
            continue  # the square root is not differentiable where F is singular
        brute = np.linalg.eigvals(direct_jacobian(component, model))
        assert dense.distance(brute, dense.listed(component.flow.spectrum)) < 2e-4


def direct_jacobian(component, model) -> np.ndarray:
    """Differentiate dW = P^T (W M - P W Sigma) - eta W with P = (W Sigma W^T)^a numerically."""
    from equilibria.varieties.commuting.representative import entry_float

    sigma, m = model.moments.matrices()
    W0 = np.array([[entry_float(x) for x in row] for row in component.representative["W"]])

    def field(w: np.ndarray) -> np.ndarray:
        W = w.reshape(W0.shape)
        values, vectors = np.linalg.eigh(W @ sigma @ W.T)
        power = 0.5 if model.procedure == "direct-pred" else 1.0
        P = (vectors * np.maximum(values, 0) ** power) @ vectors.T
        return (P.T @ (W @ m - P @ W @ sigma) - float(model.eta) * W).ravel()

    step = 1e-5
    unit = np.eye(W0.size) * step
    columns = [(field(W0.ravel() + e) - field(W0.ravel() - e)) / (2 * step) for e in unit]
    return np.array(columns).T


def test_direct_pred_with_n_above_rank_is_stable_under_its_own_map():
    """Iterate the real update with P = F^(1/2) from a perturbed rank-1 state, n = 3, d = 2."""
    moments = eq.Moments.commuting(signal=["7/10", "1/2"], total=[1, 1])
    model = eq.Model(procedure="direct-pred", moments=moments, embed_dim=3, weight_decay="1/10")
    component = eq.analyze(model).component("rank1:1+")
    assert component.map.verdict is Verdict.STABLE
    sigma, m = moments.matrices()
    rng = np.random.default_rng(1)
    W = np.zeros((3, 2))
    W[0, 0] = 0.5
    W += 1e-3 * rng.normal(size=W.shape)
    for _ in range(4000):
        values, vectors = np.linalg.eigh(W @ sigma @ W.T)
        P = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
        W = W + 0.1 * (P.T @ (W @ m - P @ W @ sigma) - 0.1 * W)
    assert np.linalg.svd(W, compute_uv=False) == pytest.approx([0.5, 0], abs=1e-6)
