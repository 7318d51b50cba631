"""The outcome of `check` as lines for a terminal, a Markdown summary, JUnit XML and JSON."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from xml.etree import ElementTree

from equilibria.claims.claim import NOT_RUN, REFUTED, UNDECIDED, Outcome
from equilibria.files.escaping import escape

SCHEMA = "noncollapse/check/1"
WIDTH = 98
FAILS = "fails"


def check_lines(outcomes: Sequence[Outcome], title: str, time_limit: int) -> tuple[str, ...]:
    """Return the table, what went wrong in full, and the sentence that explains the exit code."""
    width = max((len(escape(outcome.claim.id)) for outcome in outcomes), default=0)
    lines = [f"{escape(title)}: {_claims(len(outcomes))}, at most {time_limit} s each", ""]
    lines += [_row(outcome, width) for outcome in outcomes]
    for outcome in outcomes:
        if outcome.status in (FAILS, UNDECIDED):
            lines += ["", *explanation(outcome)]
    return (*lines, "", *summary(outcomes))


def _claims(count: int) -> str:
    return "1 claim" if count == 1 else f"{count} claims"


def _row(outcome: Outcome, width: int) -> str:
    word = "FAILS" if outcome.status == FAILS else outcome.verdict
    time = "" if outcome.verdict == NOT_RUN else f"{outcome.seconds:6.1f} s"
    room = max(WIDTH - 12 - width - 2 - len(time) - 1, 20)
    says = textwrap.shorten(escape(outcome.claim.says), room, placeholder=" ...")
    return f"  {word:10}{escape(outcome.claim.id):{width}}  {says:{room}} {time}".rstrip()


def explanation(outcome: Outcome) -> list[str]:
    """Return what a reader needs to know about a claim that did not come out as expected."""
    claim, finding = outcome.claim, outcome.decisive
    rows = [("says", claim.says)]
    if outcome.status == FAILS:
        rows.append(
            ("came out", f"{outcome.verdict}, but {claim.path.name} expects {_wanted(outcome)}")
        )
    if finding is not None:
        rows += [
            ("at", finding.at),
            ("found", finding.found),
            ("needed", finding.needed),
            ("because", finding.because),
        ]
    if outcome.control is False and outcome.control_finding is not None:
        rows.append(("control", f"was not turned over: {outcome.control_finding.found}"))
    head = escape(f"{claim.id}  ({claim.place})")
    return [head, *(line for key, text in rows if text for line in _wrapped(key, text))]


def _wanted(outcome: Outcome) -> str:
    return "it to hold" if outcome.claim.expect == "holds" else outcome.claim.expect


def _wrapped(key: str, text: str) -> list[str]:
    return textwrap.wrap(
        escape(" ".join(text.split())),
        WIDTH,
        initial_indent=f"  {key:9} ",
        subsequent_indent=" " * 12,
        break_long_words=False,
        break_on_hyphens=False,
    )


def summary(outcomes: Sequence[Outcome]) -> list[str]:
    """Return how many claims came out as expected, and what the exit code says."""
    count = dict.fromkeys(("as expected", FAILS, UNDECIDED, NOT_RUN), 0)
    for outcome in outcomes:
        count[outcome.status] += 1
    tried = len(outcomes) - count[NOT_RUN]
    controls = [o for o in outcomes if o.control is not None]
    turned = sum(outcome.control is True for outcome in controls)
    text = f"{count['as expected']} of {tried} as expected"
    if count[FAILS]:
        text += f", {count[FAILS]} failing"
    if count[UNDECIDED]:
        text += f", {count[UNDECIDED]} undecided"
    if controls:
        text += f" · {turned} of {len(controls)} controls were turned over, as they must be"
    lines = textwrap.wrap(text, WIDTH)
    if count[NOT_RUN]:
        lines.append(f"{count[NOT_RUN]} need training runs and were not tried: --empirical")
    if count[FAILS]:
        lines.append(f"exit 1: {count[FAILS]} claim{'s' * (count[FAILS] != 1)} came out otherwise")
    elif count[UNDECIDED]:
        lines.append("exit 3: nothing contradicts the claims, but not all could be decided")
    elif not tried:
        lines.append("exit 3: no claim was tried")
    return lines


def exit_code(outcomes: Sequence[Outcome]) -> int:
    """Return 0, 1 (a claim came out otherwise) or 3 (undecided, or nothing was tried)."""
    words = {outcome.status for outcome in outcomes}
    if FAILS in words:
        return 1
    return 3 if UNDECIDED in words or words <= {NOT_RUN} else 0


def check_json(outcomes: Sequence[Outcome]) -> dict[str, object]:
    """Return the object of schema `noncollapse/check/1`."""
    return {
        "schema": SCHEMA,
        "exit": exit_code(outcomes),
        "claims": [outcome.to_json() for outcome in outcomes],
    }


def junit(outcomes: Sequence[Outcome]) -> str:
    """Return JUnit XML: an unmet expectation is a failure, undecided an error, not run skipped."""
    words = [outcome.status for outcome in outcomes]
    suite = ElementTree.Element(
        "testsuite",
        name="noncollapse check",
        tests=str(len(words)),
        failures=str(words.count(FAILS)),
        errors=str(words.count(UNDECIDED)),
        skipped=str(words.count(NOT_RUN)),
        time=f"{sum(outcome.seconds for outcome in outcomes):.3f}",
    )
    for outcome in outcomes:
        _case(suite, outcome)
    root = ElementTree.Element("testsuites")
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(root, "unicode") + "\n"


def _case(suite: ElementTree.Element, outcome: Outcome) -> None:
    claim = outcome.claim
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=escape(claim.path.stem, "xml"),
        name=escape(claim.id, "xml"),
        file=escape(claim.path.name, "xml"),
        line=str(claim.line),
        time=f"{outcome.seconds:.3f}",
    )
    properties = ElementTree.SubElement(case, "properties")
    for name, value in (("verdict", outcome.verdict), ("how", outcome.how)):
        ElementTree.SubElement(properties, "property", name=name, value=escape(value, "xml"))
    tag = {FAILS: "failure", UNDECIDED: "error", NOT_RUN: "skipped"}.get(outcome.status)
    if tag is not None:
        found = outcome.decisive
        message = escape(found.found if found is not None else outcome.verdict, "xml", lines=True)
        node = ElementTree.SubElement(case, tag, message=message)
        node.text = escape("\n".join(explanation(outcome)), "xml", lines=True)


def markdown(outcomes: Sequence[Outcome], title: str) -> str:
    """Return a summary for a pull request or a job page."""
    lines = [
        f"### {escape(title, 'markdown')}",
        "",
        *(line + "  " for line in summary(outcomes)),
        "",
    ]
    lines += ["| | claim | says | how |", "|---|---|---|---|"]
    marks = {"as expected": "✓", FAILS: "**✗**", UNDECIDED: "?", NOT_RUN: "–"}
    for outcome in outcomes:
        claim = outcome.claim
        says = escape(" ".join(claim.says.split()), "markdown")
        word = (
            f"{outcome.verdict} ({outcome.how})" if outcome.verdict == REFUTED else outcome.verdict
        )
        lines.append(
            f"| {marks[outcome.status]} | `{escape(claim.id, 'cell')}` | {says} | {word} |"
        )
    for outcome in outcomes:
        if outcome.status in (FAILS, UNDECIDED):
            lines += ["", "```", *(escape(line, "code") for line in explanation(outcome)), "```"]
    return "\n".join(lines) + "\n"
