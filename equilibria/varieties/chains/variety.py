"""Deep stop-gradient and EMA with weight decay and commuting moments: every aligned equilibrium.

The components are sets of modes at roots u+ or u- of the mode equation, of rank at most the least width
(T22.1, T22.3). Start with `chain_variety`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from math import comb

from equilibria.data.units import Unit
from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.varieties.chains.closed_sets import closed_sets
from equilibria.varieties.chains.components import ChainStratum, evaluate_chains
from equilibria.varieties.chains.couplings import shares_root
from equilibria.varieties.chains.rest import Rest, units_of
from equilibria.varieties.component import Component, Variety, Verdict
from equilibria.varieties.listing import fitting

ENUMERATION_LIMIT = 20_000
CANDIDATES = 2000
MOST_UNITS = 256
DESCRIPTION = (
    "evaluated: the sets of outer roots that hold every unit growing beside them; the flow leaves no "
    "other stable (T24.1, T31.3)"
)
Rests = dict[tuple[int, ...], tuple[Rest, ...]]


def chain_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return the aligned components with their verdicts, most relevant first.

    Needs commuting moments and decays above 0 in every layer. All strata are evaluated while there are
    at most 20,000; beyond that the sets that can be stable. Raises `ScopeError` where a closed form does
    not apply, and for more than 256 units.
    """
    _check(model)
    units = units_of(model.moments)
    rests = {unit.columns: Rest.all_of(model.chain, unit) for unit in units}
    groups = _groups(units)
    total = count_strata(groups, rests, model.chain.bottleneck)
    most = model.chain.bottleneck
    if total <= ENUMERATION_LIMIT:
        strata, all_stable = list(all_strata(groups, rests, most)), True
    else:
        _check_size(units)
        places = [rests[unit.columns] for unit in units]
        strata, all_stable = closed_sets(units, places, most, CANDIDATES)
    components = evaluate_chains(model, units, strata)
    if not model.moments.symmetric:
        from equilibria.varieties.chains.waves import wave_components

        waves = wave_components(model)
        components, total = [*components, *waves], total + len(waves)
    complete, why = _standing(model, units, rests)
    listed = _listed(components, max_components)
    return Variety(
        components=tuple(listed),
        complete=complete and len(listed) == total,
        why=why,
        total=total,
        stable_total=_count(components) if all_stable else None,
        description="" if total <= ENUMERATION_LIMIT else DESCRIPTION,
    )


def _count(components: Sequence[Component]) -> int:
    return sum(component.flow.verdict is Verdict.STABLE for component in components)


def _check_size(units: Sequence[Unit]) -> None:
    if len(units) > MOST_UNITS:
        raise ScopeError(
            f"{len(units)} modes with hidden layers or turned views: at most {MOST_UNITS} are "
            "evaluated; take fewer (--input-dim)"
        )


def _check(model: Model) -> None:
    if not model.moments.commute:
        raise ScopeError(
            "deep encoders and predictors: Sigma and M must commute; with hidden layers the other "
            "equilibria are not searched",
            hint="use --encoder-layers 1 --predictor-layers 1, or moments that commute",
        )
    if not all(model.chain.decays):
        raise ScopeError(
            "deep encoders and predictors: every weight decay must be above 0; the families without "
            "decay are not listed for hidden layers",
            hint="take a small weight decay, such as 1e-6",
        )


def _groups(units: Sequence[Unit]) -> list[list[Unit]]:
    """Return the units in groups of equal (s, m)."""
    groups: dict[object, list[Unit]] = {}
    for unit in units:
        groups.setdefault(unit.value, []).append(unit)
    return list(groups.values())


def _choices(size: int, roots: int) -> list[tuple[int, int]]:
    """Return how many members of a group may rest at u+ and at u-."""
    most = size if roots == 2 else 0
    plus_most = size if roots else 0
    return [
        (plus, minus)
        for plus in range(plus_most + 1)
        for minus in range(min(most, size - plus) + 1)
    ]


def count_strata(groups: Sequence[Sequence[Unit]], rests: Rests, most: int) -> int:
    """Return the number of strata of rank at most `most`."""
    ranks = [1]
    for group in groups:
        size = group[0].size
        sizes = [0] * (size * len(group) + 1)
        for plus, minus in _choices(len(group), len(rests[group[0].columns])):
            sizes[size * (plus + minus)] += 1
        longer = [0] * min(most + 1, len(ranks) + size * len(group))
        for i, a in enumerate(ranks):
            for j, b in enumerate(sizes):
                if i + j < len(longer):
                    longer[i + j] += a * b
        ranks = longer
    return sum(ranks)


def all_strata(groups: Sequence[Sequence[Unit]], rests: Rests, most: int) -> Iterator[ChainStratum]:
    """Yield every stratum of rank at most `most`, one for all choices of equal modes."""
    options = [_choices(len(group), len(rests[group[0].columns])) for group in groups]
    for choice in product(*options):
        sizes = (group[0].size * sum(chosen) for group, chosen in zip(groups, choice, strict=True))
        if sum(sizes) > most:
            continue
        found: list[Rest] = []
        for group, (plus, minus) in zip(groups, choice, strict=True):
            found += [rests[unit.columns][0] for unit in group[:plus]]
            found += [rests[unit.columns][1] for unit in group[plus : plus + minus]]
        yield tuple(sorted(found, key=lambda rest: rest.unit.columns))


def _listed(components: list[Component], most: int) -> list[Component]:
    """Return every stable component and the least unstable rest, in canonical order."""
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    rest = [c for c in components if c.flow.verdict is not Verdict.STABLE]
    stable.sort(key=lambda c: (-(c.rank or 0), c.modes or ()))
    rest.sort(key=lambda c: (c.flow.extent or 0.0, c.modes or (), c.roots or ()))
    room = len(rest) if len(components) <= most else max(0, most - len(stable))
    return stable + fitting(rest, room)


def _standing(model: Model, units: Sequence[Unit], rests: Rests) -> tuple[bool, str]:
    """Return whether the components are all equilibria, and why."""
    shared = _shared_root(units, rests)
    if shared is not None:
        return False, (
            f"modes {shared[0]} and {shared[1]} share a root: their rows mix in a continuous family "
            "that strata do not describe"
        )
    if not model.moments.symmetric:
        return False, "every aligned stratum; T31.1 shows that they exist, not that they are all"
    if model.chain.bottleneck == 1 or model.d == 1:
        return (
            True,
            "rank is at most 1, and every equilibrium of rank 1 is aligned (T22.6) [proved]",
        )
    if not any(rests.values()):
        return (
            True,
            "the decay is above every fold, where 0 is all there is (T20.2, T21.4) [proved]",
        )
    if len({unit.s for unit in units}) == 1:
        if model.chain.predictor <= 2 or all(unit.re >= 0 for unit in units):
            return True, "Sigma is isotropic, so every equilibrium is aligned (T22.5) [proved]"
        return False, (
            "every aligned stratum; with three or more predictor layers and signals of both signs "
            "there can be others (T22.5), which were not searched"
        )
    return False, "every aligned stratum; equilibria in which modes mix were not searched"


def _shared_root(units: Sequence[Unit], rests: Rests) -> tuple[str, str] | None:
    """Return two different units of one phase that would rest at one root, None without such."""
    if comb(len(units), 2) > ENUMERATION_LIMIT:
        return None
    for i, unit in enumerate(units):
        for other in units[i + 1 :]:
            aligned = unit.re * other.im == unit.im * other.re and unit.re * other.re >= 0
            if unit.value != other.value and aligned and unit.square and other.square:
                for rest in rests[unit.columns]:
                    if shares_root(rest, other):
                        return unit.name, other.name
    return None
