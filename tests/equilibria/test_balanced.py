"""Components without decay, moments that do not commute: one regular point each, flow and map."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict
from tests import dense

F = Fraction


def random_moments(d: int, seed: int) -> Moments:
    rng = np.random.default_rng(seed)
    a, b = rng.normal(size=(2, d, d))
    return Moments.dense(np.round(a @ a.T + 0.3 * np.eye(d), 3), np.round(0.3 * b @ b.T, 3))


@pytest.mark.parametrize(("n", "d"), [(1, 2), (2, 2), (2, 3)])
@pytest.mark.parametrize("options", [{}, {"procedure": "ema", "ema": F(9, 10)}])
@pytest.mark.parametrize("seed", [1, 2])
def test_extents_and_verdicts_are_those_of_the_dense_jacobian(n, d, options, seed):
    model = Model(
        moments=random_moments(d, seed), embed_dim=n, weight_decay=0, lr=F(1, 20), **options
    )
    report = eq.analyze(model)
    assert {c.rank for c in report.components} == set(range(n + 1))
    for component in report.components:
        assert dense.residual(component, model) < 1e-12
        flow = dense.spectrum(component, model)
        flow = flow[np.argsort(np.abs(flow))]
        assert np.abs(flow[: n * n]).max() < 1e-9 < np.abs(flow[n * n])
        step = dense.spectrum(component, model, "map")
        step = step[np.argsort(np.abs(step - 1))][n * n :]
        assert component.flow.extent == pytest.approx(flow[n * n :].real.max(), abs=1e-9)
        assert component.map.extent == pytest.approx(np.abs(step).max(), abs=1e-9)
        for part, stable in (
            (component.flow, flow[n * n :].real.max() < 0),
            (component.map, np.abs(step).max() < 1),
        ):
            assert part.verdict is (Verdict.STABLE if stable else Verdict.UNSTABLE)


def test_free_rows_of_the_predictor_do_not_leave_a_verdict_open():
    model = Model(moments=random_moments(3, 2), embed_dim=2, weight_decay=0, lr=F(1, 100))
    report = eq.analyze(model)
    for name in ("rank0", "rank1:a", "rank2:a"):
        assert report.component(name).flow.words == "in part"
        assert name not in report.summary.undecided
