"""A whole certificate: every entry is checked, and nothing in it is left unread.

The object has the keys of `SECTIONS`. The model fixes the polynomials, which must be equal to those
of `systems`; the generators fix the numbers; components, completeness, laws and the gradient
question are checked against the polynomials alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from .about import about
from .boxes import Core
from .complete import check_completeness
from .components import (
    Placed,
    Setting,
    Spectral,
    Tally,
    check_component,
    conditional,
    linearise_component,
    place_component,
)
from .conditions import check_conditions
from .gradients import check_gradient
from .isolated import check_isolated
from .laws import check_laws
from .orbits import check_different, has_aligned_point, invariants, mark_core, mark_exact
from .polynomials import Polynomial
from .reading import (
    Entry,
    fields,
    generator,
    integer,
    listing,
    mapping,
    polynomial,
    read_file,
    word,
)
from .refusal import Refusal, at
from .standing import AT_POINT, check_listed, scope
from .systems import build, read_model
from .towers import Tower, read_tower

SCHEMA = "noncollapse/certificate/2"
SECTIONS = (
    "schema",
    "counts",
    "model",
    "system",
    "generators",
    "components",
    "completeness",
    "laws",
    "gradient_field",
)
KINDS = ("flow", "map")
COUNTS = ("components", "verdicts", "undecided")
MOST_COMPONENTS = 400


@dataclass(frozen=True)
class Verification:
    """Whether a certificate holds, and one line that says what holds or which place fails.

    `about` is the model in one line, `model` its entries as text; both are empty where it fails.
    """

    holds: bool
    line: str
    about: str = ""
    model: Entry = field(default_factory=dict)
    components: tuple[Entry, ...] = ()


def verify_file(path: str | Path) -> Verification:
    """Check the certificate in a file; never raises on account of what is in it."""
    try:
        value = read_file(path)
    except Refusal as refusal:
        return Verification(False, f"fails: {path}: {refusal.line}")
    return verify(value)


def verify(value: object) -> Verification:
    """Check a certificate as JSON data (dictionaries, lists and strings)."""
    try:
        document = mapping(value)
        what, model = _check(document)
        return Verification(
            True, f"holds: {what}", model, document["model"], tuple(document["components"])
        )
    except Refusal as refusal:
        return Verification(False, f"fails: {refusal.line}")
    except RecursionError:
        return Verification(False, "fails: nested too deeply")
    except MemoryError:
        return Verification(False, "fails: too large to check")
    except Exception as error:  # a shape that no check foresaw is no certificate either
        return Verification(False, f"fails: malformed ({type(error).__name__})")


def _check(value: Entry) -> tuple[str, str]:
    """Return what holds, and what it is about."""
    fields(value, SECTIONS)
    if word(value["schema"]) != SCHEMA:
        raise Refusal(f"expected {SCHEMA}; write the certificate again", "schema")
    tally = Tally()
    with at("model"):
        model = read_model(value["model"])
    system = build(model)
    with at("system"):
        tally.identities += _check_system(value["system"], system.flow, system.map)
    tower = read_tower(_generators(value["generators"]))
    setting = Setting(model, system, tower)
    entries = listing(value["components"], MOST_COMPONENTS)
    listed = _place(entries, setting, tally)
    points = {component.id: component.at_point.point for _, _, component in listed.exact}
    with at("completeness"):
        others = list(listed.cores)
        why = check_completeness(value["completeness"], setting, points, others, tally)
    with at("laws"):
        check_laws(value["laws"], setting, tally)
    with at("gradient_field"):
        check_gradient(value["gradient_field"], setting, points, listed.cores, tally)
    with at("generators"):
        _all_used(tower, value)
    with at("counts"):
        _check_stated(value["counts"], entries)
    _check_spectra(
        listed, setting, covered=value["completeness"]["claim"] == "complete", tally=tally
    )
    with at("counts"):
        _check_counts(value["counts"], tally)
    return _summary(tally, why), about(model)


@dataclass(frozen=True)
class Listed:
    """The components: exact ones with their place and entry, and those in cells by id."""

    exact: list[tuple[str, Entry, Placed]]
    cores: dict[str, Core]


def _place(entries: list[Entry], setting: Setting, tally: Tally) -> Listed:
    """Check points, ids and that no two components are one."""
    model = setting.model
    exact: list[tuple[str, Entry, Placed]] = []
    cores: dict[str, Core] = {}
    names: list[str] = []
    for index, entry in enumerate(entries):
        with at(f"components[{index}]"):
            if isinstance(entry, dict) and "core" in entry:
                name, core = check_isolated(entry, setting, tally)
                cores[name] = core
            else:
                component = place_component(entry, setting, tally)
                exact.append((f"components[{index}]", entry, component))
                name = component.id
                if not component.aligned and has_aligned_point(model, component.at_point):
                    raise Refusal("it is an aligned component: list its aligned point", "point")
            if name in names:
                raise Refusal("it occurs twice", "id")
            names.append(name)
    constant = invariants(model)
    marks = [mark_exact(c.id, model, c.at_point, constant) for _, _, c in exact]
    marks += [mark_core(name, model, core, constant) for name, core in cores.items()]
    with at("components"):
        check_different(marks, setting.tower)
    return Listed(exact, cores)


def _check_spectra(listed: Listed, setting: Setting, *, covered: bool, tally: Tally) -> None:
    """Check dimension, scope, conditions and verdicts of the exact components."""
    linear = []
    for place, entry, component in listed.exact:
        with at(place):
            spectral = linearise_component(entry, component, setting, tally)
            linear.append(spectral)
            _check_scope(entry["scope"], component, spectral, setting, tally)
            if conditional(setting.model):
                with at("stable_where"):
                    tally.identities += check_conditions(
                        entry["stable_where"], setting, component.at_point.point
                    )
    for (place, entry, component), spectral in zip(listed.exact, linear, strict=True):
        with at(place):
            degenerate = check_component(entry, spectral, setting, tally)
            tally.degenerate += degenerate
            if degenerate and not component.aligned and not covered:
                raise Refusal("it is degenerate: it may lie on the family of another component")


def _check_scope(
    value: object, component: Placed, spectral: Spectral, setting: Setting, tally: Tally
) -> None:
    model, tower, point = setting.model, setting.tower, component.at_point.point
    own = scope(model, setting.system, point, tower, spectral.dimension)
    with at("scope"):
        if value != own:
            raise Refusal(f"the verdicts are those of the {own}")
    if own == AT_POINT:
        tally.at_points += 1
        with at("point"):
            check_listed(model, point, tower)


def _check_system(value: Entry, flow: dict[str, Polynomial], step: dict[str, Polynomial]) -> int:
    fields(value, ("flow", "map"))
    for kind, own in (("flow", flow), ("map", step)):
        given = mapping(value[kind])
        if set(given) != set(own):
            raise Refusal("not the variables of this model", kind)
        for x, entry in given.items():
            with at(f"{kind}.{x}"):
                if polynomial(entry) != own[x]:
                    raise Refusal("not the polynomial of this model")
    return len(flow) + len(step)


def _generators(value: Entry) -> list[tuple[str, list[Polynomial], int]]:
    found = []
    for index, entry in enumerate(listing(value, 64)):
        with at(f"generators[{index}]"):
            given, relation, cell = fields(entry, ("name", "relation", "cell"))
            coefficients = [polynomial(c) for c in listing(relation, 16)]
            found.append((generator(given), coefficients, integer(cell)))
    names = [x for x, _, _ in found]
    if len(set(names)) < len(names):
        raise Refusal("two generators have one name", "generators")
    return found


def _all_used(tower: Tower, value: Entry) -> None:
    """Refuse generators that occur nowhere: no number may go unchecked."""
    unused = set(tower.names)
    stack = [value["components"], [entry["relation"] for entry in value["generators"]]]
    stack.append(value["gradient_field"])
    while stack and unused:
        item = stack.pop()
        if isinstance(item, str):
            unused.discard(item)
        elif isinstance(item, dict):
            stack.extend(item.values())
        elif isinstance(item, list):
            stack.extend(item)
    if unused:
        raise Refusal(f"{min(unused)} is not used")


def _check_stated(value: Entry, entries: list[Entry]) -> None:
    """Compare the counts with the words of the components, before these are checked."""
    words = [mapping(entry.get(kind)).get("verdict") for entry in entries for kind in KINDS]
    undecided = words.count("undecided")
    stated = {
        "components": len(entries),
        "verdicts": len(words) - undecided,
        "undecided": undecided,
    }
    fields(value, COUNTS)
    for key, count in stated.items():
        if integer(value[key]) != count:
            raise Refusal(f"counted {count}", key)


def _check_counts(value: Entry, tally: Tally) -> None:
    fields(value, COUNTS)
    for key in COUNTS:
        if integer(value[key]) != getattr(tally, key):
            raise Refusal(f"counted {getattr(tally, key)}", key)


def _summary(tally: Tally, why: str) -> str:
    parts = [_some(tally.components, "component"), _some(tally.verdicts, "verdict")]
    if tally.undecided:
        parts.append(f"{tally.undecided} undecided")
    parts += [_some(tally.witnesses.count(x), x) for x in dict.fromkeys(tally.witnesses)]
    if tally.at_points:
        parts.append(f"verdicts of {_some(tally.at_points, 'family')} at the listed point")
    if tally.degenerate:
        parts.append(f"{tally.degenerate} degenerate, perhaps on a larger family")
    parts.append(_steps(tally))
    checks = f"{_some(tally.identities, 'identity')}, {_some(tally.enclosures, 'enclosure')}"
    return f"{', '.join(parts)}; {checks}; {why}"


def _steps(tally: Tally) -> str:
    if not tally.steps:
        return "largest h not certified"
    missing = f", of {tally.without_steps} stable not" if tally.without_steps else ""
    return f"largest h of {tally.steps}{missing}"


def _some(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"
