"""Rates of all blocks at many points at once, for the procedures whose spectra are real.

Stop-gradient and EMA with equal decays have symmetric blocks (T7.2, T10.1); DirectPred, DirectCopy
(T13.2), the contrastive flow and joint minimisation have real spectra. In all of them a stratum
that is stable for the flow is stable for the map exactly when every rate is below 2 (1 + nu)/h.
Arrays have a row per point and are zero where a mode is not active.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.phase.setting import Points
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Signed:
    """Numbers whose sign matters, with the sizes of what they were added up from."""

    value: Array
    size: Array


@dataclass(frozen=True, slots=True)
class Rates:
    """Rates that flip at 2 (1 + nu)/h: diagonal (N, d), inactive and pair (N, d, d), output (N, d).

    `rank` (N, 3) holds the largest fixed rate of strata of rank 0, of rank between, of rank n.
    """

    diagonal: Array
    inactive: Array
    pair: Array
    output: Array
    rank: Array


@dataclass(frozen=True, slots=True)
class Blocks:
    """What the flow says of every mode and pair, and the rates of the map where they are real.

    `grow` (N, d, d) is the growth rate of inactive input j beside active mode i; `clash` that of
    two active modes, None where it is negative always; `needed` (N, d) modes without which a
    stratum of rank below n is unstable. `p` orders the modes, `spread` is its condition.
    """

    p: Array
    exists: Signed
    grow: Signed
    clash: Signed | None
    needed: Signed | None
    rates: Rates | None
    spread: Array


def outer_roots(points: Points) -> tuple[Array, Signed, Array]:
    """Return p+ (0 where complex), the discriminant, and the condition of p (N, d)."""
    square, fold = points.m**2, 4 * points.eta[:, None] * points.s
    discriminant = square - fold
    root = np.sqrt(np.maximum(discriminant, 0.0))
    exists = discriminant > 0
    p = np.where(exists, (points.m + np.copysign(root, points.m)) / (2 * points.s), 0.0)
    spread = np.where(exists, square / np.maximum(discriminant, 1e-300), 1.0)
    return p, Signed(discriminant, square + fold), spread


def growth(points: Points, p: Array) -> Signed:
    """Return p_i m_j - p_i^2 s_j - eta: positive where input j grows beside mode i (T8.1)."""
    signal = p[:, :, None] * points.m
    loss = (p * p)[:, :, None] * points.s[:, None, :] + points.eta[:, None, None]
    return Signed(signal - loss, np.abs(signal) + loss)


def bootstrap(points: Points) -> Blocks:
    """Return the blocks of stop-gradient and EMA; rates only for equal decays (T10.1)."""
    p, exists, spread = outer_roots(points)
    return Blocks(
        p=p,
        exists=exists,
        grow=growth(points, p),
        clash=None,
        needed=None,
        rates=_bootstrap_rates(points, p) if closed_form(points) else None,
        spread=spread,
    )


def closed_form(points: Points) -> bool:
    """Return whether T10.1 holds: equal decays, and not EMA with momentum and some m < 0."""
    if points.family is not Family.BOOTSTRAP:
        return True
    indefinite = points.ema and points.nu > 0 and bool((points.m < 0).any())
    return points.equal_decays and not indefinite


def _bootstrap_rates(points: Points, p: Array) -> Rates:
    eta = points.eta[:, None, None]
    phi = (1 - points.mu) / (1 + points.mu) if points.ema else np.ones(points.count)
    phi1, phi2 = phi[:, None], phi[:, None, None]
    square, s, m = p * p, points.s, points.m
    target = p[:, :, None] * m
    inactive = square[:, :, None] * s[:, None, :] + eta - phi2 * target
    both = square[:, :, None] + square[:, None, :]
    left = s[:, :, None] * both + eta - phi2 * np.swapaxes(target, 1, 2)
    gap = (left - np.swapaxes(left, 1, 2)) / 2
    pair = (left + np.swapaxes(left, 1, 2)) / 2 + np.sqrt(gap * gap + eta * eta)
    return Rates(
        diagonal=2 * square * s - phi1 * p * m,
        inactive=inactive,
        pair=pair,
        output=p * m,
        rank=bootstrap_rank_rates(points),
    )


def bootstrap_rank_rates(points: Points) -> Array:
    """Return the fixed rates of T7.2 and T7.3; at kappa = 1 full rank has one as well, 2 eta."""
    eta, kappa = points.eta, points.kappa
    full = np.where(kappa == 1, 2 * eta, 0.0)
    return np.stack([np.maximum(kappa, 1.0) * eta, (1 + kappa) * eta, full], axis=1)


def direct(points: Points) -> Blocks:
    """Return the blocks of P = F^a; only positive modes can be active (T13.1, T13.2)."""
    p, exists, spread = outer_roots(points)
    absent = points.m <= 0
    p = np.where(absent, 0.0, p)
    exists = Signed(np.where(absent, -exists.size, exists.value), exists.size)
    grow = growth(points, p)
    eta, a = points.eta, points.exponent
    clash = Signed(_direct_pair(points, p, grow), grow.size + np.swapaxes(grow.size, 1, 2))
    zero = np.zeros_like(eta)
    return Blocks(
        p=p,
        exists=exists,
        grow=grow,
        clash=clash,
        needed=None,
        rates=Rates(
            diagonal=2 * a * (p * p * points.s - eta[:, None]),
            inactive=-grow.value,
            pair=-clash.value,
            output=np.zeros_like(p),
            rank=np.stack([eta, eta, zero], axis=1),
        ),
        spread=spread,
    )


def _direct_pair(points: Points, p: Array, grow: Signed) -> Array:
    """Return the eigenvalue of two active modes (T13.2)."""
    eta = points.eta[:, None, None]
    s, q = points.s[:, None, :], p[:, None, :]
    product = p[:, :, None] * q
    both = grow.value + np.swapaxes(grow.value, 1, 2)
    if points.exponent == 1:
        return np.asarray(both + 2 * eta - product * (s + np.swapaxes(s, 1, 2)))
    half = q * (eta - product * s)
    mixed = half + np.swapaxes(half, 1, 2)
    return np.asarray(both + mixed / np.maximum(p[:, :, None] + q, 1e-300))


def contrastive(points: Points) -> Blocks:
    """Return the blocks of the spectral contrastive flow; k = (m - eta)/s orders the modes."""
    eta = points.eta[:, None]
    excess = points.m - eta
    size = np.abs(points.m) + eta
    k = np.where(excess > 0, excess / points.s, 0.0)
    all_k = excess / points.s
    s = points.s[:, None, :]
    gap = all_k[:, None, :] - k[:, :, None]
    spread_k = size / points.s
    one_way = k[:, :, None] * s
    rest = (-excess).max(axis=1)
    return Blocks(
        p=k,
        exists=Signed(excess, size),
        grow=Signed(s * gap, s * (spread_k[:, None, :] + spread_k[:, :, None])),
        clash=None,
        needed=Signed(excess, size),
        rates=Rates(
            diagonal=2 * np.maximum(excess, 0.0),
            inactive=-s * gap,
            pair=one_way + np.swapaxes(one_way, 1, 2),
            output=np.zeros_like(k),
            rank=np.stack([rest, rest, np.zeros_like(rest)], axis=1),
        ),
        spread=np.ones_like(k),
    )


def joint(points: Points) -> Blocks:
    """Return the blocks of joint minimisation with decay: only collapse, with real rates (T1.1)."""
    flat = np.zeros((points.count, points.d))
    cube = np.zeros((points.count, points.d, points.d))
    rest = np.maximum(points.kappa * points.eta, points.eta + points.s.max(axis=1))
    zero = np.zeros_like(rest)
    return Blocks(
        p=flat,
        exists=Signed(flat - 1, flat + 1),
        grow=Signed(cube - 1, cube + 1),
        clash=None,
        needed=None,
        rates=Rates(flat, cube, cube, flat, np.stack([rest, zero, zero], axis=1)),
        spread=flat + 1,
    )


FAMILIES: dict[Family | None, Callable[[Points], Blocks]] = {
    Family.BOOTSTRAP: bootstrap,
    Family.DIRECT: direct,
    Family.CONTRASTIVE: contrastive,
    Family.JOINT: joint,
}


def blocks_of(points: Points) -> Blocks:
    """Return the blocks of the procedure at every point."""
    return FAMILIES[points.family](points)
