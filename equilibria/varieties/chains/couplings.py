"""The blocks of the Jacobian of a chain at an aligned equilibrium, as polynomials in Lambda and phi.

For any depths, rates and decays, with p = |p_i|, q = |m_i| - s_i p, r = s_i p/q, phi on what comes from
the targets (all layers with one beta, T20.4), and x_l the relative change of layer l (T23.1 for equal
decays; the general form is derived in docs/depth.md):

    mode       1 = sum_l eta_l/(Lambda + 2 eta_l) [1 - r + phi (1 + r) z 1(l <= L)],            z = 1
    inactive   Lambda + eta_1 [1 + (s_j p - phi |m_j| z)/q]         beside an input that no unit uses
    output     Lambda + eta_D (1 + r)                              beside an output that no unit uses
    pair       2D x 2D, Lambda^(D-1) taken out: rotations of the D - 1 spaces between layers

In a pair of dimensions that the views turn by theta the same blocks hold with z = exp(i Delta), the
difference of two phases, each together with its conjugate (T31.2): within a pair z = exp(-2 i theta)
beside z = 1 and beside its own rotation, Lambda + (1 + r)(sum_l eta_l - phi sum over l <= L of eta_l).
A `Block` is such a polynomial, with how often it occurs.
"""

from __future__ import annotations

from collections import Counter
from fractions import Fraction
from math import prod
from typing import NamedTuple

from equilibria.data.units import Unit
from equilibria.errors import ScopeError
from equilibria.exact.enclosed import Enclosed
from equilibria.systems.depth import Chain
from equilibria.varieties.chains.mode_equation import enclosed, gain
from equilibria.varieties.chains.pair_matrix import pair_polynomial
from equilibria.varieties.chains.phases import Phase, phases, times_conjugate
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.couplings import Coupling, times

ZERO, ONE = Enclosed.of(0), Enclosed.of(1)
Row = tuple[Enclosed, ...]


class Block(NamedTuple):
    """A block with its multiplicity; `zero` says that symmetry or a fold makes one root 0."""

    coupling: Coupling[Enclosed]
    times: int = 1
    zero: bool = False


def own_blocks(rest: Rest) -> list[Block]:
    """Return the blocks of an active unit with itself."""
    line = _mode_rows(rest)
    whole = Coupling(tuple((a, -b) for a, b in line), neutral=0)
    if not rest.unit.im:
        return [Block(whole, zero=rest.fold)]
    chain = rest.chain
    decays, below = sum(chain.decays), sum(chain.decays[: chain.encoder])
    turn = Coupling(
        (((1 + rest.r) * decays, (1 + rest.r) * -below), (ONE, ZERO)), neutral=chain.depth - 1
    )
    unit = rest.unit
    twice = Phase(Enclosed.of((unit.re**2 - unit.im**2) / unit.square))
    mirrored = times_conjugate(line, twice)
    return [Block(whole, zero=rest.fold), Block(turn), *_blocks(mirrored, neutral=0)]


def _mode_rows(rest: Rest) -> list[Row]:
    """Return U_k, V_k: the mode's block is the sum of (U_k - phi z V_k) Lambda^k.

    Its degree is the number of different decays; the others are in `repeated_decays`.
    """
    chain = rest.chain
    counts = Counter(chain.decays)
    below = Counter(chain.decays[: chain.encoder])
    decays = sorted(counts)
    shapes = {
        eta: polynomial_product([[2 * other, Fraction(1)] for other in decays if other != eta])
        for eta in decays
    }
    rows: list[Row] = []
    for power, value in enumerate(polynomial_product([[2 * eta, Fraction(1)] for eta in decays])):
        used = [(eta, shapes[eta][power]) for eta in decays if power < len(shapes[eta])]
        own = sum((eta * counts[eta] * c for eta, c in used), Fraction(0))
        targets = sum((eta * below[eta] * c for eta, c in used), Fraction(0))
        rows.append((value - own * (1 - rest.r), targets * (1 + rest.r)))
    return rows


def repeated_decays(chain: Chain) -> dict[Fraction, int]:
    """Return the rates 2 eta that a mode has beside its block, with multiplicities."""
    return {2 * eta: count - 1 for eta, count in Counter(chain.decays).items() if count > 1}


def inactive_blocks(rest: Rest, other: Unit) -> list[Block]:
    """Return the blocks of an active unit and an input that no unit uses."""
    eta, inverse = rest.chain.decays[0], rest.q.inverse()
    own = (1 + rest.p * other.s * inverse) * eta
    target = inverse * enclosed(gain(other)) * eta
    found = []
    for phase in phases(rest.unit, other):
        rows = times_conjugate([(own, target), (ONE, ZERO)], phase)
        found += _blocks(
            rows, neutral=0, zero=phase.cosine.rational == 1 and shares_root(rest, other)
        )
    return found


def shares_root(rest: Rest, other: Unit) -> bool:
    """Return whether another unit of the same phase would rest at the same p.

    (s_i - s_j) p = |m_i| - |m_j|; sizes that are square roots are compared with their equals alone.
    """
    own, its = gain(rest.unit), gain(other)
    slope = rest.unit.s - other.s
    if not (isinstance(own, Fraction) and isinstance(its, Fraction)):
        return not slope and rest.unit.square == other.square
    gap = own - its
    return not gap if not slope else rest.place.compare(gap / slope) == 0


def output_block(rest: Rest) -> Block:
    """Return the block of an active unit and an output that no unit uses, for each of its dimensions."""
    rate = (1 + rest.r) * rest.chain.decays[-1]
    return Block(Coupling(((rate,), (ONE,)), neutral=0))


def pair_blocks(left: Rest, right: Rest) -> list[Block]:
    """Return the blocks of two active units without their neutral roots.

    With equal decays they are q_pair, beside (Lambda + 2 eta)^(D - 1) each (T23.1, T31.2). Raises
    `ScopeError` for unequal decays where views are turned.
    """
    chain = left.chain
    same = left.unit.value == right.unit.value and left.place.outer != right.place.outer
    if not chain.equal_decays:
        if left.unit.im or right.unit.im:
            raise ScopeError(
                "unequal decays where views are turned: only ranks of one unit are known",
                hint="give all layers one weight decay, or --embed-dim 2 for a single pair",
            )
        matrix = pair_polynomial(left, right)
        return [Block(Coupling(matrix, neutral=chain.depth - 1), zero=same)]
    found = []
    for phase in phases(left.unit, right.unit):
        rows = times_conjugate(_pair_rows(left, right), phase)
        zero = same and phase.cosine.rational == 1
        found += _blocks(rows, neutral=chain.depth - 1, zero=zero)
    return found


def _blocks(found: tuple[tuple[Row, ...], int], *, neutral: int, zero: bool = False) -> list[Block]:
    """Return one block of a polynomial with its multiplicity; two conjugate ones share a polynomial."""
    rows, factors = found
    count = 2 if factors == 0 else 1
    coupling = Coupling(rows, neutral=neutral * (2 if factors == 2 else 1))
    return [Block(coupling, times=count, zero=zero)]


def _pair_rows(left: Rest, right: Rest) -> list[Row]:
    """Return q_pair: (Lambda + A - phi z U)(Lambda + B - phi z V) - Y^2, by Lambda and (phi z)."""
    a, u = _pair_side(left, right)
    b, v = _pair_side(right, left)
    chain, eta = left.chain, left.chain.decays[0]
    gap = sums(left, right, chain.depth - 1) * eta
    square = gap * gap * (left.square * right.square).inverse() ** (chain.depth - 2)
    return [(a * b - square, a * v + b * u, u * v), (a + b, u + v, ZERO), (ONE, ZERO, ZERO)]


def _pair_side(first: Rest, second: Rest) -> tuple[Enclosed, Enclosed]:
    """Return eta + s_i H_D and u_j^K |m_i| H_L, in layers of size sqrt(alpha_l/eta_l) u."""
    chain, eta = first.chain, first.chain.decays[0]
    L, D = chain.encoder, chain.depth
    whole, encoder = Fraction(prod(chain.sizes)), Fraction(prod(chain.sizes[:L]))
    own = sums(first, second, D) * (eta * whole * first.unit.s)
    weight = second.p * first.m * (eta * encoder)
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
