"""The report on a user's own polynomial system."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING

from equilibria.errors import FormatError
from equilibria.exact.rationals import Number
from equilibria.report.analysis import Summary
from equilibria.report.json import SCHEMA, component_json
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.system_file import UserSystem, load
from equilibria.varieties.component import Component, Stability, Variety
from equilibria.varieties.listing import shortened

if TYPE_CHECKING:
    from equilibria.gradient import GradientReport


@dataclass(frozen=True)
class SystemReport:
    """What the analysis of a system file found; the same shape as `Report` where it can be."""

    user: UserSystem
    system: PolynomialSystem
    variety: Variety
    summary: Summary
    seconds: float = field(compare=False, default=0.0)

    @property
    def components(self) -> tuple[Component, ...]:
        return self.variety.components

    @cached_property
    def gradient(self) -> GradientReport | None:
        """Return the gradient certificate of the flow; None when the file gives the map alone."""
        from equilibria.gradient import or_reason, system_certificate

        if not self.system.flow:
            return None
        name = self.user.name
        return or_reason(name, lambda: system_certificate(self.system, name=name))

    def to_json(self) -> dict[str, object]:
        """Return the object of the interface contract, with `moments` null."""

        return system_report_json(self)


def analyze_system_file(
    path: str,
    *,
    lr: Number | None = None,
    overrides: Mapping[str, str] | None = None,
    time_limit: int = 60,
    max_components: int = 64,
) -> SystemReport:
    """Read a system file and analyse it by elimination, or by search where that is too large.

    `overrides` replaces parameters of the file. Raises `FormatError` naming file and key.
    """
    from equilibria.varieties.elimination import analyze_system

    start = time.perf_counter()
    user = load(path, overrides)
    variety = analyze_system(user, lr=lr, time_limit=time_limit)
    whole = len(variety.components) <= max_components
    return SystemReport(
        user=user,
        system=user.system(lr),
        variety=replace(
            variety,
            components=variety.components[:max_components],
            complete=variety.complete and whole,
        ),
        summary=summarise(variety),
        seconds=time.perf_counter() - start,
    )


def parse_overrides(words: list[str] | None) -> dict[str, str]:
    """Return NAME=VALUE words as a mapping; raises `FormatError` naming the word."""
    found: dict[str, str] = {}
    for word in words or []:
        name, equals, value = word.partition("=")
        if not equals or not name.strip() or not value.strip():
            raise FormatError(f"--set {word}: expected NAME=VALUE, as in --set mu=0.9")
        found[name.strip()] = value.strip()
    return found


def summarise(variety: Variety) -> Summary:
    """Return how many components are stable, in part, undecided, and which.

    The map is counted where there is one, else the flow (`Component.counted`); where there are
    both the sentence counts the flow too, and what is undecided for either is undecided.
    """
    components = variety.components
    stable = [c for c in components if c.counted.is_stable]
    return Summary(
        avoids_collapse=False,
        stable=tuple(c.id for c in stable),
        undecided=tuple(c.id for c in components if c.flow.is_open or c.map.is_open),
        text=_sentence(variety),
        in_part=tuple(c.id for c in stable if c.counted.part),
    )


def _sentence(variety: Variety) -> str:
    components = variety.components
    if not components:
        return "There are no equilibria." if variety.complete else "No equilibria were found."
    text = _tally(components, [c.counted for c in components])
    both = all(c.flow.judged and c.map.judged for c in components)
    if both and any(c.flow.words != c.map.words for c in components):
        flow = _tally(components, [c.flow for c in components])
        text = f"For the map {text}. For the flow {flow}"
    ending = "." if variety.complete else "; the list is not complete."
    return text[0].upper() + text[1:] + ending


def _tally(components: Sequence[Component], parts: Sequence[Stability]) -> str:
    """Return how many are stable, with the ids of those that are in part or undecided."""
    part = [c.id for c, s in zip(components, parts, strict=True) if s.is_stable and s.part]
    unclear = [c.id for c, s in zip(components, parts, strict=True) if s.is_open]
    whole = sum(s.is_stable and not s.part for s in parts)
    count = len(components)
    noun = f"{count} {'component' if count == 1 else 'components'} of equilibria"
    extra: list[str] = []
    if part and not whole:
        text = f"{len(part)} of {noun} {_are(len(part))} stable in part ({shortened(part)})"
    else:
        known = "known to be " if unclear and not whole else ""
        text = f"{whole} of {noun} {_are(whole)} {known}stable"
        extra = [f"{len(part)} in part ({shortened(part)})"] if part else []
    if unclear:
        extra.append(f"{len(unclear)} undecided ({shortened(unclear)})")
    return ", ".join([text, *extra])


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def system_report_json(report: SystemReport) -> dict[str, object]:
    """Return the schema of `equilibria` with what a system file has: no moments, no collapse."""
    system = report.system
    return {
        "schema": SCHEMA,
        "procedure": report.user.name,
        "parameters": {name: str(value) for name, value in report.user.parameters.items()},
        "moments": None,
        "system": {
            "variables": list(system.variables),
            "flow": {name: entry.text() for name, entry in system.flow.items()} or None,
            "map": {name: entry.text() for name, entry in system.map.items()} or None,
            "degree": max(entry.degree for entry in (*system.flow.values(), *system.map.values())),
            "symmetry": system.symmetry,
            "matrix_form": list(system.matrix_form),
        },
        "components": [_component(c, flow=bool(system.flow)) for c in report.components],
        "strata_total": report.variety.total,
        "stable_total": report.variety.stable_total,
        "complete": {"value": report.variety.complete, "why": report.variety.why},
        "description": report.variety.description or None,
        "gradient_field": report.gradient.to_json() if report.gradient is not None else None,
        "verdict": {
            "avoids_collapse": None,
            "stable_components": list(report.summary.stable),
            "stable_in_part": list(report.summary.in_part),
            "undecided_components": list(report.summary.undecided),
            "text": report.summary.text,
        },
    }


def _component(component: Component, *, flow: bool) -> dict[str, object]:
    data = component_json(component, full=True, detailed=True)
    if not flow:
        data["flow"] = None
    return data
