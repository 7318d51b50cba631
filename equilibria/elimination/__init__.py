"""User systems by elimination: exact components where feasible, a numerical search elsewhere."""

from __future__ import annotations

from equilibria.elimination.analysis import analyze_system, from_model_system
from equilibria.elimination.decomposition import Decomposition, PrimeComponent, decompose
from equilibria.elimination.reality import Real

__all__ = [
    "Decomposition",
    "PrimeComponent",
    "Real",
    "analyze_system",
    "decompose",
    "from_model_system",
]
