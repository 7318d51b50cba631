"""The NumPy step is the polynomial map, and its Jacobian has the predicted multipliers."""

from __future__ import annotations

import numpy as np
import pytest

from empirical.overlay.predicted import predict
from empirical.overlay.rate import compare, fitted
from empirical.overlay.steps import advance, jacobian, residual, shapes_of
from equilibria.data.moments import Moments
from equilibria.errors import ScopeError
from equilibria.systems.model import Model

torch = pytest.importorskip("torch")

from empirical.linear.model import LinearTraining  # noqa: E402
from empirical.linear.objectives import moment_pairs  # noqa: E402

MIXED = Moments.dense(
    np.array([[1.3, 0.2, 0.0], [0.2, 1.1, 0.1], [0.0, 0.1, 0.9]]), np.diag([0.9, 0.7, 0.5])
)
MODELS = [
    Model(moments=MIXED, predictor_lr="3/2", predictor_weight_decay="1/10"),
    Model(procedure="ema", ema="9/10", moments=MIXED, momentum="1/2"),
    Model(procedure="joint", moments=MIXED),
    Model(procedure="direct-copy", moments=MIXED),
    Model(procedure="direct-pred", moments=MIXED),
    Model(procedure="contrastive", moments=MIXED),
]


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.procedure)
def test_a_step_is_what_sgd_does(model: Model) -> None:
    rng = np.random.default_rng(1)
    W, P = 0.5 * rng.normal(size=(2, 3)), 0.5 * rng.normal(size=(2, 2))
    training = LinearTraining(model, W, P)
    state = {"W": W, "P": P, "T": W, "VW": 0 * W, "VP": 0 * P}
    now = {name: state[name] for name in shapes_of(model)}
    for _ in range(3):
        now = {**now, **advance(model, now)}
        training.step(moment_pairs(*model.moments.matrices()))
    np.testing.assert_allclose(now["W"], training.state["W"], atol=1e-12)
    if model.procedure in ("stop-gradient", "ema", "joint"):
        np.testing.assert_allclose(now["P"], training.state["P"], atol=1e-12)


@pytest.mark.parametrize("extra", [{}, {"procedure": "ema"}, {"momentum": "1/2"}])
def test_its_jacobian_has_the_predicted_radius(extra: dict) -> None:
    model = Model(**extra)
    for target in predict(model, []).stable:
        still = {"W": target.W, "P": target.P, "T": target.W}
        still |= {"VW": 0 * target.W, "VP": 0 * target.P}
        state = {name: still[name] for name in shapes_of(model)}
        assert residual(model, state) < 1e-12
        values = np.linalg.eigvals(jacobian(model, state)[0])
        moduli = np.abs(values[np.argsort(np.abs(values - 1))])[target.component.map.neutral :]
        assert moduli.max() == pytest.approx(target.component.map.radius, abs=1e-7)
        assert moduli.max() < 1


def test_a_square_root_has_no_polynomial_jacobian() -> None:
    model = Model(procedure="direct-pred")
    with pytest.raises(ScopeError, match="not a polynomial"):
        jacobian(model, {"W": np.eye(2), "P": np.eye(2)})


def test_a_rate_is_measured_after_the_last_detour_and_named_when_it_is_not_the_slowest() -> None:
    step = np.unique(np.geomspace(1, 6000, 120).astype(int))
    approach = 0.5 * 0.996**step + 0.4 * 0.97**step
    noise = np.random.default_rng(0).normal(size=len(step))
    measured = fitted(step, approach * np.exp(0.02 * noise), 1.0)
    assert measured == pytest.approx(0.996, abs=2e-4)
    moduli = np.array([0.999, 0.996, 0.97])
    named = compare(measured, 0.999, moduli)
    assert named.matched == 0.996
    assert "not excited" in named.note
    assert compare(0.985, 0.999, moduli).matched is None


def test_what_does_not_shrink_geometrically_has_no_rate() -> None:
    step = np.arange(1, 200)
    assert fitted(step, 1.0 / step, 1.0) is None
    assert fitted(step, np.ones(199), 1.0) is None
    assert fitted(np.array([0]), np.array([1.0]), 1.0) is None


@pytest.mark.parametrize(("wobble", "geometric"), [(0.05, True), (0.09, True), (0.12, False)])
def test_slopes_that_spread_by_a_fifth_are_no_rate(wobble: float, geometric: bool) -> None:
    step = np.arange(0, 2000, 10)
    # Two slopes in turn, half of the way each: the quartiles are the two.
    slopes = np.where(np.arange(len(step)) % 2, 1 + wobble, 1 - wobble)
    distance = np.exp(-0.01 * 10 * np.cumsum(slopes))
    measured = fitted(step, distance, 1e-300)
    assert (measured is not None) == geometric
