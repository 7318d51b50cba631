"""What the command `phase` does, without the words: options in, a diagram out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, cast, get_args

import numpy as np

from equilibria.errors import FormatError
from equilibria.exact.rationals import rational, shown
from equilibria.phase.axes import parse_axis
from equilibria.phase.diagram import PhaseDiagram
from equilibria.phase.run import phase_diagram
from equilibria.phase.setting import Decay
from equilibria.phase.spread import Progress
from equilibria.phase.verdicts import BOUNDARY_KINDS
from equilibria.systems.model_options import ModelOptions, build_model

if TYPE_CHECKING:
    from equilibria.phase.general import GeneralDiagram
    from equilibria.systems.model import Model


@dataclass(frozen=True, slots=True)
class PhaseOptions:
    """The options of `phase` beside the model's, as text."""

    x: str = "weight-decay=0.002:0.3"
    y: str = "lr=0.05:20:60:log"
    decay: str | None = None
    """equal, coupled or fixed; None: fixed where the model's options give the predictor's decay."""
    backend: str | None = None
    jobs: str | None = None


def diagram_of(
    model_options: ModelOptions, options: PhaseOptions, *, progress: Progress | None = None
) -> PhaseDiagram | GeneralDiagram:
    """Return the diagram that the options ask for; raises `FormatError` naming what is wrong.

    Moments that do not commute have a route of their own, with a coarser grid by default.
    """
    axes = (parse_axis(options.x, "--x"), parse_axis(options.y, "--y"))
    names = {axis.name for axis in axes}
    _check_conflicts(model_options, names)
    if "ema" in names and model_options.procedure is None:
        model_options = replace(model_options, procedure="ema")
    model, decay = build_model(model_options), _decay(model_options, options)
    if not model.moments.commute and model.procedure in ("stop-gradient", "ema"):
        return _general(model, options, decay, progress)
    return phase_diagram(
        model,
        *axes,
        decay=decay,
        backend=options.backend,
        jobs=None if options.jobs is None else _jobs(options.jobs),
        progress=progress,
    )


def _general(
    model: Model, options: PhaseOptions, decay: Decay, progress: Progress | None
) -> GeneralDiagram:
    from equilibria.phase.general import DEFAULT_COUNT, general_diagram

    if options.backend is not None or options.jobs is not None:
        name = "--backend" if options.backend is not None else "--jobs"
        raise FormatError(f"{name}: only for moments that commute; others are not spread")
    x = parse_axis(options.x, "--x", count=DEFAULT_COUNT)
    y = parse_axis(options.y, "--y", count=DEFAULT_COUNT)
    return general_diagram(model, x, y, decay=decay, progress=progress)


def undecided_cells(diagram: PhaseDiagram | GeneralDiagram) -> int:
    """Return how many cells could not be decided: measured moments too close to a boundary."""
    if not isinstance(diagram, PhaseDiagram):
        return int(np.count_nonzero(diagram.undecided))
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
        raise FormatError(f"--jobs {shown(text)}: expected a whole number, or -1 for all cores")
    return int(value)
