"""Exact equilibria of any size, commuting and not, written down without any search."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

ETA = 0.02


@dataclass(frozen=True)
class Planted:
    """Moments, a core (W (k, d), P (k, k)) at rest on them for alpha = 1, and it among n rows."""

    sigma: np.ndarray
    m: np.ndarray
    core: tuple[np.ndarray, np.ndarray]
    W: np.ndarray
    P: np.ndarray


def planted(
    n: int, d: int, k: int, *, commuting: bool, seed: int = 0, indefinite: bool = False
) -> Planted:
    """Return an equilibrium of rank k with decay `ETA`, data and outputs rotated at random."""
    rng = np.random.default_rng(seed)
    build = _commuting if commuting else _general
    P, sigma, m = build(rng, d, k)
    if indefinite:  # M -> -M, P -> -P: the same equilibria with the other sign
        P, m = -P, -m
    V = np.linalg.qr(rng.normal(size=(d, d)))[0]
    U = np.linalg.qr(rng.normal(size=(n, k)))[0]
    W = (np.hstack([np.abs(P) if commuting else P.T, np.zeros((k, d - k))])) @ V.T
    sigma, m = (V @ X @ V.T for X in (sigma, m))
    return Planted((sigma + sigma.T) / 2, (m + m.T) / 2, (W, P), U @ W, U @ P @ U.T)


def _commuting(
    rng: np.random.Generator, d: int, k: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """T6.3: k modes of large correlation on p+, the others at 0."""
    s = np.exp(rng.uniform(-1, 1, d))
    c = np.concatenate([rng.uniform(0.5, 0.95, k), rng.uniform(0.0, 0.3, d - k)])
    m = c * s
    p = (m + np.sqrt(np.maximum(m**2 - 4 * ETA * s, 0)))[:k] / (2 * s[:k])
    return np.diag(p), np.diag(s), np.diag(m)


def _general(rng: np.random.Generator, d: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(EQ) of T6.1 with Q = [I 0], solved for the moments: 2 x 2 blocks, coupled to the rest.

    M11 = P^-T (eta + P P^T Sigma11) must be symmetric, one linear equation a block;
    M12 = P^-T P P^T Sigma12 and what is left of both is free.
    """
    P, s11 = 0.7 * np.eye(k), np.eye(k)
    for i in range(0, k - 1, 2):
        P[i : i + 2, i : i + 2], s11[i : i + 2, i : i + 2] = _block(rng)
    m11 = np.linalg.solve(P.T, ETA * np.eye(k) + P @ P.T @ s11)
    s12 = 0.15 * rng.normal(size=(k, d - k)) / np.sqrt(d)
    m12 = np.linalg.solve(P.T, P @ P.T @ s12)
    X, Y = rng.normal(size=(2, d - k, d - k)) / np.sqrt(max(d - k, 1))
    sigma = np.block([[s11, s12], [s12.T, 0.5 * np.eye(d - k) + 0.3 * X @ X.T]])
    return P, sigma, np.block([[m11, m12], [m12.T, 0.06 * Y @ Y.T]])


def _block(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    while True:
        B = np.diag(rng.uniform(0.5, 0.9, 2)) + 0.15 * rng.normal(size=(2, 2))

        def skew(S: np.ndarray, B: np.ndarray = B) -> float:
            X = np.linalg.solve(B.T, ETA * np.eye(2) + B @ B.T @ S)
            return float(X[0, 1] - X[1, 0])

        a, c = rng.uniform(0.7, 1.6, 2)
        start = skew(np.diag([a, c]))
        slope = skew(np.array([[a, 1.0], [1.0, c]])) - start
        b = -start / slope if slope else np.inf
        if abs(b) < 0.6 * np.sqrt(a * c):
            return B, np.array([[a, b], [b, c]])
