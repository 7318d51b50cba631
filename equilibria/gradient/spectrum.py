"""Exact spectra: is a rational matrix similar to a real symmetric one?

It is exactly when all its eigenvalues are real and it is diagonalizable. The first is decided by
Sturm's theorem on the square-free part q of the characteristic polynomial, the second by whether
q(A) = 0; both over the rationals. Polynomials in one variable are lists of coefficients, highest
power first. Source of use: theorem T3.4.
"""

from __future__ import annotations

import cmath
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.errors import LimitReached, ScopeError
from equilibria.gradient.report import MetricWitness
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import How

Matrix = Sequence[Sequence[Fraction]]
Coefficients = list[Fraction]

MAX_SIZE = 12


@dataclass(frozen=True, slots=True)
class Obstruction:
    """Why a matrix is not similar to a symmetric one; `nonreal` counts distinct eigenvalues."""

    kind: str
    characteristic: tuple[Fraction, ...]
    nonreal: int
    eigenvalues: tuple[complex, ...]
    exact: str


def obstruction(matrix: Matrix) -> Obstruction | None:
    """Return the exact obstruction of a square rational matrix, None when it has none."""
    chi = characteristic_polynomial(matrix)
    free = _divide(chi, _gcd(chi, _derivative(chi)))[0]
    nonreal = len(free) - 1 - _real_roots(free)
    text = f"characteristic polynomial {_text(chi)}"
    if nonreal:
        values = tuple(value for value in _shown_roots(free) if value.imag)
        counted = f"{text} with {nonreal} non-real roots (Sturm)"
        return Obstruction("nonreal-eigenvalue", tuple(chi), nonreal, values, counted)
    if any(value for row in _evaluate_at(free, matrix) for value in row):
        values, where = _defective(chi, matrix)
        jordan = f"{text}; its square-free part does not annihilate the matrix{where}"
        return Obstruction("jordan-block", tuple(chi), 0, values, jordan)
    return None


def exact_witness(
    system: PolynomialSystem, point: Mapping[str, Fraction], *, component: str = ""
) -> MetricWitness | None:
    """Return the obstruction to every Riemannian metric at a rational equilibrium, or None.

    Variables that `point` leaves out are 0. Raises `ScopeError` when the flow is not exactly 0
    there or P is tied to W, `LimitReached` for more than 12 variables.
    """
    if system.constraints:
        raise ScopeError("the predictor is tied to the encoder: the Jacobian is not polynomial")
    if len(system.variables) > MAX_SIZE:
        raise LimitReached(
            f"{len(system.variables)} variables: exact spectra are taken up to {MAX_SIZE}"
        )
    full = {name: Fraction(point.get(name, 0)) for name in system.variables}
    moving = {name: value for name, value in system.evaluate(full).items() if value}
    if moving:
        name, value = next(iter(moving.items()))
        raise ScopeError(f"not an equilibrium: the flow of {name} is {value} there")
    zero = Fraction(0)
    entries = {key: value.evaluate(full) for key, value in system.jacobian().items()}
    rows = [[entries.get((a, b), zero) for b in system.variables] for a in system.variables]
    found = obstruction(rows)
    if found is None:
        return None
    shown = {name: value for name, value in full.items() if value}
    return MetricWitness(
        found.kind, component, shown, found.eigenvalues, How.PROVED, exact=found.exact
    )


def characteristic_polynomial(matrix: Matrix) -> Coefficients:
    """Return det(l I - A) by the Faddeev-LeVerrier recursion."""
    size = len(matrix)
    identity = _identity(size)
    power, result = identity, [Fraction(1)]
    for step in range(1, size + 1):
        product = _product(matrix, power)
        coefficient = -sum((product[i][i] for i in range(size)), Fraction(0)) / step
        result.append(coefficient)
        power = [
            [product[i][j] + coefficient * identity[i][j] for j in range(size)] for i in range(size)
        ]
    return result


def rank(matrix: Matrix) -> int:
    """Return the rank by exact elimination."""
    rows, count = [list(row) for row in matrix], 0
    for column in range(len(rows[0]) if rows else 0):
        pivot = next((i for i in range(count, len(rows)) if rows[i][column]), None)
        if pivot is None:
            continue
        rows[count], rows[pivot] = rows[pivot], rows[count]
        for i in range(count + 1, len(rows)):
            factor = rows[i][column] / rows[count][column]
            if factor:
                rows[i] = [a - factor * b for a, b in zip(rows[i], rows[count], strict=True)]
        count += 1
    return count


def _defective(chi: Coefficients, matrix: Matrix) -> tuple[tuple[complex, ...], str]:
    """Name the eigenvalue of a Jordan block where it is the only repeated one."""
    repeated = _gcd(chi, _derivative(chi))
    repeated = _divide(repeated, _gcd(repeated, _derivative(repeated)))[0]
    if len(repeated) != 2:
        return (), ""
    value = -repeated[1] / repeated[0]
    shifted = [
        [entry - (value if i == j else 0) for j, entry in enumerate(row)]
        for i, row in enumerate(matrix)
    ]
    deficit = len(matrix) - rank(shifted)
    return (complex(value),), f"; eigenvalue {value} has only {deficit} eigenvector(s)"


def _real_roots(free: Coefficients) -> int:
    """Return the number of real roots of a square-free polynomial by Sturm's theorem."""
    chain = [free, _derivative(free)]
    while len(chain[-1]) > 1:
        remainder = _divide(chain[-2], chain[-1])[1]
        chain.append([-value for value in remainder])
    at_plus = [entry[0] > 0 for entry in chain]
    at_minus = [(entry[0] > 0) == (len(entry) % 2 == 1) for entry in chain]
    return _changes(at_minus) - _changes(at_plus)


def _changes(signs: Sequence[bool]) -> int:
    return sum(a != b for a, b in itertools.pairwise(signs))


def _derivative(poly: Coefficients) -> Coefficients:
    degree = len(poly) - 1
    return [value * (degree - i) for i, value in enumerate(poly[:-1])]


def _divide(top: Coefficients, bottom: Coefficients) -> tuple[Coefficients, Coefficients]:
    quotient, rest = [], list(top)
    while len(rest) >= len(bottom):
        factor = rest[0] / bottom[0]
        quotient.append(factor)
        for i, value in enumerate(bottom):
            rest[i] -= factor * value
        rest.pop(0)
    while rest and not rest[0]:
        rest.pop(0)
    return quotient, rest


def _gcd(left: Coefficients, right: Coefficients) -> Coefficients:
    while right:
        left, right = right, _divide(left, right)[1]
    return [value / left[0] for value in left]


def _identity(size: int) -> list[list[Fraction]]:
    return [[Fraction(int(i == j)) for j in range(size)] for i in range(size)]


def _product(left: Matrix, right: Matrix) -> list[list[Fraction]]:
    columns = list(zip(*right, strict=True))
    return [
        [sum((a * b for a, b in zip(row, col, strict=True) if a), Fraction(0)) for col in columns]
        for row in left
    ]


def _evaluate_at(poly: Coefficients, matrix: Matrix) -> list[list[Fraction]]:
    size = len(matrix)
    total = [[Fraction(0)] * size for _ in range(size)]
    for value in poly:
        total = _product(total, matrix)
        for i in range(size):
            total[i][i] += value
    return total


def _shown_roots(poly: Coefficients) -> tuple[complex, ...]:
    try:
        return _numeric_roots(poly)
    except OverflowError:
        return ()


def _numeric_roots(poly: Coefficients) -> tuple[complex, ...]:
    """Return floating-point roots of a square-free polynomial, for display only."""
    if not poly[-1]:
        return (0j, *_numeric_roots(poly[:-1])) if len(poly) > 1 else ()
    if len(poly) == 3:
        half = -poly[1] / (2 * poly[0])
        gap = half * half - poly[2] / poly[0]
        root = cmath.sqrt(float(gap))
        return complex(float(half)) + root, complex(float(half)) - root
    import numpy as np

    return tuple(complex(value) for value in np.roots([float(value) for value in poly]))


def _text(poly: Coefficients) -> str:
    degree = len(poly) - 1
    pieces: list[str] = []
    for i, value in enumerate(poly):
        if value:
            power = degree - i
            factor = "" if power == 0 else ("l" if power == 1 else f"l**{power}")
            size = "" if abs(value) == 1 and factor else str(abs(value))
            body = "*".join(part for part in (size, factor) if part)
            sign = "-" if value < 0 else "+"
            pieces.append(f" {sign} {body}" if pieces else (f"-{body}" if value < 0 else body))
    return "".join(pieces) or "0"
