"""The equilibrium set as a union of irreducible components, proposed by an engine, checked here.

Checked by exact arithmetic of our own: the system vanishes on every component; every zero of the
system, real or complex, lies on one of them; no component lies inside another; which of them have
real points. Believed from the engine: that a component of positive dimension is irreducible.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equilibria.elimination.ideal import Deadline, Ideal
from equilibria.elimination.reality import Real, RealPart, try_real_part
from equilibria.engines import Answer, Limits, choose
from equilibria.errors import ConsistencyError, LimitReached
from equilibria.polynomial import Polynomial

ENGINE_SHARE = 0.4
COVER_SHARE = 0.5
REAL_SHARE = 0.3
MAX_EXPONENT = 12


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
    polynomials: Sequence[Polynomial], *, engine: str = "auto", time_limit: float = 60.0
) -> Decomposition:
    """Decompose the common zeros of `polynomials` into irreducible components over Q.

    Raises `LimitReached` when nothing was found in time. A component whose real points lie in a
    smaller set is followed by the components of that set, unless another one contains them.
    """
    deadline = Deadline(time_limit)
    ring = polynomials[0].ring
    given = [f for f in polynomials if f]
    if not given:
        whole = _component(Ideal(ring, [], deadline), deadline)
        return Decomposition((whole,), True, "every point solves the system", "none")
    chosen = choose(engine)
    answer = chosen.minimal_primes(given, Limits(seconds=time_limit * ENGINE_SHARE))
    name = f"{answer.engine} {answer.version}"
    if not answer.complete and not answer.primes:
        raise LimitReached(
            f"{name} was stopped by {answer.note} before it found a component",
            hint="raise the time limit, or search numerically",
        )
    ideals = _minimal([Ideal(ring, prime, deadline) for prime in answer.primes])
    for ideal in ideals:
        _vanishes(given, ideal, name)
    covered = _covered(given, answer, ideals, deadline.share(COVER_SHARE))
    components = [_component(ideal, deadline.share(REAL_SHARE)) for ideal in ideals]
    for component in [c for c in components if c.real.real is Real.THIN]:
        components.extend(_real_inside(component, components, engine, deadline))
    return Decomposition(
        tuple(sorted(components, key=_canonical)),
        covered is True,
        _why(answer, name, covered, extended=any(c.dimension > 0 for c in components)),
        name,
    )


def _covered(
    given: Sequence[Polynomial], answer: Answer, ideals: Sequence[Ideal], deadline: Deadline
) -> bool | None:
    if not answer.complete:
        return None
    try:
        whole = Ideal(given[0].ring, given, deadline)
        if len(answer.residues) == len(answer.primes) and _residues_cover(whole, answer):
            return True
    except LimitReached:
        return None
    return covers(ideals, whole)


def _residues_cover(whole: Ideal, answer: Answer) -> bool:
    """Check that nothing is left when the engine has divided out one prime after the other.

    What it calls I : P^oo holds all zeros of I outside V(P) if s g^e lies in I for all its
    generators s, all g in P and some e. Normal forms decide that; at the end 1 must be left.
    """
    before = whole
    for prime, residue in zip(answer.primes, answer.residues, strict=True):
        for s in residue:
            for g in prime:
                rest = before.normal_form(s)
                for _ in range(MAX_EXPONENT):
                    if not rest:
                        break
                    rest = before.normal_form(rest * g)
                if rest:
                    return False
        before = Ideal(whole.ring, residue, whole.deadline)
    return before.is_everything


def covers(ideals: Sequence[Ideal], whole: Ideal) -> bool | None:
    """Say whether every complex zero of `whole` is a zero of one of `ideals`; None: no time.

    One after the other is taken away: what is left of V(I) outside V(P) is the union of the
    V(I : g^oo) for g in P, and at the end nothing may be left.
    """
    seen: set[tuple[int, tuple[Polynomial, ...]]] = set()

    def nothing_left(rest: Ideal, place: int) -> bool:
        if rest.is_everything:
            return True
        if place == len(ideals):
            return False
        if (place, rest.basis) in seen:
            return True
        outside = [g for g in ideals[place].basis if not rest.contains(g)]
        result = all(nothing_left(rest.saturate(g), place + 1) for g in outside)
        if result:
            seen.add((place, rest.basis))
        return result

    try:
        return nothing_left(whole, 0)
    except LimitReached:
        return None


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


def _component(ideal: Ideal, deadline: Deadline) -> PrimeComponent:
    dimension = ideal.dimension
    degree = None
    if dimension == 0:
        degree = len(ideal.standard_monomials())
    elif len(ideal.basis) == 1 or all(g.degree == 1 for g in ideal.basis):
        degree = max((g.degree for g in ideal.basis), default=1)
    return PrimeComponent(ideal, dimension, degree, try_real_part(ideal.within(deadline)))


def _real_inside(
    component: PrimeComponent,
    others: Sequence[PrimeComponent],
    engine: str,
    deadline: Deadline,
) -> list[PrimeComponent]:
    """Return the components of the smaller set that holds the real points of a thin component."""
    ring = component.ideal.ring
    smaller = [*component.generators, *component.real.inside]
    part = decompose(smaller, engine=engine, time_limit=max(deadline.left, 1.0))
    visible = [c.ideal for c in others if c.real.real is Real.YES]
    if not part.complete:
        unknown = RealPart(Real.UNKNOWN, f"its real points were not separated: {part.why}")
        return [PrimeComponent(Ideal(ring, smaller, deadline), -1, None, unknown)]
    inner = [c for c in part.components if c.real.real in (Real.YES, Real.UNKNOWN)]
    return [c for c in inner if not any(_inside(c.ideal, other) for other in visible)]


def _canonical(component: PrimeComponent) -> tuple[int, list[str]]:
    return component.dimension, [g.text() for g in component.generators]


def _why(answer: Answer, engine: str, covered: bool | None, *, extended: bool) -> str:
    checked = "checked exactly: the system vanishes on each"
    if not answer.complete:
        return f"{engine} was stopped by {answer.note} after {len(answer.primes)}; {checked}"
    if covered is None:
        return f"{engine} reports no others; {checked}; no time to check that they are all"
    if covered:
        return (
            f"{checked}, and every zero of the system, real or complex, lies on one; "
            + ("irreducible over Q by the word of " if extended else "proposed by ")
            + engine
        )
    raise ConsistencyError(f"{engine} reports all components, but zeros of the system are missing")
