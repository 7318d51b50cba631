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
from equilibria.exact.rationals import to_float
from equilibria.graph.landscape import Landscape
from equilibria.varieties.commuting.modes import Mode, State
from equilibria.varieties.commuting.strata import Stratum
from equilibria.varieties.noncommuting.dense import Physics, jacobian_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Block:
    """Where unstable directions live: the states involved, and the inactive input, if any."""

    kind: str
    states: tuple[State, ...]
    other: Mode | None = None

    @property
    def modes(self) -> tuple[int, ...]:
        """Return the columns of the modes involved."""
        columns = [state.mode.number - 1 for state in self.states]
        return tuple(columns if self.other is None else [*columns, self.other.number - 1])

    @property
    def words(self) -> str:
        """Return a few words for the direction."""
        labels = [state.label for state in self.states]
        if self.other is not None:
            return f"input {self.other.number} at {labels[0]}"
        return f"mode {labels[0][:-1]}" if self.kind == "diagonal" else f"pair {','.join(labels)}"


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
    jacobian, wanted, rows, columns = _restricted(landscape, block)
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


def pair_eigenvalues(landscape: Landscape, left: State, right: State) -> NDArray[np.complex128]:
    """Return the eigenvalues of the pair block of two states, without its neutral rotation."""
    jacobian, *_ = _restricted(landscape, Block("pair", (left, right)))
    values = np.linalg.eigvals(jacobian).astype(np.complex128)
    return np.delete(values, int(np.abs(values).argmin()))


def _restricted(landscape: Landscape, block: Block) -> tuple[Array, NDArray[np.bool_], int, int]:
    """Return the dense Jacobian of the block's modes on its coordinates, and which those are."""
    model = landscape.model
    rows, columns = len(block.states), len(block.modes)
    modes = [landscape.modes[j] for j in block.modes]
    physics = Physics(
        Sigma=np.diag([to_float(mode.s) for mode in modes]),
        M=np.diag([to_float(mode.m) for mode in modes]),
        predictor_decay=to_float(model.eta_p),
        encoder_decay=to_float(model.eta),
        alpha=to_float(model.alpha),
    )
    P = np.diag([state.value for state in block.states])
    W = np.zeros((rows, columns))
    W[:, :rows] = P / np.sqrt(landscape.scale)
    beta = to_float(model.flow_rate) if model.procedure == "ema" else None
    jacobian = jacobian_flow(P, W, physics, beta=beta)
    predictor, encoder = np.zeros((rows, rows), dtype=bool), np.zeros((rows, columns), dtype=bool)
    if block.kind == "diagonal":
        predictor[0, 0] = encoder[0, 0] = True
    elif block.kind == "input":
        encoder[0, 1] = True
    else:
        predictor[:] = encoder[:] = ~np.eye(2, dtype=bool)
    parts = [predictor.ravel(), encoder.ravel()]
    if beta is not None:
        parts.append(encoder.ravel())
    wanted = np.concatenate(parts)
    return jacobian[np.ix_(wanted, wanted)], wanted, rows, columns


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
