"""The nouns of the ledger: a claim, what one check found, and how the claim came out. All frozen.

A claim is data: an id, a sentence, its source, the model, and what must hold. Three answers, never
two: a check holds, fails, or could not be decided, and each says how it is known.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from equilibria.files.untrusted import Table

PROVED, CERTIFIED, NUMERIC, EMPIRICAL = "proved", "certified", "numeric", "empirical"
REFUTED, UNDECIDED, NOT_RUN = "refuted", "undecided", "not run"
GRADES = (PROVED, CERTIFIED, NUMERIC, EMPIRICAL)  # strongest first
HOLDS = "holds"  # any grade will do
EXPECTATIONS = (HOLDS, *GRADES, REFUTED, UNDECIDED)  # undecided: for training experiments only


@dataclass(frozen=True, slots=True)
class Claim:
    """One claim as written: `holds` names the checks, `control` the change that must turn it over.

    `model` are options of the command line, `over` option lists whose every combination is
    checked, `sample` asks for random exact models. `path` and `line` say where it stands.
    """

    id: str
    says: str
    source: str
    holds: Table
    model: Table = field(default_factory=dict)
    over: Mapping[str, tuple[object, ...]] = field(default_factory=dict)
    sample: Table = field(default_factory=dict)
    control: Table | None = None
    expect: str = HOLDS
    scope: str = ""
    path: Path = Path("claims.toml")
    line: int = 1

    @property
    def empirical(self) -> bool:
        """Whether deciding it needs training runs."""
        return "experiment" in self.holds

    @property
    def place(self) -> str:
        """Return file and line."""
        return f"{self.path}, line {self.line}"


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found: `answer` is None where it could not be decided.

    `how` grades the answer, whichever it is. `at`, `found`, `needed` and `because` are the sentences
    that a reader of a refutation needs.
    """

    answer: bool | None
    how: str
    found: str
    needed: str = ""
    at: str = ""
    because: str = ""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a claim came out. `verdict` is a grade, refuted, undecided or not run.

    `control` is True when the control turned the claim over as it must, None when there is none.
    """

    claim: Claim
    verdict: str
    how: str
    findings: tuple[Finding, ...]
    control: bool | None
    control_finding: Finding | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def expected(self) -> bool:
        """Whether the claim came out as its author says, and its control was turned over."""
        if self.control is False or self.verdict == NOT_RUN:
            return False
        if self.verdict == UNDECIDED:
            return self.claim.expect == UNDECIDED and self._left_open
        if self.claim.expect == HOLDS:
            return self.verdict in GRADES
        return self.verdict == self.claim.expect

    @property
    def status(self) -> str:
        """Return as expected, fails, undecided or not run."""
        if self.verdict == NOT_RUN:
            return NOT_RUN
        if self.expected:
            return "as expected"
        return UNDECIDED if self._open else "fails"

    @property
    def _left_open(self) -> bool:
        """Whether runs were made and leave the claim open, as against checks that were stopped."""
        unclear = [finding for finding in self.findings if finding.answer is None]
        return bool(unclear) and all(finding.how == EMPIRICAL for finding in unclear)

    @property
    def _open(self) -> bool:
        if self.verdict == UNDECIDED:
            return True
        control = self.control_finding
        return self.control is False and control is not None and control.answer is None

    @property
    def decisive(self) -> Finding | None:
        """Return the finding that decided the verdict: the refuting or undecided one, if any."""
        wanted = {REFUTED: False, UNDECIDED: None}
        if self.verdict in wanted:
            for finding in self.findings:
                if finding.answer is wanted[self.verdict]:
                    return finding
        return self.findings[0] if self.findings else None

    def to_json(self) -> dict[str, object]:
        """Return plain data; equal outcomes give equal objects but for `seconds`."""
        claim = self.claim
        return {
            "id": claim.id,
            "says": claim.says,
            "source": claim.source,
            "scope": claim.scope,
            "file": claim.path.name,
            "line": claim.line,
            "verdict": self.verdict,
            "how": self.how,
            "expected": claim.expect,
            "status": self.status,
            "control_refuted": self.control,
            "findings": [_finding_json(finding) for finding in self.findings],
            "seconds": round(self.seconds, 3),
        }


def _finding_json(finding: Finding) -> dict[str, object]:
    return {
        "answer": finding.answer,
        "how": finding.how,
        "at": finding.at,
        "found": finding.found,
        "needed": finding.needed,
        "because": finding.because,
    }


def weakest(grades: list[str]) -> str:
    """Return the weakest of some grades; raises `ValueError` for none, which grade nothing."""
    return max(grades, key=GRADES.index)
