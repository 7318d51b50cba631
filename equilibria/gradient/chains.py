"""The gradient question for hidden layers: by the curl of the polynomials themselves.

One mode and one unit a layer answer first: with all others at 0 their equations are those of the whole
model, so their curl is one of its curls, and a short one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from equilibria.data.moments import Moments
from equilibria.gradient.report import GradientReport
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem


def chain_certificate(
    model: Model, certificate: Callable[[PolynomialSystem], GradientReport]
) -> GradientReport:
    """Return what the curl of the flow decides, in the metric that rates of layers ask for.

    `certificate` answers for any polynomial system.
    """
    found = certificate(_system(smaller(model, 1)))
    if found.flow.is_gradient:  # of one mode; more modes decide
        found = certificate(_system(smaller(model, 2)))
    return found


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
    if moments.total is not None and moments.signal is not None:
        return Moments.commuting(signal=moments.signal[:size], total=moments.total[:size])
    sigma, m = moments.rational_matrices()
    return Moments.dense([row[:size] for row in sigma[:size]], [row[:size] for row in m[:size]])
