"""From rules on active modes to the strata that obey them: few are listed, many are counted.

The rules of a point (`verdicts`) are packed into a few bytes, so that the many points of a region
share one question; the closed sets of modes are then listed depth first, or counted over all
subsets at once. Sets are bit masks: mode j is bit j - 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.phase.verdicts import Rules

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Flags = NDArray[np.bool_]

LISTED = 64
COUNTED_MODES = 20
VISITED = 20_000


@dataclass(frozen=True, slots=True)
class StableStrata:
    """The stable strata at a point: all of them, or how many (None: more than can be counted)."""

    masks: tuple[int, ...] | None
    count: int | None
    top: int | None
    """A stable stratum of the largest rank; None where nothing is stable or nothing is known."""
    collapse: bool
    """Whether full collapse is stable."""

    @property
    def learned(self) -> bool | None:
        """Return whether anything but full collapse is stable; None where that is not known."""
        if self.masks is not None:
            return any(self.masks)
        return bool(self.top) if self.top is not None else None


@dataclass(frozen=True, slots=True)
class _Sets:
    """The rules of one point as masks."""

    n: int
    allowed: int
    require: tuple[int, ...]
    conflict: tuple[int, ...]
    output: int
    needed: int
    ranks: tuple[bool, bool, bool]

    def obeys(self, mask: int) -> bool:
        """Return whether a closed set without conflicts keeps the rules on ranks."""
        rank = mask.bit_count()
        if rank == self.n:
            return self.ranks[2]
        fits = self.ranks[0] if rank == 0 else self.ranks[1]
        return fits and not mask & self.output and not self.needed & ~mask


def pack(rules: Rules) -> NDArray[np.uint8]:
    """Return the rules as rows of bytes; rules on modes that cannot be active are left out."""
    allowed = rules.allowed
    count, d = allowed.shape
    absent = np.zeros((count, 0), dtype=np.bool_)
    parts = [
        allowed,
        (rules.require & allowed[:, :, None]).reshape(count, d * d),
        absent
        if rules.conflict is None
        else (rules.conflict & allowed[:, :, None] & allowed[:, None, :]).reshape(count, d * d),
        rules.output & allowed,
        absent if rules.needed is None else rules.needed,
        rules.ranks,
    ]
    return np.packbits(np.concatenate(parts, axis=1), axis=1)


def distinct(rows: NDArray[np.uint8]) -> tuple[list[int], NDArray[np.intp]]:
    """Return one index for every distinct row, and for every row which of these it equals."""
    view = np.ascontiguousarray(rows).view(f"V{rows.shape[1]}").ravel()
    _, first, inverse = np.unique(view, return_index=True, return_inverse=True)
    return first.tolist(), np.asarray(inverse, dtype=np.intp)


def stable_strata(rules: Rules, place: int, n: int) -> StableStrata:
    """Return the strata that obey the rules of one point."""
    sets = _masks(rules, place, n)
    listed = _list(sets)
    if listed is not None:
        found = tuple(sorted(listed, key=rank_order))
        return StableStrata(found, len(found), found[0] if found else None, sets.obeys(0))
    return _count(sets)


def rank_order(mask: int) -> tuple[int, tuple[int, ...]]:
    """Sort sets by descending rank, then by their modes."""
    return -mask.bit_count(), modes_in(mask)


def modes_in(mask: int) -> tuple[int, ...]:
    """Return the 1-based numbers of the modes in a mask."""
    return tuple(j + 1 for j in range(mask.bit_length()) if mask >> j & 1)


def mask_of(flags: Flags) -> int:
    """Return the mask of a row of flags."""
    return sum(1 << int(j) for j in np.flatnonzero(flags))


def stratum_name(mask: int) -> str:
    """Return the id that `equilibria` uses: rank0, or such as rank2:1+,3+."""
    numbers = modes_in(mask)
    if not numbers:
        return "rank0"
    return f"rank{len(numbers)}:" + ",".join(f"{number}+" for number in numbers)


def _masks(rules: Rules, place: int, n: int) -> _Sets:
    allowed = mask_of(rules.allowed[place])
    require = [mask_of(row) for row in rules.require[place]]
    d = len(require)
    closure = [require[i] | 1 << i for i in range(d)]
    changed = True
    while changed:
        changed = False
        for i in range(d):
            grown = closure[i]
            for j in range(d):
                if closure[i] >> j & 1:
                    grown |= closure[j]
            changed |= grown != closure[i]
            closure[i] = grown
    usable = sum(1 << i for i in range(d) if allowed >> i & 1 and not closure[i] & ~allowed)
    conflict, ranks = rules.conflict, rules.ranks[place]
    return _Sets(
        n=n,
        allowed=usable,
        require=tuple(closure),
        conflict=(0,) * d if conflict is None else tuple(mask_of(row) for row in conflict[place]),
        output=mask_of(rules.output[place]),
        needed=0 if rules.needed is None else mask_of(rules.needed[place]),
        ranks=(bool(ranks[0]), bool(ranks[1]), bool(ranks[2])),
    )


def _list(sets: _Sets) -> list[int] | None:
    """Return all stable sets, None when there are more than `LISTED` or too much to search."""
    order = [i for i in range(len(sets.require)) if sets.allowed >> i & 1]
    found: list[int] = []
    visited = 0
    stack = [(0, 0, 0)]  # the next mode, the active ones, the excluded ones
    while stack:
        position, active, excluded = stack.pop()
        while position < len(order) and active >> order[position] & 1:
            position += 1
        visited += 1
        if visited > VISITED:
            return None
        if position == len(order):
            if sets.obeys(active):
                found.append(active)
                if len(found) > LISTED:
                    return None
            continue
        mode = order[position]
        stack.append((position + 1, active, excluded | 1 << mode))
        grown = active | sets.require[mode]
        if grown & excluded or grown.bit_count() > sets.n:
            continue
        if any(sets.conflict[j] & grown for j in range(grown.bit_length()) if grown >> j & 1):
            continue
        stack.append((position + 1, grown, excluded))
    return found


def _count(sets: _Sets) -> StableStrata:
    """Count over all subsets of the usable modes at once."""
    order = [i for i in range(len(sets.require)) if sets.allowed >> i & 1]
    if len(order) > COUNTED_MODES:
        return StableStrata(None, None, None, sets.obeys(0))
    subsets = np.arange(1 << len(order), dtype=np.int64)
    rank = sum((subsets >> place & 1 for place in range(len(order))), np.zeros_like(subsets))
    good = rank <= sets.n
    for place, mode in enumerate(order):
        present = (subsets >> place & 1).astype(np.bool_)
        need, against = (
            _compressed(sets.require[mode], order),
            _compressed(sets.conflict[mode], order),
        )
        good &= ~present | ((subsets & need == need) & (subsets & against == 0))
    free = np.where(rank == 0, sets.ranks[0], sets.ranks[1])
    free &= subsets & _compressed(sets.output, order) == 0
    need = _compressed(sets.needed, order)
    free &= (subsets & need == need) & (not sets.needed & ~sets.allowed)
    good &= np.where(rank == sets.n, sets.ranks[2], free)
    chosen = subsets[good]
    if not chosen.size:
        return StableStrata((), 0, None, False)
    best = int(chosen[np.argmax(rank[good])])
    top = sum(1 << mode for place, mode in enumerate(order) if best >> place & 1)
    return StableStrata(None, int(good.sum()), top, sets.obeys(0))


def _compressed(mask: int, order: list[int]) -> int:
    return sum(1 << place for place, mode in enumerate(order) if mask >> mode & 1)
