"""Integrating factors of the bootstrap flows: a factor u > 0 with u g f = -grad V on an open set.

Frobenius: theta ^ d theta = 0 is necessary and its coefficients are polynomials: one rational point
where one of them is not 0 excludes a factor on every non-empty open set. Where it vanishes
identically a factor exists near every point with f != 0; near a live equilibrium there is none in
either case, as the linearization of u g f there is u times the asymmetric one of g f (T3.3).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from equilibria.errors import ConsistencyError, LimitReached
from equilibria.gradient.forms import OneForm, nonzero_point
from equilibria.gradient.live import encoder_entry, live_mode, state
from equilibria.gradient.radicals import surd_entry
from equilibria.gradient.report import Exclusion, FrobeniusWitness, IntegratingFactor
from equilibria.gradient.submodel import (
    SubModel,
    disproportionate_pair,
    entry,
    leading_entry,
    submodel,
)
from equilibria.systems.model import Model
from equilibria.varieties.component import Entry, How

NO_FACTOR = "No integrating factor makes it a gradient field, on any open set"


def integrating_factor(model: Model) -> IntegratingFactor:
    """Decide by Frobenius whether some factor u > 0 makes u g f a gradient on some open set."""
    try:
        small = _frobenius_model(model)
    except LimitReached as limit:
        return IntegratingFactor(None, None, f"Integrating factor: {limit}")
    excluded = _excluded_near(model)
    if small is None:
        return _planar(model, excluded)
    witness = frobenius_witness(small.form())
    if witness is None:
        raise ConsistencyError("theta ^ d theta vanishes where the theory says that it does not")
    return IntegratingFactor(False, How.PROVED, NO_FACTOR, witness, excluded)


def _frobenius_model(model: Model) -> SubModel | None:
    """Return a submodel with theta ^ d theta != 0; None when it vanishes identically.

    One output, stop-gradient: the coefficients are (p Sigma-part) p^2 [(M w)_i (Sigma w)_j - ...]
    and eta [w_i (M w)_j - ...], zero for all w exactly if M = c Sigma and (eta = 0 or M = c' I).
    """
    if model.traits.has_target:
        return submodel(model, 1, (0,))
    place = leading_entry(model.moments)
    assert place is not None
    if model.n >= 2:
        return (
            submodel(model, 2, (place[0],)) if place[0] == place[1] else submodel(model, 1, place)
        )
    pair = disproportionate_pair(model.moments, decay=bool(model.eta))
    return None if pair is None else submodel(model, 1, pair)


def frobenius_witness(form: OneForm) -> FrobeniusWitness | None:
    """Return the first variables and a point of small integers with theta ^ d theta != 0."""
    for names in combinations(form.names, 3):
        value = form.frobenius(*names)
        if value:
            point = nonzero_point(value)
            full = {name: point.get(name, Fraction(0)) for name in value.ring.names}
            return FrobeniusWitness(names, value.text(), point, value.evaluate(full))
    return None


def _planar(model: Model, excluded: Exclusion | None) -> IntegratingFactor:
    """One output row whose three-form vanishes identically: a factor exists where f != 0."""
    scope = (
        "An integrating factor exists near every point where the flow is not 0 (dimension 2, or "
        "theta ^ d theta = 0 identically)"
    )
    if excluded is not None:
        scope += f", but none that is positive near the equilibrium {excluded.component}"
    factor = potential = None
    if not model.eta and not model.eta_p and model.d == 1:
        s, m = entry(model.moments, "Sigma", 0, 0), entry(model.moments, "M", 0, 0)
        form = submodel(model, 1, (0,)).form()
        ring = form.entries["W_1_1"].ring
        p, w = ring.variable("P_1_1"), ring.variable("W_1_1")
        speed = w * (m - s * p)
        if form.entries["W_1_1"] != speed * p or form.entries["P_1_1"] != speed * w:
            raise ConsistencyError("theta is not w (m - s p) d(p w)")
        factor, potential = f"1/({speed})", "-P_1_1*W_1_1"
        scope = f"Divided by {speed} it is the gradient of P_1_1*W_1_1, where that is not 0"
        if excluded is not None:
            scope += "; no factor is positive near an equilibrium with W_1_1 != 0"
    return IntegratingFactor(
        True, How.PROVED, scope, None, excluded, factor=factor, potential=potential
    )


def _excluded_near(model: Model) -> Exclusion | None:
    """Return an equilibrium where the linearization of g f is not symmetric (T3.3).

    The curl of T3.1 at an aligned state is m w in the plane (P_11, W_1j), or (P_11, T_1j) for EMA.
    """
    total, signal = model.moments.total, model.moments.signal
    if total is None or signal is None:
        return None
    letter = "T" if model.traits.has_target else "W"
    point: dict[str, Entry]
    if not model.eta and not model.eta_p:
        j = next((j for j, m in enumerate(signal) if m), None)
        if j is None:
            return None
        place = f"1_{j + 1}"
        point = {"P_1_1": signal[j] / total[j], f"W_{place}": Fraction(1)}
        if model.traits.has_target:
            point[f"T_{place}"] = Fraction(1)
        size: Entry = signal[j]
        label = f"rank1:{j + 1}"
    else:
        active = live_mode(model)
        if active is None:
            return None
        j, place = active.j, f"1_{active.j + 1}"
        point, label = state(model, active), f"rank1:{active.j + 1}+"
        size = surd_entry(active.m * encoder_entry(model, active))
    return Exclusion(label, point, ("P_1_1", f"{letter}_{place}"), size)
