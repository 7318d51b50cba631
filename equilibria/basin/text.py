"""The report in words: the answer first, then the numbers, then how they are known."""

from __future__ import annotations

from textwrap import wrap

from equilibria.basin.answers import BasinAnswer, Boundary
from equilibria.basin.probabilities import Endings
from equilibria.basin.report import BasinReport
from equilibria.basin.scales import Scales
from equilibria.basin.separatrix import Fate

SHOWN = 12
WIDTH = 100
THRESHOLDS = {
    "c_minus": "below c- every start collapses",
    "c_zero": "with p = 0 a start survives where alpha w² > c0",
    "c_plus": "above c+ every start survives",
}
NAMES = {"c_minus": "c-", "c_zero": "c0", "c_plus": "c+"}
VERBS = {
    Fate.COLLAPSES: "collapses",
    Fate.SURVIVES: "survives: the mode is learned",
    Fate.UNDECIDED: "undecided",
    Fate.DIVERGES: "diverges: the step is too large here",
}


def basin_lines(report: BasinReport) -> list[str]:
    """Return the report as lines of at most 100 columns, without the header of the model."""
    lines: list[str] = []
    if report.point is not None:
        lines += [*_point_lines(report.point), ""]
    if report.endings is not None:
        lines += [*_ending_lines(report.endings), ""]
        if report.scales is not None:
            lines += [*_scale_lines(report.scales), ""]
    if report.boundary is not None:
        lines += _boundary_lines(report.boundary)
    while lines and not lines[-1]:
        lines.pop()
    return lines


def _point_lines(answer: BasinAnswer) -> list[str]:
    p, w, t = answer.point
    start = f"(p, w) = ({p}, {w})" if t == w else f"(p, w, t) = ({p}, {w}, {t})"
    kind = "map" if answer.is_map else "flow"
    lines = [
        f"Mode {answer.mode} from {start} {VERBS[answer.fate]}  [{answer.how.value}, {kind}]",
        f"  {answer.why}",
    ]
    if answer.margin is not None:
        side = "above" if answer.margin.low > 0 else "below"
        distance = answer.margin.text().lstrip("-")
        lines.append(
            f"  p is {distance} {side} the boundary at this c = {float(answer.balance):.6g}"
        )
    if answer.scale is not None:
        lines.append(
            f"  the start as a whole changes its outcome when multiplied by {answer.scale.text()}"
        )
    return lines


def _ending_lines(endings: Endings) -> list[str]:
    sample = endings.sample
    kind = "map" if endings.is_map else "flow"
    collapse = endings.collapse
    lines = [
        f"{sample.init} init, scale {sample.scale:g}: {100 * collapse.fraction:.1f} % of "
        f"{sample.runs} runs collapse fully  [numeric, {kind}]",
        "",
        f"  {'component':<28} {'runs':>7} {'share':>8}   {100 * endings.confidence:.0f} % interval",
    ]
    for share in endings.shares[:SHOWN]:
        lines.append(
            f"  {share.id:<28} {share.count:>7} {100 * share.fraction:>6.2f} %   "
            f"{100 * share.low:.2f} % to {100 * share.high:.2f} %"
        )
    if len(endings.shares) > SHOWN:
        rest = sum(share.count for share in endings.shares[SHOWN:])
        lines.append(f"  {len(endings.shares) - SHOWN} more components {rest:>13}   in --json")
    if endings.undecided:
        lines.append(
            f"  {'undecided':<28} {endings.undecided:>7}   not settled by t = {endings.t_max:g}"
        )
    if endings.diverged:
        lines.append(f"  {'diverged':<28} {endings.diverged:>7}   the step is too large for them")
    return lines


def _scale_lines(scales: Scales) -> list[str]:
    lines = [f"How large must {scales.init} be not to collapse? ({scales.runs} runs a scale)"]
    for answer in scales.answers:
        share = f"{100 * answer.collapse:g} %"
        if answer.scale is None:
            best = min(scales.curve, key=lambda tried: tried.fraction)
            lines.append(
                f"  more than {share} collapse at every scale tried; the fewest, "
                f"{100 * best.fraction:.1f} %, at scale {best.scale:.3g}"
            )
            continue
        low = "-" if answer.low is None else f"{answer.low:.4g}"
        high = "-" if answer.high is None else f"{answer.high:.4g}"
        lines.append(
            f"  at most {share:>4} collapse from scale {answer.scale:.4g}   "
            f"(95 % interval {low} to {high})"
        )
    last = scales.curve[-1]
    if last.low > min(tried.high for tried in scales.curve):
        lines.append(
            f"  larger is not safer throughout: {100 * last.fraction:.1f} % collapse at scale "
            f"{last.scale:g} (|P| far above |W|: below c-)"
        )
    return lines


def _boundary_lines(boundary: Boundary) -> list[str]:
    kind = "map" if boundary.is_map else "flow"
    headline = f"Mode {boundary.mode}: {boundary.statement}  [{boundary.how.value}, {kind}]"
    lines = wrap(headline, WIDTH, subsequent_indent="  ")
    if len(boundary.roots) == 2:
        upper, lower = boundary.roots
        lines.append(
            f"  learned at p+ = {upper:.6g}; the boundary passes p- = {lower:.6g} at c = 0"
        )
    for name in ("c_minus", "c_zero", "c_plus"):
        if name in boundary.thresholds:
            bounds = boundary.thresholds[name]
            mark = "" if bounds.how is boundary.how else f"  [{bounds.how.value}]"
            lines.append(f"  {NAMES[name]} = {bounds.text():<18} {THRESHOLDS[name]}{mark}")
    if boundary.rows:
        fates = ("survives", "collapses") if boundary.falling else ("collapses", "survives")
        heading = f"{fates[0]} for p up to"
        lines += ["", f"  {'c = alpha w² - p²':>18}   {heading:>22}   {fates[1]} from"]
        step = max(1, len(boundary.rows) // SHOWN)
        for c, low, high in boundary.rows[::step]:
            lines.append(f"  {c:>18.8g}   {low:>22.10g}   {high:.10g}")
    for note in boundary.notes:
        lines += wrap(f"  note: {note}", WIDTH, subsequent_indent="        ")
    return lines
