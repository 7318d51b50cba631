"""Two routes to every number: core reduction against the dense Jacobian of the full system."""

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from equilibria.varieties.noncommuting import (
    balanced_point,
    core_equilibrium,
    flow_spectrum,
    largest_step,
    map_spectrum,
    rank_k,
    rank_one,
    solvers,
    spectrum,
)
from equilibria.varieties.noncommuting.arnoldi import ArnoldiError
from equilibria.varieties.noncommuting.dense import Physics, force, jacobian_flow, jacobian_map
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore
from equilibria.varieties.noncommuting.zero_decay import residual_operator

CASES = [(2, 2, 1), (2, 3, 2), (3, 3, 2), (4, 3, 2), (3, 2, 2), (4, 5, 3), (5, 3, 1)]


def moments(d, seed):
    """Admissible random moments: M = X positive definite, Sigma = X + noise."""
    random = np.random.default_rng(seed)
    F, G = random.normal(size=(2, d, 2 * d))
    X, noise = F @ F.T / (2 * d), G @ G.T / (2 * d)
    return X + 0.3 * noise, X


def equilibrium(d, k, seed):
    Sigma, M = moments(d, seed)
    found = rank_k(Sigma, M, 0.004, tuple(range(k)))
    assert found.equilibrium is not None
    return found.equilibrium, Sigma, M


def distance(a, b):
    """Largest distance in the best matching of two lists of complex numbers."""
    assert len(a) == len(b)
    cost = np.abs(np.asarray(a)[:, None] - np.asarray(b)[None, :])
    return cost[linear_sum_assignment(cost)].max()


def physical(core, n, alpha, Sigma, M, eta, kappa):
    """(P, W, Physics) in original units: rate ratio alpha, decays kappa eta and eta (T0.3)."""
    P, W = core.embedded(n, alpha=alpha / kappa)
    return P, W, Physics(Sigma, M, predictor_decay=kappa * eta, encoder_decay=eta, alpha=alpha)


@pytest.mark.parametrize(("n", "d", "k"), CASES)
@pytest.mark.parametrize(("kappa", "beta"), [(1, None), (1, 0.7), (0.4, None), (2.5, 3.0)])
def test_flow_spectrum_is_that_of_the_dense_jacobian_in_original_units(n, d, k, kappa, beta):
    core, Sigma, M = equilibrium(d, k, seed=n + 10 * d + 100 * k)
    P, W, physics = physical(core, n, 1.7, Sigma, M, 0.004, kappa)
    assert max(np.abs(part).max() for part in force(P, W, W, physics)) < 1e-13
    dense = np.linalg.eigvals(jacobian_flow(P, W, physics, beta=beta))
    found = flow_spectrum(EmbeddedCore(core, Sigma, M, 0.004, n=n, kappa=kappa), beta=beta)
    assert found.complete
    assert found.verdict.neutral_found == k * (n - k) + k * (k - 1) // 2
    assert distance(found.eigenvalues, dense) < 1e-7


@pytest.mark.parametrize(("n", "d", "k"), CASES)
@pytest.mark.parametrize("kappa", [1, 0.4])
@pytest.mark.parametrize(("mu", "nu"), [(None, 0.0), (None, 0.8), (0.9, 0.0), (0.97, 0.6)])
def test_map_spectrum_is_that_of_the_dense_jacobian_in_original_units(n, d, k, kappa, mu, nu):
    core, Sigma, M = equilibrium(d, k, seed=n + 10 * d + 100 * k)
    P, W, physics = physical(core, n, 0.6, Sigma, M, 0.004, kappa)
    dense = np.linalg.eigvals(jacobian_map(P, W, physics, h=0.3, mu=mu, nu=nu))
    found = map_spectrum(EmbeddedCore(core, Sigma, M, 0.004, n=n, kappa=kappa), h=0.3, mu=mu, nu=nu)
    assert distance(found.eigenvalues, dense) < 1e-7


def update(state, n, d, physics, h, mu, nu):
    """One step of the procedure as one would train it, on (P, W, V_P, V_W, T)."""
    P, W, VP, VW, T = split(state, n, d)
    target = W if mu is None else T
    fP, fW = force(P, W, target, physics)
    VP, VW = nu * VP + fP, nu * VW + fW
    P, W = P + h * VP, W + h * VW
    T = T if mu is None else mu * T + (1 - mu) * W
    return np.concatenate([part.ravel() for part in (P, W, VP, VW, T)])


def split(state, n, d):
    sizes = np.cumsum([n * n, n * d, n * n, n * d])
    parts = np.split(state, sizes)
    shapes = [(n, n), (n, d), (n, n), (n, d), (n, d)]
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


@pytest.mark.parametrize(("mu", "nu"), [(None, 0.0), (None, 0.5), (0.9, 0.0), (0.9, 0.5)])
def test_dense_map_jacobian_is_the_derivative_of_the_update(mu, nu):
    n, d, h = 3, 2, 0.2
    Sigma, M = moments(d, 5)
    physics = Physics(Sigma, M, predictor_decay=0.03, encoder_decay=0.05, alpha=1.3)
    random = np.random.default_rng(6)
    state = random.normal(size=2 * n * n + 3 * n * d)
    P, W, _, _, T = split(state, n, d)
    exact = jacobian_map(P, W, physics, h=h, mu=mu, nu=nu, T=T if mu is not None else None)
    step = 1e-6
    numeric = np.array(
        [
            (
                update(state + step * e, n, d, physics, h, mu, nu)
                - update(state - step * e, n, d, physics, h, mu, nu)
            )
            / (2 * step)
            for e in np.eye(state.size)
        ]
    ).T
    N = n * n + n * d
    kept = list(range(N))
    kept += list(range(N, 2 * N)) if nu else []
    kept += list(range(2 * N, 2 * N + n * d)) if mu is not None else []
    np.testing.assert_allclose(exact, numeric[np.ix_(kept, kept)], atol=1e-8)


def test_dense_flow_jacobian_is_the_derivative_of_the_flow():
    n, d, beta = 3, 2, 0.7
    Sigma, M = moments(d, 5)
    physics = Physics(Sigma, M, predictor_decay=0.03, encoder_decay=0.05, alpha=1.3)
    state = np.random.default_rng(7).normal(size=n * n + 2 * n * d)

    def flow(x):
        P, W, T = x[: n * n].reshape(n, n), *x[n * n :].reshape(2, n, d)
        fP, fW = force(P, W, T, physics)
        return np.concatenate([fP.ravel(), fW.ravel(), beta * (W - T).ravel()])

    P, W, T = state[: n * n].reshape(n, n), *state[n * n :].reshape(2, n, d)
    exact = jacobian_flow(P, W, physics, T=T, beta=beta)
    step = 1e-6
    numeric = [(flow(state + step * e) - flow(state - step * e)) / (2 * step) for e in np.eye(21)]
    np.testing.assert_allclose(exact, np.array(numeric).T, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("nu", [0.0, 0.7])
def test_largest_step_separates_stable_from_unstable_maps(seed, nu):
    Sigma, M = moments(3, seed)
    core = rank_k(Sigma, M, 0.004, (0, 1)).equilibrium
    assert core is not None
    for mu in (None, 0.9):
        h = largest_step(EmbeddedCore(core, Sigma, M, 0.004, n=3), mu=mu, nu=nu)
        assert h is not None
        below = map_spectrum(
            EmbeddedCore(core, Sigma, M, 0.004, n=3), h=h * (1 - 1e-6), mu=mu, nu=nu
        )
        above = map_spectrum(
            EmbeddedCore(core, Sigma, M, 0.004, n=3), h=h * (1 + 1e-6), mu=mu, nu=nu
        )
        assert (below.verdict.verdict, above.verdict.verdict) == ("stable", "unstable")


@pytest.mark.parametrize(("d", "k"), [(4, 2), (6, 3), (5, 5)])
@pytest.mark.parametrize(("kappa", "beta"), [(1, None), (1, 0.7), (0.4, None)])
def test_arnoldi_finds_the_leading_eigenvalues_of_the_dense_route(d, k, kappa, beta):
    core, Sigma, M = equilibrium(d, k, seed=d)
    at = EmbeddedCore(core, Sigma, M, 0.004, n=k + 1, kappa=kappa)
    dense = flow_spectrum(at, beta=beta).verdict
    arnoldi = flow_spectrum(at, beta=beta, dense_up_to=0).verdict
    assert arnoldi.method == "arnoldi"
    assert arnoldi.verdict == dense.verdict
    assert arnoldi.neutral_found == dense.neutral_found
    assert arnoldi.extent == pytest.approx(dense.extent, abs=1e-8)


@pytest.mark.parametrize(("mu", "nu"), [(None, 0.0), (0.9, 0.0), (0.9, 0.6)])
def test_arnoldi_finds_the_radius_of_the_map(mu, nu):
    core, Sigma, M = equilibrium(5, 3, seed=5)
    at, options = EmbeddedCore(core, Sigma, M, 0.004, n=3), {"h": 0.3, "mu": mu, "nu": nu}
    dense = map_spectrum(at, **options).verdict
    arnoldi = map_spectrum(at, dense_up_to=0, **options).verdict
    assert arnoldi.verdict == dense.verdict == "stable"
    assert arnoldi.extent == pytest.approx(dense.extent, abs=1e-8)


def test_rank_one_spectrum_is_the_closed_form():
    """T7.6: -2 eta, eta - p^2 sigma, and minus the pencil on the complement of w."""
    Sigma, M = moments(4, 3)
    eta = 0.01
    for core in rank_one(Sigma, M, eta):
        p, w = core.P[0, 0], core.W[0] / np.linalg.norm(core.W)
        pencil = p * p * Sigma - p * M + eta * np.eye(4)
        complement = np.linalg.svd(w[None, :])[2][1:]
        rest = np.linalg.eigvalsh(-complement @ pencil @ complement.T)
        expected = [-2 * eta, eta - p * p * (w @ Sigma @ w), *rest]
        found = flow_spectrum(EmbeddedCore(core, Sigma, M, eta, n=1))
        assert distance(found.eigenvalues, expected) < 1e-10
        stable = max(expected) < 0
        assert found.verdict.verdict == ("stable" if stable else "unstable")


def test_a_repeated_mode_is_degenerate_and_so_undecided():
    """Sigma = I, M = m I: the rank-one states fill a sphere, one more zero than the orbit has."""
    Sigma, M, eta = np.eye(2), 0.7 * np.eye(2), 0.1
    p = 0.5
    core = core_equilibrium(
        np.array([[p]]), np.array([[p, 0.0]]), Sigma, M, eta, label="", origin="given"
    )
    verdict = flow_spectrum(EmbeddedCore(core, Sigma, M, eta, n=2)).verdict
    assert verdict.verdict == "undecided"
    assert verdict.neutral_found == verdict.neutral_expected + 1


@pytest.mark.parametrize("k", [1, 2])
def test_a_rough_equilibrium_widens_the_tolerance_until_nothing_is_claimed(k):
    core, Sigma, M = equilibrium(3, k, seed=1)
    rough = core_equilibrium(
        core.P, core.W * (1 + 3e-2), Sigma, M, 0.004, label="", origin="perturbed"
    )
    assert flow_spectrum(EmbeddedCore(core, Sigma, M, 0.004, n=k)).verdict.verdict != "undecided"
    assert flow_spectrum(EmbeddedCore(rough, Sigma, M, 0.004, n=k)).verdict.verdict == "undecided"


@pytest.mark.parametrize("beta", [None, 0.8])
@pytest.mark.parametrize(("n", "J"), [(3, (0, 1, 2)), (3, (0, 2)), (2, (1, 2))])
def test_zero_decay_operator_is_the_dense_jacobian_without_the_component(n, J, beta):
    """T5.1 at an unbalanced point with R = 0: spec J = spec L and n^2 zeros."""
    Sigma, M = moments(3, 11)
    k = len(J)
    core_P, core_W = balanced_point(Sigma, M, J)
    random = np.random.default_rng(0)
    g = np.eye(n) + 0.3 * random.normal(size=(n, n))
    P, W = random.normal(size=(n, n)), np.zeros((n, 3))
    P[:k, :k], P[k:, :k], W[:k] = core_P, 0.0, core_W
    P, W = g @ P @ np.linalg.inv(g), g @ W
    assert np.abs(W @ M - P @ W @ Sigma).max() < 1e-13
    physics = Physics(Sigma, M, predictor_decay=0.0, encoder_decay=0.0)
    dense = np.linalg.eigvals(jacobian_flow(P, W, physics, beta=beta))
    found = np.linalg.eigvals(residual_operator(P, W, Sigma, M, beta=beta))
    assert distance([*found, *np.zeros(n * n)], dense) < 1e-6


def test_what_neither_arnoldi_nor_dense_algebra_can_reach_is_undecided(monkeypatch):
    def give_up(*_):
        raise ArnoldiError("did not converge")

    core, Sigma, M = equilibrium(3, 2, seed=1)
    monkeypatch.setattr(spectrum, "leading_eigenvalues", give_up)
    rescued = flow_spectrum(EmbeddedCore(core, Sigma, M, 0.004, n=3), dense_up_to=0).verdict
    assert (rescued.verdict, rescued.method) == ("stable", "dense")
    monkeypatch.setattr(spectrum, "DENSE_FALLBACK", 0)
    lost = flow_spectrum(EmbeddedCore(core, Sigma, M, 0.004, n=3), dense_up_to=0).verdict
    assert (lost.verdict, lost.tolerance) == ("undecided", np.inf)


def test_iterative_linear_algebra_follows_the_same_branch(monkeypatch):
    core, Sigma, M = equilibrium(6, 3, seed=2)
    monkeypatch.setattr(solvers, "FACTORISED_UP_TO", 0)
    again = rank_k(Sigma, M, 0.004, (0, 1, 2), fallback=False)
    np.testing.assert_allclose(again.equilibrium.gram, core.gram, atol=1e-11)
    verdict = flow_spectrum(EmbeddedCore(again.equilibrium, Sigma, M, 0.004, n=3)).verdict
    assert verdict.verdict == "stable"
