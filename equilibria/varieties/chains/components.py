"""Components of given strata of a deep chain: the worst block decides. Start with `evaluate_chains`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.units import Unit
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.chains.counts import Counts
from equilibria.varieties.chains.representative import ChainLifter
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.chains.spectrum import chain_spectrum
from equilibria.varieties.chains.tables import Finding, chain_tables
from equilibria.varieties.chains.windows import Window, ema_windows
from equilibria.varieties.commuting.block_tables import DecayTables, KindTables, free_extent
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.commuting.worst_block import Members
from equilibria.varieties.component import Component, How, Stability, Verdict, collapse_grade

if TYPE_CHECKING:
    from numpy.typing import NDArray

ChainStratum = tuple[Rest, ...]
DEGENERATE = "degenerate: more neutral eigenvalues than the component's dimension"
BOUNDARY = "a multiplier lies on the unit circle, or too close to it to tell"


def evaluate_chains(
    model: Model, units: Sequence[Unit], strata: Sequence[ChainStratum]
) -> list[Component]:
    """Return one component per stratum; blocks are computed once for the rests that occur."""
    rests = list({id(rest): rest for stratum in strata for rest in stratum}.values())
    place = {id(rest): index for index, rest in enumerate(rests)}
    sets = [np.array([place[id(r)] for r in stratum], dtype=np.intp) for stratum in strata]
    places = {unit.columns: index for index, unit in enumerate(units)}
    columns = np.array([places[rest.unit.columns] for rest in rests], dtype=np.intp)
    members = Members(sets, columns, len(units))
    with_pairs = any(len(stratum) > 1 for stratum in strata)
    tables = chain_tables(model, rests, units, with_pairs=with_pairs)
    worst = _worst_blocks(tables, members)
    assembly = _Assembly(model, units, tables)
    return [
        assembly.component(stratum, chosen, block)
        for stratum, chosen, block in zip(strata, sets, worst, strict=True)
    ]


def _worst_blocks(tables: DecayTables, members: Members) -> list[Finding]:
    """Return, per stratum, the worst of its mode, pair and inactive blocks, and all their zeros."""

    def maxima(name: str, floor: float) -> list[float]:
        kinds = (tables.diagonal, tables.pair, tables.inactive)
        diagonal, pair, inactive = (getattr(kind, name) for kind in kinds)
        found = members.maxima(diagonal=diagonal, pair=pair, inactive=inactive, floor=floor)
        return [float(value) for value in found]

    zeros = members.zeros(
        diagonal=tables.diagonal.zero, pair=tables.pair.zero, inactive=tables.inactive.zero
    )
    rows = zip(
        zeros.tolist(),
        map(int, maxima("flow_sign", -1)),
        maxima("flow_extent", -np.inf),
        map(int, maxima("map_sign", -1)),
        maxima("map_extent", 0.0),
        maxima("inverse_step", 0.0),
        strict=True,
    )
    return [Finding(*row) for row in rows]


def _with_output(block: Finding, output: KindTables, chosen: NDArray[np.intp]) -> Finding:
    """Return the worse of a block and of those beside an unused output."""
    return Finding(
        block.zero,
        max(block.flow_sign, int(output.flow_sign[chosen].max())),
        max(block.flow_extent, float(output.flow_extent[chosen].max())),
        max(block.map_sign, int(output.map_sign[chosen].max())),
        max(block.map_extent, float(output.map_extent[chosen].max())),
        max(block.inverse_step, float(output.inverse_step[chosen].max())),
    )


class _Assembly:
    """Turns worst blocks into verdicts on flow and map."""

    def __init__(self, model: Model, units: Sequence[Unit], tables: DecayTables) -> None:
        self.model, self.units, self.tables = model, units, tables
        self.flow = Dynamics.of(model, is_map=False)
        self.step = Dynamics.of(model, is_map=True)
        self.lifter = ChainLifter(model)
        self.repeated = repeated_units(units)
        self.known = How.CERTIFIED if model.exact else How.NUMERIC

    def component(
        self, stratum: ChainStratum, chosen: NDArray[np.intp], block: Finding
    ) -> Component:
        """Return the component of one stratum."""
        model, counts = self.model, Counts.of(self.model.chain, stratum)
        if stratum and counts.outputs:
            block = _with_output(block, self.tables.output, chosen)
        dimension = counts.orbit + repeated_dimension(stratum, self.repeated)
        block = self._with_rates(block, counts, neutral=counts.orbit + block.zero)
        degenerate = counts.orbit + block.zero != dimension
        return Component(
            id=chain_id(stratum),
            rank=counts.rank,
            dimension=dimension,
            collapse=collapse_grade(counts.rank, model.chain.bottleneck, model.d),
            flow=self._stability(stratum, block, degenerate, self.flow),
            map=self._stability(stratum, block, degenerate, self.step),
            modes=tuple(column for rest in stratum for column in rest.unit.columns),
            roots=tuple(rest.root for rest in stratum for _ in rest.unit.columns),
            ema_windows=self._windows(stratum),
            build_detail=partial(self.lifter.detail, stratum),
        )

    def _windows(self, stratum: ChainStratum) -> tuple[Window, ...]:
        """Return where EMA breaks what stop-gradient keeps; for strata of outer roots."""
        turned = not self.model.moments.symmetric
        outer = stratum and all(rest.place.outer for rest in stratum)
        return ema_windows(stratum, self.units) if turned and outer else ()

    def _with_rates(self, block: Finding, counts: Counts, *, neutral: int) -> Finding:
        """Return the worst block with those that only the decays enter, and unread targets."""
        rates = list(counts.rates)
        model, bound = self.model, 2 * (1 + self.model.nu)
        floats = np.array([to_float(rate) for rate in rates])
        abscissas, radii = [block.flow_extent, *(-floats)], [block.map_extent]
        if rates:
            radii += free_extent(self.step, floats).tolist()
        if model.traits.has_target and counts.idle_targets:
            abscissas.append(-self.flow.beta)
            radii.append(self.flow.mu)
        if neutral and model.nu:
            radii.append(to_float(model.nu))
        largest = max(rates, default=Fraction(0))
        slack = bound - largest * model.h
        fixed = -1 if slack > 0 else (0 if slack == 0 else 1)
        return Finding(
            block.zero,
            block.flow_sign,
            float(max(abscissas)),
            max(block.map_sign, fixed),
            float(max(radii)),
            max(block.inverse_step, to_float(largest / bound)),
        )

    def _stability(
        self, stratum: ChainStratum, block: Finding, degenerate: bool, dynamics: Dynamics
    ) -> Stability:
        sign = block.map_sign if dynamics.is_map else block.flow_sign
        sign = max(sign, 0) if degenerate else sign
        verdict = {-1: Verdict.STABLE, 0: Verdict.UNDECIDED, 1: Verdict.UNSTABLE}[sign]
        note = (DEGENERATE if degenerate else BOUNDARY) if sign == 0 else ""
        neutral = Counts.of(self.model.chain, stratum).orbit + block.zero
        return Stability(
            verdict=verdict,
            how=self.known if stratum or self.model.floating else How.PROVED,
            neutral=neutral,
            extent=block.map_extent if dynamics.is_map else block.flow_extent,
            largest_step=largest_step(block, degenerate) if dynamics.is_map else None,
            note=note,
            build_spectrum=partial(chain_spectrum, self.model, stratum, self.units, dynamics),
        )


def largest_step(block: Finding, degenerate: bool) -> float | None:
    """Return the supremum of the stable steps; None where small ones are not stable."""
    if degenerate or not 0 < block.inverse_step < np.inf:
        return None
    return 1 / block.inverse_step


def repeated_units(units: Sequence[Unit]) -> dict[tuple[int, ...], list[Unit]]:
    """Return, for every unit that is not alone with its (s, m), the group it is in."""
    groups: dict[object, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.value, []).append(unit)
    return {unit.columns: group for group in groups.values() if len(group) > 1 for unit in group}


def repeated_dimension(stratum: ChainStratum, groups: Mapping[tuple[int, ...], list[Unit]]) -> int:
    """Return what equal units add: a flag of k+ and k- of r dimensions, complex for pairs."""
    counts: dict[tuple[int, ...], list[int]] = {}
    for rest in stratum:
        group = groups.get(rest.unit.columns)
        if group is not None:
            found = counts.setdefault(group[0].columns, [0, 0, len(group), rest.unit.size])
            found[0 if rest.place.outer else 1] += 1
    return sum(
        size * (plus * minus + (plus + minus) * (members - plus - minus))
        for plus, minus, members, size in counts.values()
    )


def chain_id(stratum: ChainStratum) -> str:
    """Return an id such as `rank3:1&2+,3-`; `rank0` is full collapse."""
    if not stratum:
        return "rank0"
    rank = sum(rest.unit.size for rest in stratum)
    return f"rank{rank}:" + ",".join(f"{rest.unit.name}{rest.root}" for rest in stratum)
