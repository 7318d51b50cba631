"""Basins: which starts collapse, which learn, and how likely each outcome is.

    >>> import equilibria as eq
    >>> from equilibria.basin import basin_point
    >>> answer = basin_point(eq.Model(), 1, ("1/10", "1/10"))
    >>> answer.fate.value, answer.how.value
    ('survives', 'certified')

One stop-gradient mode is decided exactly (`separatrix`, `barriers`, `series`); EMA and the maps by
integration (`fates`); several modes by sampling (`probabilities`, `scales`).
"""

from equilibria.basin.answers import BasinAnswer, Boundary, Bounds
from equilibria.basin.boundary import basin_boundary
from equilibria.basin.point import basin_point
from equilibria.basin.probabilities import Endings, Sample, Share, basin_probabilities
from equilibria.basin.report import BasinReport, basin_report
from equilibria.basin.scales import ScaleAnswer, Scales, critical_scales
from equilibria.basin.separatrix import Fate, Separatrix
from equilibria.basin.series import ManifoldSeries, manifold_series
from equilibria.basin.text import basin_lines

__all__ = [
    "BasinAnswer",
    "BasinReport",
    "Boundary",
    "Bounds",
    "Endings",
    "Fate",
    "ManifoldSeries",
    "Sample",
    "ScaleAnswer",
    "Scales",
    "Separatrix",
    "Share",
    "basin_boundary",
    "basin_lines",
    "basin_point",
    "basin_probabilities",
    "basin_report",
    "critical_scales",
    "manifold_series",
]
