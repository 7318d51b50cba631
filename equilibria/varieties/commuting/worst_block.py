"""The worst block of every stratum, from block tables that are computed once.

Strata share their blocks, so each table (states by states, states by modes) is evaluated once and a
stratum only takes a maximum over its rows and columns. Nested strata (the chain of T8.2) are done
together by running maxima, in the time of one table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Table = NDArray[np.float64 | np.int8]


class Members:
    """The strata of one report as index arrays into the states and the modes of a block table."""

    def __init__(self, sets: Sequence[NDArray[np.intp]], mode_of_state: NDArray[np.intp], d: int):
        self.sets = list(sets)
        self.modes = [mode_of_state[chosen] for chosen in self.sets]
        self.mode_of_state = mode_of_state
        self.d = d
        self.chain = _chain_order(self.sets)

    def maxima(self, *, diagonal: Table, pair: Table, inactive: Table, floor: float) -> Table:
        """Return, per stratum, the maximum over its diagonal, pair and inactive-input blocks."""
        if self.chain is not None:
            return self._chain_maxima(self.chain, diagonal, pair, inactive, floor)
        return np.array(
            [
                self._one(chosen, modes, diagonal, pair, inactive, floor)
                for chosen, modes in zip(self.sets, self.modes, strict=True)
            ]
        )

    def _one(
        self,
        chosen: NDArray[np.intp],
        modes: NDArray[np.intp],
        diagonal: Table,
        pair: Table,
        inactive: Table,
        floor: float,
    ) -> object:
        if not chosen.size:
            return floor
        worst = max(floor, diagonal[chosen].max())
        if chosen.size > 1:
            worst = max(worst, _off_diagonal(pair[np.ix_(chosen, chosen)], floor).max())
        if modes.size < self.d:
            outside = np.ones(self.d, dtype=np.bool_)
            outside[modes] = False
            worst = max(worst, inactive[chosen][:, outside].max())
        return worst

    def zeros(
        self,
        *,
        diagonal: NDArray[np.int8],
        pair: NDArray[np.int8],
        inactive: NDArray[np.int8],
    ) -> NDArray[np.int64]:
        """Return, per stratum, the sums of tables of zero counts (the pair table over i < j)."""
        if not (diagonal.any() or pair.any() or inactive.any()):
            return np.zeros(len(self.sets), dtype=np.int64)
        counts = []
        for chosen, modes in zip(self.sets, self.modes, strict=True):
            outside = np.ones(self.d, dtype=np.bool_)
            outside[modes] = False
            count = int(diagonal[chosen].sum()) + int(inactive[chosen][:, outside].sum())
            if chosen.size > 1:
                count += int(np.triu(pair[np.ix_(chosen, chosen)], 1).sum())
            counts.append(count)
        return np.array(counts, dtype=np.int64)

    def _chain_maxima(
        self,
        order: NDArray[np.intp],
        diagonal: Table,
        pair: Table,
        inactive: Table,
        floor: float,
    ) -> Table:
        """Return the maxima of nested strata: the first k of `order`, for every k that occurs."""
        count = order.size
        worst = np.maximum.accumulate(np.maximum(diagonal[order], floor)) if count else diagonal[:0]
        if count > 1:
            table = np.tril(_off_diagonal(pair[np.ix_(order, order)], floor), -1)
            table[np.triu_indices(count)] = floor
            worst = np.maximum(worst, np.maximum.accumulate(table.max(axis=1)))
        modes = self.mode_of_state[order]
        others = np.setdiff1d(np.arange(self.d), modes)
        columns = np.concatenate([modes, others])
        table = inactive[np.ix_(order, columns)].astype(worst.dtype, copy=True)
        # After k modes the columns from k on are inactive: maxima over suffixes, then over rows.
        suffix = np.maximum.accumulate(table[:, ::-1], axis=1)[:, ::-1]
        best = np.maximum.accumulate(suffix, axis=0)
        answers = []
        for chosen in self.sets:
            k = chosen.size
            value = floor if k == 0 else worst[k - 1]
            if 0 < k < self.d:
                value = max(value, best[k - 1, k])
            answers.append(value)
        return np.array(answers)


def _off_diagonal(block: Table, floor: float) -> Table:
    block = block.copy()
    np.fill_diagonal(block, floor)
    return block


def _chain_order(sets: list[NDArray[np.intp]]) -> NDArray[np.intp] | None:
    """Return the states in the order in which nested strata add them, None if they do not nest."""
    if len(sets) < 2:
        return None
    by_size = sorted(sets, key=lambda chosen: chosen.size)
    order: list[int] = []
    present: set[int] = set()
    for chosen in by_size:
        members = set(chosen.tolist())
        if not present <= members:
            return None
        order.extend(sorted(members - present))
        present = members
    return np.array(order, dtype=np.intp)
