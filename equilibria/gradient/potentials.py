"""Potentials: of the flows that are gradient fields, and on the sets where others are.

Every text here is checked: for small models coefficient by coefficient on their own equations, for
large ones on the leading two outputs and inputs, the identity in matrices being the same for all
sizes.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from math import prod

from equilibria.data.moments import Moments
from equilibria.errors import ConsistencyError
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.gradient.forms import is_potential, one_form, potential
from equilibria.gradient.radicals import sqrt_text, surd
from equilibria.gradient.report import RestrictedPotential
from equilibria.gradient.submodel import entry, submodel, weight
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.component import How

LARGEST_TEXT = 3


def potential_text(model: Model) -> str:
    """Return V with g f = -grad V, as a polynomial for n, d <= 3 and in matrices beyond.

    For `joint`, `contrastive`, and for `stop-gradient` when M = 0 (then the loss with a frozen
    target). Raises `ConsistencyError` when differentiation does not give back the flow.
    """
    small = model.n <= LARGEST_TEXT and model.d <= LARGEST_TEXT
    rows, columns = min(model.n, LARGEST_TEXT - 1), range(min(model.d, LARGEST_TEXT - 1))
    checked = model if small else submodel(model, rows, columns).model
    polynomial = _checked_potential(checked)
    return polynomial.text() if small else _matrix_text(model)


def _checked_potential(model: Model) -> Polynomial:
    plain = replace(model, momentum=Fraction(0))  # the flow and V do not depend on it
    system = submodel(plain, plain.n, range(plain.d)).system
    form = one_form(system, lambda name: weight(plain, name))
    build = model.traits.potential
    found = build(plain) if build else potential(form)
    if found is None or not is_potential(form, found):
        raise ConsistencyError(f"{model.procedure}: minus the gradient of V is not the flow")
    return found


def _matrix_text(model: Model) -> str:
    decay = f"({model.eta / 2})*|W|^2"
    if model.traits.family is Family.CONTRASTIVE:
        return f"-(1/2)*tr(W M W^T) + (1/4)*|W Sigma W^T|^2 + {decay}"
    decay += f" + ({model.eta_p / (2 * model.alpha)})*|P|^2"
    square = "(1/2)*tr(P W Sigma W^T P^T)"
    if model.traits.family is Family.JOINT:
        return f"{square} - tr(P W M W^T) + (1/2)*tr(W Sigma W^T) + {decay}"
    return f"{square} + {decay}"


def direct_potential_text(model: Model, a: Fraction) -> str:
    """Return V for M = c Sigma and P = F^a; grad tr phi(F) = 2 phi'(F) W Sigma."""
    c = entry(model.moments, "M", 0, 0) / entry(model.moments, "Sigma", 0, 0)
    return (
        f"({-c / (2 * a + 2)})*tr(F^({a + 1})) + ({1 / (4 * a + 2)})*tr(F^({2 * a + 1})) + "
        f"({model.eta / 2})*|W|^2 with F = W Sigma W^T"
    )


def is_isotropic(moments: Moments) -> bool:
    """Return whether Sigma = s I exactly."""
    if moments.total is not None:
        return len(set(moments.total)) == 1
    if moments.arrays is not None:
        import numpy as np

        sigma = moments.arrays[0]
        return bool(np.array_equal(sigma, sigma[0, 0] * np.eye(moments.dimension)))
    size, s = moments.dimension, entry(moments, "Sigma", 0, 0)
    return all(
        entry(moments, "Sigma", i, j) == (s if i == j else 0)
        for i in range(size)
        for j in range(i + 1)
    )


def balanced_potential(model: Model) -> RestrictedPotential | None:
    """Return the potential of T11.1: stop-gradient, Sigma = s I, equal decays; else None."""
    if not model.traits.own_target or model.eta_p != model.eta:
        return None
    if not is_isotropic(model.moments):
        return None
    s, alpha, eta = entry(model.moments, "Sigma", 0, 0), model.alpha, model.eta
    cubic, linear = (surd(Fraction(0), size, alpha).text() for size in (s / 3, eta / alpha))
    text = f"-(1/2)*tr(W M W^T) + ({cubic})*sum(sigma_i**3)"
    text += f" + ({linear})*sum(sigma_i)" if eta else ""
    text += ", sigma_i the singular values of W"
    columns = range(min(model.d, LARGEST_TEXT))
    for j in columns:
        _check_one_mode(model, j)
    return RestrictedPotential(
        potential=text,
        where=f"P = {sqrt_text(alpha)}*(W W^T)^(1/2), an invariant set, where W has full row rank",
        metric="<dW, P^-1 dW>",
        scope=(
            "On the balanced set, for Sigma = s I, dW = -P grad V: a gradient flow with "
            "nuclear-norm and Schatten-3 terms (T11.1)"
        ),
        how=How.PROVED,
        checked=f"invariance of the set and dW = -P dV/dW on {len(columns)} single modes, exactly",
    )


def _check_one_mode(model: Model, j: int) -> None:
    """Check T11.1 on p = a w with a^2 = alpha, as identities in a and w."""
    plain = replace(model, momentum=Fraction(0))
    system = submodel(plain, 1, (j,)).system
    ring = Ring(("a", "w"))
    a, w = ring.variables()
    alpha, s, m = model.alpha, entry(model.moments, "Sigma", j, j), entry(model.moments, "M", j, j)
    point = {"W_1_1": w, "P_1_1": a * w}
    dw, dp = (system.flow[name].evaluate(point) for name in ("W_1_1", "P_1_1"))
    slope = -m * w + s * a * w**2 + (model.eta / alpha) * a  # V', with 1/a = a/alpha
    invariant = _modulo(dp - a * dw, alpha)
    gradient = _modulo(dw + a * w * slope, alpha)
    if invariant or gradient:
        raise ConsistencyError(f"T11.1 fails on mode {j + 1}: {invariant}, {gradient}")


def _modulo(polynomial: Polynomial, alpha: Fraction) -> Polynomial:
    """Reduce with a^2 = alpha."""
    ring = polynomial.ring
    total = ring.constant(0)
    for key, value in polynomial.terms.items():
        powers = dict(key)
        half, odd = divmod(powers.get(0, 0), 2)
        others = [ring.variables()[index] ** power for index, power in powers.items() if index]
        factor = ring.variable("a") if odd else ring.constant(1)
        total = total + prod(others, start=factor) * (value * alpha**half)
    return total


def state_metric_potential(model: Model, a: Fraction) -> RestrictedPotential | None:
    """Return V with dW = -P grad V for P = F^a: all moments if eta = 0, Sigma = s I otherwise."""
    if model.n > model.d:
        return None
    text = f"-(1/2)*tr(W M W^T) + ({1 / (2 * a + 2)})*tr(F^({a + 1}))"
    scope = "For the metric <dW, P^-1 dW> it is a gradient field where W has full row rank"
    if model.eta:
        if not is_isotropic(model.moments):
            return None
        s = entry(model.moments, "Sigma", 0, 0)
        if a == 1:
            text += f" + ({model.eta / (2 * s)})*log det(F)"
        else:
            text += f" + ({model.eta / s / (2 - 2 * a)})*tr(F^({1 - a}))"
        scope += ", for Sigma = s I (T13.5)"
    else:
        scope += ", for all moments as eta = 0"
    return RestrictedPotential(
        potential=text + " with F = W Sigma W^T",
        where="where W has full row rank",
        metric="<dW, P^-1 dW>",
        scope=scope,
        how=How.PROVED,
        checked="grad tr phi(F) = 2 phi'(F) W Sigma term by term",
    )
