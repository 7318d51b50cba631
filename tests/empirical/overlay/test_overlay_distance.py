"""Distance to an orbit: the exact minimum over O(n), against a grid and against known answers."""

from __future__ import annotations

import numpy as np
import pytest

from empirical.overlay.distance import orbit_distance
from empirical.overlay.families import projected


def rotation(angle: float, flip: int) -> np.ndarray:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s], [s, c]]) @ np.diag([1.0, flip])


def squares(W, P, T, Q, point, predictor) -> float:
    return (
        ((W - Q @ point) ** 2).sum()
        + ((T - Q @ point) ** 2).sum()
        + ((P - Q @ predictor @ Q.T) ** 2).sum()
    )


def random_orthogonal(n: int, rng: np.random.Generator) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(n, n)))[0]


@pytest.mark.parametrize("seed", range(12))
def test_the_plane_is_searched_exactly_even_far_from_the_component(seed: int) -> None:
    rng = np.random.default_rng(seed)
    point, predictor = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    W, T, P = rng.normal(size=(1, 2, 3)), rng.normal(size=(1, 2, 3)), 2 * rng.normal(size=(1, 2, 2))
    found = orbit_distance(W, P, T, point, predictor)[0]
    grid = min(
        squares(W[0], P[0], T[0], rotation(angle, flip), point, predictor)
        for angle in np.linspace(0, 2 * np.pi, 2001)
        for flip in (1, -1)
    )
    assert found <= np.sqrt(grid) + 1e-12
    assert found >= np.sqrt(grid) - 1e-3


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_turning_a_run_changes_nothing(n: int) -> None:
    rng = np.random.default_rng(n)
    point = np.zeros((n, n + 1))
    point[:, :n] = np.diag(np.linspace(0.9, 0.5, n))
    predictor = np.diag(np.linspace(0.8, 0.4, n))
    W = point + 0.05 * rng.normal(size=(20, n, n + 1))
    P = predictor + 0.05 * rng.normal(size=(20, n, n))
    Q = random_orthogonal(n, rng)
    plain = orbit_distance(W, P, W, point, predictor)
    np.testing.assert_allclose(
        orbit_distance(Q @ W, Q @ P @ Q.T, Q @ W, point, predictor), plain, rtol=1e-7
    )
    assert (plain > 0.01).all()


def test_on_the_orbit_the_distance_is_zero_and_procrustes_on_w_alone_is_beaten_beside_it() -> None:
    rng = np.random.default_rng(7)
    n, rank = 6, 4
    point = np.zeros((n, n))
    point[range(rank), range(rank)] = [0.9, 0.8, 0.7, 0.4]
    Q = random_orthogonal(n, rng)
    W, P = (Q @ point)[None], (Q @ point @ Q.T)[None]
    assert orbit_distance(W, P, W, point, point)[0] < 1e-12
    off = np.linalg.norm(rng.normal(size=(1, n, n)))
    W, P = W + 0.1 / off * rng.normal(size=W.shape), P + 0.1 / off * rng.normal(size=P.shape)
    both = orbit_distance(W, P, None, point, point)[0]
    left, _, right = np.linalg.svd(W[0] @ point.T)
    turn = left @ right
    alone = np.hypot(
        np.linalg.norm(W[0] - turn @ point), np.linalg.norm(P[0] - turn @ point @ turn.T)
    )
    assert both < alone * (1 - 1e-4)
    tried = [Q @ _expm(1e-2 * rng.normal(size=(n, n))) for _ in range(300)]
    best = min(
        np.hypot(np.linalg.norm(W[0] - R @ point), np.linalg.norm(P[0] - R @ point @ R.T))
        for R in tried
    )
    assert both <= best


def _expm(K: np.ndarray) -> np.ndarray:
    from scipy.linalg import expm

    return expm((K - K.T) / 2)


def test_repeated_modes_may_be_rotated_among_themselves() -> None:
    point, predictor = np.diag([0.7, 0.0, 0.4]), np.diag([0.7, 0.0, 0.4])
    angle = 0.6
    V = np.eye(3)
    V[:2, :2] = rotation(angle, 1)
    W = (point @ V)[None]
    block = np.eye(3)[:, :2]
    assert orbit_distance(W, predictor[None], None, point, predictor)[0] > 0.3
    assert orbit_distance(W, predictor[None], None, point, predictor, (block,))[0] < 1e-7


def test_a_family_without_decay_is_reached_at_its_nearest_point() -> None:
    # n = k = 1: p a = c a, so the family is the line p = c (or a = 0): the distance is |p - c|.
    A, P = projected(np.full((1, 1, 1), 0.7), np.full((1, 1, 1), 0.9), np.array([0.8]), 1.0)
    assert np.allclose([A[0, 0, 0], P[0, 0, 0]], [0.7, 0.8], atol=1e-9)
    rng = np.random.default_rng(0)
    c = np.array([0.8, 0.6])
    A0 = rng.normal(size=(2, 2))
    P0 = A0 @ np.diag(c) @ np.linalg.inv(A0)
    start = (A0 + 1e-3 * rng.normal(size=(2, 2)))[None], (P0 + 1e-3 * rng.normal(size=(2, 2)))[None]
    A, P = projected(*start, c, 2.0)
    assert np.abs(P @ A - A * c).max() < 1e-12
    near = 2 * ((A - start[0]) ** 2).sum() + ((P - start[1]) ** 2).sum()
    for _ in range(200):  # no other point of the family is nearer
        other = A[0] + 3e-4 * rng.normal(size=(2, 2))
        there = other @ np.diag(c) @ np.linalg.inv(other)
        assert near <= 2 * ((other - start[0][0]) ** 2).sum() + ((there - start[1][0]) ** 2).sum()
