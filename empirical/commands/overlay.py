"""`overlay`: runs against the predicted stable set: distance, stratum reached, contraction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, flag, grouped, whole
from equilibria.commands.tables import JSON

OPTIONS = (
    Option("runs", "RUN", "run folders", kind="arguments"),
    Option("--max-runs", "N", "runs judged in a folder, at most", "256", whole(1)),
    flag("--no-html", "write no HTML page"),
    *grouped("output", JSON._replace(help="write all of them; `-` for stdout alone")),
)

EXAMPLES = (
    ("overlay runs/ema", "a run against the prediction"),
    ("overlay runs/*", "many at once"),
)


class Question(NamedTuple):
    """Run folders, and how many runs of each are judged."""

    runs: Sequence[str]
    max_runs: int
    no_html: bool


def answer(question: Question) -> Answer:
    """Compare runs with the predicted stable set, and write down how in their folders."""
    from empirical.overlay.run import overlay

    found = overlay(question.runs, max_runs=question.max_runs, html=not question.no_html)
    return Answer(found.lines, lambda: found.data, decided=found.decided)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
