"""The exact verdict at one real point of a component, and its spectrum.

Along a component of dimension k the Jacobian has k eigenvalues 0 (the map: multipliers 1) that say
nothing about attraction. They are divided out, exactly; where the others lie is counted by Sturm
chains over the number field of the point. The numbers in the spectrum are computed afterwards and
decide nothing.
"""

from __future__ import annotations

import cmath
from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import comb

from equilibria.elimination.charpoly import characteristic_polynomials
from equilibria.elimination.factor import factor_line
from equilibria.elimination.halfplane import Placement, place
from equilibria.elimination.line import (
    Line,
    divide,
    greatest_common_divisor,
    line_text,
    quadratic_text,
    trimmed,
)
from equilibria.elimination.points import Point
from equilibria.elimination.realfield import Element
from equilibria.errors import ConsistencyError
from equilibria.polynomial import Polynomial
from equilibria.results import Eigenvalue, How, Stability, Verdict

UNDEFINED = "not given in the file"


def not_given(dimension: int) -> Stability:
    """Return the entry for a flow that the user did not write down."""
    return Stability(Verdict.UNDECIDED, How.PROVED, dimension, None, note=UNDEFINED)


def stability_at(
    equations: Mapping[str, Polynomial], point: Point, dimension: int, kind: str
) -> Stability:
    """Return verdict and spectrum of the flow or the map at a point of a component.

    Raises `ConsistencyError` when fewer eigenvalues are neutral than the dimension requires.
    """
    one = point.field.constant(1)
    shift = 1 if kind == "map" else 0
    names = list(equations)
    matrix = [[point.value(equations[row].diff(column)) for column in names] for row in names]
    matrix = [[a - shift if i == j else a for j, a in enumerate(row)] for i, row in enumerate(matrix)]
    normal, neutral = [], 0
    for polynomial in characteristic_polynomials(matrix, one):
        zeros = next(i for i, c in enumerate(polynomial) if c)
        neutral += zeros
        normal.append(_shifted(polynomial[zeros:], -shift))
    if neutral < dimension:
        raise ConsistencyError(
            f"{neutral} neutral eigenvalues ({kind}) on a component of dimension {dimension}"
        )
    extra = neutral - dimension
    placement = sum((place(f, kind) for f in normal), Placement(0, extra))
    spectrum = _spectrum(normal, kind)
    if extra:
        spectrum = _sorted([Eigenvalue(complex(shift), extra, str(shift)), *spectrum], kind)
    sizes = [_size(e, kind) for e in spectrum]
    result = Stability(
        verdict=_verdict(placement),
        how=How.PROVED if point.is_rational else How.CERTIFIED,
        neutral=dimension,
        extent=max(sizes, default=None),
        spectrum=_with_neutral(spectrum, dimension, shift),
    )
    if result.verdict is Verdict.UNDECIDED:
        line = "imaginary axis" if kind == "flow" else "unit circle"
        result = replace(
            result,
            note=f"degenerate: {placement.boundary} on the {line} beyond the dimension; "
            "the linearisation does not decide",
        )
    return result


def euler_largest_step(flow: Stability) -> float | None:
    """Return the supremum of the step sizes for which x + h f(x) is stable; None if there is none."""
    if flow.verdict is not Verdict.STABLE:
        return None
    values = [e.value for e in flow.spectrum if e.exact != "0"]
    return min((-2 * v.real / abs(v) ** 2 for v in values), default=None)


def _verdict(placement: Placement) -> Verdict:
    if placement.outside:
        return Verdict.UNSTABLE
    return Verdict.UNDECIDED if placement.boundary else Verdict.STABLE


def _size(eigenvalue: Eigenvalue, kind: str) -> float:
    return eigenvalue.value.real if kind == "flow" else abs(eigenvalue.value)


def _sorted(spectrum: Sequence[Eigenvalue], kind: str) -> list[Eigenvalue]:
    return sorted(spectrum, key=lambda e: (-_size(e, kind), -e.value.real, -e.value.imag))


def _with_neutral(
    spectrum: Sequence[Eigenvalue], dimension: int, shift: int
) -> tuple[Eigenvalue, ...]:
    own = (Eigenvalue(complex(shift), dimension, str(shift)),) if dimension else ()
    return (*own, *spectrum)


def _shifted(f: Sequence[Element], by: int) -> list[Element]:
    """Return f(x + by), constant term first."""
    if not by:
        return list(f)
    zero = f[-1] * Fraction(0)
    result = [zero for _ in f]
    for k, c in enumerate(f):
        for i in range(k + 1):
            result[i] = result[i] + c * Fraction(comb(k, i) * by ** (k - i))
    return result


def _spectrum(normal: Sequence[Sequence[Element]], kind: str) -> list[Eigenvalue]:
    found: dict[tuple[complex, str | None], int] = {}
    for f in normal:
        rational, rest = _rational_part(f)
        parts = [(value, exact, m) for g, m in factor_line(rational) for value, exact in _roots(g)]
        parts += [
            (value, exact, m) for g, m in _square_free_parts(rest) for value, exact in _roots_in(g)
        ]
        for value, exact, multiplicity in parts:
            found[value, exact] = found.get((value, exact), 0) + multiplicity
    return _sorted([Eigenvalue(value, m, exact) for (value, exact), m in found.items()], kind)


def _rational_part(f: Sequence[Element]) -> tuple[Line, list[Element]]:
    """Return the largest factor with rational coefficients, and the cofactor."""
    field, common = f[-1].field, list[Fraction]()
    for place in range(field.degree):
        line = trimmed([c.coefficients[place] for c in f])
        if line:
            common = greatest_common_divisor(common, line) if common else line
    common = [c / common[-1] for c in common]
    quotient = [
        divide(trimmed([c.coefficients[place] for c in f]), common)[0]
        for place in range(field.degree)
    ]
    size = len(f) - len(common) + 1
    rest = [
        field.element([line[i] if i < len(line) else Fraction(0) for line in quotient])
        for i in range(size)
    ]
    return common, rest


def _roots(g: Line) -> list[tuple[complex, str | None]]:
    """Return the roots of an irreducible polynomial over Q with exact text."""
    if len(g) == 2:
        return [(complex(-g[0]), str(-g[0]))]
    if len(g) == 3:
        half, inside = -g[1] / 2, g[1] ** 2 / 4 - g[0]
        root = cmath.sqrt(complex(inside))
        return [
            (complex(half) + sign * root, quadratic_text(g, upper=upper))
            for sign, upper in ((1, True), (-1, False))
        ]
    return [
        (value, f"the root of {line_text(g)} near {_near(value)}")
        for value in _numeric_roots([float(c) for c in g])
    ]


def _near(value: complex) -> str:
    return f"{value.real:.10g}" if not value.imag else f"{value.real:.8g}{value.imag:+.8g}*I"


def _roots_in(g: list[Element]) -> list[tuple[complex, str | None]]:
    if len(g) == 2:
        root = -g[0] * g[1].inverse()
        return [(complex(float(root)), root.text())]
    return [(value, None) for value in _numeric_roots([float(c) for c in g])]


def _numeric_roots(coefficients: list[float]) -> list[complex]:
    import numpy as np

    roots = np.roots(coefficients[::-1])
    size = max(abs(roots))
    return [
        complex(z.real, 0.0) if abs(z.imag) <= 1e-12 * size else complex(z) for z in roots.tolist()
    ]


def _square_free_parts(f: list[Element]) -> list[tuple[list[Element], int]]:
    """Return (g, m) so that f is the product of all g**m, each g without multiple roots (Yun)."""
    if len(f) <= 1:
        return []
    slope = [c * Fraction(i) for i, c in enumerate(f)][1:]
    common = _common(f, slope)
    factor, rest = _exact(f, common), _exact(slope, common)
    parts, multiplicity = [], 1
    while len(factor) > 1:
        change = _minus(rest, [c * Fraction(i) for i, c in enumerate(factor)][1:])
        part = _common(factor, change) if change else factor
        if len(part) > 1:
            parts.append((part, multiplicity))
        factor, rest = _exact(factor, part), _exact(change, part) if change else []
        multiplicity += 1
    return parts


def _minus(a: list[Element], b: list[Element]) -> list[Element]:
    zero = (a or b)[0] * Fraction(0)
    size = max(len(a), len(b))
    padded = [[*x, *[zero] * (size - len(x))] for x in (a, b)]
    result = [x - y for x, y in zip(*padded, strict=True)]
    while result and not result[-1]:
        result.pop()
    return result


def _exact(a: list[Element], b: list[Element]) -> list[Element]:
    return _divided(a, b)[0]


def _divided(a: list[Element], b: list[Element]) -> tuple[list[Element], list[Element]]:
    rest, unit = list(a), b[-1].inverse()
    quotient = [b[-1] * Fraction(0)] * max(len(a) - len(b) + 1, 0)
    while len(rest) >= len(b):
        factor, shift = rest[-1] * unit, len(rest) - len(b)
        quotient[shift] = factor
        rest = _minus(rest[:-1], [rest[0] * Fraction(0)] * shift + [c * factor for c in b[:-1]])
    return quotient, rest


def _common(a: list[Element], b: list[Element]) -> list[Element]:
    while b:
        a, b = b, _divided(a, b)[1]
    unit = a[-1].inverse()
    return [c * unit for c in a]
