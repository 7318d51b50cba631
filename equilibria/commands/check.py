"""`check`: claims to outcomes, as lines, JSON, JUnit XML and Markdown."""

from __future__ import annotations

import fnmatch
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.exit_code import DONE
from equilibria.commands.options import Option, Words, flag, grouped, whole
from equilibria.commands.tables import JSON, time_limit
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.claims.claim import Claim, Outcome

MOST_JOBS = 8

OPTIONS = (
    Option("files", "FILE", "claims files (TOML)", kind="any"),
    flag("--list", "show the claims, decide nothing"),
    Option("--only", "PATTERN", "claims whose id matches", kind="list"),
    time_limit("processor seconds a claim"),
    Option("--jobs", "N", "claims at a time", Words("all cores"), whole(1)),
    flag("--empirical", "run training experiments too"),
    *grouped(
        "output",
        JSON,
        Option("--junit", "F", "write JUnit XML"),
        Option("--markdown", "F", "write a Markdown summary"),
    ),
)

EXAMPLES = (
    ("check", "the built-in ledger"),
    ("check my_claims.toml --junit claims.xml", "your own, in your CI"),
    ("check --list", "what the ledger says"),
    ("check --only tian-*", "some of it"),
)


class Question(NamedTuple):
    """Files of claims, the shipped ledger for none, and which of them are decided."""

    files: Sequence[str]
    list: bool
    only: Sequence[str] | None
    time_limit: int
    jobs: int | None
    empirical: bool


def answer(question: Question) -> Answer:
    """Decide the claims; raises `FormatError` for a file or claim that makes no sense."""
    from equilibria.claims.reader import ledger_files, read_claims
    from equilibria.claims.text import check_json, check_lines, exit_code, junit, markdown
    from equilibria.claims.workers import EXPERIMENTS, run_claims

    claims = chosen(read_claims(question.files or ledger_files()), question.only or ())
    if question.list:
        return _listed(claims)
    jobs = min(os.cpu_count() or 1, MOST_JOBS) if question.jobs is None else question.jobs
    outcomes = run_claims(
        claims,
        jobs=jobs,
        time_limit=question.time_limit,
        experiments=EXPERIMENTS if question.empirical else None,
        progress=_progress if sys.stderr.isatty() else None,
    )
    title = ", ".join(question.files) if question.files else "built-in ledger"
    return Answer(
        check_lines(outcomes, title, question.time_limit),
        lambda: check_json(outcomes),
        code=exit_code(outcomes),
        texts={
            "junit": lambda: junit(outcomes),
            "markdown": lambda: markdown(outcomes, f"noncollapse check: {title}"),
        },
    )


def chosen(claims: Sequence[Claim], only: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims whose id matches a pattern such as `tian-*`, or holds it as a part."""
    for pattern in only:
        if not any(_matches(claim, pattern) for claim in claims):
            raise FormatError(f"--only {pattern}: no claim of that name; see --list")
    return tuple(c for c in claims if not only or any(_matches(c, p) for p in only))


def _matches(claim: Claim, pattern: str) -> bool:
    return pattern in claim.id or fnmatch.fnmatchcase(claim.id, pattern)


def _listed(claims: Sequence[Claim]) -> Answer:
    from equilibria.files.escaping import escape

    names = [escape(claim.id) for claim in claims]
    width = max(map(len, names))
    lines = [
        f"  {claim.expect:10} {name:{width}}  {escape(claim.says)}"
        for claim, name in zip(claims, names, strict=True)
    ]
    data = {
        "schema": "noncollapse/claims/1",
        "claims": [
            {"id": c.id, "says": c.says, "source": c.source, "scope": c.scope, "expect": c.expect}
            for c in claims
        ],
    }
    return Answer((*lines, "", f"{len(claims)} claims"), lambda: data, code=DONE)


def _progress(done: int, total: int, outcome: Outcome) -> None:
    from equilibria.files.escaping import escape

    end = "\n" if done == total else ""
    text = f"{done} of {total} claims, {escape(outcome.claim.id)}"[:78]
    print(f"\r{text:78}", end=end, file=sys.stderr, flush=True)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
