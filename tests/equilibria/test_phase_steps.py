"""Largest stable steps, the surface over (mu, nu, alpha), and oscillation at kappa < 1/4."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equilibria import analyze
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.phase import phase_diagram, step_surface, surface_lines
from equilibria.phase.axes import make_axis
from equilibria.phase.bounded import Poly, hurwitz
from equilibria.phase.growth import leading, normal_spectrum
from equilibria.phase.pairs import Substitution, pair_block
from equilibria.phase.setting import Setting
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import states_of
from tests.equilibria.test_phase_cells import cells
from tests.equilibria.test_phase_simulation import Case, multipliers

E7 = Moments.isotropic(signal=[Fraction(7, 10), Fraction(13, 20), Fraction(1, 2)], variance=1)
ISOTROPIC = Moments.isotropic(signal=[1, Fraction(1, 2)], variance=1)


def test_the_worked_example_has_its_steps():
    plain = Model(moments=E7, embed_dim=2, weight_decay=Fraction(1, 10))
    surface = step_surface(plain, [0], [0, Fraction(9, 10)], [1])
    assert surface.stratum == "rank2:1+,2+"
    assert surface.largest[0, :, 0] == pytest.approx([200 / 31, 380 / 31], rel=1e-12)
    slow = Model(procedure="ema", moments=E7, embed_dim=2, weight_decay=Fraction(1, 10))
    surface = step_surface(slow, [Fraction(99, 100)], [0, Fraction(9, 10)], [1])
    assert surface.largest[0, :, 0] == pytest.approx([3.286879, 6.245070], rel=1e-6)
    assert (surface.smallest == 0).all()


def test_unequal_decay_of_one_mode_oscillates():
    # E2: eigenvalues (-1 +- i)/12.
    model = Model(
        moments=Moments.commuting(signal=[Fraction(2, 3)], total=[1]),
        embed_dim=1,
        weight_decay=Fraction(1, 12),
        predictor_lr=Fraction(1, 2),
        predictor_weight_decay=Fraction(1, 24),
    )
    values = normal_spectrum(model, [1], is_map=False)
    assert sorted(values, key=lambda z: z.imag) == pytest.approx([(-1 - 1j) / 12, (-1 + 1j) / 12])
    first = leading(model, [1], is_map=False)
    assert (first.rate, first.frequency) == pytest.approx((-1 / 12, 1 / 12))


@settings(max_examples=25, deadline=None)
@given(cells(decays=("equal", "coupled")))
def test_normal_spectra_are_those_of_the_dense_jacobian(drawn):
    setting, x, y = drawn
    model = setting.model_at(x, y)
    alive = [j for j, mode in enumerate(setting.modes) if states_of(mode, model.eta)]
    for size in range(1, min(len(alive), model.n) + 1):
        brute = multipliers(Case("", model, tuple(alive[:size])))
        scale = 1 + np.abs(brute).max()
        mine = normal_spectrum(model, [j + 1 for j in alive[:size]], is_map=True)
        assert max(np.abs(brute - value).min() for value in mine) < 2e-4 * scale
        assert np.abs(mine).max() == pytest.approx(np.abs(brute).max(), abs=2e-4 * scale)


def unstable_pairs(kappa: np.ndarray, ratio: np.ndarray, rng) -> np.ndarray:
    """Return which random pairs at p+ are unstable under the stop-gradient flow (T8.6)."""
    count = kappa.size
    s = rng.uniform(0.2, 3, (2, count))
    eta = rng.uniform(0, 1, count) ** 2
    x = 1 + rng.exponential(3, count)  # s_1 p_1^2/eta > 1: the root p+
    p1 = np.sqrt(x * eta / s[0])
    p2 = ratio * p1
    kept = s[1] * p2**2 > eta
    p = np.stack([p1, p2])
    m = s * p + eta / p
    one = np.ones((count, 1))
    column = [a[:, None] for a in (*p, *s, *m, eta, kappa)]
    block = pair_block(
        (column[0], column[1]), (column[2], column[3]), (column[4], column[5]), column[6], column[7]
    )
    sum_of_parts = block[0]
    for part in block[1:]:
        sum_of_parts = sum_of_parts + part
    inside, doubt = hurwitz(Poly(sum_of_parts.value, sum_of_parts.size).without_constant(), 1e-12)
    del one
    return kept & ~inside[:, 0] & ~doubt[:, 0]


def check_quarter(count: int) -> None:
    rng = np.random.default_rng(5)
    ratio = np.exp(rng.uniform(-2, 2, count))
    assert not unstable_pairs(rng.uniform(0.25, 4, count), ratio, rng).any()
    near_half = rng.uniform(0.45, 0.55, count)
    assert unstable_pairs(rng.uniform(0.01, 0.2, count), near_half, rng).mean() > 0.05


def test_a_predictor_decay_of_a_quarter_is_enough_for_random_pairs():
    check_quarter(20_000)


@pytest.mark.slow
def test_a_quarter_is_enough_for_a_million_random_pairs():
    check_quarter(1_000_000)


@settings(max_examples=60, deadline=None)
@given(
    st.floats(0.02, 3), st.floats(0.3, 3), st.floats(0.3, 3), st.floats(1.05, 9), st.floats(0.2, 4)
)
def test_pair_polynomials_are_those_of_the_matrix(kappa, s1, s2, x, ratio):
    eta = 0.1
    p = np.sqrt(x * eta / s1) * np.array([1, ratio])
    s = np.array([s1, s2])
    m = s * p + eta / p
    J = np.zeros((4, 4))
    for row, (i, j) in enumerate(((0, 1), (1, 0))):  # T7.3
        J[row, row] = -kappa * (p[j] ** 2 * s[j] + eta)
        J[row, 2 + row] = kappa * p[j] * (m[j] - p[i] * s[j])
        J[row, 3 - row] = kappa * eta
        J[2 + row, 1 - row] = eta
        J[2 + row, row] = -p[i] * p[j] * s[j]
        J[2 + row, 2 + row] = p[i] * (m[j] - p[i] * s[j]) - eta
    parts = [np.array([[v]]) for v in (*p, *s, *m, eta, kappa)]
    block = pair_block((parts[0], parts[1]), (parts[2], parts[3]), (parts[4], parts[5]), *parts[6:])
    total = block[0] + block[1] + block[2]
    mine = np.array([float(np.ravel(c)[0]) for c in total.value])[::-1]
    scale = np.abs(np.poly(J)).max()
    assert mine == pytest.approx(np.poly(J), abs=1e-9 * scale)


SURFACE = step_surface(
    Model(procedure="ema", moments=ISOTROPIC, weight_decay=Fraction(1, 100)),
    [0, Fraction(9, 10), Fraction(99, 100)],
    [0, Fraction(1, 2)],
    [Fraction(1, 10), Fraction(1, 5), Fraction(1, 4), 1, 2],
)


def radius(mu, nu, alpha, step) -> float:
    model = Model(
        procedure="ema",
        moments=ISOTROPIC,
        lr=Fraction(step).limit_denominator(10**9),
        weight_decay=Fraction(1, 100),
        ema=mu,
        momentum=nu,
        predictor_lr=alpha,
        predictor_weight_decay=alpha * Fraction(1, 100),
    )
    return float(np.abs(multipliers(Case("", model, (0, 1)))).max())


def test_the_surface_is_where_the_dense_map_loses_stability():
    for i, mu in enumerate(SURFACE.mus):
        for j, nu in enumerate(SURFACE.nus):
            for k, alpha in enumerate(SURFACE.alphas):
                high, low = SURFACE.largest[i, j, k], SURFACE.smallest[i, j, k]
                if np.isnan(high):
                    assert alpha < Fraction(1, 4)
                    continue
                assert radius(mu, nu, alpha, 0.999 * high) < 1
                assert radius(mu, nu, alpha, 1.001 * high) > 1
                if low:
                    assert radius(mu, nu, alpha, 1.01 * low) < 1
                    assert radius(mu, nu, alpha, 0.99 * low) > 1


def test_slow_predictors_oscillate_and_slow_targets_mend_it_at_larger_steps():
    assert SURFACE.oscillating == (Fraction(1, 10), Fraction(1, 5))
    assert np.isnan(SURFACE.largest[0, :, :2]).all()  # mu = 0 is stop-gradient
    assert (SURFACE.smallest[2, :, :2] > 0).all()  # mu = 99/100: an interval away from zero
    assert "all below 1/4" in SURFACE.statement()
    assert len(surface_lines(SURFACE)) == 9
    data = SURFACE.to_json()
    assert data["schema"] == "noncollapse/steps/1"
    assert data["max_lr"][0][0][0] is None


def test_a_surface_asks_for_values_that_exist():
    model = Model(moments=ISOTROPIC)
    with pytest.raises(FormatError, match="no moving-average target"):
        step_surface(model, [Fraction(1, 2)], [0], [1])
    with pytest.raises(FormatError, match="--momentum 1"):
        step_surface(model, [0], [1], [1])
    with pytest.raises(ScopeError, match="nothing is learned"):
        step_surface(Model(moments=ISOTROPIC, weight_decay=1), [0], [0], [1])
    with pytest.raises(ScopeError, match="step surfaces are for stop-gradient"):
        step_surface(Model(procedure="joint", moments=ISOTROPIC), [0], [0], [1])


def test_substitutions_of_the_flow_are_trivial():
    setting = Setting(Model(moments=ISOTROPIC), "lr", "weight-decay")
    rule = Substitution.of(setting.points(np.ones(2), np.full(2, 0.1)), is_map=False)
    assert rule.h is None
    assert rule.n.degree == 1


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
@pytest.mark.parametrize("decay", [Fraction(1, 1000), Fraction(1, 40), Fraction(3, 10)])
def test_a_diagram_gives_the_largest_step_of_the_report(procedure, decay):
    # 1/1000 is a Neimark-Sacker bifurcation at B/(2 eta (A - eta)), 1/40 and 3/10 are flips.
    model = Model(
        procedure=procedure,
        moments=Moments.commuting(signal=[1], total=[Fraction(5, 4)]),
        embed_dim=1,
        predictor_weight_decay=decay,
    )
    x = make_axis("weight-decay", Fraction(1, 20), Fraction(1, 10), 2)
    y = make_axis("lr", Fraction(1, 10), Fraction(20), 5)
    diagram = phase_diagram(model, x, y, decay="fixed")
    for k, eta in enumerate(x.values):
        report = analyze(replace(model, weight_decay=eta))
        step = report.component("rank1:1+").map.largest_step
        assert diagram.top_step[:, k] == pytest.approx([step] * 5, rel=1e-12)


def test_the_step_of_a_report_is_on_the_boundary_that_a_diagram_traces():
    model = Model(
        moments=Moments.commuting(signal=[1], total=[Fraction(5, 4)]),
        embed_dim=1,
        weight_decay=Fraction(1, 20),
        predictor_weight_decay=Fraction(1, 100),
    )
    x = make_axis("lr", Fraction(8), Fraction(14), 7)
    y = make_axis("weight-decay", Fraction(1, 20), Fraction(1, 18), 3)
    curves = phase_diagram(model, x, y, decay="fixed").boundaries
    curve = next(b for b in curves if b.kind == "neimark-sacker")
    first = next(p for p in curve.points if p.y.low <= Fraction(1, 20) <= p.y.high)
    step = analyze(model).component("rank1:1+").map.largest_step
    assert step == pytest.approx(11.5470, abs=1e-4)
    assert float(first.x.low) <= step <= float(first.x.high)
