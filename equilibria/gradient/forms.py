"""One-forms with polynomial coefficients: curl, work around a loop, potentials, integrability.

A flow f is a gradient field for the constant metric g exactly when the one-form theta = g f is
closed. Its curl in the plane of the variables a and b is d theta(a)/d b - d theta(b)/d a; a factor
u > 0 with u theta closed exists near a point only if the three-form theta ^ d theta is 0 there
(Frobenius). Everything here is exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, pairwise

from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.systems.polynomial_system import PolynomialSystem

Point = Mapping[str, Fraction]


@dataclass(frozen=True)
class OneForm:
    """theta = sum over the variables x of entries[x] dx."""

    entries: Mapping[str, Polynomial]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self.entries)

    def curl(self, a: str, b: str) -> Polynomial:
        """Return d theta(a)/d b - d theta(b)/d a."""
        return self.entries[a].diff(b) - self.entries[b].diff(a)

    def curls(self) -> Iterator[tuple[str, str, Polynomial]]:
        """Yield the non-zero curls (a, b, polynomial), a before b."""
        for a, b in combinations(self.names, 2):
            value = self.curl(a, b)
            if value:
                yield a, b, value

    def frobenius(self, a: str, b: str, c: str) -> Polynomial:
        """Return the (a, b, c) coefficient of theta ^ d theta, up to sign."""
        theta = self.entries
        return theta[a] * self.curl(b, c) + theta[b] * self.curl(c, a) + theta[c] * self.curl(a, b)

    def work(self, corners: Sequence[Point]) -> Fraction:
        """Return the exact integral along the closed polygon; absent variables are 0."""
        closed = [*corners, corners[0]]
        return sum(
            (self._along(start, end) for start, end in pairwise(closed)),
            Fraction(0),
        )

    def _along(self, start: Point, end: Point) -> Fraction:
        time = Ring(("t",)).variable("t")
        line, direction = {}, {}
        for name in next(iter(self.entries.values())).ring.names:
            first, last = start.get(name, Fraction(0)), end.get(name, Fraction(0))
            line[name] = time * (last - first) + first
            direction[name] = last - first
        total = Fraction(0)
        for name, entry in self.entries.items():
            if direction[name]:
                speed = entry.evaluate(line) + 0 * time
                for key, value in speed.terms.items():
                    power = key[0][1] if key else 0
                    total += direction[name] * value / (power + 1)
        return total


def one_form(
    system: PolynomialSystem,
    weight: Callable[[str], Fraction] = lambda name: Fraction(1),
    *,
    step: Fraction | None = None,
) -> OneForm:
    """Return g f for the diagonal metric g = weight; with `step`, for (map - identity)/step."""
    if step is None:
        return OneForm({name: entry * weight(name) for name, entry in system.flow.items()})
    return OneForm(
        {
            name: (system.map[name] - entry.ring.variable(name)) * (weight(name) / step)
            for name, entry in system.flow.items()
        }
    )


def potential(form: OneForm) -> Polynomial | None:
    """Return V without constant term with theta = -dV, or None when theta is not closed.

    V(x) = -int_0^1 <theta(t x), x> dt, verified by differentiation.
    """
    ring = next(iter(form.entries.values())).ring
    total = ring.constant(0)
    for name, entry in form.entries.items():
        averaged = {
            key: value / (1 + sum(power for _, power in key)) for key, value in entry.terms.items()
        }
        total = total - Polynomial(ring, averaged) * ring.variable(name)
    return total if is_potential(form, total) else None


def is_potential(form: OneForm, candidate: Polynomial) -> bool:
    """Return whether theta = -d(candidate), coefficient by coefficient."""
    return all(entry == -candidate.diff(name) for name, entry in form.entries.items())


def nonzero_point(polynomial: Polynomial) -> dict[str, Fraction]:
    """Return small integers for the variables that occur at which `polynomial` is not 0."""
    point: dict[str, Fraction] = {}
    for name in polynomial.variables():
        for value in _small_integers():
            left = substitute(polynomial, {name: value})
            if left:
                point[name], polynomial = value, left
                break
    return point


def substitute(polynomial: Polynomial, values: Point) -> Polynomial:
    """Return the polynomial with some variables replaced by numbers."""
    ring = polynomial.ring
    total = ring.constant(0)
    for key, coefficient in polynomial.terms.items():
        left = []
        for index, power in key:
            value = values.get(ring.names[index])
            if value is None:
                left.append((index, power))
            else:
                coefficient = coefficient * value**power
        if coefficient:
            total = total + Polynomial(ring, {tuple(left): coefficient})
    return total


def rename(polynomial: Polynomial, names: Mapping[str, str]) -> Polynomial:
    """Return the polynomial with its variables renamed; their order stays."""
    ring = Ring(tuple(names.get(name, name) for name in polynomial.ring.names))
    return Polynomial(ring, polynomial.terms)


def _small_integers() -> Iterator[Fraction]:
    yield Fraction(0)
    size = 1
    while True:  # a non-zero polynomial has finitely many roots in each variable
        yield Fraction(size)
        yield Fraction(-size)
        size += 1
