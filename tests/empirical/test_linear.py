"""Autograd and SGD against the polynomials of `equilibria`, which know nothing of either."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.linear.model import LinearTraining  # noqa: E402
from empirical.linear.objectives import (  # noqa: E402
    Pairs,
    correlation_power,
    moment_pairs,
    squared,
    stop_gradient,
)
from empirical.linear.target import follow, target_of  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402
from equilibria.systems.procedures import PROCEDURES, procedure  # noqa: E402


def random_moments(generator: np.random.Generator, d: int, *, commuting: bool) -> Moments:
    def small() -> Fraction:
        return Fraction(int(generator.integers(-8, 9)), 8)

    if commuting:
        return Moments.commuting(signal=[small() for _ in range(d)], total=[abs(small()) + 1] * d)
    half = [[small() for _ in range(d)] for _ in range(d)]
    m = [[half[i][j] + half[j][i] for j in range(d)] for i in range(d)]
    factor = [[small() for _ in range(d)] for _ in range(d)]
    sigma = [
        [sum(factor[i][k] * factor[j][k] for k in range(d)) + (i == j) for j in range(d)]
        for i in range(d)
    ]
    return Moments.dense(sigma, m)


def random_model(name: str, seed: int, **rates: object) -> Model:
    generator = np.random.default_rng(seed)
    n, d = (int(size) for size in generator.integers(1, 5, 2))
    moments = random_moments(generator, d, commuting=bool(generator.integers(2)))
    if name == "ema":
        rates.setdefault("ema", "9/10")
    return Model(procedure=name, moments=moments, embed_dim=n, **rates)


def point(state: dict[str, np.ndarray]) -> dict[str, float]:
    return {
        f"{letter}_{i + 1}_{j + 1}": float(value)
        for letter, matrix in state.items()
        for (i, j), value in np.ndenumerate(matrix)
    }


def distance_from_the_map(model: Model, seed: int, steps: int = 4) -> float:
    """Return the largest relative difference between SGD and the polynomial map over some steps."""
    generator = np.random.default_rng(seed)
    system = procedure(model.procedure).build(model)
    W, P = generator.normal(size=(model.n, model.d)), generator.normal(size=(model.n, model.n))
    T = generator.normal(size=W.shape) if model.procedure == "ema" else None
    training = LinearTraining(model, W, P, T=T)
    pairs = moment_pairs(*model.moments.matrices())
    expected = dict.fromkeys(system.map, 0.0)  # velocities start at rest
    worst = 0.0
    for _ in range(steps):
        before = training.state
        training.step(pairs)
        if training.exponent is not None:
            before["P"] = training.state["P"]  # set within the step, from the weights before it
        expected = {**expected, **point(before)}
        expected = system.evaluate(expected, "map")
        found = point(training.state)
        size = max(map(abs, found.values()))
        named = [name for name in expected if not name.startswith("V")]
        worst = max(worst, max(abs(found[name] - expected[name]) for name in named) / size)
    return worst


@pytest.mark.parametrize("momentum", ["0", "9/10"])
@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", PROCEDURES)
def test_a_step_of_sgd_is_the_polynomial_map(name: str, seed: int, momentum: str) -> None:
    model = random_model(name, seed, lr="1/10", weight_decay="1/20", momentum=momentum)
    assert distance_from_the_map(model, seed) < 1e-12


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("name", ["joint", "stop-gradient", "ema"])
def test_unequal_rates_and_decays_are_parameter_groups(name: str, seed: int) -> None:
    rates = {
        "lr": "1/50",
        "predictor_lr": "7/3",
        "predictor_weight_decay": "1/9",
        "momentum": "1/2",
    }
    assert distance_from_the_map(random_model(name, seed, **rates), seed) < 1e-12


def test_the_comparison_notices_a_wrong_decay() -> None:
    model = random_model("ema", 1, predictor_lr="2", predictor_weight_decay="1/10")
    other = random_model("ema", 1, predictor_lr="2", predictor_weight_decay="1/5")
    assert model.n == other.n
    system = procedure("ema").build(other)
    training = LinearTraining(model, np.ones((model.n, model.d)), np.ones((model.n, model.n)))
    expected = system.evaluate(point(training.state), "map")
    training.step(moment_pairs(*model.moments.matrices()))
    found = point(training.state)
    assert max(abs(found[name] - expected[name]) for name in expected) > 1e-3


def test_the_gradient_through_a_stop_is_exactly_zero() -> None:
    z = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    prediction = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    loss = squared(prediction, stop_gradient(2 * z), torch.full((5,), 0.2, dtype=torch.float64))
    leaked, kept = torch.autograd.grad(loss, (z, prediction), allow_unused=True)
    assert leaked is None
    assert float(kept.abs().max()) > 0
    through = squared(prediction, 2 * z, torch.full((5,), 0.2, dtype=torch.float64))
    assert float(torch.autograd.grad(through, z)[0].abs().max()) > 0


def test_the_closed_form_predictor_is_a_constant() -> None:
    z = torch.randn(6, 3, dtype=torch.float64, requires_grad=True)
    weight = torch.full((6,), 1 / 6, dtype=torch.float64)
    P = correlation_power(z, weight, 0.5)
    assert not P.requires_grad
    torch.testing.assert_close(P @ P, (z.T @ z / 6).detach())


@pytest.mark.parametrize("seed", range(3))
def test_moment_pairs_have_the_moments(seed: int) -> None:
    moments = random_moments(np.random.default_rng(seed), 4, commuting=False)
    sigma, m = moments.matrices()
    pairs = moment_pairs(sigma, m)
    x, y, w = (value.numpy() for value in (pairs.x, pairs.y, pairs.weight))
    for left, right, wanted in ((x, x, sigma), (y, y, sigma), (y, x, m), (x, y, m)):
        np.testing.assert_allclose((w[:, None] * left).T @ right, wanted, atol=1e-14)


@pytest.mark.parametrize("name", PROCEDURES)
def test_a_batch_of_samples_is_the_map_of_its_own_moments(name: str) -> None:
    generator = np.random.default_rng(0)
    n, d, size = 2, 3, 40
    x = generator.normal(size=(size, d))
    y = x + 0.3 * generator.normal(size=(size, d))
    both = np.concatenate([x, y]), np.concatenate([y, x])  # exchangeable, so M is symmetric
    moments = Moments.dense(both[0].T @ both[0] / (2 * size), both[1].T @ both[0] / (2 * size))
    model = Model(procedure=name, moments=moments, embed_dim=n)
    W, P = generator.normal(size=(n, d)), generator.normal(size=(n, n))
    on_samples, on_moments = LinearTraining(model, W, P), LinearTraining(model, W, P)
    on_samples.step(Pairs.samples(*(torch.tensor(view) for view in both)))
    on_moments.step(moment_pairs(*moments.matrices()))
    for letter, value in on_samples.state.items():
        np.testing.assert_allclose(value, on_moments.state[letter], atol=1e-13)


def test_the_target_follows_every_parameter_and_keeps_its_buffers() -> None:
    online = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    target = target_of(online)
    before = [value.clone() for value in target.parameters()]
    with torch.no_grad():
        for value in online.parameters():
            value.add_(1.0)
    online[1].running_mean.fill_(5.0)
    follow(target, online, 0.9)
    for old, new, source in zip(before, target.parameters(), online.parameters(), strict=True):
        torch.testing.assert_close(new, 0.9 * old + 0.1 * source)
        assert not new.requires_grad
    assert float(target[1].running_mean.abs().max()) == 0.0
    follow(target, online, 0.0)
    assert all(
        torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True)
    )
