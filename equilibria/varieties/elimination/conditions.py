"""Polynomials that are all positive exactly where a component of equilibria is stable.

On a component with ideal P of dimension k the characteristic polynomial of the Jacobian is computed
modulo P, x**k is divided out (a remainder means that it is no component of equilibria), and the
conditions of Lienard and Chipart are read off the rest, the map's after the unit disc has been
moved to the left half-plane. They hold at every point of the component, as identities modulo P.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from math import comb, gcd, lcm

from equilibria.errors import ConsistencyError, LimitReached
from equilibria.exact.characteristic import cayley, characteristic_polynomials, hurwitz_conditions
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.varieties.elimination.factor import factor
from equilibria.varieties.elimination.ideal import Ideal, Residue
from equilibria.varieties.elimination.reality import sum_of_squares

MAX_FACTORED_TERMS = 100
MAX_TERMS = 400


@dataclass(frozen=True, slots=True)
class Split:
    """How the linearisation cuts a component.

    A point is stable exactly where all `conditions` are positive, none being needed where they are
    empty, and unstable where one is negative. `degenerate`: an eigenvalue lies on the boundary, or
    beyond, at every point, so that there is nowhere a verdict of stability; `conditions` are those
    that are left. `constant`: the spectrum is the same at every point.
    """

    conditions: tuple[Polynomial, ...]
    degenerate: bool = False
    constant: bool = False

    @property
    def never(self) -> bool:
        """Return whether the conditions can hold nowhere: a constant among them is negative."""
        return any(f.degree == 0 for f in self.conditions)


def stability_conditions(equations: Mapping[str, Polynomial], ideal: Ideal, kind: str) -> Split:
    """Return the conditions on a component, simplified.

    `ideal` should prefer its independent variables (`free`), in which the answer is then written.
    """
    one = Residue(ideal, ideal.ring.constant(1))
    conditions: list[Polynomial] = []
    factors, surplus = _normal_factors(equations, ideal, kind)
    constant = True
    for normal in factors:
        entries = [Residue(ideal, ideal.normal_form(c)) for c in normal]
        constant = constant and all(c.form.degree <= 0 for c in entries)
        if kind == "map":
            entries = cayley(_shifted(entries), one)
        conditions.extend(ideal.normal_form(c.form) for c in hurwitz_conditions(entries, one))
    whole = [f for f in conditions if f]
    # All roots in the closed half-plane make every one of them >= 0: one below 0 is instability,
    # and one that is 0 on the whole component leaves no point at which all are positive.
    split = Split(simplified(whole), len(whole) < len(conditions) or surplus > 0, constant)
    return replace(split, degenerate=False) if split.never else split


def _normal_factors(
    equations: Mapping[str, Polynomial], ideal: Ideal, kind: str
) -> tuple[list[list[Polynomial]], int]:
    """Return factors of the normal characteristic polynomial, in x (flow) or z - 1 (map).

    The second is the number of neutral eigenvalues beyond the dimension, at every point.
    """
    names, ring = list(equations), ideal.ring
    one = Residue(ideal, ring.constant(1))
    matrix = [
        [
            Residue(
                ideal,
                ideal.normal_form(
                    equations[row].diff(column) - int(kind == "map" and row == column)
                ),
            )
            for column in names
        ]
        for row in names
    ]
    neutral, factors = 0, list[list[Polynomial]]()
    for polynomial in characteristic_polynomials(matrix, one):
        zeros = next(i for i, c in enumerate(polynomial) if c)
        neutral += zeros
        factors.extend(_factored([c.form for c in polynomial[zeros:]], ring))
    if neutral < ideal.dimension:
        raise ConsistencyError(
            f"{neutral} neutral eigenvalues ({kind}) on the component "
            f"{', '.join(f.text() for f in ideal.basis)} of dimension {ideal.dimension}"
        )
    return factors, neutral - ideal.dimension


def _factored(coefficients: Sequence[Polynomial], ring: Ring) -> list[list[Polynomial]]:
    """Return the distinct monic factors of a monic polynomial with coefficients in `ring`."""
    if len(coefficients) <= 2 or sum(len(c.terms) for c in coefficients) > MAX_FACTORED_TERMS:
        return [list(coefficients)] if len(coefficients) > 1 else []
    size = len(ring.names)
    bigger = Ring((*ring.names, "_x"))
    terms = {
        (*key, (size, power)) if power else key: value
        for power, c in enumerate(coefficients)
        for key, value in c.terms.items()
    }
    result = []
    for part, _ in factor(Polynomial(bigger, terms))[1]:
        by_power: dict[int, dict[tuple[tuple[int, int], ...], Fraction]] = {}
        for key, value in part.terms.items():
            power = key[-1][1] if key and key[-1][0] == size else 0
            by_power.setdefault(power, {})[key[:-1] if power else key] = value
        top = max(by_power)
        scale = 1 / by_power[top][()]
        result.append(
            [Polynomial(ring, by_power.get(power, {})) * scale for power in range(top + 1)]
        )
    return result


def _shifted(entries: Sequence[Residue]) -> list[Residue]:
    """Return f(z - 1) for f given in y = z - 1, constant term first."""
    zero = entries[-1] * Fraction(0)
    result = [zero for _ in entries]
    for k, c in enumerate(entries):
        for i in range(k + 1):
            result[i] = result[i] + c * Fraction(comb(k, i) * (-1) ** (k - i))
    return result


def simplified(conditions: Sequence[Polynomial]) -> tuple[Polynomial, ...]:
    """Return conditions with the same meaning: no positive factors, no repetitions.

    An empty answer: always true. A single negative constant: never.
    """
    known: dict[Polynomial, list[Polynomial]] = {}
    for condition in conditions:
        constant, factors = _factors(condition)
        sign, odd = (1 if constant > 0 else -1), list[Polynomial]()
        if not constant:
            return (condition.ring.constant(-1),)
        for f, multiplicity in factors:
            lead, f = _primitive(f)
            sign *= lead**multiplicity
            positive = _definite_sign(f)
            if positive:
                sign *= positive**multiplicity
            elif multiplicity % 2:
                odd.append(f)
            else:
                odd.append(f * f)
        if not odd:
            if sign < 0:
                return (condition.ring.constant(-1),)
            continue
        odd[0] = odd[0] * sign
        product = condition.ring.constant(1)
        for f in odd:
            product = product * f
        known[product] = odd
    single = [parts[0] for parts in known.values() if len(parts) == 1]
    reduced: dict[Polynomial, None] = {}
    for product, parts in known.items():
        reduced[_without(product, parts, single)] = None
    if any(_never_positive(f) for f in reduced):
        return (conditions[0].ring.constant(-1),)
    return tuple(sorted((f for f in reduced if f.degree > 0), key=lambda f: (f.degree, f.text())))


def _factors(condition: Polynomial) -> tuple[Fraction, list[tuple[Polynomial, int]]]:
    if len(condition.terms) > MAX_TERMS:
        raise LimitReached(f"a condition of {len(condition.terms)} terms")
    if len(condition.terms) > MAX_FACTORED_TERMS:
        return Fraction(1), [(condition, 1)]
    return factor(condition)


def _without(product: Polynomial, parts: list[Polynomial], single: list[Polynomial]) -> Polynomial:
    """Divide out factors that another condition makes positive (or negative)."""
    if len(parts) == 1:
        return product
    kept = product.ring.constant(1)
    for part in parts:
        if -part in single:
            kept = -kept
        elif part not in single:
            kept = kept * part
    return kept


def _primitive(f: Polynomial) -> tuple[int, Polynomial]:
    """Return the sign and f without its rational content, leading coefficient positive."""
    values = f.terms.values()
    scale = Fraction(lcm(*(c.denominator for c in values)))
    scale /= gcd(*(int(c * scale) for c in values))
    lead = 1 if f.sorted_terms()[0][1] > 0 else -1
    return lead, f * (scale * lead)


def _never_positive(f: Polynomial) -> bool:
    return sum_of_squares(f) is not None and f.sorted_terms()[0][1] < 0


def _definite_sign(f: Polynomial) -> int:
    """Return the sign of f where it shows that f has no real zero, else 0."""
    squares = sum_of_squares(f)
    if squares is None or not any(g.degree == 0 for g in squares):
        return 0
    constant = f.terms.get((), Fraction(0))
    return 1 if constant > 0 else -1
