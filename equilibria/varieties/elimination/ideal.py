"""Ideals over Q with a Groebner basis of our own, to check what the engines propose.

Nothing here is shared with an engine: integers, Buchberger's algorithm with the criteria of
Gebauer and Moeller, and a count of the work in every step, so that a limit is a message. A
monomial is a tuple of exponents; a polynomial is a dictionary from monomials to integers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from itertools import combinations, product
from math import gcd, lcm
from operator import add, le, sub

from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.budget import WORD, Budget

Exponents = tuple[int, ...]
Terms = dict[Exponents, int]
Key = Callable[[Exponents], tuple[int, ...]]

CACHED_MONOMIALS = 200_000
COMPARISONS = 8
"""Comparisons of monomials that count as one step of work."""


class Ideal:
    """The ideal of `generators`, with its reduced Groebner basis.

    The order is graded reverse lexicographic; with `free` variables it is a block order that
    prefers them, so that normal forms use the other variables as little as possible.
    """

    def __init__(
        self,
        ring: Ring,
        generators: Iterable[Polynomial],
        budget: Budget,
        *,
        free: Sequence[str] = (),
    ) -> None:
        self.ring, self.budget = ring, budget
        self.free = tuple(ring.names.index(name) for name in free)
        self._key = _order(len(ring.names), self.free)
        self.generators = tuple(f for f in generators if f)
        dense = [_dense(f)[0] for f in self.generators]
        self._basis = _groebner(dense, self._key, budget)

    def within(self, budget: Budget) -> Ideal:
        """Return the same ideal, that spends from another budget."""
        other = copy(self)
        other.budget = budget
        return other

    @cached_property
    def basis(self) -> tuple[Polynomial, ...]:
        """Return the reduced Groebner basis, primitive with positive leading coefficients."""
        return tuple(_sparse(self.ring, f, 1) for _, f in self._basis)

    @property
    def is_everything(self) -> bool:
        """Say whether the ideal is the whole ring: no common zero, even complex."""
        return any(not any(top) for top, _ in self._basis)

    def normal_form(self, f: Polynomial) -> Polynomial:
        """Return the unique remainder of `f` modulo the ideal."""
        terms, denominator = _dense(f)
        rest, scale = _remainder(terms, self._basis, self._key, self.budget)
        return _sparse(self.ring, rest, denominator * scale)

    def contains(self, f: Polynomial) -> bool:
        return not self.normal_form(f)

    def saturate(self, f: Polynomial) -> Ideal:
        """Return I : f^oo, whose zero set is the closure of V(I) without V(f)."""
        bigger = Ring(("", *self.ring.names))
        lifted = [_lift(g, bigger) for g in (*self.basis, f)]
        inverse = bigger.constant(1) - bigger.variables()[0] * lifted.pop()
        names = self.ring.names
        whole = Ideal(bigger, [*lifted, inverse], self.budget, free=names)
        kept = [_lower(g, self.ring) for g in whole.basis if "" not in g.variables()]
        return Ideal(self.ring, kept, self.budget)

    @cached_property
    def independent(self) -> tuple[str, ...]:
        """Return a largest set of variables that are independent modulo the ideal.

        Its size is the dimension. Among sets of one size the first in the order of the ring.
        """
        supports = [{i for i, power in enumerate(top) if power} for top, _ in self._basis]
        alone = {next(iter(support)) for support in supports if len(support) == 1}
        possible = [i for i in range(len(self.ring.names)) if i not in alone]
        for count in range(len(possible), -1, -1):
            for chosen in combinations(possible, count):
                self.budget.spend(1 + len(supports) // COMPARISONS, "dimension")
                if not any(support <= set(chosen) for support in supports):
                    return tuple(self.ring.names[i] for i in chosen)
        return ()

    @property
    def dimension(self) -> int:
        """Return the dimension of the complex zero set; -1 when it is empty."""
        return -1 if self.is_everything else len(self.independent)

    def standard_monomials(self) -> list[Polynomial]:
        """Return the monomial basis of the quotient; the dimension must be 0."""
        tops = [top for top, _ in self._basis]
        size = len(self.ring.names)
        bounds = [min(top[i] for top in tops if sum(top) == top[i]) for i in range(size)]
        inside = [
            m for m in product(*map(range, bounds)) if not any(_divides(top, m) for top in tops)
        ]
        return [_sparse(self.ring, {m: 1}, 1) for m in sorted(inside, key=self._key)]


def _order(size: int, free: tuple[int, ...]) -> Key:
    bound = tuple(i for i in range(size) if i not in free)

    @lru_cache(maxsize=CACHED_MONOMIALS)
    def key(m: Exponents) -> tuple[int, ...]:
        blocks = ([m[i] for i in reversed(chosen)] for chosen in (bound, free))
        return tuple(entry for part in blocks for entry in (sum(part), *(-e for e in part)))

    return key


def _dense(f: Polynomial) -> tuple[Terms, int]:
    """Return integer terms and the denominator that they are over."""
    size = len(f.ring.names)
    denominator = lcm(*(c.denominator for c in f.terms.values()))
    terms: Terms = {}
    for key, c in f.terms.items():
        powers = [0] * size
        for index, power in key:
            powers[index] = power
        terms[tuple(powers)] = c.numerator * (denominator // c.denominator)
    return terms, denominator


def _sparse(ring: Ring, terms: Terms, denominator: int) -> Polynomial:
    return Polynomial(
        ring,
        {
            tuple((i, e) for i, e in enumerate(m) if e): Fraction(c, denominator)
            for m, c in terms.items()
        },
    )


def _lift(f: Polynomial, bigger: Ring) -> Polynomial:
    return Polynomial(bigger, {tuple((i + 1, e) for i, e in k): c for k, c in f.terms.items()})


def _lower(f: Polynomial, ring: Ring) -> Polynomial:
    return Polynomial(ring, {tuple((i - 1, e) for i, e in k): c for k, c in f.terms.items()})


def _divides(a: Exponents, b: Exponents) -> bool:
    return all(map(le, a, b))


def _lcm(a: Exponents, b: Exponents) -> Exponents:
    return tuple(map(max, a, b))


def _disjoint(a: Exponents, b: Exponents) -> bool:
    return not any(map(min, a, b))


def _primitive(terms: Terms, top: Exponents) -> Terms:
    content = gcd(*terms.values())
    if terms[top] < 0:
        content = -content
    return terms if content == 1 else {m: c // content for m, c in terms.items()}


def _cancel(f: Terms, at: Exponents, g: Terms, top: Exponents) -> int:
    """Replace f by a f - b x g so that the monomial `at` vanishes; return a > 0."""
    shift = tuple(map(sub, at, top))
    common = gcd(f[at], g[top])
    a, b = g[top] // common, f[at] // common
    if a < 0:
        a, b = -a, -b
    if a != 1:
        for m in f:
            f[m] *= a
    for m, c in g.items():
        place = tuple(map(add, m, shift))
        value = f.get(place, 0) - b * c
        if value:
            f[place] = value
        else:
            f.pop(place, None)
    return a


def _steps(f: Terms, at: Exponents, g: Terms, top: Exponents) -> int:
    """Return the work of `_cancel`: terms touched, more for coefficients of many words."""
    size = f[at].bit_length() + g[top].bit_length()
    touched = len(g) if abs(g[top]) == 1 else len(g) + len(f)
    return (touched + len(f) // COMPARISONS) * (1 + size // WORD)


def _remainder(
    f: Terms, basis: Sequence[tuple[Exponents, Terms]], key: Key, budget: Budget
) -> tuple[Terms, int]:
    """Return (r, a) with a f = r modulo the basis, no term of r divisible by a leading term."""
    rest, work, scale = Terms(), dict(f), 1
    while work:
        at = max(work, key=key)
        divisor = next(((top, g) for top, g in basis if _divides(top, at)), None)
        if divisor is None:
            budget.spend(1 + len(work) // COMPARISONS, "reduction")
            rest[at] = work.pop(at)
            continue
        budget.spend(_steps(work, at, divisor[1], divisor[0]), "reduction")
        factor = _cancel(work, at, divisor[1], divisor[0])
        if factor != 1:
            scale *= factor
            rest = {m: c * factor for m, c in rest.items()}
        if scale.bit_length() > 64:
            common = gcd(scale, *work.values(), *rest.values())
            scale //= common
            work = {m: c // common for m, c in work.items()}
            rest = {m: c // common for m, c in rest.items()}
    return rest, scale


def _groebner(
    generators: Sequence[Terms], key: Key, budget: Budget
) -> list[tuple[Exponents, Terms]]:
    """Return the reduced Groebner basis as (leading monomial, terms), smallest first."""
    basis: list[tuple[Exponents, Terms]] = []
    active: list[int] = []
    pairs: list[tuple[int, int]] = []
    for f in sorted(generators, key=lambda g: max(map(key, g))):
        _insert(f, basis, active, pairs, key, budget)
    while pairs:
        budget.spend(1 + len(pairs) // COMPARISONS, "Groebner basis")
        best = min(pairs, key=lambda pair: key(_lcm(basis[pair[0]][0], basis[pair[1]][0])))
        pairs.remove(best)
        (top_f, f), (top_g, g) = basis[best[0]], basis[best[1]]
        common = _lcm(top_f, top_g)
        shift = tuple(map(sub, common, top_f))
        moved = {tuple(map(add, m, shift)): c for m, c in f.items()}
        _cancel(moved, common, g, top_g)
        _insert(moved, basis, active, pairs, key, budget)
    minimal = sorted((basis[i] for i in active), key=lambda entry: key(entry[0]))
    result: list[tuple[Exponents, Terms]] = []
    for top, f in minimal:
        rest, _ = _remainder(f, [entry for entry in minimal if entry[0] != top], key, budget)
        result.append((top, _primitive(rest, top)))
    return result


def _insert(
    f: Terms,
    basis: list[tuple[Exponents, Terms]],
    active: list[int],
    pairs: list[tuple[int, int]],
    key: Key,
    budget: Budget,
) -> None:
    """Reduce `f` and add what is left, updating the pairs (Gebauer and Moeller, 1988)."""
    rest, _ = _remainder(f, [basis[i] for i in active], key, budget)
    if not rest:
        return
    top = max(rest, key=key)
    new = len(basis)
    basis.append((top, _primitive(rest, top)))
    tops = [entry[0] for entry in basis]
    pairs[:] = [
        (i, j)
        for i, j in pairs
        if not _divides(top, _lcm(tops[i], tops[j]))
        or _lcm(tops[i], top) == _lcm(tops[i], tops[j])
        or _lcm(tops[j], top) == _lcm(tops[i], tops[j])
    ]
    candidates = sorted(
        active, key=lambda i: (key(_lcm(tops[i], top)), not _disjoint(tops[i], top))
    )
    kept: list[int] = []
    for i in candidates:
        if not any(_divides(_lcm(tops[j], top), _lcm(tops[i], top)) for j in kept):
            kept.append(i)
    pairs.extend((i, new) for i in kept if not _disjoint(tops[i], top))
    active[:] = [i for i in active if not _divides(top, tops[i])] + [new]


@dataclass(frozen=True, slots=True)
class Residue:
    """A polynomial modulo an ideal, held as its normal form."""

    ideal: Ideal
    form: Polynomial

    def __add__(self, other: Residue) -> Residue:
        return Residue(self.ideal, self.form + other.form)

    def __mul__(self, other: Residue | Fraction) -> Residue:
        if isinstance(other, Fraction):
            return Residue(self.ideal, self.form * other)
        self.ideal.budget.spend(len(self.form.terms) * len(other.form.terms), "products")
        return Residue(self.ideal, self.ideal.normal_form(self.form * other.form))

    def __bool__(self) -> bool:
        return bool(self.form)
