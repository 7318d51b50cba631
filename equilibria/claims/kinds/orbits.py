"""Checks on attractors that are not equilibria: a limit cycle, and where it is born (T9.3)."""

from __future__ import annotations

from equilibria.claims.claim import Finding
from equilibria.claims.kinds.base import Context, number_of, table_of, truth_of
from equilibria.claims.kinds.verdicts import gather
from equilibria.errors import FormatError
from equilibria.exact.rationals import to_float
from equilibria.varieties.component import Verdict


def cycle(context: Context, value: object) -> Finding:
    """Check for a limit cycle: `exists`, `period` = [low, high], `attracting`."""
    from equilibria.cycles import study

    table = table_of(value, "cycle", ("exists", "period", "attracting"))
    report = study(context.own_model, time_limit=float(context.time_limit))
    wanted = truth_of(table.get("exists", True), "cycle.exists")
    if not report.cycles:
        text = f"no limit cycle was met, which excludes none; runs ended: {dict(report.endings)}"
        return Finding(None, "numeric", text, "a limit cycle" if wanted else "no limit cycle")
    found = report.cycles[0]
    text = f"a limit cycle of period {found.period:.6g}, {found.verdict.value}"
    rows = [Finding(wanted, "numeric", text, "a limit cycle" if wanted else "no limit cycle")]
    if "period" in table:
        low, high = _range(table["period"], "cycle.period")
        rows.append(
            Finding(low <= found.period <= high, "numeric", text, f"period in [{low}, {high}]")
        )
    if "attracting" in table:
        stable = found.verdict is Verdict.STABLE
        wish = truth_of(table["attracting"], "cycle.attracting")
        answer = None if found.verdict is Verdict.UNDECIDED else stable is wish
        rows.append(Finding(answer, "numeric", text, "attracting" if wish else "not attracting"))
    return gather(rows)


def hopf(context: Context, value: object) -> Finding:
    """Check the Hopf points along a parameter: `along` = "beta=1:100", `at` = [[low, high], ...]."""
    from equilibria.cycles import along as path_along
    from equilibria.cycles import hopf_points, of_model
    from equilibria.cycles.parameter_range import parse_range

    table = table_of(value, "hopf", ("along", "at"))
    along = table.get("along")
    wanted = table.get("at")
    if not isinstance(along, str) or not isinstance(wanted, list):
        raise FormatError('holds.hopf: expected along = "beta=1:100" and at = [[low, high], ...]')
    parameter, low, high = parse_range(along)
    setting = of_model(context.own_model)
    try:
        branch = hopf_points(path_along(setting, parameter), low, high)
    except ValueError as error:
        return Finding(None, "numeric", str(error))
    if branch.stopped:
        return Finding(None, "numeric", branch.stopped)
    found = sorted(point.value for point in branch.points)
    text = f"Hopf points at {', '.join(f'{x:.8g}' for x in found) or 'none'}"
    limits = [_range(entry, "hopf.at") for entry in wanted]
    matched = len(found) == len(limits) and all(
        a <= x <= b for x, (a, b) in zip(found, limits, strict=True)
    )
    return Finding(matched, "numeric", text, f"in {limits}")


def _range(value: object, key: str) -> tuple[float, float]:
    if not isinstance(value, list) or len(value) != 2:
        raise FormatError(f"holds.{key}: expected [low, high]")
    low, high = (to_float(number_of(entry, key)) for entry in value)
    return low, high
