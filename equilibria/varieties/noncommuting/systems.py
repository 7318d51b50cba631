"""A flow or a map, as a linear system on displacements from an equilibrium (theorem T7.0, T10.2).

State: x = (A, H), then the velocity v of x if there is heavy-ball momentum, then the target G if
it is a moving average. With F = X x + B G (see `linearisation`):

    flow   dx = F                              [dG = beta (H - G)]
    map    v+ = nu v + F,   x+ = x + h v+      [G+ = mu G + (1 - mu) H+]

Without a moving average G = H.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import Array, ComplexArray
from equilibria.varieties.noncommuting.linearisation import CoreLinearisation


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow; `beta` is the rate of the moving average, None for stop-gradient."""

    beta: float | None = None
    neutral: float = 0.0

    def size(self, lin: CoreLinearisation) -> int:
        """Number of coordinates of the state."""
        k, d = lin.shape
        return lin.size + (0 if self.beta is None else k * d)

    def apply(self, lin: CoreLinearisation, state: Array) -> Array:
        """The right-hand side at `state` (size,)."""
        x, G = state[: lin.size], state[lin.size :]
        A, H = lin.split(x)
        G = H if self.beta is None else G.reshape(lin.shape)
        dx = lin.join(*lin.frozen(A, H)) + lin.join(*lin.target(G))
        return dx if self.beta is None else np.append(dx, self.beta * (H - G))

    def matrix(self, lin: CoreLinearisation) -> Array:
        """The Jacobian (size, size)."""
        X, B = lin.frozen_matrix(), lin.target_matrix()
        k, d = lin.shape
        if self.beta is None:
            X[:, k * k :] += B
            return X
        select = np.eye(k * d, lin.size, k * k)
        return np.block([[X, B], [self.beta * select, -self.beta * np.eye(k * d)]])

    def balance(self, lin: CoreLinearisation) -> ComplexArray:
        """The eigenvalue of the balance functionals for equal decays (T2.1)."""
        return np.array([-2 * lin.eta], dtype=np.complex128)

    def tangent(self, lin: CoreLinearisation, rotations: Array) -> Array:
        """Extend rows of (A, H) to states along the orbit: the target turns with the encoder."""
        k = lin.shape[0]
        return rotations if self.beta is None else np.hstack([rotations, rotations[:, k * k :]])

    def inactive(self, lin: CoreLinearisation, rows: int) -> ComplexArray:
        """Non-neutral eigenvalues of `rows` inactive output rows (T7.1)."""
        d = lin.shape[1]
        per_row = lin.inactive()
        if self.beta is not None:
            per_row = np.append(per_row, np.full(d, -self.beta))
        corner = np.full(rows * rows, -lin.kappa * lin.eta)
        return np.append(np.tile(per_row, rows), corner).astype(np.complex128)


@dataclass(frozen=True, slots=True)
class Map:
    """The update map with step h, heavy ball nu, and moving average mu (None: stop-gradient)."""

    h: float
    mu: float | None = None
    nu: float = 0.0
    neutral: float = 1.0

    def __post_init__(self) -> None:
        if not self.h > 0:
            raise ValueError(f"h = {self.h}: the step must be positive")
        if not 0 <= self.nu < 1:
            raise ValueError(f"nu = {self.nu}: the heavy-ball momentum must satisfy 0 <= nu < 1")
        if self.mu is not None and not 0 <= self.mu < 1:
            raise ValueError(f"mu = {self.mu}: the target momentum must satisfy 0 <= mu < 1")

    def size(self, lin: CoreLinearisation) -> int:
        """Number of coordinates of the state."""
        k, d = lin.shape
        return lin.size * (2 if self.nu else 1) + (0 if self.mu is None else k * d)

    def apply(self, lin: CoreLinearisation, state: Array) -> Array:
        """The next state."""
        x = state[: lin.size]
        A, H = lin.split(x)
        G = H if self.mu is None else state[state.size - H.size :].reshape(lin.shape)
        velocity = lin.join(*lin.frozen(A, H)) + lin.join(*lin.target(G))
        if self.nu:
            velocity = velocity + self.nu * state[lin.size : 2 * lin.size]
        x = x + self.h * velocity
        parts = [x, velocity] if self.nu else [x]
        if self.mu is not None:
            parts.append((self.mu * G + (1 - self.mu) * lin.split(x)[1]).ravel())
        return np.concatenate(parts)

    def matrix(self, lin: CoreLinearisation) -> Array:
        """The Jacobian (size, size)."""
        force = Flow(None).matrix(lin) if self.mu is None else lin.frozen_matrix()
        unit = np.eye(lin.size)
        velocity = [force, self.nu * unit] if self.nu else [force]
        step = (
            [unit + self.h * force, self.h * self.nu * unit] if self.nu else [unit + self.h * force]
        )
        if self.mu is not None:
            B = lin.target_matrix()
            velocity, step = [*velocity, B], [*step, self.h * B]
        x_rows, v_rows = np.hstack(step), np.hstack(velocity)
        blocks = [x_rows, v_rows] if self.nu else [x_rows]
        if self.mu is not None:
            k, d = lin.shape
            follow = (1 - self.mu) * x_rows[k * k :]
            follow[:, -k * d :] += self.mu * np.eye(k * d)
            blocks.append(follow)
        return np.vstack(blocks)

    def balance(self, lin: CoreLinearisation) -> ComplexArray:
        """The multipliers of the balance functionals for equal decays (T2.1 through T7.0)."""
        return self.multipliers(Flow(None).balance(lin))

    def tangent(self, lin: CoreLinearisation, rotations: Array) -> Array:
        """Extend rows of (A, H) to states along the orbit: at rest, the target turning along."""
        k = lin.shape[0]
        parts = [rotations, np.zeros_like(rotations)] if self.nu else [rotations]
        if self.mu is not None:
            parts.append(rotations[:, k * k :])
        return np.hstack(parts)

    def inactive(self, lin: CoreLinearisation, rows: int) -> ComplexArray:
        """Non-neutral multipliers of `rows` inactive output rows (T7.1 through T7.0)."""
        k, d = lin.shape
        rates = Flow(None).inactive(lin, rows)
        multipliers = self.multipliers(rates)
        partners = np.full(rows * k if self.nu else 0, self.nu)
        follow = np.full(0 if self.mu is None else rows * d, self.mu or 0.0)
        return np.concatenate([multipliers, partners, follow]).astype(np.complex128)

    def multipliers(self, rates: ComplexArray) -> ComplexArray:
        """All z with (z - 1)(z - nu) = h z rate: where the target plays no part, or for T = W."""
        if not self.nu:
            return 1 + self.h * rates
        half = (1 + self.nu + self.h * rates) / 2
        root = np.sqrt(half * half - self.nu)
        return np.concatenate([half + root, half - root])


System = Flow | Map
