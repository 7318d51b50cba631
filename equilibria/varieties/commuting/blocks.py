"""The Jacobian at an aligned equilibrium, block by block (T7.2), for equal decays.

With commuting moments and weight decay eta > 0 an equilibrium is a set of states (modes at a root),
and its Jacobian splits into blocks that couple at most two modes:

    diagonal    one active mode                  Lambda + 2 eta, Lambda + 2 p^2 s - phi p m
    pair        two active modes                 Lambda, Lambda + 2 eta,
                                                 (Lambda + A - phi u)(Lambda + B - phi v) - eta^2
    inactive    an active mode and an input      Lambda + p_i^2 s_j + eta - phi p_i m_j
    output      an active mode and an output     Lambda, Lambda + 2 eta, Lambda + p m
    rest        inactive outputs                 Lambda + eta

Signs are decided on doubles with a rigorous margin, and on exact surds where the margin is not met.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd, in_common_field
from equilibria.varieties.commuting.modes import Mode, State
from equilibria.varieties.commuting.transfer import (
    Dynamics,
    all_roots_below,
    polynomial_roots,
    rightmost_real_root,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Signs = NDArray[np.int8]

# A value computed from a few products of doubles carries a relative error of some 1e-15 of the sum
# of its terms' sizes; the margin is a thousand times that.
FILTER_MARGIN = 1e-12
UNDERFLOW_GUARD = 1e-250
NUMERIC_MARGIN = 1e-9
BATCH_LIMIT = 40_000


@dataclass(frozen=True, slots=True)
class PairTerms:
    """The numbers A, B, u, v of the pair block; floats, arrays or surds."""

    a: Array
    b: Array
    u: Array
    v: Array


class Blocks:
    """All blocks between the given states, and between states and modes.

    Rows of `inactive` arrays are states, columns the modes given; `pair` arrays are states by
    states. `exact=False` says that the moments are measured: signs within a relative 1e-9 of zero
    then count as zero instead of being decided exactly.
    """

    def __init__(
        self, states: Sequence[State], modes: Sequence[Mode], eta: Fraction, *, exact: bool = True
    ) -> None:
        self.states, self.modes, self.eta, self.exact = tuple(states), tuple(modes), eta, exact
        self.p = np.array([state.value for state in states], dtype=np.float64)
        self.s = np.array([to_float(state.mode.s) for state in states], dtype=np.float64)
        self.m = np.array([to_float(state.mode.m) for state in states], dtype=np.float64)
        self.all_s = np.array([to_float(mode.s) for mode in modes], dtype=np.float64)
        self.all_m = np.array([to_float(mode.m) for mode in modes], dtype=np.float64)
        self.eta_value = to_float(eta)

    # Scalar blocks Lambda + a - phi b.

    def diagonal_terms(self) -> tuple[Array, Array]:
        """Return (a, b) of the diagonal blocks, shape (K,)."""
        return 2 * self.p**2 * self.s, self.p * self.m

    def inactive_terms(self) -> tuple[Array, Array]:
        """Return (a, b) of the blocks of state i and inactive input j, shape (K, d)."""
        a = self.p[:, None] ** 2 * self.all_s + self.eta_value
        return a, self.p[:, None] * self.all_m

    def pair_terms(self, rows: slice = slice(None)) -> PairTerms:
        """Return A, B, u, v of the pair blocks, shape (rows, K)."""
        q = self.p[rows, None] ** 2 + self.p**2
        return PairTerms(
            a=self.eta_value + self.s[rows, None] * q,
            b=self.eta_value + self.s * q,
            u=self.p * self.m[rows, None],
            v=self.p[rows, None] * self.m,
        )

    # Signs of the eigenvalues at phi = 1: they are common to flow and map, SG and EMA.

    @cached_property
    def diagonal_signs(self) -> Signs:
        """Return the sign of eta - p^2 s: -1 at p+, 1 at p-, 0 at a fold (T8.1)."""
        kinds = [0 if state.fold else (-1 if state.root == "+" else 1) for state in self.states]
        return np.array(kinds, dtype=np.int8)

    @cached_property
    def inactive_signs(self) -> Signs:
        """Return the sign of p_i m_j - p_i^2 s_j - eta: 1 where input j wants to grow."""
        positive, negative = self.inactive_terms()
        value = negative - positive
        value[self._own_mode] = -np.inf  # a mode is never inactive beside itself
        return self._signs(value, positive + np.abs(negative), self._exact_inactive)

    @cached_property
    def _own_mode(self) -> NDArray[np.bool_]:
        numbers = np.array([mode.number for mode in self.modes])
        return np.asarray(
            np.array([state.mode.number for state in self.states])[:, None] == numbers
        )

    def _exact_inactive(self, i: int, j: int) -> int:
        # s p^2 = m p - eta at the root, so the condition is linear in p.
        state, mode = self.states[i], self.modes[j]
        ratio = mode.s / state.mode.s
        value = state.p * (mode.m - ratio * state.mode.m) + self.eta * (ratio - 1)
        return value.sign()

    @cached_property
    def pair_constant_signs(self) -> Signs:
        """Return the signs of q_pair(0, 1), shape (K, K); negative: one unstable direction."""
        bracket = self.eta_value * (self.s[:, None] + self.s)
        bracket = bracket + self.s[:, None] * self.s * (self.p[:, None] ** 2 + self.p**2)
        product = self.m[:, None] * self.m
        # The other factor, p_i^2 + p_j^2 - p_i p_j, is positive.
        return self._signs(bracket - product, bracket + np.abs(product), self._exact_constant)

    def _exact_constant(self, i: int, j: int) -> int:
        left, right = self.states[i], self.states[j]
        p, q = in_common_field(left.p, right.p)
        s, r = left.mode.s, right.mode.s
        value = (p * p + q * q) * (s * r) + (self.eta * (s + r) - left.mode.m * right.mode.m)
        return value.sign()

    @cached_property
    def pair_linear_signs(self) -> Signs:
        """Return the signs of the coefficient of lambda in q_pair(lambda, 1)."""
        t = self.pair_terms()
        value = t.a + t.b - t.u - t.v
        return self._signs(value, t.a + t.b + np.abs(t.u) + np.abs(t.v), self._exact_linear)

    def _exact_linear(self, i: int, j: int) -> int:
        left, right = self.states[i], self.states[j]
        p, q = in_common_field(left.p, right.p)
        square = (p * p + q * q) * (left.mode.s + right.mode.s)
        return (square + 2 * self.eta - p * right.mode.m - q * left.mode.m).sign()

    @cached_property
    def pair_unstable(self) -> Signs:
        """Return how many of the two roots of q_pair(lambda, 1) are positive (all are real, T7.4)."""
        constant, linear = self.pair_constant_signs, self.pair_linear_signs
        both = np.where((constant > 0) & (linear < 0), 2, 0)
        zero = np.where((constant == 0) & (linear < 0), 1, 0)
        return np.asarray(np.where(constant < 0, 1, both + zero), dtype=np.int8)

    def _signs(self, value: Array, size: Array, exact: Callable[[int, int], int]) -> Signs:
        signs = np.sign(value).astype(np.int8)
        margin = FILTER_MARGIN if self.exact else NUMERIC_MARGIN
        doubtful = (np.abs(value) <= margin * size) | (size < UNDERFLOW_GUARD)
        for i, j in np.argwhere(doubtful):
            signs[i, j] = exact(int(i), int(j)) if self.exact else 0
        return signs

    # Extents: spectral abscissa of the flow, spectral radius of the map.

    def pair_extent(self, dynamics: Dynamics, diagonal: Array) -> Array:
        """Return the extents of all pair blocks, shape (K, K).

        Every stratum with a pair also has the two diagonal blocks, whose extents are `diagonal`. In
        large tables a pair that provably stays below them is not resolved and reads -inf (0 for the
        map), as the diagonal does.
        """
        count = len(self.states)
        extents = np.full((count, count), 0.0 if dynamics.is_map else -np.inf)
        upper = np.triu_indices(count, 1)
        large = upper[0].size > BATCH_LIMIT and dynamics.real_rooted and bool((self.m > 0).all())
        for start in range(0, upper[0].size, BATCH_LIMIT):
            i, j = (index[start : start + BATCH_LIMIT] for index in upper)
            polynomials = self._pair_polynomials(dynamics, i, j)
            if large and polynomials.shape[-1] > 3:
                floor = np.maximum(diagonal[i], diagonal[j])
                extents[i, j] = _real_extent(dynamics, polynomials, floor)
            else:
                extents[i, j] = dynamics.extent(polynomial_roots(polynomials))
        lower = (upper[1], upper[0])
        extents[lower] = extents[upper]
        return extents

    def _pair_polynomials(
        self, dynamics: Dynamics, i: NDArray[np.intp], j: NDArray[np.intp]
    ) -> Array:
        q = self.p[i] ** 2 + self.p[j] ** 2
        a, b = self.eta_value + self.s[i] * q, self.eta_value + self.s[j] * q
        return dynamics.pair(a, b, self.p[j] * self.m[i], self.p[i] * self.m[j], self.eta_value)

    # The largest stable step (T10.1): h* = 2 (1 + nu)/rate, rate = lambda_max X(phi*).

    def pair_rate(self, x: float, y: float) -> Array:
        """Return the larger eigenvalue of x X0 + y B0 for every pair, shape (K, K).

        X0 = [[A, eta], [eta, B]] and B0 = diag(u, v).
        """
        t = self.pair_terms()
        left, right = x * t.a + y * t.u, x * t.b + y * t.v
        rate = (left + right) / 2 + np.hypot((left - right) / 2, x * self.eta_value)
        np.fill_diagonal(rate, 0.0)
        return np.asarray(rate)

    def exact_pair_rate_sign(self, i: int, j: int, phi: Fraction, bound: Fraction) -> int:
        """Return the exact sign of bound - lambda_max(X0 - phi B0) for one pair."""
        left, right = _exact_pair_diagonal(self.states[i], self.states[j], self.eta, phi)
        first, second = bound - left, bound - right
        if first.sign() < 0 or second.sign() < 0:
            return -1
        return (first * second - self.eta**2).sign()


def _exact_pair_diagonal(
    left: State, right: State, eta: Fraction, phi: Fraction
) -> tuple[Surd, Surd]:
    p, q = in_common_field(left.p, right.p)
    square = p * p + q * q
    return (
        square * left.mode.s + eta - phi * left.mode.m * q,
        square * right.mode.s + eta - phi * right.mode.m * p,
    )


def _real_extent(dynamics: Dynamics, polynomials: Array, floor: Array) -> Array:
    """Return the extents of real-rooted blocks that may exceed `floor`; the others are left out."""
    extent = np.full(floor.shape, 0.0 if dynamics.is_map else -np.inf)
    if not dynamics.is_map:
        open_ones = ~all_roots_below(polynomials, floor)
        extent[open_ones] = rightmost_real_root(polynomials[open_ones])
        return extent
    h = dynamics.h
    above = ~all_roots_below(polynomials, (floor - 1) / h)
    extent[above] = np.abs(1 + h * rightmost_real_root(polynomials[above]))
    mirrored = _mirrored(polynomials)
    below = ~all_roots_below(mirrored, (floor + 1) / h)
    left = np.abs(1 - h * rightmost_real_root(mirrored[below]))
    extent[below] = np.maximum(extent[below], left)
    return extent


def _mirrored(polynomials: Array) -> Array:
    """Return the polynomials in -lambda, with a positive leading coefficient."""
    degree = polynomials.shape[-1] - 1
    return np.asarray(polynomials * (-1.0) ** (np.arange(degree + 1) + degree))
