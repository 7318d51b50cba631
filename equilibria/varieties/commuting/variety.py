"""Stop-gradient and EMA with weight decay and commuting moments: every aligned equilibrium.

The components are sets of modes at roots p+ or p- (T6.3). They are all equilibria when Sigma is
isotropic (T6.4); otherwise two modes can also mix (T6.5, `mixed`). Flow and map, stop-gradient and
EMA share one set of blocks. Start with `aligned_variety`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from equilibria.systems.model import Model
from equilibria.varieties.commuting.blocks import Blocks
from equilibria.varieties.commuting.components import evaluate
from equilibria.varieties.commuting.modes import Group, Mode, groups_of, modes_of, shared_root
from equilibria.varieties.commuting.strata import (
    Lists,
    StableSets,
    Stratum,
    all_strata,
    convolve_counts,
    segments_rank,
    stable_sets,
    total_strata,
)
from equilibria.varieties.component import Component, Variety, Verdict
from equilibria.varieties.listing import fitting

ENUMERATION_LIMIT = 20_000
STABLE_LISTING_LIMIT = 4096
WORK_LIMIT = 400_000_000


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
    mixed, count = _mixed_components(model, modes, max_components)
    listed = _select([*components, *mixed], max_components, keep_all=plan.every)
    total = None if count is None else plan.total + count
    complete, why = _standing(model, modes, count, len(mixed))
    return Variety(
        components=tuple(listed),
        complete=complete and len(listed) == total,
        why=why,
        total=total,
        stable_total=plan.stable_total if stable is None else stable,
        description=_description(groups, plan),
    )


def _mixed_components(
    model: Model, modes: Sequence[Mode], limit: int
) -> tuple[list[Component], int | None]:
    """Return at most `limit` equilibria in which pairs of modes mix, and the number of all.

    The number is None where it is not known. There are none when Sigma is isotropic.
    """
    if model.n < 2 or len({mode.s for mode in modes}) == 1:
        return [], 0
    from equilibria.varieties.commuting.mixed_pairs import count_sums, direct_sums, mixed_pairs

    pairs = mixed_pairs(model)
    if not pairs:
        return [], 0
    from equilibria.varieties.commuting.mixed_stability import mixed_components

    found = mixed_components(model, direct_sums(model, modes, pairs), limit)
    return found, count_sums(model, modes, pairs)


def _standing(
    model: Model, modes: Sequence[Mode], mixed: int | None, listed: int
) -> tuple[bool, str]:
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
    if model.d == 2:
        tail = f"{mixed} in which two modes mix (T6.5)" if mixed else "no two modes can mix (T6.5)"
        return True, f"rank 1 is aligned (T6.6), and of rank 2 {tail} [proved]"
    return False, (
        f"every aligned stratum; {_mixtures(modes, mixed, listed)}; mixtures of three or more modes "
        "are not excluded"
    )


def _mixtures(modes: Sequence[Mode], mixed: int | None, listed: int) -> str:
    """Say how many equilibria have pairs of modes that mix, and which modes were looked at."""
    from equilibria.varieties.commuting.mixed_pairs import searched_modes

    searched = len(searched_modes(modes))
    whole = searched == len({(mode.s, mode.m) for mode in modes if mode.m})
    where = "" if whole else f" among the first {searched} modes looked at"
    if mixed == 0:
        return f"no two modes can mix (T6.5){where}"
    some = f"{mixed}" if mixed is not None else f"{listed} (one of each family)"
    return f"{some} in which pairs of modes mix (T6.5){where}, alone or beside others"


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
    rest.sort(key=lambda c: (c.flow.growth, c.modes or (), c.roots or ()))
    room = len(rest) if keep_all and len(components) <= max_components else None
    if room is None:
        room = max(0, max_components - len(stable))
    return stable + fitting(rest, room)
