"""The laws and the witnesses of the gradient question, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from equilibria.certificates import plain
from equilibria.certificates.exact import Field
from equilibria.exact.polynomial import Polynomial
from equilibria.gradient.constant_metric import constant_metrics, missing_direction
from equilibria.gradient.forms import OneForm, one_form
from equilibria.gradient.report import MetricWitness
from equilibria.gradient.submodel import leading_entry, submodel, weight
from equilibria.report.report import Report
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import Builder
from equilibria.systems.procedures import Family
from equilibria.varieties.component import Algebraic, How

LARGEST_ROW = 3
SEPARATE = 1e-7


def laws(report: Report) -> dict[str, object]:
    """Return the balance law (T2.1) of stop-gradient and EMA."""
    model = report.model
    if not model.traits.bootstraps:
        return {}
    builder = Builder(model, "WP")
    W, P = builder.matrix("W"), builder.matrix("P")
    gap = W @ W.T - (1 / model.alpha) * (P.T @ P)
    entries = [gap.rows[i][j] for i in range(model.n) for j in range(i, model.n)]
    return {
        "balance": {
            "rate": str(-2 * model.eta),
            "extra": str(2 * (model.eta_p - model.eta)),
            "entries": [plain.polynomial(entry) for entry in entries],
        }
    }


def gradient_field(report: Report, field: Field) -> dict[str, object]:
    """Return the potential, or the witnesses against one; "open" where there is none."""
    model = report.model
    if model.traits.family is Family.DIRECT:
        return {}
    potential = _potential(report)
    if potential is not None:
        return {"potential": plain.polynomial(potential)}
    form = one_form(report.system, lambda name: weight(model, name))
    gradient = report.gradient.flow
    factor = gradient.integrating_factor.witness
    return {
        "curl": _curl(report, form),
        "factor": "open" if factor is None else _frobenius(form, factor.variables, factor.point),
        "constant_metric": _constant_metric(model),
        "any_metric": _any_metric(report, field, gradient.any_metric.witness),
    }


def _potential(report: Report) -> Polynomial | None:
    model = report.model
    if model.traits.potential is not None:
        return model.traits.potential(model)
    if model.traits.own_target and leading_entry(model.moments) is None:
        from equilibria.gradient.forms import potential

        return potential(one_form(report.system, lambda name: weight(model, name)))
    return None


def _curl(report: Report, form: OneForm) -> dict[str, object]:
    witness = report.gradient.flow.witness
    assert witness is not None
    a, b = witness.variables
    curl = form.curl(a, b)
    point = {x: value for x, value in witness.point.items() if value and x in curl.variables()}
    return {
        "variables": [a, b],
        "polynomial": plain.polynomial(curl),
        "point": {x: str(value) for x, value in point.items()},
        "value": str(_at(curl, point)),
    }


def _frobenius(
    form: OneForm, names: tuple[str, str, str], point: Mapping[str, Fraction]
) -> dict[str, object]:
    total, used = Fraction(0), set()
    kept = {x: value for x, value in point.items() if value}
    for k in range(3):
        a, b, c = names[k:] + names[:k]
        theta, curl = form.entries[a], form.curl(b, c)
        used |= {*theta.variables(), *curl.variables()}
        total += _at(theta, kept) * _at(curl, kept)
    return {
        "variables": list(names),
        "point": {x: str(value) for x, value in kept.items() if x in used},
        "value": str(total),
    }


def _at(value: Polynomial, point: Mapping[str, Fraction]) -> Fraction:
    full = {x: point.get(x, Fraction(0)) for x in value.ring.names}
    return Fraction(value.evaluate(full))


def _constant_metric(model: Model) -> object:
    """Return an invariant subspace and the variable at which no symmetric solution is positive."""
    place = leading_entry(model.moments)
    columns = (place[0] if place else 0,) if model.moments.is_diagonal else range(model.d)
    if len(columns) > LARGEST_ROW:
        return "open"
    small = submodel(model, 1, columns)
    names = small.system.variables
    blocked = missing_direction(constant_metrics(small.system.flow), names)
    if blocked is None:
        return "open"
    return {"variables": [small.outer(x) for x in names], "direction": small.outer(blocked)}


def _any_metric(report: Report, field: Field, witness: MetricWitness | None) -> object:
    if witness is not None and witness.how is not How.PROVED and _turns_simply(report, witness):
        return {"kind": witness.kind, "at": witness.component}
    if witness is None or witness.how is not How.PROVED:
        return "open"
    point = {}
    for name, entry in witness.equilibrium.items():
        if not isinstance(entry, Fraction | Algebraic | int):
            return "open"
        value = field.terms(Fraction(entry) if isinstance(entry, int) else entry)
        if value:
            point[name] = plain.terms(value)
    found: dict[str, Any] = {"kind": witness.kind, "at": point}
    if witness.kind == "jordan-block":
        found["eigenvalue"] = str(Fraction(witness.eigenvalues[0].real).limit_denominator(10**9))
    return found


def _turns_simply(report: Report, witness: MetricWitness) -> bool:
    """Return whether an isolated equilibrium has simple eigenvalues but for 0 and -2 eta."""
    model = report.model
    if model.moments.is_diagonal or model.eta != model.eta_p:
        return False
    component = next((c for c in report.components if c.id == witness.component), None)
    if component is None or component.rank != model.n:
        return False
    rate = -2 * float(model.eta)
    values = [e.value for e in component.flow.spectrum for _ in range(e.multiplicity)]
    scale = max(map(abs, values))
    rest = [z for z in values if min(abs(z), abs(z - rate)) > SEPARATE * scale]
    simple = all(abs(a - b) > SEPARATE * scale for k, a in enumerate(rest) for b in rest[:k])
    return simple and len(values) - len(rest) == model.n**2
