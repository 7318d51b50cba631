"""Is the flow a gradient field? Witnesses against it, or a potential, at the size at hand.

theta = g f with g = |dP|^2/alpha + |dW|^2 + |dT|^2. A non-zero curl excludes a potential for g; a
point with theta ^ d theta != 0 excludes an integrating factor on any open set (Frobenius: the
three-form is polynomial, so it is not 0 on a dense open set); a linear system without positive
definite solution excludes every constant metric; an equilibrium whose linearisation is not similar
to a symmetric matrix excludes every metric near it (T3.1 to T3.4).
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from . import polynomials as poly
from .boxes import Core
from .components import Setting, Tally
from .metrics import check_constant_metric
from .nonsymmetric import check_any_metric
from .points import Point
from .polynomials import Polynomial
from .potentials import check_gradient_of, contrastive_energy, decays, joint_energy
from .reading import fields, listing, mapping, name, polynomial, rational
from .refusal import Refusal, at
from .systems import Model


def check_gradient(
    value: object,
    setting: Setting,
    points: dict[str, Point],
    cores: dict[str, Core],
    tally: Tally,
) -> None:
    """Check the section; which witnesses it has to hold depends on the procedure alone."""
    model = setting.model
    if model.traits.direct:
        fields(value, ())
        return
    if model.traits.descends or not _has_curl(model):
        (given,) = fields(value, ("potential",))
        with at("potential"):
            potential = polynomial(given)
            _check_energy(potential, model)
            if len(potential) > sum(map(len, setting.system.flow.values())):
                raise Refusal("more terms than the flow has")
            tally.identities += check_gradient_of(potential, model, setting.system)
        tally.witnesses.append("potential")
        return
    sections = ("curl", "factor", "constant_metric", "any_metric")
    curl, factor, constant, every = fields(value, sections)
    theta = one_form(model, setting.system.flow)
    with at("curl"):
        _check_curl(curl, theta)
        tally.witnesses.append("curl witness")
    with at("factor"):
        if factor != "open":
            _check_frobenius(factor, theta)
            tally.witnesses.append("Frobenius witness")
    with at("constant_metric"):
        if constant != "open":
            check_constant_metric(constant, setting.system.flow)
            tally.witnesses.append("metric witness")
    with at("any_metric"):
        if every != "open":
            check_any_metric(every, setting, points, cores)
            tally.witnesses.append("witness against all metrics")


def _has_curl(model: Model) -> bool:
    return model.traits.averaged or any(any(row) for row in model.m)


def _check_energy(potential: Polynomial, model: Model) -> None:
    if model.traits.bootstraps:
        return
    energy = joint_energy if model.traits.joint else contrastive_energy
    if potential != poly.add(energy(model), decays(model)):
        raise Refusal("not the loss")


def one_form(model: Model, flow: dict[str, Polynomial]) -> dict[str, Polynomial]:
    """Return theta = g f."""
    return {
        x: poly.scale(entry, 1 / model.alpha) if x.startswith("P") else entry
        for x, entry in flow.items()
    }


def curl_of(theta: dict[str, Polynomial], a: str, b: str) -> Polynomial:
    """Return d theta_a/d b - d theta_b/d a."""
    return poly.add(poly.derivative(theta[a], b), poly.derivative(theta[b], a), -1)


def _names(value: object, count: int, theta: dict[str, Polynomial]) -> list[str]:
    names = [name(entry) for entry in listing(value)]
    if len(set(names)) != count or len(names) != count or not set(names) <= set(theta):
        raise Refusal(f"expected {count} different variables", "variables")
    return names


def _rational_point(value: object, theta: dict[str, Polynomial]) -> dict[str, Fraction]:
    point = {}
    for key, entry in mapping(value).items():
        if key not in theta:
            raise Refusal(f"{key[:40]} is no variable", "point")
        point[key] = rational(entry)
        if not point[key]:
            raise Refusal("zero entries are left out", "point")
    return point


def _check_curl(value: object, theta: dict[str, Polynomial]) -> None:
    variables, curl, point, result = fields(value, ("variables", "polynomial", "point", "value"))
    own = curl_of(theta, *_names(variables, 2, theta))
    if polynomial(curl) != own:
        raise Refusal("not the curl in this plane", "polynomial")
    _check_value(poly.evaluate(own, _rational_point(point, theta)), result)
    _check_minimal([own], mapping(point))


def _check_value(own: Fraction, given: object) -> None:
    if rational(given) != own or not own:
        raise Refusal(f"the value there is {own}" if own else "the value there is 0", "value")


def _check_minimal(polys: list[Polynomial], point: Iterable[str]) -> None:
    """Refuse coordinates on which nothing depends: no number may be there for show."""
    used = {x for entry in polys for key in entry for x in key}
    for key in point:
        if key not in used:
            raise Refusal(f"{key[:40]} does not matter", "point")


def _check_frobenius(value: object, theta: dict[str, Polynomial]) -> None:
    variables, point, result = fields(value, ("variables", "point", "value"))
    names = _names(variables, 3, theta)
    place = _rational_point(point, theta)
    total, used = Fraction(0), []
    for k in range(3):
        a, b, c = names[k:] + names[:k]
        factors = [theta[a], curl_of(theta, b, c)]
        used += factors
        total += poly.evaluate(factors[0], place) * poly.evaluate(factors[1], place)
    _check_value(total, result)
    _check_minimal(used, mapping(point))
