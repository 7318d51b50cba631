"""The step sizes at which the map of a block is stable, exactly: roots of polynomials in h.

The multipliers z of a block are roots of F(z; h), a polynomial in both, with the momenta mu and nu
held while h varies (so the flow's rate beta = (1 - mu)/h falls as h grows). As h -> 0 they follow the
stop-gradient flow, beta -> infinity; if that is stable they stay inside the unit disc until

    F(-1; h) = 0                              a flip, or
    prod over i < j of (1 - z_i z_j) = 0      a complex pair on the circle (Neimark-Sacker),

the static F(1; h) being a constant times a power of h. With z = (1 + w)/(1 - w) the disc is the
half-plane Re w < 0 and the product is the resultant of the even and the odd part of the polynomial in
w (Orlando's formula), here the determinant of their Bezout matrix. Its lowest powers of h vanish: the
slow multipliers approach 1 together. What is left has no root at 0, and the first positive root is the
supremum of the step sizes below which the map is stable. Nothing is scanned and nothing is rounded:
coefficients carry error bounds, and more bits are taken until every sign is certain.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import combinations

from equilibria.errors import ConsistencyError
from equilibria.exact.intervals import Polynomial, Uncertain
from equilibria.exact.rationals import to_float
from equilibria.exact.root_location import N, hurwitz
from equilibria.systems.model import Model
from equilibria.varieties.commuting.couplings import Coupling
from equilibria.varieties.commuting.couplings import times as product

PRECISIONS = (192, 384, 768, 1536, 3072, 6144, 12288)
DIGITS = 64  # binary digits of a step size that are certain
SPAN_BITS = 48


@dataclass(frozen=True, slots=True)
class Rates:
    """What of a model the multipliers depend on beside h: momentum, and the target's (0: none)."""

    nu: Fraction
    mu: Fraction

    @classmethod
    def of(cls, model: Model) -> Rates:
        return cls(model.nu, model.mu if model.traits.has_target else Fraction(0))


def largest_step(coupling: Coupling[N], rates: Rates) -> Fraction | None:
    """Return the supremum of the h below which the block is stable, to 64 binary digits.

    None where small steps are not stable: there the stop-gradient flow is not.
    """
    if hurwitz(coupling.at(Fraction(1))) >= 0:
        return None
    for bits in PRECISIONS:
        try:
            return _first_loss(coupling, rates, bits)
        except Uncertain:
            continue
    raise ConsistencyError("a step size could not be separated from others with 12288 bits")


def inverse_step(coupling: Coupling[N], model: Model) -> float:
    """Return 1/h* of a block with h* = `largest_step`; inf where small steps are not stable."""
    largest = largest_step(coupling, Rates.of(model))
    return math.inf if largest is None else to_float(1 / largest)


def _first_loss(coupling: Coupling[N], rates: Rates, bits: int) -> Fraction:
    span = _span(coupling, rates, bits)
    losses = []
    for polynomial in critical_polynomials(coupling, rates, span, bits):
        place = next(polynomial.roots(), None)
        if place is not None:
            numerator, exponent = polynomial.refined(*place, DIGITS)
            losses.append(Fraction(2 * numerator + 1, 2 << exponent))
    if not losses:
        raise ConsistencyError("a block that no step size makes unstable")
    return min(losses) * span


def _span(coupling: Coupling[N], rates: Rates, bits: int) -> Fraction:
    """Return a step size beyond which the multipliers' sum, or product, is too large for the disc.

    The sum falls linearly in h, as a rule. The end is rounded up to an odd multiple of a power of two,
    so that no bisection meets a root.
    """
    row = coupling.coefficients[-2]
    slope = row[-1]
    for value in row[-2::-1]:
        slope = slope * (1 - rates.mu) + value
    sizes = coupling.degree * (1 + bool(rates.nu)) + coupling.targets * bool(rates.mu)
    low, _ = slope.enclosure(bits)
    if low > 0:
        top = Fraction(2 * sizes) / low
    elif slope.sign() > 0:
        raise Uncertain
    else:
        top = _product_bound(coupling, rates, sizes, bits)
    shift = SPAN_BITS - top.numerator.bit_length() + top.denominator.bit_length()
    scale = Fraction(2) ** shift
    return Fraction(int(top * scale) // 2 * 2 + 3) / scale


def _product_bound(coupling: Coupling[N], rates: Rates, sizes: int, bits: int) -> Fraction:
    """Return a step beyond which the product of all 1 - z, a constant times h^degree, exceeds 2^sizes.

    The multipliers' sum need not fall where a target's term turns against its own (z = -1 of a pair).
    """
    low, _ = coupling.at(Fraction(1))[0].enclosure(bits)
    if low <= 0:
        raise Uncertain
    ratio = Fraction(2) ** sizes / (low * (1 - rates.mu) ** coupling.targets)
    exponent = ratio.numerator.bit_length() - ratio.denominator.bit_length() + 1
    return Fraction(2) ** -(-exponent // coupling.degree)


def critical_polynomials(
    coupling: Coupling[N], rates: Rates, span: Fraction, bits: int
) -> tuple[Polynomial, Polynomial]:
    """Return F(-1; h) and the Neimark-Sacker resultant, in t = h/span, powers of t taken out."""
    table = _half_plane(coupling, rates, span, bits)
    even, odd = table[0::2], table[1::2]
    resultant = _determinant(_bezout(even, odd), bits)
    slow = coupling.degree  # multipliers that go to 1 with h; the others stay inside
    return table[-1], resultant.without_power(slow * (slow - 1) // 2)


def _half_plane(coupling: Coupling[N], rates: Rates, span: Fraction, bits: int) -> list[Polynomial]:
    """Return the coefficients of w^0, w^1, ...: polynomials in t = h/span."""
    forms = _forms(coupling.degree, coupling.targets, rates)
    if not rates.mu:
        rows = [[value] for value in coupling.at(Fraction(1))]
    else:
        rows = [list(row) for row in coupling.coefficients]
    bounds = [[value.enclosure(bits) for value in row] for row in rows]
    size = len(forms[0][0])
    table = []
    for i in range(size):
        entries = []
        for j in range(coupling.degree + 1):
            k = coupling.degree - j
            low = high = Fraction(0)
            for (bottom, top), form in zip(bounds[k], forms[k], strict=True):
                ends = (bottom * form[i], top * form[i])
                low, high = low + min(ends), high + max(ends)
            entries.append((low * span**j, high * span**j))
        table.append(Polynomial.enclosing(entries, bits))
    return table


@lru_cache(maxsize=64)
def _forms(degree: int, targets: int, rates: Rates) -> list[list[list[Fraction]]]:
    """Return, for Lambda^k phi^l, the factor of its coefficient in F over h^(degree - k), in w.

    With (1 - w)^size multiplied out: z - 1 = 2 w, z - nu = (1 - nu) + (1 + nu) w, and so on.
    """
    one, nu, mu = Fraction(1), rates.nu, rates.mu
    force, unit = [Fraction(0), Fraction(2)], [one, -one]
    if nu:
        force = product(force, [1 - nu, 1 + nu])
        unit = product(unit, [one, one])
    old, new = [1 - mu, 1 + mu], [1 - mu, 1 - mu]
    count = targets if mu else 0
    forms = []
    for k in range(degree + 1):
        base = [one]
        for factor in [force] * k + [unit] * (degree - k):
            base = product(base, factor)
        row = []
        for power in range(count + 1):
            form = base
            for factor in [new] * power + [old] * (count - power):
                form = product(form, factor)
            row.append(form)
        forms.append(row)
    return forms


def _bezout(even: Sequence[Polynomial], odd: Sequence[Polynomial]) -> list[list[Polynomial]]:
    """Return the Bezout matrix of two polynomials, coefficients constant first."""
    size = max(len(even), len(odd)) - 1
    blank = Polynomial((0,), (0,), even[0].bits)
    e = [*even, *[blank] * (size + 1 - len(even))]
    o = [*odd, *[blank] * (size + 1 - len(odd))]
    matrix = [[blank] * size for _ in range(size)]
    for i in range(size):
        for j in range(i, size):
            total = blank
            for k in range(min(i, size - 1 - j) + 1):
                total = total + (o[j + k + 1] * e[i - k] - o[i - k] * e[j + k + 1])
            matrix[i][j] = matrix[j][i] = total
    return matrix


def _determinant(matrix: list[list[Polynomial]], bits: int) -> Polynomial:
    """Return the determinant by expansion row by row, the minors of the last rows kept."""
    size = len(matrix)
    one = Polynomial((1 << bits,), (0,), bits)
    minors: dict[tuple[int, ...], Polynomial] = {(): one}
    for row in range(size - 1, -1, -1):
        minors = {
            columns: _expanded(matrix[row], columns, minors)
            for columns in combinations(range(size), size - row)
        }
    return minors[tuple(range(size))]


def _expanded(
    row: list[Polynomial], columns: tuple[int, ...], minors: dict[tuple[int, ...], Polynomial]
) -> Polynomial:
    total = row[columns[0]] * minors[columns[1:]]
    for place in range(1, len(columns)):
        term = row[columns[place]] * minors[columns[:place] + columns[place + 1 :]]
        total = total - term if place % 2 else total + term
    return total
