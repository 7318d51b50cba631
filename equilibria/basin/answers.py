"""What `basin` answers: the fate of one start, and the boundary with its thresholds. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from equilibria.basin.separatrix import Fate
from equilibria.varieties.component import How


@dataclass(frozen=True, slots=True)
class Bounds:
    """A number enclosed from both sides; `certified` bounds are exact comparisons, rounded out."""

    low: float
    high: float
    how: How

    def to_json(self) -> dict[str, object]:
        """Return low, high and how."""
        return {"low": self.low, "high": self.high, "how": self.how.value}

    def text(self) -> str:
        """Return the digits on which both bounds agree, or the two of them."""
        for digits in range(12, 2, -1):
            low, high = f"{self.low:.{digits}g}", f"{self.high:.{digits}g}"
            if low == high:
                return low
        return f"{self.low:.6g} to {self.high:.6g}"


@dataclass(frozen=True)
class BasinAnswer:
    """What becomes of one start (p, w, t) of one mode, and how that is known.

    `margin` bounds p - psi, the distance to the boundary in p with c = alpha w^2 - p^2 (and t)
    held: positive in the basin of learning; None where no p changes the outcome. `scale` bounds
    the factor at which the start, multiplied as a whole, changes its outcome.
    """

    mode: int
    point: tuple[Fraction, Fraction, Fraction]
    fate: Fate
    how: How
    why: str
    is_map: bool
    balance: Fraction
    margin: Bounds | None = None
    scale: Bounds | None = None
    tolerance: float | None = None

    def to_json(self) -> dict[str, object]:
        """Return the object `point` of schema `noncollapse/basin/1`."""
        p, w, t = self.point
        return {
            "mode": self.mode,
            "p": str(p),
            "w": str(w),
            "t": str(t),
            "c": str(self.balance),
            "dynamics": "map" if self.is_map else "flow",
            "fate": self.fate.value,
            "how": self.how.value,
            "why": self.why,
            "margin": None if self.margin is None else self.margin.to_json(),
            "critical_scale": None if self.scale is None else self.scale.to_json(),
            "tolerance": self.tolerance,
        }


@dataclass(frozen=True)
class Boundary:
    """The boundary between collapse and learning of one mode, on the slice t = w.

    `rows` hold (c, low, high): at this c = alpha w^2 - p^2, p <= low collapses and p >= high
    survives (the other way round for a mode with m < 0: `falling`). `curve` is the same boundary as
    points (p, w) for drawing. `thresholds` may hold c_minus (below it everything collapses), c_zero
    (p = 0) and c_plus (above it everything survives). Empty where the mode has one fate only;
    `statement` always says what is true. `undecided` counts lines searched in vain.
    """

    mode: int
    regime: str
    is_map: bool
    how: How
    statement: str
    thresholds: dict[str, Bounds]
    rows: tuple[tuple[float, float, float], ...]
    curve: tuple[tuple[float, float], ...]
    roots: tuple[float, ...]
    E: Fraction | None
    tolerance: float | None
    notes: tuple[str, ...] = ()
    falling: bool = False
    undecided: int = 0

    def to_json(self) -> dict[str, object]:
        """Return the entries `flow` (or `map`) and `boundary` of schema `noncollapse/basin/1`."""
        return {
            "mode": self.mode,
            "regime": self.regime,
            "dynamics": "map" if self.is_map else "flow",
            "how": self.how.value,
            "statement": self.statement,
            "E": None if self.E is None else str(self.E),
            "roots": list(self.roots),
            "thresholds": {name: bounds.to_json() for name, bounds in self.thresholds.items()},
            "falling": self.falling,
            "boundary": [list(row) for row in self.rows],
            "tolerance": self.tolerance,
            "notes": list(self.notes),
            "undecided": self.undecided,
        }
