"""Right-hand sides and one-step maps for batches of states: one mode, and full matrices.

A batch is an array with one trajectory a row. One mode: (p, w[, t]). Matrices: (W, P[, T]) flattened
row by row. Maps carry the heavy-ball velocities of p and w (W and P) behind the state when nu > 0.
Commuting moments are used in their eigenbasis, where Sigma and M are vectors.
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


@dataclass(frozen=True)
class Rates:
    """The rates of a model in floating point; `beta` is None for stop-gradient."""

    alpha: float
    eta: float
    eta_p: float
    h: float
    mu: float
    nu: float
    beta: float | None

    @classmethod
    def of(cls, model: Model) -> Rates:
        return cls(
            to_float(model.alpha),
            to_float(model.eta),
            to_float(model.eta_p),
            to_float(model.h),
            to_float(model.mu),
            to_float(model.nu),
            to_float(model.flow_rate) if model.traits.has_target else None,
        )


@dataclass(frozen=True)
class ModeDynamics:
    """One mode with eigenvalues s of Sigma and m of M."""

    s: float
    m: float
    rates: Rates

    @property
    def size(self) -> int:
        return 2 if self.rates.beta is None else 3

    def flow(self, y: Array, out: Array) -> None:
        """Write the derivatives of (p, w[, t])."""
        p, w = y[:, 0], y[:, 1]
        t = w if self.rates.beta is None else y[:, 2]
        r = t * self.m - p * w * self.s
        out[:, 0] = self.rates.alpha * r * w - self.rates.eta_p * p
        out[:, 1] = p * r - self.rates.eta * w
        if self.rates.beta is not None:
            out[:, 2] = self.rates.beta * (w - t)

    def step(self, y: Array) -> Array:
        """Return the state, with the velocities of p and w when nu > 0, after one step."""
        rates, k = self.rates, self.size
        direction = np.empty((len(y), k))
        self.flow(y[:, :k], direction)
        after = y.copy()
        move = direction[:, :2]
        if rates.nu:
            move = rates.nu * y[:, k : k + 2] + move
            after[:, k : k + 2] = move
        after[:, :2] += rates.h * move
        if rates.beta is not None:
            after[:, 2] = rates.mu * y[:, 2] + (1 - rates.mu) * after[:, 1]
        return after


class MatrixDynamics:
    """W (n x d), P (n x n) and, for EMA, T (n x d), for batches of at most `width` trajectories."""

    def __init__(self, model: Model, width: int) -> None:
        self.model, self.rates = model, Rates.of(model)
        self.n, self.d, self.ema = model.n, model.d, model.traits.has_target
        self.basis: Array | None = None
        self.sigma, self.signal = model.moments.matrices()
        self.diagonal = model.moments.commute
        block = (width, self.n, self.d)
        if self.diagonal:
            s, m, basis = model.moments.eigenbasis
            self.basis = basis
            self.sigma = np.ascontiguousarray(np.broadcast_to(s, block))
            self.signal = np.ascontiguousarray(np.broadcast_to(m, block))
        self.u, self.r = np.empty(block), np.empty(block)
        self.v = np.empty((width, self.d, self.n))
        decays = [self.rates.eta] * (self.n * self.d) + [self.rates.eta_p] * self.n**2
        self.decay = np.tile(np.array(decays), (width, 1))
        self.q = np.empty_like(self.decay)

    @property
    def size(self) -> int:
        return (2 if self.ema else 1) * self.n * self.d + self.n * self.n

    def pack(self, W: Array, P: Array) -> Array:
        """Return starts with T = W from arrays (B, n, d) and (B, n, n) in the basis of the data."""
        if self.basis is not None:
            W = W @ self.basis
        flat_w, flat_p = W.reshape(len(W), -1), P.reshape(len(P), -1)
        parts = [flat_w, flat_p, flat_w] if self.ema else [flat_w, flat_p]
        return np.ascontiguousarray(np.concatenate(parts, axis=1))

    def unpack(self, y: Array) -> tuple[Array, Array, Array]:
        """Return views W, P, T (T is W for stop-gradient) in the basis of the modes."""
        count, nd = len(y), self.n * self.d
        W = y[:, :nd].reshape(count, self.n, self.d)
        P = y[:, nd : nd + self.n * self.n].reshape(count, self.n, self.n)
        T = y[:, nd + self.n**2 : self.size].reshape(count, self.n, self.d) if self.ema else W
        return W, P, T

    def flow(self, y: Array, out: Array) -> None:
        """Write the derivatives of (W, P[, T])."""
        b = len(y)
        W, P, T = self.unpack(y)
        dW, dP, dT = self.unpack(out)
        u, r, v = self.u[:b], self.r[:b], self.v[:b]
        if self.diagonal:
            np.multiply(W, self.sigma[:b], out=u)
            np.matmul(P, u, out=r)
            np.multiply(T, self.signal[:b], out=u)
        else:
            np.matmul(W, self.sigma, out=u)
            np.matmul(P, u, out=r)
            np.matmul(T, self.signal, out=u)
        np.subtract(u, r, out=r)
        np.copyto(v, W.transpose(0, 2, 1))  # a copy is cheaper than a product with a transpose
        np.matmul(r, v, out=dP)
        if self.rates.alpha != 1.0:
            np.multiply(dP, self.rates.alpha, out=dP)
        np.matmul(P.transpose(0, 2, 1), r, out=dW)
        moving, q = self.n * self.d + self.n**2, self.q[:b]
        np.multiply(y[:, :moving], self.decay[:b], out=q)
        np.subtract(out[:, :moving], q, out=out[:, :moving])
        if self.ema:
            assert self.rates.beta is not None
            np.subtract(W, T, out=dT)
            np.multiply(dT, self.rates.beta, out=dT)

    def step(self, y: Array, velocity: Array | None, out: Array) -> None:
        """Advance states (and their velocities) in place by one step; `out` is scratch space."""
        rates, moving = self.rates, self.n * self.d + self.n * self.n
        self.flow(y, out)
        direction = out[:, :moving]
        if velocity is not None:
            np.multiply(velocity, rates.nu, out=velocity)
            np.add(velocity, direction, out=velocity)
            np.multiply(velocity, rates.h, out=direction)
        else:
            np.multiply(direction, rates.h, out=direction)
        np.add(y[:, :moving], direction, out=y[:, :moving])
        if self.ema:
            nd = self.n * self.d
            T, scratch = y[:, moving:], out[:, moving:]
            np.multiply(T, rates.mu, out=T)
            np.multiply(y[:, :nd], 1 - rates.mu, out=scratch)
            np.add(T, scratch, out=T)
