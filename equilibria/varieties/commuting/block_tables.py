"""What the strata need to know of every block: its verdicts, its extents, its largest step.

`DecayTables` is the common shape. `equal_decay_tables` fills it from the closed forms of `blocks`
(kappa = 1); `unequal.unequal_decay_tables` from exact characteristic polynomials (kappa != 1).
Signs are -1 (inside), 0 (on the boundary), 1 (outside); steps are inf where no step is too large.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd
from equilibria.systems.model import Model
from equilibria.varieties.commuting.blocks import FILTER_MARGIN, NUMERIC_MARGIN, Blocks
from equilibria.varieties.commuting.couplings import pair_coupling, pair_sign
from equilibria.varieties.commuting.largest_step import inverse_step
from equilibria.varieties.commuting.transfer import Dynamics, polynomial_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Signs = NDArray[np.int8]


EXACT_PAIRS = 2_000  # step sizes from exact polynomials: some milliseconds each
CANCELLED = 1e-6  # a rate this much smaller than its terms has lost digits that are printed
THREADED_SIZE = 250_000  # NumPy releases the interpreter on arrays of this size


@dataclass(frozen=True, slots=True)
class KindTables:
    """Tables of one kind of block: diagonal (K,), pair (K, K) or inactive (K, d).

    Signs and extents leave out the neutral eigenvalues; `zero` counts those beyond the ones that
    every block of the kind has.
    """

    zero: Signs
    flow_sign: Signs
    flow_extent: Array
    map_sign: Signs
    map_extent: Array
    inverse_step: Array


@dataclass(frozen=True, slots=True)
class DecayTables:
    """The three kinds of blocks, and the rates that do not involve the target.

    `output_sign` and `output_inverse_step` belong to a state beside an inactive output (T7.2).
    """

    diagonal: KindTables
    pair: KindTables
    inactive: KindTables
    output: KindTables


def critical_phi(model: Model) -> Fraction:
    """Return phi at the multiplier -1: 1 for stop-gradient, (1 - mu)/(1 + mu) for EMA (T10.1)."""
    return (1 - model.mu) / (1 + model.mu) if model.traits.has_target else Fraction(1)


def equal_decay_tables(model: Model, blocks: Blocks, *, with_pairs: bool) -> DecayTables:
    """Return the tables for eta_P = eta by the closed forms T7.2 and T10.1."""
    steps = _Steps(model, blocks)
    flow, step = Dynamics.of(model, is_map=False), Dynamics.of(model, is_map=True)
    return DecayTables(
        diagonal=_scalar_tables(
            blocks.diagonal_signs,
            blocks.diagonal_terms(),
            steps,
            steps.diagonal_sign(),
            flow,
            step,
            steps.scalar_rate(*blocks.diagonal_terms()),
        ),
        pair=_pair_tables(blocks, steps, flow, step) if with_pairs else _no_pairs(),
        inactive=_scalar_tables(
            blocks.inactive_signs,
            blocks.inactive_terms(),
            steps,
            steps.inactive_sign(),
            flow,
            step,
            steps.inactive_rate(),
        ),
        output=_output_tables(model, blocks, steps, flow, step),
    )


def _scalar_tables(
    signs: Signs,
    terms: tuple[Array, Array],
    steps: _Steps,
    map_sign: Signs,
    flow: Dynamics,
    step: Dynamics,
    rate: Array,
) -> KindTables:
    zero = signs == 0
    extents = _for_both(lambda d: normal_extent(d, d.scalar(*terms), zero), flow, step, zero.size)
    return KindTables(
        zero=zero.astype(np.int8),
        flow_sign=np.where(zero, -1, signs).astype(np.int8),
        flow_extent=extents[0],
        map_sign=map_sign,
        map_extent=extents[1],
        inverse_step=steps.inverse(rate),
    )


def _pair_tables(blocks: Blocks, steps: _Steps, flow: Dynamics, step: Dynamics) -> KindTables:
    zero = blocks.pair_constant_signs == 0
    np.fill_diagonal(zero, val=False)

    def extent_of(dynamics: Dynamics) -> Array:
        diagonal = dynamics.extent(polynomial_roots(dynamics.scalar(*blocks.diagonal_terms())))
        extent = blocks.pair_extent(dynamics, diagonal)
        for i, j in np.argwhere(zero):
            t = blocks.pair_terms(slice(i, i + 1))
            terms = (t.a[0, j], t.b[0, j], t.u[0, j], t.v[0, j])
            polynomial = dynamics.pair(*terms, blocks.eta_value)
            extent[i, j] = normal_extent(dynamics, polynomial[None], np.array([True]))[0]
        return extent

    extents = _for_both(extent_of, flow, step, zero.size)
    return KindTables(
        zero=zero.astype(np.int8),
        flow_sign=_pair_flow_sign(blocks),
        flow_extent=extents[0],
        map_sign=steps.pair_sign(),
        map_extent=extents[1],
        inverse_step=steps.pair_inverse(),
    )


def _for_both(
    function: Callable[[Dynamics], Array], flow: Dynamics, step: Dynamics, size: int
) -> list[Array]:
    """Return the function's tables of flow and map; large ones at the same time on two cores."""
    if size < THREADED_SIZE:
        return [function(flow), function(step)]
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(2) as pool:
        return list(pool.map(function, (flow, step)))


def _no_pairs() -> KindTables:
    blank, signs = np.zeros((0, 0)), np.zeros((0, 0), dtype=np.int8)
    return KindTables(signs, signs, blank, signs, blank, blank)


def normal_extent(dynamics: Dynamics, polynomials: Array, zero: NDArray[np.bool_]) -> Array:
    """Return extents over the roots; where `zero` is set, without the root nearest to zero."""
    roots = polynomial_roots(polynomials)
    extent = dynamics.extent(roots)
    if zero.any():
        marked = roots[zero]
        order = np.argsort(np.abs(marked), axis=-1)
        rest = np.take_along_axis(marked, order[..., 1:], axis=-1)
        floor = 0.0 if dynamics.is_map else -np.inf
        extent[zero] = dynamics.extent(rest) if rest.shape[-1] else floor
    return extent


def _pair_flow_sign(blocks: Blocks) -> Signs:
    signs = np.where(blocks.pair_unstable > 0, 1, -1)
    np.fill_diagonal(signs, -1)
    return signs.astype(np.int8)


def _output_tables(
    model: Model, blocks: Blocks, steps: _Steps, flow: Dynamics, step: Dynamics
) -> KindTables:
    rate = blocks.p * blocks.m
    return KindTables(
        zero=np.zeros(rate.shape, dtype=np.int8),
        flow_sign=np.full(rate.shape, -1, dtype=np.int8),
        flow_extent=-rate,
        map_sign=steps.output_sign(rate),
        map_extent=free_extent(step, rate),
        inverse_step=steps.inverse(rate),
    )


def free_extent(dynamics: Dynamics, rate: Array) -> Array:
    """Return the extent of blocks Lambda + rate that the target does not touch."""
    plain = Dynamics(dynamics.is_map, False, dynamics.h, dynamics.mu, dynamics.nu, dynamics.beta)
    return plain.extent(polynomial_roots(plain.scalar(rate, np.zeros_like(rate))))


class _Steps:
    """Signs of the multipliers against the unit circle, by comparing rates with 2 (1 + nu)/h.

    A block that is stable for the flow is stable for the map exactly when its rate
    lambda_max X(phi*) is below the bound (T10.1). The proof asks for target terms b >= 0 only where
    there is momentum: without it the Jury inequality at -1 implies the others whatever the sign of
    b. With EMA, momentum and b < 0 the interior inequality

        h mu [-(1 - nu) a - nu (1 - mu) b] < (1 - nu)(1 - mu)(1 - nu mu)

    is a second bound: exact for scalar blocks, sufficient for pairs, whose exact polynomials decide
    where it fails.
    """

    def __init__(self, model: Model, blocks: Blocks) -> None:
        self.model, self.blocks = model, blocks
        self.phi_exact = critical_phi(model)
        self.phi = to_float(self.phi_exact)
        self.bound_exact = 2 * (1 + model.nu) / model.h
        self.bound = to_float(self.bound_exact)
        self.margin = FILTER_MARGIN if blocks.exact else NUMERIC_MARGIN
        self.interior = model.traits.has_target and model.nu > 0 and model.mu > 0
        nu, mu = model.nu, model.mu
        weight = 2 * (1 + nu) * mu / ((1 - nu) * (1 - mu) * (1 - nu * mu))
        self.weights_exact = (-weight * (1 - nu), -weight * nu * (1 - mu))
        self.weights = (to_float(self.weights_exact[0]), to_float(self.weights_exact[1]))

    def inverse(self, rate: Array) -> Array:
        """Return 1/h* for rates in the units of 2 (1 + nu)/h."""
        return np.maximum(rate, 0.0) / to_float(2 * (1 + self.model.nu))

    def scalar_rate(self, a: Array, b: Array) -> Array:
        """Return the larger of the two rates of scalar blocks."""
        flip = a - self.phi * b
        if not self.interior:
            return flip
        return np.maximum(flip, self.weights[0] * a + self.weights[1] * b)

    def inactive_rate(self) -> Array:
        """Return the rates of inactive inputs, exact ones where the terms cancel."""
        a, b = self.blocks.inactive_terms()
        rate = self.scalar_rate(a, b)
        if self.blocks.exact:
            signs = self.blocks.inactive_signs
            for i, j in np.argwhere((np.abs(rate) <= CANCELLED * a) & (signs != 0)).tolist():
                rates = self._exact_rates(*self._exact_inactive(i, j))
                rate[i, j] = max(map(float, rates))
        return rate

    def pair_rate(self) -> Array:
        """Return the larger of the two rates of the pair blocks."""
        rate = self.blocks.pair_rate(1.0, -self.phi)
        if self.interior:
            rate = np.maximum(rate, self.blocks.pair_rate(*self.weights))
        return rate

    def pair_inverse(self) -> Array:
        """Return 1/h* of the pairs; where the second bound would decide, from the exact polynomials."""
        inverse = self.inverse(self.pair_rate())
        if self.interior:
            flip = self.blocks.pair_rate(1.0, -self.phi)
            second = self.blocks.pair_rate(*self.weights) >= flip * (1 - self.margin)
            pairs = list(self._stable_pairs(second))
            for i, j in pairs[EXACT_PAIRS:]:
                inverse[i, j] = inverse[j, i] = np.inf  # left open: no step rather than a wrong one
            for i, j in pairs[:EXACT_PAIRS]:
                states = self.blocks.states[i], self.blocks.states[j]
                coupling = pair_coupling(*states, self.model.eta, Fraction(1))
                inverse[i, j] = inverse[j, i] = inverse_step(coupling, self.model)
        return inverse

    def _stable_pairs(self, chosen: NDArray[np.bool_]) -> Iterator[tuple[int, int]]:
        """Yield the chosen pairs i < j of different modes that are stable for the flow."""
        stable = _pair_flow_sign(self.blocks) < 0
        for i, j in np.argwhere(np.triu(chosen & stable, 1)).tolist():
            if self.blocks.states[i].mode.number != self.blocks.states[j].mode.number:
                yield i, j

    def diagonal_sign(self) -> Signs:
        def exact(i: int, _: int) -> int:
            square = self.blocks.states[i].p * self.blocks.states[i].p
            mode = self.blocks.states[i].mode
            return self._exact_scalar(2 * mode.s * square, mode.m * self.blocks.states[i].p)

        return self._decide_scalar(*self.blocks.diagonal_terms(), self.blocks.diagonal_signs, exact)

    def inactive_sign(self) -> Signs:
        def exact(i: int, j: int) -> int:
            return self._exact_scalar(*self._exact_inactive(i, j))

        return self._decide_scalar(*self.blocks.inactive_terms(), self.blocks.inactive_signs, exact)

    def _exact_inactive(self, i: int, j: int) -> tuple[Surd, Surd]:
        p, mode = self.blocks.states[i].p, self.blocks.modes[j]
        return mode.s * (p * p) + self.model.eta, mode.m * p

    def _exact_rates(self, a: Surd, b: Surd) -> list[Surd]:
        rates = [a - self.phi_exact * b]
        if self.interior:
            rates.append(self.weights_exact[0] * a + self.weights_exact[1] * b)
        return rates

    def _exact_scalar(self, a: Surd, b: Surd) -> int:
        """Return the exact position of a scalar block's multipliers: -1 inside, 1 outside."""
        return max(-(self.bound_exact - rate).sign() for rate in self._exact_rates(a, b))

    def _decide_scalar(
        self, a: Array, b: Array, flow_sign: Signs, exact: Callable[[int, int], int]
    ) -> Signs:
        size = a + np.abs(b)
        if self.interior:
            size = size + abs(self.weights[0]) * a + abs(self.weights[1]) * np.abs(b)
        return self._decide(self.scalar_rate(a, b), size, flow_sign, exact)

    def pair_sign(self) -> Signs:
        t = self.blocks.pair_terms()
        size = t.a + t.b + np.abs(t.u) + np.abs(t.v) + self.blocks.eta_value
        if self.interior:
            size = size * (1 + abs(self.weights[0]) + abs(self.weights[1]))
        signs = self._decide(self.pair_rate(), size, _pair_flow_sign(self.blocks), self._exact_pair)
        if self.interior:
            self._settle_indefinite(signs, t.u < 0)
        np.fill_diagonal(signs, -1)
        return signs

    def _exact_pair(self, i: int, j: int) -> int:
        return -self.blocks.exact_pair_rate_sign(i, j, self.phi_exact, self.bound_exact)

    def _settle_indefinite(self, signs: Signs, indefinite: NDArray[np.bool_]) -> None:
        """Decide pairs of opposite signs beyond the sufficient bound by their exact polynomials."""
        for i, j in self._stable_pairs(indefinite & (signs >= 0)):
            left, right = self.blocks.states[i], self.blocks.states[j]
            sign, _ = pair_sign(left, right, self.model, Fraction(1), is_map=True)
            signs[i, j] = signs[j, i] = sign

    def output_sign(self, rate: Array) -> Signs:
        inside = np.full(rate.shape, -1, dtype=np.int8)

        def exact(i: int, _: int) -> int:
            state = self.blocks.states[i]
            return -(self.bound_exact - state.mode.m * state.p).sign()

        return self._decide(rate, np.abs(rate), inside, exact)

    def _decide(
        self, rate: Array, size: Array, flow_sign: Signs, exact: Callable[[int, int], int]
    ) -> Signs:
        """Return 1 where the flow is unstable or the rate exceeds the bound, -1 inside."""
        slack = self.bound - rate
        signs: Signs = np.where(slack > 0, -1, 1).astype(np.int8)
        doubtful = np.abs(slack) <= self.margin * (self.bound + size)
        for index in np.argwhere(doubtful):
            place: Any = tuple(int(k) for k in index)
            signs[place] = exact(place[0], place[-1]) if self.blocks.exact else 0
        return np.where(flow_sign > 0, 1, signs).astype(np.int8)
