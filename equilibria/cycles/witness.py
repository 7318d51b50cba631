"""A limit cycle as evidence: against every metric, and as a node of the graph of attractors.

Along a periodic orbit that is no equilibrium no function can decrease strictly, so a flow with one
is no gradient field for any metric, and has no strict Lyapunov function at all (T3.4, T9.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.cycles.answer import find_cycles
from equilibria.cycles.cycle import LimitCycle
from equilibria.cycles.report import cycle_id
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.component import How, Verdict
from equilibria.varieties.noncommuting.core import Array

POINTS = 24


@dataclass(frozen=True, slots=True, eq=False)
class PeriodicOrbit:
    """Data of the `periodic-orbit` witness: G has `period` along the orbit.

    `points` are (P, W) or (P, W, T) at equal times over one period, in the units of the model,
    without the rows and columns of zeros of outputs beyond the core; `residual` is the relative
    closure of the orbit after one period, symmetry divided out.
    """

    id: str
    period: float
    points: tuple[dict[str, Array], ...]
    residual: float
    turn: Array
    how: How = How.NUMERIC
    kind: str = "periodic-orbit"

    @property
    def start(self) -> dict[str, float]:
        """The first point by variable name, W_1_1, P_1_1, ..., as `MetricWitness` holds it."""
        return {
            f"{name}_{i + 1}_{j + 1}": float(value)
            for name, matrix in sorted(self.points[0].items(), reverse=True)
            for (i, j), value in np.ndenumerate(matrix)
        }

    def to_json(self) -> dict[str, object]:
        """Return the witness as plain data."""
        return {
            "kind": self.kind,
            "orbit": self.id,
            "period": self.period,
            "points": [
                {name: matrix.tolist() for name, matrix in point.items()} for point in self.points
            ],
            "turn": self.turn.tolist(),
            "residual": self.residual,
            "how": self.how.value,
        }


@dataclass(frozen=True, slots=True)
class CycleNode:
    """A cycle among the attractors of the graph."""

    id: str
    period: float
    multipliers: tuple[complex, ...]
    verdict: Verdict

    @property
    def stable(self) -> bool:
        """Whether it attracts."""
        return self.verdict is Verdict.STABLE

    def to_json(self) -> dict[str, object]:
        """Return the node as plain data."""
        return {
            "id": self.id,
            "kind": "cycle",
            "period": self.period,
            "multipliers": [[value.real, value.imag] for value in self.multipliers],
            "stable": self.stable,
            "how": How.NUMERIC.value,
        }


def periodic_orbit_witness(model: Model, *, seed: int = 0) -> PeriodicOrbit | None:
    """The first cycle found, stable ones before others, as a witness; None proves nothing."""
    cycles = sorted(enumerate(find_cycles(model, seed=seed)), key=_stable_first)
    return orbit_of(cycles[0][1], model, name=cycle_id(cycles[0][0])) if cycles else None


def orbit_of(cycle: LimitCycle, model: Model, *, name: str = "cycle:a") -> PeriodicOrbit:
    """One cycle of a model as a witness."""
    root = np.sqrt(to_float(model.alpha / (model.kappa or 1)))
    at = np.linspace(0, len(cycle.orbit[0]) - 1, POINTS + 1).astype(int)[:-1]
    points = []
    for x in cycle.orbit[1][at]:
        P, W, T = cycle.dynamics.split(x)
        point = {"P": P, "W": W / root}
        if model.traits.has_target:
            point["T"] = T / root
        points.append(point)
    return PeriodicOrbit(name, cycle.period, tuple(points), cycle.closure, cycle.turn)


def cycle_nodes(cycles: tuple[LimitCycle, ...]) -> tuple[CycleNode, ...]:
    """The nodes cycle:a, cycle:b, ... in the order of the report."""
    return tuple(
        CycleNode(cycle_id(i), cycle.period, tuple(cycle.multipliers.tolist()), cycle.verdict)
        for i, cycle in enumerate(cycles)
    )


def _stable_first(item: tuple[int, LimitCycle]) -> tuple[bool, int]:
    return item[1].verdict is not Verdict.STABLE, item[0]
