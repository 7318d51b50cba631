"""PhaseDiagram: regions of a two-parameter grid, their boundaries and largest steps.

A frozen result with no computing left to do: `to_json` is the stable form (schema
noncollapse/phase/1), `lines` the text of the terminal, `figure.draw` the picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.rationals import to_text
from equilibria.phase.axes import Axis
from equilibria.phase.boundary import Boundary
from equilibria.phase.setting import Setting
from equilibria.phase.strata import StableStrata, modes_in, stratum_name
from equilibria.phase.verdicts import BOUNDARY_KINDS
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

SCHEMA = "noncollapse/phase/1"


@dataclass(frozen=True)
class Region:
    """All cells with the same stable strata, of the flow and of the map."""

    index: int
    flow: StableStrata
    map: StableStrata
    cells: int

    @property
    def collapse_only(self) -> bool:
        """Return whether full collapse is the only stable stratum of the map."""
        return self.map.masks == (0,)

    def to_json(self) -> dict[str, object]:
        return {
            "index": self.index,
            "cells": self.cells,
            "collapse_only": self.collapse_only,
            "flow": strata_json(self.flow),
            "map": strata_json(self.map),
        }


def strata_json(strata: StableStrata) -> dict[str, object]:
    """Return the ids where they are listed, the count, and a stratum of the largest rank."""
    names = None if strata.masks is None else [stratum_name(mask) for mask in strata.masks]
    top = None if strata.top is None else stratum_name(strata.top)
    return {"count": strata.count, "stable": names, "top": top, "collapse": strata.collapse}


@dataclass(frozen=True)
class PhaseDiagram:
    """Stability over two parameters; arrays have a row per value of y, a column per value of x."""

    setting: Setting
    x: Axis
    y: Axis
    regions: tuple[Region, ...]
    cells: NDArray[np.int32]
    """The index of every cell's region."""
    on_boundary: NDArray[np.int8]
    """Codes into `verdicts.BOUNDARY_KINDS`: 0 unless a sign is exactly zero there, or not known."""
    top_step: Array | None
    """The largest stable lr of the stratum of largest rank; nan where nothing can be learned."""
    boundaries: tuple[Boundary, ...]
    notes: tuple[str, ...] = ()
    seconds: float = field(default=0.0, compare=False)

    def region_at(self, column: int, row: int) -> Region:
        """Return the region of the cell at x.values[column], y.values[row]."""
        return self.regions[int(self.cells[row, column])]

    def boundary_cells(self) -> list[tuple[int, int, str]]:
        """Return (column, row, kind) of the cells that lie on a boundary or are undecided."""
        return [
            (int(column), int(row), BOUNDARY_KINDS[int(self.on_boundary[row, column])])
            for row, column in np.argwhere(self.on_boundary)
        ]

    def to_json(self) -> dict[str, object]:
        """Return the diagram as JSON data; equal diagrams give equal bytes."""
        return {
            "schema": SCHEMA,
            "procedure": self.setting.model.procedure,
            "parameters": self._parameters(),
            "predictor_decay": self.setting.decay,
            "x": axis_json(self.x),
            "y": axis_json(self.y),
            "regions": [region.to_json() for region in self.regions],
            "cells": [run_lengths(row) for row in self.cells.tolist()],
            "boundary_cells": [list(cell) for cell in self.boundary_cells()],
            "collapse_only": [r.index for r in self.regions if r.collapse_only],
            "boundaries": [boundary.to_json() for boundary in self.boundaries],
            "max_lr": None if self.top_step is None else _rounded(self.top_step),
            "notes": list(self.notes),
        }

    def _parameters(self) -> dict[str, object]:
        model, varied = self.setting.model, (self.x.name, self.y.name)
        known = {
            "lr": model.h,
            "weight-decay": model.eta,
            "ema": model.mu if model.traits.has_target else None,
            "predictor-lr": model.alpha,
        }
        rates = {
            name.replace("-", "_"): None if value is None else to_text(value)
            for name, value in known.items()
            if name not in varied
        }
        modes = self.setting.modes
        total = None if "noise" in varied else [to_text(mode.s) for mode in modes]
        decay = to_text(model.eta_p) if self.setting.decay == "fixed" else None
        return {
            **rates,
            "predictor_weight_decay": decay,
            "momentum": to_text(model.nu),
            "embed_dim": model.n,
            "input_dim": model.d,
            "signal": [to_text(mode.m) for mode in modes],
            "total": total,
        }


def axis_json(axis: Axis) -> dict[str, object]:
    """Return an axis with its exact values."""
    scale = "log" if axis.log else "linear"
    return {"name": axis.name, "scale": scale, "values": [to_text(v) for v in axis.values]}


def run_lengths(row: list[int]) -> list[list[int]]:
    return [[region, len(list(run))] for region, run in groupby(row)]


def _rounded(array: Array) -> list[list[float | None]]:
    return [
        [float(f"{value:.9g}") if np.isfinite(value) else None for value in row]
        for row in array.tolist()
    ]


def collapse_threshold(setting: Setting) -> Fraction | None:
    """Return max m^2/(4 s): above it every start collapses under the flow, proved (T2.4, T6.3)."""
    if setting.family not in (Family.BOOTSTRAP, Family.DIRECT) or "noise" in (setting.x, setting.y):
        return None
    values = [mode.m**2 / (4 * mode.s) for mode in setting.modes]
    return max(values)


def short_name(mask: int) -> str:
    """Return 1+,2+ for a stratum and collapse for rank 0; long ones name their first modes."""
    numbers = modes_in(mask)
    if not numbers:
        return "collapse"
    if len(numbers) > 3 and numbers == tuple(range(1, len(numbers) + 1)):
        return f"1+..{len(numbers)}+"
    if len(numbers) > 5:
        return ",".join(f"{k}+" for k in numbers[:4]) + f",.. ({len(numbers)} modes)"
    return ",".join(f"{k}+" for k in numbers)


def describe(strata: StableStrata, most: int = 4) -> str:
    """Return the stable strata in a few words."""
    if strata.masks is None:
        if strata.count is None:
            return "too many strata to count"
        return f"{strata.count} strata, up to rank {(strata.top or 0).bit_count()}"
    if not strata.masks:
        return "nothing is stable"
    if strata.masks == (0,):
        return "only collapse"
    names = [short_name(mask) for mask in strata.masks]
    if len(names) <= most:
        return " | ".join(names)
    return f"{names[0]} | {names[1]} | ... ({len(names)} strata)"
