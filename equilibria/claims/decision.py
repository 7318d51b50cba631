"""Decide one claim: its checks on every case, then its control."""

from __future__ import annotations

import time
from dataclasses import replace

from equilibria.claims.claim import (
    NOT_RUN,
    NUMERIC,
    REFUTED,
    UNDECIDED,
    Claim,
    Finding,
    Outcome,
    weakest,
)
from equilibria.claims.kinds import KINDS, Context
from equilibria.claims.kinds.base import Experiments
from equilibria.claims.models import Case, cases
from equilibria.errors import AnalysisError, EngineMissing, FormatError, LimitReached
from equilibria.files.untrusted import Table


def decide(
    claim: Claim, *, time_limit: int = 60, experiments: Experiments | None = None
) -> Outcome:
    """Return how a claim comes out.

    A claim over many models holds when it holds for each; the first that refutes it is the
    counterexample. Raises `FormatError` where the claim asks for something that makes no sense.
    """
    start = time.perf_counter()
    if claim.empirical and experiments is None:
        note = Finding(None, "empirical", "needs training runs: check --empirical")
        return Outcome(claim, NOT_RUN, "", (note,), None)
    findings = _findings(claim, None, time_limit, experiments)
    verdict, how = _verdict(findings)
    control, control_finding = None, None
    if claim.control is not None and verdict != UNDECIDED:
        control, control_finding = _control(claim, verdict, time_limit, experiments)
    seconds = time.perf_counter() - start
    return Outcome(claim, verdict, how, tuple(findings), control, control_finding, seconds)


def unfinished(claim: Claim, reason: str, seconds: float) -> Outcome:
    """Return the outcome of a claim that was stopped or whose checks broke."""
    return Outcome(claim, UNDECIDED, "", (Finding(None, NUMERIC, reason),), None, None, seconds)


def _verdict(findings: list[Finding]) -> tuple[str, str]:
    for finding in findings:
        if finding.answer is False:
            return REFUTED, finding.how
    if not findings or any(finding.answer is None for finding in findings):
        return UNDECIDED, ""
    grade = weakest([finding.how for finding in findings])
    return grade, grade


def _findings(
    claim: Claim,
    changes: Table | None,
    time_limit: int,
    experiments: Experiments | None,
) -> list[Finding]:
    holds = (changes or {}).get("holds", claim.holds)
    found: list[Finding] = []
    tried = 0
    for case in cases(claim, changes):
        tried += 1
        context = Context(
            case.model,
            case.system,
            claim.path,
            words=case.words,
            time_limit=time_limit,
            experiments=experiments,
        )
        for key, value in holds.items():
            finding = _one(claim, key, value, case, context)
            found.append(finding)
            if finding.answer is False:
                return [finding]
    return _universal(claim, _merged(found, tried))


def _one(claim: Claim, key: str, value: object, case: Case, context: Context) -> Finding:
    try:
        finding = KINDS[key](context, value)
    except FormatError as error:
        where = f"{claim.path}, claim {claim.id}"
        raise FormatError(f"{where}: {error}", hint=error.hint) from error
    except (LimitReached, EngineMissing, AnalysisError) as error:
        finding = Finding(None, NUMERIC, str(error), because="stopped before an answer")
    place = "; ".join(part for part in (case.words, finding.at) if part)
    return replace(finding, at=place)


def _merged(found: list[Finding], tried: int) -> list[Finding]:
    """Keep a list short: the open findings, and the yeses told as one when there are many."""
    if tried <= 1 or len(found) <= 4:
        return found
    unclear = [finding for finding in found if finding.answer is None]
    if unclear:
        return unclear
    how = weakest([finding.how for finding in found])
    first = found[0]
    text = f"{tried} models, {len(found)} checks; the first: {first.found}"
    return [replace(first, how=how, found=text)]


def _universal(claim: Claim, found: list[Finding]) -> list[Finding]:
    """A statement about all models that held on a random sample is measured, not proved."""
    if not claim.sample:
        return found
    return [replace(f, how=weakest([f.how, NUMERIC])) if f.answer else f for f in found]


def _control(
    claim: Claim, verdict: str, time_limit: int, experiments: Experiments | None
) -> tuple[bool, Finding]:
    """Return whether the control turned the claim over, and what it found."""
    assert claim.control is not None
    bare = replace(claim, sample={}) if set(claim.control) - {"holds"} else claim
    findings = _findings(bare, claim.control, time_limit, experiments)
    turned, _ = _verdict(findings)
    decisive = next((f for f in findings if f.answer is not True), findings[0])
    if turned == UNDECIDED:
        return False, replace(decisive, answer=None)
    return (turned == REFUTED) is (verdict != REFUTED), decisive
