"""Deep ReLU networks: the covariance operator is the step, and hidden units follow hidden latents."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from empirical.experiments.dual import covariance  # noqa: E402
from empirical.experiments.dual.covariance import covariance_operator_experiment  # noqa: E402
from empirical.experiments.dual.hltm import hltm_experiment  # noqa: E402


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


def test_the_step_of_the_simple_loss_is_the_operator_and_wrong_operators_are_not() -> None:
    found = covariance.study(runs=2)
    assert found.simple
    for layer in found.simple:
        assert layer.residue < 1e-10
        assert layer.exact < 1e-10
        assert layer.unaveraged > 1e-3


@pytest.mark.slow
def test_the_experiments_hold() -> None:
    assert covariance_operator_experiment().holds
    assert hltm_experiment().holds
