"""The block of one active mode or of two, as a small matrix: any decays, flow and map.

In units with alpha/kappa = 1 and w = p, and phi multiplying what comes from the target,

    dP_ij = kappa [ -(p_j^2 s_j + eta) P_ij + p_j (phi m_j - p_i s_j) W_ij + eta W_ji ]
    dW_ij = eta P_ji - p_i p_j s_j P_ij + [ p_i (phi m_j - p_i s_j) - eta ] W_ij       (and i <-> j)

and the diagonal block is the case i = j.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, Protocol, Self, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Number(Protocol):
    """What entries are made of: surds or floats."""

    def __add__(self, other: Self, /) -> Self: ...
    def __sub__(self, other: Self, /) -> Self: ...
    def __mul__(self, other: Self | int, /) -> Self: ...
    def __neg__(self) -> Self: ...
    def __float__(self) -> float: ...


N = TypeVar("N", bound=Number)


@dataclass(frozen=True, slots=True)
class Matrices(Generic[N]):
    """A block as dx = (J0 + phi J1) x with x = (P entries, W entries); entries surds or floats."""

    constant: list[list[N]]
    target: list[list[N]]
    predictors: int


def diagonal_block(p: N, s: N, m: N, eta: N, kappa: N) -> Matrices[N]:
    """Return the block (P_ii, W_ii) of one active mode."""
    square = p * p * s
    return Matrices(
        constant=[
            [(square + eta) * -kappa, (eta - square) * kappa],
            [eta - square, -square - eta],
        ],
        target=[[eta * 0, p * m * kappa], [eta * 0, p * m]],
        predictors=1,
    )


def pair_block(p: tuple[N, N], s: tuple[N, N], m: tuple[N, N], eta: N, kappa: N) -> Matrices[N]:
    """Return the block (P_ij, P_ji, W_ij, W_ji) of two active modes."""
    zero = eta * 0
    constant = [[zero] * 4 for _ in range(4)]
    target = [[zero] * 4 for _ in range(4)]
    for row, (i, j) in enumerate(((0, 1), (1, 0))):
        other = 1 - row
        constant[row][row] = (p[j] * p[j] * s[j] + eta) * -kappa
        constant[row][2 + row] = p[i] * p[j] * s[j] * -kappa
        constant[row][2 + other] = eta * kappa
        target[row][2 + row] = p[j] * m[j] * kappa
        constant[2 + row][other] = eta
        constant[2 + row][row] = -(p[i] * p[j] * s[j])
        constant[2 + row][2 + row] = -(p[i] * p[i] * s[j]) - eta
        target[2 + row][2 + row] = p[i] * m[j]
    return Matrices(constant, target, 2)


def flow_matrix(block: Matrices[float], beta: float, *, ema: bool) -> Array:
    """Return the block of the flow on (P, W[, T]) entries."""
    constant, target = np.array(block.constant, float), np.array(block.target, float)
    if not ema:
        return np.asarray(constant + target)
    k, size = block.predictors, constant.shape[0]
    full = np.zeros((size + k, size + k))
    full[:size, :size] = constant
    full[:size, size:] = target[:, k:]
    full[size:, k:size], full[size:, size:] = beta * np.eye(k), -beta * np.eye(k)
    return full


def map_matrix(block: Matrices[float], h: float, mu: float, nu: float, *, ema: bool) -> Array:
    """Return the block of the map on (P, W[, T]) and, with momentum, velocity entries."""
    force = flow_matrix(block, 0.0, ema=ema)
    size, k = len(block.constant), block.predictors
    total = force.shape[0] + (size if nu else 0)
    step = np.eye(total)
    width = force.shape[1]
    velocity = np.zeros((size, total))
    velocity[:, :width] = force[:size]
    if nu:
        velocity[:, width:] = nu * np.eye(size)
        step[width:] = velocity
    step[:size] += h * velocity
    if ema:
        target = slice(size, size + k)
        step[target] = (1 - mu) * step[k:size]
        step[target, target] += mu * np.eye(k)
    return step
