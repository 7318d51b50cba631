"""Checks on the gradient question: for which metrics is the flow a gradient field?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from equilibria.claims.claim import Finding, weakest
from equilibria.claims.kinds.base import Context, choice_of, truth_of
from equilibria.claims.kinds.verdicts import gather
from equilibria.errors import FormatError
from equilibria.varieties.component import How

if TYPE_CHECKING:
    from equilibria.gradient import GradientReport

SENSES = ("curl", "factor", "constant-metric", "any-metric")
WITNESSES = ("nonreal-eigenvalue", "jordan-block", "periodic-orbit")


def _gradient(context: Context) -> GradientReport:
    report: Any = context.report
    found: GradientReport = report.gradient
    return found


def not_gradient(context: Context, value: object) -> Finding:
    """Check that the flow is no gradient field in the senses named."""
    senses = [value] if isinstance(value, str) else value
    if not isinstance(senses, list) or not senses:
        raise FormatError(f"holds.not-gradient: expected some of {', '.join(SENSES)}")
    names = [choice_of(sense, "not-gradient", SENSES) for sense in senses]
    return gather(_sense(_gradient(context), name) for name in names)


def _sense(report: GradientReport, sense: str) -> Finding:
    flow = report.flow
    needed = f"no gradient field ({sense})"
    if sense == "curl":
        answer = None if flow.is_gradient is None else not flow.is_gradient
        return _finding(answer, flow.how, flow.reason, needed, _curl_point(report))
    parts: dict[str, Any] = {
        "factor": flow.integrating_factor,
        "constant-metric": flow.constant_metric,
        "any-metric": flow.any_metric,
    }
    part = parts[sense]
    exists = True if flow.is_gradient else part.exists
    how = flow.how if flow.is_gradient else part.how
    answer = None if exists is None else not exists
    return _finding(answer, how, part.scope if not flow.is_gradient else flow.reason, needed, "")


def _finding(answer: bool | None, how: How | None, found: str, needed: str, at: str) -> Finding:
    return Finding(answer, "numeric" if how is None else how.value, found, needed, at)


def _curl_point(report: GradientReport) -> str:
    witness = report.flow.witness
    if witness is None:
        return ""
    point = ", ".join(f"{name} = {value}" for name, value in witness.point.items())
    return f"{point}; {witness.elsewhere}: curl {witness.value}"


def gradient(context: Context, value: object) -> Finding:
    """Check whether the flow is the gradient field of a polynomial potential."""
    wanted = truth_of(value, "gradient")
    flow = _gradient(context).flow
    answer = None if flow.is_gradient is None else flow.is_gradient is wanted
    needed = "a gradient field" if wanted else "not a gradient field"
    return _finding(answer, flow.how, flow.reason, needed, _curl_point(_gradient(context)))


def metric_witness(context: Context, value: object) -> Finding:
    """Check that an equilibrium (or orbit) of this kind excludes every metric (T3.4)."""
    wanted = choice_of(value, "metric-witness", WITNESSES)
    witness = _gradient(context).flow.any_metric.witness
    needed = f"a witness of kind {wanted}"
    if witness is None:
        return Finding(None, "numeric", "no witness was found", needed)
    values = ", ".join(f"{entry:.6g}" for entry in witness.eigenvalues[:4])
    found = f"{witness.kind} at {witness.component}: {values}"
    return Finding(witness.kind == wanted, weakest([witness.how.value]), found, needed)
