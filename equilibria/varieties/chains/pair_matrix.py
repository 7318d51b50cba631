"""The block of two active modes of a deep chain with decays of any kind: a 2D x 2D matrix.

Let layer l of mode i be c_l u_i with c_l^2 = alpha_l/eta_l, and let c_l xi_l, c_l zeta_l be the changes
of its entries (i, j) and (j, i). With C = c_1 ... c_D, rho = u_j/u_i, g_l = u_i^(D-l) u_j^(l-1) and
h_l = u_i^(L-l) u_j^(l-1) for l <= L, else 0,

    d xi_l = eta_l [ sum_k N_lk zeta_k - xi_l + C g_l (phi eps_i m_j c_1 ... c_L h.xi - s_j C g.xi) ],
    N_lk   = rho^(l-k-1) for l > k,  rho^(l-k+1) for l < k,  0 for l = k,

and d zeta_l likewise with i and j exchanged (section 23 has the case of equal decays). The rotations of
the D - 1 spaces between the layers are neutral for every phi.
"""

from __future__ import annotations

from fractions import Fraction
from math import prod

from equilibria.exact.enclosed import Enclosed
from equilibria.varieties.chains.fixed_point import characteristic_rows
from equilibria.varieties.chains.rest import Rest

Entries = list[list[Enclosed]]
ZERO = Enclosed.of(0)


def pair_matrices(left: Rest, right: Rest) -> tuple[Entries, Entries]:
    """Return (J_0, J_1), 2D x 2D: the block is J_0 + phi J_1 on (xi, zeta)."""
    D = left.chain.depth
    constant = [[ZERO] * (2 * D) for _ in range(2 * D)]
    target = [[ZERO] * (2 * D) for _ in range(2 * D)]
    for offset, (i, j) in enumerate(((left, right), (right, left))):
        own, other = offset * D, (1 - offset) * D
        _fill_side(constant, target, (i, j), own, other)
    return constant, target


def _fill_side(
    constant: Entries, target: Entries, pair: tuple[Rest, Rest], own: int, other: int
) -> None:
    i, j = pair
    chain = i.chain
    L, D = chain.encoder, chain.depth
    whole = Fraction(prod(chain.sizes))
    both = Enclosed.of(whole).root(2) * Enclosed.of(Fraction(prod(chain.sizes[:L]))).root(2)
    ratio, inverse = j.u * i.u.inverse(), i.u * j.u.inverse()
    g = [i.u ** (D - 1 - row) * j.u**row for row in range(D)]
    h = [i.u ** (L - 1 - row) * j.u**row for row in range(L)]
    for row, eta in enumerate(chain.decays):
        for column in range(D):
            entry = g[row] * g[column] * (-eta * whole * j.unit.s)
            constant[own + row][own + column] = entry - eta if row == column else entry
            if column < L:
                weight = both * (eta * i.sign * j.unit.re)
                target[own + row][own + column] = g[row] * h[column] * weight
            if row != column:
                power = row - column - 1 if row > column else row - column + 1
                factor = ratio**power if power >= 0 else inverse**-power
                constant[own + row][other + column] = factor * eta


def pair_polynomial(left: Rest, right: Rest) -> tuple[tuple[Enclosed, ...], ...]:
    """Return the coefficients of Lambda^k phi^l, k = 0, ..., D + 1 after D - 1 neutral roots."""
    constant, target = pair_matrices(left, right)
    return characteristic_rows(constant, target, targets=2, neutral=left.chain.depth - 1)
