"""Finding equilibria: pencil, Gram equation, continuation, multistart, exact counts."""

import numpy as np
import pytest

from equilibria.varieties.noncommuting import (
    balanced_point,
    canonical_correlations,
    components,
    count_full_rank_2x2,
    count_rank_one,
    flow_spectrum,
    gram_residual,
    maximal_full_rank,
    multistart,
    rank_k,
    rank_one,
    threshold_collapse,
    threshold_full_rank,
    threshold_rank_one,
)
from equilibria.varieties.noncommuting.core import flow
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore


def moments(d, seed, noise=0.5):
    random = np.random.default_rng(seed)
    F, G = random.normal(size=(2, d, 2 * d))
    X = F @ F.T / (2 * d)
    return X + noise * G @ G.T / (2 * d), X


def spread_moments(d, seed):
    """d modes with sizes over a factor 20, in two unrelated bases."""
    random = np.random.default_rng(seed)
    U = np.linalg.qr(random.normal(size=(d, d)))[0]
    V = np.linalg.qr(random.normal(size=(d, d)))[0]
    X = (U * np.exp(-random.uniform(0, 3, d))) @ U.T
    return X + (V * np.exp(-random.uniform(0, 3, d))) @ V.T, X


def aligned(s, m, eta, modes, sign=1):
    """p_+ of the modes (T6.3), largest modulus root for sign = 1, smallest for sign = -1."""
    s, m = s[modes], m[modes]
    return (m + sign * np.sign(m) * np.sqrt(m * m - 4 * eta * s)) / (2 * s)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("d", [2, 3, 4])
def test_rank_one_list_is_what_many_starts_find(d, seed):
    Sigma, M = moments(d, seed)
    eta = 0.2 * threshold_rank_one(Sigma, M)
    pencil = rank_one(Sigma, M, eta)
    search = multistart(Sigma, M, 1, eta, seed, starts=400).ranks[0]
    assert len(pencil) == len(search.equilibria) == count_rank_one(Sigma, M, eta)
    assert search.rarest > 3
    found = sorted(e.P[0, 0] for e in search.equilibria)
    np.testing.assert_allclose(sorted(e.P[0, 0] for e in pencil), found, rtol=1e-10)
    assert max(e.residual for e in pencil) < 1e-13


def test_indefinite_moments_have_rank_one_equilibria_of_both_signs():
    Sigma, M = np.diag([1.0, 2.0]), np.array([[0.5, 0.2], [0.2, -0.9]])
    signs = {np.sign(e.P[0, 0]) for e in rank_one(Sigma, M, 0.01)}
    assert signs == {-1.0, 1.0}


@pytest.mark.parametrize("eta_over_threshold", [1 - 1e-6, 1 + 1e-6])
def test_rank_one_equilibria_exist_exactly_up_to_their_threshold(eta_over_threshold):
    Sigma, M = moments(5, 2)
    eta = threshold_rank_one(Sigma, M) * eta_over_threshold
    assert len(rank_one(Sigma, M, eta)) == (2 if eta_over_threshold < 1 else 0)


def test_threshold_of_rank_one_takes_the_best_of_several_humps():
    """Commuting: max m^2 / (4 s), here at modes whose roots p are far apart (E8)."""
    s, m = np.array([1 / 18, 1 / 10, 2]), np.array([1 / 20, 13 / 200, 3 / 10])
    expected = (m * m / (4 * s)).max()
    assert threshold_rank_one(np.diag(s), np.diag(m)) == pytest.approx(expected, rel=1e-12)
    assert threshold_rank_one(np.diag(s), -np.diag(m)) == pytest.approx(expected, rel=1e-12)
    assert threshold_collapse(np.diag(s), np.diag(m)) == pytest.approx(expected, rel=1e-12)
    full = threshold_full_rank(np.diag(s), np.diag(m))
    assert full == pytest.approx((m * m / (4 * s)).min(), rel=1e-8)


@pytest.mark.parametrize("seed", range(6))
def test_thresholds_are_ordered(seed):
    Sigma, M = moments(3, seed)
    full, one = threshold_full_rank(Sigma, M), threshold_rank_one(Sigma, M)
    assert 0 < full < one <= threshold_collapse(Sigma, M)
    assert maximal_full_rank(Sigma, M, full * (1 - 1e-6)).equilibrium is not None
    assert maximal_full_rank(Sigma, M, full * (1 + 1e-6)).equilibrium is None


@pytest.mark.parametrize("seed", range(4))
def test_maximal_full_rank_dominates_everything_many_starts_find(seed):
    Sigma, M = moments(2, seed)
    eta = 0.5 * threshold_full_rank(Sigma, M)
    top = maximal_full_rank(Sigma, M, eta).equilibrium
    assert top.residual < 1e-13
    assert gram_residual(top.gram, Sigma, M, eta) < 1e-12
    search = multistart(Sigma, M, 2, eta, seed, starts=400).ranks[1]
    assert len(search.equilibria) >= 2
    for e in search.equilibria:
        assert np.linalg.eigvalsh(top.gram - e.gram)[0] > -1e-10


def test_singular_moments_have_no_full_rank_equilibrium():
    result = maximal_full_rank(np.eye(2), np.diag([1.0, 0.0]), 0.01)
    assert result.equilibrium is None
    assert "singular" in result.reason


def test_commuting_moments_reproduce_the_closed_forms():
    s, m, eta = np.array([1.0, 0.8, 1.3]), np.array([0.9, -0.5, 0.7]), 0.02
    random = np.random.default_rng(0)
    U = np.linalg.qr(random.normal(size=(3, 3)))[0]
    Sigma, M = (U * s) @ U.T, (U * m) @ U.T
    order = np.argsort(-m / s)
    for J in ((0,), (1,), (2,), (0, 2), (0, 1, 2)):
        e = rank_k(Sigma, M, eta, J).equilibrium
        p = aligned(s, m, eta, order[list(J)])
        np.testing.assert_allclose(np.sort(np.linalg.eigvals(e.P).real), np.sort(p), atol=1e-12)
        G = (U[:, order[list(J)]] * p**2) @ U[:, order[list(J)]].T
        np.testing.assert_allclose(e.gram, G, atol=1e-12)
    top = maximal_full_rank(Sigma, M, eta).equilibrium
    np.testing.assert_allclose(top.gram, (U * aligned(s, m, eta, [0, 1, 2]) ** 2) @ U.T, atol=1e-12)
    both = [*aligned(s, m, eta, [0, 1, 2]), *aligned(s, m, eta, [0, 1, 2], sign=-1)]
    found = [e.P[0, 0] for e in rank_one(Sigma, M, eta)]
    np.testing.assert_allclose(np.sort(found), np.sort(both), atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_continuation_ends_on_an_equilibrium_that_the_search_knows(seed):
    Sigma, M = moments(3, seed)
    eta = 0.3 * threshold_full_rank(Sigma, M)
    search = multistart(Sigma, M, 3, eta, seed, starts=1500)
    for J in ((0,), (1,), (0, 1), (1, 2), (0, 1, 2)):
        result = rank_k(Sigma, M, eta, J)
        e = result.equilibrium
        if e is None:
            assert result.eta_fold is not None
            assert result.eta_fold < eta
            continue
        assert e.residual < 1e-11
        assert max(np.abs(part).max() for part in flow(e.P, e.W, Sigma, M, eta)) < 1e-13
        assert gram_residual(e.gram, Sigma, M, eta) < 1e-9
        known = search.ranks[len(J) - 1].equilibria
        assert min(np.linalg.norm(e.gram - other.gram) for other in known) < 1e-9


def test_full_set_of_correlations_continues_to_the_maximal_equilibrium():
    Sigma, M = moments(4, 7)
    eta = 0.5 * threshold_full_rank(Sigma, M)
    branch, top = rank_k(Sigma, M, eta, range(4)).equilibrium, maximal_full_rank(Sigma, M, eta)
    np.testing.assert_allclose(branch.gram, top.equilibrium.gram, atol=1e-11)


def test_spectrum_tends_to_that_of_zero_decay():
    """T6.8: for eta -> 0+ the core spectrum is 0, -2 eta and spec L at the balanced point."""
    Sigma, M = moments(3, 4)
    eta = 1e-7
    e = rank_k(Sigma, M, eta, (0, 1, 2)).equilibrium
    core = np.sort_complex(flow_spectrum(EmbeddedCore(e, Sigma, M, eta, n=3)).normal)
    slow = np.abs(core) < 1e-5
    np.testing.assert_allclose(core[slow].real, -2 * eta, rtol=1e-4)
    assert slow.sum() == 6
    full = components(Sigma, M, 3)[-1]
    np.testing.assert_allclose(core[~slow], np.sort_complex(full.normal), atol=1e-5)


def test_balanced_points_are_balanced_equilibria():
    Sigma, M = moments(5, 1)
    correlations, L = canonical_correlations(Sigma, M)
    np.testing.assert_allclose(L @ M, correlations[:, None] * (L @ Sigma), atol=1e-13)
    P, W = balanced_point(Sigma, M, (0, 2, 3))
    np.testing.assert_allclose(W @ M, P @ W @ Sigma, atol=1e-13)
    np.testing.assert_allclose(P.T @ P, W @ W.T, atol=1e-13)
    found = np.sort(np.linalg.eigvals(P).real)[::-1]
    np.testing.assert_allclose(found, correlations[[0, 2, 3]], atol=1e-12)


def test_components_without_decay_are_one_per_subset_and_stable_only_for_the_top():
    Sigma, M = moments(4, 3)
    found = components(Sigma, M, 2)
    assert len(found) == 1 + 4 + 6
    verdicts = {c.J: c.verdict.verdict for c in found}
    assert [J for J, v in verdicts.items() if v == "stable"] == [(0, 1)]
    assert verdicts[()] == "undecided"
    assert all(verdicts[J] == "unstable" for J in verdicts if len(J) == 2 and J != (0, 1))
    for c in found:
        k = len(c.J)
        zeros = int(np.sum(np.abs(c.normal) < 1e-9))
        assert zeros == (2 - k) * (4 - k)
        assert np.abs(c.W @ M - c.P @ c.W @ Sigma).max() < 1e-12


def test_fold_before_eta_falls_back_on_the_commuting_parts():
    Sigma, M = np.diag([2.0, 1.0]), np.array([[1, 0.25], [0.25, 0.5]])
    result = rank_k(Sigma, M, 0.037, (1,))
    assert result.route == "moments"
    assert result.eta_fold == pytest.approx(0.0332597669, rel=1e-7)
    assert result.equilibrium.residual < 1e-13
    (p,) = result.equilibrium.P.ravel()
    assert min(abs(p - e.P[0, 0]) for e in rank_one(Sigma, M, 0.037)) < 1e-12
    before = rank_k(Sigma, M, 0.0332597669 * (1 - 1e-6), (1,), fallback=False)
    assert before.route == "eta"


def test_non_aligned_equilibria_of_commuting_moments_are_found_and_counted():
    """E4: six full-rank orbits, the four aligned ones and a mirror pair, which is unstable."""
    Sigma, M = np.diag([2, 1 / 29]), np.diag([11, 11 / 29])
    search = multistart(Sigma, M, 2, 1.0, 0, starts=2000).ranks[1]
    assert len(search.equilibria) == count_full_rank_2x2(Sigma, M, 1.0) == 6
    mirror = [e for e in search.equilibria if abs(e.gram[0, 1]) > 1e-6]
    assert len(mirror) == 2
    A = np.array([[1.0, 1.0], [2.0, 5.0]])
    for e in mirror:
        np.testing.assert_allclose(np.abs(e.gram), A.T @ A, rtol=1e-9)
        verdict = flow_spectrum(EmbeddedCore(e, Sigma, M, 1.0, n=2)).verdict
        assert verdict.verdict == "unstable"
        np.testing.assert_allclose(verdict.leading[0].real, 0.3160, atol=5e-5)
        np.testing.assert_allclose(abs(verdict.leading[0].imag), 0.6492, atol=5e-5)


@pytest.mark.parametrize("seed", range(6))
def test_exact_counts_agree_with_many_starts(seed):
    Sigma, M = moments(2, seed)
    eta = (0.1 + 0.15 * seed) * threshold_rank_one(Sigma, M)
    search = multistart(Sigma, M, 2, eta, seed, starts=1000)
    assert len(search.ranks[0].equilibria) == count_rank_one(Sigma, M, eta)
    assert len(search.ranks[1].equilibria) == count_full_rank_2x2(Sigma, M, eta)


def test_families_are_reported_as_degenerate_and_not_counted():
    assert count_full_rank_2x2(np.eye(2), np.eye(2), 0.1) is None
    search = multistart(np.eye(2), np.eye(2), 1, 0.1, 0, starts=20).ranks[0]
    assert search.degenerate == len(search.equilibria) > 2


def test_search_is_a_function_of_its_seed():
    Sigma, M = moments(3, 0)
    first, second = (multistart(Sigma, M, 3, 0.01, 5, starts=200) for _ in range(2))
    assert [r.hits for r in first.ranks] == [r.hits for r in second.ranks]
    for a, b in zip(first.equilibria, second.equilibria, strict=True):
        assert np.array_equal(a.W, b.W)


def test_sixty_four_dimensions_rank_sixteen():
    Sigma, M = spread_moments(64, 0)
    result = rank_k(Sigma, M, 1e-3, range(16), fallback=False)
    e = result.equilibrium
    assert e.W.shape == (16, 64)
    assert e.residual < 1e-13
    verdict = flow_spectrum(EmbeddedCore(e, Sigma, M, 1e-3, n=16), dense_up_to=100).verdict
    assert verdict.method == "arnoldi"
    assert verdict.verdict == "stable"
    assert verdict.neutral_found == verdict.neutral_expected == 120


def test_full_rank_in_sixty_four_dimensions():
    Sigma, M = spread_moments(64, 0)
    found = maximal_full_rank(Sigma, M, 1e-4)
    assert found.equilibrium.residual < 1e-12
    assert gram_residual(found.equilibrium.gram, Sigma, M, 1e-4) < 1e-12


@pytest.mark.parametrize(
    ("Sigma", "M", "problem"),
    [
        (np.eye(2), np.array([[1.0, 0.5], [0.0, 1.0]]), "not symmetric"),
        (np.diag([1.0, -1.0]), np.eye(2), "not positive definite"),
        (np.eye(2), np.eye(3), "square matrices alike"),
    ],
)
def test_bad_moments_are_refused(Sigma, M, problem):
    with pytest.raises(ValueError, match=problem):
        rank_one(Sigma, M, 0.1)


def test_impossible_questions_are_refused():
    Sigma, M = moments(3, 0)
    core = rank_one(Sigma, M, 0.01)[0]
    with pytest.raises(ValueError, match="distinct indices"):
        rank_k(Sigma, M, 0.01, (0, 3))
    with pytest.raises(ValueError, match="needs at least 1 outputs"):
        flow_spectrum(EmbeddedCore(core, Sigma, M, 0.01, n=0))
    with pytest.raises(ValueError, match="zero_decay"):
        rank_one(Sigma, M, 0.0)
