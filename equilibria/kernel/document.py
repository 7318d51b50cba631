"""A whole certificate: every entry is checked, and nothing in it is left unread.

The object has the keys of `SECTIONS`. The model fixes the polynomials, which must be equal to those
of `systems`; the generators fix the numbers; components, completeness, laws and the gradient
question are checked against the polynomials alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .complete import check_completeness
from .components import (
    Placed,
    Setting,
    Tally,
    check_component,
    conditional,
    linearise_component,
    place_component,
)
from .conditions import check_conditions
from .gradients import check_gradient
from .isolated import check_different, check_isolated
from .laws import check_laws
from .points import Point
from .polynomials import Polynomial
from .reading import fields, integer, listing, mapping, name, polynomial, read_file, word
from .refusal import Refusal, at
from .systems import build, read_model
from .towers import Tower, read_tower

SCHEMA = "noncollapse/certificate/1"
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
MOST_COMPONENTS = 2000


@dataclass(frozen=True)
class Verification:
    """Whether a certificate holds, and one line that says what holds or which place fails."""

    holds: bool
    line: str


def verify_file(path: str | Path) -> Verification:
    """Check the certificate in a file; never raises on account of what is in it."""
    try:
        value = read_file(path)
    except Refusal as refusal:
        return Verification(False, f"fails: {path}: {refusal.line}")
    return verify(value)


def verify(value: Any) -> Verification:
    """Check a certificate as JSON data (dictionaries, lists and strings)."""
    try:
        return Verification(True, f"holds: {_check(value)}")
    except Refusal as refusal:
        return Verification(False, f"fails: {refusal.line}")
    except RecursionError:
        return Verification(False, "fails: nested too deeply")
    except MemoryError:
        return Verification(False, "fails: too large to check")
    except Exception as error:  # a shape that no check foresaw is no certificate either
        return Verification(False, f"fails: malformed ({type(error).__name__})")


def _check(value: Any) -> str:
    fields(value, SECTIONS)
    if word(value["schema"]) != SCHEMA:
        raise Refusal(f"expected {SCHEMA}", "schema")
    tally = Tally()
    with at("model"):
        model = read_model(value["model"])
    system = build(model)
    with at("system"):
        tally.identities += _check_system(value["system"], system.flow, system.map)
    tower = read_tower(_generators(value["generators"]))
    setting = Setting(model, system, tower)
    entries = listing(value["components"], MOST_COMPONENTS)
    isolated = [(k, e) for k, e in enumerate(entries) if isinstance(e, dict) and "core" in e]
    exact = [(k, e) for k, e in enumerate(entries) if not (isinstance(e, dict) and "core" in e)]
    placed = []
    for index, entry in exact:
        with at(f"components[{index}]"):
            placed.append(place_component(entry, setting, tally))
    with at("components"):
        points = _by_id(placed)
    cores = []
    for index, entry in isolated:
        with at(f"components[{index}]"):
            cores.append(check_isolated(entry, setting, tally))
    with at("components"):
        check_different(cores)
    with at("completeness"):
        why = check_completeness(value["completeness"], setting, points, tally)
    with at("laws"):
        check_laws(value["laws"], setting, tally)
    with at("gradient_field"):
        check_gradient(value["gradient_field"], setting, points, dict(cores), tally)
    with at("generators"):
        _all_used(tower, value)
    linear = []
    with at("counts"):
        _check_stated(value["counts"], entries)
    for (index, entry), component in zip(exact, placed, strict=True):
        with at(f"components[{index}]"):
            linear.append(linearise_component(entry, component, setting, tally))
            if conditional(model):
                with at("stable_where"):
                    found = check_conditions(
                        entry["stable_where"], setting, component.at_point.point
                    )
                    tally.identities += found
    for (index, entry), spectral in zip(exact, linear, strict=True):
        with at(f"components[{index}]"):
            check_component(entry, spectral, setting, tally)
    with at("counts"):
        _check_counts(value["counts"], tally)
    return _summary(tally, why)


def _by_id(placed: list[Placed]) -> dict[str, Point]:
    points = {component.id: component.at_point.point for component in placed}
    if len(points) < len(placed):
        raise Refusal("an id occurs twice")
    return points


def _check_system(value: Any, flow: dict[str, Polynomial], step: dict[str, Polynomial]) -> int:
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


def _generators(value: Any) -> list[tuple[str, list[Polynomial], int]]:
    found = []
    for index, entry in enumerate(listing(value, 64)):
        with at(f"generators[{index}]"):
            given, relation, cell = fields(entry, ("name", "relation", "cell"))
            coefficients = [polynomial(c) for c in listing(relation, 16)]
            found.append((name(given), coefficients, integer(cell)))
    names = [x for x, _, _ in found]
    if len(set(names)) < len(names):
        raise Refusal("two generators have one name", "generators")
    return found


def _all_used(tower: Tower, value: Any) -> None:
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


def _check_stated(value: Any, entries: list[Any]) -> None:
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


def _check_counts(value: Any, tally: Tally) -> None:
    fields(value, COUNTS)
    for key in COUNTS:
        if integer(value[key]) != getattr(tally, key):
            raise Refusal(f"counted {getattr(tally, key)}", key)


def _summary(tally: Tally, why: str) -> str:
    parts = [_some(tally.components, "component"), _some(tally.verdicts, "verdict")]
    if tally.undecided:
        parts.append(f"{tally.undecided} undecided")
    parts += [_some(tally.witnesses.count(x), x) for x in dict.fromkeys(tally.witnesses)]
    checks = f"{_some(tally.identities, 'identity')}, {_some(tally.enclosures, 'enclosure')}"
    return f"{', '.join(parts)}; {checks}; {why}"


def _some(count: int, noun: str) -> str:
    if count == 1:
        return f"1 {noun}"
    return f"{count} {noun[:-1]}ies" if noun.endswith("y") else f"{count} {noun}s"
