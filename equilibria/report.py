"""Report: everything a renderer needs, nothing it must compute."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from equilibria.model import Model
from equilibria.procedures import procedure
from equilibria.results import Component, Variety
from equilibria.system import PolynomialSystem

if TYPE_CHECKING:
    from equilibria.gradient import GradientReport


@dataclass(frozen=True, slots=True)
class Summary:
    """The verdict on the whole model in one sentence, and the components behind it."""

    avoids_collapse: bool
    stable: tuple[str, ...]
    undecided: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Report:
    """What `analyze` found: components with verdicts, the summary, the gradient question."""

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
        return procedure(self.model.procedure).build(self.model)

    @cached_property
    def gradient(self) -> GradientReport:
        """Return the certificate on the gradient question; computed on first use."""
        from equilibria.gradient import gradient_certificate

        return gradient_certificate(self.model)

    def to_json(self) -> dict[str, Any]:
        """Return the object of the interface contract, schema `noncollapse/equilibria/1`."""
        from equilibria.render.json import report_json

        return report_json(self)

    def component(self, name: str) -> Component:
        """Return the component with this id; raises `KeyError` when it is not listed."""
        for component in self.components:
            if component.id == name:
                return component
        raise KeyError(name)

    def _repr_html_(self) -> str:
        from equilibria.render.html import report_html

        return report_html(self)

    def _repr_latex_(self) -> str:
        from equilibria.render.latex import report_latex

        return report_latex(self)
