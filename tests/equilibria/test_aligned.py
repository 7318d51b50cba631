"""Blocks against the dense Jacobian of the polynomials, on random exact models."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.commuting.variety import aligned_variety
from equilibria.varieties.component import Verdict
from tests import dense

SMALL = st.fractions(min_value=Fraction(1, 5), max_value=2, max_denominator=12)


@st.composite
def models(
    draw,
    *,
    largest=3,
    procedures=("stop-gradient", "ema"),
    kappa=False,
    momentum=False,
    signed=True,
):
    """Draw a model with n, d in 1..3, any signs of M, and decays for which some roots are real."""
    low = 1 if largest == 3 else 3
    d, n = draw(st.integers(low, largest)), draw(st.integers(low, largest))
    sign = st.sampled_from([1, 1, 1, -1]) if signed else st.just(1)
    signal = [draw(SMALL) * draw(sign) for _ in range(d)]
    total = [draw(SMALL) for _ in range(d)]
    bound = max(m * m / (4 * s) for m, s in zip(signal, total, strict=True))
    eta = bound * draw(
        st.fractions(min_value=Fraction(1, 20), max_value=Fraction(9, 10), max_denominator=20)
    )
    name = draw(st.sampled_from(procedures))
    decay = None
    if kappa:
        decay = eta * draw(st.sampled_from([Fraction(1, 10), Fraction(1, 2), Fraction(3)]))
    return Model(
        procedure=name,
        moments=Moments.commuting(signal=signal, total=total),
        embed_dim=n,
        lr=draw(st.sampled_from([Fraction(1, 10), Fraction(1, 2), Fraction(1, 50)])),
        weight_decay=eta,
        predictor_lr=draw(st.sampled_from([Fraction(1), Fraction(4), Fraction(1, 2)])),
        predictor_weight_decay=decay,
        ema=draw(st.sampled_from([Fraction(99, 100), Fraction(1, 2), Fraction(0)]))
        if name == "ema"
        else None,
        momentum=draw(st.sampled_from([Fraction(9, 10), Fraction(1, 3)])) if momentum else 0,
    )


def check(model: Model) -> None:
    for component in aligned_variety(model).components:
        check_component(component, model)


def check_component(component, model) -> None:
    scale = 1 + max((abs(v) for v in dense.listed(component.flow.spectrum)), default=0)
    assert dense.residual(component, model) < 1e-12 * scale**2
    for kind, stability in (("flow", component.flow), ("map", component.map)):
        brute = dense.spectrum(component, model, kind)
        # A defective eigenvalue of order r moves by eps^(1/r) in the dense route.
        assert dense.distance(brute, dense.listed(stability.spectrum)) < 2e-4 * scale
        check_verdict(stability, brute, kind, component)


def check_verdict(stability, brute, kind, component) -> None:
    size = brute.real if kind == "flow" else np.abs(brute) - 1
    centre = 0 if kind == "flow" else 1
    near = np.abs(brute - centre).argsort()[: stability.neutral]
    others = np.delete(size, near)
    if stability.extent is not None and others.size:
        expected = others.max() + (0 if kind == "flow" else 1)
        assert stability.extent == pytest.approx(expected, abs=2e-4)
    if stability.verdict is Verdict.STABLE:
        assert stability.neutral == component.dimension
        assert others.max(initial=-1) < 1e-6
    elif stability.verdict is Verdict.UNSTABLE:
        assert size.max() > -1e-6


@settings(max_examples=60, deadline=None)
@given(models())
def test_blocks_equal_the_dense_jacobian(model):
    check(model)


@settings(max_examples=12, deadline=None)
@given(models(largest=4), st.randoms(use_true_random=False))
def test_larger_blocks_equal_the_dense_jacobian(model, random):
    components = list(aligned_variety(model, max_components=1000).components)
    for component in random.sample(components, min(4, len(components))):
        check_component(component, model)


@settings(max_examples=30, deadline=None)
@given(models(momentum=True))
def test_blocks_with_momentum_equal_the_dense_jacobian(model):
    check(model)


@settings(max_examples=30, deadline=None)
@given(models(kappa=True))
def test_blocks_with_unequal_decays_equal_the_dense_jacobian(model):
    check(model)


@settings(max_examples=10, deadline=None)
@given(models(kappa=True, momentum=True))
def test_blocks_with_unequal_decays_and_momentum_equal_the_dense_jacobian(model):
    check(model)


def test_momentum_can_steady_what_the_flow_turns_over():
    """EMA, unequal decays, heavy ball: the flow oscillates away, the map does not."""
    model = Model(
        procedure="ema",
        ema="99/100",
        momentum="9/10",
        lr="1/20",
        weight_decay="1/100",
        predictor_lr="1/5",
        predictor_weight_decay="1/500",
        moments=Moments.isotropic(signal=[1, "1/2"], variance=1),
    )
    component = next(c for c in aligned_variety(model).components if c.id == "rank2:1+,2+")
    assert component.flow.verdict is Verdict.UNSTABLE
    assert component.map.verdict is Verdict.STABLE
    assert dense.spectrum(component, model).real.max() > 1e-4
    multipliers = np.abs(dense.spectrum(component, model, "map"))
    assert np.sum(multipliers > 1 - 1e-9) == component.map.neutral


@pytest.mark.parametrize("procedure", ["stop-gradient", "direct-pred"])
@pytest.mark.parametrize("embed_dim", [1, 2])
def test_modes_that_share_a_root_are_no_complete_list(procedure: str, embed_dim: int) -> None:
    """p = 1/2 solves both s p^2 - m p + eta = 0: rows along (1, 1) are equilibria as well."""
    moments = eq.Moments.commuting(signal=["7/10", "6/5"], total=["1", "2"])
    model = eq.Model(procedure=procedure, moments=moments, embed_dim=embed_dim, weight_decay="1/10")
    variety = eq.analyze(model).variety
    assert not variety.complete
    assert "share the root p = 1/2" in variety.why
    apart = replace(model, weight_decay="1/11")
    assert "share" not in eq.analyze(apart).variety.why
