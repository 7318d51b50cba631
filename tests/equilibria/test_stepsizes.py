"""Largest steps: roots of exact polynomials in h, against the dense map just below and just above."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.exact.intervals import Polynomial, Uncertain
from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.varieties.commuting.block_matrices import Matrices, diagonal_block, pair_block
from equilibria.varieties.commuting.couplings import diagonal_coupling, pair_coupling
from equilibria.varieties.commuting.largest_step import Rates, largest_step
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.component import Component, Verdict
from tests import dense

F = Fraction
BELOW, ABOVE = F(999, 1000), F(1001, 1000)


def model_of(signal, total, decay, predictor_decay=None, **options) -> Model:
    moments = Moments.commuting(signal=list(map(F, signal)), total=list(map(F, total)))
    decays = {"weight_decay": F(decay)}
    if predictor_decay is not None:
        decays["predictor_weight_decay"] = F(predictor_decay)
    return Model(moments=moments, **{"embed_dim": len(signal), **decays, **options})


def steps_of(model: Model) -> dict[str, float | None]:
    return {c.id: c.map.largest_step for c in eq.analyze(model).components}


@pytest.mark.parametrize(
    ("model", "name", "step"),
    [
        # A mode whose rates are real flips at 2/|lambda|.
        (model_of([1], ["5/4"], "1/20", "1/40"), "rank1:1+", 8.452994616207484),
        (model_of([1], ["5/4"], "1/100", "1/1000"), "rank1:1+", 45.48998),
        (model_of([1, "3/4"], ["5/4", 1], "1/100", "1/500"), "rank2:1+,2+", 13.7203),
        (model_of([1, "3/4"], ["5/4", 1], "1/100", "1/500"), "rank1:1+", 12.6603),
        (model_of(["37/20"], ["23/8"], "1e-9", "1e-3"), "rank1:1+", 1.68006e-6),
        # Momentum, a moving average and a signal of the other sign: a complex pair, not a flip.
        (
            model_of(
                ["7/10", -4],
                [1, 4],
                "1/10",
                procedure="ema",
                ema=F(1, 2),
                momentum=F(9, 10),
                embed_dim=1,
            ),
            "rank1:1+",
            11 / 158,
        ),
    ],
)
def test_worked_examples(model, name, step):
    assert steps_of(model)[name] == pytest.approx(step, rel=1e-5)
    component = eq.analyze(model).component(name)
    assert radius(component, model, F(step) * BELOW) < 1 < radius(component, model, F(step) * ABOVE)


def test_the_sentence_gives_the_step_below_which_something_is_learned():
    report = eq.analyze(model_of([1, "3/4"], ["5/4", 1], "1/100", "1/500", lr=20))
    assert "learning needs --lr below 13.72" in report.summary.text


def test_a_step_size_is_correct_to_the_last_digits():
    # lambda^2 + kappa (A + eta) lambda + 2 kappa eta (A - eta) = 0 and h* = 2/|lambda|, A = s p^2.
    model = model_of([1], ["5/4"], "1/20", "1/40")
    state = states_of(modes_of(model.moments)[0], model.eta)[0]
    exact = largest_step(diagonal_coupling(state, model.eta, F(1, 2)), Rates.of(model))
    p = F(2, 5) + F(math.isqrt(3 * 10**80), 5 * 10**40)
    total, square = p / 2, F(5, 4) * p * p - F(1, 20)
    root = total * total - F(4, 20) * square  # the discriminant, to 40 digits
    rate = (total + F(math.isqrt(int(root * 10**80)), 10**40)) / 2
    assert abs(exact * rate / 2 - 1) < F(1, 2**60)


# The dense route: the Jacobian of the update's polynomials, in doubles or with many digits.


def radius(component: Component, model: Model, h: Fraction) -> float:
    """Return the largest modulus without the neutral multipliers."""
    values = dense.spectrum(component, replace(model, lr=h), "map")
    order = np.argsort(np.abs(values - 1))
    return float(np.abs(values[order[component.dimension :]]).max())


def exact_excess(component: Component, model: Model, h: Fraction) -> float:
    """Return radius - 1 with 100 digits."""
    flint = pytest.importorskip("flint")
    sympy = pytest.importorskip("sympy")
    flint.ctx.dps = 120

    def number(value):
        if isinstance(value, Fraction):
            return flint.arb(flint.fmpq(value.numerator, value.denominator))
        return flint.arb(str(sympy.sympify(value.exact).evalf(110)))

    model = replace(model, lr=h)
    system = procedure(model.procedure).build(model)
    point = dict.fromkeys(system.map, flint.arb(0))
    for letter, rows in component.representative.items():
        for i, row in enumerate(rows, 1):
            for j, value in enumerate(row, 1):
                point[f"{letter}_{i}_{j}"] = number(value)
    index = {name: place for place, name in enumerate(system.map)}
    jacobian = [[flint.arb(0)] * len(index) for _ in index]
    for (row, column), entry in system.jacobian("map").items():
        jacobian[index[row]][index[column]] = entry.evaluate(point, number)
    values = flint.acb_mat(jacobian).eig(algorithm="approx")
    values.sort(key=lambda z: float(abs(z - 1)))
    excesses = [abs(z) - 1 for z in values[component.dimension :]]
    return max(float(x) for x in excesses)


def drawn(rng: random.Random, *, extreme: bool) -> Model:
    """Return a model with one or two modes and random rates."""

    def number(low: float, high: float, digits: int = 2) -> Fraction:
        return F(f"{10 ** rng.uniform(low, high):.{digits}e}")

    d = rng.choice([1, 2, 2])
    signal = [number(-1, 1) * rng.choice([1, 1, 1, -1]) for _ in range(d)]
    total = [number(-1, 1) for _ in range(d)]
    fold = min(m * m / (4 * s) for s, m in zip(total, signal, strict=True))
    share = rng.choice([1e-8, 1e-4, 0.01, 0.5, 0.99] if extreme else [0.05, 0.2, 0.5, 0.8])
    decay = F(f"{float(fold) * share:.3e}")
    spread = rng.uniform(-6, 6) if extreme else rng.uniform(-1, 1)
    options = {"momentum": rng.choice([F(0), F(1, 2), F(99, 100) if extreme else F(9, 10)])}
    if rng.random() < 0.6:
        options |= {"procedure": "ema", "ema": rng.choice([F(0), F(1, 2), F(99, 100)])}
    if rng.random() < 0.8:
        options["predictor_weight_decay"] = F(f"{float(decay) * 10**spread:.3e}")
    return model_of(signal, total, decay, embed_dim=rng.choice([1, d]), **options)


def check(model: Model, excess) -> int:
    """Check every largest step of a model; return how many there were."""
    count = 0
    for component in eq.analyze(model).components:
        step = component.map.largest_step
        if step is None:
            if component.rank and set(component.roots or ()) == {"+"}:
                check_unstable(component, model)
            continue
        count += 1
        assert excess(component, model, F(step) * F(1, 1000)) < 0
        assert excess(component, model, F(step) * BELOW) < 0
        assert excess(component, model, F(step) * ABOVE) > 0
    return count


def check_unstable(component: Component, model: Model) -> None:
    """Small steps follow the stop-gradient flow: it must be unstable where there is no step."""
    plain = replace(model, procedure="stop-gradient", ema=None)
    twin = eq.analyze(plain).component(component.id)
    values = dense.spectrum(twin, plain, "flow")
    values = values[np.argsort(np.abs(values))[component.dimension :]]
    assert values.real.max() > -1e-12 * np.abs(values).max()


def test_random_models_lose_stability_at_their_largest_step():
    rng = random.Random(7)
    excess = lambda c, m, h: radius(c, m, h) - 1  # noqa: E731
    assert sum(check(drawn(rng, extreme=False), excess) for _ in range(15)) > 25


def test_extreme_rates():
    rng = random.Random(8)
    assert sum(check(drawn(rng, extreme=True), exact_excess) for _ in range(4)) > 6


@pytest.mark.slow
def test_many_extreme_rates():
    rng = random.Random(9)
    assert sum(check(drawn(rng, extreme=True), exact_excess) for _ in range(80)) > 150


# The bound that suffices for a pair of opposite signs is too low by 7 %, 2.3 %, 1.4 % and 0.7 %.
OPPOSITE = [
    ((2, -4), ("1/2", "1/2"), "9/5", "9/10"),
    (("1/2", -2), (2, 2), "1/64", "9/10"),
    (("1/2", -4), ("1/10", "1/10"), "1/16", "9/10"),
    ((4, -2), (5, 2), "9/20", "1/2"),
]


@pytest.mark.parametrize(("signal", "total", "decay", "ema"), OPPOSITE)
def test_pairs_of_opposite_signs_with_equal_decays(signal, total, decay, ema):
    options = {"procedure": "ema", "ema": F(ema), "momentum": F(99, 100)}
    model = model_of(signal, total, decay, **options)
    assert steps_of(model)["rank2:1+,2+"] is not None
    assert check(model, lambda c, m, h: radius(c, m, h) - 1) > 1


def test_small_steps_that_are_not_stable_have_no_largest_step():
    # kappa = 1/10 and roots near 1 : 2: the stop-gradient flow oscillates (T8.6), a slow target not.
    model = model_of([1, "1/2"], [1, 1], "1/100", "1/1000", procedure="ema", ema=F(99, 100))
    component = eq.analyze(replace(model, lr=F(1, 2))).component("rank2:1+,2+")
    assert component.map.largest_step is None
    assert radius(component, model, F(1, 10**4)) > 1


# The pieces.


def numbers(block: Matrices) -> tuple[np.ndarray, np.ndarray]:
    return np.array(block.constant, float), np.array(block.target, float)


@pytest.mark.parametrize("phi", [F(1), F(-2, 7), F(0)])
@pytest.mark.parametrize("kappa", [F(1, 9), F(1), F(7)])
def test_couplings_are_the_determinants_of_the_blocks(phi, kappa):
    model = model_of(["3/2", "-4/5"], ["5/4", "2/3"], "1/50")
    left, right = (states_of(mode, model.eta)[0] for mode in modes_of(model.moments))
    one, two = ((x.value, float(x.mode.s), float(x.mode.m)) for x in (left, right))
    eta = float(model.eta)
    cases = [
        (diagonal_coupling(left, model.eta, kappa), diagonal_block(*one, eta, float(kappa)), []),
        (
            pair_coupling(left, right, model.eta, kappa),
            pair_block(*zip(one, two, strict=True), eta, float(kappa)),
            [0.0],
        ),
    ]
    for coupling, block, neutral in cases:
        constant, target = numbers(block)
        expected = np.poly(constant + float(phi) * target)[::-1]
        mine = [*neutral, *map(float, coupling.at(phi))]
        assert mine == pytest.approx(expected, abs=1e-12 * np.abs(expected).max())


def polynomial(*coefficients: int | Fraction, bits: int = 200) -> Polynomial:
    return Polynomial.enclosing([(F(c), F(c)) for c in coefficients], bits)


def test_roots_are_isolated_in_order():
    # (7 t - 1)(7 t - 2)(7 t - 3)(t + 1)(t^2 + 1)
    product = polynomial(-1, 7) * polynomial(-2, 7) * polynomial(-3, 7)
    product = product * polynomial(1, 1) * polynomial(1, 0, 1)
    places = [product.refined(c, k, 50) for c, k in product.roots()]
    assert [c / 2**k for c, k in places] == pytest.approx([1 / 7, 2 / 7, 3 / 7], rel=1e-14)


def test_nothing_is_isolated_where_there_is_nothing():
    assert list(polynomial(1, 0, 1).roots()) == []
    assert list(polynomial(-2, 1).roots()) == []


def test_a_sign_within_its_error_is_not_decided():
    blurred = Polynomial((5, -10), (0, 11), 8)
    with pytest.raises(Uncertain):
        list(blurred.roots())
    with pytest.raises(Uncertain):
        list((polynomial(-1, 3) * polynomial(-1, 3)).roots())


def test_a_verdict_and_a_largest_step_agree():
    rng = random.Random(12)
    for _ in range(8):
        model = drawn(rng, extreme=False)
        for component in eq.analyze(model).components:
            if component.map.largest_step is not None:
                inside = model.h < component.map.largest_step
                assert (component.map.verdict is Verdict.STABLE) or not inside
