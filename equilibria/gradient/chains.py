"""The gradient question for hidden layers: by the curl of the polynomials themselves.

One mode and one unit a layer answer first: with all others at 0 their equations are those of the whole
model, so their curl is one of its curls, and a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from equilibria.data.moments import Moments
from equilibria.gradient.report import (
    NOT_DECIDED,
    ConstantMetric,
    Field,
    GradientReport,
    IntegratingFactor,
)
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem

WRITTEN_OUT = 20_000


def chain_certificate(
    model: Model, certificate: Callable[[PolynomialSystem], GradientReport]
) -> GradientReport:
    """Return what the curl of the flow decides, in the metric that rates of layers ask for.

    `certificate` answers for any polynomial system. What a smaller model excludes is excluded for the
    whole; what it allows is not.
    """
    sizes = [smaller(model, 1), smaller(model, 2)]
    if model.chain.expansion <= WRITTEN_OUT:
        sizes.append(model)
    for small in sizes:
        found = certificate(_system(small))
        if small == model:
            return found
        if _excludes(found.flow):
            return found if model.moments.has_modes else _without_metrics(found)
    return found._replace(flow=_opened(model, found.flow))


def _excludes(flow: Field) -> bool:
    return flow.is_gradient is False and flow.integrating_factor.exists is False


def _without_metrics(found: GradientReport) -> GradientReport:
    """Leave constant metrics open: other inputs move even where their weights are 0."""
    open_one = ConstantMetric(None, None, NOT_DECIDED, "")
    return found._replace(flow=found.flow._replace(constant_metric=open_one))


def _opened(model: Model, flow: Field) -> Field:
    """Return what a smaller model says of the whole: no more than that something is not so.

    A procedure with a potential is a gradient field at every size.
    """
    if flow.is_gradient and model.traits.potential is not None:
        return flow
    factor = flow.integrating_factor
    if factor.exists:
        factor = IntegratingFactor(None, None, NOT_DECIDED)
    metric = flow.constant_metric
    if metric.exists:
        metric = ConstantMetric(None, None, NOT_DECIDED, "")
    reason = flow.reason if flow.is_gradient is False else NOT_DECIDED
    return flow._replace(
        is_gradient=False if flow.is_gradient is False else None,
        reason=reason,
        integrating_factor=factor,
        constant_metric=metric,
    )


def _system(small: Model) -> PolynomialSystem:
    """Return the flow, over the rates of the layers where it has a potential."""
    system = small.traits.system(small)
    if small.traits.potential is not None and small.alpha != 1:
        rates = dict(zip(small.chain.names, small.chain.rates, strict=True))
        flow = {
            name: entry * (1 / rates[name.split("_")[0]]) for name, entry in system.flow.items()
        }
        system = replace(system, flow=flow)
    return system


def smaller(model: Model, size: int) -> Model:
    """Return the model of at most `size` modes and `size` units a layer."""
    return replace(
        model,
        moments=_leading(model.moments, min(size, model.d)),
        embed_dim=min(size, model.n),
        hidden_dims=tuple(min(size, width) for width in model.chain.hidden),
    )


def _leading(moments: Moments, size: int) -> Moments:
    """Return the first modes; a pair is not cut."""
    if moments.units is not None:
        kept = [u for u in moments.units if u.columns[-1] <= max(size, moments.units[0].size)]
        signal = [(unit.re, unit.im) for unit in kept]
        return Moments.turning(signal=signal, total=[unit.s for unit in kept])
    if moments.total is not None and moments.signal is not None:
        return Moments.commuting(signal=moments.signal[:size], total=moments.total[:size])
    sigma, m = moments.rational_matrices()
    return Moments.dense([row[:size] for row in sigma[:size]], [row[:size] for row in m[:size]])
