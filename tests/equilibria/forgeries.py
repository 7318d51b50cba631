"""Certificates that mean something and are false: what somebody would forge, not random damage.

A forger keeps everything consistent that a forger can: counts are counted again, generators that are
no longer needed go, spectral claims are computed at the moved point, polynomials belong to the
exchanged model.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fractions import Fraction
from math import floor, isqrt
from typing import Any

import numpy as np

from equilibria.kernel.components import Setting
from equilibria.kernel.points import Evaluator, linearise, read_point, tied_variables
from equilibria.kernel.reading import polynomial
from equilibria.kernel.systems import build, read_model
from equilibria.kernel.towers import Tower, Value, read_tower

Forgery = tuple[str, Any]
COS, SIN = Fraction(3, 5), Fraction(4, 5)
GRADES = ("none", "partial", "full")


def forgeries(document: Any, other: Any) -> Iterator[Forgery]:
    """Yield (name, forged certificate); `other` is an honest certificate of another model."""
    for index, component in enumerate(document["components"]):
        yield from _of_list(document, index, component)
        yield from _of_facts(document, index, component)
        yield from _of_point(document, index, component)
    yield from _of_pairs(document)
    yield from _of_claim(document)
    yield from _of_model(document, other)
    yield from _extra_keys(document)


def finished(document: Any) -> Any:
    """Return the certificate with counts made again and generators that occur nowhere left out."""
    words = [c[kind]["verdict"] for c in document["components"] for kind in ("flow", "map")]
    undecided = words.count("undecided")
    counts = (len(document["components"]), len(words) - undecided, undecided)
    names = ("components", "verdicts", "undecided")
    document["counts"] = dict(zip(names, map(str, counts), strict=True))
    while True:
        text = str([document["components"], document["gradient_field"]])
        text += str([g["relation"] for g in document["generators"]])
        kept = [g for g in document["generators"] if f"'{g['name']}'" in text]
        if len(kept) == len(document["generators"]):
            return document
        document["generators"] = kept


def _copy(document: Any) -> Any:
    return copy.deepcopy(document)


def with_list(document: Any, components: list[Any], **claim: str) -> Any:
    """Return the certificate with another list, and with entries of its claim replaced."""
    changed = _copy({**document, "components": components})
    changed["completeness"] |= claim
    if claim.get("claim") == "open":
        changed["completeness"] |= {"theorem": "none", "evidence": {}}
    return finished(changed)


def _claims(document: Any) -> Iterator[tuple[str, dict[str, str]]]:
    yield "as it stands", {}
    if document["completeness"]["claim"] == "complete":
        yield "as open", {"claim": "open"}


def _of_list(document: Any, index: int, component: Any) -> Iterator[Forgery]:
    parts = document["components"]
    without = parts[:index] + parts[index + 1 :]
    named = {**component, "id": _letters(component)}
    for words, claim in _claims(document):
        if "core" not in component:
            yield f"drop {index} {words}", with_list(document, without, **claim)
        yield f"twice {index} {words}", with_list(document, [*parts, component], **claim)
        yield f"twice renamed {index} {words}", with_list(document, [*parts, named], **claim)
        if ":" not in component["id"] or not component["id"][-1].isalpha():  # a letter is a label
            yield f"renamed {index} {words}", with_list(document, [*without, named], **claim)
        for label, turned in _rotated(component, document["model"]):
            for place, rest in (("beside", parts), ("instead", without)):
                name = f"{label} {place} {index} {words}"
                yield name, with_list(document, [*rest, turned], **claim)
                if claim and place == "instead":
                    yield (
                        f"{name}, missing 1",
                        with_list(document, [*rest, turned], **claim, missing="1"),
                    )
    yield "empty", with_list(document, [], claim="open")


def _letters(component: Any) -> str:
    return str(component["id"]).partition(":")[0] + ":z"


def _rotated(component: Any, model: Any) -> Iterator[tuple[str, Any]]:
    """Yield the component at a point of its orbit, by a rational rotation, and in cells."""
    n = int(model["embed_dim"])
    if n > 1 and any(x.startswith("W") for x in component.get("point", {})):
        yield "rotated", {**component, "id": _letters(component), "point": _turned(component, n)}
    cells = _cells(component, model)
    if cells is not None:
        kinds = {
            kind: {k: v for k, v in component[kind].items() if k != "trace"}
            for kind in ("flow", "map")
        }
        kept = {k: component[k] for k in ("dimension", "collapse", "scope")}
        yield "in cells", {"id": _letters(component), **kept, "core": cells, **kinds}


def _turned(component: Any, n: int) -> Any:
    """Rotate the first two outputs, then make rows of W begin with a positive entry."""
    turn = [[Fraction(int(i == j)) for j in range(n)] for i in range(n)]
    turn[0][0], turn[0][1], turn[1][0], turn[1][1] = COS, SIN, -SIN, COS
    found: dict[str, Value] = {}
    for x, terms in component["point"].items():
        letter, row, column = x.split("_")
        i, j = int(row) - 1, int(column) - 1
        for a in range(n):
            for b in range(n) if letter == "P" else [j]:
                weight = turn[a][i] * (turn[b][j] if letter == "P" else 1)
                if weight:
                    target = found.setdefault(f"{letter}_{a + 1}_{b + 1}", {})
                    for key, value in polynomial(terms).items():
                        target[key] = target.get(key, Fraction(0)) + weight * value  # type: ignore
    rows = {x: {k: v for k, v in value.items() if v} for x, value in found.items()}
    return _oriented({x: value for x, value in rows.items() if value})


def _oriented(point: dict[str, Any]) -> Any:
    """Reflect rows whose first entry has a negative leading coefficient; good enough for squares."""
    first: dict[str, str] = {}
    for x in sorted(x for x in point if x.startswith("W")):
        first.setdefault(x.split("_")[1], x)
    odd = {row for row, x in first.items() if next(iter(point[x].values())) < 0}
    found = {}
    for x, value in point.items():
        letter, row, column = x.split("_")
        flip = (row in odd) != (letter == "P" and column in odd)
        terms = sorted(value.items(), key=lambda item: (len(item[0]), item[0]))
        found[x] = [[str(-v if flip else v), *key] for key, v in terms]
    return found


def _cells(component: Any, model: Any) -> Any:
    """Return P and Q of an aligned point with rational or quadratic entries, as cells."""
    learned = model["procedure"] in ("stop-gradient", "ema")
    if not learned or "0" in (model["weight_decay"], model["predictor_weight_decay"]):
        return None
    places = [tuple(map(int, x.split("_")[1:])) for x in component.get("point", {}) if x[0] == "W"]
    if not places or len({j for _, j in places}) < len(places):
        return None
    places.sort(key=lambda place: place[1])
    d, k = int(model["input_dim"]), len(places)
    values = [_approximate(component, model, j) for _, j in places]
    P = [[_cell(values[a] if a == b else Fraction(0)) for b in range(k)] for a in range(k)]
    Q = [[_cell(Fraction(int(places[a][1] == j + 1))) for j in range(a, d)] for a in range(k)]
    return {"P": P, "Q": Q}


def _cell(value: Fraction) -> str:
    return str(floor(value * 2**64 + Fraction(1, 7)))


def _approximate(component: Any, model: Any, mode: int) -> Fraction:
    """Return the root of s p^2 - m p + eta that the id names, to 200 bits."""
    s, m = (Fraction(model[key][mode - 1][mode - 1]) for key in ("Sigma", "M"))
    eta, scale = Fraction(model["weight_decay"]), 1 << 200
    root = Fraction(isqrt(floor((m * m - 4 * s * eta) * scale * scale)), scale)
    outer = f"{mode}+" in component["id"]
    return (m + (root if outer == (m > 0) else -root)) / (2 * s)


def _of_facts(document: Any, index: int, component: Any) -> Iterator[Forgery]:
    for grade in GRADES:
        if grade != component["collapse"]:
            yield f"collapse {index} {grade}", _with(document, index, collapse=grade)
    given = component.get("largest_h")
    for cell in _other_steps(given):
        yield f"largest h {index} {cell}", _with(document, index, largest_h=cell)
    scope = "point" if component["scope"] == "component" else "component"
    yield f"scope {index}", _with(document, index, scope=scope)
    for kind in ("flow", "map"):
        for word in ("stable", "unstable", "undecided"):
            if word != component[kind]["verdict"]:
                changed = {**component[kind], "verdict": word}
                yield f"{kind} {index} {word}", _with(document, index, **{kind: changed})
                if word == "stable" and component[kind]["unstable"] != "0":
                    changed = {**changed, "unstable": "0"}
                    yield f"{kind} {index} {word} 0", _with(document, index, **{kind: changed})
    if component.get("stable_where", "none") != "none":
        given = component["stable_where"]
        for name, words in (("none", "none"), ("fewer", given[:-1]), ("empty", [])):
            if words != given:
                yield f"conditions {name} {index}", _with(document, index, stable_where=words)


def _other_steps(given: Any) -> list[Any]:
    """Return largest steps that are not this one: larger, smaller, none, open, or one at all."""
    some = {"exponent": "3", "cell": str(10 << 20)}
    if not isinstance(given, dict):
        return [some] if given is None else [some, "open" if given == "none" else "none"]
    exponent, cell = int(given["exponent"]), int(given["cell"])
    moved = [(exponent, cell + 1), (exponent, cell - 1), (exponent + 1, cell), (exponent - 1, cell)]
    return ["none", "open", *({"exponent": str(e), "cell": str(k)} for e, k in moved)]


def _with(document: Any, index: int, **entries: Any) -> Any:
    changed = _copy(document)
    changed["components"][index] |= entries
    return finished(changed)


def _of_pairs(document: Any) -> Iterator[Forgery]:
    """Exchange what is claimed of two components that differ in it."""
    parts = document["components"]
    for i, left in enumerate(parts):
        for j in range(i):
            right = parts[j]
            for keys in (
                ("flow",),
                ("map",),
                ("flow", "map"),
                ("id",),
                ("collapse",),
                ("largest_h",),
            ):
                labels = keys == ("id",) and left["id"][-1].isalpha() and right["id"][-1].isalpha()
                differ = any(left.get(key) != right.get(key) for key in keys)
                if not labels and differ and all(key in left and key in right for key in keys):
                    changed = _copy(document)
                    for key in keys:
                        changed["components"][i][key] = _copy(right[key])
                        changed["components"][j][key] = _copy(left[key])
                    yield f"exchange {'+'.join(keys)} {i} {j}", finished(changed)


def _of_claim(document: Any) -> Iterator[Forgery]:
    given = document["completeness"]
    if given["claim"] == "complete":
        yield "open though complete", with_list(document, document["components"], claim="open")
        return
    for theorem in ("T1.1", "T2.1", "T4.3", "T6.1", "T6.4", "T6.5", "T6.6", "T13.1", "low-rank"):
        claim = {"claim": "complete", "theorem": theorem, "missing": "0"}
        yield f"complete by {theorem}", with_list(document, document["components"], **claim)


def _of_model(document: Any, other: Any) -> Iterator[Forgery]:
    """Exchange the model: as a whole, or one rate; the polynomials are those of the new model."""
    if other["model"] != document["model"]:
        yield "model", {**document, "model": other["model"]}
        yield "model and system", {**document, "model": other["model"], "system": other["system"]}
        shared = {k: other[k] for k in ("model", "system", "laws", "gradient_field")}
        yield "all but the components", finished(_copy({**document, **shared}))
    for key in ("lr", "weight_decay", "momentum", "ema", "predictor_lr", "predictor_weight_decay"):
        if key in document["model"]:
            value = Fraction(document["model"][key])
            for moved in (value / 2 + Fraction(1, 7), value * Fraction(7, 8)):
                if moved != value:
                    yield f"{key} {moved}", _remodelled(document, **{key: str(moved)})
    for key in ("Sigma", "M"):
        rows = _copy(document["model"][key])
        rows[0][0] = str(Fraction(rows[0][0]) * Fraction(9, 8) + Fraction(1, 9))
        yield key, _remodelled(document, **{key: rows})


def _remodelled(document: Any, **entries: Any) -> Any:
    changed = _copy(document)
    changed["model"] |= entries
    system = build(read_model(changed["model"]))
    changed["system"] = {
        kind: {
            x: [[str(c), *key] for key, c in entry.items()]
            for x, entry in getattr(system, kind).items()
        }
        for kind in ("flow", "map")
    }
    return finished(changed)


def _extra_keys(value: Any) -> Iterator[Forgery]:
    yield from ((f"extra key {path}", changed) for path, changed in _extended(value, value, ()))


def _extended(document: Any, value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, Any]]:
    if isinstance(value, dict):
        for extra in ("note", "W_9_9", "P_9_9 + P_9_9"):
            changed = _copy(document)
            target = changed
            for step in path:
                target = target[step]
            target[extra] = [["1"]]
            yield (*path, extra), changed
        for key, entry in value.items():
            yield from _extended(document, entry, (*path, key))
    elif isinstance(value, list):
        for index, entry in enumerate(value):
            if isinstance(entry, dict | list):
                yield from _extended(document, entry, (*path, index))


def _of_point(document: Any, index: int, component: Any) -> Iterator[Forgery]:
    """Move a point along the family on which its spectrum changes, with all claims made anew."""
    if component["scope"] != "point":
        return
    for label, point in _moved(component["point"], document["model"]):
        changed = _copy(document)
        changed["components"][index]["point"] = point
        yield f"moved {label} {index}", finished(restated(changed, index))


def _moved(point: Any, model: Any) -> Iterator[tuple[str, Any]]:
    n = int(model["embed_dim"])
    rows = {x.split("_")[1] for x in point if x[0] == "W"}
    if rows and model["procedure"] != "contrastive":
        for factor in (Fraction(1, 10), Fraction(3)):
            yield (
                f"w times {factor}",
                {
                    x: [[str(Fraction(t[0]) * factor), *t[1:]] for t in terms]
                    if x[0] != "P"
                    else terms
                    for x, terms in point.items()
                },
            )
    if model["procedure"] == "contrastive":
        return
    for i in range(1, n + 1):
        if str(i) not in rows:
            for value in (Fraction(1, 5), Fraction(-3, 2), Fraction(40)):
                if point.get(f"P_{i}_{i}") != [[str(value)]]:
                    yield f"p_{i} to {value}", {**point, f"P_{i}_{i}": [[str(value)]]}


def restated(document: Any, index: int) -> Any:
    """Return the certificate with the spectral claims of one component computed at its point."""
    model = read_model(document["model"])
    system = build(model)
    tower = read_tower(
        [
            (g["name"], [polynomial(c) for c in g["relation"]], int(g["cell"]))
            for g in document["generators"]
        ]
    )
    setting = Setting(model, system, tower)
    component = document["components"][index]
    at_point = Evaluator(read_point(component["point"], system, tower), tower)
    tied = tied_variables(model, at_point, {})
    for kind, equations in (("flow", system.flow), ("map", system.map)):
        jacobian = linearise(equations, at_point, tied)
        component[kind] = _claimed(jacobian, setting.tower, int(component["dimension"]), kind)
    return document


def _claimed(jacobian: Any, tower: Tower, dimension: int, kind: str) -> Any:
    size = jacobian.matrix.size
    dense = np.zeros((size, size))
    for (i, j), entry in jacobian.matrix.entries.items():
        box = tower.enclose(entry, 128)
        dense[i, j] = float(Fraction(box.low, 1 << 128)) / jacobian.matrix.denominator
    centre = 0.0 if kind == "flow" else 1.0
    values = sorted(np.linalg.eigvals(dense), key=lambda z: abs(z - centre))[dimension:]
    sizes = [z.real if kind == "flow" else abs(z) for z in values]
    unstable = sum(x > centre + 1e-9 for x in sizes)
    loose = any(abs(x - centre) <= 1e-9 for x in sizes)
    verdict = "unstable" if unstable else "undecided" if loose else "stable"
    terms = [
        [str(c), *(tower.names[k] for k, power in enumerate(key) for _ in range(power))]
        for key, c in jacobian.trace.items()
    ]
    extent = str(floor(Fraction(max(sizes)) * (1 << 24) + Fraction(1, 7))) if sizes else "none"
    return {
        "verdict": verdict,
        "neutral": str(dimension),
        "unstable": str(unstable),
        "trace": terms,
        "extent": extent,
    }
