"""Eigenvalues as numbers and, where a short form exists, as exact text.

A characteristic polynomial over a number field is split into its part with rational coefficients,
which is factored over Q, and the rest, which is made square-free; so multiplicities are exact.
"""

from __future__ import annotations

import cmath
from collections.abc import Sequence
from fractions import Fraction

from equilibria.exact.field_polynomials import FieldPoly, square_free_parts
from equilibria.exact.univariate import (
    Line,
    divide,
    greatest_common_divisor,
    line_text,
    quadratic_text,
    trimmed,
)
from equilibria.varieties.component import Eigenvalue
from equilibria.varieties.elimination.factor import factor_line


def size_of(eigenvalue: Eigenvalue, kind: str) -> float:
    """Return the real part (flow) or the modulus (map)."""
    return eigenvalue.value.real if kind == "flow" else abs(eigenvalue.value)


def in_order(spectrum: Sequence[Eigenvalue], kind: str) -> list[Eigenvalue]:
    """Return the eigenvalues by descending real part (flow) or modulus (map)."""
    return sorted(spectrum, key=lambda e: (-size_of(e, kind), -e.value.real, -e.value.imag))


def eigenvalues(normal: Sequence[FieldPoly], kind: str) -> list[Eigenvalue]:
    """Return the roots of characteristic polynomials with their multiplicities."""
    found: dict[tuple[complex, str | None], int] = {}
    for f in normal:
        rational, rest = _rational_part(f)
        parts = [(value, exact, m) for g, m in factor_line(rational) for value, exact in _roots(g)]
        parts += [
            (value, exact, m) for g, m in square_free_parts(rest) for value, exact in _roots_in(g)
        ]
        for value, exact, multiplicity in parts:
            found[value, exact] = found.get((value, exact), 0) + multiplicity
    return in_order([Eigenvalue(value, m, exact) for (value, exact), m in found.items()], kind)


def _rational_part(f: FieldPoly) -> tuple[Line, FieldPoly]:
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


def _roots_in(g: FieldPoly) -> list[tuple[complex, str | None]]:
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
