"""From the words of `check` to outcomes and files."""

from __future__ import annotations

import fnmatch
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from equilibria.claims.claim import Claim, Outcome
from equilibria.claims.reader import ledger_files, read_claims
from equilibria.claims.text import check_json, check_lines, exit_code, junit, markdown
from equilibria.claims.workers import Progress, run_claims
from equilibria.errors import FormatError
from equilibria.exact.rationals import whole
from equilibria.files.escaping import escape
from equilibria.files.write import write_text

DEFAULT_LIMIT = "60"
MOST_JOBS = 8


@dataclass(frozen=True, slots=True)
class CheckAnswer:
    """Lines for the terminal, the JSON object and the exit code."""

    lines: tuple[str, ...]
    data: dict[str, Any]
    code: int


def check_command(
    files: Sequence[str],
    *,
    listing: bool = False,
    only: Sequence[str] = (),
    time_limit: str = DEFAULT_LIMIT,
    jobs: str | None = None,
    experiments: str | None = None,
    junit_path: str | None = None,
    markdown_path: str | None = None,
    json_path: str | None = None,
    progress: Progress | None = None,
) -> CheckAnswer:
    """Decide the claims of some files, the shipped ledger for none, and write what was asked for.

    Raises `FormatError` for a file or claim that makes no sense; nothing is written then.
    """
    limit = whole(time_limit, "--time-limit", 1)
    workers = min(os.cpu_count() or 1, MOST_JOBS) if jobs is None else whole(jobs, "--jobs", 1)
    claims = chosen(read_claims(files or ledger_files()), only)
    if listing:
        return _listed(claims)
    outcomes = run_claims(
        claims, jobs=workers, time_limit=limit, experiments=experiments, progress=progress
    )
    title = ", ".join(files) if files else "built-in ledger"
    _write(outcomes, title, junit_path, markdown_path, json_path)
    return CheckAnswer(
        check_lines(outcomes, title, limit), check_json(outcomes), exit_code(outcomes)
    )


def chosen(claims: Sequence[Claim], only: Sequence[str]) -> tuple[Claim, ...]:
    """Return the claims whose id matches a pattern such as `tian-*`, or holds it as a part."""
    for pattern in only:
        if not any(_matches(claim, pattern) for claim in claims):
            raise FormatError(f"--only {pattern}: no claim of that name; see --list")
    return tuple(c for c in claims if not only or any(_matches(c, p) for p in only))


def _matches(claim: Claim, pattern: str) -> bool:
    return pattern in claim.id or fnmatch.fnmatchcase(claim.id, pattern)


def _listed(claims: Sequence[Claim]) -> CheckAnswer:
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
    return CheckAnswer((*lines, "", f"{len(claims)} claims"), data, 0)


def _write(
    outcomes: Sequence[Outcome],
    title: str,
    junit_path: str | None,
    markdown_path: str | None,
    json_path: str | None,
) -> None:
    from equilibria.questions import as_json

    if junit_path is not None:
        write_text(junit_path, junit(outcomes), "--junit")
    if markdown_path is not None:
        write_text(markdown_path, markdown(outcomes, f"noncollapse check: {title}"), "--markdown")
    if json_path is not None and json_path != "-":
        write_text(json_path, as_json(check_json(outcomes)), "--json")
