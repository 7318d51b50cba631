"""The experiments on Ponce et al. 2025 at a small size: they hold, and they can fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from empirical.experiments.papers import (
    ponce_networks,
    ponce_objective,
    ponce_spheres,
    ponce_variety,
)
from equilibria.systems.model import Model


def test_the_inner_radius_meets_the_outer_at_the_fold() -> None:
    assert ponce_spheres.inner_over_outer(np.array([1.0])) == pytest.approx(1.0)
    assert ponce_spheres.inner_over_outer(np.array([4 / 3])) == pytest.approx(1 / 3)


def test_a_few_trials_end_on_the_spheres() -> None:
    answer = ponce_spheres.measured(runs=60)
    shares = answer.numbers["shares"]["stop-gradient"]
    assert answer.numbers["largest distance from the predicted radius"] < 1e-3
    assert shares[1] == 0
    assert shares[2] > 0.6


def test_the_objective_is_the_loss_of_the_joint_procedure() -> None:
    """Its derivative, taken numerically, is minus the joint flow of `equilibria`."""
    from empirical.experiments.papers.linear_runs import follow, map_of, starts

    model = Model(procedure="joint", embed_dim=3, lr="1/1000000")
    W, P = starts(model, 1, seed=1)
    path = follow(map_of(model, 1), W, P, [0, 1])
    h, g = 1e-6, np.random.default_rng(0)
    dW, dP = g.standard_normal(W.shape), g.standard_normal(P.shape)
    slope = (
        ponce_objective.objective(W + h * dW, P + h * dP, model)
        - ponce_objective.objective(W - h * dW, P - h * dP, model)
    ) / (2 * h)
    flow = (dW * (path["W"][1] - path["W"][0])).sum() + (dP * (path["P"][1] - path["P"][0])).sum()
    assert slope[0] == pytest.approx(-flow / 1e-6, rel=1e-4)


def test_the_predicted_value_of_the_objective_is_its_value_at_the_equilibrium() -> None:
    model = Model(weight_decay="1/50")
    s, m, _ = model.moments.eigenbasis
    p = (m + np.sqrt(m**2 - 4 * s / 50)) / (2 * s)
    found = ponce_objective.objective(np.diag(p), np.diag(p), model)
    assert ponce_objective.at_equilibria(model)[-1] == pytest.approx(float(found))


def test_the_largest_rise_looks_forward_only() -> None:
    path = np.array([[3.0, 0.0], [1.0, 2.0], [2.5, 1.0]])
    assert ponce_objective.largest_rise(path).tolist() == [1.5, 2.0]
    assert ponce_objective.largest_rise(path[::-1]).tolist() == [2.0, 1.0]


def test_the_objective_rises_where_the_target_is_held() -> None:
    answer = ponce_objective.linear(runs=10)
    assert answer.result.holds, answer.result.measured
    assert answer.numbers["joint"]["rise"].max() == 0


def test_a_joint_run_that_does_not_collapse_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(ponce_objective, "KINDS", ("joint", "stop-gradient"))
    monkeypatch.setattr(ponce_objective, "GONE", -1.0)
    assert ponce_objective.linear(runs=4).result.holds is False


@pytest.mark.parametrize(
    ("module", "measure"), [(ponce_objective, "cifar"), (ponce_networks, "resnet")]
)
def test_without_images_nothing_is_tried(module, measure, monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(module, "IMAGES", tmp_path / "none.npz")
    result = getattr(module, measure)().result
    assert result.holds is None
    assert result.runs == 0
    assert "not tried: no cifar10_small.npz" in result.measured


@pytest.mark.slow
@pytest.mark.data
def test_on_moments_of_cifar(cifar_small: Path) -> None:
    answer = ponce_objective.cifar(runs=40)
    assert answer.result.holds, answer.result.measured


def test_runs_end_on_the_variety() -> None:
    answer = ponce_variety.measured(runs=12, sizes=(2,), data=1)
    assert answer.result.holds, answer.result.measured
    for found in answer.numbers.values():
        assert found["residual"].max() < 1e-9
        assert found["P^T P - W W^T"].max() < 1e-6


def test_a_point_off_the_variety_has_a_residual() -> None:
    moments = ponce_variety.random_moments(2, 0)
    sigma, m = moments.matrices()
    S = np.array([[[0.5, 0.1], [0.1, 0.4]]])
    assert ponce_variety.residual(S, sigma, m, 0.02)[0] > 1e-2
    assert moments.commutator > 1e-3
    assert ponce_variety.residual(0 * S, sigma, m, 0.02)[0] == 0


def test_equal_matrices_are_counted_once() -> None:
    S = np.array([np.eye(2), np.eye(2) * (1 + 1e-7), 2 * np.eye(2)])
    assert ponce_variety.different(S) == 2


def test_measuring_the_objective_changes_nothing() -> None:
    import torch

    from empirical.networks.settings import settings_from
    from empirical.networks.setup import machine_of
    from empirical.networks.workers import Workers

    setup = machine_of(settings_from({"method": "byol", "steps": 2})).build(Workers())
    _, first, second = setup.source.probe(64)
    before = {k: v.clone() for k, v in setup.learner.state_dict().items()}
    one = ponce_networks.objective(setup.learner, first, second)
    assert ponce_networks.objective(setup.learner, first, second) == one
    after = setup.learner.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert setup.learner.training
    assert -1 <= one[0] <= 1
    assert one[1] > 0


@pytest.mark.slow
def test_networks_with_the_squared_loss_raise_the_objective() -> None:
    answer = ponce_networks.measured(epochs=40)
    assert answer.result.holds, answer.result.measured


@pytest.mark.slow
def test_networks_with_the_cosine_loss_depart_from_the_statement() -> None:
    answer = ponce_networks.cosine(epochs=40)
    assert answer.result.holds is False
    assert "lowers E all the way" in answer.result.measured


@pytest.mark.slow
@pytest.mark.data
def test_a_resnet_raises_the_objective(cifar_small: Path) -> None:
    answer = ponce_networks.resnet(epochs=6)
    assert answer.result.name == "ponce2025-objective-resnet"
    assert answer.numbers["joint"]["std"] < answer.numbers["stop-gradient"]["std"]
