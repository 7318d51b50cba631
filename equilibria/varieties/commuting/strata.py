"""Which sets of states are equilibria, which of them are stable, and how many there are.

A stratum is a choice, for every group of equal modes, of how many members rest at p+ and how many
at p-; it has rank k <= n. The stable ones are the sets of p+ states that are closed under the rule

    if mode i is active and p+(i) lies in [p-(j), p+(j)], then mode j is active          (T8.1)

Along ascending |p+| only the last active mode before j can violate the rule for j, so the closed
sets are the paths of a small graph: they are counted exactly without being listed, however many.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, cmp_to_key
from itertools import product
from math import comb
from operator import attrgetter
from typing import TYPE_CHECKING

from equilibria.errors import LimitReached
from equilibria.exact.surds import in_common_field
from equilibria.varieties.commuting.modes import Group, State, state_of_member

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LISTING_LIMIT = 100_000

Stratum = tuple[State, ...]
Choice = tuple[int, int]
"""How many members of a group rest at p+ and at p-."""

Segment = tuple[int, int, int]
"""Consecutive groups, first and past the last, and how many members of each are active."""

Path = tuple["Path | None", Segment]
"""The segments chosen so far, last first."""


def total_strata(groups: Sequence[Group], n: int) -> int:
    """Return the number of components (orbits and families) of rank at most n."""
    distinct = sum(1 for group in groups if len(group.states) == 2 and len(group.modes) == 1)
    ranks = [comb(distinct, k) << k for k in range(min(distinct, n) + 1)]
    for group in groups:
        if not group.states or (len(group.states) == 2 and len(group.modes) == 1):
            continue
        roots = len(group.states)
        factor = [a + 1 if roots == 2 else 1 for a in range(len(group.modes) + 1)]
        ranks = _product(ranks, factor, n)
    return sum(ranks)


def all_strata(groups: Sequence[Group], n: int) -> Iterator[Stratum]:
    """Yield every stratum of rank at most n."""
    members = Lists([group for group in groups if group.states])
    options = [_choices(group) for group in members.groups]
    for choice in product(*options):
        if sum(plus + minus for plus, minus in choice) <= n:
            yield members.stratum(enumerate(choice))


def _choices(group: Group) -> list[Choice]:
    size = len(group.modes)
    most_minus = size if len(group.states) == 2 else 0
    return [
        (rank - minus, minus)
        for rank in range(size + 1)
        for minus in range(min(rank, most_minus) + 1)
    ]


class Lists:
    """The states of every member of every group, made once and shared by all strata."""

    def __init__(self, groups: Sequence[Group]) -> None:
        self.groups = tuple(groups)
        self.states = [
            [[state_of_member(state, mode) for mode in group.modes] for state in group.states]
            for group in groups
        ]

    def stratum(self, choice: Iterable[tuple[int, Choice]]) -> Stratum:
        """Return the canonical stratum of a choice: lowest members first, p+ before p-."""
        chosen: list[State] = []
        for group, (plus, minus) in choice:
            if plus:
                chosen += self.states[group][0][:plus]
            if minus:
                chosen += self.states[group][1][plus : plus + minus]
        chosen.sort(key=_number)
        return tuple(chosen)

    def of_segments(self, segments: Iterable[Segment]) -> Stratum:
        """Return the stratum whose groups have so many members at p+."""
        chosen: list[State] = []
        for start, stop, plus in segments:
            if plus == 1:
                chosen += self._first_plus[start:stop]
            else:
                for group in range(start, stop):
                    chosen += self.states[group][0][:plus]
        chosen.sort(key=_number)
        return tuple(chosen)

    @cached_property
    def _first_plus(self) -> list[State]:
        return [states[0][0] for states in self.states]


_number = attrgetter("mode.number")


def segments_rank(segments: Iterable[Segment]) -> int:
    """Return how many modes the segments make active."""
    return sum((stop - start) * plus for start, stop, plus in segments)


@dataclass(frozen=True)
class StableSets:
    """The closed sets of p+ states of the modes of one sign, as paths of a graph.

    `groups` are in ascending order of |p+|; `forced[i]` is the first later position that an active
    i makes active, or the number of groups when there is none.
    """

    groups: tuple[Group, ...]
    forced: tuple[int, ...]
    conflicts: frozenset[tuple[int, int]]
    """Positions (j, k) with equal |p+|: an active j also forbids an inactive earlier k."""

    @property
    def members(self) -> int:
        """Return how many modes there are in all groups."""
        return sum(len(group.modes) for group in self.groups)

    def counts(self, n: int | None) -> list[int]:
        """Return how many stable sets have rank 0, 1, ..., n; their sum alone when n is None."""
        sizes = [len(group.modes) for group in self.groups]
        if self.conflicts:
            return self._listed_counts(n)
        limit = 0 if n is None else min(n, sum(sizes))
        weight = 0 if n is None else 1
        end = len(self.groups)
        ways: list[list[int]] = [[] for _ in range(end)]
        full = [[0] * (limit + 1) for _ in range(end + 1)]
        partial = [[0] * (limit + 1) for _ in range(end + 1)]
        for i in range(end - 1, -1, -1):
            ways[i] = self._continuations(i, i + 1, full, partial, limit)
            full[i] = _shift_sum(full[i + 1], ways[i], [weight * sizes[i]])
            partial[i] = _shift_sum(
                partial[i + 1], ways[i], [weight * a for a in range(1, sizes[i])]
            )
        return self._continuations(-1, 0, full, partial, limit)

    def _listed_counts(self, n: int | None) -> list[int]:
        """Count by listing: equal p+ in different groups break the path structure."""
        counts = [0] * (self.members + 1)
        for index, chosen in enumerate(self.sets(self.members if n is None else n)):
            if index >= LISTING_LIMIT:
                raise LimitReached(
                    f"more than {LISTING_LIMIT} stable strata among modes with equal roots p+; "
                    "move one of the equal modes by a small amount"
                )
            counts[segments_rank(chosen)] += 1
        return counts if n is not None else [sum(counts)]

    def _continuations(
        self,
        i: int,
        first: int,
        full: list[list[int]],
        partial: list[list[int]],
        limit: int,
    ) -> list[int]:
        end = len(self.groups)
        forced = end if i < 0 else self.forced[i]
        last = min(forced, end - 1)
        total = [0] * (limit + 1)
        if first <= last:
            total = [a - b for a, b in zip(full[first], full[last + 1], strict=True)]
        stop = max(first, forced)
        total = [t + a - b for t, a, b in zip(total, partial[first], partial[stop], strict=True)]
        if forced >= end:
            total[0] += 1
        return total

    def sets(self, n: int) -> Iterator[list[Segment]]:
        """Yield the stable sets of rank at most n, as segments, in depth-first order."""
        stack: list[tuple[int, Path | None, int]] = [(-1, None, 0)]
        end = len(self.groups)
        while stack:
            i, path, rank = stack.pop()
            # Runs in which every mode forces the next one, the chain of T8.2, need no branching.
            stop = min(self._run_end[i + 1], i + 1 + n - rank) if i >= 0 else 0
            if stop > i + 1:
                path, rank, i = (path, (i + 1, stop, 1)), rank + stop - i - 1, stop - 1
            forced = end if i < 0 else self.forced[i]
            if forced >= end:
                yield _unrolled(path)
            for j in range(min(forced, end - 1), i, -1):
                if self.conflicts and self._contradicts(j, path):
                    continue
                size = len(self.groups[j].modes)
                smallest = size if j == forced else 1
                for plus in range(min(size, n - rank), smallest - 1, -1):
                    stack.append((j, (path, (j, j + 1, plus)), rank + plus))

    @cached_property
    def _run_end(self) -> list[int]:
        """Return, per position j, where the run of single modes forced one by the other from j ends."""
        marked = {j for j, _ in self.conflicts}
        ends = list(range(len(self.groups) + 1))
        for j in range(len(self.groups) - 1, 0, -1):
            single = len(self.groups[j].modes) == 1 and j not in marked
            if single and self.forced[j - 1] == j:
                ends[j] = max(ends[j + 1], j + 1)
        return ends

    def _contradicts(self, j: int, path: Path | None) -> bool:
        ranks = {k: plus for start, stop, plus in _unrolled(path) for k in range(start, stop)}
        return any(
            (j, k) in self.conflicts and ranks.get(k, 0) < len(self.groups[k].modes)
            for k in range(j)
        )


def _unrolled(path: Path | None) -> list[Segment]:
    chosen: list[Segment] = []
    while path is not None:
        path, segment = path
        chosen.append(segment)
    return chosen[::-1]


def stable_sets(groups: Sequence[Group], inactive_signs: NDArray[np.int8]) -> StableSets:
    """Return the closed sets of groups of one sign.

    `inactive_signs[i, j]` is the sign of the growth rate of (inactive) group j when group i is at
    p+. A zero is degenerate, so it forbids as a positive sign does: such strata are not stable.
    """
    by_root = cmp_to_key(_compare)
    order = sorted(range(len(groups)), key=lambda i: by_root(groups[i]))
    ordered = tuple(groups[i] for i in order)
    signs = inactive_signs[order][:, order]
    forced: list[int] = []
    conflicts: set[tuple[int, int]] = set()
    for i in range(len(ordered)):
        later = (signs[i, i + 1 :] >= 0).nonzero()[0]
        forced.append(i + 1 + int(later[0]) if later.size else len(ordered))
        conflicts.update((i, int(k)) for k in (signs[i, :i] >= 0).nonzero()[0])
    return StableSets(ordered, tuple(forced), frozenset(conflicts))


def _compare(left: Group, right: Group) -> int:
    a, b = abs(left.states[0].value), abs(right.states[0].value)
    if abs(a - b) > 1e-12 * max(a, b):
        return -1 if a < b else 1
    p, q = in_common_field(left.states[0].p, right.states[0].p)
    sign = (p - q).sign()
    return sign if left.states[0].value > 0 else -sign


def _product(left: list[int], right: list[int], limit: int) -> list[int]:
    result = [0] * min(len(left) + len(right) - 1, limit + 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            if i + j < len(result):
                result[i + j] += a * b
    return result


def convolve_counts(left: list[int], right: list[int], n: int) -> int:
    """Return how many pairs of one set of each kind have total rank at most n."""
    total, cumulative, running = 0, [], 0
    for value in right:
        running += value
        cumulative.append(running)
    for rank, value in enumerate(left[: n + 1]):
        total += value * cumulative[min(n - rank, len(cumulative) - 1)]
    return total


def _shift_sum(base: list[int], ways: list[int], shifts: Sequence[int]) -> list[int]:
    result = list(base)
    for shift in shifts:
        for rank in range(len(base) - shift):
            result[rank + shift] += ways[rank]
    return result
