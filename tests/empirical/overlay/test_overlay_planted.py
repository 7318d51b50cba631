"""Large heads: equilibria planted exactly, moved by a known amount, found again."""

from __future__ import annotations

import numpy as np
import pytest

from empirical.overlay import frozen, frozen_newton
from empirical.overlay.distance import orbit_distance
from empirical.overlay.frozen import Nearby, nearby, verdict_of
from empirical.overlay.frozen_aligned import aligned_extent, commuting_basis, nearest_aligned
from empirical.overlay.frozen_newton import ranks_to_try, rest_near, thin_svd
from empirical.overlay.moment import Decay
from empirical.overlay.work import Work
from equilibria.varieties.noncommuting.core import core_equilibrium, relative_residual
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore
from equilibria.varieties.noncommuting.reduced import reduced_point
from equilibria.varieties.noncommuting.spectrum import flow_spectrum
from tests.empirical.overlay.planted import ETA, Planted, planted

ALPHA = 1.7
BUDGET = 1e13


def moved(rest: Planted, size: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return the equilibrium in units with `ALPHA`, moved by `size` relative to itself."""
    rng = np.random.default_rng(seed)
    E, F = rng.normal(size=rest.W.shape), rng.normal(size=rest.P.shape)
    W = rest.W / np.sqrt(ALPHA)
    scale = size * np.hypot(np.linalg.norm(W), np.linalg.norm(rest.P))
    scale /= np.hypot(np.linalg.norm(E), np.linalg.norm(F))
    return W + scale * E, rest.P + scale * F


def search(rest: Planted, size: float, decay: Decay) -> tuple[Nearby, float, float]:
    """Return what was found, and the distances to the planted equilibrium and the move's size."""
    W, P = moved(rest, size)
    found = nearby(W, P, rest.sigma, rest.m, decay, Work(BUDGET))
    core = rest.core[0] / np.sqrt(ALPHA), rest.core[1]
    truth = float(orbit_distance(W[None], P[None], None, *core)[0])
    step = np.hypot(np.linalg.norm(W - rest.W / np.sqrt(ALPHA)), np.linalg.norm(P - rest.P))
    return found, truth, float(step)


@pytest.mark.parametrize("commuting", [True, False])
@pytest.mark.parametrize("indefinite", [False, True])
@pytest.mark.parametrize(("n", "d", "k"), [(3, 3, 3), (8, 6, 3), (8, 96, 5), (40, 12, 9)])
@pytest.mark.parametrize("size", [0.0, 1e-6, 1e-2])
def test_a_planted_equilibrium_is_found_at_its_distance(
    n: int, d: int, k: int, size: float, commuting: bool, indefinite: bool
) -> None:
    rest = planted(n, d, k, commuting=commuting, indefinite=indefinite)
    decay = Decay(ETA, ETA, ALPHA)
    assert relative_residual(rest.core[1], rest.core[0], rest.sigma, rest.m, ETA) < 1e-13
    found, truth, step = search(rest, size, decay)
    assert found.status == "found"
    assert found.rank == k
    assert found.name.startswith(f"rank{k}")
    assert found.distance == pytest.approx(truth, rel=1e-6, abs=1e-9)
    assert found.distance <= step * (1 + 1e-9) + 1e-9
    if size:  # a random move is mostly across the orbit
        assert found.distance >= 0.5 * step
    W, P = rest.core
    core = core_equilibrium(P, W, rest.sigma, rest.m, ETA, label="", origin="")
    dense = flow_spectrum(EmbeddedCore(core, rest.sigma, rest.m, ETA, n=n)).verdict
    assert verdict_of(found, rest.sigma, rest.m, decay, n, None)[0] == dense.verdict


@pytest.mark.parametrize(("eta_p", "alpha"), [(0.05, 1.7), (0.004, 0.3)])
def test_unequal_decays_are_a_scale_of_the_encoder(eta_p: float, alpha: float) -> None:
    rest = planted(6, 9, 4, commuting=False)
    scale = np.sqrt(alpha * ETA / eta_p)
    decay = Decay(ETA, eta_p, alpha)
    W, P = rest.W / scale, rest.P
    R = W @ rest.m - P @ W @ rest.sigma
    assert np.abs(P.T @ R - ETA * W).max() < 1e-12
    assert np.abs(alpha * R @ W.T - eta_p * P).max() < 1e-12
    found = nearby(W, P, rest.sigma, rest.m, decay, Work(BUDGET))
    assert found.rank == 4
    assert found.distance < 1e-9


@pytest.mark.parametrize(("ranks", "searched"), [([1, 2, 3], [1, 2, 3]), ([3, 2, 1], [3])])
def test_of_several_ranks_the_nearest_counts_and_others_are_not_searched(
    ranks: list[int], searched: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = planted(5, 6, 3, commuting=False)
    tried = []

    def watched(W: np.ndarray, *arguments: object) -> np.ndarray | None:
        tried.append(len(W))
        return rest_near(W, *arguments)

    monkeypatch.setattr(frozen, "rest_near", watched)
    monkeypatch.setattr(frozen, "ranks_to_try", lambda *_: ranks)
    found, truth, _ = search(rest, 1e-2, Decay(ETA, ETA, ALPHA))
    assert (found.rank, found.name) == (3, "rank3")
    assert found.distance == pytest.approx(truth, rel=1e-6)
    assert tried == searched  # nothing of rank 2 is as near as what was found; then it is enough


def test_ranks_end_at_gaps_and_at_what_lives_is_the_second_guess() -> None:
    s = np.array([1.0, 0.01, 0.005, 0.0049, 0.0048])
    assert ranks_to_try(s, 0.00485, 9) == [1, 4, 2, 3]
    assert ranks_to_try(s, 0.00485, 2) == [1, 4]
    assert ranks_to_try(s, 0.0, 9)[:2] == [5, 1]  # nothing is below: all of them
    assert ranks_to_try(s, 2.0, 9) == [1]  # nothing lives, one is tried in any case
    assert ranks_to_try(s[:0], 0.1, 9) == []


@pytest.mark.parametrize("order", [("near", "far"), ("far", "near")])
def test_the_nearest_counts_whenever_it_is_met(
    order: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    rest = planted(5, 6, 3, commuting=False)
    W, P = rest.core
    cores = {"near": (0.9 * W, 0.9 * P), "far": (0.5 * W, 0.5 * P)}
    every = [None, *((name, cores[name], None) for name in order)]
    monkeypatch.setattr(frozen, "_candidates", lambda *_: iter(every))
    found = nearby(rest.W, rest.P, rest.sigma, rest.m, Decay(ETA, ETA, 1.0), Work(BUDGET))
    size = np.hypot(np.linalg.norm(W), np.linalg.norm(P))
    assert found.name == "near"
    assert found.distance == pytest.approx(0.1 * size)
    assert "1 starts led nowhere" in found.words


def test_a_rank_is_left_out_only_where_nothing_of_it_can_be_nearer() -> None:
    rest = planted(5, 6, 3, commuting=False)
    W = rest.core[0] * (1 + 1e-6)
    least = float(thin_svd(W)[1][-1])

    def found(distance: float) -> list[int]:
        reach = frozen.Reach(distance, 0.0)
        every = frozen._by_newton(W, rest.sigma, rest.m, ETA, Work(BUDGET), reach)
        return [len(entry[1][0]) for entry in every if entry is not None]

    assert found(0.5 * least) == [3]
    assert found(0.0) == []
    assert len(found(np.inf)) > 1


def test_newton_steps_are_whole_near_rest_and_short_far_from_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rest = planted(5, 6, 3, commuting=False)
    W = rest.core[0] + 1e-3 * np.random.default_rng(1).normal(size=rest.core[0].shape)
    with monkeypatch.context() as patch:
        patch.setattr(frozen_newton, "ITERATIONS", 5)  # errors 1e-3, 1e-6, 1e-12
        found = rest_near(W, rest.sigma, rest.m, ETA, Work(BUDGET))
    assert found is not None
    np.testing.assert_allclose(found.T @ found, rest.core[0].T @ rest.core[0], atol=1e-9)
    visited = []

    def point_at(W: np.ndarray, *arguments: object) -> object:
        visited.append(W)
        return reduced_point(W, *arguments)

    monkeypatch.setattr(frozen_newton, "ITERATIONS", 2)
    monkeypatch.setattr(frozen_newton, "reduced_point", point_at)
    monkeypatch.setattr(frozen_newton, "_step", lambda point, _: 7 * point.W)
    assert rest_near(W, rest.sigma, rest.m, ETA, Work(BUDGET)) is None
    np.testing.assert_allclose(visited[1], 1.3 * W)


def test_large_cores_are_solved_by_products_as_exactly_as_small_ones(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rest = planted(6, 9, 4, commuting=False)
    W = rest.core[0] + 1e-3 * np.random.default_rng(1).normal(size=rest.core[0].shape)
    whole = rest_near(W, rest.sigma, rest.m, ETA, Work(BUDGET))
    monkeypatch.setattr(frozen_newton, "FACTORISED_UP_TO", 0)
    monkeypatch.setattr(frozen_newton, "ITERATIONS", 8)
    found = rest_near(W, rest.sigma, rest.m, ETA, Work(BUDGET))
    assert whole is not None
    assert found is not None
    np.testing.assert_allclose(found.T @ found, whole.T @ whole, atol=1e-9)


def test_aligned_blocks_are_the_dense_spectrum() -> None:
    rng = np.random.default_rng(5)
    signs = []
    for _ in range(120):
        d = int(rng.integers(1, 6))
        n, kappa = int(rng.integers(1, 7)), float(rng.choice([1, 0.05, 2.5]))
        s, m = np.exp(rng.uniform(-1, 1, d)), rng.choice([-1, 1], d, p=[0.2, 0.8])
        m = m * rng.uniform(0.3, 1.5, d)
        V = np.linalg.qr(rng.normal(size=(d, d)))[0]
        sigma, mm = (V * s) @ V.T, (V * m) @ V.T
        sigma, mm = (sigma + sigma.T) / 2, (mm + mm.T) / 2
        basis = commuting_basis(sigma, mm)
        assert basis is not None
        found = nearest_aligned(rng.normal(size=(n, d)) * 0.5, basis, sigma, mm, ETA)
        W, P = found.core
        core = core_equilibrium(P, W, sigma, mm, ETA, label="", origin="")
        assert core.residual < 1e-12
        dense = flow_spectrum(EmbeddedCore(core, sigma, mm, ETA, n=n, kappa=kappa))
        extent = aligned_extent(found, ETA, kappa, n)
        assert extent == pytest.approx(max(dense.normal.real), abs=1e-8)
        signs.append(extent > 0)
    assert 20 < sum(signs) < 100


def test_repeated_modes_are_told_by_the_directions_of_the_head() -> None:
    s, m = np.array([1.0, 1.0, 1.0, 2.0]), np.array([0.9, 0.9, 0.9, 0.3])
    rng = np.random.default_rng(0)
    turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    p = (0.9 + np.sqrt(0.81 - 4 * ETA)) / 2
    W = np.zeros((5, 4))
    W[:2, :3] = p * turn[:2]
    W = np.linalg.qr(rng.normal(size=(5, 5)))[0] @ W
    basis = commuting_basis(np.diag(s), np.diag(m))
    assert basis is not None
    found = nearest_aligned(W, basis, np.diag(s), np.diag(m), ETA)
    assert found.name == "rank2:1+,2+"
    np.testing.assert_allclose(found.core[0].T @ found.core[0], W.T @ W, atol=1e-12)


def test_moments_that_nearly_commute_are_not_taken_for_commuting() -> None:
    sigma, m = np.diag([1.0, 2.0]), np.array([[0.8, 1e-6], [1e-6, 0.5]])
    assert commuting_basis(sigma, m) is None
    assert commuting_basis(sigma, np.diag([0.8, 0.5])) is not None


def test_the_distance_to_a_core_is_that_to_the_whole_point() -> None:
    rest = planted(6, 7, 3, commuting=False)
    W, P = moved(rest, 0.05)
    full = np.zeros((6, 7)), np.zeros((6, 6))
    full[0][:3], full[1][:3, :3] = rest.core
    whole = orbit_distance(W[None], P[None], None, *full, iterations=400)
    core = orbit_distance(W[None], P[None], None, *rest.core, iterations=400)
    np.testing.assert_allclose(core, whole, rtol=1e-6)


def test_thin_svd_is_the_svd() -> None:
    rng = np.random.default_rng(0)
    for shape in ((7, 3), (3, 7)):
        W = rng.normal(size=shape)
        U, s, V = thin_svd(W)
        np.testing.assert_allclose((U * s) @ V.T, W, atol=1e-12)
        np.testing.assert_allclose(s, np.linalg.svd(W, compute_uv=False), rtol=1e-10)


# --- without decay -----------------------------------------------------------------------------


def test_without_predictor_decay_only_a_collapsed_encoder_rests() -> None:
    rest = planted(4, 5, 2, commuting=False)
    found = nearby(rest.W, rest.P, rest.sigma, rest.m, Decay(ETA, 0.0, 1.0), Work(BUDGET))
    assert found.distance == pytest.approx(np.linalg.norm(rest.W))
    assert found.rank == 0


def test_without_encoder_decay_the_kernel_of_the_signal_may_stay() -> None:
    m = np.diag([1.0, 0.5, 0.0])
    W = np.array([[0.2, 0.0, 3.0], [0.0, 0.1, 4.0]])
    found = nearby(W, 0.3 * np.eye(2), np.eye(3), m, Decay(0.0, ETA, 1.0), Work(BUDGET))
    assert found.distance == pytest.approx(np.sqrt(0.04 + 0.01 + 2 * 0.09))
    assert found.rank == 1
    mixed = nearby(W, np.eye(2), np.eye(3), m - 0.7 * np.eye(3), Decay(0.0, ETA, 1.0), Work(BUDGET))
    assert "not searched" in mixed.words


@pytest.mark.parametrize(("n", "d"), [(3, 5), (6, 4), (9, 12)])
def test_without_decay_the_nearest_member_of_the_family_is_found(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    X, Y = rng.normal(size=(2, d, d))
    sigma, m = X @ X.T / d + np.eye(d), Y @ Y.T / d
    k = min(n, d)
    left = np.linalg.eig((m @ np.linalg.inv(sigma)).T)[1].real.T[:k]  # L N = D L
    W = np.linalg.qr(rng.normal(size=(n, k)))[0] @ left
    P = W @ m @ sigma @ W.T @ np.linalg.pinv(W @ sigma @ sigma @ W.T)
    assert np.abs(W @ m - P @ W @ sigma).max() < 1e-9
    decay = Decay(0.0, 0.0, 1.0)
    at = nearby(W, P, sigma, m, decay, Work(BUDGET))
    assert at.distance < 1e-7
    E, F = 1e-4 * rng.normal(size=W.shape), 1e-4 * rng.normal(size=P.shape)
    found = nearby(W + E, P + F, sigma, m, decay, Work(BUDGET))
    assert found.status == "found"
    assert found.distance < np.hypot(np.linalg.norm(E), np.linalg.norm(F))
    # The family has dimension n^2 of n^2 + n d: that share of a random move lies along it.
    across = np.sqrt(n * d / (n * n + n * d)) * np.hypot(np.linalg.norm(E), np.linalg.norm(F))
    assert found.distance == pytest.approx(across, rel=0.35)


def test_a_search_ends_at_its_limit_of_work() -> None:
    rest = planted(8, 96, 5, commuting=False)
    W, P = moved(rest, 1e-2)
    found = nearby(W, P, rest.sigma, rest.m, Decay(ETA, ETA, ALPHA), Work(1e6))
    assert found.status == "not searched"
    assert "limit of work" in found.words
    assert found.distance is None
    none = nearby(W, P, rest.sigma, rest.m, Decay(0.0, 0.0, 1.0), Work(1e3))
    assert none.status == "not searched"


# --- large -------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("commuting", [True, False])
def test_a_core_beyond_dense_algebra(commuting: bool) -> None:
    rest = planted(64, 256, 20, commuting=commuting)
    decay = Decay(ETA, ETA, ALPHA)
    found, truth, _ = search(rest, 1e-2, decay)
    assert found.rank == 20
    assert found.distance == pytest.approx(truth, rel=1e-6)
    assert verdict_of(found, rest.sigma, rest.m, decay, 64, None)[0] == "stable"


@pytest.mark.slow
@pytest.mark.parametrize("commuting", [True, False])
def test_two_thousand_outputs(commuting: bool) -> None:
    rest = planted(2048, 512, 16, commuting=commuting)
    decay = Decay(ETA, ETA, ALPHA)
    found, truth, _ = search(rest, 1e-2, decay)
    assert found.rank == 16
    assert found.distance == pytest.approx(truth, rel=1e-6)
    assert verdict_of(found, rest.sigma, rest.m, decay, 2048, None)[0] == "stable"
