"""Stop-gradient and EMA: not gradient fields, with the evidence for each sense of the phrase.

By T3.1 the one-form theta = g f of the stop-gradient flow has the curl -(W M)_1i in the plane
(W_1i, P_11), zero for all W only if M = 0; that of EMA has beta - M_11 P_11 in the plane
(T_11, W_11), which is beta where P = 0, whatever the moments. Both are formulas for all n and d;
each report also takes the curl from the polynomials of a small submodel, and they must agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction

from equilibria.errors import ConsistencyError
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.gradient.any_metric import any_metric
from equilibria.gradient.constant_metric import bootstrap_constant_metric
from equilibria.gradient.factor import integrating_factor
from equilibria.gradient.forms import OneForm, nonzero_point, substitute
from equilibria.gradient.report import CurlWitness, EquilibriumSpectrum, Field, Loop, MapField
from equilibria.gradient.submodel import (
    SubModel,
    entry,
    leading_entry,
    metric_text,
    row_of_signal,
    submodel,
)
from equilibria.systems.model import Model
from equilibria.varieties.component import How

LONGEST_ROW = 12
NEAR_ORIGIN = (1, 2, 3, Fraction(1, 2))


def bootstrap_field(model: Model, equilibria: Sequence[EquilibriumSpectrum] = ()) -> Field:
    """Return the certificate of the stop-gradient flow (M != 0) or of the EMA flow (any M)."""
    small = witness_model(model)
    witness = curl_witness(model, small)
    loop = closed_loop(small.form(), witness)
    a, b = witness.variables
    return Field(
        is_gradient=False,
        how=How.PROVED,
        metric=metric_text(model),
        reason=f"Not a gradient field: {curl_name(model, a, b)} = {witness.curl}",
        witness=witness,
        loop=loop,
        integrating_factor=integrating_factor(model),
        constant_metric=bootstrap_constant_metric(model),
        any_metric=any_metric(model, equilibria),
    )


def curl_name(model: Model, a: str, b: str) -> str:
    """Return the curl in words, with the metric where it is not the plain one."""
    f = "f" if model.alpha == 1 else "(g f)"
    return f"d{f}({a})/d{b} - d{f}({b})/d{a}"


def witness_model(model: Model) -> SubModel:
    """Return one output with the one or two input columns on which the curl is seen."""
    place = leading_entry(model.moments)
    if model.traits.has_target:
        return submodel(model, 1, (0,))
    assert place is not None
    return submodel(model, 1, sorted(set(place)))


def formula_curl(model: Model) -> tuple[tuple[str, str], Polynomial]:
    """Return the pair and its curl on the whole state space, by T3.1.

    Rows of M with many entries are cut down to the witness column, the others being 0 there.
    """
    if model.traits.has_target:
        ring = Ring(("P_1_1",))
        m = entry(model.moments, "M", 0, 0)
        return ("T_1_1", "W_1_1"), ring.constant(model.flow_rate) - m * ring.variable("P_1_1")
    place = leading_entry(model.moments)
    assert place is not None
    i, j = place
    row = row_of_signal(model.moments, i)
    if len(row) > LONGEST_ROW:
        row = {j: row[j]}
    ring = Ring(tuple(f"W_1_{column + 1}" for column in row))
    total = ring.constant(0)
    for name, value in zip(ring.names, row.values(), strict=True):
        total = total - value * ring.variable(name)
    return (f"W_1_{i + 1}", "P_1_1"), total


def curl_witness(model: Model, small: SubModel) -> CurlWitness:
    """Return the curl with a point where it is not 0; two routes must agree on it."""
    pair, formula = formula_curl(model)
    point = {"P_1_1": Fraction(0)}
    place = leading_entry(model.moments)
    if model.traits.own_target and place is not None:
        point |= {f"W_1_{place[0] + 1}": Fraction(0), f"W_1_{place[1] + 1}": Fraction(1)}
    polynomial = small.form().curl(*pair)
    kept = set(polynomial.ring.names)
    outside = {name: Fraction(0) for name in formula.ring.names if name not in kept}
    if substitute(formula, outside).text() != polynomial.text():
        raise ConsistencyError(f"curl {pair}: formula {formula}, equations {polynomial}")
    value = polynomial.evaluate({name: point.get(name, Fraction(0)) for name in kept})
    return CurlWitness(pair, formula.text(), point, value)


def closed_loop(form: OneForm, witness: CurlWitness) -> Loop:
    """Return a square in the plane of the witness around which the exact work is not 0.

    Squares at the origin come first, for their short numbers; a curl that is odd under an exchange
    of the two variables integrates to 0 over each of them. The rest have a corner at the witness:
    the work around side s is s^2 (value + O(s)) there, a polynomial of degree at most deg + 2 whose
    double root 0 leaves room for deg others, so that one of deg + 1 sides must do.
    """
    a, b = witness.variables
    start = {name: value for name, value in witness.point.items() if value and name not in (a, b)}
    corner = {name: witness.point.get(name, Fraction(0)) for name in (a, b)}
    sides = [Fraction(1, size) for size in range(1, form.curl(a, b).degree + 2)]
    tried = [({a: Fraction(0), b: Fraction(0)}, Fraction(side)) for side in NEAR_ORIGIN]
    for low, side in [*tried, *((corner, side) for side in sides)]:
        corners: tuple[Mapping[str, Fraction], ...] = tuple(
            {**start, b: low[b] + side * i, a: low[a] + side * j}
            for i, j in ((0, 0), (1, 0), (1, 1), (0, 1))
        )
        work = form.work(corners)
        if work:
            return Loop((b, a), corners, work)
    raise ConsistencyError(f"the curl of {(a, b)} is 0 at its own witness {dict(witness.point)}")


def bootstrap_map(model: Model) -> MapField:
    """Return whether one step is x - h g^-1 grad V: for stop-gradient this is the flow's question.

    For EMA the target sees the new encoder, which adds (1 - mu) dW to its step: the curl in the
    plane (T_11, W_11) is beta (1 - h eta) where P = 0.
    """
    if model.nu:
        return MapField(
            None, None, "heavy ball: the state of the map holds velocities, see the flow"
        )
    if model.traits.own_target:
        return MapField(
            False, How.PROVED, "(x+ - x)/h is the flow", curl_witness(model, witness_model(model))
        )
    small = submodel(model, 1, (0,))
    polynomial = small.form(mapped=True).curl("T_1_1", "W_1_1")
    point = nonzero_point(polynomial)
    value = substitute(polynomial, point).terms.get((), Fraction(0))
    witness = CurlWitness(("T_1_1", "W_1_1"), polynomial.text(), point, value)
    reason = "curl of (x+ - x)/h, where only row 1 and column 1 are not 0"
    return MapField(False, How.PROVED, reason, witness)
