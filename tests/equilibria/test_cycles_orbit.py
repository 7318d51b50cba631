"""The limit cycle of E5: its numbers, against direct integration and finite differences."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.optimize import linear_sum_assignment

from equilibria import analyze
from equilibria.cycles import (
    along,
    close_cycle,
    cycle_from_hopf,
    follow_cycle,
    hopf_points,
    kicked,
    settle,
)
from equilibria.cycles.collocation import radau
from equilibria.cycles.cycle import carry_cycle, same_cycle
from equilibria.cycles.dynamics import Dynamics, skew_basis
from equilibria.cycles.examples import e5, e5_setting
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.dense import Physics, force, jacobian_flow

T = 1 / 28
RANGES = [(0.896051, 1.227976), (0.0233720, 0.0640707)]


@pytest.fixture(scope="module")
def cycle():
    setting = e5_setting(T)
    x, period = kicked(setting, setting.largest())
    run = settle(setting, x, 10 * period)
    assert run.ending == "cycle"
    return run.cycle


def test_e5_cycle_to_the_digits_given(cycle):
    assert cycle.period == pytest.approx(0.523187, abs=5e-7)
    np.testing.assert_allclose(cycle.amplitude, RANGES, rtol=0, atol=6e-7)
    trivial, second, *rest = cycle.multipliers
    assert trivial == pytest.approx(1, abs=1e-9)
    assert second.real == pytest.approx(0.032, abs=5e-4)
    assert len(rest) == 2
    assert np.all(np.abs(rest) < 1e-6)
    assert cycle.verdict == "stable"
    assert cycle.closure < 1e-9
    assert cycle.transverse == pytest.approx(np.exp(-2 * cycle.period / 16), rel=1e-12)


def test_monodromy_of_the_full_flow_is_reduced_rotation_and_transverse_parts(cycle):
    found = np.linalg.eigvals(cycle.monodromy)
    angle = cycle.angle  # the symmetric 2 x 2 matrices turn by 0 and by twice the angle
    across = cycle.transverse * np.exp([0, 2j * angle, -2j * angle])
    expected = np.concatenate([cycle.multipliers, [1.0], across])
    gaps = np.abs(found[:, None] - expected[None, :])
    rows, columns = linear_sum_assignment(gaps)
    assert gaps[rows, columns].max() < 1e-6  # the double 1 costs half of the digits


def test_multipliers_agree_with_finite_differences_in_the_body_frame(cycle):
    """T9.4: d^2 unknowns, no symmetry left; code that shares nothing with the package."""
    s = cycle.setting
    P, W, _ = cycle.dynamics.split(cycle.start)
    Q = np.linalg.solve(P.T, W)
    np.testing.assert_allclose(Q @ Q.T, np.eye(2), atol=1e-9)

    def body(_, y):
        P = y.reshape(2, 2)
        S = P @ P.T
        X = P.T @ s.M - s.M @ P - (S @ s.Sigma - s.Sigma @ S)
        dP = P.T @ s.M @ P - S @ s.Sigma @ P - s.eta * P + P @ X - X @ P
        return dP.ravel()

    def after(y):
        done = solve_ivp(body, (0, cycle.period), y, method="DOP853", rtol=1e-11, atol=1e-13)
        return done.y[:, -1]

    y = (Q.T @ P @ Q).ravel()
    assert np.linalg.norm(after(y) - y) < 1e-7
    step = 1e-6
    D = np.array([(after(y + step * e) - after(y - step * e)) / (2 * step) for e in np.eye(4)]).T
    values = np.linalg.eigvals(D)
    values = values[np.argsort(-np.abs(values))]
    np.testing.assert_allclose(values[:2], cycle.multipliers[:2], atol=2e-5)
    assert np.all(np.abs(values[2:]) < 1e-5)


@pytest.mark.parametrize("start", ["beside the unstable equilibrium", "random"])
def test_long_runs_of_the_full_flow_end_on_the_same_cycle(cycle, start):
    s = cycle.setting
    physics = Physics(s.Sigma, s.M, s.eta, s.eta)
    if start == "random":
        rng = np.random.default_rng(0)
        P, W, until = rng.standard_normal((2, 2)), rng.standard_normal((2, 2)), 90.0
        P, W = 0.3 * P, 0.3 * W
    else:
        W = np.array([[16.0, -3.0], [4.0, 1.0]]) / 16
        W = W - 1e-3
        P, until = W.T, 12.0

    def full(_, y):
        return np.concatenate(
            [
                part.ravel()
                for part in force(y[:4].reshape(2, 2), *[y[4:].reshape(2, 2)] * 2, physics)
            ]
        )

    def jacobian(_, y):
        return jacobian_flow(y[:4].reshape(2, 2), y[4:].reshape(2, 2), physics)

    times = np.linspace(until - 1.2, until, 6001)
    done = solve_ivp(
        full,
        (0, until),
        np.concatenate([P.ravel(), W.ravel()]),
        method="LSODA",
        jac=jacobian,
        t_eval=times,
        rtol=1e-8,
        atol=1e-11,
    )
    W = done.y[4:].T.reshape(-1, 2, 2)
    G = np.swapaxes(W, -1, -2) @ W
    balanced = start != "random"  # an unbalanced start comes near only like exp(-2 eta t)
    near = 1e-5 if balanced else 5e-3
    for j, (low, high) in enumerate(cycle.amplitude):
        assert (G[:, j, j].min(), G[:, j, j].max()) == pytest.approx((low, high), rel=near)
    level = np.mean(cycle.amplitude[0])
    ups = np.flatnonzero((G[:-1, 0, 0] < level) & (G[1:, 0, 0] >= level))
    at = times[ups] + (level - G[ups, 0, 0]) / (G[ups + 1, 0, 0] - G[ups, 0, 0]) * np.diff(times)[0]
    assert np.diff(at) == pytest.approx(cycle.period, rel=near)


def test_field_jacobian_and_symmetry_of_the_core_system_agree_with_each_other():
    rng = np.random.default_rng(5)
    for beta in (None, 3.0):
        dynamics = Dynamics(e5_setting(T, beta=beta), 2)
        x = rng.standard_normal(dynamics.size)
        for e in np.eye(dynamics.size):
            slope = (dynamics.field(x + 1e-5 * e) - dynamics.field(x - 1e-5 * e)) / 2e-5
            np.testing.assert_allclose(dynamics.jacobian(x) @ e, slope, atol=1e-5)
        g = np.linalg.qr(rng.standard_normal((2, 2)))[0]
        turned = dynamics.field(dynamics.rotated(x, g))
        np.testing.assert_allclose(turned, dynamics.rotated(dynamics.field(x), g), atol=1e-9)
        small = 1e-6 * skew_basis(2)[0]
        moved = dynamics.rotated(x, np.eye(2) + small) - x
        np.testing.assert_allclose(moved, 1e-6 * dynamics.rotations(x)[0], atol=1e-10)


def test_radau_points_integrate_polynomials_up_to_their_order():
    c, A = radau(6)
    for degree in range(11):
        assert A[-1] @ c**degree == pytest.approx(1 / (degree + 1), abs=1e-13)
    np.testing.assert_allclose(A @ c**3, c**4 / 4, atol=1e-14)


def test_an_equilibrium_is_not_mistaken_for_a_cycle():
    setting = e5_setting(T)
    x = Dynamics(setting, 2).at(setting.largest())
    assert close_cycle(setting, x, 0.36) is None


@pytest.mark.slow
def test_the_cycle_of_the_moving_average_dies_at_the_hopf_point():
    setting = e5_setting(T, beta=100.0)
    path = along(setting, "beta")
    (point,) = hopf_points(path, 100.0, 120.0, points=6).points
    value, start = cycle_from_hopf(path, point, offset=0.1)
    assert start.verdict == "stable"
    branch = follow_cycle(path, start, value, 90.0, first=4.0)
    assert branch.end == "hopf"
    assert branch.end_value == pytest.approx(point.value, abs=0.1)
    assert all(cycle.verdict == "stable" for cycle in branch.cycles)


@pytest.mark.slow
def test_the_cycle_of_e5_ends_in_a_homoclinic_orbit_before_t_is_1(cycle):
    branch = follow_cycle(e5_setting, cycle, T, 1.0)
    assert branch.end == "homoclinic"
    assert branch.end_value == pytest.approx(0.90, abs=0.01)
    assert all(c.verdict == "stable" for c in branch.cycles)
    assert np.all(np.diff([c.period for c in branch.cycles]) > 0)
    assert branch.cycles[-1].extent > 0.2


def test_a_cycle_is_carried_to_a_neighbouring_parameter_without_integration() -> None:
    """Newton from the stages at t = 1/28 gives the cycle that a run finds at t = 1/27."""
    here, there = e5_setting(1 / 28), e5_setting(1 / 27)
    cycles = []
    for setting in (here, there):
        core = setting.largest()
        assert core is not None
        x, period = kicked(setting, core)
        found = settle(setting, x, 10 * period).cycle
        assert found is not None
        cycles.append(found)
    carried = carry_cycle(there, cycles[0])
    assert carried is not None
    assert same_cycle(carried, cycles[1])
    assert not same_cycle(carried, cycles[0])


def test_the_orbit_is_a_witness_beside_the_eigenvalue_of_the_focus() -> None:
    moments, decay = e5(Fraction(1, 28))
    model = Model(moments=moments, embed_dim=2, weight_decay=decay)
    part = analyze(model).gradient.flow.any_metric
    assert part.witness is not None
    assert part.witness.kind == "nonreal-eigenvalue"
    assert part.orbit is not None
    assert (part.orbit.kind, part.orbit.how.value) == ("periodic-orbit", "numeric")
    assert part.orbit.period == pytest.approx(0.523187, abs=1e-6)
    assert part.orbit.residual is not None
    assert part.orbit.residual < 1e-7


def test_no_orbit_is_looked_for_without_an_unstable_focus() -> None:
    moments = Moments.dense([[2, 0], [0, 1]], [[1, "1/4"], ["1/4", "1/2"]])
    assert analyze(Model(moments=moments)).gradient.flow.any_metric.orbit is None
    assert analyze(Model()).gradient.flow.any_metric.orbit is None
