"""Where a run of the flow ends up: at rest, on a cycle, or neither within the time given.

The run is cut at a section through the middle of its own recent Gram matrices, across their widest
direction. When the state where it crosses, symmetry divided out, repeats, shooting finishes the
job; when the Gram matrix stands still the run has come to rest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.integrate import solve_ivp

from equilibria.cycles.cycle import LimitCycle, close_cycle
from equilibria.cycles.dynamics import Dynamics, aligning, dynamics_of, plain_field
from equilibria.cycles.pairs import eigenvectors, frequency, jacobian, leading_pair
from equilibria.cycles.setting import Setting
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium

Ending = Literal["rest", "cycle", "unsettled"]
RTOL = 1e-8
REST = 1e-7  # relative change of G over a chunk at rest
RETURN = 0.02  # distance of returns, relative to the size of the orbit, at which Newton takes over
CHUNKS = 40
DECAYING = (
    0.8  # spread of G from one quarter of a span to the next, below which it is coming to rest
)
LONGEST = 4  # crossings of the section in one period, at most


@dataclass(frozen=True, slots=True, eq=False)
class Settled:
    """How a run ended, the cycle if it did on one, the last state and the time it took."""

    ending: Ending
    cycle: LimitCycle | None
    state: Array
    time: float


def kicked(setting: Setting, core: CoreEquilibrium, *, size: float = 0.05) -> tuple[Array, float]:
    """A state displaced from a focus by `size` (relative) in its leading plane, and its period."""
    pair = leading_pair(setting, core)
    if pair is None:
        raise ValueError("the equilibrium has a real spectrum: it is no focus")
    q, _ = eigenvectors(jacobian(setting, core), pair)
    x = Dynamics(setting, core.rank).at(core)
    direction = q.real / np.linalg.norm(q.real)
    return x + size * np.linalg.norm(core.W) * direction, 2 * np.pi / frequency(setting, pair)


def settle(
    setting: Setting, x: Array, chunk: float, *, chunks: int = CHUNKS, closing: bool = True
) -> Settled:
    """Follow the flow from x in at most `chunks` spans of length `chunk`.

    Without `closing` no cycle is looked for: runs only come to rest, or do not.
    """
    dynamics = dynamics_of(setting, x)
    field = plain_field(dynamics)
    times = np.linspace(0.0, chunk, 801)
    for number in range(1, chunks + 1):
        done = solve_ivp(
            lambda _, y: field(y),
            (0.0, chunk),
            x,
            method="LSODA",
            jac=lambda _, y: dynamics.jacobian(y),
            t_eval=times,
            rtol=RTOL,
            atol=1e-12,
        )
        if not done.success or not np.all(np.isfinite(done.y[:, -1])):
            break
        states = done.y.T
        x = states[-1]
        G = dynamics.gram(states).reshape(times.size, -1)
        spread = float(np.abs(G - G[-1]).max())
        if spread <= REST * max(float(np.abs(G[-1]).max()), setting.eta**2):
            return Settled("rest", None, x, number * chunk)
        found = _recurrence(dynamics, times, states, G) if closing else None
        if found is not None:
            cycle = close_cycle(setting, *found)
            if cycle is not None:
                return Settled("cycle", cycle, cycle.start, number * chunk)
    return Settled("unsettled", None, x, chunks * chunk)


def _recurrence(
    dynamics: Dynamics, times: Array, states: Array, G: Array
) -> tuple[Array, float] | None:
    """A state and the time after which it nearly comes back, or None."""
    half = times.size // 2
    recent = G[half:]
    third, last_quarter = (float(part.std(axis=0).max()) for part in np.array_split(recent, 2))
    if last_quarter < DECAYING * third:
        return None
    centre = recent.mean(axis=0)
    _, _, directions = np.linalg.svd(recent - centre, full_matrices=False)
    height = (G - centre) @ directions[0]
    ups = np.flatnonzero((height[:-1] < 0) & (height[1:] >= 0))
    ups = ups[ups >= half // 2]
    if ups.size < 2:
        return None
    share = height[ups] / (height[ups] - height[ups + 1])
    at = times[ups] + share * (times[1] - times[0])
    points = states[ups] + share[:, None] * (states[ups + 1] - states[ups])
    last, W = points[-1], dynamics.split(points[-1])[1]
    extent = float(np.linalg.norm(recent.std(axis=0)))
    for back in range(1, min(LONGEST, ups.size - 1) + 1):
        before = points[-1 - back]
        turned = dynamics.rotated(before, aligning(dynamics.split(before)[1], W))
        gap = float(np.linalg.norm(turned - last) / np.linalg.norm(last))
        width = extent / float(np.linalg.norm(centre))
        if gap <= RETURN * width:
            return last, float(at[-1] - at[-1 - back])
    return None
