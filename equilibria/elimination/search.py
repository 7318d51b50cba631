"""Numerical search for equilibria of systems too large to decompose: many Newton runs at once.

What comes out are equilibria to the stated residual, never a proof that there are no others. A run
ends on an isolated equilibrium where the Jacobian is regular; elsewhere its nullity is taken for
the dimension of the component there, and points with one spectrum for points of one component.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equilibria.polynomial import Polynomial

Array = NDArray[np.float64]

RESIDUAL = 1e-10
NULL = 1e-7
SAME = 1e-5
STEPS = 80
MANY = 8


@dataclass(frozen=True)
class Found:
    """One equilibrium, standing for `hits` of the runs; `nullity` of the Jacobian there."""

    point: Mapping[str, float]
    nullity: int
    residual: float
    hits: int


class Batch:
    """Polynomials compiled for evaluation at many points: one row of `x` is a point."""

    def __init__(self, polynomials: Sequence[Polynomial]) -> None:
        self.entries = [[(float(c), key) for key, c in f.sorted_terms()] for f in polynomials]

    def __call__(self, x: Array) -> Array:
        columns = np.zeros((x.shape[0], len(self.entries)))
        for place, terms in enumerate(self.entries):
            for coefficient, key in terms:
                value = np.full(x.shape[0], coefficient)
                for index, power in key:
                    value = value * x[:, index] ** power
                columns[:, place] += value
        return columns


def search(equations: Mapping[str, Polynomial], *, starts: int = 512, seed: int = 0) -> list[Found]:
    """Return the equilibria that Newton's method reaches from random points of several sizes."""
    names = list(equations)
    values = Batch(list(equations.values()))
    slopes = Batch([f.diff(name) for f in equations.values() for name in names])
    generator = np.random.default_rng(seed)
    scale = np.exp(generator.uniform(np.log(0.1), np.log(8.0), size=(starts, 1)))
    x = generator.normal(size=(starts, len(names))) * scale
    x = _newton(x, values, slopes)
    residual = np.linalg.norm(values(x), axis=1) / (1 + np.linalg.norm(x, axis=1))
    keep = np.isfinite(residual) & (residual < RESIDUAL)
    x, residual = x[keep], residual[keep]
    return _distinct(names, x, residual, slopes)


def _newton(x: Array, values: Batch, slopes: Batch) -> Array:
    size = x.shape[1]
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            f = values(x)
            jacobian = slopes(x).reshape(-1, size, size)
            usable = np.isfinite(f).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
            step = np.zeros_like(x)
            step[usable] = np.einsum(
                "kij,kj->ki", np.linalg.pinv(jacobian[usable], rcond=1e-9), f[usable]
            )
            now, length = np.linalg.norm(f, axis=1), np.ones(len(x))
            for _ in range(6):  # halve the steps that make it worse
                after = np.linalg.norm(values(x - length[:, None] * step), axis=1)
                worse = ~(after <= now)
                length = np.where(worse, length / 2, length)
                if not worse.any():
                    break
            x = x - length[:, None] * step
            if np.linalg.norm(step, axis=1).max(initial=0.0) < 1e-15:
                break
    return x


def _distinct(names: Sequence[str], x: Array, residual: Array, slopes: Batch) -> list[Found]:
    size = len(names)
    jacobians = slopes(x).reshape(-1, size, size)
    groups: list[tuple[int, Array, Array, list[int]]] = []
    for k in range(len(x)):
        singular = np.linalg.svd(jacobians[k], compute_uv=False)
        nullity = int((singular < NULL * max(1.0, float(singular[0]))).sum())
        eigenvalues = np.linalg.eigvals(jacobians[k])
        spectrum = np.asarray(np.sort_complex(eigenvalues))
        for other, point, other_spectrum, members in groups:
            near = point - x[k] if nullity == 0 else other_spectrum - spectrum
            if other == nullity and np.abs(near).max(initial=0.0) < SAME * (
                1 + np.abs(point).max()
            ):
                members.append(k)
                break
        else:
            groups.append((nullity, x[k], spectrum, [k]))
    return _gathered(names, groups, residual)


def _gathered(
    names: Sequence[str], groups: list[tuple[int, Array, Array, list[int]]], residual: Array
) -> list[Found]:
    """Return one entry a group; many groups of one nullity are points of one moving spectrum."""
    found: list[Found] = []
    for nullity in sorted({group[0] for group in groups}):
        same = [group for group in groups if group[0] == nullity]
        if nullity and len(same) > MANY:
            members = [k for group in same for k in group[3]]
            same = [(nullity, same[0][1], same[0][2], members)]
        for _, point, _, members in same:
            found.append(
                Found(
                    dict(zip(names, map(float, point), strict=True)),
                    nullity,
                    float(residual[members].max()),
                    len(members),
                )
            )
    return sorted(found, key=lambda f: (f.nullity, [round(v, 6) for v in f.point.values()]))
