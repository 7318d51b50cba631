"""Blocks with unequal decays, kappa = eta_P/eta != 1 (T0.3, T7.3), by exact polynomials.

The closed forms of kappa = 1 do not apply: pairs can lose stability by a Hopf bifurcation (T8.6), and
with EMA and momentum the map can be stable where the flow is not: heavy ball slows the target down to
beta (1 - nu). Verdicts come from exact Routh-Hurwitz tests of the characteristic polynomials
(`couplings`), largest steps from the roots of exact polynomials in h (`largest_step`), extents from
eigenvalues of small matrices (`block_matrices`).
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_matrices import (
    Matrices,
    diagonal_block,
    flow_matrix,
    map_matrix,
    pair_block,
)
from equilibria.varieties.commuting.block_tables import (
    DecayTables,
    KindTables,
    equal_decay_tables,
    free_extent,
)
from equilibria.varieties.commuting.blocks import Blocks
from equilibria.varieties.commuting.couplings import (
    diagonal_coupling,
    diagonal_sign,
    pair_coupling,
    pair_sign,
)
from equilibria.varieties.commuting.largest_step import inverse_step
from equilibria.varieties.commuting.transfer import Dynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


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
        inactive=replace(base.inactive, inverse_step=_where_stable(base.inactive)),
        output=_output(model, blocks, to_float(kappa)),
    )


def _where_stable(table: KindTables) -> Array:
    """Return the inverse steps, inf where an inactive input grows whatever the step."""
    return np.where(table.flow_sign > 0, np.inf, table.inverse_step)


Row = tuple[int, int, float, int, float, float]
"""zero, flow sign, flow extent, map sign, map extent, inverse step"""


def _diagonal_row(model: Model, blocks: Blocks, i: int, kappa: Fraction, numbers: _Numbers) -> Row:
    flow, zeros = diagonal_sign(blocks.states[i], model, kappa, is_map=False)
    step, _ = diagonal_sign(blocks.states[i], model, kappa, is_map=True)
    abscissa, radius = numbers.diagonal(blocks, i, zeros)
    inverse = inverse_step(diagonal_coupling(blocks.states[i], model.eta, kappa), model)
    return zeros, flow, abscissa, step, radius, inverse


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
            abscissa, radius = numbers.pair(blocks, i, j, zeros)
            inverse = np.inf
            if blocks.diagonal_signs[i] < 0 and blocks.diagonal_signs[j] < 0:
                inverse = inverse_step(pair_coupling(left, right, model.eta, kappa), model)
            for place in ((i, j), (j, i)):
                tables.zero[place] = zeros
                tables.flow_sign[place] = flow
                tables.flow_extent[place] = abscissa
                tables.map_sign[place] = step
                tables.map_extent[place] = radius
                tables.inverse_step[place] = inverse
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
    """Spectra of the small matrices in floating point: extents."""

    def __init__(self, model: Model, kappa: float) -> None:
        self.model, self.kappa, self.eta = model, kappa, to_float(model.eta)
        self.dynamics = Dynamics.of(model, is_map=True)

    def diagonal(self, blocks: Blocks, i: int, zeros: int) -> tuple[float, float]:
        """Return the abscissa and the radius of a diagonal block."""
        block = diagonal_block(blocks.p[i], blocks.s[i], blocks.m[i], self.eta, self.kappa)
        return self._measure(block, neutral=zeros)

    def pair(self, blocks: Blocks, i: int, j: int, zeros: int) -> tuple[float, float]:
        """Return the abscissa and the radius of a pair block."""
        block = pair_block(
            (blocks.p[i], blocks.p[j]),
            (blocks.s[i], blocks.s[j]),
            (blocks.m[i], blocks.m[j]),
            self.eta,
            self.kappa,
        )
        return self._measure(block, neutral=1 + zeros)

    def _measure(self, block: Matrices[float], *, neutral: int) -> tuple[float, float]:
        h = self.dynamics.h
        values = flow_matrix(block, self.dynamics.beta, ema=self.dynamics.ema)
        rates = np.asarray(np.linalg.eigvals(values), dtype=np.complex128)
        abscissa = _leading(rates, 0.0, neutral).real.max()
        radius = float(np.abs(_leading(self._multipliers(block, h), 1.0, neutral)).max())
        return float(abscissa), radius

    def _multipliers(self, block: Matrices[float], h: float) -> NDArray[np.complex128]:
        d = self.dynamics
        return np.asarray(
            np.linalg.eigvals(map_matrix(block, h, d.mu, d.nu, ema=d.ema)), dtype=np.complex128
        )


def _leading(
    values: NDArray[np.complex128], neutral_value: float, neutral: int
) -> NDArray[np.complex128]:
    """Return the eigenvalues without the `neutral` ones that lie nearest to their exact value."""
    order = np.argsort(np.abs(values - neutral_value))
    return np.asarray(values[order[neutral:]])
