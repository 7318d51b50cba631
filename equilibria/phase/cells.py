"""Every cell of the grid: which strata are stable there, and the largest stable step.

Cells are worked through in chunks that fit the cache; cells with the same rules share one answer.
A chunk's result is small arrays and a table of answers, so it travels cheaply between processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.phase.exact import ExactPoint, Kind
from equilibria.phase.setting import Points, Setting
from equilibria.phase.steps import closed_rate, obeys, top_stratum
from equilibria.phase.strata import StableStrata, distinct, pack, stable_strata
from equilibria.phase.verdicts import Decided, decide
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CHUNK_NUMBERS = 1 << 16
MEASURED_MARGIN = 1e-9

Answer = tuple[StableStrata, StableStrata]
"""The stable strata of the flow and of the map."""


@dataclass(frozen=True)
class Cells:
    """Results of consecutive cells: an index into `answers`, the step of the top stratum, marks."""

    answers: tuple[Answer, ...]
    index: NDArray[np.int32]
    top_step: Array
    boundary: NDArray[np.int8]


@dataclass
class Resolver:
    """Decides exactly what doubles cannot tell, at the exact parameters of a chunk's cells."""

    setting: Setting
    x: Sequence[Fraction]
    y: Sequence[Fraction]
    offset: int
    known: dict[int, ExactPoint] = field(default_factory=dict)
    memory: dict[tuple[object, ...], int] = field(default_factory=dict)

    def __call__(self, kind: Kind, point: int, i: int, j: int) -> tuple[int, str]:
        if not self.setting.model.exact:
            return 0, "undecided"
        exact = self._exact(point + self.offset)
        if kind in ("fold", "grow", "needed", "clash"):  # these do not depend on the step
            model = exact.model
            key = (kind, model.eta, exact.modes[i], exact.modes[j])
            if key not in self.memory:
                self.memory[key] = exact.sign(kind, i, j)
            sign = self.memory[key]
        else:
            sign = exact.sign(kind, i, j)
        return sign, boundary_kind(exact, kind, i, j) if sign == 0 else ""

    def _exact(self, cell: int) -> ExactPoint:
        if cell not in self.known:
            if len(self.known) > 256:
                self.known.clear()
            row, column = divmod(cell, len(self.x))
            self.known[cell] = ExactPoint(self.setting.model_at(self.x[column], self.y[row]))
        return self.known[cell]


def boundary_kind(exact: ExactPoint, kind: Kind, i: int, j: int) -> str:
    """Return the name of the boundary on which a block's sign is exactly zero."""
    if kind == "fold":
        return "transcritical" if exact.family is Family.CONTRASTIVE else "fold"
    if kind in ("grow", "needed", "clash"):
        return "transcritical"
    if kind.endswith("-flow"):
        return "hopf"
    if kind == "inactive" and exact.sign("grow", i, j) == 0:
        return "transcritical"
    if exact.family is Family.BOOTSTRAP and kind in ("diagonal", "pair"):
        return "flip" if exact.flips(kind, i, j) == 0 else "neimark-sacker"
    return "flip"


def evaluate(
    setting: Setting,
    x: Sequence[Fraction],
    y: Sequence[Fraction],
    start: int,
    stop: int,
    with_steps: bool = True,
) -> Cells:
    """Return the cells start..stop of the grid, numbered along x first."""
    chunk = max(16, CHUNK_NUMBERS // max(1, len(setting.modes)) ** 2)
    across = np.array([to_float(value) for value in x])
    up = np.array([to_float(value) for value in y])
    resolver = Resolver(setting, x, y, 0)
    table: dict[bytes, int] = {}
    answers: list[Answer] = []
    pieces: list[tuple[NDArray[np.int32], Array, NDArray[np.int8]]] = []
    for first in range(start, stop, chunk):
        cells = np.arange(first, min(first + chunk, stop))
        points = setting.points(across[cells % across.size], up[cells // across.size])
        resolver.offset, resolver.known = first, {}
        decided = decide(points, resolver, **_margin(setting))
        index = _answers(decided, setting.model.n, table, answers)
        pieces.append((index, _top_steps(points, decided, with_steps), decided.boundary))
    return Cells(
        tuple(answers),
        np.concatenate([piece[0] for piece in pieces]),
        np.concatenate([piece[1] for piece in pieces]),
        np.concatenate([piece[2] for piece in pieces]),
    )


def _margin(setting: Setting) -> dict[str, float]:
    return {} if setting.model.exact else {"margin": MEASURED_MARGIN}


def _answers(
    decided: Decided, n: int, table: dict[bytes, int], answers: list[Answer]
) -> NDArray[np.int32]:
    """Return an index into `answers` for every point, adding what was not seen before."""
    flow, step = pack(decided.flow), pack(decided.map)
    rows = np.concatenate([flow, step], axis=1)
    first, inverse = distinct(rows)
    places = []
    for place in first:
        key = rows[place].tobytes()
        if key not in table:
            table[key] = len(answers)
            answers.append(
                (stable_strata(decided.flow, place, n), stable_strata(decided.map, place, n))
            )
        places.append(table[key])
    return np.array(places, dtype=np.int32)[inverse]


def _top_steps(points: Points, decided: Decided, with_steps: bool) -> Array:
    """Return h* of the stratum of largest rank; nan where nothing is learned or it is not asked."""
    blocks = decided.blocks
    if not with_steps or blocks.rates is None:
        return np.full(points.count, np.nan)
    chosen = top_stratum(blocks.p, decided.flow.allowed, points.n)
    rate = closed_rate(blocks.rates, chosen, points.n)
    learned = chosen.any(axis=1)
    if points.family is not Family.BOOTSTRAP:
        learned &= obeys(decided.flow, chosen, points.n)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(learned, 2 * (1 + points.nu) / rate, np.nan)


def merge(parts: Sequence[Cells]) -> Cells:
    """Return consecutive parts as one, with equal answers joined."""
    table: dict[Answer, int] = {}
    indices = []
    for part in parts:
        places = [table.setdefault(answer, len(table)) for answer in part.answers]
        indices.append(np.array(places, dtype=np.int32)[part.index])
    return Cells(
        tuple(table),
        np.concatenate(indices),
        np.concatenate([part.top_step for part in parts]),
        np.concatenate([part.boundary for part in parts]),
    )
