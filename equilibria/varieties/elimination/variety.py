"""A user's system from its equations to the list of its real equilibria with their stability.

    equations -> components over Q, checked (`decomposition`) -> real points (`reality`, `points`)
              -> verdict at a point (`stability`), conditions along a component (`conditions`)

Isolated equilibria are listed one by one, components of positive dimension with the conditions that
split them, both exactly. Where the decomposition reaches its limit a numerical search takes over. All
limits count work, so that the answer is the same on any machine.
"""

from __future__ import annotations

from dataclasses import replace

from equilibria.errors import LimitReached, ScopeError
from equilibria.exact.rationals import Number
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.system_file import UserSystem
from equilibria.varieties.component import Variety
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.decomposition import Decomposition, decompose, within
from equilibria.varieties.elimination.entries import Listed, extended, isolated
from equilibria.varieties.elimination.equations import resting, same_rest
from equilibria.varieties.elimination.names import named, with_meetings
from equilibria.varieties.elimination.numeric import searched, with_search
from equilibria.varieties.elimination.reality import Real

LEAST_SHARE = 0.2
REST_SHARE = 0.3


def analyze_system(
    user: UserSystem,
    *,
    lr: Number | None = None,
    engine: str = "auto",
    time_limit: float = 60.0,
    starts: int = 512,
    seed: int = 0,
) -> Variety:
    """Return the real equilibria of a system, component by component, with their stability.

    Ids are `dim0:a`, `dim0:b`, ... for points and `dim1:a`, ... for curves and so on. `engine` is
    `auto`, a name in `engines.ENGINES`, or `search` for the numerical search alone, which runs
    `starts` Newton runs. `time_limit` is work, in seconds of an ordinary machine. Neither a flow
    that the file does not give is judged, nor a map that it does not give and no `lr` asks for; a
    note says so. Raises `ScopeError` where flow and map rest at different points, `NotFinished`
    where the machine is ten times as slow.
    """
    system = user.system(lr)
    if engine == "search":
        return searched(system, "asked for", starts=starts, seed=seed)
    equations = resting(system)
    budget = within(time_limit)
    try:
        decomposition = decompose(list(equations.values()), engine=engine, budget=budget)
    except LimitReached as error:
        return searched(system, str(error), starts=starts, seed=seed)
    budget = Budget(max(budget.left, LEAST_SHARE * time_limit), net=budget.net)
    note = same_rest(system, decomposition, budget.share(REST_SHARE))
    variety = _variety(system, decomposition, budget)
    if not decomposition.complete:
        ideals = [c.ideal for c in decomposition.components if c.dimension >= 0]
        variety = with_search(system, variety, ideals, starts=starts, seed=seed)
    return replace(variety, why=f"{variety.why}; {note}") if note else variety


def from_model_system(system: PolynomialSystem, name: str = "built-in") -> UserSystem:
    """Return a built-in procedure's system as if it had been read from a file.

    Raises `ScopeError` for heavy ball, whose map has more variables than its flow, and where the
    predictor is tied to the encoder by equations.
    """
    if system.constraints or set(system.map) != set(system.flow):
        raise ScopeError("elimination needs a flow and a map in the same free variables")
    return UserSystem(
        name, system.variables, {}, system.flow, system.map, system.symmetry, "", system.matrix_form
    )


def _variety(system: PolynomialSystem, found: Decomposition, budget: Budget) -> Variety:
    entries: list[Listed] = []
    for part in found.real:
        if part.dimension == 0:
            entries.extend(isolated(system, part, point) for point in part.real.points)
        else:
            entries.append(extended(system, part, budget))
    components = with_meetings(named(entries), budget)
    unknown = [c for c in found.components if c.real.real is Real.UNKNOWN]
    complete = found.complete and not unknown
    why = found.why
    if unknown:
        why += f"; whether {len(unknown)} of the components has real points is not known"
    stable = sum(c.counted.is_stable for c in components)
    return Variety(
        tuple(components),
        complete,
        why,
        total=len(components) if complete else None,
        stable_total=stable if complete else None,
        description=_unreal(found),
    )


def _unreal(found: Decomposition) -> str:
    """Return a sentence on the components that are no equilibria."""
    texts = []
    for real, words in (
        (Real.NO, "without a real point"),
        (Real.THIN, "whose real points lie in a smaller set, listed or part of another component"),
        (Real.UNKNOWN, "whose real points could not be decided"),
    ):
        parts = [c for c in found.components if c.real.real is real]
        if parts:
            shown = "; ".join(
                ", ".join(f"{g.text()} = 0" for g in c.generators) + f" ({c.real.how})"
                for c in parts[:8]
            )
            more = f"; and {len(parts) - 8} more" if len(parts) > 8 else ""
            noun = "complex component" if len(parts) == 1 else "complex components"
            texts.append(f"{len(parts)} {noun} {words}: {shown}{more}")
    return ". ".join(texts)
