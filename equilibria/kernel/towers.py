"""Real algebraic numbers in a tower of generators.

Each generator g satisfies a monic polynomial whose coefficients are integer polynomials in the
generators before it, and is the one root in its cell [k, k + 1]/2^64: existence by a change of
sign, uniqueness because the derivative has no zero in the cell. Elements are dictionaries from
exponents to integers or fractions. An element whose reduced form is empty is zero; the converse is
never used, so the polynomials need not be irreducible.
"""

from __future__ import annotations

from fractions import Fraction
from math import lcm
from typing import TypeVar

from .intervals import Interval
from .refusal import Refusal, at

Exponents = tuple[int, ...]
Element = dict[Exponents, int]
"""An integer combination of monomials in the generators, reduced."""

Value = dict[Exponents, Fraction]
"""The same with rational coefficients."""

N = TypeVar("N", int, Fraction)

CELL_BITS = 64
MOST_BITS = 1 << 14
GUARD_BITS = 256
MOST_DEPTH = 3
"""Radicals under radicals: what is certified needs two."""

MOST_WORK = 12_000_000
"""Products of coefficients of up to 256 bits, larger ones counted in proportion; some twenty seconds."""


class Tower:
    """Arithmetic in Z[g_1, ..., g_r] and enclosures of its elements."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self.relations: list[list[Element]] = []
        self.cells: list[int] = []
        self.depths: list[int] = []
        self.work = 0
        self._products: dict[tuple[Exponents, Exponents], list[tuple[Exponents, int]]] = {}
        self._values: dict[int, list[Interval]] = {}
        self._monomials: dict[tuple[Exponents, int], Interval] = {}

    def adjoin(self, name: str, relation: list[dict[tuple[str, ...], Fraction]], cell: int) -> None:
        """Add a generator: coefficients from the constant up, the leading 1 left out."""
        coefficients = [self._early(term) for term in relation]
        if len(coefficients) < 2:
            raise Refusal("a generator needs degree 2 or more")
        if abs(cell) < 256:
            raise Refusal("the cell touches the neighbourhood of zero")
        used = {
            i for entry in coefficients for key in entry for i, power in enumerate(key) if power
        }
        depth = 1 + max((self.depths[i] for i in used), default=0)
        if depth > MOST_DEPTH:
            raise Refusal(f"generators are nested more than {MOST_DEPTH} deep")
        self.depths.append(depth)
        self.names.append(name)
        self.relations.append(coefficients)
        self.cells.append(cell)
        self._isolate(len(self.names) - 1)

    def _early(self, polynomial: dict[tuple[str, ...], Fraction]) -> Element:
        element, denominator = self.element(polynomial)
        if denominator != 1:
            raise Refusal("coefficients of a generator must be integers")
        return element

    def element(self, polynomial: dict[tuple[str, ...], Fraction]) -> tuple[Element, int]:
        """Return (integer element, denominator) of a polynomial in the generators' names."""
        denominator = lcm(*(value.denominator for value in polynomial.values()))
        total: Element = {}
        for key, value in polynomial.items():
            exponents = self._exponents(key)
            if self.reduced(exponents) != {exponents: 1}:
                raise Refusal("an element is not written in reduced form")
            total[exponents] = int(value * denominator)
        return total, denominator

    def value(self, polynomial: dict[tuple[str, ...], Fraction]) -> Value:
        """Return the element with rational coefficients."""
        element, denominator = self.element(polynomial)
        return {key: Fraction(value, denominator) for key, value in element.items()}

    def _exponents(self, key: tuple[str, ...]) -> Exponents:
        counts: list[int] = []
        for name in key:
            if name not in self.names:
                raise Refusal(f"no generator is called {name[:40]}")
            place = self.names.index(name)
            counts += [0] * (place + 1 - len(counts))
            counts[place] += 1
        return tuple(counts)

    def reduced(self, exponents: Exponents) -> Element:
        """Return a monomial modulo the relations."""
        for place in range(len(exponents) - 1, -1, -1):
            degree = len(self.relations[place])
            if exponents[place] < degree:
                continue
            rest = [*exponents]
            rest[place] -= degree
            total: Element = {}
            for power, coefficient in enumerate(self.relations[place]):
                moved = rest.copy()
                moved[place] += power
                term = self.times(coefficient, self.reduced(_trimmed(moved)))
                total = plus(total, term, -1)
            return total
        return {exponents: 1}

    def times(self, left: dict[Exponents, N], right: dict[Exponents, N]) -> dict[Exponents, N]:
        """Return the reduced product."""
        self.spend(len(left) * len(right) * _words(left) * _words(right))
        total: dict[Exponents, N] = {}
        for a, x in left.items():
            for b, y in right.items():
                product = self._product(a, b)
                self.work += len(product) - 1
                for key, value in product:
                    term = x * y * value
                    total[key] = total[key] + term if key in total else term
        return {key: value for key, value in total.items() if value}

    def spend(self, work: int) -> None:
        """Count work before it is done; refuses when there is too much of it."""
        self.work += work
        if self.work > MOST_WORK:
            raise Refusal("more arithmetic than a certificate of this kind needs")

    def _product(self, a: Exponents, b: Exponents) -> list[tuple[Exponents, int]]:
        if (a, b) not in self._products:
            self.spend(10)
            long, short = (a, b) if len(a) >= len(b) else (b, a)
            summed = [
                x + y for x, y in zip(long, short + (0,) * (len(long) - len(short)), strict=True)
            ]
            self._products[a, b] = list(self.reduced(tuple(summed)).items())
        return self._products[a, b]

    def enclose(self, element: Element, bits: int) -> Interval:
        """Return an interval around the value of an element."""
        self.spend(len(element) * (1 + (bits >> 8)))
        total = Interval(0, 0, bits)
        for exponents, value in element.items():
            total = total + self._monomial(exponents, bits).times(value)
        return total

    def _monomial(self, exponents: Exponents, bits: int) -> Interval:
        if (exponents, bits) not in self._monomials:
            value = Interval.of(1, bits)
            for place, power in enumerate(exponents):
                self.spend(power * (1 + (bits >> 8)))
                for _ in range(power):
                    value = value * self._generator(place, bits)
            self._monomials[exponents, bits] = value
        return self._monomials[exponents, bits]

    def sign(self, value: Element | Value) -> int:
        """Return the sign of an element; refuses where the precision does not suffice."""
        if not value:
            return 0
        common = lcm(*(x.denominator for x in value.values()))
        element = {key: int(x * common) for key, x in value.items()}
        bits = 128
        while bits <= MOST_BITS:
            sign = self.enclose(element, bits).sign
            if sign:
                return sign
            bits *= 2
        raise Refusal("the sign of a number could not be decided")

    def _isolate(self, place: int) -> None:
        cell, bits = self.cells[place], 4 * CELL_BITS
        low, high = Fraction(cell, 1 << CELL_BITS), Fraction(cell + 1, 1 << CELL_BITS)
        signs = [self._at(place, Interval.of(x, bits), bits).sign for x in (low, high)]
        if None in signs or signs[0] == 0 or signs[0] != -(signs[1] or 0):
            raise Refusal("no change of sign over the cell of the generator")
        box = Interval(Interval.of(low, bits).low, Interval.of(high, bits).high, bits)
        if self._slope(place, box, bits).sign in (None, 0):
            raise Refusal("more than one root may lie in the cell of the generator")

    def _generator(self, place: int, bits: int) -> Interval:
        values = self._values.setdefault(bits, [])
        while len(values) <= place:
            values.append(self._refined(len(values), bits))
        return values[place]

    def _refined(self, place: int, bits: int) -> Interval:
        """Bisect the cell with interval values of the relation, until signs are not known."""
        fine = bits + GUARD_BITS
        self.spend((fine - CELL_BITS) * len(self.relations[place]) * (1 + (fine >> 8)))
        shift = fine - CELL_BITS
        low, high = self.cells[place] << shift, (self.cells[place] + 1) << shift
        rising = self._at(place, Interval(high, high, fine), fine).sign == 1
        while high - low > 1 << (fine - bits - 8):
            middle = (low + high) >> 1
            sign = self._at(place, Interval(middle, middle, fine), fine).sign
            if sign is None or sign == 0:
                break
            low, high = (low, middle) if (sign == 1) == rising else (middle, high)
        drop = fine - bits
        return Interval(low >> drop, -((-high) >> drop), bits)

    def _at(self, place: int, x: Interval, bits: int) -> Interval:
        total = Interval.of(1, bits)
        for coefficient in reversed(self.relations[place]):
            total = total * x + self.enclose(coefficient, bits)
        return total

    def _slope(self, place: int, x: Interval, bits: int) -> Interval:
        degree = len(self.relations[place])
        total = Interval.of(degree, bits)
        for power in range(degree - 1, 0, -1):
            coefficient = self.enclose(self.relations[place][power], bits).times(power)
            total = total * x + coefficient
        return total


def _words(element: dict[Exponents, N]) -> int:
    """Return the size of the largest coefficient in units of 256 bits, rounded up."""
    bits = 0
    for value in element.values():
        bits = max(bits, value.numerator.bit_length() + value.denominator.bit_length())
    return 1 + (bits >> 8)


def plus(
    left: dict[Exponents, N], right: dict[Exponents, N], factor: int = 1
) -> dict[Exponents, N]:
    """Return left + factor * right."""
    total = dict(left)
    for key, value in right.items():
        new = total[key] + factor * value if key in total else factor * value
        if new:
            total[key] = new
        else:
            total.pop(key, None)
    return total


def _trimmed(exponents: list[int]) -> Exponents:
    while exponents and not exponents[-1]:
        exponents.pop()
    return tuple(exponents)


def read_tower(entries: list[tuple[str, list[dict[tuple[str, ...], Fraction]], int]]) -> Tower:
    """Return the tower of (name, relation, cell) triples, each isolated; see `Tower.adjoin`."""
    tower = Tower()
    for index, (name, relation, cell) in enumerate(entries):
        with at(f"generators[{index}]"):
            tower.adjoin(name, relation, cell)
    return tower
