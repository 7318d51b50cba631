"""Blocks with unequal decays, kappa = eta_P/eta != 1 (T0.3, T7.3), by exact polynomials.

In units with alpha/kappa = 1 and w = p, and phi multiplying what comes from the target,

    dP_ij = kappa [ -(p_j^2 s_j + eta) P_ij + p_j (phi m_j - p_i s_j) W_ij + eta W_ji ]
    dW_ij = eta P_ji - p_i p_j s_j P_ij + [ p_i (phi m_j - p_i s_j) - eta ] W_ij       (and i <-> j)

and the diagonal block is the case i = j. The closed forms of kappa = 1 do not apply: pairs can lose
stability by a Hopf bifurcation (T8.6), and with EMA and momentum the map can be stable where the
flow is not: heavy ball slows the target down to beta (1 - nu). Verdicts come from exact
Routh-Hurwitz tests, extents and steps from eigenvalues of the same small matrices.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.blocks import Blocks
from equilibria.errors import ConsistencyError
from equilibria.jury import Coefficients, determinant, disc, hurwitz
from equilibria.model import Model
from equilibria.modes import State
from equilibria.rationals import to_float
from equilibria.surds import Surd, in_common_field
from equilibria.tables import DecayTables, KindTables, equal_decay_tables, free_extent
from equilibria.transfer import Dynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

STEP_SCAN = np.geomspace(1e-3, 1.0, 160)


@dataclass(frozen=True, slots=True)
class Matrices:
    """A block as dx = (J0 + phi J1) x with x = (P entries, W entries); entries surds or floats."""

    constant: list[list[Any]]
    target: list[list[Any]]
    predictors: int


def diagonal_block(p: Any, s: Any, m: Any, eta: Any, kappa: Any) -> Matrices:
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


def pair_block(
    p: tuple[Any, Any], s: tuple[Any, Any], m: tuple[Any, Any], eta: Any, kappa: Any
) -> Matrices:
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


def characteristic(block: Matrices, model: Model, *, is_map: bool) -> Coefficients:
    """Return the characteristic polynomial in lambda = (z - 1)/h (lambda itself for the flow)."""
    n, d, fn, fd = _exact_fractions(model, is_map=is_map)
    size = len(block.constant)
    rows: list[list[Coefficients]] = []
    for i in range(size):
        row: list[Coefficients] = []
        for j in range(size):
            plain = j < block.predictors
            denominator = d if plain else _times(d, fd)
            entry = [block.constant[i][j] * -c for c in denominator]
            if not plain:
                entry = _plus(entry, [block.target[i][j] * -c for c in _times(d, fn)])
            if i == j:
                unit = block.constant[i][j] * 0 + 1
                entry = _plus(entry, [unit * c for c in (n if plain else _times(n, fd))])
            row.append(entry)
        rows.append(row)
    return determinant(rows)


def _exact_fractions(
    model: Model, *, is_map: bool
) -> tuple[list[Fraction], list[Fraction], list[Fraction], list[Fraction]]:
    """Return N, D, Fn, Fd of `transfer` with exact coefficients."""
    one, zero = Fraction(1), Fraction(0)
    h = model.h if is_map else zero
    plus = [one, h] if h else [one]
    n, d = [zero, one], [one]
    if is_map and model.nu:
        n, d = [zero, 1 - model.nu, h], plus
    if model.procedure != "ema":
        return n, d, [one], [one]
    return n, d, [model.flow_rate * c for c in plus], [model.flow_rate, one]


def _times(left: list[Fraction], right: list[Fraction]) -> list[Fraction]:
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return product


def _plus(left: Coefficients, right: Coefficients) -> Coefficients:
    size = max(len(left), len(right))
    zero = (left or right)[0] * 0
    return [
        (left[i] if i < len(left) else zero) + (right[i] if i < len(right) else zero)
        for i in range(size)
    ]


def without_zero_roots(coefficients: Coefficients) -> tuple[Coefficients, int]:
    """Return the polynomial divided by its power of lambda, and that power: the neutral roots."""
    count = 0
    while len(coefficients) > 1 and coefficients[0].sign() == 0:
        coefficients = coefficients[1:]
        count += 1
    return coefficients, count


def pair_sign(
    left: State, right: State, model: Model, kappa: Fraction, *, is_map: bool
) -> tuple[int, int]:
    """Return the exact position of a pair's normal eigenvalues, and its zeros beyond the first."""
    p, q = in_common_field(left.p, right.p)
    lift = p * 0
    block = pair_block(
        (p, q),
        (lift + left.mode.s, lift + right.mode.s),
        (lift + left.mode.m, lift + right.mode.m),
        lift + model.eta,
        kappa,
    )
    sign, zeros = _position(characteristic(block, model, is_map=is_map), model, is_map=is_map)
    if zeros < 1:
        raise ConsistencyError(f"pair {left.mode.number}, {right.mode.number} has no neutral root")
    return sign, zeros - 1


def diagonal_sign(state: State, model: Model, kappa: Fraction, *, is_map: bool) -> tuple[int, int]:
    """Return the exact position of a diagonal block's normal eigenvalues, and its zeros."""
    p: Surd = state.p
    lift = p * 0
    block = diagonal_block(p, lift + state.mode.s, lift + state.mode.m, lift + model.eta, kappa)
    return _position(characteristic(block, model, is_map=is_map), model, is_map=is_map)


def _position(polynomial: Coefficients, model: Model, *, is_map: bool) -> tuple[int, int]:
    remaining, zeros = without_zero_roots(polynomial)
    return (disc(remaining, model.h) if is_map else hurwitz(remaining)), zeros


def unequal_decay_tables(model: Model, blocks: Blocks, *, with_pairs: bool) -> DecayTables:
    """Return the tables for kappa != 1; the inactive-input blocks do not involve the predictor."""
    kappa = model.kappa
    assert kappa is not None
    base = equal_decay_tables(model, blocks, with_pairs=False)
    numbers = _Numbers(model, to_float(kappa))
    rows = [_diagonal_row(model, blocks, i, kappa, numbers) for i in range(len(blocks.states))]
    diagonal = _from_rows(rows)
    return DecayTables(
        diagonal=diagonal,
        pair=_pair_tables(model, blocks, kappa, numbers) if with_pairs else base.pair,
        inactive=base.inactive,
        output=_output(model, blocks, to_float(kappa)),
    )


Row = tuple[int, int, float, int, float, float]
"""zero, flow sign, flow extent, map sign, map extent, inverse step"""


def _diagonal_row(model: Model, blocks: Blocks, i: int, kappa: Fraction, numbers: _Numbers) -> Row:
    flow, zeros = diagonal_sign(blocks.states[i], model, kappa, is_map=False)
    step, _ = diagonal_sign(blocks.states[i], model, kappa, is_map=True)
    abscissa, radius, largest = numbers.diagonal(blocks, i, zeros)
    return zeros, flow, abscissa, step, radius, 1 / largest


def _from_rows(rows: list[Row]) -> KindTables:
    zero, flow, abscissa, step, radius, inverse = (
        (list(column) for column in zip(*rows, strict=True)) if rows else ([], [], [], [], [], [])
    )
    return KindTables(
        np.array(zero, dtype=np.int8),
        np.array(flow, dtype=np.int8),
        np.array(abscissa, dtype=np.float64),
        np.array(step, dtype=np.int8),
        np.array(radius, dtype=np.float64),
        np.array(inverse, dtype=np.float64),
    )


def _pair_tables(model: Model, blocks: Blocks, kappa: Fraction, numbers: _Numbers) -> KindTables:
    count = len(blocks.states)
    inside = np.full((count, count), -1, dtype=np.int8)
    tables = KindTables(
        np.zeros((count, count), dtype=np.int8),
        inside,
        np.full((count, count), -np.inf),
        inside.copy(),
        np.zeros((count, count)),
        np.zeros((count, count)),
    )
    for i in range(count):
        for j in range(i + 1, count):
            left, right = blocks.states[i], blocks.states[j]
            if left.mode.number == right.mode.number:
                continue
            flow, zeros = pair_sign(left, right, model, kappa, is_map=False)
            step, _ = pair_sign(left, right, model, kappa, is_map=True)
            abscissa, radius, largest = numbers.pair(blocks, i, j, zeros)
            for place in ((i, j), (j, i)):
                tables.zero[place] = zeros
                tables.flow_sign[place] = flow
                tables.flow_extent[place] = abscissa
                tables.map_sign[place] = step
                tables.map_extent[place] = radius
                tables.inverse_step[place] = 1 / largest
    return tables


def _output(model: Model, blocks: Blocks, kappa: float) -> KindTables:
    """Return the blocks beside an inactive output: kappa p m (T7.3)."""
    rate = kappa * blocks.p * blocks.m
    bound = to_float(2 * (1 + model.nu) / model.h)
    signs = np.where(rate < bound, -1, 1).astype(np.int8)
    for i in np.flatnonzero(np.abs(rate - bound) <= 1e-12 * bound):
        state = blocks.states[int(i)]
        exact = 2 * (1 + model.nu) / model.h - (model.kappa or 1) * state.mode.m * state.p
        signs[i] = -exact.sign()
    step = Dynamics.of(model, is_map=True)
    return KindTables(
        zero=np.zeros(rate.shape, dtype=np.int8),
        flow_sign=np.full(rate.shape, -1, dtype=np.int8),
        flow_extent=-rate,
        map_sign=signs,
        map_extent=free_extent(step, rate),
        inverse_step=rate / to_float(2 * (1 + model.nu)),
    )


class _Numbers:
    """Spectra of the small matrices in floating point: extents and the largest stable step."""

    def __init__(self, model: Model, kappa: float) -> None:
        self.model, self.kappa, self.eta = model, kappa, to_float(model.eta)
        self.dynamics = Dynamics.of(model, is_map=True)

    def diagonal(self, blocks: Blocks, i: int, zeros: int) -> tuple[float, float, float]:
        """Return the abscissa, the radius and the largest step of a diagonal block."""
        block = diagonal_block(blocks.p[i], blocks.s[i], blocks.m[i], self.eta, self.kappa)
        return self._measure(block, neutral=zeros)

    def pair(self, blocks: Blocks, i: int, j: int, zeros: int) -> tuple[float, float, float]:
        """Return the abscissa, the radius and the largest step of a pair block."""
        block = pair_block(
            (blocks.p[i], blocks.p[j]),
            (blocks.s[i], blocks.s[j]),
            (blocks.m[i], blocks.m[j]),
            self.eta,
            self.kappa,
        )
        return self._measure(block, neutral=1 + zeros)

    def _measure(self, block: Matrices, *, neutral: int) -> tuple[float, float, float]:
        h = self.dynamics.h
        values = flow_matrix(block, self.dynamics.beta, ema=self.dynamics.ema)
        rates = np.asarray(np.linalg.eigvals(values), dtype=np.complex128)
        abscissa = _leading(rates, 0.0, neutral).real.max()
        radius = float(np.abs(_leading(self._multipliers(block, h), 1.0, neutral)).max())
        return float(abscissa), radius, self._largest_step(block, neutral)

    def _multipliers(self, block: Matrices, h: float) -> NDArray[np.complex128]:
        d = self.dynamics
        return np.asarray(
            np.linalg.eigvals(map_matrix(block, h, d.mu, d.nu, ema=d.ema)), dtype=np.complex128
        )

    def _largest_step(self, block: Matrices, neutral: int) -> float:
        """Return the first step size at which a multiplier leaves the disc (scan and bisection)."""

        def outside(h: float) -> bool:
            leading = _leading(self._multipliers(block, h), 1.0, neutral)
            return bool(np.abs(leading).max() >= 1.0)

        total = sum(abs(row[i]) for i, row in enumerate(block.constant))
        ceiling = 4.0 * (1 + self.dynamics.nu) / float(total) * len(block.constant)
        low = 0.0
        for h in ceiling * STEP_SCAN:
            if outside(float(h)):
                break
            low = float(h)
        else:
            return ceiling
        high = float(h)
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if outside(middle) else (middle, high)
        return high


def _leading(
    values: NDArray[np.complex128], neutral_value: float, neutral: int
) -> NDArray[np.complex128]:
    """Return the eigenvalues without the `neutral` ones that lie nearest to their exact value."""
    order = np.argsort(np.abs(values - neutral_value))
    return np.asarray(values[order[neutral:]])


def flow_matrix(block: Matrices, beta: float, *, ema: bool) -> Array:
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


def map_matrix(block: Matrices, h: float, mu: float, nu: float, *, ema: bool) -> Array:
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
