"""One report of everything `basin` was asked, its JSON and its text."""

from __future__ import annotations

from dataclasses import dataclass

from equilibria.basin.answers import BasinAnswer, Boundary
from equilibria.basin.boundary import ROWS, basin_boundary
from equilibria.basin.point import basin_point
from equilibria.basin.probabilities import Endings, Progress, Sample, basin_probabilities
from equilibria.basin.scales import Scales, critical_scales
from equilibria.systems.model import Model

SCHEMA = "noncollapse/basin/1"


@dataclass(frozen=True)
class BasinReport:
    """The boundary of one mode, the fate of a point, and the endings of random starts; any of them."""

    model: Model
    boundary: Boundary | None = None
    point: BasinAnswer | None = None
    endings: Endings | None = None
    scales: Scales | None = None

    @property
    def undecided(self) -> bool:
        """Return whether something that was asked could not be decided."""
        pointless = self.point is not None and self.point.fate.value == "undecided"
        open_lines = self.boundary is not None and self.boundary.undecided > 0
        return pointless or open_lines or (self.endings is not None and self.endings.undecided > 0)

    def to_json(self) -> dict[str, object]:
        """Return the object of schema `noncollapse/basin/1`; parts not asked for are null."""
        from equilibria.systems.model_json import moments_json, parameters_json

        boundary = None if self.boundary is None else self.boundary.to_json()
        rows = None if boundary is None else boundary.pop("boundary")
        kind = "map" if boundary is not None and boundary["dynamics"] == "map" else "flow"
        ends = self.endings
        settled = None if ends is None else ends.sample.runs - ends.undecided - ends.diverged
        return {
            "schema": SCHEMA,
            "procedure": self.model.procedure,
            "parameters": parameters_json(self.model),
            "moments": moments_json(self.model),
            "mode": None if self.boundary is None else self.boundary.mode,
            "flow": boundary if kind == "flow" else None,
            "map": boundary if kind == "map" else None,
            "boundary": rows,
            "point": None if self.point is None else self.point.to_json(),
            "init": None if ends is None else ends.to_json(),
            "probabilities": None if ends is None else [s.to_json() for s in ends.shares],
            "undecided": None if ends is None else ends.undecided,
            "settled": settled,
            "critical_scales": None if self.scales is None else self.scales.to_json(),
        }


def basin_report(
    model: Model,
    *,
    mode: int | None = None,
    point: tuple[str, ...] | None = None,
    sample: Sample | None = None,
    is_map: bool = False,
    tolerance: float | None = None,
    rows: int = ROWS,
    progress: Progress | None = None,
) -> BasinReport:
    """Answer what was asked: a mode's boundary (the default), one start, random starts.

    `progress(done, total)` is told how far each part of the work is. With a `sample` the boundary is
    left out unless a mode or a point is asked for too.
    """
    model.plain("basin")
    wants_mode = mode is not None or point is not None or sample is None
    number = 1 if mode is None else mode
    boundary = answer = endings = None
    scales: Scales | None = None
    if point is not None:
        answer = basin_point(model, number, point, is_map=is_map, progress=progress)
    if wants_mode:
        boundary = basin_boundary(
            model, number, is_map=is_map, rows=rows, tolerance=tolerance, progress=progress
        )
    if sample is not None:
        rtol = 1e-6 if tolerance is None else tolerance
        endings = basin_probabilities(model, sample, is_map=is_map, rtol=rtol, progress=progress)
        # Where most runs are too slow to settle, those at other scales are as well.
        if model.eta and model.eta_p and 2 * endings.undecided <= sample.runs:
            scales = critical_scales(
                model, _smaller(sample), is_map=is_map, rtol=rtol, progress=progress
            )
    return BasinReport(model, boundary, answer, endings, scales)


def _smaller(sample: Sample) -> Sample:
    """Return the sample for the search of the scale: at most 256 runs, each followed 20 times."""
    return Sample(sample.init, 1.0, min(sample.runs, 256), sample.seed)
