"""Certificates: the evidence of a report as plain data that `equilibria.verify` checks.

A certificate holds the model, its polynomials, the generators of the number field, every component
with an exact point and what is claimed of its spectra, why the list is complete, the laws, and the
witnesses of the gradient question. All numbers are text; equal reports give equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from equilibria.certificates import plain
from equilibria.certificates.closure import completeness
from equilibria.certificates.cores import core_cells
from equilibria.certificates.exact import Field, Generator
from equilibria.certificates.fields import gradient_field, laws
from equilibria.certificates.listed import at_listed_point
from equilibria.certificates.points import oriented, tied_predictor
from equilibria.certificates.spectral import largest_step, spectrum, trace
from equilibria.errors import LimitReached, ScopeError
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Ring
from equilibria.files.write import write_text
from equilibria.report.analyze import analyze
from equilibria.report.report import Report
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import modes_of
from equilibria.varieties.component import Component, Entry, Verdict

SCHEMA = "noncollapse/certificate/2"
LARGEST_SIZE = 6
MOST_COMPONENTS = 400


def certificate(subject: Report | Model) -> dict[str, object]:
    """Return the certificate of a report, or of the report of a model.

    Raises `ScopeError` where no exact evidence exists (floating point, moments from data), and
    `LimitReached` for sizes beyond n, d = 6.
    """
    if not isinstance(subject, Report | Model):
        raise ScopeError("--certificate: only for the built-in procedures, not for a system file")
    report = subject if isinstance(subject, Report) else analyze(subject)
    model = report.model
    _check_scope(report)
    listed = tuple(at_listed_point(model, component) for component in report.components)
    report = replace(report, variety=replace(report.variety, components=listed))
    field = Field(_entries(report))
    components = [_component(report, field, component) for component in report.components]
    return {
        "schema": SCHEMA,
        "counts": _counts(components),
        "model": model_data(model),
        "system": {
            "flow": plain.equations(report.system.flow),
            "map": plain.equations(report.system.map),
        },
        "generators": [_generator(g) for g in field.generators],
        "components": components,
        "completeness": completeness(report),
        "laws": laws(report),
        "gradient_field": gradient_field(report, field),
    }


def _entries(report: Report) -> Iterator[Entry]:
    """Yield every number that the certificate has to write."""
    for component in report.components:
        if _by_cells(report.model, component):
            continue
        for rows in component.representative.values():
            for row in rows:
                yield from row
    witness = report.gradient.flow.any_metric.witness
    if witness is not None:
        yield from witness.equilibrium.values()


def write_certificate(path: str | Path, subject: Report | Model) -> None:
    """Write the certificate as JSON, atomically; raises as `certificate` does."""
    write_text(path, certificate_text(subject), "--certificate")


def certificate_text(subject: Report | Model) -> str:
    """Return the certificate as JSON text, one line per entry."""
    return json.dumps(certificate(subject), indent=None, separators=(",", ":")) + "\n"


def _check_scope(report: Report) -> None:
    model = report.model
    if model.is_deep or not model.moments.symmetric:
        raise ScopeError(
            "--certificate: hidden layers and views that are not exchangeable have none yet; --json "
            "says how each verdict is known"
        )
    if model.floating:
        raise ScopeError("--certificate: leave --float out, a certificate needs exact signs")
    if max(model.n, model.d) > LARGEST_SIZE:
        raise LimitReached(
            f"--certificate: n = {model.n}, d = {model.d}; at most {LARGEST_SIZE} can be certified, "
            "lower --embed-dim or give fewer modes"
        )
    if len(report.components) > MOST_COMPONENTS:
        raise LimitReached(
            f"--certificate: {len(report.components)} components, at most {MOST_COMPONENTS}; "
            "lower --max-components"
        )
    if not model.moments.is_exact:
        raise ScopeError(
            "--certificate: moments measured in floating point have no exact spectra",
            hint="give exact eigenvalues with --signal and --total",
        )


def model_data(model: Model) -> dict[str, object]:
    """Return the model as a certificate holds it."""
    sigma, m = model.moments.rational_matrices()
    found: dict[str, Any] = {
        "procedure": model.procedure,
        "embed_dim": str(model.n),
        "input_dim": str(model.d),
        "Sigma": plain.matrix(sigma),
        "M": plain.matrix(m),
        "lr": str(model.h),
        "weight_decay": str(model.eta),
        "momentum": str(model.nu),
    }
    if model.traits.family in (Family.BOOTSTRAP, Family.JOINT):
        found["predictor_lr"] = str(model.alpha)
        found["predictor_weight_decay"] = str(model.eta_p)
    if model.traits.has_target:
        found["ema"] = str(model.mu)
    return found


def _generator(generator: Generator) -> dict[str, object]:
    minus = {key: -value for key, value in generator.square.items()}
    return {
        "name": generator.name,
        "relation": [plain.terms(minus), []],
        "cell": str(generator.cell),
    }


def _by_cells(model: Model, component: Component) -> bool:
    """Return whether an equilibrium is known by a floating-point representative only."""
    return component.modes is None and bool(component.rank) and not model.moments.is_diagonal


def _isolated(model: Model, component: Component) -> dict[str, object]:
    found: dict[str, Any] = {
        "id": component.id,
        "dimension": str(component.dimension),
        "collapse": component.collapse,
        "scope": "component",
        "core": core_cells(model, component),
    }
    for kind, stability in (("flow", component.flow), ("map", component.map)):
        found[kind] = spectrum(stability, {}, kind)
        del found[kind]["trace"]
    return found


def _component(report: Report, field: Field, component: Component) -> dict[str, Any]:
    model, system = report.model, report.system
    if _by_cells(model, component):
        return _isolated(model, component)
    point = oriented(field, component.representative)
    tied, inverses = tied_predictor(field, model, point)
    found: dict[str, Any] = {
        "id": component.id,
        "dimension": str(component.dimension),
        "collapse": component.collapse,
        "scope": _scope(model, component),
        "point": {name: plain.terms(value) for name, value in point.items()},
    }
    if model.traits.takes_root:
        found["inverses"] = {key: plain.terms(value) for key, value in inverses.items()}
    if model.traits.family is Family.BOOTSTRAP and not model.eta_p:
        found["stable_where"] = _conditions(report, component)
    found["largest_h"] = _largest_h(model, component, found["scope"])
    for kind, equations, stability in (
        ("flow", system.flow, component.flow),
        ("map", system.map, component.map),
    ):
        found[kind] = spectrum(stability, trace(field, system, equations, point, tied), kind)
    return found


def _largest_h(model: Model, component: Component, scope: str) -> object:
    """Return the cell, `none` where small steps are not stable, `open` where the kernel has no proof."""
    following, step = model.traits.has_target, component.map.largest_step
    if scope == "point" or not (following or component.flow.verdict is Verdict.STABLE):
        return "none"
    if following and component.modes is None and component.rank:
        degenerate = component.flow.neutral != component.dimension
        return "none" if degenerate else "open"
    return "none" if step is None else largest_step(step)


def _scope(model: Model, component: Component) -> str:
    """Return `point` where the spectrum changes along the component, else `component`.

    It changes along what is no symmetry of the map: free predictors, changes of basis without decay,
    and contrastive rows that turn between modes of equal growth that are not equal.
    """
    family = model.traits.family
    if family in (Family.BOOTSTRAP, Family.JOINT):
        return "component" if model.eta_p else "point"
    if family is not Family.CONTRASTIVE:
        return "component"
    modes = modes_of(model.moments)
    active = [mode for mode in modes if mode.number in (component.modes or ())]
    moved = any(
        (a.m - model.eta) * b.s == (b.m - model.eta) * a.s and (a.s, a.m) != (b.s, b.m)
        for a in active
        for b in modes
        if b not in active
    )
    return "point" if moved else "component"


def _conditions(report: Report, component: Component) -> object:
    """Return the polynomials whose signs decide stability of the flow at aligned points."""
    if component.stable_where is None:
        return "none"
    ring = Ring(report.system.variables)
    return [
        plain.polynomial(parse(text.removesuffix(" > 0"), ring))
        for text in component.stable_where.flow
    ]


def _counts(components: list[dict[str, Any]]) -> dict[str, str]:
    verdicts = [component[kind]["verdict"] for component in components for kind in ("flow", "map")]
    undecided = verdicts.count("undecided")
    return {
        "components": str(len(components)),
        "verdicts": str(len(verdicts) - undecided),
        "undecided": str(undecided),
    }
