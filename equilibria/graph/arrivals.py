"""Runs of the full flow on the core, each until it stays at a place.

A run has arrived when it stands still, or goes round, at an attractor. At a saddle it may only be
passing, however slowly: it is followed on, and the saddle counts as its end only if it is still
there when the time is over, PATIENCE times the slowest rate of any attractor.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from equilibria.cycles.cycle import LimitCycle, same_cycle
from equilibria.cycles.dynamics import dynamics_of
from equilibria.cycles.report import cycle_id
from equilibria.cycles.setting import Setting
from equilibria.cycles.settling import RTOL, settle
from equilibria.graph.places import GONE, NEAR, Place, cycle_place, marks_of
from equilibria.varieties.noncommuting.core import Array

PATIENCE = 60.0
GROWTH = 1.3  # of the spans a run is cut into
SOUGHT = 12  # spans in which a cycle is looked for
ENOUGH = 12.0  # first spans after which a run that still moves fast is given up: it wanders
WANDERING = 3.0  # relative speed, in units of the slowest rate, that counts as fast
TOLERANCE = RTOL


@dataclass(frozen=True, slots=True)
class Arrival:
    """Where a run ended (None: nowhere in time), how near, how still, and after how long."""

    end: str | None
    distance: float
    residual: float
    time: float


class Follower:
    """Runs to known places; cycles that runs discover become places too."""

    def __init__(self, setting: Setting, places: Sequence[Place], slowest: float) -> None:
        self.setting, self.slowest = setting, slowest
        self.places = list(places)
        self.cycles: list[LimitCycle] = []
        sizes = [float(np.linalg.norm(p.marks[0])) for p in places if np.any(p.marks)]
        self.smallest = min(sizes, default=1.0)

    def add(self, cycle: LimitCycle) -> str:
        """The id of a cycle's place, made if it is new."""
        for number, known in enumerate(self.cycles):
            if known.start.size == cycle.start.size and same_cycle(known, cycle):
                return cycle_id(number)
        self.cycles.append(cycle)
        name = cycle_id(len(self.cycles) - 1)
        self.places.append(cycle_place(name, cycle))
        return name

    def run(self, x: Array, chunk: float) -> Arrival:
        """Follow the flow from x; `chunk` is a few periods of the slowest turning nearby."""
        spent, span, limit = 0.0, chunk, PATIENCE / self.slowest
        rounds = 0
        here: Place | None = None
        while spent < limit:
            before, closing = here, 0 < rounds < SOUGHT and (here is None or here.stable is False)
            done = settle(self.setting, x, span, chunks=1, closing=closing)
            x, spent, rounds = done.state, spent + span, rounds + 1
            if done.ending == "cycle" and done.cycle is not None:
                name = self.add(done.cycle)
                place = next(p for p in self.places if p.id == name)
                if place.stable:
                    return self._arrived(place, x, spent)
            if not np.all(np.isfinite(x)):
                return Arrival(None, np.inf, np.inf, spent)
            here = self.at(x)
            again = here is before and here is not None and len(here.marks) > 1
            if here is not None and here.stable and (done.ending == "rest" or again):
                return self._arrived(here, x, spent)
            span = GROWTH * span
            if spent > ENOUGH * chunk and self._speed(x) > WANDERING * self.slowest:
                return Arrival(None, np.inf, self._speed(x), spent)
        if here is None:
            return Arrival(None, np.inf, self._speed(x), spent)
        return self._arrived(here, x, spent)

    def at(self, x: Array) -> Place | None:
        """The place whose invariants the state has, to NEAR."""
        best = min(self.places, key=lambda place: self._gap(place, x), default=None)
        return best if best is not None and self._gap(best, x) <= NEAR else None

    def _gap(self, place: Place, x: Array) -> float:
        """The relative distance of invariants from those of a place."""
        mark = marks_of(dynamics_of(self.setting, x), x)[0]
        size = float(np.linalg.norm(place.marks[0]))
        if not size:  # collapse: measured against the smallest equilibrium there is
            return float(np.linalg.norm(mark)) / self.smallest * NEAR / GONE
        return float(np.linalg.norm(place.marks - mark, axis=1).min()) / size

    def _speed(self, x: Array) -> float:
        """|field| / |state|."""
        field = dynamics_of(self.setting, x).field(x)
        return float(np.linalg.norm(field) / max(float(np.linalg.norm(x)), 1e-300))

    def _arrived(self, place: Place, x: Array, spent: float) -> Arrival:
        return Arrival(place.id, self._gap(place, x), self._speed(x), spent)
