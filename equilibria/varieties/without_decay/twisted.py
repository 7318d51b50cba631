"""Stable points of a family without decay that is unstable at all of its aligned points.

On C_J the block of an inactive input j is s_j (c_j - P) P^T. Two eigenvalues of P with a growing
block each, d_1 (c_j - d_1) > 0 and d_2 (c_j - d_2) > 0, may be coupled: the block of

    P = [[d_1, x], [0, d_2]],   determinant d_1 (c_j - d_1) d_2 (c_j - d_2) > 0,
                                trace c_j (d_1 + d_2) - d_1^2 - d_2^2 - x^2,

is stable where x is large (and with a large W the active inputs are). A free row may stand for the
second, with d_2 = d_1. What is proposed so is decided exactly on the polynomials of the system.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction

from equilibria.exact.polynomial import Polynomial
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode
from equilibria.varieties.component import Verdict
from equilibria.varieties.without_decay.inequalities import ZERO

MOST_VARIABLES = 16
COUPLINGS = (Fraction(1), Fraction(2), Fraction(1, 2))
SIZES = (Fraction(1), Fraction(3, 2), Fraction(1, 2))

Rows = list[list[Fraction]]
Pair = tuple[Mode, Mode | None]


def stable_point(
    model: Model, modes: Sequence[Mode], active: Sequence[Mode], dimension: int
) -> tuple[str, bool] | None:
    """Return a stable point of the flow in words, and whether the map keeps it too; None if unknown.

    A point that both keep is preferred. Small exact models alone: others are not tried.
    """
    if model.floating or not (model.moments.is_exact and model.moments.is_diagonal):
        return None

    system = model.traits.system(model)
    if len(system.map) > MOST_VARIABLES:
        return None
    found = None
    for P, W in _proposals(model, modes, active):
        state = dict.fromkeys(system.map, ZERO)
        for letter, rows in (("P", P), ("W", W), ("T", W)):
            for i, row in enumerate(rows, 1):
                state |= {f"{letter}_{i}_{j}": value for j, value in enumerate(row, 1)}
        state = {name: state[name] for name in system.map}
        if _is_stable(system.flow, state, dimension, "flow"):
            words = f"P = {_text(P)}, W = {_text(W)}"
            if _is_stable(system.map, state, dimension, "map"):
                return words, True
            found = found or (words, False)
    return found


def _is_stable(
    equations: Mapping[str, Polynomial], state: Mapping[str, Fraction], dimension: int, kind: str
) -> bool:
    from equilibria.exact.number_field import rationals_field
    from equilibria.varieties.elimination.points import Point
    from equilibria.varieties.elimination.stability import stability_at

    field = rationals_field()
    point = Point({name: field.constant(value) for name, value in state.items()}, field)
    return stability_at(equations, point, dimension, kind).verdict is Verdict.STABLE


def _proposals(
    model: Model, modes: Sequence[Mode], active: Sequence[Mode]
) -> Iterator[tuple[Rows, Rows]]:
    pairs = _coupled(model, modes, active)
    if pairs is None:
        return
    top = 2 * max([mode.m / mode.s for mode in modes] + [ZERO]) or Fraction(1)
    for share in COUPLINGS:
        for size in SIZES:
            yield _matrices(model, pairs, active, top, share, size)


def _coupled(model: Model, modes: Sequence[Mode], active: Sequence[Mode]) -> list[Pair] | None:
    """Return which growing modes are coupled, with each other or a free row; None if it fails."""
    taken = {mode.number for mode in active}
    rest = [mode.m / mode.s for mode in modes if mode.number not in taken]
    waiting: dict[tuple[bool, ...], list[Mode]] = {}
    for mode in active:
        d = mode.m / mode.s
        growing = tuple(d * (c - d) > 0 for c in rest)
        if any(growing):
            waiting.setdefault(growing, []).append(mode)
    pairs: list[Pair] = []
    for alike in waiting.values():
        pairs += list(zip(alike[0::2], alike[1::2], strict=False))
        pairs += [(mode, None) for mode in alike[len(alike) // 2 * 2 :]]
    free = sum(other is None for _, other in pairs)
    same = any(other is not None and one.m * other.s == other.m * one.s for one, other in pairs)
    return None if free > model.n - len(active) or same else pairs


def _matrices(
    model: Model,
    pairs: Sequence[Pair],
    active: Sequence[Mode],
    top: Fraction,
    share: Fraction,
    size: Fraction,
) -> tuple[Rows, Rows]:
    """Return P and W with the pairs first, then the other active modes, then free rows at `top`."""
    P = [[ZERO] * model.n for _ in range(model.n)]
    W = [[ZERO] * model.d for _ in range(model.n)]
    row, coupled = 0, set[int]()
    for one, other in pairs:
        first = one.m / one.s
        second = first if other is None else other.m / other.s
        x = share * (abs(first) + abs(second)) / 2
        P[row][row], P[row][row + 1], P[row + 1][row + 1] = first, x, second
        W[row][one.number - 1] = size
        coupled.add(one.number)
        if other is not None:
            W[row][other.number - 1] = size * x / (second - first)
            W[row + 1][other.number - 1] = size
            coupled.add(other.number)
        row += 2
    for mode in active:
        if mode.number not in coupled:
            P[row][row], W[row][mode.number - 1] = mode.m / mode.s, size
            row += 1
    for place in range(row, model.n):
        P[place][place] = top
    return P, W


def _text(rows: Rows) -> str:
    return "[" + ", ".join("[" + ", ".join(map(str, row)) + "]" for row in rows) + "]"
