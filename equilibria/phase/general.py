"""Phase diagrams of moments that do not commute: small sizes, modest grids, everything numeric.

Components are followed along the weight decay (`branches`), their leading eigenvalues computed at
every point of the grid (`margins`), boundaries located as roots between the points (`crossings`),
and the cycles born on Hopf curves followed along a few lines (`oscillation`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.phase.axes import Axis
from equilibria.phase.boundary import Boundary
from equilibria.phase.branches import Branch, follow_branches
from equilibria.phase.crossings import Crossing, boundaries_of, line_crossings
from equilibria.phase.diagram import SCHEMA, axis_json, run_lengths
from equilibria.phase.margins import Margins
from equilibria.phase.oscillation import Stretch, stretches
from equilibria.phase.run import formula_of
from equilibria.phase.setting import Decay
from equilibria.phase.spread import Progress
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 4
DEFAULT_COUNT = 24
MOST_CELLS = 4096

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class GeneralRegion:
    """All cells with the same stable components; `flow` and `map` list their ids."""

    index: int
    flow: Names
    map: Names
    cells: int

    @property
    def collapse_only(self) -> bool:
        """Whether full collapse is the only stable component of the map."""
        return self.map == ("rank0",)

    def to_json(self) -> dict[str, object]:
        """Return the entry of `regions`."""
        return {
            "index": self.index,
            "cells": self.cells,
            "collapse_only": self.collapse_only,
            "flow": _strata(self.flow),
            "map": _strata(self.map),
        }


def _strata(names: Names) -> dict[str, object]:
    top = names[0] if names else None
    return {
        "count": len(names),
        "stable": list(names),
        "top": top,
        "collapse": "rank0" in names,
    }


@dataclass(frozen=True)
class GeneralDiagram:
    """Regions, boundaries and cycles; `cells` has a row per value of y, a column per value of x."""

    model: Model
    decay: Decay
    x: Axis
    y: Axis
    components: Names
    regions: tuple[GeneralRegion, ...]
    cells: NDArray[np.int32]
    undecided: NDArray[np.bool_]
    boundaries: tuple[Boundary, ...]
    cycles: tuple[Stretch, ...]
    notes: Names = ()
    seconds: float = field(default=0.0, compare=False)

    def boundary_cells(self) -> list[tuple[int, int, str]]:
        """Return (column, row, kind) of the cells that are undecided."""
        return [(int(column), int(row), "undecided") for row, column in np.argwhere(self.undecided)]

    def to_json(self) -> dict[str, object]:
        """Return the object of schema `noncollapse/phase/1`."""
        from equilibria.systems.model_json import moments_json, parameters_json

        varied = {axis.name.replace("-", "_") for axis in (self.x, self.y)}
        parameters = parameters_json(self.model)
        return {
            "schema": SCHEMA,
            "procedure": self.model.procedure,
            "parameters": {k: v for k, v in parameters.items() if k not in varied},
            "moments": moments_json(self.model),
            "predictor_decay": self.decay,
            "x": axis_json(self.x),
            "y": axis_json(self.y),
            "components": list(self.components),
            "regions": [region.to_json() for region in self.regions],
            "cells": [run_lengths(row) for row in self.cells.tolist()],
            "boundary_cells": [list(cell) for cell in self.boundary_cells()],
            "collapse_only": [r.index for r in self.regions if r.collapse_only],
            "boundaries": [boundary.to_json() for boundary in self.boundaries],
            "cycles": [stretch.to_json() for stretch in self.cycles],
            "max_lr": None,
            "how": "numeric",
            "notes": list(self.notes),
        }


def general_diagram(
    model: Model, x: Axis, y: Axis, *, decay: Decay = "equal", progress: Progress | None = None
) -> GeneralDiagram:
    """Return the phase diagram of a small model whose moments do not commute.

    Raises `ScopeError` for n or d above LARGEST and `FormatError` for more than MOST_CELLS points.
    """
    model.plain("phase")
    began = time.perf_counter()
    _check(model, x, y, decay)
    decays = next((axis.values for axis in (x, y) if axis.name == "weight-decay"), (model.eta,))
    tell = _Steps(len(x.values) + 2 * len(y.values), progress)
    branches, folds, notes = follow_branches(model, decays)
    margins = Margins(model, x.name, y.name, decay)
    regions, cells, undecided = _cells(margins, branches, x, y, tell)
    crossings = tuple(_crossings(margins, branches, x, y, tell))
    ends = {"x": (x.low, x.high), "y": (y.low, y.high)}
    windows = {name: (to_float(a), to_float(b)) for name, (a, b) in ends.items()}
    cycles = stretches(margins, branches, crossings, windows, lambda: None)
    tell.finish()
    return GeneralDiagram(
        model=model,
        decay=decay,
        x=x,
        y=y,
        components=tuple(branch.id for branch in branches),
        regions=regions,
        cells=cells,
        undecided=undecided,
        boundaries=boundaries_of(crossings, folds, x, y, FORMULAS),
        cycles=cycles,
        notes=(*notes, SCOPE),
        seconds=time.perf_counter() - began,
    )


FORMULAS = {
    **{kind: formula_of(kind) for kind in ("flip", "neimark-sacker")},
    "hopf": "a pair of imaginary eigenvalues of the flow's Jacobian",
    "transcritical": "a real eigenvalue 0: exchange of stability",
}
SCOPE = (
    "moments do not commute: components are looked for at three weight decays, boundaries located "
    "between neighbouring grid points, cycles followed on a few lines; all numeric; largest steps "
    "are in `equilibria`"
)


def _check(model: Model, x: Axis, y: Axis, decay: Decay) -> None:
    if x.name == y.name:
        raise FormatError(f"--x {x.name} and --y {y.name}: two different parameters are needed")
    if max(model.n, model.d) > LARGEST:
        raise ScopeError(
            f"--embed-dim {model.n}, d = {model.d}: Sigma and M do not commute, and then a phase "
            f"diagram follows every component numerically: n and d at most {LARGEST}",
            hint="give eigenvalues with --signal and --total, or compare `equilibria` at few points",
        )
    if "ema" in (x.name, y.name) and not model.traits.has_target:
        raise FormatError("ema axis: needs --procedure ema")
    if "noise" in (x.name, y.name):
        raise FormatError("noise axis: Sigma = M + V I needs --signal, not --moments")
    if len(x.values) * len(y.values) > MOST_CELLS:
        raise FormatError(
            f"--x and --y: more than {MOST_CELLS} points, with moments that do not commute; "
            "lower COUNT"
        )
    if not (model.eta_p if decay == "fixed" else 1):
        raise ScopeError("--predictor-weight-decay 0: phase needs a decay above 0")


class _Steps:
    """Counts lines of the grid for the progress bar."""

    def __init__(self, total: int, progress: Progress | None) -> None:
        self.total, self.done, self.progress = total, 0, progress

    def __call__(self) -> None:
        self.done += 1
        if self.progress is not None:
            self.progress(min(self.done, self.total - 1), self.total)

    def finish(self) -> None:
        """Report everything as done."""
        if self.progress is not None:
            self.progress(self.total, self.total)


def _cells(
    margins: Margins, branches: list[Branch], x: Axis, y: Axis, tell: Callable[[], None]
) -> tuple[tuple[GeneralRegion, ...], NDArray[np.int32], NDArray[np.bool_]]:
    """Return the regions by descending size, the region of every cell, and where one is undecided."""
    answers: dict[tuple[Names, Names], int] = {}
    cells = np.zeros((len(y.values), len(x.values)), dtype=np.int32)
    undecided = np.zeros(cells.shape, dtype=np.bool_)
    order = sorted(branches, key=lambda b: (-b.rank, b.id))
    for row, up in enumerate(map(to_float, y.values)):
        for column, across in enumerate(map(to_float, x.values)):
            stable: list[Names] = []
            for which in ("flow", "map"):
                found = [(b.id, margins.leading(b, which, across, up)) for b in order]
                stable.append(tuple(i for i, lead in found if lead and lead.sign < 0))
                undecided[row, column] |= any(lead and lead.sign == 0 for _, lead in found)
            key = (stable[0], stable[1])
            cells[row, column] = answers.setdefault(key, len(answers))
        tell()
    counts = np.bincount(cells.ravel(), minlength=len(answers))
    rank = np.argsort(-counts, kind="stable")
    place = np.empty(rank.size, dtype=np.int32)
    place[rank] = np.arange(rank.size)
    keys = list(answers)
    regions = tuple(
        GeneralRegion(i, *keys[int(old)], cells=int(counts[old])) for i, old in enumerate(rank)
    )
    return regions, place[cells], undecided


def _crossings(
    margins: Margins, branches: list[Branch], x: Axis, y: Axis, tell: Callable[[], None]
) -> Iterator[Crossing]:
    for fixed in y.values:
        for branch in branches:
            yield from line_crossings(margins, branch, "x", x.values, fixed)
        tell()
    for fixed in x.values:
        for branch in branches:
            yield from line_crossings(margins, branch, "y", y.values, fixed)
        tell()
