"""What was found for a model: what every renderer takes, and nothing that it must compute."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import Component, Variety

if TYPE_CHECKING:
    from equilibria.gradient import EquilibriumSpectrum, GradientReport

TURNING = 1e-6
TURNING_LIMIT = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict on the whole model in one sentence, and the components behind it.

    `stable` are those with stable points; `in_part` those among them not stable at every point.
    """

    avoids_collapse: bool
    stable: tuple[str, ...]
    undecided: tuple[str, ...]
    text: str
    in_part: tuple[str, ...] = ()


@dataclass(frozen=True)
class Analysis:
    """A model, its components with verdicts, the summary, the gradient question."""

    model: Model
    variety: Variety
    summary: Summary
    seconds: float = field(compare=False, default=0.0)

    @property
    def components(self) -> tuple[Component, ...]:
        return self.variety.components

    @cached_property
    def system(self) -> PolynomialSystem:
        """Return the polynomials of flow and map; built on first use."""
        return self.model.traits.system(self.model)

    @cached_property
    def gradient(self) -> GradientReport:
        """Return the certificate on the gradient question; computed on first use."""
        from equilibria.gradient import gradient_certificate, or_reason

        return or_reason(
            self.model.procedure,
            lambda: gradient_certificate(
                self.model, equilibria=tuple(_turning(self.model, self.components))
            ),
        )

    def component(self, name: str) -> Component:
        """Return the component with this id; raises `KeyError` when it is not listed."""
        for component in self.components:
            if component.id == name:
                return component
        raise KeyError(name)


def _turning(model: Model, components: Iterable[Component]) -> Iterator[EquilibriumSpectrum]:
    """Yield the equilibria off the modes whose flow turns: they exclude every metric (T3.4).

    The certificate knows the strata of commuting moments itself.
    """
    from equilibria.gradient import EquilibriumSpectrum

    count = 0
    of_chains = model.is_deep or not model.moments.symmetric
    for component in components:
        known = component.modes is not None and not of_chains
        if known or component.rotates or count >= TURNING_LIMIT:
            continue
        values = [e.value for e in component.flow.spectrum for _ in range(e.multiplicity)]
        if any(abs(value.imag) > TURNING * (1 + abs(value)) for value in values):
            count += 1
            residual = (
                _residual(model, component) if not model.is_deep else _small(model, component)
            )
            yield EquilibriumSpectrum(component.id, _point(component), tuple(values), residual)


def _point(component: Component) -> dict[str, Fraction | float]:
    from equilibria.varieties.component import Algebraic

    return {
        f"{letter}_{i}_{j}": value.value if isinstance(value, Algebraic) else value
        for letter, rows in component.representative.items()
        for i, row in enumerate(rows, 1)
        for j, value in enumerate(row, 1)
    }


def _small(model: Model, component: Component) -> float:
    """Return the size of the flow at a representative with hidden layers, relative to its decay."""
    point = _point(component)
    system = model.traits.system(model)
    values = system.evaluate(point)
    scale = max((abs(float(x)) for x in point.values()), default=0.0)
    decay = float(max(model.chain.decays))
    return float(max(abs(float(v)) for v in values.values()) / (scale * decay)) if scale else 0.0


def _residual(model: Model, component: Component) -> float:
    """Return the relative size of the flow at a representative with T = W."""
    import numpy as np

    from equilibria.exact.rationals import to_float
    from equilibria.varieties.commuting.representative import entry_float

    W, P = (
        np.array([[entry_float(x) for x in row] for row in component.representative[letter]])
        for letter in "WP"
    )
    sigma, m = model.moments.matrices()
    gap = W @ m - P @ W @ sigma
    dP = to_float(model.alpha) * gap @ W.T - to_float(model.eta_p) * P
    dW = P.T @ gap - to_float(model.eta) * W
    scale = float(np.abs(P.T @ W @ m).max() + np.abs(W @ m @ W.T).max())
    return float(max(np.abs(dP).max(), np.abs(dW).max())) / scale if scale else 0.0
