"""Exact numbers of a report as polynomials in generators of a tower.

Representatives hold numbers such as `2/5 + 1/5*sqrt(3)` or `sqrt(3/8 + 1/8*sqrt(5))`. All integer
radicands of a report are written over pairwise coprime ones that are no squares, so that their
roots are independent; a nested radical becomes a generator of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import gcd, isqrt, lcm

from equilibria.errors import ScopeError
from equilibria.varieties.component import Algebraic, Entry

Terms = dict[tuple[str, ...], Fraction]
"""A polynomial in generators: sorted monomial -> coefficient."""

CELL_BITS = 64
NESTED = re.compile(r"sqrt\(([^()]*\D[^()]*|[^()]*sqrt\(\d+\))\)")
QUOTIENT = re.compile(r"sqrt\((\d+/\d+)\)")
TERM = re.compile(r"([+-]?)\s*(?:(\d+(?:/\d+)?)\*)?sqrt\((\d+)\)|([+-]?)\s*(\d+(?:/\d+)?)")


@dataclass(frozen=True)
class Generator:
    """A name with g^2 = `square` (integer polynomial in earlier generators) and g > 0 in its cell."""

    name: str
    square: Terms
    cell: int


class Field:
    """Collects the radicals of a report and writes numbers over them."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        texts = sorted({e.exact for e in entries if isinstance(e, Algebraic)})
        radicands = {int(r) for text in texts for r in re.findall(r"sqrt\((\d+)\)", text)}
        fractions = [Fraction(found[1]) for text in texts if (found := QUOTIENT.fullmatch(text))]
        radicands |= {x.numerator * x.denominator for x in fractions}
        self.base = coprime_base(radicands)
        self.generators = [
            Generator(f"a{k}", {(): Fraction(b)}, isqrt(b << (2 * CELL_BITS)))
            for k, b in enumerate(self.base, 1)
        ]
        self._nested: dict[str, tuple[Generator, Fraction]] = {}

    def terms(self, entry: Entry) -> Terms:
        """Return an entry over the generators; raises `ScopeError` for floats."""
        if isinstance(entry, Fraction):
            return {(): entry} if entry else {}
        if entry == 0.0:
            return {}
        if not isinstance(entry, Algebraic):
            raise ScopeError(
                "--certificate: an equilibrium is known in floating point only",
                hint="leave --float out and give exact eigenvalues with --signal and --total",
            )
        quotient = QUOTIENT.fullmatch(entry.exact)
        if quotient:
            inside = Fraction(quotient[1])
            key, factor = self._root(inside.numerator * inside.denominator)
            return {key: Fraction(factor, inside.denominator)}
        nested = NESTED.fullmatch(entry.exact)
        return self._nested_root(nested[1]) if nested else self._flat(entry.exact)

    def _flat(self, text: str) -> Terms:
        total: Terms = {}
        for sign, factor, radicand, other, number in TERM.findall(text):
            value = Fraction(number or factor or 1) * (-1 if "-" in (sign, other) else 1)
            key, scale = self._root(int(radicand)) if radicand else ((), 1)
            total[key] = total.get(key, Fraction(0)) + value * scale
        return {key: value for key, value in total.items() if value}

    def _root(self, radicand: int) -> tuple[tuple[str, ...], int]:
        """Return sqrt(radicand) as (monomial, integer factor)."""
        names, scale = [], 1
        for generator, base in zip(self.generators, self.base, strict=False):
            power = 0
            while radicand % base == 0:
                radicand, power = radicand // base, power + 1
            scale *= base ** (power // 2)
            names += [generator.name] if power % 2 else []
        return tuple(sorted(names)), scale * isqrt(radicand)

    def _nested_root(self, text: str) -> Terms:
        """Return sqrt(x) as g/D with g^2 = D^2 x an integer combination of earlier generators."""
        if text not in self._nested:
            inside = self._flat(text)
            denominator = lcm(*(value.denominator for value in inside.values()))
            square = {key: value * denominator**2 for key, value in inside.items()}
            name = f"b{len(self._nested) + 1}"
            generator = Generator(name, square, self._cell(square))
            self._nested[text] = generator, Fraction(1, denominator)
            self.generators.append(generator)
        generator, scale = self._nested[text]
        return {(generator.name,): scale}

    def _cell(self, square: Terms) -> int:
        bits = 4 * CELL_BITS
        roots = {
            g.name: isqrt(b << (2 * bits)) for g, b in zip(self.generators, self.base, strict=False)
        }
        total = Fraction(0)
        for key, value in square.items():
            term = value
            for name in key:
                term *= Fraction(roots[name], 1 << bits)
            total += term
        return isqrt(int(total * (1 << (2 * CELL_BITS + bits))) >> bits)

    def times(self, left: Terms, right: Terms) -> Terms:
        """Return the product, with squares of generators replaced."""
        total: Terms = {}
        for a, x in left.items():
            for b, y in right.items():
                for key, value in self._reduced(tuple(sorted(a + b))).items():
                    total[key] = total.get(key, Fraction(0)) + x * y * value
        return {key: value for key, value in total.items() if value}

    def _reduced(self, key: tuple[str, ...]) -> Terms:
        for generator in reversed(self.generators):
            if key.count(generator.name) >= 2:
                place = key.index(generator.name)
                rest: Terms = {key[:place] + key[place + 2 :]: Fraction(1)}
                return self.times(rest, generator.square)
        return {key: Fraction(1)}

    def inverse(self, terms: Terms) -> Terms:
        """Return 1/x by multiplying with conjugates, last generator first."""
        for generator in reversed(self.generators):
            if any(generator.name in key for key in terms):
                conjugate = {k: -v if generator.name in k else v for k, v in terms.items()}
                return self.times(conjugate, self.inverse(self.times(terms, conjugate)))
        return {(): 1 / terms[()]}

    def value(self, terms: Terms, bits: int = 256) -> Fraction:
        """Return a rational within about 2^-bits relative of the value."""
        roots: dict[str, Fraction] = {}
        for generator in self.generators:
            square = self._sum(generator.square, roots)
            roots[generator.name] = Fraction(isqrt(int(square * (1 << (2 * bits)))), 1 << bits)
        return self._sum(terms, roots)

    def _sum(self, terms: Terms, roots: Mapping[str, Fraction]) -> Fraction:
        total = Fraction(0)
        for key, value in terms.items():
            for name in key:
                value *= roots[name]
            total += value
        return total


def add(left: Terms, right: Terms, factor: Fraction | int = 1) -> Terms:
    """Return left + factor * right."""
    total = dict(left)
    for key, value in right.items():
        total[key] = total.get(key, Fraction(0)) + factor * value
    return {key: value for key, value in total.items() if value}


def coprime_base(numbers: Iterable[int]) -> list[int]:
    """Return pairwise coprime non-squares of which all given numbers are products, up to squares."""
    work = [n for n in numbers if n > 1]
    base: list[int] = []
    while work:
        number = work.pop()
        for index, other in enumerate(base):
            common = gcd(number, other)
            if common > 1:
                del base[index]
                work += [x for x in (common, number // common, other // common) if x > 1]
                break
        else:
            base.append(number)
    return sorted(n for n in base if isqrt(n) ** 2 != n)
