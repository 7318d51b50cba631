"""Eigenvalues of a dense matrix together with bounds on their errors.

A computed eigenvalue is exact for a matrix within delta of the given one; to first order it is off
by at most kappa * delta, kappa = 1 / |u^H v| for unit left and right eigenvectors u and v. For a
cluster the individual kappa say little; then the norm of the spectral projector of the cluster
takes its place; where the eigenvectors are nearly parallel the cluster counts as a Jordan block.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sla

from equilibria.varieties.noncommuting.core import Array, ComplexArray

ALL_BOUNDS_UP_TO = 320  # size up to which every eigenvalue gets its own bound
CLUSTER = 1e-7  # eigenvalues closer than this, relative to the matrix, are treated together
INDEPENDENT = 1e-5  # least singular value of the unit eigenvectors of a semisimple cluster


def matrix_size(A: Array) -> float:
    """An upper bound of the spectral norm: sqrt(|A|_1 |A|_inf)."""
    if not A.size:
        return 0.0
    return float(np.sqrt(np.linalg.norm(A, 1) * np.linalg.norm(A, np.inf)))


def eigenvalues_with_bounds(A: Array, delta: float, *, flow: bool) -> tuple[ComplexArray, Array]:
    """All eigenvalues of A and bounds on their errors when A itself is known up to delta.

    Above ALL_BOUNDS_UP_TO only the eigenvalues nearest to instability (largest real part for a
    flow, largest modulus for a map) are bounded one by one, and the others take the largest bound.
    """
    if not A.size:
        return np.zeros(0, dtype=np.complex128), np.zeros(0)
    size = matrix_size(A)
    delta = delta + 4 * np.finfo(float).eps * np.sqrt(A.shape[0]) * size
    if A.shape[0] > ALL_BOUNDS_UP_TO:
        values = np.linalg.eigvals(A).astype(np.complex128)
        return values, _leading_bounds(A, values, delta, size, flow=flow)
    values, left, right = _eigentriples(A)
    residual = np.linalg.norm(A @ right - right * values, axis=0)
    condition = 1 / np.maximum(np.abs(np.sum(left.conj() * right, axis=0)), 1e-300)
    bounds = condition * (delta + residual)
    for cluster in _clusters(values, CLUSTER * size):
        error = delta + float(residual[cluster].max())
        diameter = float(np.abs(values[cluster][:, None] - values[cluster][None, :]).max())
        moved = _cluster_motion(left[:, cluster], right[:, cluster], error, size)
        bounds[cluster] = np.minimum(bounds[cluster], diameter + moved)
    return values, bounds


def _eigentriples(A: Array) -> tuple[ComplexArray, ComplexArray, ComplexArray]:
    """Eigenvalues with unit left and right eigenvectors as columns."""
    eig: Any = sla.eig
    values, left, right = eig(A, left=True, right=True)
    return values, left, right


def _clusters(values: ComplexArray, radius: float) -> list[list[int]]:
    """Groups of at least two eigenvalues connected by distances of at most `radius`."""
    left = set(range(values.size))
    groups = []
    while left:
        group, frontier = [], [left.pop()]
        while frontier:
            i = frontier.pop()
            group.append(i)
            near = [j for j in left if abs(values[i] - values[j]) <= radius]
            left.difference_update(near)
            frontier.extend(near)
        if len(group) > 1:
            groups.append(sorted(group))
    return groups


def _cluster_motion(left: ComplexArray, right: ComplexArray, error: float, size: float) -> float:
    """How far a cluster of m eigenvalues can move under a perturbation of norm `error`.

    With independent eigenvectors: `error` times the norm of the spectral projector. With (nearly)
    parallel ones the cluster may be a Jordan block, which moves like the m-th root.
    """
    m = left.shape[1]
    spread = min(np.linalg.svd(vectors, compute_uv=False)[-1] for vectors in (left, right))
    if spread < INDEPENDENT:
        return float(size * (error / size) ** (1 / m))
    U, V = np.linalg.qr(left)[0], np.linalg.qr(right)[0]
    cosine = float(np.linalg.svd(U.conj().T @ V, compute_uv=False)[-1])
    return error / max(cosine, 1e-300)


def _leading_bounds(
    A: Array, values: ComplexArray, delta: float, size: float, *, flow: bool
) -> Array:
    """Bounds by inverse iteration for the few eigenvalues nearest to instability."""
    danger = -values.real if flow else -np.abs(values)
    bounds = np.zeros(values.size)
    chosen = [i for i in np.argsort(danger, kind="stable")[:8] if values[i].imag >= 0][:4]
    for i in chosen:
        bounds[i] = _one_bound(A, complex(values[i]), delta, size)
        bounds[np.abs(values - values[i].conj()) <= 1e-12 * size] = bounds[i]
    bounds[bounds == 0] = bounds.max()
    return bounds


def _one_bound(A: Array, value: complex, delta: float, size: float) -> float:
    """kappa * (delta + residual), with left and right eigenvectors by inverse iteration."""
    shift = value + 1e-11 * size
    matrix = A - (shift if value.imag else shift.real) * np.eye(A.shape[0])
    factors = sla.lu_factor(matrix, overwrite_a=True, check_finite=False)
    v = np.asarray(np.random.default_rng(0).normal(size=A.shape[0]), dtype=matrix.dtype)
    u = v.copy()
    for _ in range(3):
        v = sla.lu_solve(factors, v)
        u = sla.lu_solve(factors, u, trans=2)
        v, u = v / np.linalg.norm(v), u / np.linalg.norm(u)
    residual = float(np.linalg.norm(A @ v - value * v))
    return (delta + residual) / max(float(np.abs(np.vdot(u, v))), 1e-300)
