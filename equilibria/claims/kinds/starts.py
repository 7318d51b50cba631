"""Checks on starts: where does one start end, how many random starts collapse, where is the edge?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from equilibria.claims.claim import Finding
from equilibria.claims.kinds.base import Context, choice_of, number_of, table_of, truth_of, whole_of
from equilibria.claims.kinds.verdicts import gather
from equilibria.errors import FormatError
from equilibria.exact.rationals import to_float

if TYPE_CHECKING:
    from equilibria.basin.answers import Bounds

FATES = {"collapse": "collapses", "learned": "survives"}
DEFAULT_RUNS = 1000
MOST_RUNS = 1_000_000


def fate(context: Context, value: object) -> Finding:
    """Check where the start `point` = "p,w" (or "p,w,t") of a mode ends: collapse or learned."""
    from equilibria.basin import basin_point

    table = table_of(value, "fate", ("point", "mode", "ends", "map"))
    wanted = choice_of(table.get("ends"), "fate.ends", tuple(FATES))
    point = table.get("point")
    if not isinstance(point, str):
        raise FormatError('holds.fate.point: expected text such as "1/10,1/5"')
    numbers = [part.strip() for part in point.split(",")]
    mode = whole_of(table.get("mode", 1), "fate.mode")
    is_map = truth_of(table.get("map", False), "fate.map")
    answer = basin_point(context.own_model, mode, numbers, is_map=is_map)
    found = f"the start {point} of mode {mode} {answer.fate.value} ({answer.why})"
    if answer.fate.value == "undecided":
        return Finding(None, "numeric", found)
    return Finding(
        answer.fate.value == FATES[wanted], answer.how.value, found, f"it ends in {wanted}"
    )


def from_init(context: Context, value: object) -> Finding:
    """Check how many random starts collapse: `collapse-at-most` and `collapse-at-least`.

    It holds when the whole confidence interval is on the right side, fails when it is on the wrong
    one, and is undecided in between: more `runs` narrow it.
    """
    from equilibria.basin import Sample, basin_probabilities

    entries = ("init", "scale", "runs", "seed", "collapse-at-most", "collapse-at-least", "map")
    table = table_of(value, "from-init", entries)
    if "collapse-at-most" not in table and "collapse-at-least" not in table:
        raise FormatError("holds.from-init: give collapse-at-most or collapse-at-least")
    runs = whole_of(table.get("runs", DEFAULT_RUNS), "from-init.runs")
    if not 1 <= runs <= MOST_RUNS:
        raise FormatError(f"holds.from-init.runs = {runs}: expected 1 to {MOST_RUNS}")
    sample = Sample(
        init=str(table.get("init", "kaiming")),
        scale=to_float(number_of(table.get("scale", 1), "from-init.scale")),
        runs=runs,
        seed=whole_of(table.get("seed", 0), "from-init.seed"),
    )
    is_map = truth_of(table.get("map", False), "from-init.map")
    endings = basin_probabilities(context.own_model, sample, is_map=is_map)
    collapse = endings.collapse
    missing = endings.undecided + endings.diverged
    # Runs that did not settle could have gone either way.
    low, high = collapse.low, min(1.0, collapse.high + missing / runs)
    found = (
        f"{collapse.count} of {runs} starts collapse, {100 * low:.3g} to {100 * high:.3g} % with "
        f"{100 * endings.confidence:g} % confidence, {missing} unsettled"
    )
    rows = []
    for key, above in (("collapse-at-most", False), ("collapse-at-least", True)):
        if key in table:
            bound = to_float(number_of(table[key], f"from-init.{key}"))
            rows.append(_against(low, high, bound, above=above, found=found))
    return gather(rows)


def _against(low: float, high: float, bound: float, *, above: bool, found: str) -> Finding:
    word = "at least" if above else "at most"
    needed = f"{word} {100 * bound:g} % collapse"
    if (low >= bound) if above else (high <= bound):
        return Finding(True, "numeric", found, needed)
    if (high < bound) if above else (low > bound):
        return Finding(False, "numeric", found, needed)
    return Finding(None, "numeric", found, needed, because="the interval meets the bound")


def thresholds(context: Context, value: object) -> Finding:
    """Check the thresholds c_minus, c_zero, c_plus of a mode's basin against [low, high] (T12.2)."""
    from equilibria.basin import basin_boundary

    table = table_of(value, "thresholds", ("mode", "c_minus", "c_zero", "c_plus"))
    boundary = basin_boundary(context.own_model, whole_of(table.get("mode", 1), "thresholds.mode"))
    rows = []
    for name in ("c_minus", "c_zero", "c_plus"):
        if name not in table:
            continue
        limits = table[name]
        if not isinstance(limits, list) or len(limits) != 2:
            raise FormatError(f"holds.thresholds.{name}: expected [low, high]")
        low, high = (to_float(number_of(entry, f"thresholds.{name}")) for entry in limits)
        rows.append(_enclosed(name, boundary.thresholds.get(name), low, high))
    if not rows:
        raise FormatError("holds.thresholds: give c_minus, c_zero or c_plus as [low, high]")
    return gather(rows)


def _enclosed(name: str, bounds: Bounds | None, low: float, high: float) -> Finding:
    needed = f"{name} in [{low}, {high}]"
    if bounds is None:
        return Finding(False, "certified", f"there is no {name}", needed)
    found = f"{name} in [{bounds.low:.10g}, {bounds.high:.10g}]"
    if bounds.low >= low and bounds.high <= high:
        return Finding(True, bounds.how.value, found, needed)
    apart = bounds.high < low or bounds.low > high
    return Finding(False if apart else None, bounds.how.value, found, needed)
