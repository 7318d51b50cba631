"""Phase diagrams: which strata are stable where, over any two parameters of a model.

    >>> import equilibria as eq
    >>> from equilibria.phase import describe, parse_axis, phase_diagram
    >>> model = eq.Model(moments=eq.Moments.commuting(signal=[1, "3/4"]))
    >>> x, y = parse_axis("lr=0.1:3:8", "--x"), parse_axis("weight-decay=0.01:0.3:6", "--y")
    >>> diagram = phase_diagram(model, x, y)
    >>> [describe(region.map) for region in diagram.regions][0]
    '1+,2+ | 1+ | collapse'

Rules on the set of active modes (`verdicts`) decide every cell; boundaries come from the same
polynomials, exactly (`curves`) or isolated (`trace`, `isolate`).
"""

from __future__ import annotations

from equilibria.phase.axes import Axis, make_axis, parse_axis
from equilibria.phase.boundary import Boundary
from equilibria.phase.diagram import PhaseDiagram, Region, describe
from equilibria.phase.run import phase_diagram
from equilibria.phase.surface import StepSurface, step_surface
from equilibria.phase.text import diagram_lines, surface_lines

__all__ = [
    "Axis",
    "Boundary",
    "PhaseDiagram",
    "Region",
    "StepSurface",
    "describe",
    "diagram_lines",
    "make_axis",
    "parse_axis",
    "phase_diagram",
    "step_surface",
    "surface_lines",
]
