"""From the types of the analysis to the plain data of a certificate: lists, dictionaries, text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction

from equilibria.certificates.exact import Terms
from equilibria.exact.polynomial import Polynomial


def polynomial(value: Polynomial) -> list[list[str]]:
    """Return [[coefficient, variable, variable, ...], ...] in canonical order."""
    names = value.ring.names
    rows = []
    for key, coefficient in value.sorted_terms():
        variables = sorted(names[index] for index, power in key for _ in range(power))
        rows.append([str(coefficient), *variables])
    return rows


def terms(value: Terms) -> list[list[str]]:
    """Return an element of the tower in the same form, constants first."""
    ordered = sorted(value.items(), key=lambda item: (len(item[0]), item[0]))
    return [[str(coefficient), *key] for key, coefficient in ordered]


def equations(value: Mapping[str, Polynomial]) -> dict[str, list[list[str]]]:
    """Return polynomials by variable."""
    return {name: polynomial(entry) for name, entry in value.items()}


def matrix(rows: Iterable[Iterable[Fraction | int]]) -> list[list[str]]:
    """Return a matrix of rationals as text."""
    return [[str(Fraction(value)) for value in row] for row in rows]
