"""The unstable directions of a stratum, block by block.

Modes that are neither in a block nor moved by it stay at rest: states with P and W block diagonal
in sets of modes form an invariant subspace, in which the sets evolve independently. So an unstable
direction of a stratum involves only

    diagonal    one active mode i at p-           (P_ii, W_ii)               up to p+ or down to 0
    input       active i and inactive input j     (W_ij)                     j takes the place of i
    pair        two active modes i, j             (P_ij, P_ji, W_ij, W_ji)

and T with W for EMA. Each is an eigenvector of the dense Jacobian of the one- or two-mode system.
How many there are is known from exact signs; the eigenvalues have to agree, or `ConsistencyError`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import ConsistencyError
from equilibria.graph.landscape import Block, Landscape, restricted
from equilibria.varieties.commuting.strata import Stratum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True, eq=False)
class Direction:
    """One real unstable direction of a block: its rate, and (P, W, T) on the block's own rows."""

    block: Block
    rate: float
    P: Array
    W: Array
    T: Array


def blocks_of(landscape: Landscape, stratum: Stratum) -> Iterator[tuple[Block, int]]:
    """Yield the blocks of a stratum with unstable directions, and how many each has."""
    signs, pairs = landscape.blocks, landscape.pair_unstable
    at = [landscape.place[state.label] for state in stratum]
    active = {state.mode.number for state in stratum}
    for i, state in zip(at, stratum, strict=True):
        if signs.diagonal_signs[i] > 0:
            yield Block("diagonal", (state,)), 1
    for i, state in zip(at, stratum, strict=True):
        for j, mode in enumerate(landscape.modes):
            if mode.number not in active and signs.inactive_signs[i, j] > 0:
                yield Block("input", (state,), mode), 1
    for position, i in enumerate(at):
        for later, j in enumerate(at[position + 1 :], position + 1):
            if pairs[i, j]:
                yield Block("pair", (stratum[position], stratum[later])), int(pairs[i, j])


def directions_of(landscape: Landscape, block: Block, count: int) -> list[Direction]:
    """Return `count` unstable directions of a block, the most unstable first.

    Raises `ConsistencyError` where the eigenvalues say otherwise.
    """
    jacobian, wanted, rows, columns = restricted(landscape, block)
    values, vectors = np.linalg.eig(jacobian)
    order = np.lexsort((-values.imag, -values.real))
    values, vectors = values[order], vectors[:, order]
    margin = TOLERANCE * max(float(np.abs(jacobian).max()), landscape.eta)
    agrees = values[count - 1].real > -margin and (
        count == len(values) or values[count].real < margin
    )
    if not agrees:
        raise ConsistencyError(
            f"{block.words}: {count} unstable directions by exact signs, but the eigenvalues are "
            f"{', '.join(f'{value:.3g}' for value in values)}"
        )
    found, k = [], 0
    while k < count:
        parts = [vectors[:, k].real]
        if abs(values[k].imag) > 0:
            parts.append(vectors[:, k].imag)
        for part in parts:
            full = np.zeros(wanted.size)
            full[wanted] = part
            found.append(_direction(landscape, block, float(values[k].real), full, rows, columns))
        k += len(parts)
    return found[:count]


def _direction(
    landscape: Landscape, block: Block, rate: float, vector: Array, rows: int, columns: int
) -> Direction:
    """Return the vector as matrices, of length 1 in (P, sqrt(a) W, sqrt(a) T), sign fixed."""
    n2, nd = rows * rows, rows * columns
    P = vector[:n2].reshape(rows, rows)
    W = vector[n2 : n2 + nd].reshape(rows, columns)
    T = vector[n2 + nd :].reshape(rows, columns) if vector.size > n2 + nd else W
    weight = landscape.scale
    length = np.sqrt((P**2).sum() + weight * (W**2).sum() + weight * (T**2).sum())
    sign = np.sign(W.ravel()[int(np.abs(W).argmax())]) or 1.0
    if block.kind == "diagonal":
        sign = np.sign(P[0, 0] * block.states[0].value) or 1.0
    factor = sign / length
    return Direction(block, rate, P * factor, W * factor, T * factor)
