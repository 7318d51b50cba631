"""The blocks of the Jacobian of a deep chain at an aligned equilibrium, as polynomials in Lambda, phi.

For any depths, rates and decays, with p = |p_i|, q = |m_i| - s_i p, r = s_i p/q, phi on what comes from
the targets (all layers with one beta, T20.4), and x_l the relative change of layer l (T23.1 for equal
decays; the general form is derived in docs/depth.md):

    mode       1 = sum_l eta_l/(Lambda + 2 eta_l) [1 - r + phi (1 + r) 1(l <= L)]
    inactive   Lambda + eta_1 [1 + (s_j p - phi eps_i m_j)/q]       beside an input that no mode uses
    output     Lambda + eta_D (1 + r)                              beside an output that no mode uses
    pair       2D x 2D, Lambda^(D-1) taken out: rotations of the D - 1 spaces between layers
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import prod

from equilibria.exact.enclosed import Enclosed
from equilibria.systems.depth import Chain
from equilibria.varieties.chains.pair_matrix import pair_polynomial
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.couplings import Coupling, times
from equilibria.varieties.commuting.modes import Mode

ZERO, ONE = Enclosed.of(0), Enclosed.of(1)
Row = tuple[Enclosed, ...]


def mode_coupling(rest: Rest) -> Coupling[Enclosed]:
    """Return the block of one active mode, one factor Lambda + 2 eta for every further equal decay.

    Its degree in Lambda is the number of different decays.
    """
    chain = rest.chain
    counts = Counter(chain.decays)
    below = Counter(chain.decays[: chain.encoder])
    decays = sorted(counts)
    shapes = {
        eta: polynomial_product([[2 * other, Fraction(1)] for other in decays if other != eta])
        for eta in decays
    }
    whole = polynomial_product([[2 * eta, Fraction(1)] for eta in decays])
    rows: list[Row] = []
    for power, value in enumerate(whole):
        used = [(eta, shapes[eta][power]) for eta in decays if power < len(shapes[eta])]
        own = sum((eta * counts[eta] * c for eta, c in used), Fraction(0))
        targets = sum((eta * below[eta] * c for eta, c in used), Fraction(0))
        rows.append((value - own * (1 - rest.r), -targets * (1 + rest.r)))
    return Coupling(tuple(rows), neutral=0)


def repeated_decays(chain: Chain) -> dict[Fraction, int]:
    """Return the rates 2 eta that a mode has beside its coupling, with multiplicities."""
    return {2 * eta: count - 1 for eta, count in Counter(chain.decays).items() if count > 1}


def inactive_coupling(rest: Rest, other: Mode) -> Coupling[Enclosed]:
    """Return the block of an active mode and an input that no mode uses."""
    eta, inverse = rest.chain.decays[0], rest.q.inverse()
    own = (1 + rest.p * other.s * inverse) * eta
    return Coupling(((own, inverse * (-eta * rest.sign * other.m)), (ONE, ZERO)), neutral=0)


def output_coupling(rest: Rest) -> Coupling[Enclosed]:
    """Return the block of an active mode and an output that no mode uses."""
    return Coupling((((1 + rest.r) * rest.chain.decays[-1],), (ONE,)), neutral=0)


def pair_coupling(left: Rest, right: Rest) -> Coupling[Enclosed]:
    """Return the block of two active modes without its neutral roots.

    With equal decays it is q_pair, beside (Lambda + 2 eta)^(D - 1) (T23.1).
    """
    if left.chain.equal_decays:
        return _equal_pair(left, right)
    return Coupling(pair_polynomial(left, right), neutral=left.chain.depth - 1)


def _equal_pair(left: Rest, right: Rest) -> Coupling[Enclosed]:
    """Return q_pair: (Lambda + A - phi U)(Lambda + B - phi V) - Y^2 (T23.1)."""
    a, u = _pair_side(left, right)
    b, v = _pair_side(right, left)
    chain, eta = left.chain, left.chain.decays[0]
    D = chain.depth
    gap = sums(left, right, D - 1) * eta
    square = gap * gap * (left.square * right.square).inverse() ** (D - 2)
    zero = ZERO
    return Coupling(
        (
            (a * b - square, -(a * v + b * u), u * v),
            (a + b, -(u + v), zero),
            (ONE, zero, zero),
        ),
        neutral=D - 1,
    )


def _pair_side(first: Rest, second: Rest) -> tuple[Enclosed, Enclosed]:
    """Return eta + s_i H_D and eps_j u_j^K m_i H_L, in layers of size sqrt(alpha_l/eta_l) u."""
    chain, eta = first.chain, first.chain.decays[0]
    L, D = chain.encoder, chain.depth
    whole, encoder = Fraction(prod(chain.sizes)), Fraction(prod(chain.sizes[:L]))
    own = sums(first, second, D) * (eta * whole * first.mode.s)
    weight = second.p * (eta * encoder * second.sign * first.mode.m)
    return own + eta, weight * sums(first, second, L)


def sums(first: Rest, second: Rest, count: int) -> Enclosed:
    """Return H_n = sum over l < n of u_i^(2 (n - 1 - l)) u_j^(2 l) (section 23)."""
    a, b = first.square, second.square
    total = ZERO
    for power in range(count):
        total = total + a ** (count - 1 - power) * b**power
    return total


def polynomial_product(factors: list[list[Fraction]]) -> list[Fraction]:
    """Return the product of polynomials with rational coefficients."""
    result = [Fraction(1)]
    for factor in factors:
        result = times(result, factor)
    return result
