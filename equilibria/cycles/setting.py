"""The numbers that fix one system, and how they move along a parameter.

alpha = 1 units, as in `noncommuting` (T0.1, T0.3). A setting is a flow, or a map as soon as it has
a step h. Where the equilibria are depends on Sigma, M and eta alone; the other numbers only decide
how they are approached or left.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.component import Component
from equilibria.varieties.noncommuting.balanced import balanced_point
from equilibria.varieties.noncommuting.core import (
    Array,
    CoreEquilibrium,
    check_moments,
    core_equilibrium,
)
from equilibria.varieties.noncommuting.gram import maximal_full_rank
from equilibria.varieties.noncommuting.linearisation import CoreLinearisation, linearise
from equilibria.varieties.noncommuting.newton import refined
from equilibria.varieties.noncommuting.systems import Flow, Map, System

Parameter = Literal["beta", "eta", "h", "ema", "kappa"]
FIELDS = {"beta": "beta", "eta": "eta", "h": "h", "ema": "mu", "kappa": "kappa"}
Path = Callable[[float], "Setting"]


@dataclass(frozen=True, slots=True, eq=False)
class Setting:
    """Moments and rates; `beta` belongs to the flow, `h`, `mu` and `nu` to the map.

    `beta` or `mu` None: stop-gradient. `kappa` is eta_P / eta (T0.3).
    """

    Sigma: Array
    M: Array
    eta: float
    beta: float | None = None
    h: float | None = None
    mu: float | None = None
    nu: float = 0.0
    kappa: float = 1.0

    def __post_init__(self) -> None:
        check_moments(self.Sigma, self.M, self.eta)
        if self.beta is not None and not self.beta > 0:
            raise ValueError(f"beta = {self.beta}: the rate of the target must be positive")

    @property
    def d(self) -> int:
        """The data dimension."""
        return int(self.Sigma.shape[0])

    @property
    def is_map(self) -> bool:
        """Whether this is an update map rather than a flow."""
        return self.h is not None

    @property
    def averaged(self) -> bool:
        """Whether the target is a moving average."""
        return (self.mu if self.is_map else self.beta) is not None

    @property
    def system(self) -> System:
        """The linear system of `noncommuting.systems`."""
        return Flow(self.beta) if self.h is None else Map(self.h, self.mu, self.nu)

    def linearised(self, core: CoreEquilibrium) -> CoreLinearisation:
        """The linearisation at an equilibrium of this setting."""
        return linearise(core, self.Sigma, self.M, self.eta, kappa=self.kappa)

    def near(self, W: Array) -> CoreEquilibrium | None:
        """The equilibrium that Newton reaches from the encoder W (k, d), of the same rank."""
        return refined(W, self.Sigma, self.M, self.eta, label="branch", origin="newton")

    def largest(self, rank: int | None = None) -> CoreEquilibrium | None:
        """The most learned equilibrium: T6.7 for rank d, else T6.8 of the top correlations."""
        k = self.d if rank is None else min(rank, self.d)
        if self.eta == 0:
            P, W = balanced_point(self.Sigma, self.M, range(k))
            return core_equilibrium(P, W, self.Sigma, self.M, 0.0, label="top", origin="T6.8")
        if k == self.d:
            return maximal_full_rank(self.Sigma, self.M, self.eta).equilibrium
        from equilibria.varieties.noncommuting.continuation import rank_k

        top = tuple(range(k))
        return rank_k(self.Sigma, self.M, self.eta, top, fallback=False).equilibrium


def along(setting: Setting, parameter: Parameter) -> Path:
    """The settings that differ from this one in a single number."""
    if parameter not in get_args(Parameter):
        known = ", ".join(get_args(Parameter))
        raise ValueError(f"parameter {parameter!r}: expected one of {known}")
    if parameter == "beta" and setting.is_map:
        raise ValueError("beta: belongs to the flow; along a map vary ema or h")
    if parameter in ("ema", "h") and not setting.is_map:
        raise ValueError(f"{parameter}: belongs to the map; give the setting a step h")
    name = FIELDS[parameter]

    def moved(value: float) -> Setting:
        number: dict[str, Any] = {name: float(value)}
        return replace(setting, **number)

    return moved


def of_model(model: Model, *, is_map: bool = False) -> Setting:
    """The flow or the map of a stop-gradient or moving-average model with weight decay."""
    if not model.traits.bootstraps:
        raise ScopeError(
            f"--procedure {model.procedure}: oscillations are studied for stop-gradient and ema"
        )
    if model.kappa is None or not model.kappa:
        raise ScopeError(
            "--weight-decay 0: cycles come in families then",
            hint="give a weight decay above 0, for encoder and predictor",
        )
    sigma, m = (np.array(matrix) for matrix in model.moments.matrices())
    eta, kappa = to_float(model.eta), to_float(model.kappa)
    ema = model.traits.has_target
    if not is_map:
        beta = to_float(model.flow_rate) if ema else None
        return Setting(sigma, m, eta, beta=beta, kappa=kappa)
    mu = to_float(model.mu) if ema else None
    return Setting(sigma, m, eta, h=to_float(model.h), mu=mu, nu=to_float(model.nu), kappa=kappa)


def core_of(model: Model, component: Component, setting: Setting) -> CoreEquilibrium:
    """The core of a component of `general_variety`: its first `rank` rows in alpha = 1 units."""
    k = component.rank or 0
    assert model.kappa is not None
    root = np.sqrt(to_float(model.alpha / model.kappa))
    point = component.representative
    W = np.array(point["W"], dtype=float)[:k].reshape(k, model.d) * root
    P = np.array(point["P"], dtype=float)[:k, :k].reshape(k, k)
    return core_equilibrium(
        P, W, setting.Sigma, setting.M, setting.eta, label=component.id, origin="general"
    )
