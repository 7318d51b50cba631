"""Views that are not exchangeable: pairs of dimensions that M turns, EMA windows, rotating waves."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import solve_ivp

import equilibria as eq
from equilibria.data.units import complex_signal
from equilibria.errors import FormatError, ScopeError
from equilibria.varieties.chains.variety import chain_variety
from tests import chain_dense
from tests.chain_dense import same_polynomial
from tests.dense import listed
from tests.equilibria.test_chains import check_against_dense

Verdict = eq.Verdict


def turning(signal, s, eta, **more):
    pairs = complex_signal(signal, "--signal")
    moments = eq.Moments.turning(signal=pairs, total=[s] * len(pairs))
    return eq.Model(moments=moments, weight_decay=eta, **more)


def named(model):
    return {c.id: c for c in eq.analyze(model, max_components=1000).components}


# The independent route.


@pytest.mark.parametrize("seed", range(14))
def test_blocks_and_verdicts_are_those_of_the_dense_jacobian(seed):
    check_resting(chain_dense.random_turning(random.Random(seed)), seed)


@pytest.mark.slow
def test_a_thousand_components_against_the_dense_jacobian():
    count, seed = 0, 100
    while count < 1000:
        count += check_resting(chain_dense.random_turning(random.Random(seed)), seed)
        seed += 1


def check_resting(model, seed):
    """Waves do not rest: their flow is not 0 at a point; they are tested below."""
    variety = chain_variety(model)
    assert all(c.rotates == (c.frequency is not None) for c in variety.components)
    return check_against_dense(model, seed)


@pytest.mark.parametrize("seed", range(8))
def test_the_largest_step_is_where_the_dense_map_loses_stability(seed):
    model = chain_dense.random_turning(random.Random(seed))
    for component in chain_variety(model).components:
        largest = component.map.largest_step
        if component.rotates or largest is None or not 1e-6 < largest < 1e6:
            continue
        for factor, inside in ((0.5, True), (0.999, True), (1.001, False)):
            moved = replace(model, lr=Fraction(largest * factor))
            values = chain_dense.spectrum(moved, component, "map")
            rest = values[np.argsort(np.abs(values - 1))[component.map.neutral :]]
            assert (np.abs(rest).max() <= 1 + 1e-9) == inside, (component.id, factor)


@pytest.mark.parametrize("seed", range(10))
def test_a_wave_is_an_equilibrium_in_the_turning_frame(seed):
    """The state turned by the frequency solves the flow, and the dense spectrum decides it."""
    model = chain_dense.random_turning(random.Random(seed))
    for component in chain_variety(model).components:
        if not component.rotates:
            continue
        state = chain_dense.state_of(model, component)
        turn = generator(model, component, state)
        moved = chain_dense.flow(model, state).real
        rate = turn @ moved / (turn @ turn)
        assert abs(rate) == pytest.approx(component.frequency, rel=1e-9)
        assert np.abs(moved - rate * turn).max() <= 1e-9 * np.abs(moved).max()


def generator(model, component, state):
    """Return the change of a state when the plane of its wave is turned."""
    columns = [int(c) - 1 for c in component.id.partition(":")[2].strip("+-").split("&")]
    layers, targets, _ = chain_dense.split(model, state)
    parts = []
    for place, matrix in enumerate([*layers, *targets]):
        moved = np.zeros_like(matrix)
        if place in (0, len(layers)):
            x, y = matrix[:, columns[0]], matrix[:, columns[1]]
            moved[:, columns[0]], moved[:, columns[1]] = -y, x
        parts.append(moved.ravel())
    return np.concatenate(parts)


# Worked examples of section 38.


def test_b1_a_rotating_wave():
    found = named(turning("3/5+2/5i", 1, "2/25", embed_dim=1))
    wave = found["rank1:1&2+"]
    assert wave.motion == "rotates"
    assert wave.frequency == pytest.approx(4 / 25)
    assert wave.representative["P"][0][0] == pytest.approx(2 / 5)
    values = sorted(e.value.real for e in wave.flow.spectrum)
    assert values == pytest.approx([-4 / 25, -2 / 25, 0], abs=1e-12)
    assert wave.flow.verdict is Verdict.STABLE
    assert found["rank1:1&2-"].flow.verdict is Verdict.UNSTABLE


def test_equal_pairs_have_one_wave_that_lies_in_any_of_their_planes():
    found = named(turning("1+i,1+i", 2, "1/100", embed_dim=3))
    waves = {name: c for name, c in found.items() if c.rotates}
    assert set(waves) == {"rank1:1&2+", "rank1:1&2-"}
    alone = named(turning("1+i", 2, "1/100", embed_dim=3))
    for name, component in waves.items():
        assert component.flow.verdict is alone[name].flow.verdict
        assert component.dimension == alone[name].dimension + 2
        assert component.flow.extent == pytest.approx(alone[name].flow.extent)


def test_a_wave_is_not_decided_by_rounding():
    """At weight decay 1e-6 nearly equal eigenvalues move by more than the decay."""
    wave = named(turning("1+i,1+i", 2, "1/1000000", embed_dim=3))["rank1:1&2+"]
    assert wave.flow.verdict is Verdict.UNDECIDED
    assert "closer to the boundary" in wave.flow.note


def test_b2_a_pair_at_rest():
    component = named(turning("21/50+14/25i", 1, "1/10"))["rank2:1&2+"]
    values = listed(component.flow.spectrum)
    expected = [0, -0.2, -0.2, -0.2, -0.15, -0.35, -0.598 + 42j / 125, -0.598 - 42j / 125]
    assert same_polynomial(values, np.array(expected, dtype=complex)) < 1e-12


def test_b3_the_window_of_ema():
    model = turning("7/20,9/10i", 1, "1/40", embed_dim=1)
    component = named(model)["rank1:1+"]
    assert component.flow.verdict is Verdict.STABLE
    ((low, high),) = component.ema_windows
    assert (low, high) == pytest.approx((0.0199583, 0.3836132), abs=5e-8)
    places = (low * 0.99, low * 1.01, high * 0.99, high * 1.01)
    for beta, verdict in zip(places, ("stable", "unstable", "unstable", "stable"), strict=True):
        slow = replace(model, procedure="ema", ema=1 - Fraction(beta) / 10)
        assert named(slow)["rank1:1+"].flow.verdict.value == verdict


def test_there_is_no_window_where_the_lag_cannot_win():
    """B cos^2(Delta/2) <= A: at a right angle B/2 = 0.075 is below A = 0.0875, and B = 0.15 above it."""
    model = turning("7/20,3/5i", 1, "1/40", embed_dim=1)
    component = named(model)["rank1:1+"]
    assert component.flow.verdict is Verdict.STABLE
    assert component.ema_windows == ()
    for ema in ("999/1000", "99/100", "9/10", "1/2"):
        slow = named(replace(model, procedure="ema", ema=ema))["rank1:1+"]
        assert slow.flow.verdict is Verdict.STABLE


def test_b4_ema_turns_where_stop_gradient_cannot():
    still = named(turning("25/16i", 2, "9/200", embed_dim=1))
    assert set(still) == {"rank0"}
    found = named(turning("25/16i", 2, "9/200", embed_dim=1, procedure="ema", ema="19/20"))
    wave = found["rank1:1&2-"]
    assert wave.frequency == pytest.approx(1 / 4)
    assert wave.representative["P"][0][0] == pytest.approx(1 / 5)


def test_b10_a_spiral_of_rank_one():
    component = named(turning("7/10,3/10+1/5i", 1, "1/10", embed_dim=1))["rank1:1+"]
    expected = np.array([-0.2 - 0.1j, -0.2, -0.2 + 0.1j, -0.15])
    assert same_polynomial(listed(component.flow.spectrum), expected) < 1e-12


def test_b11_a_hopf_point_is_undecided():
    component = named(turning("7/20,7/20+2/5i", 1, "1/40", embed_dim=1))["rank1:1+"]
    assert component.flow.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize("seed", range(25))
def test_stable_sets_by_angles(seed):
    """T31.3: all active on u+, and u_i^a |m_j| cos Delta_ij < s_j u_i^b + eta beside all others."""
    rng = random.Random(seed)
    pairs = [
        (Fraction(rng.randint(1, 20), 10), Fraction(rng.choice([0, 3, 8, 13]), 10))
        for _ in range(3)
    ]
    if not any(im for _, im in pairs):
        return
    moments = eq.Moments.turning(signal=pairs, total=[2, Fraction(5, 2), 3])
    eta = 1 / 40
    model = eq.Model(moments=moments, embed_dim=6, weight_decay="1/40")
    if not moments.units:
        return
    for component in named(model).values():
        if component.rotates or not component.rank or "-" in component.id:
            continue
        active = [u for u in moments.units if set(u.columns) <= set(component.modes)]
        p = {u.columns: largest_root(abs(complex(u.re, u.im)), float(u.s), eta) for u in active}
        wanted = all(
            p[i.columns] * abs(complex(j.re, j.im)) * np.cos(angle(i) - angle(j))
            < float(j.s) * p[i.columns] ** 2 + eta
            for i in active
            for j in moments.units
            if j not in active
        )
        assert (component.flow.verdict is Verdict.STABLE) == wanted, component.id


def angle(unit):
    return np.angle(complex(unit.re, unit.im))


def largest_root(m, s, eta):
    return (m + np.sqrt(m * m - 4 * eta * s)) / (2 * s)


def test_training_turns_for_ever():
    """Runs of the flow from random starts end on the wave, with its frequency to 1e-3."""
    model = turning("3/5+2/5i", 1, "2/25", embed_dim=1)
    rng = np.random.default_rng(0)
    turned = 0
    for _ in range(8):
        state = rng.normal(size=3)
        state = integrate(model, state, 150.0)
        if abs(state[2]) < 1e-3:
            continue
        later = integrate(model, state, 1.0)
        angles = np.arctan2([state[1], later[1]], [state[0], later[0]])
        change = (angles[1] - angles[0] + np.pi) % (2 * np.pi) - np.pi
        assert abs(change) == pytest.approx(4 / 25, rel=1e-3)
        assert abs(later[2]) == pytest.approx(2 / 5, rel=1e-4)
        turned += 1
    assert turned >= 3


def integrate(model, state, time):
    def slope(_, y):
        return chain_dense.flow(model, y).real

    return solve_ivp(slope, (0.0, time), state, method="DOP853", rtol=1e-9, atol=1e-12).y[:, -1]


# What is said, and what is refused.


def test_the_headline_says_that_learning_turns():
    report = eq.analyze(turning("3/5+2/5i", 1, "2/25", embed_dim=1))
    assert report.summary.text.startswith("Learning does not come to rest: rank1:1&2+ turns")
    assert report.summary.avoids_collapse
    wave = report.to_json()["components"][0]
    assert (wave["motion"], wave["map"]["verdict"]) == ("rotates", None)
    data = report.to_json()["moments"]
    assert data["symmetric"] is False
    assert data["normal"] is True
    assert data["asymmetry"] == pytest.approx(
        0.8 / np.hypot(0.6, 0.4) / np.sqrt(2) * np.sqrt(2) / 1
    )


def test_a_non_real_eigenvalue_excludes_every_metric():
    report = eq.analyze(turning("7/20,9/10i", 1, "1/40", embed_dim=1))
    found = report.gradient.flow.any_metric
    assert found.exists is False
    assert found.witness.kind == "nonreal-eigenvalue"
    assert report.gradient.flow.is_gradient is False


def test_what_a_smaller_model_allows_is_not_said_of_the_whole():
    """One mode alone has an integrating factor in the plane; three dimensions have none."""
    factor = eq.analyze(turning("7/20,9/10i", 1, "1/40", embed_dim=1)).gradient.flow
    assert factor.integrating_factor.exists is False


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("3/5+2/5i,1/2", (("3/5", "2/5"), ("1/2", "0"))),
        ("i", (("0", "1"),)),
        ("-1/2-i", (("-1/2", "-1"),)),
        ("1e-2+3e-1j", (("1/100", "3/10"),)),
        ("2e1i", (("0", "20"),)),
    ],
)
def test_complex_signals_are_read_exactly(text, expected):
    wanted = tuple((Fraction(re), Fraction(im)) for re, im in expected)
    assert complex_signal(text, "--signal") == wanted


@pytest.mark.parametrize("text", ["1e-400i", "1e400+i", "1+i2", "i+1", "3+4ii", "1//2i", "", "+-i"])
def test_signals_that_are_no_numbers(text):
    with pytest.raises(FormatError, match="--signal"):
        complex_signal(text, "--signal")


def test_sigma_has_one_value_a_pair_or_two_equal_ones():
    pairs = complex_signal("1/2+1/4i,1/3", "--signal")
    one = eq.Moments.turning(signal=pairs, total=[1, 2])
    assert one == eq.Moments.turning(signal=pairs, total=[1, 1, 2])
    with pytest.raises(FormatError, match="two dimensions of a pair need equal values"):
        eq.Moments.turning(signal=pairs, total=[1, 2, 2])
    with pytest.raises(FormatError, match="one per dimension"):
        eq.Moments.turning(signal=pairs, total=[1])
    with pytest.raises(FormatError, match="positive definite"):
        eq.Moments.turning(signal=pairs, total=[0, 1])


def test_questions_without_an_answer_say_so():
    model = turning("3/5+2/5i", 1, "2/25")
    for ask in (eq.basin_report, eq.connection_graph):
        with pytest.raises(ScopeError, match="not answered where M is not symmetric"):
            ask(model)
    with pytest.raises(FormatError, match="M must be symmetric"):
        replace(model, procedure="joint")
    uneven = turning("3/5+2/5i,1/2", 1, "1/50", predictor_weight_decay="1/40", embed_dim=3)
    with pytest.raises(ScopeError, match="unequal decays where views are turned"):
        eq.analyze(uneven)
