"""What `cycles` found: JSON of schema `noncollapse/cycles/1`, and lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from equilibria.cycles.crossing import Branch, HopfPoint
from equilibria.cycles.cycle import LimitCycle
from equilibria.cycles.follow import CycleBranch
from equilibria.cycles.search import Search
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.core import CoreEquilibrium

SCHEMA = "noncollapse/cycles/1"
SYMBOLS = {"beta": "β", "eta": "η", "h": "h", "ema": "μ", "kappa": "κ"}
SHOWN = 4


@dataclass(frozen=True, slots=True, eq=False)
class Focus:
    """An equilibrium, its leading non-real pair (None: real spectrum), its unstable directions."""

    core: CoreEquilibrium
    pair: complex | None
    unstable: int

    @property
    def spirals_out(self) -> bool:
        """Whether its leading non-real pair is unstable."""
        return self.pair is not None and self.pair.real > 0

    def to_json(self, *, scale: float = 1.0) -> dict[str, object]:
        """Return the entry of `equilibria`."""
        return {
            "rank": self.core.rank,
            "gram": (self.core.gram / scale).tolist(),
            "leading_pair": None if self.pair is None else [self.pair.real, self.pair.imag],
            "unstable_directions": self.unstable,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Along:
    """An equilibrium along a parameter, its Hopf points and the cycles followed from them."""

    parameter: str
    branch: Branch
    cycles: tuple[CycleBranch, ...]

    def to_json(self, *, scale: float = 1.0) -> dict[str, object]:
        """Return the object `along`."""
        return {
            "parameter": self.parameter,
            "branch": self.branch.to_json(),
            "cycle_branches": [branch.to_json(scale=scale) for branch in self.cycles],
        }


@dataclass(frozen=True)
class CyclesReport:
    """Cycles of a model and where they come from; all numeric.

    `endings` counts the runs that came to rest, settled on a cycle, or did neither in time.
    """

    model: Model
    foci: tuple[Focus, ...]
    cycles: tuple[LimitCycle, ...]
    endings: Mapping[str, int]
    along: Along | None = None
    search: Search | None = None
    seconds: float = field(default=0.0, compare=False)

    @property
    def scale(self) -> float:
        """alpha / kappa: Gram matrices in the model's units are smaller by this (T0.1, T0.3)."""
        kappa = self.model.kappa
        return to_float(self.model.alpha / kappa) if kappa else 1.0

    @property
    def undecided(self) -> tuple[str, ...]:
        """Return the cycles whose stability is not decided: the sentence cannot count them."""
        open_ones = (i for i, c in enumerate(self.cycles) if c.verdict.value == "undecided")
        return tuple(cycle_id(i) for i in open_ones)

    @property
    def sentence(self) -> str:
        """The answer in one sentence."""
        stable = sum(cycle.verdict.value == "stable" for cycle in self.cycles)
        extra = f" Undecided: {', '.join(self.undecided)}." if self.undecided else ""
        if stable:
            count = _count(stable, "stable limit cycle")
            return f"Not every attractor is an equilibrium: {count}.{extra}"
        if self.cycles:
            known = "known to be " if extra else ""
            count = _count(len(self.cycles), "limit cycle")
            return f"{count} found, none of them {known}stable.{extra}"
        tried = sum(self.endings.values())
        if not any(focus.pair is not None for focus in self.foci):
            return "No cycle: the spectra of the equilibria of highest rank found are real."
        return f"No cycle was met in {_count(tried, 'run')}; that does not exclude one."

    def to_json(self) -> dict[str, object]:
        """Return the object of schema `noncollapse/cycles/1`."""
        from equilibria.systems.model_json import moments_json, parameters_json

        scale = self.scale
        return {
            "schema": SCHEMA,
            "procedure": self.model.procedure,
            "parameters": parameters_json(self.model),
            "moments": moments_json(self.model),
            "equilibria": [focus.to_json(scale=scale) for focus in self.foci],
            "cycles": [
                {"id": cycle_id(i), **cycle.to_json(scale=scale)}
                for i, cycle in enumerate(self.cycles)
            ],
            "runs": dict(self.endings),
            "along": None if self.along is None else self.along.to_json(scale=scale),
            "search": None if self.search is None else self.search.to_json(),
            "verdict": {"how": "numeric", "text": self.sentence},
        }


def cycle_id(index: int) -> str:
    """cycle:a, cycle:b, ..."""
    letters = ""
    index += 1
    while index:
        index, digit = divmod(index - 1, 26)
        letters = chr(ord("a") + digit) + letters
    return f"cycle:{letters}"


def report_lines(report: CyclesReport) -> list[str]:
    """Return the report as lines of at most 100 columns."""
    lines = [f"{report.sentence}  [numeric]", ""]
    for focus in report.foci:
        lines.append(_focus_line(focus))
    for index, cycle in enumerate(report.cycles):
        lines += ["", *_cycle_lines(cycle_id(index), cycle, report.scale)]
    endings = report.endings
    if sum(endings.values()):
        lines += [
            "",
            f"{_count(sum(endings.values()), 'run')}: {endings['cycle']} settled on a cycle, "
            f"{endings['rest']} came to rest, {endings['unsettled']} did neither in time",
        ]
    if report.along is not None:
        lines += ["", *_along_lines(report.along)]
    if report.search is not None:
        lines += ["", *_search_lines(report.search)]
    return [line[:100].rstrip() for line in lines]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _focus_line(focus: Focus) -> str:
    what = "stable" if not focus.unstable else _count(focus.unstable, "unstable direction")
    if focus.pair is None:
        return f"  equilibrium of rank {focus.core.rank}: {what}, real spectrum"
    return (
        f"  equilibrium of rank {focus.core.rank}: {what}, leading pair "
        f"{focus.pair.real:+.6g} ± {focus.pair.imag:.6g}i"
    )


def _cycle_lines(name: str, cycle: LimitCycle, scale: float) -> list[str]:
    ranges = ", ".join(
        f"G{j + 1}{j + 1} in [{low / scale:.6g}, {high / scale:.6g}]"
        for j, (low, high) in enumerate(cycle.amplitude[:SHOWN])
    )
    sizes = ", ".join(multiplier(value) for value in cycle.multipliers[:SHOWN])
    more = ", ..." if cycle.multipliers.size > SHOWN else ""
    across = "" if cycle.transverse is None else f"; {cycle.transverse:.6g} across balance"
    return [
        f"  {name}   {cycle.verdict.value}, period {cycle.period:.6g}, closes to {cycle.closure:.0e}",
        f"      {ranges}",
        f"      Floquet multipliers {sizes}{more}{across}",
    ]


def multiplier(value: complex) -> str:
    """Return a Floquet multiplier in digits that the integration bears out."""
    if abs(value) < 1e-6:
        return "< 1e-6"
    if abs(value.imag) < 1e-9:
        return f"{value.real:.4g}"
    return f"{value.real:.4g}{value.imag:+.4g}i"


def _along_lines(along: Along) -> list[str]:
    symbol, values = SYMBOLS[along.parameter], along.branch.values
    reach = f"{symbol} from {values[0]:.6g} to {values[-1]:.6g}" if values.size else symbol
    lines = [f"  along {reach}: {_count(len(along.branch.points), 'crossing')} of a complex pair"]
    lines += [_point_line(symbol, point) for point in along.branch.points]
    if along.branch.stopped:
        lines.append(f"      {along.branch.stopped}")
    for branch in along.cycles:
        begin = f"{symbol} = {branch.values[0]:.6g}"
        lines.append(
            f"      cycle from {begin} to {branch.values[-1]:.6g}, {branch.cycles[-1].verdict.value}: "
            f"{branch.reason}"
        )
    return lines


def _point_line(symbol: str, point: HopfPoint) -> str:
    also = f", {point.others} more unstable" if point.others else ""
    return (
        f"      {point.kind} at {symbol} = {point.value:.8g}, frequency {point.frequency:.6g}, "
        f"{point.criticality}{also}"
    )


def _search_lines(search: Search) -> list[str]:
    if search.found is None:
        return [f"  search within {search.radius:g}: {search.reason}; this proves nothing"]
    found = search.found
    if not found.distance:
        return [f"  search: {search.reason}"]
    parts = ", ".join(f"{name} {size:.3g}" for name, size in found.moved)
    return [
        f"  search within {search.radius:g}: {search.reason}, at distance {found.distance:.6g}",
        f"      moved: {parts}; pair {found.pair.real:+.3g} ± {found.pair.imag:.6g}i",
    ]
