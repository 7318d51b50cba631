"""pytest plugin: a claims file that asks for it becomes tests, one id for each claim.

Installed as the entry point `pytest11: noncollapse`, so it is loaded in projects that have never heard
of it: it imports nothing of the analysis before there is a claim to decide, and looks only at files
`claims.toml` and `*.claims.toml` that say `schema = "noncollapse/claims/1"`, or of a project whose
pyproject.toml says `[tool.noncollapse]` with `claims = true`. Options: `--claims-time-limit`, and
`--claims-empirical` to run the training experiments as well. A claim that comes out otherwise
fails; one that could not be decided fails too, and says so; one that needs training is skipped.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from equilibria.claims.claim import Claim, Outcome

HEAD = 1 << 16
"""Bytes of a file that are searched for the schema, which stands before the first table."""
_SCHEMA = re.compile(rb"""^[ \t]*schema[ \t]*=[ \t]*["']noncollapse/claims/1["']""", re.MULTILINE)
_TABLE = re.compile(rb"^[ \t]*\[", re.MULTILINE)
_ASKED = pytest.StashKey[bool]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's options."""
    group = parser.getgroup("noncollapse", "executable claims about learning dynamics")
    group.addoption(
        "--claims-time-limit", default=60, type=int, metavar="S", help="seconds a claim (60)"
    )
    group.addoption(
        "--claims-empirical", action="store_true", help="run claims that need training as well"
    )


def pytest_collect_file(parent: pytest.Collector, file_path: Path) -> pytest.Collector | None:
    """Collect claims files that ask for it."""
    name = file_path.name
    if name != "claims.toml" and not name.endswith(".claims.toml"):
        return None
    if _has_schema(file_path) or _project_asks(parent.config):
        collector: pytest.Collector = ClaimsFile.from_parent(parent, path=file_path)
        return collector
    return None


def _has_schema(path: Path) -> bool:
    """Return whether a file says, before its first table, that it holds claims of this kind."""
    try:
        if not path.is_file():
            return False
        with open(path, "rb") as stream:
            head = stream.read(HEAD)
    except OSError:
        return False
    return _SCHEMA.search(_TABLE.split(head, maxsplit=1)[0]) is not None


def _project_asks(config: pytest.Config) -> bool:
    """Return whether the project's pyproject.toml has `claims = true` under [tool.noncollapse]."""
    if _ASKED not in config.stash:
        try:
            text = (config.rootpath / "pyproject.toml").read_text(encoding="utf-8")
            wish = tomllib.loads(text)["tool"]["noncollapse"]["claims"]
        except (OSError, ValueError, LookupError, TypeError):
            wish = False
        config.stash[_ASKED] = wish is True
    return config.stash[_ASKED]


class ClaimsFile(pytest.File):
    """A claims file."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield one test for each claim."""
        from equilibria.claims.reader import read_claims
        from equilibria.errors import FormatError
        from equilibria.files.escaping import escape

        try:
            claims = read_claims([self.path])
        except FormatError as error:  # one line in pytest's summary, not a trace of ours
            raise self.CollectError(escape(str(error))) from None
        for claim in claims:
            yield ClaimTest.from_parent(self, name=escape(claim.id), claim=claim)


class ClaimTest(pytest.Item):
    """One claim as a test."""

    def __init__(self, *, claim: Claim, **options: Any) -> None:
        super().__init__(**options)
        self.claim = claim

    def runtest(self) -> None:
        """Decide the claim in a process of its own, within the time limit."""
        from equilibria.claims.workers import EXPERIMENTS, run_claims

        (outcome,) = run_claims(
            [self.claim],
            time_limit=self.config.getoption("--claims-time-limit"),
            experiments=EXPERIMENTS if self.config.getoption("--claims-empirical") else None,
        )
        self.user_properties += [("verdict", outcome.verdict), ("how", outcome.how)]
        if outcome.verdict == "not run":
            pytest.skip("needs training runs: --claims-empirical")
        if not outcome.expected:
            raise ClaimFailed(outcome)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], *_: Any) -> Any:
        """Show the point that breaks the claim rather than a traceback."""
        from equilibria.claims.text import explanation

        if isinstance(excinfo.value, ClaimFailed):
            return "\n".join(explanation(excinfo.value.outcome))
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the claim stands."""
        from equilibria.files.escaping import escape

        return self.path, self.claim.line - 1, f"claim {escape(self.claim.id)}"


class ClaimFailed(Exception):
    """A claim that came out otherwise, or could not be decided."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.verdict)
        self.outcome = outcome
