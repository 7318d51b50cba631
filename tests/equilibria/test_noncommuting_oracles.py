"""The worked examples E3, E5, E6, E7 and E10 of the theory note, to the digits given there."""

import numpy as np
import pytest

from equilibria.varieties.noncommuting import (
    collapse,
    components,
    core_equilibrium,
    flow_spectrum,
    gram_residual,
    largest_step,
    map_spectrum,
    maximal_full_rank,
    rank_k,
    rank_one,
    stable_rates,
    stable_steps,
    threshold_collapse,
    threshold_full_rank,
    threshold_rank_one,
)
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore

E10_SIGMA = np.diag([2.0, 1.0])
E10_M = np.array([[1, 0.25], [0.25, 0.5]])
E6_SIGMA = np.diag([1.0, 3.0, 1154.0])
E6_M = np.array([[0.11, 0.157, 2.41], [0.157, 0.4455, 7.4], [2.41, 7.4, 631.0]])
E7_SIGMA, E7_M = np.eye(3), np.diag([0.7, 0.65, 0.5])


def full_rank_point(A, Sigma, M, eta, label):
    """P = A^T, W = A."""
    return core_equilibrium(A.T, A, Sigma, M, eta, label=label, origin="given")


def e5(t):
    A = np.array([[16.0, -3.0], [4.0, 1.0]]) / 16
    Sigma = 16 * np.diag([1.0, 128 + 14 * t])
    M = np.array([[5 + t, -64 - 4 * t], [-64 - 4 * t, 1536 + 184 * t]])
    return full_rank_point(A, Sigma, M, 7 * t / 4, "E5"), Sigma, M, 7 * t / 4


def e7(modes=2):
    P = np.diag([0.5, 0.4])
    return core_equilibrium(P, P @ np.eye(2, 3), E7_SIGMA, E7_M, 0.1, label="E7", origin="given")


def assert_same(found, expected, tolerance):
    """Both lists hold the same numbers, in any order."""
    left = list(np.asarray(found, dtype=complex))
    assert len(left) == len(expected)
    for value in expected:
        nearest = min(range(len(left)), key=lambda i: abs(left[i] - value))
        assert abs(left.pop(nearest) - value) <= tolerance


def test_e3_spectrum_is_the_exact_characteristic_polynomial_and_a_stable_focus():
    A = np.array([[1.0, -1.0], [0.0, 3.0]])
    Sigma, M = np.array([[8.0, 2.0], [2.0, 1.0]]), np.array([[11.0, 4.0], [4.0, 3.0]])
    core = full_rank_point(A, Sigma, M, 1.0, "E3")
    assert core.residual == 0
    spectrum = flow_spectrum(EmbeddedCore(core, Sigma, M, 1.0, n=2))
    roots = np.roots([1, 73, 1000, 5344, 9888])
    assert_same(spectrum.eigenvalues, [0, -2, -2, -2, *roots], 1e-10)
    assert_same(roots, [-57.0636, -4.1728, -5.8818 + 2.6327j, -5.8818 - 2.6327j], 1e-4)
    assert spectrum.verdict.verdict == "stable"
    assert spectrum.verdict.nonreal


def test_e5_without_decay_is_the_balanced_point_and_unstable_by_its_exact_polynomial():
    _, Sigma, M, _ = e5(0)
    full = components(Sigma, M, 2)[-1]
    assert full.J == (0, 1)
    A = np.array([[16.0, -3.0], [4.0, 1.0]]) / 16
    np.testing.assert_allclose(full.W.T @ full.W, A.T @ A, atol=1e-13)
    roots = np.roots([1, 13285, 13885136, 64324608, 1148450766848])
    assert_same(full.normal * 16, roots, 1e-8 * abs(roots).max())
    assert_same(16 * full.verdict.leading[:2], [33.3086 + 277.5525j, 33.3086 - 277.5525j], 1e-4)
    assert full.verdict.verdict == "unstable"
    slow = components(Sigma, M, 2, beta=103.70)[-1]
    fast = components(Sigma, M, 2, beta=103.72)[-1]
    assert (slow.verdict.verdict, fast.verdict.verdict) == ("stable", "unstable")


def test_e5_with_decay_is_an_unstable_focus_that_slow_targets_stabilise():
    core, Sigma, M, eta = e5(1 / 28)
    assert core.residual < 1e-13
    spectrum = flow_spectrum(EmbeddedCore(core, Sigma, M, eta, n=2))
    polynomial = [28, 373119, 390677067, 1419005780, 32238781061552]
    assert_same(spectrum.eigenvalues * 16, [0, -2, -2, -2, *np.roots(polynomial)], 1e-7)
    assert_same(spectrum.verdict.leading[:2], [2.10027 + 17.32039j, 2.10027 - 17.32039j], 1e-5)
    assert spectrum.verdict.verdict == "unstable"
    (window,) = stable_rates(EmbeddedCore(core, Sigma, M, eta, n=2), low=0.1, high=1e4)
    assert window[0] == pytest.approx(0.1)
    assert window[1] == pytest.approx(104.02, abs=0.005)


def test_e5_has_stable_steps_only_away_from_zero():
    core, Sigma, M, eta = e5(1 / 28)
    assert largest_step(EmbeddedCore(core, Sigma, M, eta, n=2)) is None
    assert largest_step(EmbeddedCore(core, Sigma, M, eta, n=2), mu=0.999) is None
    (low, high) = stable_steps(EmbeddedCore(core, Sigma, M, eta, n=2), mu=0.999)[0]
    assert low == pytest.approx(0.001 / 104.02, rel=0.05)
    for h, verdict in ((0.99 * low, "unstable"), (1.01 * low, "stable"), (0.99 * high, "stable")):
        found = map_spectrum(EmbeddedCore(core, Sigma, M, eta, n=2), h=h, mu=0.999)
        assert found.verdict.verdict == verdict


def test_e6_moving_average_is_unstable_on_a_window_only():
    core = maximal_full_rank(E6_SIGMA, E6_M, 1e-3).equilibrium
    assert core.residual < 1e-11
    assert flow_spectrum(EmbeddedCore(core, E6_SIGMA, E6_M, 1e-3, n=3)).verdict.verdict == "stable"
    windows = stable_rates(EmbeddedCore(core, E6_SIGMA, E6_M, 1e-3, n=3), low=1e-2, high=1e4)
    assert len(windows) == 2
    assert windows[0][1] == pytest.approx(1.7733, abs=5e-5)
    assert windows[1][0] == pytest.approx(30.179, abs=5e-4)
    inside = flow_spectrum(EmbeddedCore(core, E6_SIGMA, E6_M, 1e-3, n=3), beta=13).verdict
    assert inside.verdict == "unstable"
    assert_same(inside.leading[:2], [0.636 + 3.70j, 0.636 - 3.70j], 3e-3)


def test_e6_map_leaves_stability_before_the_window_and_returns_after_it():
    core = maximal_full_rank(E6_SIGMA, E6_M, 1e-3).equilibrium
    intervals = stable_steps(EmbeddedCore(core, E6_SIGMA, E6_M, 1e-3, n=3), mu=0.999)
    assert intervals[0][0] == 0
    assert intervals[0][1] == pytest.approx(0.001 / 30.179, rel=0.02)
    assert intervals[1][0] == pytest.approx(0.001 / 1.7733, rel=0.02)
    step = largest_step(EmbeddedCore(core, E6_SIGMA, E6_M, 1e-3, n=3), mu=0.999)
    assert step == pytest.approx(intervals[0][1])


def test_e7_spectra_and_steps():
    core = e7()
    two = [-31 / 100, -1 / 5, -1 / 5, -1 / 5, -3 / 20, -21 / 200, -1 / 10, -3 / 50, -3 / 50, 0]
    three = [*two, 0, 0, -1 / 5, -1 / 5, -7 / 20, -13 / 50, -1 / 10, -1 / 10]
    moving = [-1.393644, -1.392262, -1.323441, -1.272862, -1.271343, -1.210431, -0.2242, -0.2]
    moving += [-0.2, -0.2, -0.107738, -0.078715, -0.078657, -0.049569, -0.047138, 0]
    assert_same(flow_spectrum(EmbeddedCore(core, E7_SIGMA, E7_M, 0.1, n=2)).eigenvalues, two, 1e-12)
    assert_same(
        flow_spectrum(EmbeddedCore(core, E7_SIGMA, E7_M, 0.1, n=3)).eigenvalues, three, 1e-12
    )
    ema = flow_spectrum(EmbeddedCore(core, E7_SIGMA, E7_M, 0.1, n=2), beta=1.0)
    assert_same(ema.eigenvalues, moving, 1e-6)

    def step(**options):
        return largest_step(EmbeddedCore(core, E7_SIGMA, E7_M, 0.1, n=2), **options)

    assert step() == pytest.approx(200 / 31, rel=1e-11)
    assert step(nu=0.9) == pytest.approx(380 / 31, rel=1e-11)
    assert step(mu=0.99) == pytest.approx(3.286879, abs=1e-6)
    assert step(mu=0.99, nu=0.9) == pytest.approx(6.245070, abs=1e-6)


def test_e10_pencil_and_its_spectra():
    largest, smallest = rank_one(E10_SIGMA, E10_M, 0.05)
    assert largest.P[0, 0] == pytest.approx(0.6171722, abs=1e-7)
    assert smallest.P[0, 0] == pytest.approx(0.0493842, abs=1e-7)
    assert_same(
        flow_spectrum(EmbeddedCore(smallest, E10_SIGMA, E10_M, 0.05, n=1)).eigenvalues,
        [-0.1, 0.0455255, -0.0332401],
        1e-7,
    )
    assert_same(
        flow_spectrum(EmbeddedCore(largest, E10_SIGMA, E10_M, 0.05, n=1)).eigenvalues,
        [-0.1, -0.4778984, -0.3169462],
        1e-7,
    )


def test_e10_thresholds():
    assert threshold_collapse(E10_SIGMA, E10_M) == pytest.approx(0.1771780, abs=5e-8)
    assert threshold_rank_one(E10_SIGMA, E10_M) == pytest.approx(0.1714265, abs=5e-8)
    assert threshold_full_rank(E10_SIGMA, E10_M) == pytest.approx(0.0373513, abs=5e-8)


def test_e10_thresholds_are_the_folds_of_the_branches():
    full = rank_k(E10_SIGMA, E10_M, 0.1, (0, 1), fallback=False)
    one = rank_k(E10_SIGMA, E10_M, 0.2, (0,), fallback=False)
    assert (full.equilibrium, one.equilibrium) == (None, None)
    assert full.eta_fold == pytest.approx(threshold_full_rank(E10_SIGMA, E10_M), rel=1e-7)
    assert one.eta_fold == pytest.approx(threshold_rank_one(E10_SIGMA, E10_M), rel=1e-7)


def test_e10_maximal_full_rank_equilibrium():
    core = maximal_full_rank(E10_SIGMA, E10_M, 0.03).equilibrium
    expected = [[0.1933701, 0.1772092], [0.1772092, 0.2769611]]
    np.testing.assert_allclose(core.gram, expected, atol=5e-8)
    np.testing.assert_allclose(core.P, core.W.T, atol=1e-13)
    assert gram_residual(core.gram, E10_SIGMA, E10_M, 0.03) < 1e-13
    assert_same(
        flow_spectrum(EmbeddedCore(core, E10_SIGMA, E10_M, 0.03, n=2)).eigenvalues,
        [-0.5929204, -0.4672981, -0.3777764, -0.0492322, -0.06, -0.06, -0.06, 0],
        1e-7,
    )
    beyond = maximal_full_rank(E10_SIGMA, E10_M, 0.04)
    assert beyond.equilibrium is None
    assert beyond.reason


def test_jordan_block_gets_a_bound_that_covers_its_sensitivity():
    """E1: eigenvalue -1/6 twice, not diagonalisable, so a bound must exceed sqrt(rounding)."""
    Sigma, M = np.array([[1.0]]), np.array([[2 / 3]])
    half = np.array([[0.5]])
    core = core_equilibrium(half, half, Sigma, M, 1 / 12, label="E1", origin="given")
    verdict = flow_spectrum(EmbeddedCore(core, Sigma, M, 1 / 12, n=1)).verdict
    assert_same(verdict.leading, [-1 / 6, -1 / 6], verdict.tolerance)
    assert verdict.tolerance > 1e-9
    assert verdict.verdict == "stable"
    assert not verdict.nonreal


def test_unequal_decays_turn_the_jordan_block_into_a_focus():
    """E2: eta_P = 1/24 is kappa = 1/2 and the eigenvalues are (-1 +- i) / 12."""
    Sigma, M = np.array([[1.0]]), np.array([[2 / 3]])
    half = np.array([[0.5]])
    core = core_equilibrium(half, half, Sigma, M, 1 / 12, label="E2", origin="given")
    verdict = flow_spectrum(EmbeddedCore(core, Sigma, M, 1 / 12, n=1, kappa=0.5)).verdict
    assert_same(verdict.leading, [(-1 + 1j) / 12, (-1 - 1j) / 12], 1e-12)
    assert verdict.nonreal


def test_collapse_is_stable_with_the_decay_as_its_only_rate():
    spectrum = flow_spectrum(EmbeddedCore(collapse(3), E7_SIGMA, E7_M, 0.1, n=2), beta=1.0)
    assert_same(spectrum.eigenvalues, [-0.1] * 10 + [-1.0] * 6, 1e-13)
    assert spectrum.verdict.verdict == "stable"
    step = largest_step(EmbeddedCore(collapse(3), E7_SIGMA, E7_M, 0.1, n=2))
    assert step == pytest.approx(20)


@pytest.mark.parametrize("nu", [0.0, 0.7])
def test_largest_step_of_a_focus_is_set_by_its_complex_pair(nu):
    """E2 again: (-1 +- i) / 12 leave the unit circle at a non-real multiplier."""
    Sigma, M = np.array([[1.0]]), np.array([[2 / 3]])
    half = np.array([[0.5]])
    core = core_equilibrium(half, half, Sigma, M, 1 / 12, label="E2", origin="given")
    h = largest_step(EmbeddedCore(core, Sigma, M, 1 / 12, n=1, kappa=0.5), nu=nu)
    if nu == 0:
        assert h == pytest.approx(12, rel=1e-12)
    for factor, verdict in ((1 - 1e-6, "stable"), (1 + 1e-6, "unstable")):
        found = map_spectrum(
            EmbeddedCore(core, Sigma, M, 1 / 12, n=1, kappa=0.5), h=h * factor, nu=nu
        ).verdict
        assert found.verdict == verdict
        assert abs(found.leading[0].imag) > 0.1
