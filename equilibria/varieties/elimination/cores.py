"""What a branch has left when nothing splits any more: its primes, and the check that they are all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equilibria.errors import ConsistencyError, LimitReached
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.branches import FACTORED, Branch, irreducible_factors
from equilibria.varieties.elimination.budget import STEPS_A_SECOND, Budget
from equilibria.varieties.elimination.engines import Answer, Limits, choose
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.lifting import core_ring, moved

COVER_SHARE = 0.5
MAX_EXPONENT = 12
CALL = 500_000
"""Steps for one call of an engine, beside what it counts itself."""


@dataclass(frozen=True, slots=True)
class Core:
    """The primes over the variables that a branch has left.

    `covered`: they are proved to hold all complex points; None where that is not known, and `note`
    says why. `engine` is empty where none was needed.
    """

    branch: Branch
    primes: tuple[Ideal, ...]
    covered: bool | None
    engine: str = ""
    note: str = ""


def decided(branch: Branch, ring: Ring, engine: str, share: Budget, budget: Budget) -> Core:
    """Return the primes of a branch; `share` is for the engine, `budget` for the checks.

    Raises `ConsistencyError` where the engine forgets zeros.
    """
    inner = core_ring(branch, ring)
    system = [moved(f, inner) for f in branch.equations]
    if not system or _is_irreducible(system):
        return Core(branch, (Ideal(inner, system, budget),), True)
    seconds = max(share.left, 0.0)
    chosen = choose(engine)
    net = share.net.left if share.net is not None else Limits().seconds
    answer = chosen.minimal_primes(system, Limits(work=seconds, seconds=max(net, 1.0)))
    name = f"{answer.engine} {answer.version}"
    try:
        share.spend(min(answer.steps + CALL, round(seconds * STEPS_A_SECOND)), "engine")
        ideals = tuple(Ideal(inner, prime, budget) for prime in answer.primes)
        covered = _covered(system, answer, ideals, budget.share(COVER_SHARE))
    except LimitReached as error:
        return Core(branch, (), None, name, str(error))
    if covered is False:
        raise ConsistencyError(
            f"{name} reports all components, but zeros of the system are missing"
        )
    note = answer.note if not answer.complete else "the work of the check that they are all"
    return Core(branch, ideals, covered, name, "" if covered else note)


def _is_irreducible(system: Sequence[Polynomial]) -> bool:
    if len(system) > 1 or len(system[0].terms) > FACTORED:
        return False
    return len(irreducible_factors(system[0])) == 1


def _covered(
    given: Sequence[Polynomial], answer: Answer, ideals: Sequence[Ideal], budget: Budget
) -> bool | None:
    if not answer.complete:
        return None
    try:
        whole = Ideal(given[0].ring, given, budget)
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
        before = Ideal(whole.ring, residue, whole.budget)
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
