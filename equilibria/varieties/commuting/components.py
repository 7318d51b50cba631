"""Components of given strata: blocks computed once for all states, then verdicts, extents and matrices.

Which strata, and whether they are all, says `variety`. Start with `evaluate`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from operator import attrgetter
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_tables import (
    DecayTables,
    KindTables,
    equal_decay_tables,
    free_extent,
)
from equilibria.varieties.commuting.blocks import Blocks
from equilibria.varieties.commuting.modes import Mode, State
from equilibria.varieties.commuting.representative import Lifter
from equilibria.varieties.commuting.spectrum import stratum_spectrum
from equilibria.varieties.commuting.strata import Stratum
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.commuting.worst_block import Members
from equilibria.varieties.component import Component, How, Stability, Verdict, collapse_grade

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from equilibria.varieties.commuting.worst_block import Table

# Millions of states pass through these in the largest reports.
NUMBER, ROOT, LABEL = attrgetter("mode.number"), attrgetter("root"), attrgetter("label")


def evaluate(model: Model, modes: Sequence[Mode], strata: Sequence[Stratum]) -> list[Component]:
    """Return one component per stratum; blocks are computed once for the states that occur."""
    # Strata share their states, so that identity finds them fast among millions.
    by_identity: dict[int, State] = {}
    for stratum in strata:
        by_identity.update(zip(map(id, stratum), stratum, strict=True))
    states = {(s.mode.number, s.root): s for s in by_identity.values()}
    keys = sorted(states)
    place = {key: position for position, key in enumerate(keys)}
    index = {i: place[s.mode.number, s.root] for i, s in by_identity.items()}
    blocks = Blocks([states[k] for k in keys], modes, model.eta, exact=model.exact)
    with_pairs = any(len(stratum) > 1 for stratum in strata)
    tables = _tables(model, blocks, with_pairs=with_pairs)
    sets = [np.array([index[id(s)] for s in stratum], dtype=np.intp) for stratum in strata]
    mode_of_state = np.array([states[k].mode.number - 1 for k in keys], dtype=np.intp)
    members = Members(sets, mode_of_state, len(modes))
    return _Assembly(model, modes, strata, blocks, tables, members).components()


def _tables(model: Model, blocks: Blocks, *, with_pairs: bool) -> DecayTables:
    if model.kappa == 1:
        return equal_decay_tables(model, blocks, with_pairs=with_pairs)
    from equilibria.varieties.commuting.unequal_decays import unequal_decay_tables

    return unequal_decay_tables(model, blocks, with_pairs=with_pairs)


def component_dimension(stratum: Stratum, groups: Mapping[int, tuple[int, int]], n: int) -> int:
    """Return the dimension of the component: rotations of the rows, and of repeated modes.

    The rows give k(n-k) + k(k-1)/2 (T0.4). A group of g equal modes, a of them active, a+ at p+ and
    a- at p-, adds the frames in g dimensions, less the rotations that rows and frames share.
    `groups` maps the number of a repeated mode to its group's first number and size.
    """
    k = len(stratum)
    dimension = k * (n - k) + k * (k - 1) // 2
    repeated: dict[tuple[int, int], list[str]] = {}
    if groups:
        for state in stratum:
            if state.mode.number in groups:
                repeated.setdefault(groups[state.mode.number], []).append(state.root)
    for (_, size), roots in repeated.items():
        active, plus, minus = len(roots), roots.count("+"), roots.count("-")
        dimension += size * active - active * (active + 1) // 2
        dimension -= plus * (plus - 1) // 2 + minus * (minus - 1) // 2
    return dimension


def repeated_modes(modes: Sequence[Mode]) -> dict[int, tuple[int, int]]:
    """Return, for every mode that shares its (s, m), its group's first number and size."""
    members: dict[tuple[Fraction, Fraction], list[int]] = {}
    for mode in modes:
        members.setdefault((mode.s, mode.m), []).append(mode.number)
    return {
        number: (group[0], len(group))
        for group in members.values()
        if len(group) > 1
        for number in group
    }


class _Assembly:
    """Turns tables and strata into components."""

    def __init__(
        self,
        model: Model,
        modes: Sequence[Mode],
        strata: Sequence[Stratum],
        blocks: Blocks,
        tables: DecayTables,
        members: Members,
    ) -> None:
        self.model, self.modes, self.strata = model, modes, strata
        self.blocks, self.tables, self.members = blocks, tables, members
        self.flow = Dynamics.of(model, is_map=False)
        self.step = Dynamics.of(model, is_map=True)
        self.known = How.CERTIFIED if model.exact else How.NUMERIC
        self.repeated = repeated_modes(modes)
        self.lifter = Lifter(model)
        self._radii: dict[float, float] = {}
        self.inverse_unit = 1 / to_float(2 * (1 + model.nu))

    def components(self) -> list[Component]:
        t = self.tables
        flow_sign = self._maxima(lambda kind: kind.flow_sign, -1)
        map_sign = self._maxima(lambda kind: kind.map_sign, -1)
        abscissa = self._maxima(lambda kind: kind.flow_extent, -np.inf)
        radius = self._maxima(lambda kind: kind.map_extent, 0.0)
        inverse = self._maxima(lambda kind: kind.inverse_step, 0.0)
        zeros = self.members.zeros(
            diagonal=t.diagonal.zero, pair=t.pair.zero, inactive=t.inactive.zero
        )
        rows = zip(
            self.strata,
            self.members.sets,
            flow_sign,
            map_sign,
            abscissa,
            radius,
            inverse,
            zeros,
            strict=True,
        )
        return [
            self._component(
                stratum,
                zero_count=int(zero),
                signs=(int(f), max(int(s), int(self._output(t.output.map_sign, chosen, -1)))),
                abscissa=max(float(a), self._output(t.output.flow_extent, chosen, -np.inf)),
                radius=max(float(r), self._output(t.output.map_extent, chosen, 0.0)),
                inverse=max(float(v), self._output(t.output.inverse_step, chosen, 0.0)),
            )
            for stratum, chosen, f, s, a, r, v, zero in rows
        ]

    def _output(self, table: Table, chosen: NDArray[np.intp], floor: float) -> float:
        """Return the worst block beside an inactive output; there is one when 0 < k < n."""
        return float(table[chosen].max()) if 0 < chosen.size < self.model.n else floor

    def _maxima(self, pick: Callable[[KindTables], Table], floor: float) -> Table:
        t = self.tables
        return self.members.maxima(
            diagonal=pick(t.diagonal), pair=pick(t.pair), inactive=pick(t.inactive), floor=floor
        )

    def _component(
        self,
        stratum: Stratum,
        *,
        zero_count: int,
        signs: tuple[int, int],
        abscissa: float,
        radius: float,
        inverse: float,
    ) -> Component:
        model, k = self.model, len(stratum)
        dimension = component_dimension(stratum, self.repeated, model.n)
        neutral = k * (k - 1) // 2 + k * (model.n - k) + zero_count
        degenerate = neutral != dimension
        fixed = self._fixed_rates(k)
        abscissa = max([abscissa, *(-rate for rate in fixed)])
        inverse = max([inverse, *(rate * self.inverse_unit for rate in fixed)])
        radius = max([radius, *(self._free_radius(rate) for rate in fixed)])
        if model.traits.has_target and k < model.n:
            abscissa = max(abscissa, -self.flow.beta)
            radius = max(radius, self.flow.mu)
        if neutral and model.nu:
            radius = max(radius, to_float(model.nu))
        flow_sign = max(signs[0], 0) if degenerate else signs[0]
        map_sign = self._map_sign(flow_sign, signs[1], k)
        flow = self._stability(stratum, self.flow, flow_sign, abscissa, degenerate)
        step = self._stability(stratum, self.step, map_sign, radius, degenerate)
        largest = self._largest_step(inverse, flow_sign, degenerate)
        return Component(
            id=stratum_id(stratum),
            rank=k,
            dimension=dimension,
            collapse=collapse_grade(k, model.n, model.d),
            flow=replace(flow, neutral=neutral),
            map=replace(step, neutral=neutral, largest_step=largest),
            modes=tuple(map(NUMBER, stratum)),
            roots=tuple(map(ROOT, stratum)),
            build_detail=partial(self.lifter.detail, stratum),
        )

    def _largest_step(self, inverse: float, flow_sign: int, degenerate: bool) -> float | None:
        """Return the supremum of the steps below which the map is stable; None if there are none.

        With unequal decays the flow's sign is that of a target whose rate falls with the step; small
        steps are decided block by block, and `inverse` is infinite where they are not stable.
        """
        small = flow_sign < 0 if self.model.kappa == 1 else not degenerate
        return 1 / inverse if small and 0 < inverse < np.inf else None

    def _fixed_rates(self, k: int) -> list[float]:
        """Return the rates of the blocks that depend on neither p nor the target (T7.2, T7.3)."""
        eta, kappa = to_float(self.model.eta), to_float(self.model.kappa or Fraction(1))
        n, d = self.model.n, self.model.d
        rates = []
        if k >= 1 and kappa == 1:
            rates.append(2 * eta)
        if 1 <= k < n:
            rates.append((1 + kappa) * eta)
        if k < n:
            rates.append(kappa * eta)
            if k < d:
                rates.append(eta)
        return rates

    def _free_radius(self, rate: float) -> float:
        """Return the radius of a block Lambda + rate; a report has a handful of different rates."""
        if rate not in self._radii:
            self._radii[rate] = float(free_extent(self.step, np.array([rate]))[0])
        return self._radii[rate]

    def _map_sign(self, flow_sign: int, block_sign: int, k: int) -> int:
        # Equal decays: an eigenvalue beyond zero is a multiplier beyond one. Unequal ones: a complex
        # pair of the flow need not be unstable for the map, whose own signs decide.
        if flow_sign > 0 and self.model.kappa == 1:
            return 1
        worst = max(block_sign, self._fixed_sign(k))
        if flow_sign > 0:
            return worst
        return worst if worst > 0 else max(worst, flow_sign)

    def _fixed_sign(self, k: int) -> int:
        """Return the exact sign of the largest fixed rate against 2 (1 + nu)/h."""
        model = self.model
        kappa = model.kappa or Fraction(1)
        rates = []
        if k >= 1 and kappa == 1:
            rates.append(2 * model.eta)
        if 1 <= k < model.n:
            rates.append((1 + kappa) * model.eta)
        if k < model.n:
            rates.append(max(kappa, Fraction(int(k < model.d))) * model.eta)
        if not rates:
            return -1
        slack = 2 * (1 + model.nu) / model.h - max(rates)
        return -1 if slack > 0 else (0 if slack == 0 else 1)

    def _stability(
        self, stratum: Stratum, dynamics: Dynamics, sign: int, extent: float, degenerate: bool
    ) -> Stability:
        verdict = {-1: Verdict.STABLE, 0: Verdict.UNDECIDED, 1: Verdict.UNSTABLE}[sign]
        note = ""
        if sign == 0:
            note = (
                "degenerate: more neutral eigenvalues than the component's dimension"
                if degenerate
                else "a multiplier lies on the unit circle: this is the boundary step size"
            )
        return Stability(
            verdict=verdict,
            how=How.PROVED if not stratum and not self.model.floating else self.known,
            neutral=0,
            extent=extent,
            note=note,
            build_spectrum=partial(stratum_spectrum, self.model, stratum, self.modes, dynamics),
        )


def stratum_id(stratum: Stratum) -> str:
    """Return an id such as `rank2:1+,3-`; `rank0` is full collapse."""
    if not stratum:
        return "rank0"
    return f"rank{len(stratum)}:" + ",".join(map(LABEL, stratum))
