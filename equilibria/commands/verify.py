"""`verify`: a certificate re-checked by code that shares nothing with what made it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.exit_code import FAILED
from equilibria.commands.options import Option, grouped
from equilibria.commands.tables import MODEL

if TYPE_CHECKING:
    from equilibria.kernel import Verification
    from equilibria.systems.model_options import ModelOptions

OPTIONS = (
    Option("file", "FILE", "a certificate (JSON)", kind="argument"),
    Option("--report", "F.json", "compare with a report that `equilibria --json` wrote"),
    *grouped("compare with the model of these options (all others at their defaults)", *MODEL),
)

EXAMPLES = (
    ("equilibria --ema 0.99 --certificate ema.json", "evidence for every verdict"),
    ("verify ema.json", "checked by code of its own"),
    ("verify ema.json --ema 0.99", "and is it of this model?"),
    ("verify ema.json --report r.json", "does it say what the report says?"),
)


class Question(NamedTuple):
    """A certificate, and the model and the report that it should be of."""

    file: str
    report: str | None
    model: ModelOptions


def answer(question: Question) -> Answer:
    """Re-check the certificate, then compare."""
    from equilibria.files.untrusted import check_file
    from equilibria.verify import verify_file

    check_file(question.file, question.file, "a certificate (JSON)")
    verification = verify_file(question.file)
    if not verification.holds:
        return Answer([verification.line], code=FAILED)
    difference = _difference(verification, question)
    if difference is not None:
        line = f"fails: the certificate is of another model: {difference}"
        return Answer([line], code=FAILED)
    return Answer([verification.line, f"about: {verification.about}"])


def _difference(verification: Verification, question: Question) -> str | None:
    """Compare a certificate that holds with the model and the report, where these are given."""
    from equilibria.systems.model_options import ModelOptions, build_model

    if question.model != ModelOptions():
        from equilibria.certificates.compare import difference_from_model

        found = difference_from_model(verification.model, build_model(question.model))
        if found is not None:
            return found
    if question.report is None:
        return None
    from equilibria.certificates.compare import difference_from_report

    return difference_from_report(verification.model, verification.components, question.report)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
