"""Limit cycles modulo the symmetry: period, amplitude, Floquet multipliers (T9.3).

The monodromy matrix g^-1 Dphi_T maps the tangents of the balanced manifold to themselves and
rotations to rotations; what it does between the two is the monodromy of the reduced flow (T9.4),
which has k d multipliers (twice as many with a moving average), one of them 1. Across the balanced
manifold it is exp(-2 eta T) times an isometry (T2.1). Output rows beyond the core add, for k = d,
exp(-2 eta T), exp(-eta T) and others inside the unit circle, as in T7.1: they never decide.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.linalg as sla
from scipy.integrate import solve_ivp

from equilibria.cycles.collocation import Closed, collocate, recollocate
from equilibria.cycles.dynamics import Dynamics, dynamics_of, plain_field
from equilibria.cycles.setting import Setting
from equilibria.varieties.component import Verdict
from equilibria.varieties.noncommuting.core import Array, ComplexArray
from equilibria.varieties.noncommuting.eigen import matrix_size

RTOL, ATOL = 1e-10, 1e-12
STIFF = 2e4  # |J| times the span beyond which LSODA takes over from DOP853
CLOSURE = 1e-7  # relative closure of an accepted cycle
RESTING = 1e-6  # relative variation of G below which an orbit is an equilibrium
SAMPLES = 1000
BORDERLINE = 1e-5  # multipliers this close to the unit circle leave the verdict open


@dataclass(frozen=True, eq=False)
class LimitCycle:
    """A relative periodic orbit of a flow: start x (size,), period, g in O(k), monodromy.

    `orbit` holds times and states over one period from a direct integration that knows nothing of
    how the cycle was found; `closure` is |g^-1 phi_T(x) - x| / |x| there.
    """

    setting: Setting
    start: Array
    period: float
    turn: Array
    monodromy: Array
    orbit: tuple[Array, Array]
    closure: float
    closed: Closed

    @property
    def dynamics(self) -> Dynamics:
        """The core system the cycle belongs to."""
        return Dynamics(self.setting, self.turn.shape[0])

    @property
    def tolerance(self) -> float:
        """The relative accuracy to expect of the numbers."""
        return max(1e-9, 10 * self.closure)

    @cached_property
    def multipliers(self) -> ComplexArray:
        """Floquet multipliers of the reduced flow, the trivial one first, then by modulus."""
        values = np.linalg.eigvals(self.reduced_monodromy).astype(np.complex128)
        trivial = int(np.argmin(np.abs(values - 1)))
        rest = np.delete(values, trivial)
        rest = rest[np.lexsort((-rest.imag, -np.abs(rest)))]
        return np.concatenate([values[trivial : trivial + 1], rest])

    @cached_property
    def reduced_monodromy(self) -> Array:
        """g^-1 Dphi_T on the balanced manifold modulo rotations, in an orthonormal basis."""
        rows = [self.dynamics.rotations(self.start)]
        if self.setting.kappa == 1:
            rows.append(self.dynamics.balances(self.start))
        C = sla.null_space(np.vstack(rows))
        return np.asarray(C.T @ self.monodromy @ C)

    @property
    def transverse(self) -> float | None:
        """exp(-2 eta T), the multipliers across the balanced manifold; None for unequal decays."""
        if self.setting.kappa != 1:
            return None
        return float(np.exp(-2 * self.setting.eta * self.period))

    @property
    def verdict(self) -> Verdict:
        """Stable: every multiplier but the trivial one inside the unit circle."""
        sizes = np.abs(self.multipliers[1:])
        border = BORDERLINE + abs(self.multipliers[0] - 1)
        if np.any(sizes > 1 + border):
            return Verdict.UNSTABLE
        return Verdict.UNDECIDED if np.any(sizes > 1 - border) else Verdict.STABLE

    @cached_property
    def gram(self) -> Array:
        """G = W^T W (SAMPLES + 1, d, d) over one period."""
        return self.dynamics.gram(self.orbit[1])

    @cached_property
    def amplitude(self) -> tuple[tuple[float, float], ...]:
        """(least, largest) of G_11, ..., G_dd over the cycle."""
        G = self.gram[:-1]
        return tuple((-_peak(-G[:, j, j]), _peak(G[:, j, j])) for j in range(self.setting.d))

    @property
    def extent(self) -> float:
        """How far G moves over the cycle, relative to its size."""
        return _variation(self.gram)

    @property
    def angle(self) -> float:
        """The largest angle of the turn g of one period, in radians."""
        return float(np.abs(np.angle(np.linalg.eigvals(self.turn))).max())

    def to_json(self, *, scale: float = 1.0) -> dict[str, object]:
        """Return the entry of `cycles`; `scale` is alpha / kappa of the model (G is 1 / scale)."""
        return {
            "period": self.period,
            "amplitude": [[low / scale, high / scale] for low, high in self.amplitude],
            "turn": self.angle,
            "multipliers": [[value.real, value.imag] for value in self.multipliers.tolist()],
            "transverse_multiplier": self.transverse,
            "verdict": self.verdict.value,
            "closure": self.closure,
            "how": "numeric",
            "tolerance": self.tolerance,
        }


def integrate(dynamics: Dynamics, x: Array, times: Array, *, rtol: float = RTOL) -> Array:
    """States (len(times), size) of the flow from x at times[0]; raises when integration fails."""
    span = float(times[-1] - times[0])
    field = plain_field(dynamics)
    explicit = matrix_size(dynamics.jacobian(x)) * span < STIFF
    done = solve_ivp(
        lambda _, y: field(y),
        (float(times[0]), float(times[-1])),
        x,
        method="DOP853" if explicit else "LSODA",
        t_eval=times,
        rtol=rtol,
        atol=ATOL * max(1.0, float(np.linalg.norm(x))),
    )
    if not done.success:
        raise np.linalg.LinAlgError(f"the flow could not be integrated: {done.message}")
    return np.asarray(done.y.T)


def close_cycle(setting: Setting, x: Array, period: float) -> LimitCycle | None:
    """The cycle near a state that nearly returns after `period`; None when Newton finds none.

    Converging to an equilibrium, where the period means nothing, also gives None.
    """
    if setting.is_map:
        raise ValueError("cycles are followed for flows; a map has invariant curves")
    dynamics = dynamics_of(setting, x)
    return _verified(dynamics, collocate(dynamics, x, period))


def carry_cycle(
    setting: Setting, last: LimitCycle, before: LimitCycle | None = None, share: float = 1.0
) -> LimitCycle | None:
    """The cycle of a neighbouring setting, by Newton from known ones; None when that fails.

    `before` and `share` extrapolate, see `recollocate`.
    """
    dynamics = Dynamics(setting, last.dynamics.k)
    known = None if before is None else before.closed
    return _verified(dynamics, recollocate(dynamics, last.closed, known, share))


def _verified(dynamics: Dynamics, closed: Closed | None) -> LimitCycle | None:
    """The cycle, if a direct integration over one period closes and does not stand still."""
    if closed is None or _variation(dynamics.gram(closed.states)) <= RESTING:
        return None
    times = np.linspace(0.0, closed.period, SAMPLES + 1)
    try:
        states = integrate(dynamics, closed.start, times)
    except np.linalg.LinAlgError:
        return None
    back = dynamics.rotated(states[-1], closed.turn.T)
    closure = float(np.linalg.norm(back - closed.start) / np.linalg.norm(closed.start))
    if not closure <= CLOSURE:
        return None
    return LimitCycle(
        dynamics.setting,
        closed.start,
        closed.period,
        closed.turn,
        closed.monodromy,
        (times, states),
        closure,
        closed,
    )


def same_cycle(one: LimitCycle, two: LimitCycle) -> bool:
    """Whether two cycles of one setting agree in period and amplitudes."""
    a = np.append(np.ravel(one.amplitude), one.period)
    b = np.append(np.ravel(two.amplitude), two.period)
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-9))


def _variation(G: Array) -> float:
    """How far apart G (.., d, d) gets along the first axis, relative to its size."""
    return float(np.ptp(G, axis=0).max() / np.abs(G[0]).max())


def _peak(values: Array) -> float:
    """The maximum of a periodic sample, by a parabola through the largest and its neighbours."""
    at = int(np.argmax(values))
    left, top, right = values[at - 1], values[at], values[(at + 1) % values.size]
    bend = left - 2 * top + right
    return float(top - (left - right) ** 2 / (8 * bend)) if bend < 0 else float(top)
