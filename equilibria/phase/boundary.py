"""Boundaries of a phase diagram: curves where a polynomial condition vanishes, as exact points."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from equilibria.exact.rationals import to_float, to_text

KINDS = ("fold", "transcritical", "hopf", "flip", "neimark-sacker")


@dataclass(frozen=True, slots=True)
class Coordinate:
    """An exact rational (low = high), or an interval of rationals that isolates the value."""

    low: Fraction
    high: Fraction

    @classmethod
    def exact(cls, value: Fraction) -> Coordinate:
        return cls(value, value)

    @property
    def is_exact(self) -> bool:
        return self.low == self.high

    @property
    def value(self) -> float:
        return to_float((self.low + self.high) / 2)

    def to_json(self) -> object:
        """Return the rational as text, or the two ends of the interval."""
        if self.is_exact:
            return to_text(self.low)
        return [to_text(self.low), to_text(self.high)]


@dataclass(frozen=True, slots=True)
class BoundaryPoint:
    """One point of a boundary. `certified`: exact, or its interval's end signs were proved."""

    x: Coordinate
    y: Coordinate
    certified: bool = True

    def to_json(self) -> list[object]:
        return [self.x.to_json(), self.y.to_json()]


@dataclass(frozen=True)
class Boundary:
    """A piece of curve of one kind.

    `between` names the states that meet (1+, 2-); `block` the block of the Jacobian that decides;
    `strata` whose stability ends there (empty where equilibria appear or exchange stability).
    """

    kind: str
    between: tuple[str, ...]
    block: str
    strata: tuple[str, ...]
    points: tuple[BoundaryPoint, ...]
    formula: str
    changes: bool = True
    """Whether the stable strata change across it; two unstable ones may exchange roles unseen."""
    criticality: str = ""
    """Of a Hopf curve: supercritical where an attracting cycle is born; empty where not asked."""

    @property
    def how(self) -> str:
        """Return exact, certified (isolating intervals with proved signs), or numeric."""
        if all(point.x.is_exact and point.y.is_exact for point in self.points):
            return "exact"
        return "certified" if all(point.certified for point in self.points) else "numeric"

    def to_json(self) -> dict[str, object]:
        return {
            "kind": self.kind,
            "between": list(self.between),
            "block": self.block,
            "strata": list(self.strata),
            "how": self.how,
            "changes_stable": self.changes,
            "formula": self.formula,
            "points": [point.to_json() for point in self.points],
            **({"criticality": self.criticality} if self.criticality else {}),
        }
