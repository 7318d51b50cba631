"""Which strata can be stable, without looking at all: outer roots, closed under who makes whom grow.

Beside an active unit i at u+ an unused input j grows when u_i^a |m_j| cos Delta >= s_j u_i^b + eta
(T24.1, T31.3). A stable set therefore holds with i every such j: it is a union of closures. These are
listed once each; what else a set must satisfy (pairs, steps, targets) is for the blocks to say.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed
from equilibria.exact.intervals import Uncertain
from equilibria.varieties.chains.couplings import shares_root
from equilibria.varieties.chains.mode_equation import enclosed, gain
from equilibria.varieties.chains.phases import phases
from equilibria.varieties.chains.rest import Rest


def closed_sets(
    units: Sequence[Unit], rests: Sequence[tuple[Rest, ...]], most: int, limit: int
) -> tuple[list[tuple[Rest, ...]], bool]:
    """Return the closed sets of rank at most `most`, and whether `limit` held all of them."""
    closures = _closures(units, rests)
    sizes = [unit.size for unit in units]
    found: list[tuple[Rest, ...]] = []
    for mask in _unions(closures, sizes, most):
        if len(found) >= limit:
            return found, False
        found.append(tuple(rests[i][0] for i in range(len(units)) if mask >> i & 1))
    return found, True


def _closures(units: Sequence[Unit], rests: Sequence[tuple[Rest, ...]]) -> list[int | None]:
    """Return, per unit, the set that it needs as a bit mask; None where that cannot be active."""
    direct = [_needed(i, units, rests) for i in range(len(units))]
    closures: list[int | None] = []
    for i, row in enumerate(direct):
        mask, waiting = 1 << i, [i]
        alive = row is not None
        while waiting and alive:
            needed = direct[waiting.pop()]
            if needed is None:
                alive = False
                break
            for j in needed:
                if not mask >> j & 1:
                    mask |= 1 << j
                    waiting.append(j)
        closures.append(mask if alive else None)
    return closures


def _needed(i: int, units: Sequence[Unit], rests: Sequence[tuple[Rest, ...]]) -> list[int] | None:
    """Return the units that grow beside unit i at u+; None where it has no such root."""
    if not rests[i] or rests[i][0].fold:
        return None
    needed = []
    for j, unit in enumerate(units):
        if j == i:
            continue
        equal = unit.value == units[i].value
        if j < i if equal else _grows(rests[i][0], unit):  # of equal units the first ones are named
            needed.append(j)
    return needed


def _grows(rest: Rest, unit: Unit) -> bool:
    """Return whether an unused input grows, or is not known to shrink."""
    eta, inverse = rest.chain.decays[0], rest.q.inverse()
    own: Enclosed = (1 + rest.p * unit.s * inverse) * eta
    target = inverse * enclosed(gain(unit)) * eta
    for phase in phases(rest.unit, unit):
        if phase.cosine.rational == 1 and shares_root(rest, unit):
            return True
        try:
            if (own - target * phase.cosine).sign() <= 0:
                return True
        except Uncertain:
            return True
    return False


def _unions(closures: Sequence[int | None], sizes: Sequence[int], most: int) -> Iterator[int]:
    """Yield every union of closures of rank at most `most`, once, the empty one first."""
    stack = [(0, 0)]
    while stack:
        mask, first = stack.pop()
        yield mask
        for j in range(len(closures) - 1, first - 1, -1):
            closure = closures[j]
            if closure is None or mask >> j & 1:
                continue
            added = closure & ~mask
            if added & ((1 << j) - 1):  # it needs a unit that was passed over: met elsewhere
                continue
            after = mask | closure
            if sum(size for i, size in enumerate(sizes) if after >> i & 1) <= most:
                stack.append((after, j + 1))
