"""The search finds what is there, says how far it is, and finds nothing where nothing can be."""

import numpy as np
import pytest

from equilibria.cycles import hopf_points, search_oscillation
from equilibria.cycles.chart import NO_PAIR, Chart
from equilibria.cycles.examples import e5, e6
from equilibria.cycles.pairs import complex_pairs
from equilibria.cycles.setting import Setting
from equilibria.data.moments import Moments
from equilibria.systems.model import Model


def below_e5(share):
    """E5 with its second input scaled down: the same K, a better conditioned Sigma, no focus."""
    moments, eta = e5()
    sigma, m = moments.matrices()
    S = np.diag([1.0, np.sqrt(share)])
    return Moments.dense(S @ sigma @ S, S @ m @ S), eta


def test_from_near_e5_an_oscillation_is_found_and_its_boundary_is_a_hopf_point():
    moments, eta = below_e5(0.8)
    model = Model(moments=moments, weight_decay=eta, embed_dim=2)
    search = search_oscillation(moments, model, radius=0.5, seed=1, starts=2)
    found = search.found
    assert 0 < found.distance < 0.5
    assert found.others == 0
    assert found.pair.imag > 5
    assert abs(found.pair.real) < 1e-5 * found.pair.imag
    chart = Chart(Setting(*moments.matrices(), float(eta)), ("Sigma", "M", "eta"), 2)
    assert chart.objective(np.zeros(chart.size)) < 0
    sigma, m = moments.matrices()

    def path(s):
        a, b = found.setting.Sigma, found.setting.M
        decay = float(eta) + s * (found.setting.eta - float(eta))
        return Setting(sigma + s * (a - sigma), m + s * (b - m), decay)

    (point,) = hopf_points(path, 0.5, 1.2, points=15).points
    assert point.value == pytest.approx(1.0, abs=1e-5)
    again = search_oscillation(moments, model, radius=0.5, seed=1, starts=2)
    assert again.to_json() == search.to_json()


def test_with_beta_alone_the_nearest_point_is_the_edge_of_the_window_of_e6():
    moments, eta = e6()
    model = Model(
        procedure="ema", moments=moments, weight_decay=eta, embed_dim=3, lr="1/100", ema="99/100"
    )
    search = search_oscillation(moments, model, radius=1.0, starts=2, moving=("beta",))
    assert search.found.setting.beta == pytest.approx(1.77333, abs=2e-4)
    assert search.found.distance == pytest.approx(np.log(1.77333), abs=1e-4)


def test_a_system_that_oscillates_already_is_at_distance_zero():
    moments, eta = e5()
    search = search_oscillation(moments, Model(moments=moments, weight_decay=eta, embed_dim=2))
    assert search.found.distance == 0
    np.testing.assert_allclose(search.found.pair, 2.10027 + 17.32039j, atol=1e-5)


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
def test_nothing_is_found_for_commuting_moments(procedure):
    moments = Moments.commuting(signal=["7/10", "13/20"], total=["9/10", "3/2"])
    model = Model(procedure=procedure, moments=moments, weight_decay="1/20", embed_dim=2)
    fixed = tuple(name for name in ("eta", "beta") if procedure == "ema" or name == "eta")
    search = search_oscillation(moments, model, radius=1.0, starts=3, moving=fixed)
    assert search.found is None
    assert search.best == NO_PAIR  # every spectrum met was real (T7.4)
    assert "no loss of stability" in search.reason


def test_near_well_conditioned_commuting_moments_nothing_is_found():
    moments = Moments.commuting(signal=["7/10", "13/20"], total=["9/10", "3/2"])
    search = search_oscillation(
        moments, Model(moments=moments, weight_decay="1/20"), radius=0.3, starts=2
    )
    assert search.found is None
    assert search.best < 0


def test_commuting_moments_have_no_complex_pair_at_their_aligned_equilibria():
    moments = Moments.commuting(signal=["1", "3/4", "9/16"], noise="1/4")
    setting = Setting(*moments.matrices(), 0.02)
    assert complex_pairs(setting, setting.largest()).size == 0


def test_the_chart_keeps_moments_admissible_and_measures_relative_change():
    moments, eta = e6()
    sigma, m = moments.matrices()
    chart = Chart(Setting(sigma, m, float(eta), beta=2.0), ("Sigma", "M", "eta", "beta"), 3)
    same = chart.setting(np.zeros(chart.size))
    np.testing.assert_allclose(same.M, m, rtol=1e-12)
    rng = np.random.default_rng(0)
    for size in (0.1, 1.0, 3.0):
        theta = rng.standard_normal(chart.size)
        theta *= size / np.linalg.norm(theta)
        there = chart.setting(theta)
        assert np.linalg.eigvalsh(there.Sigma)[0] > 0
        assert np.abs(np.linalg.eigvals(np.linalg.solve(there.Sigma, there.M))).max() < 1
        root = np.linalg.cholesky(np.linalg.inv(sigma))
        change = np.log(np.linalg.eigvalsh(root.T @ there.Sigma @ root))
        sizes = dict(chart.distances(theta))
        assert np.linalg.norm(change) == pytest.approx(sizes["Sigma"], rel=1e-8)
        assert abs(np.log(there.beta / 2.0)) == pytest.approx(sizes["beta"])
