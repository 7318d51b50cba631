"""From a prime ideal in the variables that a branch has left to one in all variables.

Over V(P) without the zeros of the divisors every solved variable has one value, so the closure of
what lies there is irreducible with P. Where P has finitely many zeros the divisors have inverses
modulo P; elsewhere their zeros are taken out by saturation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.branches import Branch, Solved, irreducible_factors
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.points import express


def core_ring(branch: Branch, ring: Ring) -> Ring:
    """Return the ring of the variables that are not solved for."""
    solved = {entry.name for entry in branch.solved}
    return Ring(tuple(name for name in ring.names if name not in solved))


def moved(f: Polynomial, ring: Ring) -> Polynomial:
    """Return f in another ring that has the variables of f."""
    if f.ring == ring:
        return f
    places = {i: ring.names.index(f.ring.names[i]) for key in f.terms for i, _ in key}
    return Polynomial(
        ring,
        {tuple(sorted((places[i], power) for i, power in key)): c for key, c in f.terms.items()},
    )


def lift(branch: Branch, prime: Ideal, ring: Ring, budget: Budget) -> Ideal | None:
    """Return the ideal of the closure of the points of a branch over V(prime).

    None where something vanishes on V(prime) that does not on the branch.
    """
    if any(prime.contains(moved(g, prime.ring)) for g in branch.nonzero):
        return None
    values = _values(branch.solved, prime)
    if values is not None:
        graph = [ring.variable(name) - moved(value, ring) for name, value in values.items()]
        return Ideal(ring, [*(moved(f, ring) for f in prime.basis), *graph], budget)
    equations = [entry.equation for entry in branch.solved]
    divisors = [h for entry in branch.solved for h in irreducible_factors(entry.divisor)]
    ideal = Ideal(ring, [*(moved(f, ring) for f in prime.basis), *equations], budget)
    for divisor in dict.fromkeys((*divisors, *branch.nonzero)):
        ideal = ideal.saturate(divisor)
    return ideal


def _values(solved: Sequence[Solved], prime: Ideal) -> Mapping[str, Polynomial] | None:
    """Return the solved variables as polynomials modulo `prime`, where they are."""
    values: dict[str, Polynomial] = {}
    for entry in reversed(solved):
        divisor = _put_in(entry.divisor, values, prime)
        if divisor.degree > 0:
            inverse = _inverse(divisor, prime)
            if inverse is None:
                return None
        elif divisor:
            inverse = prime.ring.constant(1 / divisor.terms[()])
        else:
            return None
        rest = _put_in(entry.rest, values, prime)
        values[entry.name] = -prime.normal_form(rest * inverse)
    return values


def _put_in(f: Polynomial, values: Mapping[str, Polynomial], prime: Ideal) -> Polynomial:
    """Return the normal form of f with the known variables put in."""
    total = prime.ring.constant(0)
    for key, coefficient in f.terms.items():
        term = prime.ring.constant(coefficient)
        for index, power in key:
            name = f.ring.names[index]
            factor = values[name] if name in values else prime.ring.variable(name)
            for _ in range(power):
                prime.budget.spend(len(term.terms) * len(factor.terms), "lifting")
                term = prime.normal_form(term * factor)
        total = total + term
    return prime.normal_form(total)


def _inverse(f: Polynomial, prime: Ideal) -> Polynomial | None:
    """Return 1/f modulo an ideal of dimension 0; None where there is none."""
    if prime.dimension != 0:
        return None
    monomials = prime.standard_monomials()
    keys = [next(iter(m.terms)) for m in monomials]
    prime.budget.spend(len(keys) ** 3, "lifting")
    columns = []
    for m in monomials:
        image = prime.normal_form(m * f)
        columns.append([image.terms.get(key, Fraction(0)) for key in keys])
    one = [Fraction(not key) for key in keys]
    try:
        coefficients = express(one, columns)
    except ValueError:
        return None
    total = prime.ring.constant(0)
    for m, c in zip(monomials, coefficients, strict=True):
        total = total + m * c
    return total
