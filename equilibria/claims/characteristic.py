"""Exact spectra of rational matrices: characteristic polynomial, real parts, Jordan blocks.

Polynomials are lists of rationals, constant term first. Counts of roots come from Sturm chains, so
nothing here depends on a floating-point eigenvalue.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

Matrix = list[list[Fraction]]
Coefficients = list[Fraction]


def characteristic(matrix: Matrix) -> Coefficients:
    """Return det(x - matrix), constant term first, by the Faddeev-LeVerrier recursion."""
    n = len(matrix)
    work = [[Fraction(0)] * n for _ in range(n)]
    coefficients = [Fraction(1)]
    for step in range(1, n + 1):
        for i in range(n):
            work[i][i] += coefficients[-1]
        work = product(matrix, work)
        coefficients.append(-sum((work[i][i] for i in range(n)), Fraction(0)) / step)
    return coefficients[::-1]


def product(left: Sequence[Sequence[Fraction]], right: Sequence[Sequence[Fraction]]) -> Matrix:
    """Return the matrix product."""
    sparse = [[(k, value) for k, value in enumerate(row) if value] for row in left]
    size = len(right[0]) if right else 0
    return [
        [sum((value * right[k][j] for k, value in row), Fraction(0)) for j in range(size)]
        for row in sparse
    ]


def real_parts(polynomial: Coefficients) -> tuple[int, int, int]:
    """Return how many roots have negative, zero and positive real part, with multiplicity."""
    left = middle = right = 0
    for factor, power in squarefree(polynomial):
        negative, zero, positive = _simple_real_parts(factor)
        left, middle, right = (
            left + power * negative,
            middle + power * zero,
            right + power * positive,
        )
    return left, middle, right


def _simple_real_parts(polynomial: Coefficients) -> tuple[int, int, int]:
    """Count for a squarefree polynomial p, by the Cauchy index of p(ix) (Gantmacher XV).

    Roots on the imaginary axis and pairs +-z are the roots of g = gcd(p(x), p(-x)); they are
    counted on g and g', as in Routh's scheme.
    """
    degree = len(polynomial) - 1
    if degree < 1:
        return 0, 0, 0
    mirrored = [value * (-1) ** power for power, value in enumerate(polynomial)]
    common = gcd(polynomial, mirrored)
    rest = divide(polynomial, common)[0]
    symmetric = len(common) - 1
    # On the rest no root is mirrored: the Cauchy index counts left minus right.
    index = _cauchy_index(rest)
    size = len(rest) - 1
    left, right = (size + index) // 2, (size - index) // 2
    on_axis = _imaginary_roots(common)
    half = (symmetric - on_axis) // 2
    return left + half, on_axis, right + half


def _cauchy_index(polynomial: Coefficients) -> int:
    """Return (roots to the left) - (roots to the right) when none are mirrored."""
    if len(polynomial) <= 1:
        return 0
    # p(ix) = u(x) + i v(x); the argument turns by pi (left - right) as x runs over the line.
    u = [
        _turned(value, power) if power % 2 == 0 else Fraction(0)
        for power, value in enumerate(polynomial)
    ]
    v = [
        _turned(value, power) if power % 2 else Fraction(0)
        for power, value in enumerate(polynomial)
    ]
    degree = len(polynomial) - 1
    top, bottom = (v, u) if degree % 2 else (u, v)
    chain = _chain(trimmed(top), trimmed(bottom))
    low, high = (_variations_at_infinity(chain, sign) for sign in (-1, 1))
    index = low - high
    return index if degree % 2 else -index


def _turned(value: Fraction, power: int) -> Fraction:
    return -value if (power // 2) % 2 else value


def _imaginary_roots(polynomial: Coefficients) -> int:
    """Count roots on the imaginary axis of p, whose roots are simple and symmetric about zero."""
    zero = int(bool(polynomial) and polynomial[0] == 0)
    stripped = polynomial[zero:]
    squares = [value * (-1) ** power for power, value in enumerate(stripped[0::2])]
    return zero + 2 * _positive_roots(squares)


def _positive_roots(polynomial: Coefficients) -> int:
    poly = trimmed(polynomial)
    if len(poly) <= 1:
        return 0
    chain = _chain(poly, derivative(poly))
    at_zero = _changes([entry[0] for entry in chain])
    return at_zero - _variations_at_infinity(chain, 1)


def count_nonreal(polynomial: Coefficients) -> int:
    """Return the number of non-real roots, with multiplicity."""
    total = 0
    for factor, power in squarefree(polynomial):
        chain = _chain(factor, derivative(factor))
        real = _variations_at_infinity(chain, -1) - _variations_at_infinity(chain, 1)
        total += power * (len(factor) - 1 - real)
    return total


def defective(matrix: Matrix, polynomial: Coefficients) -> bool:
    """Return whether a matrix is not diagonalisable: its squarefree part does not annihilate it."""
    radical: Coefficients = [Fraction(1)]
    for factor, _ in squarefree(polynomial):
        radical = _times(radical, factor)
    n = len(matrix)
    value = [[Fraction(0)] * n for _ in range(n)]
    for coefficient in reversed(radical):  # Horner
        value = product(matrix, value)
        for i in range(n):
            value[i][i] += coefficient
    return any(entry for row in value for entry in row)


def squarefree(polynomial: Coefficients) -> list[tuple[Coefficients, int]]:
    """Return squarefree factors with their multiplicities (Yun's algorithm)."""
    p = monic(trimmed(polynomial))
    if len(p) <= 1:
        return []
    factors = []
    common = gcd(p, derivative(p))
    core = divide(p, common)[0]
    rest = _minus(divide(derivative(p), common)[0], derivative(core))
    power = 1
    while len(core) > 1:
        factor = gcd(core, rest)
        if len(factor) > 1:
            factors.append((factor, power))
        core = divide(core, factor)[0]
        rest = _minus(divide(rest, factor)[0], derivative(core))
        power += 1
    return factors


def gcd(left: Coefficients, right: Coefficients) -> Coefficients:
    """Return the monic greatest common divisor."""
    a, b = trimmed(left), trimmed(right)
    while b:
        a, b = b, monic(divide(a, b)[1])
    return monic(a)


def divide(left: Coefficients, right: Coefficients) -> tuple[Coefficients, Coefficients]:
    """Return quotient and remainder."""
    rest, divisor = list(trimmed(left)), trimmed(right)
    quotient = [Fraction(0)] * max(len(rest) - len(divisor) + 1, 0)
    while len(rest) >= len(divisor) and rest:
        shift = len(rest) - len(divisor)
        factor = rest[-1] / divisor[-1]
        quotient[shift] = factor
        for place, value in enumerate(divisor):
            rest[shift + place] -= factor * value
        rest.pop()
        rest = trimmed(rest)
    return trimmed(quotient), rest


def derivative(polynomial: Coefficients) -> Coefficients:
    """Return the derivative."""
    return [power * value for power, value in enumerate(polynomial)][1:]


def trimmed(polynomial: Coefficients) -> Coefficients:
    """Return the coefficients without leading zeros."""
    size = len(polynomial)
    while size and polynomial[size - 1] == 0:
        size -= 1
    return polynomial[:size]


def monic(polynomial: Coefficients) -> Coefficients:
    """Return the polynomial divided by its leading coefficient."""
    return [value / polynomial[-1] for value in polynomial] if polynomial else []


def _times(left: Coefficients, right: Coefficients) -> Coefficients:
    out = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            out[i + j] += a * b
    return out


def _minus(left: Coefficients, right: Coefficients) -> Coefficients:
    size = max(len(left), len(right))
    padded = [row + [Fraction(0)] * (size - len(row)) for row in (left, right)]
    return trimmed([a - b for a, b in zip(*padded, strict=True)])


def _chain(first: Coefficients, second: Coefficients) -> list[Coefficients]:
    """Return the Sturm chain of two polynomials."""
    chain = [trimmed(first), trimmed(second)]
    while chain[-1]:
        rest = divide(chain[-2], chain[-1])[1]
        size = abs(rest[-1]) if rest else Fraction(1)
        chain.append([-value / size for value in rest])
    return chain[:-1]


def _variations_at_infinity(chain: list[Coefficients], sign: int) -> int:
    return _changes([entry[-1] * sign ** (len(entry) - 1) for entry in chain])


def _changes(values: list[Fraction]) -> int:
    signs = [value > 0 for value in values if value]
    return sum(a != b for a, b in pairwise(signs))
