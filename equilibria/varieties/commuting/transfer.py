"""One set of block formulas for flow and map, stop-gradient and EMA, with and without momentum.

Every block of the Jacobian at an equilibrium is a polynomial q(Lambda, phi), where phi multiplies
what comes from the target (T7.0). Written in lambda = (z - 1)/h for the map, the substitutions are

    Lambda = N/D:  lambda / 1                              flow, and map without momentum
                   lambda (1 - nu + h lambda)/(1 + h lambda)   map with heavy ball nu
    phi = Fn/Fd:   1 / 1                                   stop-gradient
                   beta / (beta + lambda)                  EMA flow
                   beta (1 + h lambda)/(beta + lambda)     EMA map, beta = (1 - mu)/h

so the flow is the map at h = 0, and roots close to z = 1 keep their digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    ComplexArray = NDArray[np.complex128]


NEWTON_TOLERANCE = 1e-14
NEWTON_STEPS = 80


@dataclass(frozen=True, slots=True)
class Dynamics:
    """The rates that turn a block into a spectrum; `is_map` chooses map or flow."""

    is_map: bool
    ema: bool
    h: float
    mu: float
    nu: float
    beta: float

    @classmethod
    def of(cls, model: Model, *, is_map: bool) -> Dynamics:
        return cls(
            is_map=is_map,
            ema=model.traits.has_target,
            h=to_float(model.h),
            mu=to_float(model.mu),
            nu=to_float(model.nu) if is_map else 0.0,
            beta=to_float(model.flow_rate),
        )

    @property
    def real_rooted(self) -> bool:
        """Return whether blocks with non-negative target terms have real spectra only (T7.4)."""
        return self.nu == 0

    def _fractions(self) -> tuple[Array, Array, Array, Array]:
        """Return N, D, Fn, Fd as coefficients, constant term first."""
        h = self.h if self.is_map else 0.0
        one = np.array([1.0])
        plus = np.array([1.0, h]) if h else one
        if self.nu:
            n, d = np.array([0.0, 1.0 - self.nu, h]), plus
        else:
            n, d = np.array([0.0, 1.0]), one
        if not self.ema:
            return n, d, one, one
        return n, d, self.beta * plus, np.array([self.beta, 1.0])

    def scalar(self, a: Array, b: Array) -> Array:
        """Return the coefficients, last axis, of Lambda + a - phi b = 0."""
        n, d, fn, fd = self._fractions()
        return _sum(
            (np.ones_like(a), np.convolve(n, fd)),
            (a, np.convolve(d, fd)),
            (-b, np.convolve(d, fn)),
        )

    def pair(self, a: Array, b: Array, u: Array, v: Array, eta: float) -> Array:
        """Return the coefficients of (Lambda + a - phi u)(Lambda + b - phi v) - eta^2 = 0."""
        _, d, _, fd = self._fractions()
        product = _multiply(self.scalar(a, u), self.scalar(b, v))
        square = np.convolve(np.convolve(d, d), np.convolve(fd, fd))
        product[..., : square.size] -= eta**2 * square
        return product

    def extent(self, roots: ComplexArray) -> Array:
        """Return max Re(lambda) (flow) or max |1 + h lambda| (map) over the last axis."""
        if self.is_map:
            return np.asarray(np.abs(1 + self.h * roots).max(axis=-1))
        return np.asarray(roots.real.max(axis=-1))

    def eigenvalues(self, roots: ComplexArray) -> ComplexArray:
        """Return the eigenvalues (flow) or the multipliers (map) that belong to the roots."""
        return np.asarray(1 + self.h * roots) if self.is_map else roots


def _sum(*terms: tuple[Array, Array]) -> Array:
    """Return sum_k values_k * polynomial_k with the coefficients on a new last axis."""
    size = max(polynomial.size for _, polynomial in terms)
    total = np.zeros((*terms[0][0].shape, size))
    for values, polynomial in terms:
        for power, coefficient in enumerate(polynomial):
            if coefficient:
                total[..., power] += coefficient * values
    return total


def _multiply(left: Array, right: Array) -> Array:
    product = np.zeros((*left.shape[:-1], left.shape[-1] + right.shape[-1] - 1))
    for i in range(left.shape[-1]):
        product[..., i : i + right.shape[-1]] += left[..., i : i + 1] * right
    return product


def polynomial_roots(coefficients: Array) -> ComplexArray:
    """Return all roots, last axis, of a batch of polynomials given constant term first."""
    degree = coefficients.shape[-1] - 1
    monic = coefficients[..., :-1] / coefficients[..., -1:]
    if degree == 1:
        return np.asarray(-monic, dtype=np.complex128)
    if degree == 2:
        return _quadratic_roots(monic[..., 1], monic[..., 0])
    companion = np.zeros((*monic.shape[:-1], degree, degree))
    companion[..., np.arange(1, degree), np.arange(degree - 1)] = 1.0
    companion[..., :, -1] = -monic
    return np.asarray(np.linalg.eigvals(companion), dtype=np.complex128)


def _quadratic_roots(linear: Array, constant: Array) -> ComplexArray:
    """Return the roots of x^2 + linear x + constant without cancellation."""
    discriminant = linear * linear - 4 * constant
    # Millions of blocks with real spectra are common: complex square roots would cost twice.
    real = bool((discriminant >= 0).all())
    root = np.sqrt(discriminant if real else discriminant.astype(np.complex128))
    far = -(linear + np.where(linear >= 0, 1.0, -1.0) * root) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        near = np.where(far == 0, 0.0, constant / far)
    return np.stack([far, near], axis=-1)


def all_roots_below(coefficients: Array, point: Array) -> NDArray[np.bool_]:
    """Return whether all roots, which must be real, lie strictly below `point`.

    They do exactly when the polynomial and all its derivatives are positive there (leading
    coefficients are positive).
    """
    rows = [np.ascontiguousarray(coefficients[..., k]) for k in range(coefficients.shape[-1])]
    below = np.ones(point.shape, dtype=np.bool_)
    # Repeated synthetic division by (x - point) leaves the Taylor coefficients one by one.
    for order in range(len(rows)):
        for k in range(len(rows) - 2, order - 1, -1):
            rows[k] = rows[k] + rows[k + 1] * point
        below &= rows[order] > 0
    return below


def rightmost_real_root(coefficients: Array) -> Array:
    """Return the largest root of each polynomial of a batch (N, degree + 1), all roots real.

    Newton's method from the right of all roots decreases monotonically to the largest one. It
    starts at 0 where all roots are negative, else at a bound on the roots.
    """
    if not coefficients.shape[0]:
        return np.zeros(0)
    negative = all_roots_below(coefficients, np.zeros(coefficients.shape[0]))
    x = np.where(negative, 0.0, _root_bound(coefficients))
    rows = np.ascontiguousarray(coefficients.T)
    active = np.arange(x.size)
    for _ in range(NEWTON_STEPS):
        point = x[active]
        value, slope = rows[-1].copy(), np.zeros(active.size)
        for row in rows[-2::-1]:
            slope *= point
            slope += value
            value *= point
            value += row
        with np.errstate(divide="ignore", invalid="ignore"):
            step = np.where(slope == 0, 0.0, value / slope)
        x[active] = point - step
        moving = np.abs(step) > NEWTON_TOLERANCE * np.abs(point)
        if not moving.any():
            break
        if 2 * np.count_nonzero(moving) < active.size:
            active, rows = active[moving], np.ascontiguousarray(rows[:, moving])
    return x


def _root_bound(coefficients: Array) -> Array:
    """Return sqrt(sum of squares of the roots), from the leading coefficients."""
    second = coefficients[..., -2] / coefficients[..., -1]
    third = coefficients[..., -3] / coefficients[..., -1]
    return np.asarray(np.sqrt(np.maximum(second**2 - 2 * third, 0.0)) * (1 + 1e-12) + 1e-300)
