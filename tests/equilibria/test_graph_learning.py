"""The order in which modes are learned."""

from __future__ import annotations

import numpy as np
import pytest

from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.graph import learning_order
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.model import Model

APART = Moments.isotropic(signal=[1, "1/2"], variance=1)
ONE = Moments.isotropic(signal=["7/10"], variance=1)


@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
def test_the_threshold_of_one_balanced_mode_is_its_lower_root(name: str) -> None:
    # With p = w (= t) the mode survives exactly when p > p- = 1/5 (T12.1).
    model = Model(procedure=name, moments=ONE, embed_dim=1, weight_decay="1/10")
    order = learning_order(model, runs=1, seed=1)
    draw = abs(initial_matrices("normal", 1, 1, runs=range(1), seed=1, scale=1.0)[0].item())
    (threshold,) = order.thresholds
    assert threshold.scale * draw == pytest.approx(1 / 5, rel=1e-3)
    assert threshold.scale * draw >= 1 / 5
    assert [stop.id for stop in threshold.stops] == ["rank1:1-", "rank1:1+"]
    assert (threshold.below, threshold.above) == ("rank0", "rank1:1+")


def test_small_runs_collapse_and_larger_ones_learn_more() -> None:
    order = learning_order(Model(), runs=4)
    first, last = (dict(ends) for _, ends in (order.ladder[0], order.ladder[-1]))
    assert first == {"rank0": 4}
    assert last.get("rank2:1+,2+", 0) >= 3


def test_just_above_the_threshold_of_the_second_mode_its_saddle_is_passed() -> None:
    order = learning_order(Model(moments=APART, weight_decay="1/50"), runs=2)
    passed = {t.above: [stop.id for stop in t.stops] for t in order.thresholds}
    assert passed["rank2:1+,2+"][-2:] == ["rank2:1+,2-", "rank2:1+,2+"]


def test_without_decay_modes_are_learned_one_by_one() -> None:
    order = learning_order(Model(moments=APART, weight_decay=0), runs=4, scale=1e-3)
    assert {run.names for run in order.runs} == {("rank1:1", "rank2:1,2")}
    for run in order.runs:
        assert run.end == "rank2:1,2"
        assert run.stops[0].time < run.stops[1].time


def test_a_run_depends_on_the_seed_and_its_number_alone() -> None:
    few, many = (learning_order(Model(), runs=k, scale=0.3) for k in (2, 5))
    assert few.runs == many.runs[:2]
    assert few == learning_order(Model(), runs=2, scale=0.3)
    assert learning_order(Model(), runs=2, scale=0.3, seed=1).runs != few.runs


def test_balanced_starts_are_balanced() -> None:
    from equilibria.graph.learning import _draw

    model = Model(predictor_lr=4, embed_dim=3)
    W, P = _draw(model, "balanced", 3, 0)
    assert np.allclose(P.transpose(0, 2, 1) @ P, 4 * W @ W.transpose(0, 2, 1))


def test_bad_values_name_the_option() -> None:
    with pytest.raises(FormatError, match="--runs 0"):
        learning_order(Model(), runs=0)
    with pytest.raises(FormatError, match="--start -1"):
        learning_order(Model(), scale=-1)
    with pytest.raises(FormatError, match="--seed"):
        learning_order(Model(), seed=2**64)
    with pytest.raises(FormatError, match="--init zeros"):
        learning_order(Model(), init="zeros")
    with pytest.raises(ScopeError, match="contrastive"):
        learning_order(Model(procedure="contrastive"))
