"""User systems by elimination: exact components where feasible, a numerical search elsewhere."""

from __future__ import annotations

from equilibria.varieties.elimination.decomposition import Decomposition, PrimeComponent, decompose
from equilibria.varieties.elimination.reality import Real
from equilibria.varieties.elimination.variety import analyze_system, from_model_system

__all__ = [
    "Decomposition",
    "PrimeComponent",
    "Real",
    "analyze_system",
    "decompose",
    "from_model_system",
]
