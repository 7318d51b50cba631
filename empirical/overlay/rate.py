"""How fast a run approaches: a robust fit of log distance over steps, and which multiplier that is.

Near a component the distance is a sum of c_i |z_i|^k over the normal multipliers z_i; the slowest
one that is excited wins. The fit takes the last part of the approach, where the distance is at most
a hundredth of its largest value, and there the median of the slopes between all pairs of points
(Theil and Sen), which a few odd points cannot move.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from equilibria.varieties.component import Component

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FEWEST = 4
LATE = 1e-2
DECADES = 1e4
FLOOR = 1e-13
SPREAD = 0.2
SHRUNK = 1.0
"""Less than a factor e says nothing about the shape of the approach."""
SAME = 0.05
"""Two decay rates within 5 % of one another count as the same."""


@dataclass(frozen=True)
class Contraction:
    """Measured factor a step (None: not geometric), the slowest predicted one and the one it is."""

    measured: float | None
    predicted: float | None
    matched: float | None
    note: str = ""


def fitted(step: NDArray[np.int64] | Array, distance: Array, scale: float) -> float | None:
    """Return the factor by which the distance shrinks in a step, None where it is not geometric."""
    floor = FLOOR * scale
    late = np.flatnonzero(distance <= LATE * distance.max())
    if not len(late):
        return None
    # Only what comes after the last time that it was far: before that it passed something else.
    far = np.flatnonzero(distance > LATE * distance.max())
    first = int(far[-1]) + 1 if len(far) else 0
    kept = np.arange(first, len(distance))
    kept = kept[(distance[kept] > floor) & (distance[kept] <= DECADES * distance[-1])]
    if len(kept) < FEWEST:
        return None
    x, y = step[kept].astype(float), np.log(distance[kept])
    if y[0] - y[-1] < SHRUNK:
        return None
    kept = y <= y[-1] + (y[0] - y[-1]) / 2  # the later half of the way
    if kept.sum() >= FEWEST:
        x, y = x[kept], y[kept]
    local = np.array([(b - a) / (t - s) for (s, a), (t, b) in pairwise(zip(x, y, strict=True))])
    i, j = np.triu_indices(len(x), 1)
    slope = float(np.median((y[j] - y[i]) / (x[j] - x[i])))
    low, high = np.quantile(local, [0.25, 0.75])
    if slope >= 0 or high - low > SPREAD * abs(slope):
        return None
    return float(np.exp(slope))


def compare(measured: float | None, radius: float | None, moduli: Array) -> Contraction:
    """Return the measured factor beside the slowest multiplier, and say when it is another one."""
    if measured is None or radius is None:
        return Contraction(measured, radius, None)
    if _same(measured, radius):
        return Contraction(measured, radius, radius)
    rates = [float(z) for z in moduli if 0 < z < 1]
    near = min(rates, key=lambda z: abs(np.log(z) - np.log(measured)), default=None)
    if near is not None and _same(measured, near):
        return Contraction(
            measured,
            radius,
            near,
            f"measures the multiplier {near:.5f}: the slowest, {radius:.5f}, is not excited",
        )
    return Contraction(measured, radius, None, "lies between multipliers: the approach is not over")


def _same(left: float, right: float) -> bool:
    return 0 < right < 1 and abs(np.log(left) / np.log(right) - 1) <= SAME


def normal_moduli(component: Component) -> Array:
    """Return the moduli of the multipliers across the component, largest first."""
    values = [e.value for e in component.map.spectrum for _ in range(e.multiplicity)]
    values.sort(key=lambda z: abs(z - 1))
    # The neutral ones belong to motion along the component: as many as its dimension, at 1.
    return np.array(sorted((abs(z) for z in values[component.map.neutral :]), reverse=True))
