"""Batches of polynomials in doubles that carry a bound on their own rounding errors.

Every coefficient comes with a size: its error, to first order, when every number that went in has
the relative error one. So a sign is known as long as |value| exceeds a small multiple of the size.
Routh's test, done without divisions, then says for each polynomial of a batch: all roots inside,
not so, or too close to tell; the last are decided exactly by `exact`.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

TINY = 1e-300


@dataclass(frozen=True, slots=True)
class Poly:
    """A batch of polynomials, constant term first, with a size for every coefficient."""

    value: tuple[Array, ...]
    size: tuple[Array, ...]

    @classmethod
    def of(cls, *coefficients: Array | float) -> Poly:
        """Return the batch with these coefficients, each known to working precision."""
        value = tuple(np.asarray(c, dtype=np.float64) for c in coefficients)
        return cls(value, tuple(np.abs(c) for c in value))

    @property
    def degree(self) -> int:
        return len(self.value) - 1

    def __add__(self, other: Poly) -> Poly:
        return Poly(_padded_sum(self.value, other.value), _padded_sum(self.size, other.size))

    def __sub__(self, other: Poly) -> Poly:
        return self + Poly(tuple(-c for c in other.value), other.size)

    def __mul__(self, other: Poly) -> Poly:
        if other is ONE:
            return self
        if self is ONE:
            return other
        error = _padded_sum(
            _product(_moduli(self.value), other.size), _product(self.size, _moduli(other.value))
        )
        return Poly(_product(self.value, other.value), error)

    def without_constant(self) -> Poly:
        """Return the batch divided by its variable, for constant terms that are known to vanish."""
        return Poly(self.value[1:], self.size[1:])


def _padded_sum(left: tuple[Array, ...], right: tuple[Array, ...]) -> tuple[Array, ...]:
    if len(left) < len(right):
        left, right = right, left
    return tuple(a + right[k] if k < len(right) else a for k, a in enumerate(left))


def _moduli(value: tuple[Array, ...]) -> tuple[Array, ...]:
    return tuple(np.abs(c) for c in value)


def _product(left: tuple[Array, ...], right: tuple[Array, ...]) -> tuple[Array, ...]:
    terms: list[Array | None] = [None] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            old = terms[i + j]
            terms[i + j] = a * b if old is None else old + a * b
    return tuple(term for term in terms if term is not None)


ONE = Poly.of(1.0)


def powers(base: Poly, highest: int) -> list[Poly]:
    """Return the powers 0, 1, ..., highest of a batch."""
    result = [ONE]
    for _ in range(highest):
        result.append(result[-1] * base)
    return result


def hurwitz(poly: Poly, margin: Array | float) -> tuple[Flags, Flags]:
    """Return (all roots in the open left half-plane, whether that is too close to tell).

    The leading coefficient must be positive. `margin` is relative to the sizes.
    """
    value, size = np.broadcast_arrays(*poly.value), np.broadcast_arrays(*poly.size)
    return _routh(list(value[::-1]), list(size[::-1]), margin)


def disc(poly: Poly, h: Array, margin: Array | float) -> tuple[Flags, Flags]:
    """Return the same for roots l with |1 + h l| < 1; h broadcasts against the coefficients.

    With h l = 2 w/(1 - w) the disc becomes the half-plane Re w < 0. The new leading coefficient is
    (-1)^degree times the polynomial at the multiplier -1, and positive inside.
    """
    degree = poly.degree
    value: list[Array] = [np.zeros(1)] * (degree + 1)
    size: list[Array] = [np.zeros(1)] * (degree + 1)
    for k in range(degree + 1):
        scale = (2.0 / h) ** k
        term, bulk = poly.value[k] * scale, poly.size[k] * scale
        for j in range(degree - k + 1):
            weight = comb(degree - k, j)
            value[k + j] = value[k + j] + term * (weight if j % 2 == 0 else -weight)
            size[k + j] = size[k + j] + bulk * weight
    value = list(np.broadcast_arrays(*value))
    size = list(np.broadcast_arrays(*size))
    return _routh(value[::-1], size[::-1], margin)


def _routh(value: list[Array], size: list[Array], margin: Array | float) -> tuple[Flags, Flags]:
    """Decide by Routh's array without divisions; coefficients from the leading one down."""
    inside = np.ones(value[0].shape, dtype=np.bool_)
    doubtful = np.zeros_like(inside)
    for v, s in zip(
        value, size, strict=True
    ):  # all coefficients of a stable polynomial share a sign
        close = np.abs(v) <= margin * s
        doubtful |= inside & close
        inside &= (v > 0) | close
    upper, lower = value[0::2], value[1::2]
    upper_size, lower_size = size[0::2], size[1::2]
    while lower:
        close = np.abs(lower[0]) <= margin * lower_size[0]
        doubtful |= inside & close
        inside &= (lower[0] > 0) | close
        reduced, bulk = [], []
        for i in range(len(upper) - 1):
            term = lower[0] * upper[i + 1]
            weight = _error(lower[0], lower_size[0], upper[i + 1], upper_size[i + 1])
            if i + 1 < len(lower):
                term = term - upper[0] * lower[i + 1]
                weight = weight + _error(upper[0], upper_size[0], lower[i + 1], lower_size[i + 1])
            reduced.append(term)
            bulk.append(weight)
        if reduced:
            scale = 1.0 / np.maximum(np.max(bulk, axis=0), TINY)
            reduced = [term * scale for term in reduced]
            bulk = [weight * scale for weight in bulk]
        upper, lower, upper_size, lower_size = lower, reduced, lower_size, bulk
    return inside & ~doubtful, doubtful & inside


def _error(a: Array, a_size: Array, b: Array, b_size: Array) -> Array:
    """Return the first-order error of a product."""
    return np.asarray(np.abs(a) * b_size + a_size * np.abs(b))
