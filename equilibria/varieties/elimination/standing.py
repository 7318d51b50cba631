"""The verdict on a whole component from its conditions and the exact verdict at one of its points.

A point says that there are stable points or that not all are; only the conditions say more. What
holds at the representative alone is marked as such: nothing here speaks for points not looked at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.component import Stability, Verdict
from equilibria.varieties.elimination.conditions import Split

EVERYWHERE_DEGENERATE = "degenerate at every point"


def standing(at: Stability, split: Split | str) -> Stability:
    """Return the verdict on a component whose representative has the verdict `at`.

    `split` is a sentence where there are no conditions. With conditions that some points meet the
    answer is stable in part; where the representative, chosen to meet them, does not, it is open.
    """
    if isinstance(split, str):
        note = f"{at.verdict.value} at the representative; {split}"
        return replace(at, part=True, varies=True, largest_step=None, note=note)
    at = at if split.constant else replace(at, varies=True, largest_step=None)
    if split.degenerate:
        note = "the linearisation does not decide"
        if at.verdict is Verdict.UNSTABLE:
            note = f"unstable at the representative; elsewhere {note}"
        return replace(at, part=True, largest_step=None, note=note)
    if split.never or not split.conditions:
        return replace(at, verdict=Verdict.UNSTABLE if split.never else Verdict.STABLE, note="")
    if at.verdict is Verdict.STABLE:
        return replace(at, part=True)
    note = f"no point was found that meets {joined(split.conditions)}, nor is there a proof of none"
    return replace(at, part=True, note=note)


def joined(conditions: Sequence[Polynomial]) -> str:
    """Return conditions as text."""
    return " and ".join(f"{f.text()} > 0" for f in conditions)
