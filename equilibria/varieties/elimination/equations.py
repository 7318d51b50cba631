"""Where a system rests: the equations of its equilibria, the same for the flow and for the map."""

from __future__ import annotations

from equilibria.errors import LimitReached, ScopeError
from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.coordinates import equations_of
from equilibria.varieties.elimination.cores import covers
from equilibria.varieties.elimination.decomposition import Decomposition
from equilibria.varieties.elimination.ideal import Ideal


def resting(system: PolynomialSystem) -> dict[str, Polynomial]:
    """Return the polynomials that vanish at the equilibria: the flow, or step minus state."""
    if system.flow:
        return dict(system.flow)
    return {name: f - f.ring.variable(name) for name, f in system.map.items()}


def same_rest(system: PolynomialSystem, found: Decomposition, budget: Budget) -> str:
    """Check that the map rests where the flow rests and nowhere else.

    Returns a note where there was no time for that. Raises `ScopeError` where it is not so.
    """
    if not system.flow or not system.map or is_euler_step(system):
        return ""
    hint = "give [flow] or [map] alone, or two files"
    steps = [f - f.ring.variable(name) for name, f in system.map.items()]
    ideals = [c.ideal.within(budget) for c in found.components if c.dimension >= 0]
    try:
        for ideal in ideals:
            if not all(ideal.contains(f) for f in steps):
                where = ", ".join(equations_of(ideal))
                raise ScopeError(f"the map moves points where the flow rests ({where})", hint=hint)
        at_rest = Ideal(steps[0].ring, steps, budget)
        if all(at_rest.contains(f) for f in system.flow.values()):
            return ""
        covered = covers(ideals, at_rest) if found.complete else None
    except LimitReached:
        covered = None
    if covered is False:
        raise ScopeError("the map rests at points where the flow does not", hint=hint)
    return "" if covered else "no time to check that the map rests nowhere else"


def is_euler_step(system: PolynomialSystem) -> bool:
    """Say whether the map is an Euler step of the flow."""
    ratios = set()
    for name, f in system.flow.items():
        step = system.map[name] - f.ring.variable(name)
        if step.terms.keys() != f.terms.keys():
            return False
        ratios |= {step.terms[key] / value for key, value in f.terms.items()}
    return len(ratios) == 1 and next(iter(ratios)) > 0
