"""The report on a user's own polynomial system."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from equilibria.errors import FormatError
from equilibria.rationals import Number
from equilibria.report import Summary
from equilibria.results import Component, Variety, Verdict
from equilibria.system import PolynomialSystem
from equilibria.usersystem import UserSystem, load

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

    def to_json(self) -> dict[str, Any]:
        """Return the object of the interface contract, with `moments` null."""
        from equilibria.render.system import system_report_json

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
    from equilibria.elimination import analyze_system

    start = time.perf_counter()
    user = load(path, overrides)
    variety = analyze_system(user, lr=lr, time_limit=time_limit)
    shown = Variety(
        components=variety.components[:max_components],
        complete=variety.complete and len(variety.components) <= max_components,
        why=variety.why,
        total=variety.total,
        stable_total=variety.stable_total,
        description=variety.description,
    )
    return SystemReport(
        user=user,
        system=user.system(lr),
        variety=shown,
        summary=_summary(shown),
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


def _summary(variety: Variety) -> Summary:
    stable = tuple(c.id for c in variety.components if c.map.verdict is Verdict.STABLE)
    undecided = tuple(c.id for c in variety.components if c.map.verdict is Verdict.UNDECIDED)
    count = len(variety.components)
    noun = "component" if count == 1 else "components"
    text = f"{len(stable)} of {count} {noun} of equilibria {'is' if len(stable) == 1 else 'are'} stable."
    return Summary(avoids_collapse=False, stable=stable, undecided=undecided, text=text)
