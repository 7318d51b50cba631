"""`equilibria`: every equilibrium of a procedure or of a system file, and which are stable."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import IO, TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, flag, grouped
from equilibria.commands.tables import (
    ASCII,
    DEPTH,
    JSON,
    MAX_COMPONENTS,
    MODEL,
    PLOT,
    time_limit,
)
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.report.report import Report
    from equilibria.report.system_report import SystemReport
    from equilibria.systems.model_options import ModelOptions

INDENTED_COMPONENTS = 64
OF_A_SYSTEM = ("procedure", "lr", "floating")
"""The model's options that a system file takes."""

OPTIONS = (
    *MODEL,
    *DEPTH,
    *grouped(
        "system files",
        Option("--set", "NAME=VALUE", "replace a parameter of the file", kind="list"),
        time_limit("work for the algebra, in seconds"),
    ),
    *grouped(
        "output",
        MAX_COMPONENTS,
        flag("--equations", "print every polynomial"),
        JSON,
        Option("--latex", "F", "write a LaTeX fragment"),
        PLOT,
        Option("--certificate", "F", "write evidence that `verify` re-checks (JSON)"),
        flag("--cite", "print BibTeX of what was used"),
        ASCII,
    ),
)

EXAMPLES = (
    ("equilibria --ema 0.99", "BYOL's target, all else default"),
    ("equilibria --procedure joint", "both branches trained: collapse?"),
    ("equilibria --ema 0.99 --weight-decay 0", "whole families of equilibria"),
    ("equilibria --ema 0.99 --signal 1,1/2,-1/4 --noise 1/2 --embed-dim 3", ""),
    ("equilibria --encoder-layers 3 --weight-decay 1/100", "hidden layers"),
    ("equilibria --ema 0.99 --moments cifar.npz", "moments measured with `moments`"),
    ("equilibria --procedure my_system.toml", "your own polynomial system"),
    ("equilibria --ema 0.99 --json - | jq .verdict", "for a script"),
)


class Question(NamedTuple):
    """A model or a system file, and how much of it is listed and printed."""

    model: ModelOptions
    set: list[str] | None
    time_limit: int
    max_components: int
    equations: bool
    cite: bool
    latex: str | None
    plot: str | None
    certificate: str | None


def answer(question: Question) -> Answer:
    """Analyse a built-in procedure or a system file."""
    from equilibria.systems.model_options import is_system_file

    if is_system_file(question.model.procedure):
        return _of_a_file(question)
    return _of_a_model(question)


def _of_a_model(question: Question) -> Answer:
    from equilibria.report.analyze import analyze
    from equilibria.report.text import print_report
    from equilibria.systems.model_options import build_model

    if question.set:
        raise FormatError(f"--set {question.set[0]}: only for --procedure FILE.toml")
    report = analyze(build_model(question.model), max_components=question.max_components)

    def certificate() -> str:
        from equilibria.certificates import certificate_text

        return certificate_text(report)

    def latex() -> str:
        from equilibria.report.latex import report_latex

        return report_latex(report)

    def draw(stream: IO[bytes], form: str) -> None:
        from equilibria.report.figures import draw_report

        draw_report(report, stream, form)

    return Answer(
        data=report.to_json,
        indent=_indent(report),
        show=_shown(report, print_report, question),
        texts={"certificate": certificate, "latex": latex},
        draw=draw,
        decided=not report.summary.undecided,
    )


def _of_a_file(question: Question) -> Answer:
    from equilibria.report.system_report import analyze_system_file, parse_overrides
    from equilibria.report.system_text import print_system_report

    path = question.model.procedure
    assert path is not None
    _refuse(question)
    report = analyze_system_file(
        path,
        lr=question.model.lr,
        overrides=parse_overrides(question.set),
        time_limit=question.time_limit,
        max_components=question.max_components,
    )
    return Answer(
        data=report.to_json,
        indent=_indent(report),
        show=_shown(report, print_system_report, question),
        decided=not report.summary.undecided,
    )


def _refuse(question: Question) -> None:
    """Refuse what only a model of ours has."""
    options = question.model
    for name in options.__slots__:
        if name not in OF_A_SYSTEM and getattr(options, name):
            shown = f"--{name.replace('_', '-')} {getattr(options, name)}"
            raise FormatError(
                f"{shown}: does not apply to a system file",
                hint="change a parameter of the file with --set NAME=VALUE",
            )
    if question.latex is not None or question.plot is not None:
        option = "--latex" if question.latex is not None else "--plot"
        raise FormatError(f"{option}: not available for a system file; use --json or --equations")
    if question.certificate is not None:
        raise FormatError(
            "--certificate: not available for a system file, only built-in procedures"
        )


def _indent(report: Report | SystemReport) -> int | None:
    return 1 if len(report.components) <= INDENTED_COMPONENTS else None


def _shown(
    report: Report | SystemReport, tables: Callable[..., None], question: Question
) -> Callable[[bool], None]:
    """Return what prints the tables, the references if wanted, and the seconds on stderr."""

    def show(ascii_only: bool) -> None:
        from equilibria.files import terminal
        from equilibria.report.console import console

        tables(
            report,
            console(None if sys.stdout.isatty() else 100),
            ascii_only=ascii_only or terminal.needs_ascii(),
            equations=question.equations,
        )
        if question.cite:
            from equilibria.report.citations import citations

            model = getattr(report, "model", None)
            print(citations("" if model is None else model.procedure))
        terminal.complain(f"{report.seconds:.1f} s")

    return show


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
