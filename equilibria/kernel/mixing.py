"""Two modes that mix (T6.5), decided by memberships with cofactors.

For n >= 2 = d equilibria of rank 2 are the symmetric X = (x, y; y, z), up to O(n), with

    e = M X M - (Sigma X + eta)(X Sigma + eta) = 0                                       (T6.2)

The certificate gives cofactors (each a polynomial in x, y, z) that show

    y (x + z - q),   y (A x - B)   and, if A is not 0,   y (y^2 - C)

to be in the ideal of the entries of e. So y != 0 forces x = B/A and y^2 = C, with two mirror images
if C > 0 and none if C <= 0; and if A = 0, none because B is not 0.
"""

from __future__ import annotations

from fractions import Fraction

from . import polynomials as poly
from .polynomials import Polynomial
from .reading import fields, listing, polynomial, rational
from .refusal import Refusal, at
from .systems import Model

NAMES = ("x", "y", "z")


def check_mixing(value: object, model: Model) -> list[str]:
    """Check the memberships; return the ids of the mixed components."""
    names = ("trace", "slope", "offset", "y_squared", "cofactors")
    trace, slope, offset, square, cofactors = fields(value, names)
    q, A, B = (rational(entry) for entry in (trace, slope, offset))
    if not A and (not B or square != "none"):
        raise Refusal("with slope 0 the offset must not be 0, and y_squared is none")
    C = rational(square) if A else None
    elements, generators = _elements(q, A, B, C), gram(model)
    rows = listing(cofactors)
    if len(rows) != len(elements):
        raise Refusal(f"expected cofactors of {len(elements)} elements", "cofactors")
    for index, (element, row) in enumerate(zip(elements, rows, strict=True)):
        with at(f"cofactors[{index}]"):
            _check_membership(element, generators, row)
    return ["rank2:a", "rank2:b"] if C is not None and C > 0 else []


def _elements(q: Fraction, A: Fraction, B: Fraction, C: Fraction | None) -> list[Polynomial]:
    x, y, z = (poly.variable(name) for name in NAMES)
    found = [
        poly.add(poly.add(x, z), poly.constant(q), -1),
        poly.add(poly.scale(x, A), poly.constant(B), -1),
    ]
    if C is not None:
        found.append(poly.add(poly.times(y, y), poly.constant(C), -1))
    return [poly.times(y, element) for element in found]


def _check_membership(element: Polynomial, generators: list[Polynomial], row: object) -> None:
    factors = [polynomial(entry) for entry in listing(row)]
    if len(factors) != len(generators):
        raise Refusal("expected one cofactor per generator")
    total: Polynomial = {}
    for factor, generator in zip(factors, generators, strict=True):
        total = poly.add(total, poly.times(factor, generator))
    if total != element:
        raise Refusal("the combination is not the element")


def gram(model: Model) -> list[Polynomial]:
    """Return the entries (1, 1), (1, 2) and (2, 2) of e."""
    x, y, z = (poly.variable(name) for name in NAMES)
    X = [[x, y], [y, z]]
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    eta = poly.multiple([[poly.constant(1), {}], [{}, poly.constant(1)]], model.eta)
    left = poly.combine(poly.product(sigma, X), eta)
    right = poly.combine(poly.product(X, sigma), eta)
    e = poly.combine(poly.product(poly.product(m, X), m), poly.product(left, right), -1)
    return [e[0][0], e[0][1], e[1][1]]
