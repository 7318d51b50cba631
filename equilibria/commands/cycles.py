"""`cycles`: attractors that are not equilibria: unstable foci, limit cycles, Hopf points."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, flag, grouped, number, refuse
from equilibria.commands.tables import FILES, MODEL, seed_of, time_limit

if TYPE_CHECKING:
    from equilibria.cycles.parameter_range import Range
    from equilibria.systems.model_options import ModelOptions


def along(text: str, option: str) -> Range:
    """Read `beta=1:1000`."""
    from equilibria.cycles.parameter_range import parse_range

    return parse_range(text, option)


OPTIONS = (
    *MODEL,
    *grouped(
        "question",
        flag("--search", "look for oscillation nearby"),
        Option(
            "--along",
            "NAME=LO:HI",
            "Hopf points along beta, eta (weight-decay), lr or ema",
            None,
            along,
        ),
        Option("--radius", "R", "of --search, relative", "1", number),
        seed_of("starts and search"),
        time_limit("seconds a branch"),
    ),
    *FILES,
)

EXAMPLES = (
    ("cycles --moments m.npz --weight-decay 1/16", "unstable foci and limit cycles"),
    ("cycles --moments m.npz --weight-decay 1/1000 --embed-dim 3 --along beta=1:100", ""),
    ("cycles --moments m.npz --search", "moments nearby that oscillate"),
)


class Question(NamedTuple):
    """A model, a parameter to follow, and whether to search moments nearby."""

    model: ModelOptions
    search: bool
    along: Range | None
    radius: float
    seed: int
    time_limit: int
    typed: Mapping[str, str]


def answer(question: Question) -> Answer:
    """Return unstable foci, limit cycles, Hopf points along a parameter, the search."""
    from equilibria.cycles import report_lines, study
    from equilibria.cycles.figure import draw_cycles
    from equilibria.systems.model_options import build_model

    if not question.search:
        refuse(question.typed, ("--radius",), "belongs to --search")
    report = study(
        build_model(question.model),
        parameter=question.along,
        search=question.search,
        radius=question.radius,
        seed=question.seed,
        time_limit=float(question.time_limit),
    )
    return Answer(
        report_lines(report),
        report.to_json,
        decided=not report.undecided,
        draw=lambda stream, form: draw_cycles(report, stream, form),
    )


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
