"""`phase`: which strata are stable over two parameters, and the boundaries between."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, cast, get_args

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, Words, flag, grouped, refuse
from equilibria.commands.tables import FILES, MODEL
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.phase import PhaseDiagram
    from equilibria.phase.general import GeneralDiagram
    from equilibria.phase.setting import Decay
    from equilibria.systems.model import Model
    from equilibria.systems.model_options import ModelOptions


def jobs(text: str, option: str) -> int:
    """Read a number of workers, -1 for all cores."""
    from equilibria.exact.rationals import rational, shown

    value = rational(text, option)
    if value.denominator != 1 or value == 0 or value < -1:
        raise FormatError(f"{option} {shown(text)}: expected a whole number, or -1 for all cores")
    return int(value)


GRID = grouped(
    "grid: NAME=LO:HI[:COUNT][:log]",
    Option(
        "--x",
        "AXIS",
        "across; NAME one of lr, weight-decay, ema, predictor-lr, noise",
        "weight-decay=0.002:0.3",
    ),
    Option("--y", "AXIS", "up", "lr=0.05:20:60:log"),
    Option(
        "--decay",
        "HOW",
        "decay of the predictor: equal, coupled (times predictor-lr) or fixed",
        Words("equal, or fixed with --predictor-weight-decay"),
    ),
    flag("--surface", "largest lr over ema, momentum, alpha"),
    Option("--backend", "NAME", "joblib backend: loky, threading, dask, ray"),
    Option("--jobs", "N", "workers", Words("all cores for large grids"), jobs),
)

OPTIONS = (*MODEL, *GRID, *FILES)

EXAMPLES = (
    ("phase --ema 0.99 --x weight-decay=0.001:0.3 --y lr=0.05:20:60:log --plot phase.png", ""),
    ("phase --x noise=0:2 --y weight-decay=0.001:0.3 --signal 1,3/4,1/2 --embed-dim 3", ""),
    ("phase --ema 0.99 --surface", "largest lr over three rates"),
)


class Question(NamedTuple):
    """A model and two axes, or the surface of the largest step size.

    `decay` None: fixed where the model's options give the predictor's decay, else equal.
    """

    model: ModelOptions
    x: str
    y: str
    decay: str | None
    surface: bool
    backend: str | None
    jobs: int | None
    plot: str | None
    typed: Mapping[str, str]


def answer(question: Question) -> Answer:
    """Return the diagram, or the surface."""
    from equilibria.phase import PhaseDiagram, diagram_lines
    from equilibria.phase.figure import draw
    from equilibria.phase.general_text import draw_general, general_lines

    if question.surface:
        return _surface(question)
    diagram = diagram_of(question)
    undecided = any(kind == "undecided" for *_, kind in diagram.boundary_cells())
    if isinstance(diagram, PhaseDiagram):
        lines, drawing = diagram_lines(diagram), partial(draw, diagram)
    else:
        lines, drawing = general_lines(diagram), partial(draw_general, diagram)
    return Answer(lines, diagram.to_json, not undecided, drawing)


def _surface(question: Question) -> Answer:
    from equilibria.phase import step_surface, surface_lines
    from equilibria.systems.model_options import build_model

    grid = ("--x", "--y", "--decay", "--backend", "--jobs")
    refuse(question.typed, grid, "belongs to the grid, not to --surface")
    if question.plot is not None:
        raise FormatError("--plot: not available with --surface; use --json")
    rates = ("--lr", "--momentum", "--predictor-lr", "--predictor-weight-decay")
    refuse(question.typed, rates, "--surface answers for all of them, leave the option out")
    model = build_model(question.model)
    mus = ("0", "9/10", "99/100", "999/1000") if model.traits.has_target else ("0",)
    alphas = ("1/10", "1/5", "1/4", "1/2", "1", "2", "10")
    surface = step_surface(model, mus, ("0", "1/2", "9/10"), alphas)
    return Answer(surface_lines(surface), surface.to_json)


def diagram_of(question: Question) -> PhaseDiagram | GeneralDiagram:
    """Return the diagram that is asked for; raises `FormatError` naming what is wrong.

    Moments that do not commute have a route of their own, with a coarser grid by default.
    """
    from dataclasses import replace

    from equilibria.files.progress import progress_bar
    from equilibria.phase import parse_axis, phase_diagram
    from equilibria.systems.model_options import build_model

    axes = (parse_axis(question.x, "--x"), parse_axis(question.y, "--y"))
    names = {axis.name for axis in axes}
    options = question.model
    _check_conflicts(options, names)
    if "ema" in names and options.procedure is None:
        options = replace(options, procedure="ema")
    model, decay = build_model(options), _decay(question)
    if not model.moments.commute and model.traits.bootstraps:
        return _general(model, question, decay)
    return phase_diagram(
        model,
        *axes,
        decay=decay,
        backend=question.backend,
        jobs=question.jobs,
        progress=progress_bar(),
    )


def _general(model: Model, question: Question, decay: Decay) -> GeneralDiagram:
    from equilibria.files.progress import progress_bar
    from equilibria.phase import parse_axis
    from equilibria.phase.general import DEFAULT_COUNT, general_diagram

    if question.backend is not None or question.jobs is not None:
        name = "--backend" if question.backend is not None else "--jobs"
        raise FormatError(f"{name}: only for moments that commute; others are not spread")
    x = parse_axis(question.x, "--x", count=DEFAULT_COUNT)
    y = parse_axis(question.y, "--y", count=DEFAULT_COUNT)
    return general_diagram(model, x, y, decay=decay, progress=progress_bar())


def _decay(question: Question) -> Decay:
    from equilibria.phase.setting import Decay

    given, decay = question.model.predictor_weight_decay is not None, question.decay
    if decay is None:
        return "fixed" if given else "equal"
    if decay not in get_args(Decay):
        raise FormatError(f"--decay {decay}: expected {', '.join(get_args(Decay))}")
    if given and decay != "fixed":
        raise FormatError(
            f"--decay {decay} and --predictor-weight-decay: both define the predictor's "
            "decay, give one of the two"
        )
    return cast("Decay", decay)


def _check_conflicts(options: ModelOptions, names: set[str]) -> None:
    for name in sorted(names):
        if getattr(options, name.replace("-", "_")) is not None:
            raise FormatError(f"--{name}: is an axis of the diagram, leave the option out")
    if "noise" in names:
        for name in ("total", "isotropic", "moments"):
            if getattr(options, name) is not None:
                raise FormatError(f"--{name} and a noise axis: both define Sigma, give one")


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
