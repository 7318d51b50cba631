"""Where conditions in one coordinate hold: cells of the line, redundant conditions, and words.

The roots of all conditions cut the line into cells; on each the signs are constant, so one rational
sample decides, and at the roots themselves the signs are those of algebraic numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import reduce
from itertools import pairwise
from math import lcm

from equilibria.exact.number_field import RealField
from equilibria.exact.polynomial import Polynomial
from equilibria.exact.univariate import (
    Line,
    derivative,
    divide,
    greatest_common_divisor,
    isolate,
    line_text,
    narrow,
    product,
    simplest_between,
    value_at,
)
from equilibria.varieties.elimination.factor import factor_line


def as_line(f: Polynomial) -> Line:
    """Return the coefficients of a polynomial in at most one variable."""
    powers = {sum(power for _, power in key): c for key, c in f.terms.items()}
    return [powers.get(i, Fraction(0)) for i in range(f.degree + 1)]


def samples(conditions: Sequence[Line]) -> list[Fraction]:
    """Return one rational in every cell that the roots of the conditions leave."""
    whole = [line for line in conditions if len(line) > 1]
    if not whole:
        return [Fraction(1)]
    joint = reduce(product, whole)
    joint = divide(joint, greatest_common_divisor(joint, derivative(joint)))[0]
    roots = [narrow(joint, interval, Fraction(1, 1024)) for interval in isolate(joint)]
    if not roots:
        return [Fraction(1)]
    inner = [
        high if high == low else simplest_between(high, low)
        for (_, high), (low, _) in pairwise(roots)
    ]
    first, last = roots[0][0], roots[-1][1]
    return [Fraction(first.__floor__() - 1), *inner, Fraction(last.__ceil__() + 1)]


def irredundant(conditions: Sequence[Polynomial]) -> tuple[Polynomial, ...]:
    """Drop conditions in one variable that the others imply, the most complicated first.

    Where they contradict each other, -1 is left: it is positive nowhere. Where all hold on the
    whole line, nothing is.
    """
    lines = {f: as_line(f) for f in conditions}
    points = [RealField([-x, Fraction(1)], (x, x)) for x in samples(list(lines.values()))]
    for factor in {tuple(g) for line in lines.values() for g, _ in factor_line(line)}:
        points += [RealField(list(factor), interval) for interval in isolate(list(factor))]
    holds = {f: [x.element(line).sign() > 0 for x in points] for f, line in lines.items()}
    kept = list(lines)
    if kept and not any(_all(holds, kept)):
        return (kept[0].ring.constant(-1),)
    if all(_all(holds, kept)):
        return ()
    for f in sorted(lines, key=lambda f: (-f.degree, -len(f.terms), f.text())):
        rest = [g for g in kept if g != f]
        if rest and _all(holds, rest) == _all(holds, kept):
            kept = rest
    return tuple(kept)


def _all(holds: dict[Polynomial, list[bool]], chosen: Sequence[Polynomial]) -> list[bool]:
    return [all(values) for values in zip(*(holds[f] for f in chosen), strict=True)]


def describe(conditions: Sequence[Polynomial]) -> str:
    """Return conditions in one variable in words, such as `0 < w**2 < 76432/4975`."""
    if not conditions:
        return "everywhere"
    if any(f.degree == 0 for f in conditions):
        return "nowhere"
    bounds: dict[str, list[Fraction | None]] = {}
    others: list[str] = []
    for f in conditions:
        line, name = as_line(f), f.variables()[0]
        if not any(line[1::2]):
            line, name = line[::2], f"{name}**2"
        if len(line) == 2:
            place = 0 if line[1] > 0 else 1
            bounds.setdefault(name, [None, None])[place] = -line[0] / line[1]
        else:
            others.append(_inequality(line, name))
    return ", and ".join([*(_between(name, *pair) for name, pair in bounds.items()), *others])


def _between(name: str, low: Fraction | None, high: Fraction | None) -> str:
    left = "" if low is None else f"{low} < "
    right = "" if high is None else f" < {high}"
    if low is not None and high is None:
        return f"{name} > {low}"
    return f"{left}{name}{right}"


def _inequality(line: Line, name: str) -> str:
    """Return `line > 0` as bounds where it is quadratic with rational roots."""
    factors = factor_line(line)
    if len(line) == 3 and len(factors) == 2:
        low, high = sorted(-g[0] for g, _ in factors)
        if line[2] > 0:
            return f"{name} < {low} or {name} > {high}"
        return f"{low} < {name} < {high}"
    sign = 1 if line[-1] > 0 else -1
    scale = lcm(*(c.denominator for c in line)) * sign
    moved = [Fraction(0), *(c * scale for c in line[1:])]
    text = line_text(moved, name) if "*" not in name else line_text(moved, f"({name})")
    return f"{text} {'>' if sign > 0 else '<'} {-line[0] * scale}"


def value_in(conditions: Sequence[Polynomial], x: Fraction) -> bool:
    return all(value_at(as_line(f), x) > 0 for f in conditions)
