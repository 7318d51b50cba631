"""What every kind of check gets and gives: a case in a `Context`, a `Finding` back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from equilibria.claims.claim import Finding
from equilibria.errors import FormatError
from equilibria.exact.rationals import rational
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from equilibria.report.report import Report
    from equilibria.report.system_report import SystemReport
    from equilibria.varieties.component import Component

MANY = 10_000


class Measured(Protocol):
    """What a training experiment found: in words, and as the SHA-256 of its numbers."""

    @property
    def predicted(self) -> str: ...
    @property
    def measured(self) -> str: ...
    @property
    def holds(self) -> bool | None: ...
    @property
    def runs(self) -> int: ...
    @property
    def sha256(self) -> str: ...


Experiments = Mapping[str, Callable[[], Measured]]


@dataclass(frozen=True)
class Context:
    """One case of a claim. `model` is None where the claim speaks of a system file.

    `experiments` maps names to training runs, None where runs were not asked for.
    """

    model: Model | None
    system: Path | None
    path: Path
    words: str = ""
    time_limit: int = 60
    experiments: Experiments | None = field(default=None, compare=False)

    @cached_property
    def report(self) -> Report | SystemReport:
        """Return the analysis of the case; made once, on first use."""
        if self.model is None:
            from equilibria.report.system_report import analyze_system_file

            assert self.system is not None
            return analyze_system_file(
                str(self.system),
                lr=None,
                overrides={},
                time_limit=self.time_limit,
                max_components=MANY,
            )
        from equilibria.report.analyze import analyze

        return analyze(self.model, max_components=MANY)

    @cached_property
    def leading(self) -> tuple[Component, ...]:
        """Return the components that a short analysis lists: every stable one that fits first."""
        if self.model is None:
            return self.report.components
        from equilibria.report.analyze import analyze

        return analyze(self.model).components

    @property
    def own_model(self) -> Model:
        """Return the model; raises `FormatError` for a system file."""
        if self.model is None:
            raise FormatError(f"{self.system}: this check needs a built-in procedure")
        return self.model

    @property
    def components(self) -> tuple[Component, ...]:
        """Return the components found."""
        return self.report.components


Check = Callable[[Context, object], Finding]


def names_of(value: object, key: str, *, least: int = 1) -> tuple[str, ...]:
    """Return component ids: one as text, or a list of at least `least`, each once."""
    entries = [value] if isinstance(value, str) else value
    if not isinstance(entries, list) or not all(isinstance(entry, str) for entry in entries):
        raise FormatError(f'holds.{key}: expected component ids such as "rank2:1+,2+"')
    if len(entries) < least:
        raise FormatError(f"holds.{key} = []: nothing to check; name a component")
    return tuple(entries)


def truth_of(value: object, key: str) -> bool:
    """Return a truth value."""
    if not isinstance(value, bool):
        raise FormatError(f"holds.{key} = {value!r:.40}: expected true or false")
    return value


def number_of(value: object, key: str) -> Fraction:
    """Return an exact number."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise FormatError(f"holds.{key} = {value!r:.40}: expected a number")
    return rational(str(value), f"holds.{key}")


def whole_of(value: object, key: str) -> int:
    """Return a whole number, not negative."""
    number = number_of(value, key)
    if number.denominator != 1 or number < 0:
        raise FormatError(f"holds.{key} = {value}: expected a whole number")
    return int(number)


def table_of(value: object, key: str, allowed: tuple[str, ...]) -> Mapping[str, object]:
    """Return a table that has some of the allowed entries and no others."""
    if not isinstance(value, dict) or not value:
        raise FormatError(f"holds.{key}: expected a table with {', '.join(allowed)}")
    for name in value:
        if name not in allowed:
            raise FormatError(f"holds.{key}.{name!s:.40}: expected one of {', '.join(allowed)}")
    return value


def choice_of(value: object, key: str, allowed: tuple[str, ...]) -> str:
    """Return one of a few words."""
    if value not in allowed:
        raise FormatError(f"holds.{key} = {value!r:.40}: expected one of {', '.join(allowed)}")
    return str(value)
