"""The independent route: the Jacobian of the polynomials, entry by entry, and its eigenvalues.

Nothing here knows of modes, strata or blocks. The full state includes the target and, for maps with
momentum, the velocities.
"""

from __future__ import annotations

import numpy as np

from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.procedures import procedure
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component


def state_of(component: Component, system: PolynomialSystem, kind: str) -> dict[str, float]:
    """Return the representative as a point of the system; velocities rest at zero."""
    point = dict.fromkeys(system.flow if kind == "flow" else system.map, 0.0)
    for letter, rows in component.representative.items():
        for i, row in enumerate(rows, 1):
            for j, value in enumerate(row, 1):
                point[f"{letter}_{i}_{j}"] = entry_float(value)
    return point


def residual(component: Component, model: Model, kind: str = "flow") -> float:
    """Return the largest component of the flow, or of the map's displacement, at the representative."""
    system = procedure(model.procedure).build(model)
    point = state_of(component, system, kind)
    values = system.evaluate(point, kind)
    moved = (v if kind == "flow" else v - point[name] for name, v in values.items())
    return max(abs(v) for v in moved)


def spectrum(component: Component, model: Model, kind: str = "flow") -> np.ndarray:
    """Return the eigenvalues of the dense Jacobian at the representative, sorted."""
    system = procedure(model.procedure).build(model)
    point = state_of(component, system, kind)
    names = list(system.flow if kind == "flow" else system.map)
    index = {name: position for position, name in enumerate(names)}
    jacobian = np.zeros((len(names), len(names)))
    for (row, column), entry in system.jacobian(kind).items():
        jacobian[index[row], index[column]] = entry.evaluate(point, float)
    return np.linalg.eigvals(jacobian)


def listed(eigenvalues) -> np.ndarray:
    """Return the eigenvalues of a report with their multiplicities."""
    return np.array([e.value for e in eigenvalues for _ in range(e.multiplicity)])


def distance(left: np.ndarray, right: np.ndarray) -> float:
    """Return the largest distance between two spectra under the best matching."""
    from scipy.optimize import linear_sum_assignment

    assert left.size == right.size, (left.size, right.size)
    cost = np.abs(left[:, None] - right[None, :])
    rows, columns = linear_sum_assignment(cost)
    return float(cost[rows, columns].max())
