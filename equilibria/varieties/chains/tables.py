"""What the strata of a deep chain need to know of their blocks: signs, extents, largest steps.

The tables have the shape of those of one layer (`commuting/block_tables`), so that the worst block of a
stratum is found in the same way. Signs are those of enclosed numbers; zeros that symmetry makes are
known, others are left open.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed
from equilibria.exact.intervals import Uncertain
from equilibria.exact.rationals import to_float
from equilibria.exact.root_location import disc, hurwitz
from equilibria.systems.model import Model
from equilibria.varieties.chains.close_roots import roots_of
from equilibria.varieties.chains.couplings import (
    Block,
    inactive_blocks,
    output_block,
    own_blocks,
    pair_blocks,
)
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.block_tables import DecayTables, KindTables, critical_phi
from equilibria.varieties.commuting.couplings import Coupling
from equilibria.varieties.commuting.largest_step import inverse_step
from equilibria.varieties.commuting.transfer import Dynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Finding:
    """One block: its known zeros, the positions and extents of the rest, and 1/h*."""

    zero: int
    flow_sign: int
    flow_extent: float
    map_sign: int
    map_extent: float
    inverse_step: float


INSIDE = Finding(0, -1, -math.inf, -1, 0.0, 0.0)
"""A block that is not there."""


def chain_tables(
    model: Model, rests: Sequence[Rest], units: Sequence[Unit], *, with_pairs: bool
) -> DecayTables:
    """Return the tables of all blocks between rests, and between rests and units."""
    judge = Judge(model)
    count = len(rests)
    pairs = [[INSIDE] * count for _ in range(count)]
    for i, j in _pairs(rests) if with_pairs else ():
        pairs[i][j] = pairs[j][i] = judge.worst(pair_blocks(rests[i], rests[j]))
    inactive = [
        INSIDE if unit.columns == rest.unit.columns else judge.worst(inactive_blocks(rest, unit))
        for rest in rests
        for unit in units
    ]
    return DecayTables(
        diagonal=_tables([judge.worst(own_blocks(rest)) for rest in rests], (count,)),
        pair=_tables([found for row in pairs for found in row], (count, count)),
        inactive=_tables(inactive, (count, len(units))),
        output=_tables([judge.worst([output_block(rest)]) for rest in rests], (count,)),
    )


def _pairs(rests: Sequence[Rest]) -> Iterator[tuple[int, int]]:
    for i, left in enumerate(rests):
        for j in range(i + 1, len(rests)):
            if rests[j].unit.columns != left.unit.columns:
                yield i, j


def _tables(found: Sequence[Finding], shape: tuple[int, ...]) -> KindTables:
    def floats(name: str) -> NDArray[np.float64]:
        return np.array([getattr(f, name) for f in found], dtype=np.float64).reshape(shape)

    def signs(name: str) -> NDArray[np.int8]:
        return np.array([getattr(f, name) for f in found], dtype=np.int8).reshape(shape)

    return KindTables(
        zero=signs("zero"),
        flow_sign=signs("flow_sign"),
        flow_extent=floats("flow_extent"),
        map_sign=signs("map_sign"),
        map_extent=floats("map_extent"),
        inverse_step=floats("inverse_step"),
    )


class Judge:
    """Decides blocks for the flow and for the map of one model."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.flow = Dynamics.of(model, is_map=False)
        self.step = Dynamics.of(model, is_map=True)

    def worst(self, blocks: Iterable[Block]) -> Finding:
        """Return the worst of some blocks, and the zeros of all."""
        found = [(block, self.finding(block.coupling, zero=block.zero)) for block in blocks]
        return Finding(
            zero=sum(block.times * one.zero for block, one in found),
            flow_sign=max(one.flow_sign for _, one in found),
            flow_extent=max(one.flow_extent for _, one in found),
            map_sign=max(one.map_sign for _, one in found),
            map_extent=max(one.map_extent for _, one in found),
            inverse_step=max(one.inverse_step for _, one in found),
        )

    def finding(self, coupling: Coupling[Enclosed], *, zero: bool) -> Finding:
        """Return what the tables say of one block."""
        flow = coupling.characteristic(self.model, is_map=False)[int(zero) :]
        step = coupling.characteristic(self.model, is_map=True)[int(zero) :]
        return Finding(
            zero=int(zero),
            flow_sign=_sign(flow, None),
            flow_extent=extent(self.flow, flow),
            map_sign=_sign(step, self.model.h),
            map_extent=extent(self.step, step),
            inverse_step=self._inverse_step(coupling, zero),
        )

    def _inverse_step(self, coupling: Coupling[Enclosed], zero: bool) -> float:
        """Return 1/h*, inf where small steps are not stable or it is not known."""
        if zero:
            return self._inverse_beside_zero(coupling)
        try:
            return inverse_step(coupling, self.model)
        except Uncertain:
            return math.inf

    def _inverse_beside_zero(self, coupling: Coupling[Enclosed]) -> float:
        """Return 1/h* of Lambda + a - phi a, a > 0: the rate at the multiplier -1 decides (T10.1)."""
        if coupling.degree != 1 or coupling.neutral:
            return math.inf
        phi = critical_phi(self.model)
        if phi == 1:
            return 0.0
        rate = coupling.at(phi)[0]
        return float(rate) / to_float(2 * (1 + self.model.nu))


def _sign(coefficients: list[Enclosed], h: Fraction | None) -> int:
    try:
        return hurwitz(coefficients) if h is None else disc(coefficients, h)
    except Uncertain:
        return 0


def extent(dynamics: Dynamics, coefficients: Sequence[Enclosed]) -> float:
    """Return the abscissa or the radius over the roots of a characteristic polynomial."""
    values = roots_of(coefficients)
    if not values.size:
        return 0.0 if dynamics.is_map else -math.inf
    return float(dynamics.extent(values))
