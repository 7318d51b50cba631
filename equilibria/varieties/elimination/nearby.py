"""What zeros lie around a zero of a polynomial map: floating point, with stated tolerances.

The nullity of the Jacobian bounds the local dimension from above. It is the dimension where the
zeros go on in every direction of the null space, which Newton's method tries at a small distance;
a zero with no other zeros on a small sphere around it is isolated.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equilibria.exact.polynomial import Polynomial

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Places = NDArray[np.intp]

NULL = 1e-7
NULL_MULTIPLE = 1e-4
"""The same after the slow convergence to multiple zeros."""
STEPS = 80
CUTOFF = 1e-9
AWAY = 0.02
"""Distance of the zeros that are looked for around a zero, relative to 1 + |x|."""
DIRECTIONS = 3
ON_SPHERE = 24
FALL = 1e-6
"""How much smaller than usual on the sphere a residual must be to be that of a zero."""
NOISE = 1e-13
FLAT = 0.1
"""Directions to the zeros on a small sphere are flat up to curvature."""
WALK_STEPS = 100
STRIDE = 0.15
PART = 0.4
STUCK = 1e-3
NEAR = 1e-5
SMOOTH, MULTIPLE = 4, 25


class Batch:
    """Polynomials compiled for evaluation at many points: one row of `x` is a point."""

    def __init__(self, polynomials: Sequence[Polynomial]) -> None:
        self.monomials = sorted({key for f in polynomials for key in f.terms})
        places = {key: place for place, key in enumerate(self.monomials)}
        self.coefficients = np.zeros((len(self.monomials), len(polynomials)))
        for column, f in enumerate(polynomials):
            for key, c in f.terms.items():
                self.coefficients[places[key], column] = float(c)

    def __call__(self, x: Array) -> Array:
        columns = np.ones((x.shape[0], len(self.monomials)))
        for place, key in enumerate(self.monomials):
            for index, power in key:
                columns[:, place] *= x[:, index] ** power
        values: Array = columns @ self.coefficients
        return values


@dataclass(frozen=True)
class Functions:
    """The polynomials and all their derivatives, row by row."""

    values: Batch
    slopes: Batch

    def jacobians(self, x: Array) -> Array:
        return self.slopes(x).reshape(len(x), x.shape[1], x.shape[1])


def newton(functions: Functions, x: Array) -> Array:
    """Return where Newton's method with shortened steps ends, from each row of `x`."""
    with np.errstate(all="ignore"):
        for _ in range(STEPS):
            f, jacobian = functions.values(x), functions.jacobians(x)
            usable = np.isfinite(f).all(axis=1) & np.isfinite(jacobian).all(axis=(1, 2))
            step = np.zeros_like(x)
            step[usable] = _solved(jacobian[usable], f[usable])
            now, length = np.linalg.norm(f, axis=1), np.ones(len(x))
            for _ in range(6):  # halve the steps that make it worse
                after = np.linalg.norm(functions.values(x - length[:, None] * step), axis=1)
                worse = ~(after <= now)
                length = np.where(worse, length / 2, length)
                if not worse.any():
                    break
            x = x - length[:, None] * step
            if np.linalg.norm(step, axis=1).max(initial=0.0) < 1e-15:
                break
    return x


def _solved(matrices: Array, right: Array) -> Array:
    solution: Array = np.einsum("kij,kj->ki", np.linalg.pinv(matrices, rcond=CUTOFF), right)
    return solution


def nullities(functions: Functions, x: Array, null: float = NULL) -> NDArray[np.int64]:
    """Return the nullity of the Jacobian at each row of `x`, by its singular values."""
    singular = np.linalg.svd(functions.jacobians(x), compute_uv=False)
    least = null * np.maximum(1.0, singular[:, :1])
    found: NDArray[np.int64] = (singular < least).sum(axis=1)
    return found


def null_spaces(functions: Functions, x: Array, nullity: int) -> Array:
    """Return orthogonal projections on the null spaces of the Jacobians, for one nullity."""
    _, _, rows = np.linalg.svd(functions.jacobians(x))
    basis = rows[:, x.shape[1] - nullity :, :]
    projections: Array = np.einsum("kai,kaj->kij", basis, basis)
    return projections


def on_families(
    functions: Functions, x: Array, nullity: NDArray[np.int64], generator: np.random.Generator
) -> Flags:
    """Say at which zeros the zeros go on in all directions tried, so that nullity is dimension."""
    found = np.zeros(len(x), dtype=bool)
    for size in sorted(set(nullity.tolist()) - {0}):
        places = np.flatnonzero(nullity == size)
        goes_on = np.ones(len(places), dtype=bool)
        for _ in range(DIRECTIONS):
            goes_on &= _goes_on(functions, x[places], int(size), generator)
        found[places] = goes_on
    return found


def _goes_on(functions: Functions, x: Array, nullity: int, generator: np.random.Generator) -> Flags:
    """Look for zeros with a given small displacement along the null space, and none beside it."""
    projections = null_spaces(functions, x, nullity)
    along = np.einsum("kij,kj->ki", projections, generator.normal(size=x.shape))
    along /= np.linalg.norm(along, axis=1)[:, None]
    reach = AWAY * (1 + np.linalg.norm(x, axis=1))
    start = x + reach[:, None] * along
    z = start
    for _ in range(12):
        shift = np.einsum("kij,kj->ki", projections, z - start)
        matrix = np.concatenate([functions.jacobians(z), projections], axis=1)
        z = z - _solved(matrix, np.concatenate([functions.values(z), shift], axis=1))
    close = np.linalg.norm(z - start, axis=1) < reach
    same = nullities(functions, z) == nullity
    flags: Flags = close & _is_zero(functions, z, start) & same
    return flags


def _is_zero(functions: Functions, z: Array, start: Array) -> Flags:
    """Say where a residual is rounding, and not only the smallness of a high power."""
    after = np.linalg.norm(functions.values(z), axis=1)
    before = np.linalg.norm(functions.values(start), axis=1)
    noise = NOISE * (1 + np.linalg.norm(z, axis=1)) * _slope(functions, z)
    flags: Flags = (after <= FALL * before) | ((after <= noise) & (before <= 100 * noise))
    return flags


def _slope(functions: Functions, z: Array) -> Array:
    slope: Array = np.maximum(1.0, np.abs(functions.jacobians(z)).sum(axis=(1, 2)))
    return slope


def dimension_at(
    functions: Functions, x: Array, nullity: int, generator: np.random.Generator
) -> int | None:
    """Return the dimension of the zeros around a zero; None where this does not decide it.

    0 where Newton's method meets no other zero on a small sphere, from many points of it near the
    null space. Where it does meet some, their families have the dimension.
    """
    reach = AWAY * (1 + float(np.linalg.norm(x)))
    (projection,) = null_spaces(functions, x[None], nullity)
    starts = generator.normal(size=(ON_SPHERE * nullity, len(x))) @ projection
    starts = np.concatenate([starts, -starts])
    starts = x + reach * starts / np.linalg.norm(starts, axis=1)[:, None]
    z = starts
    for _ in range(STEPS):
        away = z - x
        level = (np.square(away).sum(axis=1) - reach**2) / (2 * reach)
        matrix = np.concatenate([functions.jacobians(z), away[:, None, :] / reach], axis=1)
        step = _solved(matrix, np.concatenate([functions.values(z), level[:, None]], axis=1))
        length = np.linalg.norm(step, axis=1)
        step *= np.minimum(1.0, reach / 2 / np.maximum(length, 1e-300))[:, None]
        z = z - step
    usual = np.median(np.linalg.norm(functions.values(starts), axis=1))
    residual = np.linalg.norm(functions.values(z), axis=1)
    distance = np.linalg.norm(z - x, axis=1)
    there = (np.abs(distance - reach) < 1e-3 * reach) & (residual < max(FALL * usual, 1e-14))
    if not there.any():
        return 0
    return _spread(functions, x, z[there], generator)


def _spread(
    functions: Functions, x: Array, others: Array, generator: np.random.Generator
) -> int | None:
    """Return the dimension of a set from its points on a small sphere around one of them.

    Either they are smooth points of families of one dimension, or their directions from the middle
    span a space over which the set goes on in random directions.
    """
    sizes = nullities(functions, others)
    if sizes.min() > 0 and on_families(functions, others, sizes, generator).all():
        return int(sizes.max())
    directions = (others - x) / np.linalg.norm(others - x, axis=1)[:, None]
    _, singular, rows = np.linalg.svd(directions)
    rank = int((singular > FLAT * singular[0]).sum())
    span = rows[:rank]
    reach = AWAY * (1 + float(np.linalg.norm(x)))
    along = generator.normal(size=(DIRECTIONS, rank)) @ span
    start = x + reach * along / np.linalg.norm(along, axis=1)[:, None]
    z = start
    projection = span.T @ span
    tangent = np.broadcast_to(projection, (len(z), *projection.shape))
    for _ in range(STEPS):
        shift = (z - start) @ projection
        matrix = np.concatenate([functions.jacobians(z), tangent], axis=1)
        z = z - _solved(matrix, np.concatenate([functions.values(z), shift], axis=1))
    close = np.linalg.norm(z - start, axis=1) < reach / 2
    return rank if (close & _is_zero(functions, z, _beside(functions, z, reach))).all() else None


def _beside(functions: Functions, z: Array, reach: float) -> Array:
    """Return points at a small distance across the zeros, to compare residuals with."""
    _, _, rows = np.linalg.svd(functions.jacobians(z))
    beside: Array = z + reach * rows.sum(axis=1) / np.sqrt(z.shape[1])
    return beside


def walked(functions: Functions, x: Array, target: Array, nullity: int) -> Flags:
    """Say from which zeros a walk over zeros, straight towards `target`, arrives there.

    A step goes less than half of the way that is left, and a zero of the same nullity must be there:
    the walk does not turn from one family into another where they meet.
    """
    here = np.array(x, dtype=float)
    going = np.ones(len(here), dtype=bool)
    corrections = SMOOTH if not len(here) else _corrections(functions, here, nullity)
    with np.errstate(all="ignore"):
        for _ in range(WALK_STEPS):
            left = np.linalg.norm(here - target, axis=1)
            places = np.flatnonzero(going & (left > NEAR * (1 + np.linalg.norm(target))))
            if not len(places):
                break
            at = here[places]
            step = np.einsum("kij,kj->ki", null_spaces(functions, at, nullity), target - at)
            length = np.linalg.norm(step, axis=1)
            most = np.minimum(STRIDE * (1 + np.linalg.norm(at, axis=1)), PART * left[places])
            asked = np.minimum(length, most)
            moved = at + step * (asked / np.maximum(length, 1e-300))[:, None]
            beside = moved
            for _ in range(corrections):
                moved = moved - _solved(functions.jacobians(moved), functions.values(moved))
            progress = np.linalg.norm(moved - at, axis=1)
            fine = np.isfinite(moved).all(axis=1) & (progress < 2 * most)
            fine &= (progress > asked / 2) & (asked > STUCK * most)
            null = NULL if corrections == SMOOTH else NULL_MULTIPLE
            fine[fine] &= nullities(functions, moved[fine], null) == nullity
            fine &= _is_zero(functions, moved, beside) | _tiny(functions, moved)
            here[places[fine]] = moved[fine]
            going[places[~fine]] = False
        distance = np.linalg.norm(here - target, axis=1)
    flags: Flags = distance <= NEAR * (1 + float(np.linalg.norm(target)))
    return flags


def _corrections(functions: Functions, x: Array, nullity: int) -> int:
    """Return how many Newton steps lead back: few on smooth families, more on multiple ones."""
    generator = np.random.default_rng(0)
    smooth = on_families(functions, x, np.full(len(x), nullity), generator)
    return SMOOTH if smooth.all() else MULTIPLE


def _tiny(functions: Functions, z: Array) -> Flags:
    flags: Flags = np.linalg.norm(functions.values(z), axis=1) < NOISE * _slope(functions, z)
    return flags
