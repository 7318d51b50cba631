"""Polynomials in one variable over Q: division, Sturm chains, real roots, and their text.

A `Line` holds the coefficients, constant term first, without trailing zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from math import gcd, isqrt, lcm

Line = list[Fraction]


def trimmed(coefficients: Sequence[Fraction]) -> Line:
    line = list(coefficients)
    while line and not line[-1]:
        line.pop()
    return line


def divide(a: Line, b: Line) -> tuple[Line, Line]:
    """Return quotient and remainder."""
    rest, quotient = list(a), [Fraction(0)] * max(len(a) - len(b) + 1, 0)
    while len(rest) >= len(b):
        factor = rest[-1] / b[-1]
        shift = len(rest) - len(b)
        quotient[shift] = factor
        for i, c in enumerate(b):
            rest[shift + i] -= factor * c
        rest = trimmed(rest)
    return quotient, rest


def derivative(a: Line) -> Line:
    return [i * c for i, c in enumerate(a)][1:]


def primitive(a: Line) -> Line:
    """Return `a` times a positive constant, with coprime integer coefficients."""
    if not a:
        return a
    scale = Fraction(lcm(*(c.denominator for c in a)), 1)
    content = gcd(*(int(c * scale) for c in a))
    return [c * scale / content for c in a]


def greatest_common_divisor(a: Line, b: Line) -> Line:
    while b:
        a, b = b, primitive(divide(a, b)[1])
    return [c / a[-1] for c in a]


def value_at(a: Line, x: Fraction) -> Fraction:
    total = Fraction(0)
    for c in reversed(a):
        total = total * x + c
    return total


def sturm_chain(a: Line) -> list[Line]:
    chain = [primitive(a), primitive(derivative(a))]
    while chain[-1]:
        chain.append(primitive([-c for c in divide(chain[-2], chain[-1])[1]]))
    return chain[:-1]


def sign_changes(chain: list[Line], x: Fraction) -> int:
    values = [v for v in (value_at(line, x) for line in chain) if v]
    return sum((a < 0) != (b < 0) for a, b in pairwise(values))


def isolate(a: Line) -> list[tuple[Fraction, Fraction]]:
    """Return disjoint intervals around the distinct real roots of `a`, in ascending order.

    An interval is open and its ends are no roots, or both its ends are the root (a rational one).
    """
    if len(a) <= 1:
        return []
    square_free = divide(a, greatest_common_divisor(a, derivative(a)))[0]
    chain = sturm_chain(square_free)
    size = 1 + max(abs(c / square_free[-1]) for c in square_free)
    bound = Fraction(1 << (int(size) + 1).bit_length())
    found: list[tuple[Fraction, Fraction]] = []
    stack = [(-bound, bound, sign_changes(chain, -bound), sign_changes(chain, bound))]
    while stack:
        low, high, at_low, at_high = stack.pop()
        if at_low == at_high:
            continue
        middle = (low + high) / 2
        if not value_at(square_free, middle):
            found.append((middle, middle))
            gap = (high - low) / 4
            while (
                any(not value_at(square_free, x) for x in (middle - gap, middle + gap))
                or sign_changes(chain, middle - gap) - sign_changes(chain, middle + gap) != 1
            ):
                gap /= 2
            left, right = middle - gap, middle + gap
            stack.append((low, left, at_low, sign_changes(chain, left)))
            stack.append((right, high, sign_changes(chain, right), at_high))
        elif at_low - at_high == 1:
            found.append((low, high))
        else:
            at_middle = sign_changes(chain, middle)
            stack.append((low, middle, at_low, at_middle))
            stack.append((middle, high, at_middle, at_high))
    return sorted(found)


def line_text(a: Line, variable: str = "x") -> str:
    """Return a polynomial in one variable as text, highest power first."""
    pieces = []
    for i in range(len(a) - 1, -1, -1):
        if a[i]:
            power = "" if i == 0 else variable if i == 1 else f"{variable}**{i}"
            size = "" if abs(a[i]) == 1 and i else str(abs(a[i]))
            sign = " - " if a[i] < 0 else " + "
            pieces.append(sign + "*".join(filter(None, (size, power))))
    text = "".join(pieces)
    return "-" + text[3:] if text.startswith(" - ") else text[3:]


def quadratic_text(a: Line, *, upper: bool) -> str:
    """Return the closed form of a root of c + b x + a x**2; `upper` is the one with + sqrt.

    Roots that are not real carry the imaginary unit I.
    """
    c, b, lead = (int(x) for x in primitive(a))
    if lead < 0:
        c, b, lead = -c, -b, -lead
    discriminant = b * b - 4 * lead * c
    outside, inside = square_part(abs(discriminant))
    common = gcd(b, outside, 2 * lead)
    b, outside, bottom = -b // common, outside // common, 2 * lead // common
    factors = [str(outside)] if outside != 1 else []
    factors += ["I"] if discriminant < 0 else []
    factors += [f"sqrt({inside})"] if inside != 1 else []
    root = "*".join(factors) or "1"
    sign = "+" if upper else "-"
    top = f"{b} {sign} {root}" if b else (root if upper else f"-{root}")
    if bottom == 1:
        return top
    return f"({top})/{bottom}" if b else f"{top}/{bottom}"


def square_part(n: int) -> tuple[int, int]:
    """Return (a, b) with n = a**2 b; b has no square factor below 10**4, and is 1 for squares."""
    outside, prime = 1, 2
    while prime * prime <= n and prime < 10_000:
        while n % (prime * prime) == 0:
            n //= prime * prime
            outside *= prime
        prime += 1
    root = isqrt(n)
    return (outside * root, 1) if root * root == n else (outside, n)


def product(a: Line, b: Line) -> Line:
    result = [Fraction(0)] * (len(a) + len(b) - 1)
    for i, x in enumerate(a):
        for j, y in enumerate(b):
            result[i + j] += x * y
    return result


def narrow(
    a: Line, interval: tuple[Fraction, Fraction], width: Fraction
) -> tuple[Fraction, Fraction]:
    """Return an interval of at most `width` around the simple root of `a` inside `interval`."""
    low, high = interval
    below = value_at(a, low) < 0
    while high - low > width:
        middle = (low + high) / 2
        value = value_at(a, middle)
        if not value:
            return middle, middle
        if (value < 0) == below:
            low = middle
        else:
            high = middle
    return low, high


def simplest_between(low: Fraction, high: Fraction) -> Fraction:
    """Return the rational of smallest denominator strictly between two numbers."""
    if low < 0 < high:
        return Fraction(0)
    if high <= 0:
        return -simplest_between(-high, -low)
    whole = low.numerator // low.denominator
    if whole + 1 < high:
        return Fraction(whole + 1)
    low, high = low - whole, high - whole
    if not low:  # between 0 and high <= 1
        return whole + Fraction(1, (1 / high).__floor__() + 1)
    return whole + 1 / simplest_between(1 / high, 1 / low)
