"""Analysis -> the object of the interface contract, schema `noncollapse/equilibria/1`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from equilibria.report.analysis import Analysis
from equilibria.systems.chain_system import symmetry_text
from equilibria.systems.model import Model
from equilibria.systems.model_json import moments_json, parameters_json
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import (
    Algebraic,
    Component,
    Eigenvalue,
    Entry,
    Stability,
    Verdict,
)

SCHEMA = "noncollapse/equilibria/1"
SYSTEM_ENTRY_LIMIT = 512
SPECTRUM_LIMIT = 60_000
LEADING = 8
EXPANDED_TERMS = 20_000
DETAIL_LIMIT = 2 * 10**6


def report_json(report: Analysis) -> dict[str, object]:
    """Return the report as plain data: rationals are strings, floats stand beside exact forms.

    Large reports leave out what would not fit and say so: the entrywise polynomials beyond 512
    variables (`system.omitted`), and all but the leading eigenvalues (`spectrum_complete: false`).
    """
    model = report.model
    return {
        "schema": SCHEMA,
        "procedure": model.procedure,
        "parameters": parameters_json(model),
        "moments": moments_json(model),
        **_depth_json(model),
        "system": system_json(report),
        "components": _components_json(report),
        "strata_total": report.variety.total,
        "stable_total": report.variety.stable_total,
        "complete": {"value": report.variety.complete, "why": report.variety.why},
        "description": report.variety.description or None,
        "gradient_field": report.gradient.to_json(),
        "verdict": {
            "avoids_collapse": report.summary.avoids_collapse,
            "stable_components": list(report.summary.stable),
            "stable_in_part": list(report.summary.in_part),
            "undecided_components": list(report.summary.undecided),
            "text": report.summary.text,
        },
    }


def system_json(report: Analysis) -> dict[str, object]:
    """Return the polynomials of flow and map, or the matrix form alone for large sizes."""
    model = report.model
    if is_large(model):
        return {
            "variables": None,
            "flow": None,
            "map": None,
            "omitted": f"{_entries(model)} equations or more; see matrix_form",
            **_shape(report.model),
        }
    system = report.system
    return {
        "variables": list(system.variables),
        "flow": {name: entry.text() for name, entry in system.flow.items()},
        "map": {name: entry.text() for name, entry in system.map.items()},
        "constraints": [entry.text() for entry in system.constraints],
        "degree": system.degree,
        "symmetry": system.symmetry,
        "matrix_form": list(system.matrix_form),
    }


def is_large(model: Model) -> bool:
    """Return whether the polynomials are too many, or too long, to be written entry by entry."""
    long = model.is_deep and model.chain.expansion > EXPANDED_TERMS
    return long or _entries(model) > SYSTEM_ENTRY_LIMIT


def _entries(model: Model) -> int:
    """Return how many entries encoder and predictor have."""
    return sum(rows * columns for rows, columns in model.chain.shapes.values())


def of_chains(model: Model) -> bool:
    """Return whether the analysis is that of chains: hidden layers, or views that are turned."""
    special = model.is_deep or not model.moments.symmetric
    return special and model.traits.bootstraps and model.moments.commute


def _depth_json(model: Model) -> dict[str, object]:
    """Return the folds of the modes and the effective decay of a deep model (T20.2, T22.3)."""
    if not of_chains(model):
        return {}
    from equilibria.varieties.chains.thresholds import effective_decay, thresholds

    data: dict[str, object] = {
        "thresholds": [
            {
                "mode": int(found.mode) if found.mode.isdigit() else found.mode,
                "weight_decay": found.text,
                "exact": found.exact,
                "value": found.weight_decay,
                "p": found.p,
            }
            for found in thresholds(model)
        ]
    }
    if all(model.chain.decays) and not (model.chain.equal_decays and model.alpha == 1):
        value, text, exact = effective_decay(model)
        data["effective_weight_decay"] = {"value": value, "text": text, "exact": exact}
    return data


def _shape(model: Model) -> dict[str, object]:
    small = small_system(model)
    return {
        "constraints": None,
        "degree": small.degree,
        "symmetry": symmetry_text(model.chain),
        "matrix_form": list(small.matrix_form),
    }


def small_system(model: Model) -> PolynomialSystem:
    """Return the same procedure for one mode: its degree and matrix form are those of any size."""
    from equilibria.data.moments import Moments

    tiny = Model(
        procedure=model.procedure,
        moments=Moments.commuting(signal=[1], total=[2]),
        embed_dim=1,
        lr=model.lr,
        weight_decay=model.weight_decay,
        predictor_lr=model.predictor_lr,
        predictor_weight_decay=model.predictor_weight_decay,
        ema=model.ema,
        momentum=model.momentum,
        encoder_layers=model.encoder_layers,
        predictor_layers=model.predictor_layers,
        layer_weight_decays=model.layer_weight_decays,
    )
    return model.traits.system(tiny)


def _components_json(report: Analysis) -> list[dict[str, object]]:
    each = 2 * (entries := _entries(report.model))
    room = SPECTRUM_LIMIT // max(1, len(report.components))
    full = each <= room
    detailed = entries <= SYSTEM_ENTRY_LIMIT or len(report.components) * entries <= DETAIL_LIMIT
    return [component_json(c, full=full, detailed=detailed) for c in report.components]


def component_json(component: Component, *, full: bool, detailed: bool) -> dict[str, object]:
    data: dict[str, Any] = {
        "id": component.id,
        "rank": component.rank,
        "modes": None if component.modes is None else list(component.modes),
        "roots": None if component.roots is None else list(component.roots),
        "collapse": component.collapse,
        "dimension": component.dimension,
        "stable": _stable(component.counted),
        "equations": list(component.equations) if detailed else None,
        "representative": _representative(component) if detailed else None,
        "flow": {
            **_stability_json(component.flow),
            "abscissa": _finite(component.flow.extent),
            **_spectrum_json(component.flow, full=full),
        },
        "map": {
            **_stability_json(component.map),
            "radius": _finite(component.map.extent),
            "max_lr": _finite(component.map.largest_step),
        },
    }
    if not detailed:
        data["omitted"] = (
            "equations and representative: ask for the component by --max-components 1"
        )
    if component.stable_where is not None:
        data["stable_where"] = list(component.stable_where.map or component.stable_where.flow)
        data["stable_where_flow"] = list(component.stable_where.flow)
        data["stable_where_scope"] = component.stable_where.scope
    if component.note:
        data["note"] = component.note
    if component.rotates:
        data |= {"motion": component.motion, "frequency": component.frequency}
    if len(component.ema_windows) == 1:
        data["ema_window"] = list(component.ema_windows[0])
    elif component.ema_windows:
        data["ema_windows"] = [list(window) for window in component.ema_windows]
    return data


def _stability_json(stability: Stability) -> dict[str, object]:
    """Return verdict, ground and scope; without a verdict, where none was asked for, the reason."""
    if not stability.judged:
        keys = ("verdict", "how", "stable")
        return {**dict.fromkeys(keys), "neutral": stability.neutral, "note": stability.note}
    data: dict[str, Any] = {
        "verdict": stability.settled.value,
        "how": stability.how.value,
        "stable": _stable(stability),
        "neutral": stability.neutral,
    }
    if stability.part:
        data["at_representative"] = stability.verdict.value
    if stability.varies:
        data["numbers_at"] = "representative"
    if stability.note:
        data["note"] = stability.note
    return data


def _stable(stability: Stability) -> str:
    """Return yes, part, no or undecided, of the component as a whole."""
    if stability.is_stable and stability.part:
        return "part"
    return {Verdict.STABLE: "yes", Verdict.UNSTABLE: "no"}.get(stability.settled, "undecided")


def _spectrum_json(stability: Stability, *, full: bool) -> dict[str, object]:
    if not full:
        return {"spectrum": [], "spectrum_complete": False}
    return {
        "spectrum": [eigenvalue_json(value) for value in stability.spectrum],
        "spectrum_complete": True,
    }


def eigenvalue_json(eigenvalue: Eigenvalue) -> dict[str, object]:
    """Return value, multiplicity and, where there is one, the exact form."""
    value = eigenvalue.value
    data: dict[str, Any] = {
        "value": [value.real + 0.0, value.imag + 0.0],
        "multiplicity": eigenvalue.multiplicity,
    }
    if eigenvalue.exact is not None:
        data["exact"] = eigenvalue.exact
    return data


def _representative(component: Component) -> Mapping[str, Sequence[object]]:
    """Return the matrices by letter; with hidden layers a list of them, the first layer first."""
    matrices = {
        name: [[entry_json(value) for value in row] for row in rows]
        for name, rows in component.representative.items()
    }
    layered: dict[str, list[Any]] = {}
    for name, rows in matrices.items():
        if name[1:].isdigit():
            layered.setdefault(name[0], []).append(rows)
    return layered or matrices


def entry_json(value: Entry) -> object:
    """Return a rational as text, an algebraic number with its float, a measured number as float."""
    if not value:
        return "0"
    if isinstance(value, Algebraic):
        return {"value": value.value, "exact": value.exact}
    return str(value) if isinstance(value, Fraction) else value


def _finite(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else value
