"""Checks on verdicts: which components are there, which are stable, what rank survives.

`stable` and `unstable` mean flow and map alike; `stable-flow`, `stable-map` and so on one of them.
They speak of every point of a component; `stable-part` and its kin of some points. Counts and ranks
take a component with stable points for stable. Rank checks speak of the map, which is what trains.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from equilibria.claims.claim import Finding, weakest
from equilibria.claims.kinds.base import Check, Context, names_of, truth_of, whole_of
from equilibria.errors import FormatError
from equilibria.varieties.component import Component, Stability, Verdict

BOTH = ("flow", "map")
ALIGNED = re.compile(r"rank\d+(:\d+[+-](,\d+[+-])*)?")


def stable(parts: tuple[str, ...], wanted: Verdict, key: str, *, somewhere: bool = False) -> Check:
    """Return the check that named components have a verdict, for the flow, the map or both.

    With `somewhere` a component stable in part of itself is enough.
    """

    def check(context: Context, value: object) -> Finding:
        names = names_of(value, key)
        return gather(_one(context, name, parts, wanted, somewhere=somewhere) for name in names)

    return check


def _one(
    context: Context,
    name: str,
    parts: tuple[str, ...],
    wanted: Verdict,
    *,
    somewhere: bool = False,
) -> Finding:
    needed = f"{name} is {wanted.value}{' at some point' if somewhere else ''}"
    component = _find(context, name)
    if component is None:
        return _missing(context, name, needed)
    findings = []
    for part in [p for p in parts if getattr(component, p).judged] or parts:
        stability: Stability = getattr(component, part)
        answer = _answer(stability, wanted, somewhere=somewhere)
        findings.append(
            Finding(
                answer, stability.how.value, f"{name}: {part} {_words(part, stability)}", needed
            )
        )
    return gather(findings)


def _answer(stability: Stability, wanted: Verdict, *, somewhere: bool) -> bool | None:
    """Return whether all of the component has the verdict: a family stable in part has neither."""
    if not stability.judged or stability.is_open:
        return None
    return stability.settled is wanted and (somewhere or not stability.part)


def _words(part: str, stability: Stability) -> str:
    word = "abscissa" if part == "flow" else "radius"
    common = stability.common_extent
    extent = "" if common is None else f", {word} {common:.6g}"
    return f"{stability.words} [{stability.how.value}]{extent}"


def _find(context: Context, name: str) -> Component | None:
    return next((c for c in context.components if c.id == name), None)


def _missing(context: Context, name: str, needed: str) -> Finding:
    """Return what it means that a component is not there: a refutation only if none was overlooked.

    Strata of commuting moments are listed without a gap even where other equilibria may exist.
    """
    complete, listed = _complete(context)
    aligned = context.model is not None and context.model.moments.commute
    sure = complete or (aligned and ALIGNED.fullmatch(name) is not None and _all_listed(context))
    found = f"there is no component {name}; found {', '.join(listed) or 'none'}"
    return Finding(False if sure else None, "certified", found, needed)


def _all_listed(context: Context) -> bool:
    total = context.report.variety.total
    return total is None or total == len(context.components)


def _complete(context: Context) -> tuple[bool, list[str]]:
    """Return whether the list holds every component, and its first names."""
    variety = context.report.variety
    return variety.complete and _all_listed(context), [c.id for c in context.components][:12]


def gather(findings: Iterable[Finding]) -> Finding:
    """Return the conjunction: the first refutation, else the first open one, else the weakest yes.

    Of nothing it is open: a check that looked at nothing has shown nothing.
    """
    rows = list(findings)
    if not rows:
        return Finding(None, "numeric", "there was nothing to check")
    for wanted in (False, None):
        for row in rows:
            if row.answer is wanted:
                return row
    text = "; ".join(row.found for row in rows[:4]) + ("; ..." if len(rows) > 4 else "")
    return Finding(
        True, weakest([row.how for row in rows]), text, "; ".join(r.needed for r in rows[:4])
    )


def _judged(context: Context) -> tuple[str, ...]:
    """Return flow and map, or the one of them that a system file gives."""
    return tuple(p for p in BOTH if all(getattr(c, p).judged for c in context.components))


def _decided(context: Context, part: str = "map") -> tuple[list[Component], Finding | None]:
    """Return the stable components; with a finding where a verdict is open."""
    chosen = []
    for component in context.components:
        stability: Stability = getattr(component, part)
        if stability.is_open:
            note = f"{component.id}: the {part} is undecided"
            return [], Finding(None, "numeric", note)
        if stability.is_stable:
            chosen.append(component)
    return chosen, None


def _grade(context: Context, part: str = "map", *, universal: bool) -> str:
    """Return how the verdicts are known; a universal statement needs the list to be complete."""
    grades = [getattr(component, part).how.value for component in context.components]
    if universal and not _complete(context)[0]:
        grades.append("numeric")
    return weakest(grades or ["certified"])


def stable_exactly(context: Context, value: object) -> Finding:
    """Check that these components are stable, flow and map alike, and no others."""
    wanted = set(names_of(value, "stable-exactly", least=0))
    findings = []
    for part in _judged(context):
        chosen, open_finding = _decided(context, part)
        if open_finding is not None:
            return open_finding
        found = sorted(component.id for component in chosen)
        text = f"stable for the {part}: {', '.join(found) or 'none'}"
        findings.append(
            Finding(
                set(found) == wanted,
                _grade(context, part, universal=True),
                text,
                f"exactly {', '.join(sorted(wanted)) or 'none'}",
            )
        )
    return gather(findings)


def stable_rank(context: Context, value: object) -> Finding:
    """Check that a component of this rank is stable for flow and map."""
    rank = whole_of(value, "stable-rank")
    needed = f"a stable component of rank {rank}"
    for c in context.leading:  # one is enough, and a long list takes its time
        if c.rank == rank and all(getattr(c, p).is_stable for p in BOTH):
            how = weakest([getattr(c, part).how.value for part in BOTH])
            return Finding(True, how, f"{c.id} is stable", needed)
    rows = [c for c in context.components if c.rank == rank]
    unclear = [c for c in rows if any(getattr(c, p).is_open for p in BOTH)]
    if unclear:
        return Finding(None, "numeric", f"{unclear[0].id} is undecided", needed)
    found = f"{len(rows)} components of rank {rank}, none stable" if rows else f"no rank {rank}"
    answer = False if _all_listed(context) else None
    return Finding(answer, _grade(context, universal=True), found, needed)


def top_rank(context: Context, value: object) -> Finding:
    """Check the largest rank of a stable component of the map."""
    wanted = whole_of(value, "top-rank")
    chosen, open_finding = _decided(context, _judged(context)[-1])
    if open_finding is not None:
        return open_finding
    ranks = [c.rank for c in chosen if c.rank is not None]
    found = max(ranks, default=None)
    text = "no stable component" if found is None else f"the largest stable rank is {found}"
    return Finding(
        found == wanted, _grade(context, universal=True), text, f"the largest is {wanted}"
    )


def only_collapse(context: Context, value: object) -> Finding:
    """Check whether full collapse is the only stable component (flow and map)."""
    wanted = truth_of(value, "only-collapse")
    findings = []
    for part in _judged(context):
        chosen, open_finding = _decided(context, part)
        if open_finding is not None:
            return open_finding
        alive = any(c.collapse != "full" for c in chosen)
        holds = bool(chosen) and not alive if wanted else alive
        text = f"stable for the {part}: {', '.join(c.id for c in chosen[:6]) or 'none'}"
        needed = (
            "only full collapse is stable" if wanted else "something besides collapse is stable"
        )
        findings.append(Finding(holds, _grade(context, part, universal=True), text, needed))
    return gather(findings)


def collapse_stable(context: Context, value: object) -> Finding:
    """Check whether full collapse is stable."""
    wanted = Verdict.STABLE if truth_of(value, "collapse-stable") else Verdict.UNSTABLE
    rows = [c for c in context.components if c.collapse == "full"]
    if not rows:
        return Finding(None, "numeric", "no collapse component is listed")
    return gather(_one(context, row.id, BOTH, wanted) for row in rows)


def all_stable(context: Context, value: object) -> Finding:
    """Check whether every component but full collapse is stable for the flow ("in general")."""
    wanted = truth_of(value, "all-stable")
    rows = [c for c in context.components if c.collapse != "full"]
    if not rows:
        return Finding(None, "numeric", "there is nothing but collapse")
    found = gather(_one(context, row.id, ("flow",), Verdict.STABLE) for row in rows)
    if wanted or found.answer is None:
        return found
    return replace(found, answer=not found.answer, needed="something is not stable")


def exists(context: Context, value: object) -> Finding:
    """Check that components are there."""
    rows = []
    for name in names_of(value, "exists"):
        needed = f"{name} exists"
        component = _find(context, name)
        rows.append(
            _missing(context, name, needed)
            if component is None
            else Finding(True, component.flow.how.value, needed, needed)
        )
    return gather(rows)


def absent(context: Context, value: object) -> Finding:
    """Check that components are not there; needs a complete list."""
    complete, listed = _complete(context)
    rows = []
    for name in names_of(value, "absent"):
        there = _find(context, name) is not None
        answer = False if there else (True if complete else None)
        text = f"{name} exists" if there else f"found {', '.join(listed) or 'none'}"
        rows.append(Finding(answer, "certified", text, f"{name} does not exist"))
    return gather(rows)


def components(context: Context, value: object) -> Finding:
    """Check the number of components."""
    wanted = whole_of(value, "components")
    variety = context.report.variety
    count = len(context.components) if variety.total is None else variety.total
    if count == wanted and not variety.complete:
        return Finding(None, "numeric", f"{count} found, the list may not be complete")
    return Finding(count == wanted, "certified", f"{count} components", f"{wanted} components")


def dimension(context: Context, value: object) -> Finding:
    """Check dimensions: a number for all components, or a table id = number."""
    if not isinstance(value, dict):
        wanted = whole_of(value, "dimension")
        table = {component.id: wanted for component in context.components}
    elif not value:
        raise FormatError("holds.dimension = {}: nothing to check; name a component")
    else:
        table = {name: whole_of(entry, f"dimension.{name}") for name, entry in value.items()}
    rows = []
    for name, expected in table.items():
        component = _find(context, name)
        needed = f"{name} has dimension {expected}"
        if component is None:
            rows.append(_missing(context, name, needed))
            continue
        found = f"{name} has dimension {component.dimension}"
        rows.append(
            Finding(component.dimension == expected, component.flow.how.value, found, needed)
        )
    return gather(rows)
