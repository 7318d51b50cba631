"""Limit cycles modulo the symmetry, by shooting (T9.3).

A relative periodic orbit returns to itself turned: phi_T(x) = g x with g in O(k), so that G = W^T W
has period T while W rotates. Newton's method solves

    g^-1 phi_T(x) = x,    f(x)^T dx = 0,    (Omega x)^T dx = 0 for every rotation Omega

for (x, T, g), the variational equations being integrated along. The monodromy matrix g^-1 Dphi_T
maps the tangents of the balanced manifold to themselves and the rotations to rotations; what it
does between the two is the monodromy of the reduced flow (T9.4), which has k d multipliers, one of
them 1. Across the balanced manifold it is exp(-2 eta T) times an isometry (T2.1). Output rows
beyond the core and n > k = d add exp(-2 eta T), exp(-eta T) and others inside the unit circle, as in
T7.1: they never decide.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy.linalg as sla
from scipy.integrate import solve_ivp

from equilibria.cycles.dynamics import Dynamics, aligning, skew_basis
from equilibria.cycles.setting import Setting
from equilibria.noncommuting.core import Array, ComplexArray
from equilibria.noncommuting.eigen import matrix_size
from equilibria.results import Verdict

RTOL, ATOL = 1e-11, 1e-13
STIFF = 2e4  # |J| times the span beyond which LSODA takes over from DOP853
ITERATIONS = 14
CLOSURE = 1e-8  # relative closure of an accepted cycle
SAMPLES = 2000
BORDERLINE = 1e-5  # multipliers this close to the unit circle leave the verdict open


@dataclass(frozen=True, eq=False)
class LimitCycle:
    """A relative periodic orbit of a flow: start x (size,), period, g in O(k), monodromy.

    `closure` is |g^-1 phi_T(x) - x| / |x|; everything here is numeric, to about `tolerance`.
    """

    setting: Setting
    start: Array
    period: float
    turn: Array
    monodromy: Array
    closure: float

    @property
    def dynamics(self) -> Dynamics:
        """The core system the cycle belongs to."""
        return Dynamics(self.setting, self.turn.shape[0])

    @property
    def tolerance(self) -> float:
        """The relative accuracy to expect of the numbers."""
        return max(1e-9, 100 * self.closure)

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
    def orbit(self) -> tuple[Array, Array]:
        """Times (SAMPLES + 1,) over one period and the states there (.., size)."""
        times = np.linspace(0.0, self.period, SAMPLES + 1)
        return times, integrate(self.dynamics, self.start, times)

    @cached_property
    def amplitude(self) -> tuple[tuple[float, float], ...]:
        """(least, largest) of G_11, ..., G_dd over the cycle."""
        G = self.dynamics.gram(self.orbit[1][:-1])
        return tuple(
            (-_peak(-G[:, j, j]), _peak(G[:, j, j])) for j in range(self.setting.d)
        )

    @property
    def angle(self) -> float:
        """The largest angle of the turn g of one period, in radians."""
        return float(np.abs(np.angle(np.linalg.eigvals(self.turn))).max())

    def to_json(self, *, scale: float = 1.0) -> dict[str, Any]:
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
    done = solve_ivp(
        lambda _, y: dynamics.field(y),
        (float(times[0]), float(times[-1])),
        x,
        method=method(dynamics, x, float(times[-1] - times[0])),
        t_eval=times,
        rtol=rtol,
        atol=ATOL * max(1.0, float(np.linalg.norm(x))),
    )
    if not done.success:
        raise np.linalg.LinAlgError(f"the flow could not be integrated: {done.message}")
    return np.asarray(done.y.T)


def method(dynamics: Dynamics, x: Array, span: float) -> Any:
    """DOP853, or LSODA where the span is long against the fastest rate."""
    rate = matrix_size(dynamics.tangent(x, np.eye(x.size)))
    return "DOP853" if rate * span < STIFF else "LSODA"


def flow_with_tangent(dynamics: Dynamics, x: Array, span: float) -> tuple[Array, Array]:
    """(phi_span(x), Dphi_span(x))."""
    size = x.size

    def both(_: float, z: Array) -> Array:
        y = z[:size]
        V = dynamics.tangent(y, z[size:].reshape(size, size))
        return np.concatenate([dynamics.field(y), V.ravel()])

    begin = np.concatenate([x, np.eye(size).ravel()])
    way = method(dynamics, x, span)
    done = solve_ivp(both, (0.0, span), begin, method=way, rtol=RTOL, atol=ATOL)
    if not done.success:
        raise np.linalg.LinAlgError(f"the flow could not be integrated: {done.message}")
    end = done.y[:, -1]
    return end[:size], end[size:].reshape(size, size)


def close_cycle(
    setting: Setting, x: Array, period: float, *, iterations: int = ITERATIONS
) -> LimitCycle | None:
    """Newton from a state that nearly returns after `period`; None when it does not converge.

    Falling onto an equilibrium, where the period means nothing, also gives None.
    """
    if setting.is_map:
        raise ValueError("cycles are followed for flows; a map has invariant curves")
    k = round((-setting.d + np.sqrt(setting.d**2 + 4 * _own(setting, x))) / 2)
    dynamics = Dynamics(setting, k)
    best: LimitCycle | None = None
    for _ in range(iterations):
        try:
            found, step = _newton_step(dynamics, x, period)
        except (np.linalg.LinAlgError, ValueError):
            break
        if best is not None and best.closure < CLOSURE and found.closure >= 0.5 * best.closure:
            break
        best = found if best is None or found.closure < best.closure else best
        limit = 0.3 * float(np.linalg.norm(x)), 0.3 * period
        factor = min(1.0, limit[0] / np.linalg.norm(step[:-1]), limit[1] / abs(step[-1]))
        x, period = x + factor * step[:-1], period + factor * float(step[-1])
        if not (np.all(np.isfinite(x)) and period > 0):
            break
    if best is None or best.closure > CLOSURE or _resting(best):
        return None
    return best


def _own(setting: Setting, x: Array) -> int:
    """k^2 + k d from the size of the state of a flow."""
    if setting.beta is None:
        return x.size
    d = setting.d  # size = k^2 + 2 k d
    k = round(-d + np.sqrt(d * d + x.size))
    return k * (k + d)


def _newton_step(dynamics: Dynamics, x: Array, period: float) -> tuple[LimitCycle, Array]:
    """The cycle as it stands at (x, period), and the correction (dx, dT)."""
    end, D = flow_with_tangent(dynamics, x, period)
    g = aligning(dynamics.split(x)[1], dynamics.split(end)[1])
    back = dynamics.rotated(end, g.T)
    D = dynamics.rotated(D.T, g.T).T
    gap = back - x
    size = x.size
    turns, velocity = dynamics.rotations(x), dynamics.field(x)
    planes = skew_basis(dynamics.k).shape[0]
    J = np.zeros((size + 1 + planes, size + 1 + planes))
    J[:size, :size] = D - np.eye(size)
    J[:size, size] = dynamics.rotated(dynamics.field(end), g.T)
    J[:size, size + 1 :] = -dynamics.rotations(back).T
    J[size, :size] = velocity
    J[size + 1 :, :size] = turns
    rows = np.linalg.norm(J, axis=1)
    right = -np.concatenate([gap, np.zeros(1 + planes)])
    step = np.linalg.solve(J / rows[:, None], right / rows)
    closure = float(np.linalg.norm(gap) / np.linalg.norm(x))
    return LimitCycle(dynamics.setting, x, period, g, D, closure), step[: size + 1]


def _resting(cycle: LimitCycle) -> bool:
    """Whether the orbit stays at one G: an equilibrium."""
    G = cycle.dynamics.gram(cycle.orbit[1])
    return bool(np.abs(G - G[0]).max() <= 1e-6 * np.abs(G[0]).max())


def same_cycle(one: LimitCycle, two: LimitCycle) -> bool:
    """Whether two cycles of one setting agree in period and amplitudes."""
    a = np.append(np.ravel(one.amplitude), one.period)
    b = np.append(np.ravel(two.amplitude), two.period)
    return bool(np.allclose(a, b, rtol=1e-5, atol=1e-9))


def moved(cycle: LimitCycle, setting: Setting) -> LimitCycle:
    """The same orbit regarded as a guess under another setting."""
    return replace(cycle, setting=setting)


def _peak(values: Array) -> float:
    """The maximum of a periodic sample, by a parabola through the largest and its neighbours."""
    at = int(np.argmax(values))
    left, top, right = values[at - 1], values[at], values[(at + 1) % values.size]
    bend = left - 2 * top + right
    return float(top - (left - right) ** 2 / (8 * bend)) if bend < 0 else float(top)
