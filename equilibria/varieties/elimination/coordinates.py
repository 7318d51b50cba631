"""Coordinates on a component: as a graph over some of its variables, where it is one."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, islice

from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.ideal import Ideal

MAX_COORDINATE_SETS = 24


def coordinates(ideal: Ideal, budget: Budget) -> Ideal:
    """Return the ideal in coordinates where the component is a graph, else as it is.

    A graph: every other variable is a polynomial in some independent ones (`free`). Variables that
    come first in the ring are preferred.
    """
    names = ideal.ring.names
    for free in islice(combinations(names, ideal.dimension), MAX_COORDINATE_SETS):
        if not _one_point_over(ideal, free, budget):
            continue
        candidate = Ideal(ideal.ring, ideal.basis, budget, free=free)
        if sum(_solved(f, candidate) is not None for f in candidate.basis) == len(names) - len(
            free
        ):
            return candidate
    return ideal.within(budget)


def _one_point_over(ideal: Ideal, free: tuple[str, ...], budget: Budget) -> bool:
    """Say whether one value of `free` leaves one point, as it must be on a graph."""
    values = [Fraction(5 * place + 3, place + 2) for place in range(len(free))]
    slices = [ideal.ring.variable(name) - value for name, value in zip(free, values, strict=True)]
    cut = Ideal(ideal.ring, [*ideal.basis, *slices], budget)
    return len(cut.basis) == len(ideal.ring.names) and all(f.degree == 1 for f in cut.basis)


def equations_of(ideal: Ideal) -> tuple[str, ...]:
    """Return the equations of a component, `p = 4/5` where one is solved for a variable."""
    texts = []
    for f in ideal.basis:
        name = _solved(f, ideal)
        if name is None:
            texts.append((len(ideal.ring.names), f"{f.text()} = 0"))
        else:
            rest = ideal.ring.variable(name) - f * (1 / f.diff(name).terms[()])
            texts.append((ideal.ring.names.index(name), f"{name} = {rest.text()}"))
    return tuple(text for _, text in sorted(texts))


def _solved(f: Polynomial, ideal: Ideal) -> str | None:
    """Return the variable for which f = 0 is solved by a polynomial in the free ones."""
    free = {ideal.ring.names[i] for i in ideal.free}
    bound = [name for name in f.variables() if name not in free]
    return bound[0] if len(bound) == 1 and f.diff(bound[0]).degree == 0 else None
