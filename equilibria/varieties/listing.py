"""Which components a short list shows, and which names a sentence."""

from __future__ import annotations

from collections.abc import Sequence

from equilibria.varieties.component import Component

SHOWN_NAMES = 6


def fitting(rest: Sequence[Component], room: int) -> list[Component]:
    """Return the first of the components that are not stable, as many as there is room for.

    Undecided ones go before the others, and one is kept in any case: a list that had lost them all
    would let the headline count what it cannot.
    """
    unclear = [c for c in rest if c.flow.is_open or c.map.is_open]
    others = [c for c in rest if not (c.flow.is_open or c.map.is_open)]
    room = max(room, min(1, len(unclear)))
    kept = {c.id for c in [*unclear, *others][:room]}
    return [c for c in rest if c.id in kept]


def shortened(names: Sequence[str]) -> str:
    """Return the first few names, and that there are more."""
    more = ", ..." if len(names) > SHOWN_NAMES else ""
    return ", ".join(names[:SHOWN_NAMES]) + more
