"""Minimal primes of a polynomial ideal with sympy alone, after Gianni, Trager and Zacharias.

    V(I) = V(I, f) + V(I, g)                  where a basis element is a product f g
    V(I) = V(I Q(u)[x] cut back) + V(I, h)    where u are independent variables modulo I

and an ideal of dimension 0, over Q or over Q(u), splits by the minimal polynomials of the
variables and then of a linear form, until one of them has the degree of the whole quotient.

Runs inside `sympy_worker`, a program of its own. sympy has no limits on its work, but every step of
a reduction multiplies monomials and looks for a leading one in its ring: `Work` counts there, so
that the same question ends at the same place on any machine. Source: Becker and Weispfenning,
"Groebner Bases", 1993, section 8.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, reduce
from itertools import chain, combinations, count, product
from operator import add
from typing import TYPE_CHECKING, Any

from sympy import QQ, Symbol
from sympy.polys.groebnertools import groebner
from sympy.polys.orderings import ProductOrder, grevlex
from sympy.polys.rings import PolyElement, PolyRing

if TYPE_CHECKING:
    from sympy.external.pythonmpq import PythonMPQ
    from sympy.polys.domains.domainelement import DomainElement

Basis = list[PolyElement]
Monomial = tuple[int, ...]

TERM = 4
"""Steps of one term of a product."""
WORD = 64
GCD = 40
"""Products of words that are one step: fractions are reduced after every operation."""
COMPARISONS = 4
CACHED_MONOMIALS = 200_000
FRACTIONS = 8
"""Steps of a product of monomials among the numerators of Q(u): greatest common divisors follow."""


class WorkDone(Exception):
    """All the work that was allowed has been done."""


class Work:
    """Counts the steps of arithmetic in rings; the step after the last raises `WorkDone`."""

    def __init__(self, most: int) -> None:
        self.left = most

    def spend(self, steps: int) -> None:
        self.left -= steps
        if self.left < 0:
            raise WorkDone

    def counted(self, ring: PolyRing, weight: int = 1) -> PolyRing:
        """Return the ring, its products and its searches for leading monomials counted.

        The order of a monomial is computed once: sympy spends most of its time on that.
        """
        multiply, order = ring.monomial_mul, lru_cache(CACHED_MONOMIALS)(ring.order)
        over_q = ring.domain == QQ

        def product_of(one: Monomial, other: Monomial) -> Monomial:
            self.spend(weight * TERM)
            monomial: Monomial = multiply(one, other)
            return monomial

        def leading_of(f: PolyElement) -> Monomial:
            top: Monomial = max(f, key=order)
            size = _words(f[top]) if over_q else 0
            self.spend(weight * (1 + len(f) // COMPARISONS + len(f) * (size * size // GCD)))
            return top

        ring.monomial_mul, ring.leading_expv = product_of, leading_of
        return ring


def _words(number: PythonMPQ) -> int:
    bits = int(number.numerator).bit_length() + int(number.denominator).bit_length()
    return bits // WORD


def minimal_primes(generators: Basis, emit: Callable[[Basis], None], work: Work) -> None:
    """Call `emit` with a Groebner basis of each prime, as soon as it is known.

    Together their zero sets are that of `generators`, which should be of a `counted` ring; some may
    lie inside others. Raises `WorkDone`.
    """
    pending, seen, found = [generators], set[tuple[PolyElement, ...]](), list[Basis]()
    while pending:
        basis = reduced(pending.pop(0))
        if tuple(basis) in seen or is_everything(basis):
            continue
        seen.add(tuple(basis))
        if any(all(not f.rem(basis) for f in prime) for prime in found):
            continue
        parts = split(basis)
        if parts:
            pending.extend([*basis, factor] for factor in parts)
            continue
        primes, further = _extend_and_cut_back(basis, work)
        for prime in primes:
            found.append(prime)
            emit(prime)
        pending.extend(further)


def reduced(generators: Iterable[PolyElement]) -> Basis:
    """Return the reduced Groebner basis in the order of the ring."""
    some = [f for f in generators if f]
    return list(groebner(some, some[0].ring)) if some else []


def is_everything(basis: Basis) -> bool:
    return any(f.is_ground for f in basis)


def factors(f: PolyElement) -> list[PolyElement]:
    """Return the distinct irreducible factors over Q."""
    return [factor for factor, _ in f.factor_list()[1]]


def split(basis: Basis) -> list[PolyElement]:
    """Return the factors of the first element that is a product or a power, or nothing."""
    for f in basis:
        _, parts = f.factor_list()
        if len(parts) > 1 or parts[0][1] > 1:
            return [factor for factor, _ in parts]
    return []


def independent_set(basis: Basis) -> tuple[int, ...]:
    """Return the largest set of variables in which no leading monomial lies."""
    ring = basis[0].ring
    supports = [{i for i, power in enumerate(f.LM) if power} for f in basis]
    for size in range(ring.ngens, -1, -1):
        for chosen in combinations(range(ring.ngens), size):
            if not any(support <= set(chosen) for support in supports):
                return chosen
    raise ValueError("the ideal is the whole ring")


def _extend_and_cut_back(basis: Basis, work: Work) -> tuple[Iterator[Basis], list[Basis]]:
    """Return the primes in which a largest independent set stays free, and what is left to do."""
    free = independent_set(basis)
    if not free:
        return primes_of_dimension_zero(basis), []
    block = Block(basis[0].ring, free, work)
    inside = block.basis(basis)
    over_field = reduced(map(block.to_field, inside))
    rest = [[*basis, block.back(factor)] for factor in block.leading_factors(inside)]
    return (block.contract(prime) for prime in primes_of_dimension_zero(over_field)), rest


class Block:
    """The ring with its variables sorted into bound x and free u, as Q[x, u] and as Q(u)[x]."""

    def __init__(self, ring: PolyRing, free: tuple[int, ...], work: Work) -> None:
        self.ring, self.free, self.work = ring, free, work
        self.bound = tuple(i for i in range(ring.ngens) if i not in free)
        split_at = len(self.bound)
        order = ProductOrder((grevlex, lambda m: m[:split_at]), (grevlex, lambda m: m[split_at:]))
        names = [ring.symbols[i] for i in (*self.bound, *free)]
        self.sorted = work.counted(PolyRing(names, QQ, order))
        self.field = QQ.frac_field(*names[split_at:])
        work.counted(self.field.field.ring, FRACTIONS)
        self.over_field = work.counted(PolyRing(names[:split_at], self.field, grevlex))

    def basis(self, generators: Basis) -> Basis:
        """Return a Groebner basis in Q[x, u], the bound variables first."""
        places = (*self.bound, *self.free)
        moved = [
            self.sorted.from_dict({tuple(m[i] for i in places): c for m, c in f.terms()})
            for f in generators
        ]
        return reduced(moved)

    def back(self, f: PolyElement) -> PolyElement:
        """Return an element of Q[x, u] in the original ring."""
        terms = {}
        for monomial, coefficient in f.terms():
            powers = [0] * self.ring.ngens
            for place, power in zip((*self.bound, *self.free), monomial, strict=True):
                powers[place] = power
            terms[tuple(powers)] = coefficient
        return self.ring.from_dict(terms)

    def leading_factors(self, basis: Basis) -> list[PolyElement]:
        """Return the irreducible factors in Q[u] of the leading coefficients over Q(u)."""
        split_at, found = len(self.bound), dict[PolyElement, None]()
        for f in basis:
            top = f.LM[:split_at]
            leading = {m: c for m, c in f.terms() if m[:split_at] == top}
            lowered = {((0,) * split_at + m[split_at:]): c for m, c in leading.items()}
            found.update(dict.fromkeys(factors(self.sorted.from_dict(lowered))))
        return list(found)

    def to_field(self, f: PolyElement) -> PolyElement:
        split_at, numerators = len(self.bound), self.field.field.ring
        grouped: dict[tuple[int, ...], dict[tuple[int, ...], Any]] = {}
        for monomial, coefficient in f.terms():
            grouped.setdefault(monomial[:split_at], {})[monomial[split_at:]] = coefficient
        return self.over_field.from_dict(
            {m: self.field.field(numerators.from_dict(terms)) for m, terms in grouped.items()}
        )

    def from_field(self, f: PolyElement) -> PolyElement:
        """Return an element of Q(u)[x] in Q[x, u], denominators cleared."""
        denominator = reduce(lambda a, b: a.lcm(b), (c.denom for c in f.coeffs()))
        terms = {}
        for monomial, coefficient in f.terms():
            scaled = coefficient.numer * denominator.exquo(coefficient.denom)
            terms.update({monomial + m: c for m, c in scaled.terms()})
        return self.sorted.from_dict(terms)

    def contract(self, prime: Basis) -> Basis:
        """Return the polynomials of Q[x, u] in an ideal of Q(u)[x]: saturate by what divided."""
        inside = reduced(self.from_field(f) for f in prime)
        divisors = self.leading_factors(inside)
        if divisors:
            product_of_all = reduce(lambda a, b: a * b, divisors)
            inside = saturate(inside, product_of_all, self.work)
        return reduced(self.back(f) for f in inside)


def saturate(basis: Basis, divisor: PolyElement, work: Work) -> Basis:
    """Return I : divisor^oo, by eliminating z from I + (1 - z divisor)."""
    ring = basis[0].ring
    order = ProductOrder((grevlex, lambda m: m[:1]), (grevlex, lambda m: m[1:]))
    bigger = work.counted(PolyRing([Symbol("_z"), *ring.symbols], QQ, order))
    lift = [bigger.from_dict({(0, *m): c for m, c in f.terms()}) for f in (*basis, divisor)]
    inverse = bigger.one - bigger.gens[0] * lift.pop()
    return [
        ring.from_dict({m[1:]: c for m, c in f.terms()})
        for f in reduced([*lift, inverse])
        if not f.LM[0]
    ]


def primes_of_dimension_zero(basis: Basis) -> Iterator[Basis]:
    """Yield the maximal ideals above a zero-dimensional ideal over Q or Q(u)."""
    pending = [basis]
    while pending:
        ideal = pending.pop()
        if not is_everything(ideal):
            parts = _split_by_minimal_polynomials(ideal)
            if parts:
                pending.extend(reduced([*ideal, f]) for f in parts)
            else:
                yield ideal


def _split_by_minimal_polynomials(ideal: Basis) -> list[PolyElement]:
    """Return polynomials that enlarge `ideal` to all ideals above it; nothing when it is prime.

    Once every variable has an irreducible minimal polynomial the ideal is radical (Seidenberg),
    and it is prime when some element has one whose degree is the dimension of the quotient.
    """
    ring = ideal[0].ring
    monomials = standard_monomials(ideal)
    for form in chain(ring.gens, _linear_forms(ring)):
        powers, relation = minimal_polynomial(form, ideal, monomials)
        parts = _factor_relation(relation, ring)
        if len(parts) > 1 or len(parts[0]) < len(relation):
            return [reduce(add, (p * c for p, c in zip(powers, part))) for part in parts]  # noqa: B905
        if len(relation) - 1 == len(monomials):
            return []
    raise AssertionError("some linear form separates the points")


def _linear_forms(ring: PolyRing) -> Iterator[PolyElement]:
    for base in count(1):
        yield reduce(add, (x * (base**i) for i, x in enumerate(ring.gens)))


def standard_monomials(basis: Basis) -> list[tuple[int, ...]]:
    """Return the monomials that no leading monomial divides (finitely many: dimension 0)."""
    leading = [f.LM for f in basis]
    ngens = basis[0].ring.ngens
    bounds = [min(m[i] for m in leading if sum(m) == m[i]) for i in range(ngens)]
    return [
        m
        for m in product(*map(range, bounds))
        if not any(all(a >= b for a, b in zip(m, lead, strict=True)) for lead in leading)
    ]


def minimal_polynomial(
    element: PolyElement, ideal: Basis, monomials: list[tuple[int, ...]]
) -> tuple[Basis, list[DomainElement]]:
    """Return 1, e, e**2, ... modulo the ideal and the first linear relation among them, monic."""
    ring, domain = element.ring, element.ring.domain
    powers: Basis = []
    rows: list[tuple[list[Any], list[Any], int]] = []
    power = ring.one
    while True:
        powers.append(power)
        vector = [power.get(m, domain.zero) for m in monomials]
        relation = [domain.zero] * (len(powers) - 1) + [domain.one]
        for row, history, pivot in rows:
            if vector[pivot]:
                scale = vector[pivot]
                vector = [a - scale * b for a, b in zip(vector, row, strict=True)]
                padded = history + [domain.zero] * (len(relation) - len(history))
                relation = [a - scale * b for a, b in zip(relation, padded, strict=True)]
        place = next((i for i, entry in enumerate(vector) if entry), None)
        if place is None:
            return powers, relation
        unit = domain.one / vector[place]
        rows.append(([a * unit for a in vector], [a * unit for a in relation], place))
        power = (power * element).rem(ideal)


def _factor_relation(relation: list[DomainElement], ring: PolyRing) -> list[list[DomainElement]]:
    """Return the distinct irreducible factors over the coefficient field, as coefficient lists."""
    domain = ring.domain
    if domain == QQ:
        line = PolyRing(["_t"], QQ, grevlex)
        found = factors(line.from_dict({(i,): c for i, c in enumerate(relation) if c}))
        return [[f.get((i,), QQ.zero) for i in range(f.degree() + 1)] for f in found]
    numerators = domain.field.ring
    denominator = reduce(lambda a, b: a.lcm(b), (c.denom for c in relation))
    whole = PolyRing([Symbol("_t"), *numerators.symbols], QQ, grevlex)
    terms = {}
    for i, coefficient in enumerate(relation):
        scaled = coefficient.numer * denominator.exquo(coefficient.denom)
        terms.update({(i, *m): c for m, c in scaled.terms()})
    result = []
    for f in factors(whole.from_dict(terms)):
        degree = f.degree(0)
        if degree > 0:
            by_power: list[dict[tuple[int, ...], Any]] = [{} for _ in range(degree + 1)]
            for m, c in f.terms():
                by_power[m[0]][m[1:]] = c
            result.append([domain.field(numerators.from_dict(part)) for part in by_power])
    return result
