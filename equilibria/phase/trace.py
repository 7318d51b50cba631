"""Boundaries without a closed form, found as sign changes of conditions along lines of a grid.

An item is a stratum whose map verdict is followed, or a pair whose flow can oscillate. Where its
state changes between two neighbouring nodes the condition is bisected along that edge; `isolate`
then encloses the crossing in rationals and proves the signs, and `chains` joins crossings of the
same cell. Nothing is read off pixels: the grid only says where to look.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.phase.setting import Setting
from equilibria.phase.steps import obeys
from equilibria.phase.verdicts import Decided, decide, undecided

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    States = NDArray[np.int8]

ABSENT, OUTSIDE, INSIDE = -1, 0, 1
BISECTIONS = 36
NODE_NUMBERS = 1 << 19


@dataclass(frozen=True, slots=True)
class Item:
    """What is followed: the map verdict of a stratum, or the flow of two active modes together."""

    modes: tuple[int, ...]
    """Active modes, counted from 0."""
    is_map: bool


@dataclass(frozen=True, slots=True)
class Crossing:
    """A change of state on one edge: the fixed coordinate, and the bracket of the other one."""

    item: int
    horizontal: bool
    row: int
    column: int
    inside: float
    outside: float


class Tracer:
    """Evaluates the states of items and finds their changes on the lines given."""

    def __init__(
        self,
        setting: Setting,
        items: Sequence[Item],
        x: Sequence[Fraction],
        y: Sequence[Fraction],
    ) -> None:
        self.setting, self.items = setting, tuple(items)
        self.x, self.y = tuple(x), tuple(y)
        self.across = np.array([to_float(value) for value in x])
        self.up = np.array([to_float(value) for value in y])
        d = len(setting.modes)
        self.members = np.zeros((len(items), d), dtype=np.bool_)
        for place, item in enumerate(items):
            self.members[place, list(item.modes)] = True
        self.kinds = np.array([item.is_map for item in items], dtype=np.bool_)

    def crossings(self) -> list[Crossing]:
        """Return all changes of state, bisected to nearly working precision."""
        nodes = self.node_states()
        found = [*self._edges(nodes, horizontal=True), *self._edges(nodes, horizontal=False)]
        return self._bisected(found)

    def node_states(self) -> States:
        """Return the states of all items at all nodes, shape (items, rows, columns)."""
        rows, columns = self.up.size, self.across.size
        states = np.empty((len(self.items), rows * columns), dtype=np.int8)
        step = max(16, NODE_NUMBERS // len(self.setting.modes) ** 2)
        for start in range(0, rows * columns, step):
            cells = np.arange(start, min(start + step, rows * columns))
            x, y = self.across[cells % columns], self.up[cells // columns]
            states[:, cells] = self._all_states(x, y)
        return states.reshape(len(self.items), rows, columns)

    def _all_states(self, x: Array, y: Array) -> States:
        points = self.setting.points(x, y)
        decided = decide(points, undecided, margin=0.0)
        result = np.empty((len(self.items), x.size), dtype=np.int8)
        for place, item in enumerate(self.items):
            chosen = np.broadcast_to(self.members[place], (x.size, points.d))
            if item.is_map:
                good = obeys(decided.map, chosen, points.n)
                result[place] = np.where(_present(decided, chosen, points.n), good, ABSENT)
            else:
                result[place] = self._pair_states(decided.flow.conflict, decided.blocks.p, chosen)
        return result

    @staticmethod
    def _pair_states(conflict: Flags | None, p: Array, chosen: Flags) -> States:
        alive = ~((p == 0) & chosen).any(axis=1)
        if conflict is None:
            return np.where(alive, INSIDE, ABSENT).astype(np.int8)
        both = conflict & chosen[:, :, None] & chosen[:, None, :]
        clash = np.asarray(both).any(axis=(1, 2))
        return np.where(alive, ~clash, ABSENT).astype(np.int8)

    def _edges(self, nodes: States, *, horizontal: bool) -> list[Crossing]:
        first = nodes[:, :, :-1] if horizontal else nodes[:, :-1, :]
        second = nodes[:, :, 1:] if horizontal else nodes[:, 1:, :]
        changed: Flags = (first != second) & (np.minimum(first, second) >= 0)
        line = self.across if horizontal else self.up
        found = []
        for item, row, column in np.argwhere(changed).tolist():
            at = column if horizontal else row
            low, high = float(line[at]), float(line[at + 1])
            if first[item, row, column] == OUTSIDE:
                low, high = high, low
            found.append(Crossing(item, horizontal, row, column, low, high))
        return found

    def _bisected(self, crossings: list[Crossing]) -> list[Crossing]:
        if not crossings:
            return []
        item = np.array([c.item for c in crossings])
        horizontal = np.array([c.horizontal for c in crossings])
        row = np.array([c.row for c in crossings])
        column = np.array([c.column for c in crossings])
        inside = np.array([c.inside for c in crossings])
        outside = np.array([c.outside for c in crossings])
        for _ in range(BISECTIONS):
            middle = (inside + outside) / 2
            x = np.where(horizontal, middle, self.across[column])
            y = np.where(horizontal, self.up[row], middle)
            good = self._own_states(item, x, y) == INSIDE
            inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
        return [
            Crossing(c.item, c.horizontal, c.row, c.column, float(a), float(b))
            for c, a, b in zip(crossings, inside, outside, strict=True)
        ]

    def _own_states(self, item: NDArray[np.intp], x: Array, y: Array) -> States:
        """Return the state of one item per point."""
        result = np.empty(x.size, dtype=np.int8)
        step = max(16, NODE_NUMBERS // len(self.setting.modes) ** 2)
        for start in range(0, x.size, step):
            part = slice(start, min(start + step, x.size))
            points = self.setting.points(x[part], y[part])
            decided = decide(points, undecided, margin=0.0)
            chosen, is_map = self.members[item[part]], self.kinds[item[part]]
            good = obeys(decided.map, chosen, points.n)
            pairs = self._pair_states(decided.flow.conflict, decided.blocks.p, chosen)
            result[part] = np.where(is_map, good, pairs)
        return result


def _present(decided: Decided, chosen: Flags, n: int) -> Flags:
    """Return where a stratum exists and no real eigenvalue of the flow is positive.

    What is lost by oscillation (T8.6) stays present: the map can lose it elsewhere, or never.
    """
    flow = decided.flow
    if decided.blocks.clash is None:
        flow = replace(flow, allowed=decided.blocks.exists.value > 0, conflict=None)
    return obeys(flow, chosen, n)
