"""Attractors that are not equilibria: Hopf points, limit cycles, and the search for them.

For moments that do not commute the stop-gradient flow can have an attracting limit cycle, and a
moving average can destabilise, in a window of its rate, what stop-gradient keeps stable (theorems
T9.1-T9.4, examples E5 and E6). Start with `study`; everything here is numeric and says how exact.
"""

from equilibria.cycles.answer import find_cycles, study
from equilibria.cycles.crossing import Branch, HopfPoint
from equilibria.cycles.cycle import LimitCycle, close_cycle
from equilibria.cycles.follow import CycleBranch, cycle_from_hopf, follow_cycle
from equilibria.cycles.hopf import hopf_points
from equilibria.cycles.report import CyclesReport, report_lines
from equilibria.cycles.search import Oscillation, Search, search_oscillation
from equilibria.cycles.setting import Parameter, Setting, along, of_model
from equilibria.cycles.settling import Settled, kicked, settle
from equilibria.cycles.witness import (
    CycleNode,
    PeriodicOrbit,
    cycle_nodes,
    orbit_of,
    periodic_orbit_witness,
)

__all__ = [
    "Branch",
    "CycleBranch",
    "CycleNode",
    "CyclesReport",
    "HopfPoint",
    "LimitCycle",
    "Oscillation",
    "Parameter",
    "PeriodicOrbit",
    "Search",
    "Setting",
    "Settled",
    "along",
    "close_cycle",
    "cycle_from_hopf",
    "cycle_nodes",
    "find_cycles",
    "follow_cycle",
    "hopf_points",
    "kicked",
    "of_model",
    "orbit_of",
    "periodic_orbit_witness",
    "report_lines",
    "search_oscillation",
    "settle",
    "study",
]
