"""Hidden layers and turned views in PyTorch: a step is the polynomial map, runs end as predicted."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import equilibria as eq
from empirical.experiments.chains import deep_runs_end_stable, turned_runs_end_as_predicted
from empirical.linear.chain_map import ChainMap
from equilibria.data.units import complex_signal
from tests import chain_dense


def models():
    deep = {"encoder_layers": 2, "predictor_layers": 2, "hidden_dims": (3, 1)}
    rates = {"layer_weight_decays": ("1/10", "1/20", "1/30", "1/40"), "predictor_lr": "3/2"}
    yield eq.Model(**deep, **rates)
    yield eq.Model(**deep, **rates, procedure="ema", ema="9/10", momentum="1/2")
    pairs = complex_signal("3/5+2/5i,1/3", "--signal")
    turned = eq.Moments.turning(signal=pairs, total=[1, 2])
    yield eq.Model(moments=turned, embed_dim=2, procedure="ema", ema="1/2")
    lopsided = eq.Moments.dense([[2, 1], [1, 3]], [["1/2", "1/4"], ["-1/3", "1/5"]])
    yield eq.Model(moments=lopsided, momentum="1/3")


@pytest.mark.parametrize("model", list(models()))
def test_a_step_is_the_polynomial_map(model):
    """The polynomials of `equilibria`, evaluated, against the tensors, at states out of step."""
    system = model.traits.system(model)
    names = list(system.map)
    rng = np.random.default_rng(0)
    point = dict(zip(names, rng.normal(size=len(names)), strict=True))
    step = ChainMap(model)
    layers = list(model.chain.shapes.values())
    flat = torch.tensor([point[name] for name in order(model, names)])
    pieces = torch.split(flat, [r * c for r, c in shapes_of(model)])
    matrices = [p.reshape(1, r, c) for p, (r, c) in zip(pieces, shapes_of(model), strict=True)]
    state = step.at(matrices[: len(layers)])
    if state.targets:
        state.targets = matrices[len(layers) : len(layers) + model.encoder_layers]
    if state.velocities:
        state.velocities = matrices[-len(layers) :]
    step.step(state)
    after = system.evaluate(point, "map")
    found = torch.cat([m.ravel() for m in (*state.layers, *state.targets, *state.velocities)])
    expected = [after[name] for name in order(model, names)]
    assert found.numpy() == pytest.approx(np.array(expected), rel=1e-12, abs=1e-12)


def order(model, names):
    """Return the names in the order layers, targets, velocities."""
    moving = [n for n in names if n[0] not in "TV"]
    return [*moving, *(n for n in names if n[0] == "T"), *(f"V{n}" for n in moving if model.nu)]


def shapes_of(model):
    layers = list(model.chain.shapes.values())
    targets = layers[: model.encoder_layers] if model.traits.has_target else []
    return [*layers, *targets, *(layers if model.nu else [])]


def test_the_flow_is_that_of_the_matrices():
    model = list(models())[2]
    step = ChainMap(model)
    state = step.start(1, seed=3)
    flat = np.concatenate([m.numpy().ravel() for m in (*state.layers, *state.targets)])
    slope = chain_dense.flow(model, flat).real
    step.flow(state, 1e-6)
    moved = np.concatenate([m.numpy().ravel() for m in (*state.layers, *state.targets)])
    assert (moved - flat) / 1e-6 == pytest.approx(slope, abs=1e-5)


@pytest.mark.parametrize("experiment", [deep_runs_end_stable, turned_runs_end_as_predicted])
def test_runs_end_where_they_are_predicted_to(experiment):
    result = experiment(runs=40)
    assert result.holds, result.measured
    assert "stable" in result.measured
    if experiment is turned_runs_end_as_predicted:
        assert "B1 on the wave rank1:1&2+, stable" in result.measured
        assert "B4 on the wave rank1:1&2+, stable" in result.measured
