"""Stop-gradient and EMA with weight decay and commuting moments: every aligned equilibrium.

The components are sets of modes at roots p+ or p- (T6.3). They are all equilibria when Sigma is
isotropic (T6.4); otherwise two modes can also mix (T6.5, `mixed`). Flow and map, stop-gradient and
EMA share one set of blocks. Start with `aligned_variety`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import islice, pairwise
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.blocks import Blocks
from equilibria.extents import Members
from equilibria.lift import Lifter
from equilibria.model import Model
from equilibria.modes import Group, Mode, State, groups_of, modes_of, shared_root
from equilibria.rationals import to_float
from equilibria.results import Component, How, Stability, Variety, Verdict, collapse_grade
from equilibria.spectra import stratum_spectrum
from equilibria.strata import (
    Lists,
    StableSets,
    Stratum,
    all_strata,
    convolve_counts,
    segments_rank,
    stable_sets,
    total_strata,
)
from equilibria.tables import DecayTables, KindTables, equal_decay_tables, free_extent
from equilibria.transfer import Dynamics

if TYPE_CHECKING:
    from numpy.typing import NDArray

ENUMERATION_LIMIT = 20_000
STABLE_LISTING_LIMIT = 4096
WORK_LIMIT = 400_000_000

# Millions of states pass through these in the largest reports.
NUMBER, ROOT, LABEL = attrgetter("mode.number"), attrgetter("root"), attrgetter("label")


@dataclass(frozen=True)
class Plan:
    """Which strata to evaluate, and the exact numbers of all and of the stable ones."""

    strata: list[Stratum]
    total: int
    stable_total: int | None
    every: bool


def aligned_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return the aligned components with their verdicts, most relevant first.

    All strata are evaluated while there are at most 20,000; beyond that full collapse, the stable
    ones and their neighbours. Counts are exact in every case. Needs eta > 0, eta_P > 0.
    """
    modes = modes_of(model.moments)
    groups = groups_of(modes, model.eta)
    plan = _plan(model, groups, max_components)
    components = evaluate(model, modes, plan.strata)
    stable = sum(1 for c in components if c.flow.verdict is Verdict.STABLE) if plan.every else None
    mixed = _mixed_components(model, modes)
    listed = _select([*components, *mixed], max_components, keep_all=plan.every)
    total = plan.total + len(mixed)
    complete, why = _standing(model, modes, len(mixed))
    return Variety(
        components=tuple(listed),
        complete=complete and len(listed) == total,
        why=why,
        total=total,
        stable_total=plan.stable_total if stable is None else stable,
        description=_description(groups, plan),
    )


def _mixed_components(model: Model, modes: Sequence[Mode]) -> list[Component]:
    """Return the equilibria in which two modes mix; there are none when Sigma is isotropic."""
    if model.n < 2 or len({mode.s for mode in modes}) == 1:
        return []
    from equilibria.mixed import mixed_pairs

    pairs = mixed_pairs(model)
    if not pairs:
        return []
    from equilibria.mixed_stability import mixed_components

    return mixed_components(model, pairs)


def _standing(model: Model, modes: Sequence[Mode], mixed: int) -> tuple[bool, str]:
    """Return whether the components are all equilibria, and why."""
    if len({mode.s for mode in modes}) == 1:
        return True, "Sigma is isotropic, so every equilibrium is aligned (T6.4) [proved]"
    shared = shared_root(modes, model.eta)
    if shared is not None:
        first, second, p = shared
        return False, (
            f"modes {first.number} and {second.number} share the root p = {p}: their rows mix in a "
            "continuous family that strata do not describe"
        )
    if model.n == 1 or model.d == 1:
        return (
            True,
            "rank is at most 1 and the pencil p^2 s - p m + eta is diagonal (T6.6) [proved]",
        )
    tail = f"{mixed} in which two modes mix (T6.5)" if mixed else "no two modes can mix (T6.5)"
    if model.d == 2:
        return True, f"rank 1 is aligned (T6.6), and of rank 2 {tail} [proved]"
    return False, f"every aligned stratum; {tail}; mixtures of three or more modes are not excluded"


def _description(groups: Sequence[Group], plan: Plan) -> str:
    """State the rule of the stable strata when they are too many to list."""
    if plan.every or plan.stable_total is None:
        return ""
    listed = len(plan.strata)
    if plan.stable_total <= listed:
        return ""
    active = sum(1 for group in groups if group.states)
    return (
        f"stable strata: the sets of p+ modes closed under `i active and p-(j) <= p+(i) <= p+(j) "
        f"=> j active` (T8.3) among {active} groups of modes; counted exactly, not listed"
    )


def _plan(model: Model, groups: Sequence[Group], max_components: int) -> Plan:
    total = total_strata(groups, model.n)
    if total <= ENUMERATION_LIMIT:
        return Plan(list(all_strata(groups, model.n)), total, None, every=True)
    positive, negative = _stable_of_each_sign(model, groups)
    count = None
    if model.kappa == 1:
        count = _stable_count(positive, negative, model.n)
    wanted = max_components
    if count is not None and count <= STABLE_LISTING_LIMIT:
        wanted = max(count, max_components)
    stable = list(islice(_stable_strata(positive, negative, model.n), wanted))
    if len(stable) > max_components and not _nested(stable) and _work(stable, model) > WORK_LIMIT:
        stable = stable[:max_components]
    if len(stable) >= max_components:
        return Plan(stable, total, count, every=False)
    chosen = {_key(stratum): stratum for stratum in stable}
    lists = Lists([group for group in groups if group.states])
    for stratum in stable:
        if len(chosen) >= max_components:
            break
        for neighbour in _neighbours(stratum, lists, model.n):
            chosen.setdefault(_key(neighbour), neighbour)
    return Plan(list(chosen.values()), total, count, every=False)


def _stable_of_each_sign(model: Model, groups: Sequence[Group]) -> tuple[StableSets, StableSets]:
    active = [group for group in groups if group.states and not group.states[0].fold]
    return (
        _stable_sets_of(model, [g for g in active if g.modes[0].m > 0]),
        _stable_sets_of(model, [g for g in active if g.modes[0].m < 0]),
    )


def _stable_sets_of(model: Model, groups: list[Group]) -> StableSets:
    states = [group.states[0] for group in groups]
    leaders = [group.modes[0] for group in groups]
    blocks = Blocks(states, leaders, model.eta, exact=model.exact)
    return stable_sets(groups, blocks.inactive_signs)


def _stable_count(positive: StableSets, negative: StableSets, n: int) -> int:
    if n >= positive.members + negative.members:
        return sum(positive.counts(None)) * sum(negative.counts(None))
    return convolve_counts(positive.counts(n), negative.counts(n), n)


def _stable_strata(positive: StableSets, negative: StableSets, n: int) -> Iterator[Stratum]:
    """Yield the closed sets of both signs together."""
    lists = Lists([*positive.groups, *negative.groups])
    offset = len(positive.groups)
    for chosen in positive.sets(n):
        for other in negative.sets(n - segments_rank(chosen)):
            moved = [(offset + start, offset + stop, plus) for start, stop, plus in other]
            yield lists.of_segments([*chosen, *moved])


def _nested(strata: Sequence[Stratum]) -> bool:
    members = sorted(({s.mode.number for s in stratum} for stratum in strata), key=len)
    return all(a <= b for a, b in pairwise(members))


def _work(strata: Sequence[Stratum], model: Model) -> int:
    return sum(len(stratum) * model.d for stratum in strata)


def _key(stratum: Stratum) -> tuple[tuple[int, str], ...]:
    return tuple((state.mode.number, state.root) for state in stratum)


def _neighbours(stratum: Stratum, lists: Lists, n: int) -> Iterator[Stratum]:
    """Yield the strata that differ in one mode: another root, one mode less, one mode more."""
    present = {(s.mode.number, s.root) for s in stratum}
    choice = [
        tuple(sum((m.number, root) in present for m in group.modes) for root in "+-")
        for group in lists.groups
    ]
    for index, (plus, minus) in enumerate(choice):
        group = lists.groups[index]
        for up, down in CHANGES:
            a, b = plus + up, minus + down
            if min(a, b) < 0 or a + b > len(group.modes) or (b and len(group.states) == 1):
                continue
            if len(stratum) + up + down <= n:
                changed = [*choice[:index], (a, b), *choice[index + 1 :]]
                yield lists.stratum(enumerate(changed))  # type: ignore[arg-type]


CHANGES = ((-1, 1), (1, -1), (-1, 0), (0, -1), (1, 0), (0, 1))


def _select(components: list[Component], max_components: int, *, keep_all: bool) -> list[Component]:
    """Return collapse, every stable component and the least unstable rest, in canonical order."""
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    rest = [c for c in components if c.flow.verdict is not Verdict.STABLE]
    stable.sort(key=lambda c: (-(c.rank or 0), c.modes or ()))
    rest.sort(key=lambda c: (c.flow.extent or 0.0, c.modes or (), c.roots or ()))
    room = len(rest) if keep_all and len(components) <= max_components else None
    if room is None:
        room = max(0, max_components - len(stable))
    return stable + rest[:room]


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
    from equilibria.unequal import unequal_decay_tables

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

    def _output(self, table: NDArray[Any], chosen: NDArray[np.intp], floor: float) -> float:
        """Return the worst block beside an inactive output; there is one when 0 < k < n."""
        return float(table[chosen].max()) if 0 < chosen.size < self.model.n else floor

    def _maxima(self, pick: Callable[[KindTables], NDArray[Any]], floor: float) -> NDArray[Any]:
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
        if model.procedure == "ema" and k < model.n:
            abscissa = max(abscissa, -self.flow.beta)
            radius = max(radius, self.flow.mu)
        if neutral and model.nu:
            radius = max(radius, to_float(model.nu))
        flow_sign = max(signs[0], 0) if degenerate else signs[0]
        map_sign = self._map_sign(flow_sign, signs[1], k)
        return Component(
            id=stratum_id(stratum),
            rank=k,
            dimension=dimension,
            collapse=collapse_grade(k, model.n, model.d),
            flow=self._stability(
                flow_sign, neutral, abscissa, k, degenerate, stratum, self.flow, None
            ),
            map=self._stability(
                map_sign,
                neutral,
                radius,
                k,
                degenerate,
                stratum,
                self.step,
                1 / inverse if flow_sign < 0 and inverse > 0 else None,
            ),
            modes=tuple(map(NUMBER, stratum)),
            roots=tuple(map(ROOT, stratum)),
            build_detail=partial(self.lifter.detail, stratum),
        )

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
        self,
        sign: int,
        neutral: int,
        extent: float,
        k: int,
        degenerate: bool,
        stratum: Stratum,
        dynamics: Dynamics,
        largest_step: float | None,
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
            how=How.PROVED if k == 0 and not self.model.floating else self.known,
            neutral=neutral,
            extent=extent,
            largest_step=largest_step,
            note=note,
            build_spectrum=partial(stratum_spectrum, self.model, stratum, self.modes, dynamics),
        )


def stratum_id(stratum: Stratum) -> str:
    """Return an id such as `rank2:1+,3-`; `rank0` is full collapse."""
    if not stratum:
        return "rank0"
    return f"rank{len(stratum)}:" + ",".join(map(LABEL, stratum))
