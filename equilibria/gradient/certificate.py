"""Put the pieces together: one report for a model, one for any polynomial system."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from itertools import combinations

from equilibria.errors import AnalysisError, ConsistencyError, LimitReached
from equilibria.gradient.any_metric import metric_of
from equilibria.gradient.bootstrap import bootstrap_field, bootstrap_map, closed_loop
from equilibria.gradient.constant_metric import (
    NO_CONSTANT,
    constant_metrics,
    definite_member,
    missing_direction,
)
from equilibria.gradient.factor import NO_FACTOR, frobenius_witness
from equilibria.gradient.forms import OneForm, nonzero_point, one_form, potential
from equilibria.gradient.integrals import first_integrals
from equilibria.gradient.potentials import (
    balanced_potential,
    direct_potential_text,
    potential_text,
    state_metric_potential,
)
from equilibria.gradient.report import (
    NOT_DECIDED,
    AnyMetric,
    ConstantMetric,
    CurlWitness,
    EquilibriumSpectrum,
    Field,
    GradientReport,
    IntegratingFactor,
    MapField,
)
from equilibria.gradient.submodel import leading_entry, metric_text, submodel
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.procedures import Family
from equilibria.varieties.component import How

ELIMINATION_LIMIT = 6
TRIPLES_LIMIT = 2000
NOT_LOOKED_AT = (
    "Whether some Riemannian metric makes it a gradient field is open: the linearisations at "
    "equilibria were not compared with one"
)
OPEN_CONSTANT = "Whether a constant metric makes it a gradient field is open"
DEEP_POTENTIAL = "1/2 E|P W x - W y|^2 + sum over layers of eta_l |A_l|^2/(2 alpha_l)"
ONE_IS_ENOUGH = AnyMetric(True, How.PROVED, "So there is a Riemannian metric that does")


def gradient_certificate(
    model: Model, *, equilibria: Sequence[EquilibriumSpectrum] = ()
) -> GradientReport:
    """Return in which senses the model's flow is, or is not, a gradient field.

    `equilibria` are equilibria with spectra that the caller knows, searched for an obstruction to
    every Riemannian metric in addition to those known exactly. Theorems: 3.1-3.4 (curl, loops,
    metrics), 1 (joint), 2.1 (first integrals), 11.1 and 13.5 (potentials on part of the space).
    """
    if model.is_deep or not model.moments.symmetric:
        return _deep(model, tuple(equilibria))
    family = model.traits.family
    if family is Family.BOOTSTRAP:
        return _bootstrap(model, tuple(equilibria))
    if family in (Family.JOINT, Family.CONTRASTIVE):
        return _gradient(
            model, potential_text(model), f"{model.procedure}: minus the gradient of a loss"
        )
    if family is Family.DIRECT:
        return _direct(model)
    return system_certificate(model.traits.system(model), name=model.procedure)


def _deep(model: Model, equilibria: tuple[EquilibriumSpectrum, ...]) -> GradientReport:
    from equilibria.gradient.chains import chain_certificate

    found = chain_certificate(model, partial(system_certificate, name=model.procedure))
    flow, text = found.flow, found.potential
    if flow.is_gradient:
        metric, text = metric_text(model), DEEP_POTENTIAL
        reason = f"A gradient field for {metric if model.alpha == 1 else f'the metric {metric}'}"
        flow = flow._replace(metric=metric, reason=reason)
    else:
        flow = flow._replace(any_metric=metric_of(model, equilibria))
    step = _same_map(model, bool(flow.is_gradient))
    return found._replace(flow=flow, map=step, potential=text)


def _bootstrap(model: Model, equilibria: tuple[EquilibriumSpectrum, ...]) -> GradientReport:
    if model.traits.own_target and leading_entry(model.moments) is None:
        return _gradient(model, potential_text(model), "M = 0: the target is 0 and has no part")
    return GradientReport(
        procedure=model.procedure,
        flow=bootstrap_field(model, equilibria),
        map=bootstrap_map(model),
        potential=None,
        first_integrals=first_integrals(model),
        restricted_potential=balanced_potential(model),
    )


def _direct(model: Model) -> GradientReport:
    from equilibria.gradient.direct import direct_field, direct_pair, exponent

    a = exponent(model)
    try:
        pair = direct_pair(model)
    except LimitReached as limit:
        return _undecided(model.procedure, f"Gradient field: {limit}")
    if pair is None:
        text = direct_potential_text(model, a)
        return _gradient(model, text, "M is a multiple of Sigma: a function of W Sigma W^T")
    return GradientReport(
        procedure=model.procedure,
        flow=direct_field(model, pair),
        map=_same_map(model, False),
        potential=None,
        restricted_potential=state_metric_potential(model, a),
    )


def _gradient(model: Model, text: str, why: str) -> GradientReport:
    metric = metric_text(model)
    euclidean = _euclidean_witness(model) if model.traits.family is Family.JOINT else None
    reason = f"A gradient field for the metric {metric} ({why})"
    if euclidean is not None:
        reason += f"; not for |dP|^2 + |dW|^2, as the predictor's rate is {model.alpha}"
    flow = _exact_field(metric, reason, euclidean)
    return GradientReport(
        model.procedure, flow, _same_map(model, True), text, first_integrals(model)
    )


def _exact_field(metric: str, reason: str, euclidean: CurlWitness | None = None) -> Field:
    return Field(
        is_gradient=True,
        how=How.PROVED,
        metric=metric,
        reason=reason,
        integrating_factor=IntegratingFactor(True, How.PROVED, "the factor 1", factor="1"),
        constant_metric=ConstantMetric(
            True, How.PROVED, "on the whole space", "the potential", metric=metric
        ),
        any_metric=AnyMetric(True, How.PROVED, "the constant metric"),
        euclidean_witness=euclidean,
    )


def _euclidean_witness(model: Model) -> CurlWitness | None:
    """Return the plain curl of the joint flow, (alpha - 1) d2 E0/dP dW, where alpha is not 1."""
    if model.alpha == 1:
        return None
    small = submodel(model, 1, (0,))
    curl = one_form(small.system).curl("W_1_1", "P_1_1")
    point = nonzero_point(curl)
    value = curl.evaluate({name: point.get(name, 0) for name in curl.ring.names})
    return CurlWitness(("W_1_1", "P_1_1"), curl.text(), point, value)


def _same_map(model: Model, is_gradient: bool) -> MapField:
    if model.nu:
        return MapField(
            None, None, "heavy ball: the state of the map holds velocities, see the flow"
        )
    return MapField(is_gradient, How.PROVED, "(x+ - x)/h is the flow")


def _undecided(name: str, reason: str) -> GradientReport:
    flow = Field(
        None,
        None,
        "",
        reason,
        IntegratingFactor(None, None, NOT_DECIDED),
        ConstantMetric(None, None, NOT_DECIDED, ""),
        AnyMetric(None, None, NOT_DECIDED),
    )
    return GradientReport(name, flow, MapField(None, None, NOT_DECIDED), None)


def or_reason(name: str, certificate: Callable[[], GradientReport]) -> GradientReport:
    """Return the certificate, or one that decides nothing and says why there is none.

    The gradient question stands beside an answer that is known: it may not take that down with it.
    """
    try:
        return certificate()
    except AnalysisError as error:
        return _undecided(name, f"The gradient question is left out: {error}")
    except ConsistencyError as error:
        return _undecided(
            name, f"The gradient question is left out, a check of it failed (report it): {error}"
        )


def system_certificate(system: PolynomialSystem, *, name: str = "system") -> GradientReport:
    """Return the certificate of any polynomial flow, for the Euclidean metric of its variables.

    The curl is decided completely; integrating factors and constant metrics as far as the number
    of variables allows. The map is not looked at.
    """
    if system.constraints:
        return _undecided(name, "Gradient field: variables tied by constraints are not decided")
    form = one_form(system)
    metric = "the Euclidean metric"
    found = next(form.curls(), None)
    later = MapField(None, None, "not looked at")
    if found is None:
        text = potential(form)
        assert text is not None
        flow = _exact_field(metric, f"A gradient field for {metric}")
        return GradientReport(name, flow, later, text.text())
    a, b, curl = found
    names = curl.ring.names
    point = nonzero_point(curl)
    value = curl.evaluate({x: point.get(x, 0) for x in names})
    witness = CurlWitness((a, b), curl.text(), point, value)
    constant = _system_metric(system)
    flow = Field(
        is_gradient=False,
        how=How.PROVED,
        metric=metric,
        reason=f"Not a gradient field: df({a})/d{b} - df({b})/d{a} = {curl}",
        witness=witness,
        loop=closed_loop(form, witness),
        integrating_factor=_system_factor(form),
        constant_metric=constant,
        any_metric=ONE_IS_ENOUGH if constant.exists else AnyMetric(None, None, NOT_LOOKED_AT),
    )
    return GradientReport(name, flow, later, None)


def _system_factor(form: OneForm) -> IntegratingFactor:
    if sum(1 for _ in zip(range(TRIPLES_LIMIT + 1), combinations(form.names, 3), strict=False)) > (
        TRIPLES_LIMIT
    ):
        return IntegratingFactor(
            None, None, "Whether an integrating factor exists is open: too many variables to decide"
        )
    witness = frobenius_witness(form)
    if witness is not None:
        return IntegratingFactor(False, How.PROVED, NO_FACTOR, witness)
    return IntegratingFactor(
        True, How.PROVED, "An integrating factor exists near every point where the flow is not 0"
    )


def _system_metric(system: PolynomialSystem) -> ConstantMetric:
    if len(system.variables) > ELIMINATION_LIMIT:
        return ConstantMetric(None, None, f"{OPEN_CONSTANT}: too many variables to decide", "")
    metrics = constant_metrics(system.flow)
    argument = f"all constant symmetric G with G f closed: dimension {len(metrics)}"
    blocked = missing_direction(metrics, system.variables)
    if blocked is not None:
        argument += f", none positive definite, see the ({blocked}, {blocked}) entry"
        return ConstantMetric(False, How.PROVED, NO_CONSTANT, argument)
    gram = definite_member(metrics, system.variables)
    if gram is None:
        scope = f"{OPEN_CONSTANT}: none was found among the candidates tried"
        return ConstantMetric(None, None, scope, argument)
    text = " + ".join(
        f"({value if a == b else 2 * value})*d{a}*d{b}" for (a, b), value in gram.items()
    )
    scope = f"A gradient field for the constant metric {text}"
    return ConstantMetric(True, How.PROVED, scope, argument, metric=text)
