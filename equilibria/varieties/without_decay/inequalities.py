"""Polynomial inequalities as text: the conditions that cut a component into stable and unstable parts.

A polynomial is a list of (coefficient, monomial); a condition that holds identically is None.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_tables import critical_phi

ZERO = Fraction(0)

Terms = list[tuple[Fraction, str]]
"""A polynomial as (coefficient, monomial) pairs."""


def step_conditions(model: Model, a: Terms, b: Terms) -> list[str | None]:
    """Return the conditions of the map beyond the flow's: the flip, and the interior with momentum."""
    nu, mu = model.nu, model.mu
    found = [condition(2 * (1 + nu) / model.h, (-1, a), (critical_phi(model), b))]
    if model.traits.has_target and nu and mu:
        room = (1 - nu) * (1 - mu) * (1 - nu * mu) / (model.h * mu)
        found.append(condition(room, (1 - nu, a), (nu * (1 - mu), b)))
    return found


def condition(constant: Fraction, *parts: tuple[Fraction | int, Terms]) -> str | None:
    """Return `constant + sum of weight * polynomial > 0`; None when it holds identically."""
    total: dict[str, Fraction] = {"": constant}
    for weight, terms in parts:
        for coefficient, monomial in terms:
            total[monomial] = total.get(monomial, ZERO) + weight * coefficient
    total = {monomial: coefficient for monomial, coefficient in total.items() if coefficient}
    if total.get("", ZERO) > 0 and all(_is_square(m) and c > 0 for m, c in total.items()):
        return None
    return f"{_text(total)} > 0"


def _is_square(monomial: str) -> bool:
    return not monomial or monomial.endswith("**2")


def never(text: str | None) -> bool:
    """Return whether a condition is a constant that is not positive."""
    return text is not None and not any(letter in text for letter in "WP")


def _text(terms: dict[str, Fraction]) -> str:
    pieces: list[str] = []
    for monomial, coefficient in sorted(terms.items(), key=lambda item: (item[0] == "", item[0])):
        size = abs(coefficient)
        body = (
            monomial if monomial and size == 1 else f"{size}" + (f"*{monomial}" if monomial else "")
        )
        sign = "-" if coefficient < 0 else "+"
        pieces.append(f" {sign} {body}" if pieces else ("-" if coefficient < 0 else "") + body)
    return "".join(pieces) or "0"


def distinct(conditions: Sequence[str | None]) -> tuple[str, ...]:
    """Return the conditions without repetitions, and without those that always hold."""
    return tuple(dict.fromkeys(c for c in conditions if c is not None))
