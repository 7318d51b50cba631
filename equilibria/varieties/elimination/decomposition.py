"""The equilibrium set as a union of irreducible components, proposed by an engine, checked here.

Products and variables that occur linearly are taken apart first (`branches`), by identities between
sets of points; an engine sees only what is left. Checked by exact arithmetic of our own: the system
vanishes on every component; every zero of the system, real or complex, lies on one of them; no
component lies inside another; which of them have real points. Believed from the engine: that a
component of positive dimension is irreducible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equilibria.errors import ConsistencyError, LimitReached
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.branches import Branch, branches
from equilibria.varieties.elimination.budget import Budget, Net
from equilibria.varieties.elimination.cores import Core, decided
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.lifting import lift
from equilibria.varieties.elimination.reality import Real, RealPart, try_real_part

BRANCH_SHARE = 0.3
ENGINE_SHARE = 0.4
REAL_SHARE = 0.3
INSIDE_SHARE = 0.5
SLOWEST = 10.0
LEAST_NET = 60.0


@dataclass(frozen=True, slots=True)
class PrimeComponent:
    """An irreducible component over Q: the common zeros of `generators`.

    `real` says whether it has real points and how that is known; for dimension 0 `real.points` are
    all of them. `degree` is None where it is not immediate.
    """

    ideal: Ideal
    dimension: int
    degree: int | None
    real: RealPart

    @property
    def generators(self) -> tuple[Polynomial, ...]:
        return self.ideal.basis


@dataclass(frozen=True, slots=True)
class Decomposition:
    """All components; `complete` says that they are proved to cover every zero of the system."""

    components: tuple[PrimeComponent, ...]
    complete: bool
    why: str
    engine: str

    @property
    def real(self) -> tuple[PrimeComponent, ...]:
        """Return the components with real points of full dimension."""
        return tuple(c for c in self.components if c.real.real is Real.YES)


def decompose(
    polynomials: Sequence[Polynomial],
    *,
    engine: str = "auto",
    time_limit: float = 60.0,
    budget: Budget | None = None,
) -> Decomposition:
    """Decompose the common zeros of `polynomials` into irreducible components over Q.

    `time_limit` is work in nominal seconds, unless a `budget` is given. Raises `LimitReached` when
    nothing was found within it, `NotFinished` where the machine needs ten times as long for it. A
    component whose real points lie in a smaller set is followed by the components of that set,
    unless another one contains them.
    """
    budget = budget or within(time_limit)
    ring = polynomials[0].ring
    given = [f for f in polynomials if f]
    if not given:
        whole = _component(Ideal(ring, [], budget), budget)
        return Decomposition((whole,), True, "every point solves the system", "none")
    cores = _cores(_branches(given, budget), ring, engine, budget)
    ideals = _minimal(_lifted(cores, ring, budget))
    words = " and ".join(sorted({core.engine for core in cores if core.engine}))
    unfinished = [core for core in cores if core.covered is None]
    if unfinished and not ideals:
        raise LimitReached(
            f"{words} was stopped by {unfinished[0].note} before it found a component",
            hint="raise the time limit, or search numerically",
        )
    for ideal in ideals:
        _vanishes(given, ideal, words or "the splitting")
    components = [_component(ideal, budget.share(REAL_SHARE)) for ideal in ideals]
    for component in [c for c in components if c.real.real is Real.THIN]:
        components.extend(_real_inside(component, components, engine, budget))
    return Decomposition(
        tuple(sorted(components, key=_canonical)),
        not unfinished,
        _why(cores, words, extended=any(c.dimension > 0 for c in components)),
        words or "none",
    )


def within(time_limit: float) -> Budget:
    """Return a budget of so many nominal seconds, with a clock for machines ten times as slow."""
    return Budget(time_limit, net=Net(max(LEAST_NET, SLOWEST * time_limit)))


def _branches(given: Sequence[Polynomial], budget: Budget) -> list[Branch]:
    """Return the branches of a system, or the system as it is where they are too many."""
    try:
        return branches(given, budget.share(BRANCH_SHARE))
    except LimitReached:
        return [Branch(tuple(given))]


def _cores(parts: Sequence[Branch], ring: Ring, engine: str, budget: Budget) -> list[Core]:
    share = budget.share(ENGINE_SHARE)
    return [decided(part, ring, engine, share, budget) for part in parts]


def _lifted(cores: Sequence[Core], ring: Ring, budget: Budget) -> list[Ideal]:
    lifted = (lift(core.branch, prime, ring, budget) for core in cores for prime in core.primes)
    return [ideal for ideal in lifted if ideal is not None]


def _vanishes(given: Sequence[Polynomial], ideal: Ideal, engine: str) -> None:
    for f in given:
        if not ideal.contains(f):
            raise ConsistencyError(
                f"{engine} proposed a component with the equations "
                f"{', '.join(g.text() for g in ideal.basis)}, where {f.text()} does not vanish"
            )


def _minimal(ideals: Sequence[Ideal]) -> list[Ideal]:
    """Drop the components that lie inside another one; largest dimension first."""
    kept: list[Ideal] = []
    for ideal in sorted(ideals, key=lambda entry: -entry.dimension):
        if not ideal.is_everything and not any(_inside(ideal, other) for other in kept):
            kept.append(ideal)
    return kept


def _inside(ideal: Ideal, other: Ideal) -> bool:
    return all(ideal.contains(g) for g in other.basis)


def _component(ideal: Ideal, budget: Budget) -> PrimeComponent:
    dimension = ideal.dimension
    degree = None
    if dimension == 0:
        degree = len(ideal.standard_monomials())
    elif len(ideal.basis) == 1 or all(g.degree == 1 for g in ideal.basis):
        degree = max((g.degree for g in ideal.basis), default=1)
    return PrimeComponent(ideal, dimension, degree, try_real_part(ideal.within(budget)))


def _real_inside(
    component: PrimeComponent,
    others: Sequence[PrimeComponent],
    engine: str,
    budget: Budget,
) -> list[PrimeComponent]:
    """Return the components of the smaller set that holds the real points of a thin component."""
    ring = component.ideal.ring
    smaller = [*component.generators, *component.real.inside]
    try:
        part = decompose(smaller, engine=engine, budget=budget.share(INSIDE_SHARE))
    except LimitReached as error:
        unknown = RealPart(Real.UNKNOWN, f"its real points were not separated: {error}")
        return [PrimeComponent(Ideal(ring, smaller, budget), -1, None, unknown)]
    visible = [c.ideal for c in others if c.real.real is Real.YES]
    if not part.complete:
        unknown = RealPart(Real.UNKNOWN, f"its real points were not separated: {part.why}")
        return [PrimeComponent(Ideal(ring, smaller, budget), -1, None, unknown)]
    inner = [c for c in part.components if c.real.real in (Real.YES, Real.UNKNOWN)]
    return [c for c in inner if not any(_inside(c.ideal, other) for other in visible)]


def _canonical(component: PrimeComponent) -> tuple[int, list[str]]:
    return component.dimension, [g.text() for g in component.generators]


def _why(cores: Sequence[Core], engine: str, *, extended: bool) -> str:
    checked = "checked exactly: the system vanishes on each"
    unfinished = [core for core in cores if core.covered is None]
    if unfinished:
        notes = "; ".join(dict.fromkeys(core.note for core in unfinished))
        share = (
            f"{len(unfinished)} of {len(cores)} branches of the system" if len(cores) > 1 else ""
        )
        if not share:
            return f"{engine} was stopped by {notes}; {checked}"
        return f"{share} could not be decomposed ({notes}); {checked}"
    every = f"{checked}, and every zero of the system, real or complex, lies on one"
    if not engine:
        return f"{every}; by factors and variables that occur linearly alone"
    return (
        f"{every}; "
        + ("irreducible over Q by the word of " if extended else "proposed by ")
        + engine
    )
