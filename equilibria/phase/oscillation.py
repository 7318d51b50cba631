"""Attracting cycles in a phase diagram: born on its Hopf curves, followed along a few lines.

A line of the grid that crosses a Hopf curve is a path of flows. On it the cycle is found beside the
Hopf point and followed (`cycles.follow`) until it dies, leaves the window or a limit is reached; the
values at which its Floquet multipliers lie inside the unit circle are where it attracts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from equilibria.cycles.crossing import HopfPoint
from equilibria.cycles.follow import CycleBranch, cycle_from_hopf, follow_cycle
from equilibria.cycles.pairs import frequency, margin, nearest_pair, others_unstable
from equilibria.cycles.setting import Setting
from equilibria.phase.branches import Branch
from equilibria.phase.crossings import Crossing
from equilibria.phase.margins import Margins
from equilibria.varieties.component import Verdict

LINES = 2
CYCLES = 40
SECONDS = 10.0
SLOPE_STEP = 1e-4


@dataclass(frozen=True, slots=True)
class Stretch:
    """Cycles along one line: values of the axis `along`, the other fixed, which of them attract."""

    branch: str
    along: str
    fixed: float
    values: tuple[float, ...]
    periods: tuple[float, ...]
    attracting: tuple[bool, ...]
    end: str
    reason: str

    def to_json(self) -> dict[str, object]:
        """Return the entry of `cycles`."""
        return {
            "born_from": self.branch,
            "along": self.along,
            "fixed": self.fixed,
            "values": list(self.values),
            "periods": list(self.periods),
            "attracting": list(self.attracting),
            "end": self.end,
            "reason": self.reason,
            "how": "numeric",
        }


def stretches(
    margins: Margins,
    branches: Sequence[Branch],
    crossings: Sequence[Crossing],
    windows: dict[str, tuple[float, float]],
    tell: Callable[[], None],
) -> tuple[Stretch, ...]:
    """Follow cycles from at most LINES Hopf points, spread over the Hopf curves.

    Points where the equilibrium has further unstable directions come last: no attractor is born
    there. `windows` holds the ends of the axes "x" and "y".
    """
    found = []
    places = {branch.id: branch for branch in branches}
    for crossing in _chosen([c for c in crossings if c.kind == "hopf"]):
        followed = _followed(margins, places[crossing.branch], crossing, windows[crossing.along])
        tell()
        if followed is not None:
            found.append(_stretch(crossing, followed))
    return tuple(found)


def _chosen(points: Sequence[Crossing]) -> list[Crossing]:
    """Supercritical points first, from lines spread over those there are."""
    chosen: list[Crossing] = []
    for word in ("supercritical", "subcritical", "undecided"):
        some = sorted(
            (p for p in points if p.criticality == word), key=lambda p: (p.along, p.x, p.y)
        )
        for k in np.unique(np.linspace(0, len(some) - 1, min(LINES, len(some))).astype(int)):
            chosen.append(some[int(k)])
    return chosen[:LINES]


def _followed(
    margins: Margins, branch: Branch, crossing: Crossing, window: tuple[float, float]
) -> CycleBranch | None:
    value = crossing.x if crossing.along == "x" else crossing.y

    def path(at: float) -> Setting:
        spot = (at, crossing.y) if crossing.along == "x" else (crossing.x, at)
        return margins.settings(*spot)["flow"]

    point = _hopf_point(branch, crossing, path, value)
    born = None if point is None else cycle_from_hopf(path, point, within=window)
    if born is None:
        return None
    first, cycle = born
    stop = window[1] if first > value else window[0]
    step = abs(first - value)
    return follow_cycle(path, cycle, first, stop, first=step, most=CYCLES, time_limit=SECONDS)


def _hopf_point(
    branch: Branch, crossing: Crossing, path: Callable[[float], Setting], value: float
) -> HopfPoint | None:
    """The crossing as a point of `cycles`, with the speed at which the pair crosses."""
    ends = []
    for at in (value * (1 - SLOPE_STEP), value, value * (1 + SLOPE_STEP)):
        setting = path(at)
        core = branch.at(setting)
        pair = None if core is None else nearest_pair(setting, core, crossing.value)
        if core is None or pair is None:
            return None
        ends.append((float(margin(setting, np.array([pair]))[0]), pair, core))
    setting, (_, pair, core) = path(value), ends[1]
    return HopfPoint(
        value=value,
        pair=pair,
        frequency=frequency(setting, pair),
        speed=(ends[2][0] - ends[0][0]) / (2 * SLOPE_STEP * value),
        others=others_unstable(setting, core, pair),
        lyapunov=crossing.lyapunov,
        kind="Hopf",
        core=core,
    )


def _stretch(crossing: Crossing, followed: CycleBranch) -> Stretch:
    return Stretch(
        branch=crossing.branch,
        along=crossing.along,
        fixed=crossing.y if crossing.along == "x" else crossing.x,
        values=followed.values,
        periods=tuple(cycle.period for cycle in followed.cycles),
        attracting=tuple(cycle.verdict is Verdict.STABLE for cycle in followed.cycles),
        end=followed.end,
        reason=followed.reason,
    )
