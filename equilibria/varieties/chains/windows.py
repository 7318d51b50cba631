"""Target rates at which EMA destabilises what stop-gradient keeps stable (T31.4).

Beside an input that no unit uses, at a phase Delta to it, the block is
l^2 + (beta + A) l + beta (A - B exp(i Delta)) with A = eta_1 (1 + s_j p/q), B = eta_1 |m_j|/q. Where
B cos Delta < A < B cos^2(Delta/2) it is unstable exactly for beta between the roots of
beta^2 + beta (2 A - B^2 sin^2 Delta/(A - B cos Delta)) + A^2. All other blocks are stable for every
beta.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed
from equilibria.exact.intervals import Uncertain
from equilibria.varieties.chains.mode_equation import enclosed, gain
from equilibria.varieties.chains.phases import phases
from equilibria.varieties.chains.rest import Rest

Window = tuple[float, float]


def ema_windows(stratum: Sequence[Rest], units: Iterable[Unit]) -> tuple[Window, ...]:
    """Return the intervals of beta, joined where they overlap; empty for symmetric M."""
    active = {rest.unit.columns for rest in stratum}
    found = [
        window
        for unit in units
        if unit.columns not in active
        for rest in stratum
        for window in _windows(rest, unit)
    ]
    return tuple(_joined(sorted(found)))


def _windows(rest: Rest, unit: Unit) -> Iterable[Window]:
    eta, inverse = rest.chain.decays[0], rest.q.inverse()
    own = (1 + rest.p * unit.s * inverse) * eta
    target = inverse * enclosed(gain(unit)) * eta
    for phase in phases(rest.unit, unit):
        if not phase.real:
            window = _window(own, target, phase.cosine)
            if window is not None:
                yield window


def _window(own: Enclosed, target: Enclosed, cosine: Enclosed) -> Window | None:
    slack = own - target * cosine
    try:
        if slack.sign() <= 0 or (own * 2 - target * (cosine + 1)).sign() >= 0:
            return None
    except Uncertain:  # at the bifurcation itself
        return None
    lag = target * target * (1 - cosine * cosine) * slack.inverse()
    half = float(lag * _HALF - own)
    root = math.sqrt(float((lag * _HALF - own) * (lag * _HALF - own) - own * own))
    high = half + root
    return float(own * own) / high, high


_HALF = Enclosed.of(1) * Enclosed.of(2).inverse()


def _joined(windows: Sequence[Window]) -> Iterable[Window]:
    open_one: Window | None = None
    for low, high in windows:
        if open_one is not None and low <= open_one[1]:
            open_one = (open_one[0], max(open_one[1], high))
            continue
        if open_one is not None:
            yield open_one
        open_one = (low, high)
    if open_one is not None:
        yield open_one
