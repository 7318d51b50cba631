"""The blocks of the linearization at aligned equilibria (T7.3), as matrices of exact surds.

They are written in units with alpha = kappa, where W_ii = P_ii = p; the eigenvalues do not depend
on the units (T0.1).
"""

from __future__ import annotations

from equilibria.exact.surds import Surd, in_common_field
from equilibria.gradient.live import Active
from equilibria.systems.model import Model

Matrix = list[list[Surd]]


def diagonal_block(model: Model, active: Active) -> Matrix:
    """Return the block of (P_ii, W_ii) or (P_ii, W_ii, T_ii), in units with alpha = kappa."""
    kappa = model.kappa
    assert kappa is not None
    x, eta, beta = active.m * active.p, model.eta, model.flow_rate
    zero, cross = 0 * x, 2 * eta - x
    if model.traits.own_target:
        return [[-kappa * x, zero + 2 * kappa * eta], [cross, zero]]
    return [
        [-kappa * x, kappa * cross, kappa * x],
        [cross, -x, x],
        [zero, zero + beta, zero - beta],
    ]


def pair_block(model: Model, first: Active, second: Active) -> Matrix:
    """Return the block of two active modes (T7.3), in units with alpha = kappa.

    Variables (P_ij, P_ji, W_ij, W_ji) and, for EMA, (T_ij, T_ji).
    """
    kappa, eta, beta = model.kappa, model.eta, model.flow_rate
    assert kappa is not None
    p, q = in_common_field(first.p, second.p)
    moving = model.traits.has_target
    size = 6 if moving else 4
    rows = [[0 * p for _ in range(size)] for _ in range(size)]
    for k, (p_i, p_j, mode) in enumerate(((p, q, second), (q, p, first))):
        target, s, m = (4 if moving else 2) + k, mode.s, mode.m
        rows[k][k] += -kappa * (p_j * p_j * s + eta)
        rows[k][2 + k] += -kappa * s * p_i * p_j
        rows[k][target] += kappa * m * p_j
        rows[k][3 - k] += kappa * eta
        rows[2 + k][1 - k] += eta
        rows[2 + k][k] += -s * p_i * p_j
        rows[2 + k][2 + k] += -(p_i * p_i * s + eta)
        rows[2 + k][target] += m * p_i
        if moving:
            rows[4 + k][2 + k] += beta
            rows[4 + k][4 + k] += -beta
    return rows
