"""No multiplier meets the unit circle for any step size up to a given one.

The multipliers are (1 + w)/(1 - w) for the roots w of f_0(h) + f_1(h) w + ... + f_N(h) w^N. A root
crosses the imaginary axis at 0, at infinity or as a pair +-i x, and then f_0, f_N or the resultant of
the even and the odd part (the determinant of their Bezout matrix) vanishes at that h. Each of the
three is a polynomial in h, enclosed by intervals; that it has no zero in (0, top] is read from the
signs of its coefficients in s, h = top/(1 + s), on pieces small enough (docs/proofs.md, section 14).
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import cache
from math import comb

from .intervals import Interval
from .refusal import Refusal
from .spectra import Coefficients
from .towers import Tower

Enclosed = list[Interval]
"""A polynomial in h, constant term first."""

PRECISIONS = (256, 1024, 4096)
MOST_PIECES = 256
LARGEST_DEGREE = 10


def critical(tower: Tower, table: list[Coefficients], slow: int, bits: int) -> list[Enclosed]:
    """Return f_0, f_N and the resultant, divided by the powers of h that they have.

    `table` holds f_0, ..., f_N by powers of h; as h falls, `slow` of the roots tend to 0 like h.
    """
    degree = len(table) - 1
    if degree > LARGEST_DEGREE:
        raise Refusal(f"a block of {degree} multipliers is too large for its step sizes")
    tower.spend(degree**5 * (1 + (bits >> 8)))
    rows = [[tower.enclose(value, bits) for value in row] for row in table]
    even, odd = rows[0::2], rows[1::2]
    resultant = _determinant(_bezout(even, odd, bits), bits)
    return [rows[0][slow:], rows[-1], resultant[slow * (slow - 1) // 2 :]]


def has_no_zero(polynomial: Enclosed, top: Fraction) -> bool:
    """Return whether the polynomial is seen to have no zero in (0, top]."""
    u, v, degree = top.numerator, top.denominator, len(polynomial) - 1
    pieces = [[c.times(u**k * v ** (degree - k)) for k, c in enumerate(polynomial)]]
    for _ in range(MOST_PIECES):
        if not pieces:
            return True
        piece = pieces.pop()
        if _one_sign(piece):
            continue
        if not _value(piece, 1, 2).sign or not _value(piece, 1, 1).sign:
            return False
        half = [c.times(1 << (degree - k)) for k, c in enumerate(piece)]
        pieces += [half, _moved(half)]
    return False


def _one_sign(piece: Enclosed) -> bool:
    """Return whether (1 + s)^n p(1/(1 + s)) has coefficients of one sign: no zero in (0, 1]."""
    degree = len(piece) - 1
    first: int | None = None
    for i in range(degree + 1):
        terms = [c.times(comb(degree - k, i)) for k, c in enumerate(piece[: degree - i + 1])]
        sign = _sum(terms).sign
        first = sign if i == 0 else first
        if not first or sign not in (0, first):
            return False
    return True


def _value(piece: Enclosed, u: int, v: int) -> Interval:
    degree = len(piece) - 1
    return _sum([c.times(u**k * v ** (degree - k)) for k, c in enumerate(piece)])


def _moved(piece: Enclosed) -> Enclosed:
    """Return p(1 + t)."""
    found = list(piece)
    for start in range(len(found) - 1):
        for k in range(len(found) - 2, start - 1, -1):
            found[k] = found[k] + found[k + 1]
    return found


def _sum(terms: list[Interval]) -> Interval:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _bezout(even: list[Enclosed], odd: list[Enclosed], bits: int) -> list[list[Enclosed]]:
    """Return the coefficients of (e(x) o(y) - e(y) o(x))/(x - y)."""
    size = max(len(even), len(odd)) - 1
    zero = [Interval(0, 0, bits)]
    e = even + [zero] * (size + 1 - len(even))
    o = odd + [zero] * (size + 1 - len(odd))
    matrix = [[zero] * size for _ in range(size)]
    for i in range(size - 1, -1, -1):
        for j in range(size):
            entry = _minus(_times(e[i + 1], o[j]), _times(e[j], o[i + 1]))
            if i + 1 < size and j:
                entry = _minus(entry, [-c for c in matrix[i + 1][j - 1]])
            matrix[i][j] = entry
    return matrix


def _determinant(matrix: list[list[Enclosed]], bits: int) -> Enclosed:
    """Expand by rows from the first; minors of the rows below are kept by their columns."""

    @cache
    def minor(columns: tuple[int, ...]) -> tuple[Interval, ...]:
        if not columns:
            return (Interval.of(1, bits),)
        row = matrix[len(matrix) - len(columns)]
        total = [Interval(0, 0, bits)]
        for place, column in enumerate(columns):
            below = [*minor(columns[:place] + columns[place + 1 :])]
            term = _times(row[column], below)
            total = _minus(total, term if place % 2 else [-c for c in term])
        return tuple(total)

    return [*minor(tuple(range(len(matrix))))]


def _times(left: Enclosed, right: Enclosed) -> Enclosed:
    bits = left[0].bits
    found = [Interval(0, 0, bits)] * (len(left) + len(right) - 1)
    for i, x in enumerate(left):
        if x.sign != 0:
            for j, y in enumerate(right):
                if y.sign != 0:
                    found[i + j] = found[i + j] + x * y
    return found


def _minus(left: Enclosed, right: Enclosed) -> Enclosed:
    zero = Interval(0, 0, left[0].bits)
    size = max(len(left), len(right))
    a, b = (side + [zero] * (size - len(side)) for side in (left, right))
    return [x - y for x, y in zip(a, b, strict=True)]


def excluded(enclosed: Callable[[int], list[Enclosed]], size: int, top: Fraction) -> bool:
    """Return whether no zero is seen in (0, top] at some precision; `size` is that of the numbers."""
    for bits in PRECISIONS:
        fine = 1 << (bits + size).bit_length()
        if all(has_no_zero(polynomial, top) for polynomial in enclosed(fine)):
            return True
    return False
