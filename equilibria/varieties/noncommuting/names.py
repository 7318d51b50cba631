"""Components told apart by letters, for moments that do not commute: names, order, neighbours."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from equilibria.varieties.component import Component, Entry, Verdict

EXCHANGES = 4


def order(component: Component) -> tuple[bool, int, float, str]:
    """Return the key that puts stable components first, then those of larger rank."""
    stable = component.flow.verdict is Verdict.STABLE
    return (not stable, -(component.rank or 0), component.flow.growth, component.id)


def letters(index: int) -> str:
    """Return a, b, ..., z, aa, ab, ..."""
    text = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        text = chr(ord("a") + digit) + text
    return text


def exchanges(rank: int, available: int) -> Iterator[tuple[int, int]]:
    """Yield (member to drop, outsider to add), nearest first."""
    pairs = [(out, into) for out in range(rank) for into in range(rank, available)]
    pairs.sort(key=lambda pair: pair[1] - pair[0])
    yield from pairs[:EXCHANGES]


def ranges(numbers: list[int]) -> str:
    """Return 1-4,6 for [1, 2, 3, 4, 6]."""
    parts: list[list[int]] = []
    for value in numbers:
        if parts and value == parts[-1][-1] + 1:
            parts[-1].append(value)
        else:
            parts.append([value])
    return ",".join(f"{p[0]}-{p[-1]}" if len(p) > 1 else str(p[0]) for p in parts)


def rows(matrix: np.ndarray) -> tuple[tuple[Entry, ...], ...]:
    """Return a matrix as entries of a component's point."""
    return tuple(tuple(float(x) for x in row) for row in matrix)
