"""Hopf and Neimark-Sacker points: E5 and E6 to the digits given, and what happens beside them."""

from dataclasses import replace

import numpy as np
import pytest

from equilibria.cycles import along, cycle_from_hopf, hopf_points, kicked
from equilibria.cycles.dynamics import Dynamics
from equilibria.cycles.examples import e5, e5_setting, e6, setting_of
from equilibria.cycles.pairs import leading_pair, nearest_pair
from equilibria.varieties.noncommuting import stable_rates
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore

A5 = np.array([[16.0, -3.0], [4.0, 1.0]]) / 16


def e5_points(t, low=50.0, high=500.0, points=12):
    setting = e5_setting(t, beta=low)
    branch = hopf_points(along(setting, "beta"), low, high, start=setting.near(A5), points=points)
    return setting, branch.points


def test_the_exact_examples_are_the_float_ones():
    moments, eta = e5("1/28")
    setting = e5_setting(1 / 28)
    np.testing.assert_allclose(moments.matrices()[0], setting.Sigma, rtol=1e-13)
    np.testing.assert_allclose(moments.matrices()[1], setting.M, rtol=1e-13)
    assert float(eta) == 1 / 16 == setting.eta
    assert moments.is_exact
    assert e6()[0].is_exact


@pytest.mark.parametrize(("t", "value"), [(0.0, 103.71), (1 / 28, 104.02), (1 / 4, 105.96)])
def test_e5_moving_average_loses_stability_at_beta_c(t, value):
    _, (point,) = e5_points(t)
    assert point.value == pytest.approx(value, abs=0.005)
    assert abs(point.pair.real) < 1e-10
    assert (point.speed > 0, point.others, point.kind) == (True, 0, "Hopf")
    assert point.criticality == ("undecided" if t == 0 else "supercritical")


def test_the_hopf_value_agrees_with_the_scan_of_stable_rates_and_the_speed_with_differences():
    setting, (point,) = e5_points(1 / 28)
    core = setting.near(A5)
    (window,) = stable_rates(
        EmbeddedCore(core, setting.Sigma, setting.M, setting.eta, n=2), low=50.0, high=500.0
    )
    assert point.value == pytest.approx(window[1], rel=1e-9)
    above, below = (
        leading_pair(replace(setting, beta=point.value + step), core).real for step in (0.1, -0.1)
    )
    assert point.speed == pytest.approx((above - below) / 0.2, rel=1e-4)


def test_e6_moving_average_is_unstable_on_a_window_with_a_stable_and_an_unstable_cycle_at_its_ends():
    setting = setting_of(*e6(), beta=1.0)
    branch = hopf_points(along(setting, "beta"), 0.5, 60.0, points=20)
    first, second = branch.points
    assert first.value == pytest.approx(1.7733, abs=5e-5)
    assert second.value == pytest.approx(30.179, abs=5e-4)
    assert (first.speed > 0, second.speed < 0) == (True, True)
    assert (first.criticality, second.criticality) == ("supercritical", "subcritical")
    inside = replace(setting, beta=13.0)
    pair = leading_pair(inside, inside.largest())
    assert (pair.real, pair.imag) == pytest.approx((0.636, 3.70), abs=3e-3)


def test_a_window_between_two_points_of_the_scan_is_not_overlooked():
    setting = setting_of(*e6(), beta=1.0)
    branch = hopf_points(along(setting, "beta"), 0.1, 0.1 * 18**3, points=4)
    assert [p.value for p in branch.points] == pytest.approx([1.77333, 30.1788], rel=1e-4)


def test_e5_stop_gradient_stays_unstable_along_the_path_of_moments():
    branch = hopf_points(e5_setting, 0.0, 1.0, points=8)
    assert branch.points == ()
    assert branch.margins.min() > 2
    np.testing.assert_allclose(branch.leading[0], (33.3086 + 277.5525j) / 16, atol=1e-4)


@pytest.mark.parametrize(("parameter", "low", "high"), [("ema", 0.94, 0.985), ("h", 2e-4, 4.5e-4)])
def test_neimark_sacker_point_is_where_the_iterated_map_turns_from_decay_to_growth(
    parameter, low, high
):
    setting = replace(e5_setting(1 / 28), h=3e-4, mu=0.97)
    path = along(setting, parameter)
    branch = hopf_points(path, low, high, start=setting.near(A5), points=8)
    (point,) = branch.points
    assert (point.kind, point.others) == ("Neimark-Sacker", 0)
    assert abs(abs(point.pair) - 1) < 1e-12
    at = path(point.value)
    assert (1 - at.mu) / at.h == pytest.approx(104.0, rel=0.1)
    core = setting.near(A5)
    signs = []
    for factor in (0.8, 1.2):
        beside = replace(at, mu=1 - factor * (1 - at.mu))
        z = nearest_pair(beside, core, point.pair)
        steps, growth = iterated_growth(beside, core, periods=4)
        assert growth == pytest.approx(steps * np.log(abs(z)), rel=0.02)
        signs.append(np.sign(growth))
    assert signs == [-1, 1]


def test_neimark_sacker_point_tends_to_the_hopf_point_of_the_flow_as_steps_shrink():
    setting = replace(e5_setting(1 / 28), h=1e-5, mu=0.9)
    core = setting.near(A5)
    branch = hopf_points(along(setting, "ema"), 0.9985, 0.9995, start=core, points=8)
    (point,) = branch.points
    assert (1 - point.value) / 1e-5 == pytest.approx(104.0234, rel=3e-3)
    assert point.frequency == pytest.approx(13.926, rel=3e-3)
    assert point.criticality == "supercritical"


def iterated_growth(setting, core, periods):
    """(steps, log of how much a small oscillation of G grows in them), by its swing per period."""
    dynamics = Dynamics(setting, core.rank)
    x, period = kicked(setting, core, size=1e-6)
    window = round(period / setting.h)
    swing = []
    for _ in range((periods + 1) * window):
        swing.append(dynamics.gram(x)[0, 0] - core.gram[0, 0])
        x = dynamics.step(x)
    return periods * window, np.log(np.ptp(swing[-window:]) / np.ptp(swing[:window]))


def test_the_cycle_born_at_a_supercritical_point_is_small_stable_and_has_its_frequency():
    setting, (point,) = e5_points(1 / 28)
    value, cycle = cycle_from_hopf(along(setting, "beta"), point, offset=0.002)
    assert value > point.value
    assert cycle.verdict == "stable"
    assert cycle.extent < 0.05
    assert 2 * np.pi / cycle.period == pytest.approx(point.frequency, rel=2e-3)


def test_wrong_parameters_are_refused_in_words():
    flow = e5_setting(1 / 28, beta=1.0)
    with pytest.raises(ValueError, match="belongs to the map"):
        along(flow, "ema")
    with pytest.raises(ValueError, match="belongs to the flow"):
        along(replace(flow, h=0.1, mu=0.9), "beta")
    with pytest.raises(ValueError, match="increasing order"):
        hopf_points(along(flow, "beta"), 2.0, 1.0)
