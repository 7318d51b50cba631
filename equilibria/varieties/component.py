"""The nouns that analysis produces: verdicts, stability, components. All frozen, no behaviour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from fractions import Fraction
from functools import cached_property


class Verdict(StrEnum):
    """Three answers, never two."""

    STABLE = "stable"
    UNSTABLE = "unstable"
    UNDECIDED = "undecided"


class How(StrEnum):
    """How a verdict is known.

    `PROVED`: a symbolic identity, for all values in scope. `CERTIFIED`: signs of exact numbers, or
    ball arithmetic. `NUMERIC`: floating point with a stated tolerance.
    """

    PROVED = "proved"
    CERTIFIED = "certified"
    NUMERIC = "numeric"


@dataclass(frozen=True, slots=True)
class Algebraic:
    """A real algebraic number: a float beside its closed form or defining polynomial."""

    value: float
    exact: str


Entry = Fraction | Algebraic | float
"""A number in a representative: exact rational, exact algebraic, or measured."""


@dataclass(frozen=True, slots=True)
class Eigenvalue:
    """An eigenvalue of the flow (or a multiplier of the map) with its multiplicity."""

    value: complex
    multiplicity: int
    exact: str | None = None


@dataclass(frozen=True)
class Stability:
    """The verdict on one component, for the flow or for the map.

    `neutral` eigenvalues are zero (flow) or one (map) because of the component's dimension;
    `extent` is the spectral abscissa (flow) or radius (map) over all the others, None where there
    are no others. `largest_step` is the supremum of the step sizes below which the map is stable.
    `spectrum` is made on demand, by descending real part (flow) or modulus (map).

    `part`: the verdict is that of the representative and not shown to be that of every point. A
    family is then stable in part, where its conditions say; with an unstable one it is open.
    `elsewhere`: another point was found to be stable; `note` says which.
    `varies`: `extent` and `spectrum` are those of the representative, other points have others.
    `judged` is False where nobody asked: there is no verdict then, and `note` says why.
    """

    verdict: Verdict
    how: How
    neutral: int
    extent: float | None
    largest_step: float | None = None
    note: str = ""
    part: bool = False
    elsewhere: bool = False
    varies: bool = False
    judged: bool = True
    build_spectrum: Callable[[], tuple[Eigenvalue, ...]] = field(
        default=lambda: (), repr=False, compare=False
    )

    @cached_property
    def spectrum(self) -> tuple[Eigenvalue, ...]:
        return self.build_spectrum()

    @property
    def growth(self) -> float:
        """The extent to nine digits, by which rows are ordered: what rounding tells apart is a tie."""
        return float(f"{self.extent or 0.0:.9g}")

    @property
    def is_stable(self) -> bool:
        """Return whether there are stable points: all of the component, or part of it."""
        return self.judged and (self.elsewhere or self.verdict is Verdict.STABLE)

    @property
    def is_open(self) -> bool:
        """Return whether it was asked and is not known whether there are stable points."""
        unstable_there = self.part and self.verdict is Verdict.UNSTABLE
        known = self.is_stable or not (unstable_there or self.verdict is Verdict.UNDECIDED)
        return self.judged and not known

    @property
    def settled(self) -> Verdict:
        """Return the verdict on the component: stable where it has stable points, see `part`."""
        if self.is_open:
            return Verdict.UNDECIDED
        return Verdict.STABLE if self.is_stable else self.verdict

    @property
    def words(self) -> str:
        """Return the verdict on the component as it is shown."""
        if not self.judged:
            return "-"
        return "in part" if self.is_stable and self.part else self.settled.value

    @property
    def common_extent(self) -> float | None:
        """Return the extent where it is that of every point of the component."""
        return None if self.varies else self.extent

    @property
    def abscissa(self) -> float | None:
        return self.extent

    @property
    def radius(self) -> float | None:
        return self.extent


@dataclass(frozen=True, slots=True)
class Conditions:
    """Polynomials that are all positive exactly where a component is stable.

    `scope` says for which points of the component; `names` explains the variables.
    """

    flow: tuple[str, ...]
    map: tuple[str, ...]
    scope: str


@dataclass(frozen=True)
class Detail:
    """What is shown about a component only on demand: its equations and one point on it."""

    equations: tuple[str, ...]
    representative: Mapping[str, tuple[tuple[Entry, ...], ...]]


@dataclass(frozen=True)
class Component:
    """One irreducible piece of the equilibrium set, up to the symmetry of the system.

    `modes` and `roots` describe a stratum of commuting moments ("+" is the outer root p+); they are
    None where no mode list describes the component. A relative equilibrium `rotates` with a
    `frequency`. `ema_windows` are the flow rates of a target that destabilise what stop-gradient keeps
    stable. `collapse` is none, partial or full; None for a
    user's system, where the word has no meaning.
    """

    id: str
    rank: int | None
    dimension: int
    collapse: str | None
    flow: Stability
    map: Stability
    modes: tuple[int, ...] | None = None
    roots: tuple[str, ...] | None = None
    stable_where: Conditions | None = None
    note: str = ""
    motion: str = "rest"
    frequency: float | None = None
    ema_windows: tuple[tuple[float, float], ...] = ()
    build_detail: Callable[[], Detail] = field(
        default=lambda: Detail((), {}), repr=False, compare=False
    )

    @property
    def rotates(self) -> bool:
        """Return whether it is a relative equilibrium, which turns and never rests."""
        return self.motion == "rotates"

    @property
    def counted(self) -> Stability:
        """Return the verdict that a headline counts: the map's, the flow's where no map was given."""
        return self.map if self.map.judged else self.flow

    @cached_property
    def detail(self) -> Detail:
        return self.build_detail()

    @property
    def equations(self) -> tuple[str, ...]:
        return self.detail.equations

    @property
    def representative(self) -> Mapping[str, tuple[tuple[Entry, ...], ...]]:
        return self.detail.representative


def collapse_grade(rank: int, embed_dim: int, input_dim: int) -> str:
    """Return full (rank 0), none (the largest possible rank) or partial."""
    if rank == 0:
        return "full"
    return "none" if rank == min(embed_dim, input_dim) else "partial"


@dataclass(frozen=True)
class Variety:
    """A list of components with its standing: is it everything, and how is that known?

    `total` counts all strata, listed or not (None where it is not known); `stable_total` likewise
    counts the stable ones. `description` states, in words, the stable strata that a list cannot hold.
    """

    components: tuple[Component, ...]
    complete: bool
    why: str
    total: int | None = None
    stable_total: int | None = None
    description: str = ""
