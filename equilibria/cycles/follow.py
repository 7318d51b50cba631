"""A limit cycle along a parameter, until it dies.

Natural continuation: the cycle at one value, turned into the frame of the one before and
extrapolated, is where Newton starts at the next value; steps grow while that works and shrink when
it does not. A cycle ends in a Hopf point (its size goes to zero like the square root of the
distance), in a fold of cycles (a second multiplier reaches 1 and Newton fails beyond), or in a
homoclinic orbit (its period grows without bound).
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import brentq

from equilibria.cycles.crossing import HopfPoint
from equilibria.cycles.cycle import LimitCycle, carry_cycle, close_cycle
from equilibria.cycles.pairs import leading_pair
from equilibria.cycles.setting import Path, Setting
from equilibria.cycles.settling import kicked
from equilibria.varieties.component import Verdict

End = Literal["range", "hopf", "fold", "homoclinic", "lost", "stopped"]
MOST_STEPS = 200
SMALLEST = 1e-6  # of the range: the step below which the cycle is given up
SMALL = 0.03  # extent, relative to the largest along the way, from which a Hopf point is guessed
CLOSE = 0.01  # of the range: how near a Hopf point must be, by extrapolation, to end a branch
LONG = 3.0  # period, relative to the shortest along the way, that counts as homoclinic
JUMP = 0.35  # relative change of period or extent that one step may make
KICKS = (0.01, 0.03, 0.003, 0.1)  # relative displacements from which a small cycle is tried
COLD = 0.3  # step, relative to the one before, below which Newton may also start afresh
FOLDED = 0.9  # second multiplier at the last cycle before a fold


@dataclass(frozen=True, slots=True, eq=False)
class CycleBranch:
    """Cycles at increasing or decreasing values; how the branch ended, and where, estimated.

    `changes` lists the values, each between two neighbours, at which the verdict changes.
    """

    values: tuple[float, ...]
    cycles: tuple[LimitCycle, ...]
    end: End
    end_value: float
    reason: str
    changes: tuple[float, ...] = ()

    def to_json(self, *, scale: float = 1.0) -> dict[str, object]:
        """Return the object `cycle_branch`."""
        return {
            "values": list(self.values),
            "cycles": [cycle.to_json(scale=scale) for cycle in self.cycles],
            "end": self.end,
            "end_value": self.end_value,
            "reason": self.reason,
            "stability_changes": list(self.changes),
        }


def follow_cycle(
    path: Path,
    cycle: LimitCycle,
    start: float,
    stop: float,
    *,
    first: float | None = None,
    most: int = MOST_STEPS,
    time_limit: float = np.inf,
) -> CycleBranch:
    """Follow `cycle`, which belongs to path(start), towards `stop`, upwards or downwards.

    `first` is the size of the first step, a fiftieth of the range by default; steps never exceed a
    tenth of the range. `most` and `time_limit` (seconds) end the branch early, and `reason` says so.
    """
    values, cycles, end, reason = _followed(
        path, cycle, (start, stop), first=first, most=most, time_limit=time_limit
    )
    estimate = {"hopf": _hopf_value, "homoclinic": _homoclinic_value}.get(end)
    at = values[-1] if estimate is None else estimate(values, cycles)
    changes = [
        (a + b) / 2
        for a, b, one, two in zip(values, values[1:], cycles, cycles[1:], strict=False)
        if (one.verdict is Verdict.STABLE) != (two.verdict is Verdict.STABLE)
    ]
    return CycleBranch(tuple(values), tuple(cycles), end, at, reason, tuple(changes))


def _followed(
    path: Path,
    cycle: LimitCycle,
    between: tuple[float, float],
    *,
    first: float | None,
    most: int,
    time_limit: float,
) -> tuple[list[float], list[LimitCycle], End, str]:
    """Return the values and the cycles there, how the branch ends and why."""
    start, stop = between
    deadline = time.monotonic() + time_limit
    span = stop - start
    if not span:
        raise ValueError(f"range {start} to {stop}: is empty")
    step = abs(first or span / 50) * np.sign(span)
    values, cycles = [start], [cycle]
    while len(values) < most:
        if time.monotonic() > deadline:
            return values, cycles, "stopped", f"stopped by the time limit of {time_limit:.3g} s"
        left = stop - values[-1]
        if abs(left) <= SMALLEST * abs(span):
            return values, cycles, "range", "the cycle exists up to the end of the range"
        step = np.sign(span) * min(abs(step), abs(left), 0.1 * abs(span))
        value = stop if abs(step - left) <= 1e-9 * abs(span) else values[-1] + step
        found = _next(path(value), values, cycles, value)
        if found is None:
            if _reaches_hopf(values, cycles, value, abs(span)):
                return values, cycles, "hopf", "the cycle shrinks onto an equilibrium"
            step = step / 2
            if abs(step) < SMALLEST * abs(span):
                return values, cycles, *_death(cycles)
            continue
        values.append(float(value))
        cycles.append(found)
        step = step * 1.5
        death = _dying(cycles)
        if death is not None:
            return values, cycles, *death
    return values, cycles, "stopped", f"stopped after {most} cycles"


def cycle_from_hopf(
    path: Path,
    point: HopfPoint,
    *,
    offset: float = 0.02,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> tuple[float, LimitCycle] | None:
    """A small cycle beside a Hopf point, at most `offset` (relative) away, and its value.

    It is looked for on the side where the first Lyapunov coefficient says that it lives; where that
    is unknown, on the unstable side.
    """
    side = np.sign(point.speed) * (-1.0 if (point.lyapunov or -1.0) > 0 else 1.0)
    for share in (offset, offset / 4, offset / 16):
        value = point.value + side * share * (abs(point.value) or 1.0)
        if not within[0] < value < within[1]:
            continue
        setting = path(value)
        core = setting.near(point.core.W)
        if core is None or leading_pair(setting, core) is None:
            continue
        for size in KICKS:
            x, period = kicked(setting, core, size=size)
            found = close_cycle(setting, x, period)
            if found is not None and found.extent < 20 * size:
                return float(value), found
    return None


def _next(
    setting: Setting, values: list[float], cycles: list[LimitCycle], value: float
) -> LimitCycle | None:
    """The cycle at the next value, if Newton finds one that continues the branch."""
    last, share = cycles[-1], 1.0
    if len(cycles) > 1:
        share = (value - values[-1]) / (values[-1] - values[-2])
    found = carry_cycle(setting, last, cycles[-2] if len(cycles) > 1 else None, share)
    if found is not None and _continues(last, found):
        return found
    if len(cycles) > 1 and abs(share) > COLD:
        return None  # a smaller step is cheaper than a fresh start
    found = close_cycle(setting, last.start, last.period)
    return found if found is not None and _continues(last, found) else None


def _continues(last: LimitCycle, found: LimitCycle) -> bool:
    periods = abs(found.period / last.period - 1)
    return bool(periods <= JUMP and JUMP < found.extent / last.extent < 1 / JUMP)


def _dying(cycles: list[LimitCycle]) -> tuple[End, str] | None:
    """Whether the last cycle is about to vanish into an equilibrium or to break."""
    extents = [c.extent for c in cycles]
    if len(cycles) > 2 and extents[-1] < SMALL * max(extents):
        return "hopf", "the cycle shrinks onto an equilibrium"
    if cycles[-1].period > LONG * min(c.period for c in cycles):
        return "homoclinic", "the period grows without bound"
    return None


def _reaches_hopf(values: list[float], cycles: list[LimitCycle], value: float, span: float) -> bool:
    """Whether the size, extrapolated, is zero close by and before the value that failed."""
    if len(cycles) < 3 or cycles[-1].extent >= cycles[-2].extent:
        return False
    left = _hopf_value(values, cycles) - values[-1]
    return abs(left) < CLOSE * span and abs(left) < abs(value - values[-1])


def _death(cycles: list[LimitCycle]) -> tuple[End, str]:
    """Why Newton fails beyond the last cycle."""
    last = cycles[-1]
    second = last.multipliers[1] if last.multipliers.size > 1 else 0j
    if last.extent < 3 * SMALL * max(c.extent for c in cycles):
        return "hopf", "the cycle shrinks onto an equilibrium"
    if abs(second.imag) < 1e-6 and second.real > FOLDED:
        return "fold", f"a multiplier reaches {second.real:.4f}: two cycles meet"
    if last.period > 0.4 * LONG * min(c.period for c in cycles):
        return "homoclinic", f"the period has grown to {last.period:.4g}"
    return "lost", "Newton's method fails beyond; the cycle is still hyperbolic here"


def _hopf_value(values: list[float], cycles: list[LimitCycle]) -> float:
    """Where the square of the extent, extrapolated through the last two cycles, is zero."""
    if len(values) < 2:
        return values[-1]
    a, b = (c.extent**2 for c in cycles[-2:])
    return float(values[-1] - b * (values[-1] - values[-2]) / (b - a)) if a != b else values[-1]


def _homoclinic_value(values: list[float], cycles: list[LimitCycle]) -> float:
    """Where exp(-rate T), which is proportional to the distance from a homoclinic orbit, is zero.

    With three cycles (v_i, T_i) the rate solves (v_1 - v_0) / (v_2 - v_1) =
    (e_0 - e_1) / (e_1 - e_2), e_i = exp(-rate T_i).
    """
    v, T = np.array(values[-3:]), np.array([c.period for c in cycles[-3:]])
    if v.size < 3 or not np.all(np.diff(T) > 0):
        return values[-1]
    ratio, T = (v[1] - v[0]) / (v[2] - v[1]), T - T[0]

    def excess(rate: float) -> float:
        e = np.exp(-rate * T)
        return float((e[0] - e[1]) / (e[1] - e[2]) - ratio)

    rates = np.geomspace(1e-3, 30, 200) / float(np.mean(np.diff(T)))
    signs = np.sign([excess(rate) for rate in rates])
    change = np.flatnonzero(signs[:-1] != signs[1:])
    if not change.size:
        return values[-1]
    rate = float(brentq(excess, rates[change[0]], rates[change[0] + 1]))
    e = np.exp(-rate * T)
    return float(v[2] + (v[2] - v[1]) * e[2] / (e[1] - e[2]))
