"""The largest step size of a component: below it the map is stable, right above it is not.

Without a moving target an eigenvalue x of the flow gives the multipliers z of (z - 1)(z - nu) = h x z.
Both lie inside the circle exactly when h x lies inside an ellipse that touches 0 from the left and
is convex, so stability at h is stability at every smaller step (docs/proofs.md, section 14). It
is enough to count roots at the two ends of the cell that the certificate names,

    [k - 1/7, k + 6/7] 2^(e - 23),   2^23 <= k <= 2^24.

With a moving target the argument fails; module `following` has another.
"""

from __future__ import annotations

from fractions import Fraction

from .reading import fields, integer
from .refusal import Refusal
from .spectra import Coefficients, folded, right_of_axis
from .systems import Model
from .towers import Tower, plus

STEP_BITS = 23
MOST_EXPONENT = 1100


def check_largest(
    value: object, model: Model, tower: Tower, polys: list[Coefficients], *, stable: bool
) -> bool:
    """Check the cell of the largest h; `polys` hold the eigenvalues that are not neutral.

    Returns whether there is one: not where the flow is not stable, or its verdict is at a point.
    """
    others = [poly for poly in polys if len(poly) > 1]
    if not stable or not others:
        if value != "none":
            raise Refusal("there is none: the flow is not stable all along the component")
        return False
    low, high = cell_ends(value)
    if any(sum(_beyond(model, tower, poly, low)) for poly in others):
        raise Refusal("the map is not stable up to the enclosure")
    if not any(sum(_beyond(model, tower, poly, high)) for poly in others):
        raise Refusal("the map is stable beyond the enclosure")
    return True


def cell_ends(value: object) -> tuple[Fraction, Fraction]:
    """Return the two ends of the cell of a largest h."""
    exponent, cell = fields(value, ("exponent", "cell"))
    power = integer(exponent, -MOST_EXPONENT, MOST_EXPONENT)
    k = integer(cell, 1 << STEP_BITS, 2 << STEP_BITS)
    unit = Fraction(2) ** (power - STEP_BITS)
    return Fraction(7 * k - 1, 7) * unit, Fraction(7 * k + 6, 7) * unit


def _beyond(model: Model, tower: Tower, poly: Coefficients, h: Fraction) -> tuple[int, int]:
    """Return how many multipliers lie outside the circle at step h, and how many at 1 or -1."""
    return right_of_axis(tower, folded(multipliers(model, poly, h), Fraction(1)))


def multipliers(model: Model, poly: Coefficients, h: Fraction) -> Coefficients:
    """Return the polynomial of z with (z - 1)(z - nu) = h x z for the roots x of `poly`."""
    u, v = h.numerator, h.denominator
    a, b = model.nu.numerator, model.nu.denominator
    degree = len(poly) - 1
    factor = [a, -a - b, b] if a else [-1, 1]  # without momentum z is divided out
    total: Coefficients = [{} for _ in range(1 + degree * (len(factor) - 1))]
    power = [1]
    for k, coefficient in enumerate(poly):
        weight = v**k * (u * b) ** (degree - k)
        lift = degree - k if a else 0
        for place, c in enumerate(power):
            total[place + lift] = plus(total[place + lift], coefficient, c * weight)
        power = times(power, factor)
    return total


def times(left: list[int], right: list[int]) -> list[int]:
    """Return the product of two polynomials."""
    found = [0] * (len(left) + len(right) - 1)
    for i, x in enumerate(left):
        for j, y in enumerate(right):
            found[i + j] += x * y
    return found
