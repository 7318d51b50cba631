"""The discrete map itself, iterated for many starts at once until each has settled.

Like `batch`, a pool: what has settled leaves, the next start takes its place, and a run does not
depend on its neighbours.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from equilibria.systems.integrate import PENDING, RUNAWAY, Settle, Trajectories

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Step = Callable[["Array", "Array", "Array"], None]
"""Advances (states, velocities, scratch) in place by one step; velocities may have no columns."""
BOUND = 1e12


def iterate(
    step: Step,
    starts: Array,
    settle: Settle,
    *,
    velocities: int,
    max_steps: int,
    check_every: int = 32,
    width: int = 256,
) -> Trajectories:
    """Iterate from every row of `starts`, with velocities 0, until it settles or steps run out.

    `settle` gets the states and their last displacement. `RUNAWAY` marks divergence.
    """
    count, size = starts.shape
    width = min(width, count)
    y, before, scratch = (np.zeros((width, size)) for _ in range(3))
    velocity = np.zeros((width, velocities))
    owner, age = np.zeros(width, dtype=np.int64), np.zeros(width, dtype=np.int64)
    final, code = starts.copy(), np.full(count, PENDING, dtype=np.int64)
    taken = np.zeros(count, dtype=np.int64)
    upcoming = active = 0
    while True:
        room = min(width - active, count - upcoming)
        rows = slice(active, active + room)
        owner[rows] = np.arange(upcoming, upcoming + room)
        y[rows], velocity[rows], age[rows] = starts[upcoming : upcoming + room], 0.0, 0
        upcoming, active = upcoming + room, active + room
        if not active:
            return Trajectories(final, taken.astype(np.float64), code, taken)
        a = active
        with np.errstate(over="ignore", invalid="ignore"):
            for index in range(check_every):
                if index == check_every - 1:
                    np.copyto(before[:a], y[:a])
                step(y[:a], velocity[:a], scratch[:a])
            age[:a] += check_every
            wild = ~(np.abs(y[:a]).max(axis=1) < BOUND)
            reached = settle(y[:a], y[:a] - before[:a])
        reached = np.where(wild, RUNAWAY, reached)
        done = (reached != PENDING) | (age[:a] >= max_steps)
        code[owner[:a][done]], taken[owner[:a][done]] = reached[done], age[:a][done]
        final[owner[:a][done]] = y[:a][done]
        keep = np.flatnonzero(~done)
        active = keep.size
        for array in (y, velocity, owner, age):
            array[:active] = array[keep]
