"""`basin`: the boundary between collapse and learning, and where starts end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, Words, flag, grouped, number, refuse, whole
from equilibria.commands.tables import FILES, MODEL, seed_of
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.basin import BasinReport, Sample
    from equilibria.systems.model_options import ModelOptions

SMALLEST_TOLERANCE = 1e-13
LARGEST_RUNS = 10_000_000


def coordinates(text: str, _option: str) -> tuple[str, ...]:
    """Read `1/10,1/5`, each part as it is."""
    return tuple(part.strip() for part in text.split(","))


def tolerance(text: str, option: str) -> float:
    """Read a tolerance that doubles can meet."""
    from equilibria.exact.rationals import shown

    value = number(text, option)
    if not SMALLEST_TOLERANCE <= value <= 0.1:
        raise FormatError(
            f"{option} {shown(text)}: expected a number from {SMALLEST_TOLERANCE} to 0.1"
        )
    return value


OPTIONS = (
    *MODEL,
    *grouped(
        "question",
        Option(
            "--mode", "J", "the boundary in this mode's (p, w[, t]) space", Words("1"), whole(1)
        ),
        Option("--point", "P,W[,T]", "the fate of one start of the mode", None, coordinates),
        Option("--init", "NAME", "random starts of all modes: kaiming, normal or orthogonal"),
        Option("--scale", "S", "factor of the initial W and P", "1", number),
        Option("--runs", "N", "random starts", "1000", whole(1, LARGEST_RUNS)),
        seed_of("the starts"),
        Option("--tolerance", "TOL", "of boundaries and integration", None, tolerance),
        flag("--map", "the update map instead of the flow"),
    ),
    *FILES,
)

EXAMPLES = (
    ("basin --mode 1 --plot basin.png", "where a mode is learned or collapses"),
    ("basin --point 0.1,0.2", "does this start (p, w) collapse?"),
    ("basin --init kaiming --scale 1/2 --embed-dim 4", "where do random starts end?"),
)


class Question(NamedTuple):
    """A model, and one mode's boundary, one start of it, or random starts of all modes."""

    model: ModelOptions
    mode: int | None
    point: tuple[str, ...] | None
    init: str | None
    scale: float
    runs: int
    seed: int
    tolerance: float | None
    map: bool
    typed: Mapping[str, str]


def answer(question: Question) -> Answer:
    """Return a mode's boundary, the fate of a start, the endings of random starts."""
    from equilibria.basin import basin_lines
    from equilibria.basin.figure import draw_basin

    report = report_of(question)
    return Answer(
        (*basin_header(report), "", *basin_lines(report)),
        report.to_json,
        decided=not report.undecided,
        draw=lambda stream, form: draw_basin(report, stream, form),
    )


def report_of(question: Question) -> BasinReport:
    """Return the report that is asked for."""
    from equilibria.basin import basin_report
    from equilibria.files.progress import progress_bar
    from equilibria.systems.model_options import build_model

    sample = _sample(question)
    return basin_report(
        build_model(question.model),
        mode=question.mode,
        point=question.point,
        sample=sample,
        is_map=question.map,
        tolerance=question.tolerance,
        progress=progress_bar(),
    )


def _sample(question: Question) -> Sample | None:
    from equilibria.basin import Sample

    if question.init is None:
        why = "belongs to random starts, give --init as well"
        refuse(question.typed, ("--scale", "--runs", "--seed"), why)
        return None
    return Sample(init=question.init, scale=question.scale, runs=question.runs, seed=question.seed)


def basin_header(report: BasinReport) -> list[str]:
    """Return what was asked about: procedure, sizes, rates, moments."""
    from equilibria.systems.model_text import moments_line

    model = report.model
    rates = [f"η = {model.eta}", f"α = {model.alpha}"]
    if model.traits.has_target:
        rates = [f"μ = {model.mu}", *rates]
    if model.eta_p != model.eta:
        rates.append(f"η_P = {model.eta_p}")
    rates.append(f"h = {model.h}")
    if model.nu:
        rates.append(f"ν = {model.nu}")
    title = f"{model.traits.title} · encoder {model.n}x{model.d}"
    return [title, "   ".join(rates) + "     " + moments_line(model)]


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
