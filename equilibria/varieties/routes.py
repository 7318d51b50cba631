"""Which analysis answers for a model: by the procedure's family, the moments and the decays."""

from __future__ import annotations

from collections.abc import Callable

from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.component import Variety

DEFAULT_COMPONENTS = 64
Route = Callable[[Model, int], Variety]


def variety_of(model: Model, max_components: int = DEFAULT_COMPONENTS) -> Variety:
    """Return the equilibrium components of a model with their stability.

    Raises `ScopeError` where a closed form does not apply and no other route exists.
    """
    family = model.traits.family
    routes: dict[Family | None, Route] = {
        Family.BOOTSTRAP: _bootstrap,
        Family.DIRECT: _direct,
        Family.JOINT: _joint,
        Family.CONTRASTIVE: _contrastive,
    }
    if family not in routes:
        raise ScopeError(f"no analysis is known for {model.procedure}")
    return routes[family](model, max_components)


def _bootstrap(model: Model, max_components: int) -> Variety:
    if model.moments.lopsided:
        from equilibria.varieties.asymmetric.variety import asymmetric_variety

        return asymmetric_variety(model, max_components=max_components)
    if model.is_deep or not model.moments.symmetric:
        from equilibria.varieties.chains.variety import chain_variety

        return chain_variety(model, max_components=max_components)
    if not model.moments.commute:
        from equilibria.varieties.noncommuting.variety import general_variety

        return general_variety(model, max_components=max_components)
    if model.eta == 0 or model.eta_p == 0:
        from equilibria.varieties.without_decay.variety import zero_decay_variety

        return zero_decay_variety(model, max_components=max_components)
    from equilibria.varieties.commuting.variety import aligned_variety

    return aligned_variety(model, max_components=max_components)


def _direct(model: Model, max_components: int) -> Variety:
    from equilibria.varieties.real_spectrum.direct import direct_variety

    return direct_variety(model, max_components=max_components)


def _joint(model: Model, max_components: int) -> Variety:
    if model.is_deep:
        from equilibria.varieties.chains.joint import joint_chain_variety

        return joint_chain_variety(model)
    from equilibria.varieties.real_spectrum.joint import joint_variety

    return joint_variety(model, max_components=max_components)


def _contrastive(model: Model, max_components: int) -> Variety:
    from equilibria.varieties.real_spectrum.contrastive import contrastive_variety

    return contrastive_variety(model, max_components=max_components)
