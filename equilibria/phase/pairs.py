"""Blocks of stop-gradient and EMA for any kappa = eta_P/eta, as batches of polynomials (T7.3).

With x = lambda + kappa (p^2 s + eta) for the predictor's rows and y for the encoder's, the block of
two active modes is

    x1 x2 y1 y2 - kappa [y1 (eta^2 x2 - b2 u2 x1) + y2 (eta^2 x1 - b1 u1 x2)]
                + kappa^2 (b1 b2 - eta^2)(u1 u2 - eta^2),

with b1 = p_i p_j s_j, u1 = phi p_j m_j - b1, y1 = lambda + p_i^2 s_j + eta - phi p_i m_j, and
1 <-> 2 for i <-> j; it has the root lambda = 0 of the rotations at phi = 1. The substitutions of
`transfer` turn it into the characteristic polynomial of flow or map.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.phase.bounded import ONE, Poly, disc, hurwitz, powers
from equilibria.phase.setting import Points

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Targets = Sequence[Poly]
"""Coefficients of phi^0, phi^1, ..., each a polynomial in lambda."""


@dataclass(frozen=True, slots=True)
class Substitution:
    """Lambda = N/D and phi = F/G as polynomials in lambda = (z - 1)/h, one row per point."""

    n: Poly
    d: Poly
    f: Poly
    g: Poly
    h: Array | None
    """Step sizes of shape (N, 1) for the map, None for the flow."""

    @classmethod
    def of(cls, points: Points, *, is_map: bool) -> Substitution:
        h = points.h[:, None]
        n, d = Poly.of(0.0, 1.0), ONE
        if is_map and points.nu:
            n, d = Poly.of(0.0, 1.0 - points.nu, h), Poly.of(1.0, h)
        f = g = ONE
        if points.ema:
            beta = (1 - points.mu[:, None]) / h
            f = Poly.of(beta, beta * h) if is_map else Poly.of(beta)
            g = Poly.of(beta, 1.0)
        return cls(n, d, f, g, h if is_map else None)

    def apply(self, block: Targets) -> Poly:
        """Return the characteristic polynomial that belongs to a block."""
        degree, order = max(part.degree for part in block), len(block) - 1
        n, d = powers(self.n, degree), powers(self.d, degree)
        f, g = powers(self.f, order), powers(self.g, order)
        whole = [n[k] * d[degree - k] for k in range(degree + 1)]
        total: Poly | None = None
        for k, part in enumerate(block):
            pieces: Poly | None = None
            for power, (value, size) in enumerate(zip(part.value, part.size, strict=True)):
                piece = whole[power] * Poly((value,), (size,))
                pieces = piece if pieces is None else pieces + piece
            assert pieces is not None
            target = pieces * (f[k] * g[order - k])
            total = target if total is None else total + target
        assert total is not None
        return total

    def inside(self, poly: Poly, margin: Array | float) -> tuple[Flags, Flags]:
        """Return which characteristic polynomials are stable, and which are too close to tell."""
        return hurwitz(poly, margin) if self.h is None else disc(poly, self.h, margin)


def diagonal_block(p: Array, s: Array, m: Array, eta: Array, kappa: Array) -> Targets:
    """Return l^2 + (1 + kappa) A l + 4 kappa eta p^2 s - phi p m (l + 2 kappa eta).

    A = p^2 s + eta; the block of (P_ii, W_ii).
    """
    square, target = p * p * s, p * m
    return (
        Poly.of(4 * kappa * eta * square, (1 + kappa) * (square + eta), 1.0),
        Poly.of(-2 * kappa * eta * target, -target),
    )


def inactive_block(a: Array, b: Array) -> Targets:
    """Return l + a - phi b."""
    return (Poly.of(a, 1.0), Poly.of(-b))


def pair_block(
    p: tuple[Array, Array], s: tuple[Array, Array], m: tuple[Array, Array], eta: Array, kappa: Array
) -> Targets:
    """Return the pair block of two active modes, by powers of phi."""
    (pi, pj), (si, sj), (mi, mj) = p, s, m
    square = eta * eta
    x1, x2 = Poly.of(kappa * (pj * pj * sj + eta), 1.0), Poly.of(kappa * (pi * pi * si + eta), 1.0)
    y1, y2 = (
        (Poly.of(pi * pi * sj + eta, 1.0), Poly.of(-pi * mj)),
        (Poly.of(pj * pj * si + eta, 1.0), Poly.of(-pj * mi)),
    )
    b1, b2 = pi * pj * sj, pi * pj * si
    u1, u2 = (Poly.of(-b1), Poly.of(pj * mj)), (Poly.of(-b2), Poly.of(pi * mi))
    minus = Poly.of(-kappa)
    left = _sum_by_target((Poly.of(square) * x2,), _times(u2, Poly.of(-b2) * x1))
    right = _sum_by_target((Poly.of(square) * x1,), _times(u1, Poly.of(-b1) * x2))
    corner = Poly.of(kappa * kappa) * (Poly.of(b1 * b2) - Poly.of(square))
    return _sum_by_target(
        _times(_multiply(y1, y2), x1 * x2),
        _times(_sum_by_target(_multiply(y1, left), _multiply(y2, right)), minus),
        _times(_sum_by_target(_multiply(u1, u2), (Poly.of(-square),)), corner),
    )


def _times(block: Targets, factor: Poly) -> list[Poly]:
    return [part * factor for part in block]


def _multiply(left: Targets, right: Targets) -> list[Poly]:
    result: list[Poly | None] = [None] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            old = result[i + j]
            result[i + j] = a * b if old is None else old + a * b
    return [part for part in result if part is not None]


def _sum_by_target(*blocks: Targets) -> list[Poly]:
    order = max(len(block) for block in blocks)
    result = []
    for k in range(order):
        parts = [block[k] for block in blocks if k < len(block)]
        total = parts[0]
        for part in parts[1:]:
            total = total + part
        result.append(total)
    return result
