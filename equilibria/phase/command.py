"""What the command `phase` does, without the words: options in, a diagram and its files out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast, get_args

import numpy as np

from equilibria.errors import FormatError
from equilibria.files import atomic, write_text
from equilibria.options import ModelOptions, build_model
from equilibria.phase.axes import parse_axis
from equilibria.phase.diagram import PhaseDiagram
from equilibria.phase.run import phase_diagram
from equilibria.phase.setting import Decay
from equilibria.phase.spread import Progress
from equilibria.phase.verdicts import BOUNDARY_KINDS
from equilibria.rationals import rational

FIGURES = (".png", ".svg")


@dataclass(frozen=True, slots=True)
class PhaseOptions:
    """The options of `phase` beside the model's, as text."""

    x: str
    y: str
    decay: str | None = None
    """equal, coupled or fixed; None: fixed where the model's options give the predictor's decay."""
    backend: str | None = None
    jobs: str | None = None
    plot: str | None = None
    json: str | None = None


def diagram_of(
    model_options: ModelOptions, options: PhaseOptions, *, progress: Progress | None = None
) -> PhaseDiagram:
    """Return the diagram that the options ask for; raises `FormatError` naming what is wrong."""
    axes = (parse_axis(options.x, "--x"), parse_axis(options.y, "--y"))
    if options.plot is not None and Path(options.plot).suffix.lower() not in FIGURES:
        raise FormatError(f"--plot {options.plot}: expected a file name ending in .png or .svg")
    names = {axis.name for axis in axes}
    _check_conflicts(model_options, names)
    if "ema" in names and model_options.procedure is None:
        model_options = replace(model_options, procedure="ema")
    return phase_diagram(
        build_model(model_options),
        *axes,
        decay=_decay(model_options, options),
        backend=options.backend,
        jobs=None if options.jobs is None else _jobs(options.jobs),
        progress=progress,
    )


def write_diagram(diagram: PhaseDiagram, options: PhaseOptions) -> None:
    """Write the files asked for; each is complete or not there."""
    if options.json is not None and options.json != "-":
        write_text(options.json, json_text(diagram), "--json")
    if options.plot is not None:
        from equilibria.phase.figure import draw

        with atomic(options.plot, "--plot", binary=True) as stream:
            draw(diagram, stream, Path(options.plot).suffix.lower()[1:])


def json_text(diagram: PhaseDiagram) -> str:
    """Return the diagram as JSON text; equal diagrams give equal bytes."""
    return json.dumps(diagram.to_json(), ensure_ascii=False, allow_nan=False) + "\n"


def undecided_cells(diagram: PhaseDiagram) -> int:
    """Return how many cells could not be decided: measured moments too close to a boundary."""
    return int(np.count_nonzero(diagram.on_boundary == BOUNDARY_KINDS.index("undecided")))


def _decay(model_options: ModelOptions, options: PhaseOptions) -> Decay:
    given = model_options.predictor_weight_decay is not None
    if options.decay is None:
        return "fixed" if given else "equal"
    if options.decay not in get_args(Decay):
        raise FormatError(f"--decay {options.decay}: expected {', '.join(get_args(Decay))}")
    if given and options.decay != "fixed":
        raise FormatError(
            f"--decay {options.decay} and --predictor-weight-decay: both define the predictor's "
            "decay, give one of the two"
        )
    return cast(Decay, options.decay)


def _check_conflicts(model_options: ModelOptions, names: set[str]) -> None:
    for name in sorted(names):
        if getattr(model_options, name.replace("-", "_")) is not None:
            raise FormatError(f"--{name}: is an axis of the diagram, leave the option out")
    if "noise" in names:
        for name in ("total", "isotropic", "moments"):
            if getattr(model_options, name) is not None:
                raise FormatError(f"--{name} and a noise axis: both define Sigma, give one")


def _jobs(text: str) -> int:
    value = rational(text, "--jobs")
    if value.denominator != 1 or value == 0 or value < -1:
        raise FormatError(f"--jobs {text}: expected a whole number, or -1 for all cores")
    return int(value)
