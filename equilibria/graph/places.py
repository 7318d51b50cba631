"""Where runs of moments that do not commute can end: equilibria and limit cycles as places.

Nothing decouples, so a place is known by its invariants: G = W^T W and W^T P W, which determine an
orbit of O(n). An equilibrium has one value of them, a cycle a closed curve. Everything is written on
the core, k output rows and alpha = 1 (`noncommuting.core`); further rows add nothing unstable (T7.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.cycles.cycle import LimitCycle
from equilibria.cycles.dynamics import Dynamics, dynamics_of
from equilibria.cycles.setting import Setting
from equilibria.varieties.component import Component, Verdict
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium
from equilibria.varieties.noncommuting.eigen import matrix_size

UNSTABLE = 1e-8  # real part, relative to the Jacobian, above which a direction is unstable
NEAR = 1e-3  # relative distance of invariants at which a run has arrived
GONE = 1e-3  # G, relative to the smallest of any equilibrium, below which a run has collapsed


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """A displacement (size,) of norm 1 that grows, the rate at which it does, and its name."""

    vector: Array
    rate: float
    kind: str
    words: str


@dataclass(frozen=True, slots=True, eq=False)
class Place:
    """A node as runs see it: a state on it, its invariants (count, size), what leaves it."""

    id: str
    stable: bool
    state: Array
    marks: Array
    index: int
    rate: float
    directions: tuple[Direction, ...]


def marks_of(dynamics: Dynamics, states: Array) -> Array:
    """The invariants (count, 2 d^2) of states (count, size)."""
    P, W, _ = dynamics.split(np.atleast_2d(states))
    Wt = np.swapaxes(W, -1, -2)
    both = np.concatenate([Wt @ W, Wt @ P @ W], axis=-2)
    return np.asarray(both.reshape(both.shape[0], -1))


def equilibrium_place(setting: Setting, core: CoreEquilibrium, component: Component) -> Place:
    """The place of an equilibrium of rank at least 1."""
    dynamics = Dynamics(setting, core.rank)
    state = dynamics.at(core)
    J = setting.system.matrix(setting.linearised(core))
    values, vectors = np.linalg.eig(J)
    limit = UNSTABLE * matrix_size(J)
    if component.flow.verdict is Verdict.UNSTABLE and component.flow.extent:
        limit = min(limit, component.flow.extent / 2)
    unstable = np.flatnonzero(values.real > limit)
    turns = dynamics.rotations(state)
    directions: list[Direction] = []
    for at in unstable[np.argsort(-values.real[unstable], kind="stable")]:
        if values[at].imag >= 0:
            directions += _directions(complex(values[at]), vectors[:, at], turns)
    return Place(
        id=component.id,
        stable=component.flow.verdict is Verdict.STABLE,
        state=state,
        marks=marks_of(dynamics, state),
        index=int(unstable.size),
        rate=float(values.real[unstable].max()) if unstable.size else 0.0,
        directions=tuple(directions),
    )


def collapse_place(name: str, setting: Setting) -> Place:
    """Rank 0, seen in one row; it is always stable (T2.5)."""
    state = np.zeros(Dynamics(setting, 1).size)
    marks = np.zeros((1, 2 * setting.d**2))
    return Place(name, stable=True, state=state, marks=marks, index=0, rate=0.0, directions=())


def cycle_place(name: str, cycle: LimitCycle) -> Place:
    """The place of a limit cycle; directions of multipliers outside the unit circle leave it."""
    dynamics, setting = cycle.dynamics, cycle.setting
    values, vectors = np.linalg.eig(cycle.monodromy)
    unstable = np.flatnonzero(np.abs(values) > 1 + max(1e-4, cycle.tolerance))
    turns = np.vstack([dynamics.rotations(cycle.start), dynamics.field(cycle.start)[None]])
    directions: list[Direction] = []
    rates = np.log(np.abs(values)) / cycle.period
    for at in unstable:
        if values[at].imag >= 0:
            rate = complex(rates[at], values[at].imag)
            directions += _directions(rate, vectors[:, at], turns, kind="floquet")
    return Place(
        id=name,
        stable=cycle.verdict is Verdict.STABLE,
        state=cycle.start,
        marks=marks_of(dynamics_of(setting, cycle.start), cycle.orbit[1]),
        index=int(unstable.size),
        rate=float(rates[unstable].max()) if unstable.size else 0.0,
        directions=tuple(directions),
    )


def _directions(value: complex, vector: Array, turns: Array, kind: str = "") -> list[Direction]:
    """One direction of a real eigenvalue, two of a pair, without their part along the symmetry."""
    rate = value.real
    if not value.imag:
        words = "multiplier" if kind else "eigenvalue"
        unit = _across(vector.real, turns)
        return [Direction(unit, rate, kind or "eigenvector", f"{words} {_shown(value, kind)}")]
    words = f"plane of {_shown(value, kind)}"
    return [
        Direction(_across(part, turns), rate, kind or "plane", words)
        for part in (vector.real, vector.imag)
    ]


def _shown(value: complex, kind: str) -> str:
    if kind:
        return f"growing at rate {value.real:.4g}"
    return f"{value.real:.4g}" if not value.imag else f"{value.real:.4g} ± {value.imag:.4g}i"


def _across(vector: Array, turns: Array) -> Array:
    """The unit vector along the part orthogonal to the rows of `turns`."""
    if turns.size:
        vector = vector - np.linalg.lstsq(turns.T, vector, rcond=None)[0] @ turns
    return np.asarray(vector / np.linalg.norm(vector))
