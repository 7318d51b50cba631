"""Equilibria and stability of non-contrastive self-supervised learning, computed exactly.

    >>> import equilibria as eq
    >>> model = eq.Model(procedure="ema", moments=eq.Moments.commuting(signal=[1, "3/4"]))
    >>> report = eq.analyze(model)
    >>> report.components[0].id, report.components[0].map.verdict.value
    ('rank2:1+,2+', 'stable')

Names are imported on first use, so that importing the package costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from equilibria.version import VERSION

if TYPE_CHECKING:
    from equilibria.basin import basin_report
    from equilibria.data.augmentation import parse_augment
    from equilibria.data.images import load_images
    from equilibria.data.measure import estimate_moments
    from equilibria.data.moments import Moments
    from equilibria.gradient import gradient_certificate
    from equilibria.graph import connection_graph
    from equilibria.phase import phase_diagram
    from equilibria.report.analyze import analyze
    from equilibria.report.report import Report
    from equilibria.systems.model import Model
    from equilibria.varieties.component import Component, How, Stability, Verdict

__version__ = VERSION

_HOME = {
    "Component": "equilibria.varieties.component",
    "How": "equilibria.varieties.component",
    "Model": "equilibria.systems.model",
    "Moments": "equilibria.data.moments",
    "Report": "equilibria.report.report",
    "Stability": "equilibria.varieties.component",
    "Verdict": "equilibria.varieties.component",
    "analyze": "equilibria.report.analyze",
    "basin_report": "equilibria.basin",
    "connection_graph": "equilibria.graph",
    "estimate_moments": "equilibria.data.measure",
    "gradient_certificate": "equilibria.gradient",
    "load_images": "equilibria.data.images",
    "parse_augment": "equilibria.data.augmentation",
    "phase_diagram": "equilibria.phase",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'equilibria' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


__all__ = [
    "Component",
    "How",
    "Model",
    "Moments",
    "Report",
    "Stability",
    "Verdict",
    "__version__",
    "analyze",
    "basin_report",
    "connection_graph",
    "estimate_moments",
    "gradient_certificate",
    "load_images",
    "parse_augment",
    "phase_diagram",
]
