"""Minimal primes of a polynomial ideal with FLINT, by splitting and by a separating linear form.

    V(I) = V(I, f) + V(I, g)                 where a basis element is a product f g
    V(I) = V(I : h^oo) + V(I, h)             h in Q[u], u independent variables modulo I

Over Q(u), for I : h^oo, there are finitely many zeros. A linear form t that tells them apart makes
the lexicographic basis q(t), x_1 - g_1(t), x_2 - g_2(t), ... (the shape lemma), and the irreducible
factors of q are the primes. FLINT has no blocks of variables and no coefficients in Q(u), but the
lexicographic order of Q[x, t, u] does for both.

Runs inside `flint_worker`, a program of its own that is stopped from outside. Source: Becker and
Weispfenning, "Groebner Bases", 1993, sections 8.6 and 8.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import chain, combinations, count
from math import lcm
from typing import Any

from flint import Ordering, fmpq, fmpq_mpoly_ctx, fmpz_mpoly, fmpz_mpoly_ctx, fmpz_mpoly_vec

Poly = fmpz_mpoly
Context = fmpz_mpoly_ctx
Basis = list[Poly]

GROWTH = (400, 20_000, 20_000)
"""Elements of a basis, terms and bits of one element, beyond which a branch is given up."""


class GrownTooLarge(Exception):
    """A Groebner basis went beyond `GROWTH`."""


def minimal_primes(generators: Basis, emit: Callable[[Basis], None]) -> int:
    """Call `emit` with a Groebner basis of each prime, as soon as it is known.

    Together their zero sets are that of `generators`, but for as many branches as are returned:
    those were given up. Some primes may lie inside others.
    """
    pending, seen, found, given_up = [generators], set[tuple[str, ...]](), list[Basis](), 0
    while pending:
        try:
            basis = reduced(pending.pop(0))
            key = tuple(map(str, basis))
            if key in seen or is_everything(basis) or any(inside(basis, p) for p in found):
                continue
            seen.add(key)
            parts = split(basis)
            if parts:
                pending.extend(parts)
                continue
            block = Block(basis)
            pending.extend([*basis, factor] for factor in block.degenerate)
            for prime in block.primes():
                found.append(prime)
                emit(prime)
        except GrownTooLarge:
            given_up += 1
    return given_up


def context(names: Iterable[str], order: Ordering) -> Context:
    return fmpz_mpoly_ctx.get(tuple(names), order)


def reduced(generators: Iterable[Poly]) -> Basis:
    """Return the reduced Groebner basis in the order of the ring."""
    some = [f for f in generators if f]
    if not some:
        return []
    vector: Any = fmpz_mpoly_vec(some, some[0].context())
    grown, finished = vector.buchberger_naive(limits=GROWTH)
    if not finished:
        raise GrownTooLarge
    return sorted(grown.autoreduction(), key=lambda f: (f.total_degree(), len(f), str(f)))


def is_everything(basis: Basis) -> bool:
    return any(f.is_constant() for f in basis)


def inside(basis: Basis, prime: Basis) -> bool:
    """Say whether all zeros of a Groebner basis are zeros of a prime."""
    vector = fmpz_mpoly_vec(basis, basis[0].context())
    return all(not f.reduction_primitive_part(vector) for f in prime)  # type: ignore[attr-defined]  # its stub misses it


def factored(f: Poly) -> list[tuple[Poly, int]]:
    """Return the irreducible factors over Q, primitive, with their exponents.

    By way of Q: the factors over Z come sorted, and that overflows in python-flint 0.9 where two
    of them differ in coefficients beyond 64 bits only.
    """
    ring = f.context()
    over_q = fmpq_mpoly_ctx.get(ring.names(), ring.ordering())
    _, parts = over_q.from_dict({m: fmpq(c) for m, c in f.to_dict().items()}).factor()
    found = []
    for factor, exponent in parts:
        terms = factor.to_dict()
        scale = lcm(*(int(c.q) for c in terms.values()))
        integral = {m: int(c.p) * (scale // int(c.q)) for m, c in terms.items()}
        found.append((ring.from_dict(integral), exponent))
    return found


def split(generators: Basis) -> list[Basis]:
    """Return a system for each factor of the first element that is a product or a power."""
    for i, f in enumerate(generators):
        parts = factored(f)
        if len(parts) > 1 or (parts and parts[0][1] > 1):
            return [[*generators[:i], factor, *generators[i + 1 :]] for factor, _ in parts]
    return []


def independent_set(basis: Basis) -> tuple[int, ...]:
    """Return the largest set of variables in which no leading monomial lies."""
    supports = [{i for i, power in enumerate(f.monomial(0)) if power} for f in basis]
    size = basis[0].context().nvars()
    for length in range(size, -1, -1):
        for chosen in combinations(range(size), length):
            if not any(support <= set(chosen) for support in supports):
                return chosen
    raise ValueError("the ideal is the whole ring")


def move(f: Poly, target: Context, places: tuple[int, ...]) -> Poly:
    """Return f in another ring; its variable i is variable `places[i]` there (-1: not in f)."""
    terms = {}
    for monomial, coefficient in f.to_dict().items():
        powers = [0] * target.nvars()
        for place, power in zip(places, monomial, strict=True):
            if power:
                powers[place] = power
        terms[tuple(powers)] = coefficient
    return target.from_dict(terms)


class Block:
    """An ideal in Q[x, u], the bound variables x before the free u, seen as one over Q(u)."""

    def __init__(self, basis: Basis) -> None:
        self.ring = basis[0].context()
        free = independent_set(basis)
        bound = tuple(i for i in range(self.ring.nvars()) if i not in free)
        self.order = (*bound, *free)
        self.size = len(bound)
        names = [self.ring.names()[i] for i in self.order]
        self.lex = context(names, Ordering.lex)
        # One more variable in front (to saturate), or between x and u (for the linear form).
        self.ahead = context(["z", *names], Ordering.lex)
        self.between = context([*names[: self.size], "t", *names[self.size :]], Ordering.lex)
        places = tuple(self.order.index(i) for i in range(self.ring.nvars()))
        self.basis = reduced(move(f, self.lex, places) for f in basis)
        self.degenerate = [self._back(h) for h in self._leading_factors(self.basis)]

    def _back(self, f: Poly) -> Poly:
        return move(f, self.ring, self.order)

    def _leading_factors(self, basis: Basis) -> Basis:
        """Return the irreducible factors in Q[u] of the leading coefficients over Q(u)."""
        found: dict[str, Poly] = {}
        for f in basis:
            top = f.monomial(0)[: self.size]
            leading = {
                (0,) * self.size + m[self.size :]: c
                for m, c in f.to_dict().items()
                if m[: self.size] == top
            }
            found.update((str(h), h) for h, _ in factored(self.lex.from_dict(leading)))
        return list(found.values())

    def primes(self) -> Iterator[Basis]:
        """Yield the primes of the ideal over Q(u), each as an ideal of the ring it came from."""
        pending = [self.basis]
        while pending:
            ideal = pending.pop(0)
            if any(not any(f.monomial(0)[: self.size]) for f in ideal):
                continue  # a polynomial in u alone is a unit of Q(u)
            pieces, maximal = self._pieces(ideal)
            if maximal:
                yield from map(self._contract, pieces)
            else:
                pending.extend(pieces)

    def _pieces(self, ideal: Basis) -> tuple[list[Basis], bool]:
        """Return larger ideals with the same zeros, and whether they are maximal over Q(u).

        Once every variable has an irreducible minimal polynomial the ideal is radical
        (Seidenberg), and then some linear form tells its zeros apart.
        """
        xs = self.lex.gens()[: self.size]
        for form in chain(xs, (sum(x * b**i for i, x in enumerate(xs)) for b in count(1))):
            relation, shape = self._relation(ideal, form)
            moving = [(f, e) for f, e in factored(relation) if f.degrees()[self.size] > 0]
            if shape or len(moving) > 1 or moving[0][1] > 1:
                values = [*xs, form, *self.lex.gens()[self.size :]]
                at_form = [f.compose(*values, ctx=self.lex) for f, _ in moving]
                return [reduced([*ideal, f]) for f in at_form], shape
        raise AssertionError("some linear form separates the points")

    def _relation(self, ideal: Basis, form: Poly) -> tuple[Poly, bool]:
        """Return the least polynomial in t and u that t = form satisfies, and if x follows from t."""
        n = self.size
        places = tuple(i if i < n else i + 1 for i in range(len(self.order)))
        t = self.between.gens()[n]
        basis = reduced(
            [*(move(f, self.between, places) for f in ideal), t - move(form, self.between, places)]
        )
        tops = [f.monomial(0)[: n + 1] for f in basis]
        ground = [f for f, top in zip(basis, tops, strict=True) if not any(top[:n])]
        linear = {top.index(1) for top in tops if sum(top) == 1}
        return min(ground, key=lambda f: f.degrees()[n]), linear >= set(range(n))

    def _contract(self, prime: Basis) -> Basis:
        """Return the polynomials in an ideal over Q(u): saturate by what was divided by."""
        for divisor in self._leading_factors(prime):
            prime = self._saturate(prime, divisor)
        return reduced(map(self._back, prime))

    def _saturate(self, basis: Basis, divisor: Poly) -> Basis:
        """Return I : divisor^oo, by eliminating z from I + (1 - z divisor)."""
        up = tuple(range(1, len(self.order) + 1))
        inverse = 1 - self.ahead.gens()[0] * move(divisor, self.ahead, up)
        whole = reduced([*(move(f, self.ahead, up) for f in basis), inverse])
        down = (-1, *range(len(self.order)))
        return [move(f, self.lex, down) for f in whole if not f.monomial(0)[0]]
