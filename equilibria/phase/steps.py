"""The largest stable step of given strata: closed form (T10.1), exact polynomials in h, or search.

With equal decays h* = 2 (1 + nu)/rate, the rate being the largest of the stratum's blocks. For
kappa != 1 `exact_step` asks what `equilibria` reports, point by point. There the step sizes at which
the map is stable need not begin at zero: where the stop-gradient flow oscillates (T8.6), a slow target
can still be stable at larger steps, since beta = (1 - mu)/h falls. `largest_steps` searches for both
ends of the last stable interval, many points at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equilibria.phase.families import Rates
from equilibria.phase.setting import Points
from equilibria.phase.verdicts import Rules, decide, decide_map
from equilibria.systems.model import Model
from equilibria.varieties.commuting.components import evaluate
from equilibria.varieties.commuting.modes import modes_of, states_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

SCAN = np.geomspace(1e-7, 1.0, 140)
TINIEST = 1e-12
BISECTIONS = 38


def top_stratum(order: Array, exists: Flags, n: int) -> Flags:
    """Return the modes of the stratum of largest rank: the n largest |p+| that exist.

    It is closed (an edge leads to a larger |p+|, T8.3), hence stable for the flow when kappa = 1.
    """
    if n >= exists.shape[1]:
        return exists.copy()
    rank = np.argsort(np.argsort(-np.where(exists, np.abs(order), -1.0), axis=1, kind="stable"))
    return exists & (rank < n)


def closed_rate(rates: Rates, chosen: Flags, n: int) -> Array:
    """Return the largest rate among the blocks of a stratum, one per point (T10.1)."""
    rank = chosen.sum(axis=1)
    fixed = np.where(rank == 0, rates.rank[:, 0], np.where(rank < n, rates.rank[:, 1], 0.0))
    fixed = np.where(rank == n, rates.rank[:, 2], fixed)
    inside = chosen[:, :, None]
    both = inside & chosen[:, None, :]
    both[:, np.arange(chosen.shape[1]), np.arange(chosen.shape[1])] = False
    beside = np.where(inside & ~chosen[:, None, :], rates.inactive, 0.0)
    output = np.where(chosen & (rank < n)[:, None], rates.output, 0.0)
    worst = np.maximum(fixed, np.where(chosen, np.maximum(rates.diagonal, output), 0.0).max(axis=1))
    return np.asarray(np.maximum(worst, np.where(both, rates.pair, beside).max(axis=(1, 2))))


def obeys(rules: Rules, chosen: Flags, n: int) -> Flags:
    """Return at which points a stratum keeps the rules."""
    rank = chosen.sum(axis=1)
    bad = (chosen & ~rules.allowed).any(axis=1)
    bad |= (rules.require & chosen[:, :, None] & ~chosen[:, None, :]).any(axis=(1, 2))
    if rules.conflict is not None:
        bad |= (rules.conflict & chosen[:, :, None] & chosen[:, None, :]).any(axis=(1, 2))
    partial = rank < n
    bad |= partial & (chosen & rules.output).any(axis=1)
    if rules.needed is not None:
        bad |= partial & (rules.needed & ~chosen).any(axis=1)
    kind = np.where(rank == n, 2, np.where(rank == 0, 0, 1))
    return np.asarray(~bad & rules.ranks[np.arange(rank.size), kind])


def largest_steps(points: Points, chosen: Flags) -> tuple[Array, Array]:
    """Return the ends (low, high) of the last interval of stable step sizes of each stratum.

    `low` is 0 where every smaller step is stable too; both are nan where the stratum does not exist
    or no step is stable.
    """
    decided = decide(points)
    if decided.blocks.rates is not None:
        rate = closed_rate(decided.blocks.rates, chosen, points.n)
        stable = obeys(decided.flow, chosen, points.n)
        with np.errstate(divide="ignore"):
            high = np.where(stable, 2 * (1 + points.nu) / rate, np.nan)
        return np.where(stable, 0.0, np.nan), high
    return _search(points, chosen, decided.blocks.p)


def exact_step(model: Model, active: Sequence[int]) -> float:
    """Return the largest step of the p+ stratum of the modes `active`, counted from 0; nan for none."""
    modes = modes_of(model.moments)
    states = [states_of(modes[i], model.eta) for i in active]
    if not states or not all(states):
        return np.nan
    step = evaluate(model, modes, [tuple(roots[0] for roots in states)])[0].map.largest_step
    return np.nan if step is None else step


def _search(points: Points, chosen: Flags, p: Array) -> tuple[Array, Array]:
    """Scan the step sizes upwards, then bisect both ends of the last stable interval."""
    ceiling = _ceiling(points, chosen, p)
    count = points.count
    stable = np.zeros((SCAN.size, count), dtype=np.bool_)
    for k, share in enumerate(SCAN):
        stable[k] = _stable(points, chosen, share * ceiling)
    some = stable.any(axis=0)
    last = SCAN.size - 1 - stable[::-1].argmax(axis=0)
    runs = np.where(stable[: SCAN.size], 0, np.arange(1, SCAN.size + 1)[:, None])
    runs[np.arange(SCAN.size)[:, None] > last] = 0
    first = runs.max(axis=0)  # the scan index after the last unstable one below `last`
    end = SCAN.size - 1
    high = _bisect(points, chosen, SCAN[last] * ceiling, SCAN[np.minimum(last + 1, end)] * ceiling)
    above, below = SCAN[np.minimum(first, end)], SCAN[np.maximum(first - 1, 0)]
    # At mu held, small steps are those of the stop-gradient flow, beta being large.
    settled = (first == 0) & obeys(decide(replace(points, ema=False)).flow, chosen, points.n)
    low = _bisect(points, chosen, above * ceiling, np.where(first == 0, TINIEST, below) * ceiling)
    low = np.where(settled, 0.0, low)
    return np.where(some, low, np.nan), np.where(some, high, np.nan)


def _ceiling(points: Points, chosen: Flags, p: Array) -> Array:
    """Return a step beyond which a diagonal block's multipliers sum to too much (`largest_step`)."""
    rate = (points.kappa + points.mu * points.ema)[:, None] * p * points.m
    count = 2 * (1 + (points.nu > 0)) + points.ema
    fixed = np.maximum(points.kappa, 1) * points.eta
    worst = np.maximum(
        np.where(chosen, rate, 0.0).max(axis=1), np.where(chosen.any(axis=1), 0, fixed)
    )
    return np.asarray(2 * count / worst)


def _bisect(points: Points, chosen: Flags, inside: Array, outside: Array) -> Array:
    """Return where stability is lost between a stable and an unstable step, each per point."""
    for _ in range(BISECTIONS):
        middle = (inside + outside) / 2
        good = _stable(points, chosen, middle)
        inside, outside = np.where(good, middle, inside), np.where(good, outside, middle)
    return inside


def _stable(points: Points, chosen: Flags, h: Array) -> Flags:
    return obeys(decide_map(points.with_step(h)), chosen, points.n)
