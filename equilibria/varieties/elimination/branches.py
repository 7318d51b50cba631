"""Systems taken apart before any Groebner basis: factors, and variables that occur linearly.

    V(f g, rest)     = V(f, rest)  and  V(g, rest) where f is not 0
    V(a x + b, rest) = {a not 0, x = -b/a, rest}  and  V(a, b, rest)

Every line is an identity between sets of complex points, so what the branches hold together is what
the system holds; only the factors come from elsewhere, and they are multiplied out again.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from math import gcd, lcm

from equilibria.errors import ConsistencyError, LimitReached
from equilibria.exact.polynomial import Monomial, Polynomial
from equilibria.varieties.elimination.budget import Budget, words
from equilibria.varieties.elimination.factor import factor

MAX_BRANCHES = 5_000
MAX_TERMS = 400
"""Terms of a system beyond which no variable is substituted any more."""
GROWTH = 3
"""How many times more terms a substitution may leave (small systems may always grow)."""
SMALL = 60
MAX_DENOMINATOR = 2
"""Degree of what a variable may be divided by."""
FACTORED = 200
"""Terms of a polynomial beyond which it is not factored; an engine may do that."""
REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Solved:
    """A variable that is -rest/divisor wherever `divisor` is not 0."""

    name: str
    divisor: Polynomial
    rest: Polynomial

    @property
    def equation(self) -> Polynomial:
        return self.divisor * self.rest.ring.variable(self.name) + self.rest


@dataclass(frozen=True, slots=True)
class Branch:
    """The points with `equations` = 0 and no `nonzero` = 0, over which variables are `solved`.

    A solved variable occurs neither in `equations` and `nonzero` nor in what was solved after it.
    """

    equations: tuple[Polynomial, ...]
    solved: tuple[Solved, ...] = ()
    nonzero: tuple[Polynomial, ...] = ()


def branches(polynomials: Sequence[Polynomial], budget: Budget) -> list[Branch]:
    """Return branches that hold together all complex points of a system, none of them splittable.

    Raises `LimitReached` where there are too many.
    """
    pending, found = [Branch(tuple(polynomials))], list[Branch]()
    while pending:
        if len(pending) + len(found) > MAX_BRANCHES:
            raise LimitReached(f"more than {MAX_BRANCHES} branches of products")
        branch = _clean(pending.pop(), budget)
        if branch is None:
            continue
        parts = _step(branch, budget)
        if parts is None:
            found.append(branch)
        else:
            pending.extend(reversed(parts))
    return found


def _step(branch: Branch, budget: Budget) -> list[Branch] | None:
    """Return what a branch falls into, or None where it stays in one piece."""
    parts = _factors(branch) or _substitution(branch, budget)
    if parts is None:
        reduced = row_reduced(branch.equations, budget)
        if _size(reduced) < _size(branch.equations):
            return [replace(branch, equations=reduced)]
    return parts


def _clean(branch: Branch, budget: Budget) -> Branch | None:
    """Return the branch without repetitions and without factors that are not 0; None: no points."""
    kept: dict[Polynomial, None] = {}
    for f in branch.equations:
        budget.spend(words(c.numerator for c in f.terms.values()), "branches")
        f = primitive(_stripped(f, branch.nonzero))
        if f.degree == 0:
            return None
        if f:
            kept[f] = None
    ordered = sorted(kept, key=lambda f: (f.degree, len(f.terms), f.text()))
    return replace(branch, equations=tuple(ordered))


def _stripped(f: Polynomial, nonzero: Sequence[Polynomial]) -> Polynomial:
    """Divide out what is not 0."""
    for g in nonzero:
        while f and f.degree >= g.degree:
            quotient = exact_quotient(f, g)
            if quotient is None:
                break
            f = quotient
    return f


def _factors(branch: Branch) -> list[Branch] | None:
    """Return one branch for each factor of the first equation that is a product or a power."""
    for place, f in enumerate(branch.equations):
        parts = irreducible_factors(f)
        if len(parts) == 1 and parts[0] == f:
            continue
        others = (*branch.equations[:place], *branch.equations[place + 1 :])
        return [
            replace(
                branch,
                equations=(g, *others),
                nonzero=_joined(branch.nonzero, [h for h in parts[:i] if h.degree > 0]),
            )
            for i, g in enumerate(parts)
        ]
    return None


def irreducible_factors(f: Polynomial) -> list[Polynomial]:
    """Return the distinct factors, primitive and irreducible; their product is checked.

    A polynomial of more than `FACTORED` terms is returned as it is.
    """
    return list(_irreducible(f))


@lru_cache(maxsize=REMEMBERED)
def _irreducible(f: Polynomial) -> tuple[Polynomial, ...]:
    if f.degree <= 1 or len(f.terms) > FACTORED:
        return (primitive(f),) if f.degree > 0 else ()
    constant, parts = factor(f)
    product = f.ring.constant(constant)
    for g, multiplicity in parts:
        product = product * g**multiplicity
    if product != f:
        raise ConsistencyError(f"the factors of {f.text()} do not multiply to it")
    return tuple(primitive(g) for g, _ in parts)


def _joined(known: Sequence[Polynomial], more: Iterable[Polynomial]) -> tuple[Polynomial, ...]:
    return tuple(dict.fromkeys((*known, *more)))


def _substitution(branch: Branch, budget: Budget) -> list[Branch] | None:
    """Solve the cheapest equation that is linear in a variable; the divisor's zeros are a branch."""
    before = sum(len(f.terms) for f in branch.equations)
    for _, solved, at in sorted(_linear(branch.equations), key=lambda entry: entry[0]):
        others = [f for i, f in enumerate(branch.equations) if i != at]
        budget.spend(before, "branches")
        if _cost(others, solved) > MAX_TERMS:
            continue
        after = [substituted(f, solved) for f in others]
        total = sum(len(f.terms) for f in after)
        if total > max(SMALL, GROWTH * before) or total > MAX_TERMS:
            continue
        budget.spend(sum(words(c.numerator for c in f.terms.values()) for f in after), "branches")
        divisors = irreducible_factors(solved.divisor)
        parts = [] if not divisors else [(solved.divisor, solved.rest, *others)]
        nonzero = _nonzero(branch, solved)
        special = [replace(branch, equations=equations) for equations in parts]
        if nonzero is None:  # what must not vanish does, wherever the divisor does not
            return special
        return [
            Branch(tuple(after), (*branch.solved, solved), _joined(nonzero, divisors)),
            *special,
        ]
    return None


def _nonzero(branch: Branch, solved: Solved) -> list[Polynomial] | None:
    """Return what does not vanish on a branch, with a variable put in; None: something is 0."""
    found: list[Polynomial] = []
    for g in branch.nonzero:
        after = substituted(g, solved)
        if not after:
            return None
        found.extend(irreducible_factors(after))
    return found


def _linear(
    equations: Sequence[Polynomial],
) -> Iterator[tuple[tuple[int, int, int, int, str], Solved, int]]:
    """Yield the ways to solve an equation for a variable, with their cost and its place."""
    for at, f in enumerate(equations):
        for name in f.variables():
            index = f.ring.names.index(name)
            divisor, rest = dict[Monomial, Fraction](), dict[Monomial, Fraction]()
            linear = True
            for key, value in f.terms.items():
                power = next((e for i, e in key if i == index), 0)
                if power > 1:
                    linear = False
                    break
                if power:
                    divisor[tuple(pair for pair in key if pair[0] != index)] = value
                else:
                    rest[key] = value
            if not linear:
                continue
            solved = Solved(name, Polynomial(f.ring, divisor), Polynomial(f.ring, rest))
            if solved.divisor.degree > MAX_DENOMINATOR:
                continue
            uses = sum(
                1
                for i, g in enumerate(equations)
                for key in g.terms
                if i != at and any(place == index for place, _ in key)
            )
            cost = (solved.divisor.degree, solved.rest.degree, len(rest) * (uses + 1), len(divisor))
            yield (*cost, name), solved, at


def _cost(others: Sequence[Polynomial], solved: Solved) -> int:
    """Return a bound on the terms of one equation after the substitution."""
    sizes = len(solved.rest.terms), len(solved.divisor.terms)
    index = solved.rest.ring.names.index(solved.name)
    worst = 0
    for f in others:
        powers = [next((e for i, e in key if i == index), 0) for key in f.terms]
        top = max(powers, default=0)
        if top > 3 and max(sizes) > 2:
            return MAX_TERMS + 1
        worst = max(worst, sum(sizes[0] ** e * sizes[1] ** (top - e) for e in powers))
    return worst // 4


def substituted(f: Polynomial, solved: Solved) -> Polynomial:
    """Return divisor**k f with the variable put in, k its degree in f."""
    ring, index = f.ring, f.ring.names.index(solved.name)
    by_power: dict[int, dict[Monomial, Fraction]] = {}
    for key, value in f.terms.items():
        power = next((e for i, e in key if i == index), 0)
        by_power.setdefault(power, {})[tuple(p for p in key if p[0] != index)] = value
    top = max(by_power, default=0)
    total = ring.constant(0)
    for power, terms in by_power.items():
        total = total + Polynomial(ring, terms) * (-solved.rest) ** power * solved.divisor ** (
            top - power
        )
    return total


def row_reduced(equations: Sequence[Polynomial], budget: Budget) -> tuple[Polynomial, ...]:
    """Return linear combinations that generate the same, by elimination of monomials."""
    if not equations:
        return ()
    ring = equations[0].ring
    rows: dict[Monomial, Polynomial] = {}
    for f in equations:
        for top, row in rows.items():
            if top in f.terms:
                budget.spend(len(row.terms), "branches")
                f = f - row * (f.terms[top] / row.terms[top])
        if not f:
            continue
        top = f.sorted_terms()[0][0]
        for other, row in rows.items():
            if top in row.terms:
                rows[other] = row - f * (row.terms[top] / f.terms[top])
        rows[top] = f
    return tuple(primitive(Polynomial(ring, f.terms)) for f in rows.values())


def _size(equations: Sequence[Polynomial]) -> tuple[int, int, int]:
    """Return what a row reduction should make smaller."""
    return (
        len(equations),
        sum(f.degree for f in equations),
        sum(len(f.terms) for f in equations),
    )


def exact_quotient(f: Polynomial, g: Polynomial) -> Polynomial | None:
    """Return f/g where g divides f, else None (graded order, one divisor)."""
    lead, value = g.sorted_terms()[0]
    need = dict(lead)
    quotient: dict[Monomial, Fraction] = {}
    rest = f
    while rest:
        top, scale = rest.sorted_terms()[0]
        have = dict(top)
        if any(have.get(i, 0) < e for i, e in need.items()):
            return None
        key = tuple((i, e - need.get(i, 0)) for i, e in top if e > need.get(i, 0))
        quotient[key] = scale / value
        rest = rest - g * Polynomial(f.ring, {key: scale / value})
    return Polynomial(f.ring, quotient)


def primitive(f: Polynomial) -> Polynomial:
    """Return f with coprime integer coefficients, the first of them positive."""
    if not f:
        return f
    values = f.terms.values()
    scale = Fraction(lcm(*(c.denominator for c in values)))
    scale /= gcd(*(int(c * scale) for c in values))
    return f * (scale if f.sorted_terms()[0][1] > 0 else -scale)
