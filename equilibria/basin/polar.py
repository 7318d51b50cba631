"""One mode with the size of (w, t) as a logarithm, so that nothing underflows while decay is slow.

Given p, the encoder's entry w, the target t and the heavy-ball velocity of w form a vector z that moves
linearly: z' = A(p) z, or z+ = B(p) z. With u = z/|z| and L = ln|z| the state (p[, v_p], u, L) has

    p' = alpha e^{2L} u_w (m u_t - p s u_w) - eta_P p,     u' = A u - (u.A u) u,     L' = u.A u ,

which is smooth wherever z != 0, also where w passes through 0. At small decay w shrinks to e^{-1/eta}
before it grows again (delayed loss of stability, T12.2): L holds that, a double does not. The sign of z
is a symmetry and is dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.systems.numeric import ModeDynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TINY = 1e-300
NEGLIGIBLE = -100.0
LOGS_APART = 1e4  # so small that p does not feel it


@dataclass(frozen=True)
class PolarMode:
    """Flow or map of one mode for batches of states (p[, v_p], u, L), one a row."""

    dynamics: ModeDynamics
    is_map: bool

    @property
    def heavy(self) -> bool:
        """Return whether velocities are part of the state."""
        return self.is_map and self.dynamics.rates.nu != 0

    @property
    def ema(self) -> bool:
        return self.dynamics.rates.beta is not None

    @property
    def first(self) -> int:
        """Return the column of u_w; p is column 0, and v_p column 1 where there is one."""
        return 2 if self.heavy else 1

    def start(self, points: Array) -> Array:
        """Return states at rest from rows (p, w[, t]); z must not be 0."""
        w = points[:, 1]
        z = [w, points[:, 2]] if self.ema else [w]
        if self.heavy:
            z.append(np.zeros_like(w))
        vector = np.column_stack(z)
        size = np.sqrt((vector**2).sum(axis=1))
        front = [points[:, 0], np.zeros_like(w)] if self.heavy else [points[:, 0]]
        return np.column_stack([*front, vector / size[:, None], np.log(size)])

    def points(self, y: Array) -> Array:
        """Return rows (p, w, t); w and t may underflow to 0."""
        size = np.exp(np.minimum(y[:, -1], 300.0))
        w = size * y[:, self.first]
        t = size * y[:, self.first + 1] if self.ema else w
        return np.column_stack([y[:, 0], w, t])

    def velocity(self, y: Array, moved: Array) -> Array:
        """Return rows (p', w'[, t']) from the derivatives (or the displacement) of the states."""
        size = np.exp(np.minimum(y[:, -1], 300.0))[:, None]
        u, first = y[:, self.first : -1], self.first
        z = size * (moved[:, first:-1] + u * moved[:, -1:])
        return np.column_stack([moved[:, 0], z[:, : 2 if self.ema else 1]])

    def dying(self, y: Array, limit: float) -> NDArray[np.bool_]:
        """Return where the mode is lost for good though p is still far from 0.

        Below `limit`, the inner root of s p^2 - m p + eta = 0 in the direction of m, z decays; where
        z is too small to move p, p goes to 0 by itself and stays below. For the map the decay is
        tested along the way, by spectral radii.
        """
        sign = 1.0 if self.dynamics.m > 0 else -1.0
        p = sign * y[:, 0]
        lost = (y[:, -1] < NEGLIGIBLE) & (p < limit)
        if self.is_map and lost.any():
            rows = np.flatnonzero(lost)
            parts = np.linspace(0.0, 1.0, 9)
            radius = [self._radius(sign * p[rows] * part) for part in parts]
            lost[rows] = np.max(radius, axis=0) < 1
        return lost

    def _radius(self, p: Array) -> Array:
        """Return the spectral radius of B(p)."""
        width = 1 + self.ema + self.heavy
        start = np.zeros((len(p), width, self.first + width + 1))
        start[:, :, 0] = p[:, None]
        start[:, :, -1] = -LOGS_APART
        for column in range(width):
            start[:, column, self.first + column] = 1.0
        flat = start.reshape(-1, start.shape[2])
        moved = self.increment(flat)
        after = (flat + moved)[:, self.first : -1] * np.exp(moved[:, -1:])
        values = np.linalg.eigvals(after.reshape(len(p), width, width).transpose(0, 2, 1))
        return np.asarray(np.abs(values).max(axis=1))

    def generator(self, y: Array) -> Array:
        """Return dy/dt of the flow, or the dy/dn whose unit-time flow is the map, to third order.

        log(1 + Delta) = Delta - Delta^2/2 + Delta^3/3 - ...; `tail` returns the size of the last term.
        """
        if not self.is_map:
            return self._flow(y)
        first, second, third = self._differences(y)
        return np.asarray(first - second / 2 + third / 3)

    def tail(self, y: Array) -> Array:
        """Return the third-order term of the generator of the map."""
        return np.asarray(np.abs(self._differences(y)[2]) / 3)

    def _differences(self, y: Array) -> tuple[Array, Array, Array]:
        one = self.increment(y)
        two = self.increment(y + one)
        three = self.increment(y + one + two)
        return one, two - one, three - 2 * two + one

    def _pull(self, y: Array) -> tuple[Array, Array]:
        """Return p' / (without its decay) and R/|z| = m u_t - p s u_w."""
        mode, u = self.dynamics, y[:, self.first]
        t = y[:, self.first + 1] if self.ema else u
        r = mode.m * t - mode.s * y[:, 0] * u
        grown = np.exp(np.minimum(2 * y[:, -1], 600.0))
        return mode.rates.alpha * grown * u * r, r

    def _flow(self, y: Array) -> Array:
        rates, p = self.dynamics.rates, y[:, 0]
        u = y[:, 1:-1]
        push, r = self._pull(y)
        moved = np.empty_like(u)
        moved[:, 0] = p * r - rates.eta * u[:, 0]
        if self.ema:
            assert rates.beta is not None
            moved[:, 1] = rates.beta * (u[:, 0] - u[:, 1])
        growth = (u * moved).sum(axis=1)
        return np.column_stack([push - rates.eta_p * p, moved - growth[:, None] * u, growth])

    def increment(self, y: Array) -> Array:
        """Return the change of the state in one step of the map, without cancellation."""
        rates, p = self.dynamics.rates, y[:, 0]
        push, r = self._pull(y)
        slope = push - rates.eta_p * p
        u = y[:, self.first : -1]
        bend = p * r - rates.eta * u[:, 0]
        change = np.empty_like(u)
        if self.heavy:
            slope = slope + rates.nu * y[:, 1]
            bend = bend + rates.nu * u[:, -1]
            change[:, -1] = bend - u[:, -1]
        change[:, 0] = rates.h * bend
        if self.ema:
            change[:, 1] = (1 - rates.mu) * (u[:, 0] + change[:, 0] - u[:, 1])
        gain = ((2 * u + change) * change).sum(axis=1)  # |u + change|^2 - 1
        size = np.sqrt(np.maximum(((u + change) ** 2).sum(axis=1), TINY))
        grown = np.where(gain > -0.5, np.log1p(np.maximum(gain, -0.5)) / 2, np.log(size))
        turned = (change - u * (gain / (1 + size))[:, None]) / size[:, None]
        front = [rates.h * slope, slope - y[:, 1]] if self.heavy else [rates.h * slope]
        return np.column_stack([*front, turned, grown])

    def normalised(self, y: Array) -> Array:
        """Return states with |u| = 1 again, in place, and u on the side where u_w + u_t >= 0."""
        u = y[:, self.first : -1]
        u /= np.sqrt((u**2).sum(axis=1))[:, None]
        u *= np.where(u.sum(axis=1) < 0, -1.0, 1.0)[:, None]
        return y
