"""The independent route at extreme rates: the dense Jacobian of the polynomials in sixty digits.

Only the aligned point of a component is taken from the closed forms, as the roots of
s p^2 - m p + eta = 0; blocks, tables and doubles are not used. Eigenvalues that differ by fifteen
orders of magnitude, as decays of 1e-9 beside rates of 1e6 give, are told apart.
"""

from __future__ import annotations

import random
from fractions import Fraction

import mpmath as mp
import networkx as nx

from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.varieties.component import Component

DIGITS = 60
ORDERS = 10
# An exact zero comes out below ZERO times the largest entry; what is not zero, far above it. A
# neutral eigenvalue of index two would come out as the square root of the working precision.
ZERO = mp.mpf(10) ** -24


def real(value: Fraction | int) -> mp.mpf:
    value = Fraction(value)
    return mp.mpf(value.numerator) / value.denominator


def aligned_point(
    model: Model, component: Component, signals: list[Fraction], totals: list[Fraction]
) -> dict[str, mp.mpf]:
    """Return the representative with mode i of the list on output row i, to sixty digits."""
    system = procedure(model.procedure).build(model)
    point = {name: mp.mpf(0) for name in (*system.flow, *system.map)}
    kappa = model.kappa
    for row, (number, root) in enumerate(zip(component.modes, component.roots, strict=True), 1):
        s, m = real(totals[number - 1]), real(signals[number - 1])
        spread = mp.sqrt(m * m - 4 * s * real(model.eta))
        outer = (m + mp.sign(m) * spread) / (2 * s)
        p = outer if root == "+" else real(model.eta) / s / outer
        w = p * mp.sqrt(real(kappa) / real(model.alpha))
        point[f"P_{row}_{row}"] = p
        point[f"W_{row}_{number}"] = w
        if f"T_{row}_{number}" in point:
            point[f"T_{row}_{number}"] = w
    return point


def displacement(model: Model, point: dict[str, mp.mpf], kind: str) -> mp.mpf:
    """Return the largest component of the flow, or of the map's displacement, at the point."""
    system = procedure(model.procedure).build(model)
    equations = system.flow if kind == "flow" else system.map
    return max(
        abs(entry.evaluate(point, real) - (point[name] if kind == "map" else 0))
        for name, entry in equations.items()
    )


def eigenvalues(model: Model, point: dict[str, mp.mpf], kind: str) -> list[mp.mpc]:
    """Return lambda of the flow, or z - 1 of the map, of the dense Jacobian."""
    system = procedure(model.procedure).build(model)
    entries = {key: entry.evaluate(point, real) for key, entry in system.jacobian(kind).items()}
    for name in system.flow if kind == "flow" else system.map:
        entries[name, name] = entries.get((name, name), mp.mpf(0)) - int(kind == "map")
    found: list[mp.mpc] = []
    # Variables that no non-zero entry connects have spectra of their own.
    graph = nx.Graph(key for key, value in entries.items() if value or key[0] == key[1])
    for names in map(sorted, nx.connected_components(graph)):
        found += _spectrum(entries, names)
    return found


def _spectrum(entries: dict[tuple[str, str], mp.mpf], names: list[str]) -> list[mp.mpc]:
    """Return the eigenvalues of one block.

    The QR iteration of mpmath can go round in a circle; in another order of the variables, which is
    the same matrix, it does not.
    """
    orders = random.Random(0)
    for _ in range(ORDERS):
        block = mp.matrix([[entries.get((a, b), mp.mpf(0)) for b in names] for a in names])
        try:
            return [mp.mpc(block[0])] if len(names) == 1 else mp.eig(block, left=False, right=False)
        except RuntimeError:
            orders.shuffle(names)
    raise AssertionError(f"no order of {names} in which the QR iteration ends")
