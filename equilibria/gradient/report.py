"""What is found out about one flow as a gradient field: frozen, plain, ready for JSON.

Every answer is True, False or None (not decided), says how it is known, and carries its scope: "not
a gradient field" is half a sentence, the other half is the metric and the set.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple

from equilibria.varieties.component import Algebraic, Entry, How

NOT_DECIDED = "not decided"
"""The scope of what was not asked: no sentence of its own."""


class CurlWitness(NamedTuple):
    """A non-zero curl, d theta(a)/d b - d theta(b)/d a for `variables` = (a, b), theta = g f.

    `curl` is its polynomial and `value` the value at `point`. `elsewhere` says what the variables
    that `point` does not name are. Where `times` is set, `curl` and `value` are those of the curl
    multiplied by this positive quantity, which keeps them rational.
    """

    variables: tuple[str, str]
    curl: str
    point: Mapping[str, Fraction]
    value: Fraction
    elsewhere: str = "all other variables are 0"
    times: str | None = None


class Loop(NamedTuple):
    """A closed loop in a coordinate plane and the exact work of g f around it (theorem T3.2).

    `corners` are visited in order and then the first again.
    """

    plane: tuple[str, str]
    corners: tuple[Mapping[str, Fraction], ...]
    work: Fraction
    path: str = "straight lines; all other variables are 0"


class SectorLoop(NamedTuple):
    """A closed loop between two rays and two ellipses P_11 = const of one output row.

    It runs out along the first of the `rays` (directions in `plane`) from the first to the second
    of the `levels` of P_11, along the ellipse to the second ray, back along that, and along the
    inner ellipse. Its work is rational although its corners need not be.
    """

    plane: tuple[str, str]
    rays: tuple[tuple[int, int], tuple[int, int]]
    levels: tuple[Fraction, Fraction]
    work: Fraction
    path: str = "ray, outer ellipse, ray, inner ellipse; all other rows of W are 0"


class FrobeniusWitness(NamedTuple):
    """A point where theta ^ d theta is not 0, so that no factor u makes u theta a gradient."""

    variables: tuple[str, str, str]
    form: str
    point: Mapping[str, Fraction]
    value: Fraction
    elsewhere: str = "all other variables are 0"
    kind: str = "frobenius"


class Exclusion(NamedTuple):
    """An equilibrium with an asymmetric linearization of g f: no positive factor near it (T3.3)."""

    component: str
    equilibrium: Mapping[str, Entry]
    variables: tuple[str, str]
    asymmetry: Entry


class IntegratingFactor(NamedTuple):
    """Is there a factor u > 0 and a potential V on some open set with u g f = -grad V?

    `exists` False means on no non-empty open set; True means locally, with `scope` saying where.
    `excluded_near` is an equilibrium near which there is none in either case.
    """

    exists: bool | None
    how: How | None
    scope: str
    witness: FrobeniusWitness | None = None
    excluded_near: Exclusion | None = None
    factor: str | None = None
    potential: str | None = None


class ConstantMetric(NamedTuple):
    """Is there a constant positive definite G with G f = -grad V?"""

    exists: bool | None
    how: How | None
    scope: str
    argument: str
    checked: str = ""
    metric: str | None = None


class MetricWitness(NamedTuple):
    """An equilibrium whose linearization is not similar to a symmetric matrix (theorem T3.4).

    `kind` is `nonreal-eigenvalue`, `jordan-block` or `periodic-orbit`; `exact` states the exact
    numbers (a characteristic polynomial, a discriminant) where there are any.
    """

    kind: str
    component: str
    equilibrium: Mapping[str, Entry]
    eigenvalues: tuple[complex, ...]
    how: How
    exact: str | None = None
    residual: float | None = None
    elsewhere: str = "all other variables are 0"
    period: float | None = None


class AnyMetric(NamedTuple):
    """Is there a Riemannian metric, depending on the state or not, that makes f a gradient?

    `orbit` is a periodic orbit, where one was met: the strongest witness, for along it no function
    at all can decrease (T9.3). It is also the `witness` where there is no other.
    """

    exists: bool | None
    how: How | None
    scope: str
    witness: MetricWitness | None = None
    orbit: MetricWitness | None = None


class Field(NamedTuple):
    """The flow as a gradient field for `metric`; `reason` says why `is_gradient` is what it is."""

    is_gradient: bool | None
    how: How | None
    metric: str
    reason: str
    integrating_factor: IntegratingFactor
    constant_metric: ConstantMetric
    any_metric: AnyMetric
    witness: CurlWitness | None = None
    loop: Loop | SectorLoop | None = None
    euclidean_witness: CurlWitness | None = None


class MapField(NamedTuple):
    """Is the update map a gradient step x+ = x - h g^-1 grad V?"""

    is_gradient: bool | None
    how: How | None
    reason: str
    witness: CurlWitness | None = None


class FirstIntegral(NamedTuple):
    """Polynomials with a simple law along the flow; `law` is "constant" for first integrals.

    `entries` lists them where they are few; `map_law` is what one step of the map does to them.
    """

    name: str
    definition: str
    law: str
    how: How
    scope: str
    entries: tuple[str, ...] = ()
    map_law: str | None = None


class RestrictedPotential(NamedTuple):
    """A potential on part of the state space, or for a metric that depends on the state."""

    potential: str
    where: str
    metric: str
    scope: str
    how: How
    checked: str


class GradientReport(NamedTuple):
    """The certificate. `potential` is set exactly where the flow is a gradient field for
    `flow.metric`; `to_json()` gives the `gradient_field` object of the report."""

    procedure: str
    flow: Field
    map: MapField
    potential: str | None
    first_integrals: tuple[FirstIntegral, ...] = ()
    restricted_potential: RestrictedPotential | None = None

    @property
    def sentences(self) -> tuple[tuple[str, How | None], ...]:
        """Return what a reader should be told, a sentence each with how it is known."""
        flow = self.flow
        parts: list[tuple[str, How | None]] = [(flow.reason, flow.how)]
        if flow.is_gradient is not True:
            parts += [
                (flow.integrating_factor.scope, flow.integrating_factor.how),
                (flow.constant_metric.scope, flow.constant_metric.how),
                (_with_witness(flow.any_metric), flow.any_metric.how),
            ]
        orbit = flow.any_metric.orbit
        if orbit is not None and orbit.period is not None:
            said = f"No function decreases along {orbit.component}, of period {orbit.period:.6g}"
            parts.append((f"{said} ({orbit.kind}): no metric makes it a gradient field", orbit.how))
        for integral in self.first_integrals:
            parts.append((f"{integral.definition}: {integral.law}", integral.how))
        if self.restricted_potential is not None:
            parts.append((self.restricted_potential.scope, self.restricted_potential.how))
        return tuple((text, how) for text, how in parts if text != NOT_DECIDED)

    def to_json(self) -> dict[str, object]:
        """Return dictionaries, lists, text and numbers only; rationals are text such as "1/10"."""
        body = {name: plain(value) for name, value in self._asdict().items() if name != "procedure"}
        body["scope"] = [
            {"text": text, "how": how.value if how else None} for text, how in self.sentences
        ]
        return body


def _with_witness(part: AnyMetric) -> str:
    """Return the scope with the equilibrium that it speaks of."""
    if part.witness is None:
        return part.scope
    return f"{part.scope} ({part.witness.kind} at {part.witness.component})"


def plain(value: object) -> object:
    """Return `value` with named tuples, fractions and complex numbers replaced by plain data."""
    if isinstance(value, Algebraic):
        return {"value": value.value, "exact": value.exact}
    if hasattr(value, "_asdict"):
        return {name: plain(entry) for name, entry in value._asdict().items()}
    if isinstance(value, How):
        return value.value
    if isinstance(value, Fraction):
        return str(value)
    if isinstance(value, complex):
        return [value.real, value.imag]
    if isinstance(value, Mapping):
        return {key: plain(entry) for key, entry in value.items()}
    if isinstance(value, tuple | list):
        return [plain(entry) for entry in value]
    return value


class EquilibriumSpectrum(NamedTuple):
    """An equilibrium found elsewhere, with its spectrum for the flow.

    `point` holds fractions or floats by variable name (absent ones are 0); `residual` is the
    relative size of the flow there. A point of fractions alone is decided exactly if it is small.
    """

    id: str
    point: Mapping[str, Fraction | float]
    eigenvalues: tuple[complex, ...]
    residual: float = 0.0
