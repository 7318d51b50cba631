"""Aligned equilibria near a head, for moments that commute: mode by mode, the symmetry divided out.

Along each common eigenvector v of Sigma and M an aligned equilibrium is at rest at |W v| = |p| with
p = 0 or a root of s p^2 - m p + eta = 0 (T6.3; alpha = 1, equal decays), so the nearest stratum is
that of the nearest root of each mode: O(n d^2), whatever the number of strata. Modes with the same
(s, m) may be rotated into one another; there the singular directions of W stand for the modes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

COMMUTING = 1e-10
"""Largest |Sigma M - M Sigma| relative to |Sigma| |M| of moments that count as commuting."""
EQUAL = 1e-9
GENERIC = 0.7548776662466927


@dataclass(frozen=True)
class Aligned:
    """An aligned equilibrium: predictor values p (k,) along data directions V (d, k), mode by mode.

    `s`, `m` are those of the active modes, `rest` (2, d - k) those of the others; `name` is the id
    of the stratum.
    """

    name: str
    p: Array
    V: Array
    s: Array
    m: Array
    rest: Array

    @property
    def core(self) -> tuple[Array, Array]:
        """W (k, d) and P (k, k), alpha = 1."""
        return np.abs(self.p)[:, None] * self.V.T, np.diag(self.p)


def commuting_basis(sigma: Array, m: Array) -> Array | None:
    """Return common eigenvectors (d, d) of Sigma and M, largest m first, or None."""
    size = float(np.linalg.norm(sigma) * np.linalg.norm(m))
    if not float(np.linalg.norm(sigma @ m - m @ sigma)) <= COMMUTING * size:
        return None
    ratio = float(np.linalg.norm(sigma)) / max(float(np.linalg.norm(m)), 1e-300)
    _, V = np.linalg.eigh(sigma + GENERIC * ratio * m)
    along = np.einsum("ij,ij->j", V, m @ V)
    return np.asarray(V[:, np.argsort(-along, kind="stable")])


def nearest_aligned(W: Array, basis: Array, sigma: Array, m: Array, eta: float) -> Aligned:
    """Return the aligned equilibrium whose modes are nearest to those of W (n, d)."""
    s = np.einsum("ij,ij->j", basis, sigma @ basis)
    along = np.einsum("ij,ij->j", basis, m @ basis)
    V = _straightened(W, basis, s, along)
    length = np.linalg.norm(W @ V, axis=0)
    outer, inner = _roots(s, along, eta)
    levels = np.abs(np.stack([np.zeros_like(s), inner, outer]))
    choice = np.abs(length - levels).argmin(axis=0)
    active = np.flatnonzero(choice)
    if len(active) > len(W):  # a stratum has at most n modes: the longest ones
        active = np.sort(active[np.argsort(-length[active], kind="stable")[: len(W)]])
    p = np.where(choice == 2, outer, inner)[active]
    signs = np.where(choice == 2, "+", "-")[active]
    modes = ",".join(f"{j + 1}{sign}" for j, sign in zip(active.tolist(), signs, strict=True))
    others = np.setdiff1d(np.arange(len(s)), active)
    name = f"rank{len(active)}" + (f":{modes}" if modes else "")
    rest = np.stack([s[others], along[others]])
    return Aligned(name, p, V[:, active], s[active], along[active], rest)


def _roots(s: Array, m: Array, eta: float) -> tuple[Array, Array]:
    """Return (p+, p-) of each mode, infinite where there is none."""
    discriminant = m**2 - 4 * eta * s
    alive = (discriminant > 0) & (s > 0)
    root = np.sqrt(np.where(alive, discriminant, 0.0))
    outer = np.full_like(s, np.inf)
    outer[alive] = ((m + np.copysign(root, m)) / (2 * np.where(alive, s, 1.0)))[alive]
    inner = np.full_like(s, np.inf)
    inner[alive] = eta / (s[alive] * outer[alive])
    return outer, inner


def _straightened(W: Array, basis: Array, s: Array, m: Array) -> Array:
    """Turn the basis within each eigenspace so that W maps it to orthogonal directions."""
    V, scale = basis.copy(), max(float(np.abs(s).max()), float(np.abs(m).max()), 1e-300)
    pairs = np.stack([s, m], axis=1) / scale
    left = np.arange(len(s))
    while len(left):
        same = np.abs(pairs[left] - pairs[left[0]]).max(axis=1) <= EQUAL
        members = left[same]
        if len(members) > 1:
            part = W @ V[:, members]
            turn = np.linalg.eigh(part.T @ part)[1][:, ::-1]
            V[:, members] = V[:, members] @ turn
        left = left[~same]
    return V


def aligned_extent(found: Aligned, eta: float, kappa: float, n: int) -> float:
    """Return the largest real part of the eigenvalues across the orbit.

    All blocks of the stop-gradient flow (T7.2, T7.3 with kappa): a mode by itself, two active
    modes, an active mode and an idle input, and the idle outputs. Whether moving averages change
    the sign: for kappa = 1 they do not (T7.5). Families of repeated modes are not taken out.
    """
    p, s = found.p, found.s
    k, idle = len(p), found.rest
    parts = [np.full(1, -kappa * eta)] if n > k else []
    a = p**2 * s + eta
    half = -kappa * a / 2
    inner = np.emath.sqrt(half**2 - 2 * kappa * eta * (p**2 * s - eta))
    parts += [np.real(half + inner), np.real(half - inner)]
    reach = p[:, None] * idle[1] - p[:, None] ** 2 * idle[0] - eta
    parts.append(reach.ravel())
    if n > k:
        parts += [np.full(min(idle.shape[1], 1), -eta), -kappa * a]
        parts.append(np.full(min(k, 1), -(1 + kappa) * eta))
    i, j = np.triu_indices(k, 1)
    pair = _pairs(found, i, j, eta, kappa)
    values = np.linalg.eigvals(pair) if len(pair) else np.zeros((0, 4))
    order = np.argsort(np.abs(values), axis=1)[:, 1:]  # one in each is the rotation of the two
    parts.append(np.take_along_axis(values, order, axis=1).real.ravel())
    return float(np.concatenate(parts).max())


def _pairs(
    found: Aligned, i: NDArray[np.intp], j: NDArray[np.intp], eta: float, kappa: float
) -> Array:
    """Return the blocks (a_ij, a_ji, h_ij, h_ji) of pairs of active modes, (B, 4, 4) (T7.3).

    Written for encoders w = p; a mode with p < 0 has w = |p|, the same up to the sign of an output
    row of W, which the orbit does not contain but the spectrum does not see.
    """
    p, s, m = found.p, found.s, found.m
    pi, pj, si, sj, mi, mj = p[i], p[j], s[i], s[j], m[i], m[j]
    block = np.zeros((len(pi), 4, 4))
    block[:, 0, 0] = -kappa * (pj**2 * sj + eta)
    block[:, 0, 2] = kappa * pj * (mj - pi * sj)
    block[:, 0, 3] = kappa * eta
    block[:, 1, 1] = -kappa * (pi**2 * si + eta)
    block[:, 1, 3] = kappa * pi * (mi - pj * si)
    block[:, 1, 2] = kappa * eta
    block[:, 2, 1] = eta
    block[:, 2, 0] = -pi * pj * sj
    block[:, 2, 2] = pi * (mj - pi * sj) - eta
    block[:, 3, 0] = eta
    block[:, 3, 1] = -pi * pj * si
    block[:, 3, 3] = pj * (mi - pj * si) - eta
    return block
