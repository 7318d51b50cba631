"""Equilibria of any rank by continuation from weight decay 0, one branch per invariant subspace.

Without decay a balanced equilibrium with W = X L, L N = D L (the rows of L span a real invariant
subspace of N = M Sigma^-1) is unique up to rotation: Y = H^(1/2) G H^(1/2), G = X^T X, H = L L^T, solves
a Y^2 = F^T Y F with F = H^(-1/2) D H^(1/2) (T6.8, T30.1). Newton's method follows it to the decay asked
for; where a branch ends before, or joins another, it is not listed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import scipy.linalg as sla
from numpy.typing import NDArray

from equilibria.varieties.asymmetric.equilibria import ACCEPTED, Array, Data, Point

MOST_BRANCHES = 128
MOST_UNKNOWNS = 400
STEPS = 24
SMALLEST = 1e-6
NEWTON = 12
SETTLED = 1e-12
SAME = 1e-7
LEAST = 1e-9
THIN = 1e-6


@dataclass(frozen=True)
class Branch:
    """An equilibrium, and the eigenvalues of N from whose left eigenvectors it was continued."""

    point: Point
    eigenvalues: tuple[complex, ...]


def branches(data: Data) -> tuple[list[Branch], bool]:
    """Return the equilibria of rank two and more that were reached, and whether all were tried."""
    groups = _groups(data)
    most = min(data.n, len(data.sigma))
    chosen = [c for c in _choices(groups, most) if len(_flat(c)) > 1]
    fits = [c for c in chosen if _unknowns(data, len(_flat(c))) <= MOST_UNKNOWNS]
    found: list[Branch] = []
    for choice in fits[:MOST_BRANCHES]:
        point = _followed(data, [value for value, _ in _flat(choice)], _rows(choice))
        if point is not None and not any(same_orbit(point, other.point) for other in found):
            found.append(Branch(point, tuple(value for value, _ in _flat(choice))))
    return found, len(fits) == len(chosen) and len(fits) <= MOST_BRANCHES


Group = list[tuple[complex, NDArray[np.complex128]]]


def _groups(data: Data) -> list[Group]:
    """Return the eigenvalues of N with left eigenvectors, conjugates together, the largest first."""
    N = np.linalg.solve(data.sigma.T, data.m.T).T
    values, vectors = np.linalg.eig(N.T)
    groups: list[Group] = []
    for value, vector in zip(values, vectors.T, strict=True):
        if value.imag > LEAST * abs(value):
            groups.append([(value, vector), (value.conjugate(), vector.conj())])
        elif abs(value.imag) <= LEAST * abs(value) and abs(value) > 0:
            groups.append([(value, vector)])
    return sorted(groups, key=lambda group: -abs(group[0][0]))


def _choices(groups: list[Group], most: int) -> Iterator[list[Group]]:
    """Yield the sets of groups of at most `most` dimensions, those of leading groups first."""
    for count in range(1, len(groups) + 1):
        for choice in combinations(groups, count):
            if sum(map(len, choice)) <= most:
                yield list(choice)
        if count > 2 and len(groups) > 12:
            return


def _flat(choice: list[Group]) -> Group:
    return [pair for group in choice for pair in group]


def _rows(choice: list[Group]) -> Array:
    """Return a real orthonormal basis, as rows, of the span of the left eigenvectors."""
    parts = []
    for group in choice:
        vector = group[0][1]
        parts += [vector.real, vector.imag] if len(group) == 2 else [vector.real]
    return np.asarray(np.linalg.qr(np.array(parts).T)[0].T)


def _unknowns(data: Data, k: int) -> int:
    return k * len(data.sigma) + k * k


def _followed(data: Data, values: list[complex], L: Array) -> Point | None:
    """Return the branch of one subspace at the decay asked for, None where it ends before."""
    k = len(values)
    start = _without_decay(data, L)
    if start is None:
        return None
    W, P = start
    for share in np.geomspace(SMALLEST, 1.0, STEPS):
        part = replace(data, eta=data.eta * share, eta_p=data.eta_p * share)
        solved = _newton(part, W, P)
        if solved is None:
            return None
        W, P = solved
    if np.linalg.svd(W, compute_uv=False)[-1] <= THIN * np.linalg.norm(W):
        return None
    if data.residual(W, P) > ACCEPTED:  # what Newton's method calls settled may have shrunk to 0
        return None
    full_W, full_P = np.zeros((data.n, W.shape[1])), np.zeros((data.n, data.n))
    full_W[:k], full_P[:k, :k] = W, P
    return Point(full_W, full_P, k)


def _without_decay(data: Data, L: Array) -> tuple[Array, Array] | None:
    N = np.linalg.solve(data.sigma.T, data.m.T).T
    D = L @ N @ L.T
    # L is orthonormal, so H = 1 and F = D.
    Y = np.linalg.norm(D, 2) ** 2 / data.a * np.eye(len(D))
    for _ in range(400):
        square = D.T @ Y @ D / data.a
        after = np.asarray(sla.sqrtm((square + square.T) / 2).real)
        if np.abs(after - Y).max() <= SETTLED * np.abs(Y).max():
            break
        Y = after
    values, vectors = np.linalg.eigh((Y + Y.T) / 2)
    if values[0] <= LEAST * values[-1]:
        return None
    X = (vectors * np.sqrt(values)) @ vectors.T
    return X @ L, X @ D @ np.linalg.inv(X)


def _newton(data: Data, W: Array, P: Array) -> tuple[Array, Array] | None:
    """Return the equilibrium near (W, P), by least-norm Newton steps: rotations are left alone."""
    k, d = W.shape
    moves = np.eye(k * d + k * k)
    dW, dP = moves[:, : k * d].reshape(-1, k, d), moves[:, k * d :].reshape(-1, k, k)
    size = np.linalg.norm(W) + np.linalg.norm(P)
    for _ in range(NEWTON):
        gap = W @ data.m - P @ W @ data.sigma
        force = np.concatenate(
            [
                (P.T @ gap - data.eta * W).ravel(),
                (data.alpha * gap @ W.T - data.eta_p * P).ravel(),
            ]
        )
        change = dW @ data.m - dP @ W @ data.sigma - P @ dW @ data.sigma
        by_W = dP.transpose(0, 2, 1) @ gap + P.T @ change - data.eta * dW
        by_P = data.alpha * (change @ W.T + gap @ dW.transpose(0, 2, 1)) - data.eta_p * dP
        jacobian = np.concatenate([by_W.reshape(len(moves), -1), by_P.reshape(len(moves), -1)], 1).T
        step = np.linalg.lstsq(jacobian, -force, rcond=1e-11)[0]
        W, P = W + step[: k * d].reshape(k, d), P + step[k * d :].reshape(k, k)
        moved = np.linalg.norm(step)
        if not np.isfinite(moved) or moved > size:
            return None
        if moved <= SETTLED * size:
            return W, P
    return None


def same_orbit(one: Point, other: Point) -> bool:
    """Return whether two equilibria are one orbit: G = W^T W says which."""
    left, right = one.W.T @ one.W, other.W.T @ other.W
    return bool(np.abs(left - right).max() <= SAME * np.abs(left).max())
