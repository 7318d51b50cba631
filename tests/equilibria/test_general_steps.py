"""Largest steps of moments that do not commute, in the report: given whatever the step at hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict
from tests import dense

F = Fraction
MOMENTS = Moments.dense([["2", "3/10"], ["3/10", "1"]], [["1", "1/10"], ["1/10", "3/5"]])
OPTIONS = [
    {},
    {"momentum": F(9, 10)},
    {"procedure": "ema", "ema": F(9, 10)},
    {"predictor_weight_decay": F(1, 25)},
]


def model_of(lr: Fraction, **options) -> Model:
    return Model(moments=MOMENTS, embed_dim=1, weight_decay=F(1, 50), lr=lr, **options)


@pytest.mark.parametrize("lr", [F(1, 1000), F(1, 10), F(7), F(50), F(300)])
@pytest.mark.parametrize("options", OPTIONS)
def test_the_step_of_collapse_does_not_depend_on_the_step_at_hand(lr, options):
    model = model_of(lr, **options)
    collapse = eq.analyze(model).component("rank0").map
    expected = 2 * (1 + model.nu) / max(model.eta, model.eta_p)
    assert collapse.largest_step == pytest.approx(float(expected), rel=1e-12)
    assert (collapse.verdict is Verdict.STABLE) == (lr < expected)


@pytest.mark.parametrize("options", OPTIONS)
def test_a_step_that_is_too_large_is_told_how_much(options):
    small = eq.analyze(model_of(F(1, 100), **options))
    large = eq.analyze(model_of(F(20), **options))
    best = small.component("rank1:a")
    step = large.component("rank1:a").map.largest_step
    assert large.component("rank1:a").map.verdict is Verdict.UNSTABLE
    assert step == pytest.approx(best.map.largest_step, rel=1e-9)
    for factor, inside in ((0.999, True), (1.001, False)):
        model = replace(model_of(F(1)), **options, lr=F(step) * F(factor))
        values = np.abs(dense.spectrum(best, model, "map"))
        assert bool(values.max() < 1) is inside
    shown = f"{step:.4g}"[:-1]  # the sentence rounds down
    assert f"learning needs --lr below {shown}" in large.summary.text


def test_a_sentence_never_points_to_values_that_are_not_there():
    report = eq.analyze(model_of(F(400)))
    assert all(c.map.verdict is Verdict.UNSTABLE for c in report.components)
    assert "Nothing is stable at this step size: lower --lr below 100." in report.summary.text
