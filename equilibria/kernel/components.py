"""One component of equilibria: its point, its dimension, and both verdicts, from scratch."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fractions import Fraction

from .families import rank, tangents
from .following import check_following
from .points import (
    Evaluator,
    Linearisation,
    Point,
    check_equilibrium,
    linearise,
    read_point,
    tied_variables,
)
from .reading import Entry, fields, integer, polynomial, word
from .refusal import Refusal, at
from .spectra import (
    Coefficients,
    Known,
    Matrix,
    blocks,
    characteristic,
    folded,
    grid,
    right_of_axis,
    shifted,
    without_ones,
    without_zeros,
)
from .steps import check_largest
from .systems import Model, System
from .towers import Tower, Value

LETTERS = re.compile(r"[a-z]{1,4}", re.ASCII)
SPECTRAL = ("verdict", "neutral", "unstable", "trace", "extent")


@dataclass
class Tally:
    """What has been checked so far."""

    components: int = 0
    verdicts: int = 0
    undecided: int = 0
    identities: int = 0
    enclosures: int = 0
    at_points: int = 0
    steps: int = 0
    without_steps: int = 0
    degenerate: int = 0
    witnesses: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Setting:
    """A model, its polynomials, its tower, and results for blocks that come back."""

    model: Model
    system: System
    tower: Tower
    known: Known = field(default_factory=dict)


def conditional(model: Model) -> bool:
    """Return whether components state where they are stable: the predictor does not decay."""
    return model.traits.bootstraps and model.diagonal and not model.eta_p


@dataclass(frozen=True)
class Placed:
    """A component whose point is an equilibrium and has the id; `aligned` if the id names modes."""

    id: str
    at_point: Evaluator
    aligned: bool


@dataclass(frozen=True)
class Spectral:
    """Its dimension and its two linearisations, whose traces hold; `aligned` as for `Placed`."""

    dimension: int
    aligned: bool
    jacobians: dict[str, Linearisation]


def place_component(value: Entry, setting: Setting, tally: Tally) -> Placed:
    """Check the point and the id."""
    model, system, tower = setting.model, setting.system, setting.tower
    names = ["id", "dimension", "collapse", "scope", "point", "flow", "map", "largest_h"]
    names += ["inverses"] if model.traits.root else []
    names += ["stable_where"] if conditional(model) else []
    fields(value, names)
    with at("point"):
        point = read_point(value["point"], system, tower)
        at_point = Evaluator(point, tower)
        tally.identities += check_equilibrium(system, at_point)
        _check_orientation(model, point, tower)
    with at("id"):
        aligned, size = _check_id(word(value["id"]), model, point, tower)
    check_collapse(value["collapse"], size, model)
    tally.components += 1
    return Placed(value["id"], at_point, aligned)


def check_collapse(value: object, size: int, model: Model) -> None:
    """Check the grade of collapse: full at rank 0, none at the largest possible rank."""
    full = min(model.n, model.d)
    grade = "full" if not size else ("none" if size == full else "partial")
    with at("collapse"):
        if value != grade:
            raise Refusal(f"rank {size} of at most {full} is {grade} collapse")


def linearise_component(value: Entry, placed: Placed, setting: Setting, tally: Tally) -> Spectral:
    """Check the dimension and the traces."""
    model, system, tower = setting.model, setting.system, setting.tower
    at_point = placed.at_point
    dimension = rank(tangents(model, system, at_point.point, tower), tower)
    with at("dimension"):
        if integer(value["dimension"]) != dimension:
            raise Refusal(f"the family through the point has dimension {dimension}")
    inverses = _inverses(value.get("inverses", {}), model, at_point.point, tower)
    tied = tied_variables(model, at_point, inverses)
    jacobians = {}
    for kind, equations in (("flow", system.flow), ("map", system.map)):
        jacobians[kind] = linearise(equations, at_point, tied)
        with at(kind):
            _check_trace(value[kind], jacobians[kind], tower)
            tally.identities += 1
    return Spectral(dimension, placed.aligned, jacobians)


def _check_trace(value: Entry, jacobian: Linearisation, tower: Tower) -> None:
    trace = fields(value, SPECTRAL)[SPECTRAL.index("trace")]
    with at("trace"):
        if tower.value(polynomial(trace)) != jacobian.trace:
            raise Refusal("not the trace of the Jacobian")


def check_component(value: Entry, placed: Spectral, setting: Setting, tally: Tally) -> bool:
    """Check what is claimed of both spectra; return whether the flow is degenerate there."""
    neutral = {}
    for kind, jacobian in placed.jacobians.items():
        with at(kind):
            neutral[kind] = check_spectrum(
                value[kind], jacobian, placed.dimension, kind, setting, tally
            )
    degenerate = neutral["flow"] != placed.dimension
    with at("largest_h"):
        _check_step(value, placed, setting, tally, degenerate=degenerate)
    return degenerate


def _check_step(
    value: Entry, placed: Spectral, setting: Setting, tally: Tally, *, degenerate: bool
) -> None:
    """Check the largest step size; `open` stands where the kernel has no proof of one."""
    model, tower, given = setting.model, setting.tower, value["largest_h"]
    whole, stable = value["scope"] == "component", value["flow"]["verdict"] == "stable"
    flow = placed.jacobians["flow"]
    if not model.traits.averaged or not whole or degenerate:
        polys = [
            _counted(setting, flow.matrix, block, "flow").rest for block in blocks(flow.matrix)
        ]
        tally.steps += check_largest(given, model, tower, polys, stable=stable and whole)
    elif placed.aligned:
        tally.steps += check_following(given, model, tower, (flow, placed.dimension), setting.known)
    else:
        if given != "open":
            raise Refusal("with a moving target only aligned points have one")
        tally.without_steps += stable


def _inverses(value: Entry, model: Model, point: Point, tower: Tower) -> dict[str, Value]:
    if not model.traits.root:
        return {}
    on = [f"P_{i}_{i}" in point for i in range(1, model.n + 1)]
    names = [
        f"P_{i + 1}_{i + 1} + P_{j + 1}_{j + 1}"
        for i in range(model.n)
        for j in range(i, model.n)
        if on[i] or on[j]
    ]
    found = {}
    with at("inverses"):
        for key, entry in zip(names, fields(value, names), strict=True):
            with at(key):
                found[key] = tower.value(polynomial(entry))
    return found


def _check_orientation(model: Model, point: Point, tower: Tower) -> None:
    """Rows of W begin with a positive entry, which picks one of the reflected points."""
    for i in range(1, model.n + 1):
        row = [f"W_{i}_{j}" for j in range(1, model.d + 1)]
        first = next((x for x in row if x in point), None)
        if first is not None and tower.sign(point[first]) != 1:
            raise Refusal(f"{first}: the first entry of a row of W must be positive")


def aligned_modes(model: Model, point: Point) -> list[tuple[int, int]] | None:
    """Return (row, mode) of the active modes if each has its own row and P is diagonal."""
    places = [tuple(map(int, x.split("_")[1:])) for x in point if x.startswith("W")]
    off = any(len(set(x.split("_")[1:])) > 1 for x in point if x.startswith("P"))
    rows, columns = {i for i, _ in places}, {j for _, j in places}
    if not places:
        return []
    if not model.diagonal or off or not len(places) == len(rows) == len(columns):
        return None
    return sorted(((i, j) for i, j in places), key=lambda place: place[1])


def expected_id(model: Model, point: Point, tower: Tower) -> str | None:
    """Return the id of an aligned point, such as rank2:1+,3-; None for other points."""
    places = aligned_modes(model, point)
    if places is None:
        return None
    labels = [f"{j}{_root(model, point, tower, i, j)}" for i, j in places]
    return f"rank{len(places)}" + (":" + ",".join(labels) if labels else "")


def _root(model: Model, point: Point, tower: Tower, i: int, j: int) -> str:
    """Return + for the outer root of s p^2 - m p + eta, - for the inner one."""
    if not model.eta or model.traits.descends:
        return "+"
    s, m = model.sigma[j - 1][j - 1], model.m[j - 1][j - 1]
    gap = {key: 2 * s * x for key, x in point.get(f"P_{i}_{i}", {}).items()}
    gap[()] = gap.get((), Fraction(0)) - m
    gap = {key: x for key, x in gap.items() if x}
    sign = tower.sign(gap) * (1 if m > 0 else -1)
    return "-" if sign < 0 else "+"


def _check_id(given: str, model: Model, point: Point, tower: Tower) -> tuple[bool, int]:
    """Check the id; return whether it names modes, and the rank of W."""
    expected = expected_id(model, point, tower)
    if expected is not None:
        if given != expected:
            raise Refusal(f"the point is that of {expected}")
        return True, len(aligned_modes(model, point) or [])
    rows: list[dict[str, Value]] = []
    for i in range(1, model.n + 1):
        row = {str(j): point[f"W_{i}_{j}"] for j in range(1, model.d + 1) if f"W_{i}_{j}" in point}
        rows += [row] if row else []
    size = rank(rows, tower)
    check_letters(given, size)
    return False, size


def check_letters(given: str, size: int) -> None:
    """Check an id such as rank2:a, of a component that no modes describe."""
    prefix = f"rank{size}:"
    if not given.startswith(prefix) or not LETTERS.fullmatch(given[len(prefix) :]):
        raise Refusal(f"expected {prefix} and a letter")


@dataclass(frozen=True)
class Count:
    """Where the roots of one block lie; `loose` are those on the boundary or not excluded there."""

    degree: int
    neutral: int
    unstable: int
    loose: int
    rest: Coefficients


def check_spectrum(
    value: Entry, jacobian: Linearisation, dimension: int, kind: str, setting: Setting, tally: Tally
) -> int:
    """Check verdict, neutral and unstable counts, and the enclosure of the extent; return neutral."""
    matrix = jacobian.matrix
    found = [_counted(setting, matrix, block, kind) for block in blocks(matrix)]
    tally.identities += len(found)
    neutral, unstable = sum(c.neutral for c in found), sum(c.unstable for c in found)
    with at("neutral"):
        if integer(value["neutral"]) != neutral:
            raise Refusal(f"{neutral} eigenvalues are neutral")
    with at("unstable"):
        if integer(value["unstable"]) != unstable:
            raise Refusal(f"{unstable} eigenvalues are unstable")
    loose = any(c.loose for c in found) or neutral != dimension
    verdict = "unstable" if unstable else ("undecided" if loose else "stable")
    with at("verdict"):
        if value["verdict"] != verdict:
            raise Refusal(f"the eigenvalues say {verdict}")
    with at("extent"):
        _check_extent(value["extent"], found, kind, setting)
    tally.verdicts += verdict != "undecided"
    tally.undecided += verdict == "undecided"
    tally.enclosures += 1
    return neutral


def _key(coefficients: Coefficients) -> tuple[object, ...]:
    return tuple(tuple(sorted(c.items())) for c in coefficients)


def _counted(setting: Setting, matrix: Matrix, block: list[int], kind: str) -> Count:
    """Return the count of a block; equal blocks are counted once."""
    entries = [
        (i, j, tuple(sorted(matrix.entries.get((x, y), {}).items())))
        for i, x in enumerate(block)
        for j, y in enumerate(block)
    ]
    key = kind, matrix.denominator, tuple(entries)
    if key not in setting.known:
        poly = characteristic(setting.tower, matrix, block)
        setting.known[key] = _count(setting.tower, poly, kind)
    found: Count = setting.known[key]
    return found


def _count(tower: Tower, poly: Coefficients, kind: str) -> Count:
    split = without_zeros if kind == "flow" else without_ones
    rest, neutral = split(poly)
    if len(rest) == 1:
        return Count(len(poly) - 1, neutral, 0, 0, rest)
    try:
        plane = rest if kind == "flow" else folded(rest, Fraction(1))
        unstable, loose = right_of_axis(tower, plane)
    except Refusal:
        unstable, loose = 0, 1
    return Count(len(poly) - 1, neutral, unstable, loose, rest)


def _beyond(setting: Setting, count: Count, level: Fraction, kind: str) -> tuple[int, int]:
    """Return how many roots lie beyond the level, and how many on it or at its one far point."""
    key = kind, level, _key(count.rest)
    if key not in setting.known:
        plane = (shifted if kind == "flow" else folded)(count.rest, level)
        setting.known[key] = right_of_axis(setting.tower, plane)
    found: tuple[int, int] = setting.known[key]
    return found


def _check_extent(value: object, found: list[Count], kind: str, setting: Setting) -> None:
    """Check that the largest real part or modulus of all but the neutral roots lies in its cell."""
    others = [count for count in found if len(count.rest) > 1]
    if not others:
        if value != "none":
            raise Refusal("there is no eigenvalue but the neutral ones")
        return
    cell = integer(value, -(1 << 80), 1 << 80)
    low, high = grid(cell), grid(cell + 1)
    if kind == "map" and high <= 0:
        raise Refusal("a modulus is not negative")
    if any(_beyond(setting, count, high, kind)[0] for count in others):
        raise Refusal("an eigenvalue lies beyond the enclosure")
    if kind == "map" and low <= 0:
        return
    if not any(sum(_beyond(setting, count, low, kind)) for count in others):
        raise Refusal("no eigenvalue reaches the enclosure")
