"""Equilibria and stability for moments Sigma and M that do not commute.

Arrays in, frozen dataclasses out; numpy and scipy only. alpha = 1 units throughout (see `core`).
"""

from equilibria.varieties.noncommuting.balanced import balanced_point, canonical_correlations
from equilibria.varieties.noncommuting.continuation import BranchResult, rank_k
from equilibria.varieties.noncommuting.core import CoreEquilibrium, collapse, core_equilibrium
from equilibria.varieties.noncommuting.counting import count_full_rank_2x2, count_rank_one
from equilibria.varieties.noncommuting.gram import FullRank, gram_residual, maximal_full_rank
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore
from equilibria.varieties.noncommuting.pencil import rank_one
from equilibria.varieties.noncommuting.search import RankSearch, SearchResult, multistart
from equilibria.varieties.noncommuting.spectrum import Spectrum, flow_spectrum, map_spectrum
from equilibria.varieties.noncommuting.steps import largest_step, stable_rates, stable_steps
from equilibria.varieties.noncommuting.thresholds import (
    threshold_collapse,
    threshold_full_rank,
    threshold_rank_one,
)
from equilibria.varieties.noncommuting.verdict import SpectralVerdict
from equilibria.varieties.noncommuting.zero_decay import ZeroDecayComponent, components

__all__ = [
    "BranchResult",
    "CoreEquilibrium",
    "EmbeddedCore",
    "FullRank",
    "RankSearch",
    "SearchResult",
    "SpectralVerdict",
    "Spectrum",
    "ZeroDecayComponent",
    "balanced_point",
    "canonical_correlations",
    "collapse",
    "components",
    "core_equilibrium",
    "count_full_rank_2x2",
    "count_rank_one",
    "flow_spectrum",
    "gram_residual",
    "largest_step",
    "map_spectrum",
    "maximal_full_rank",
    "multistart",
    "rank_k",
    "rank_one",
    "stable_rates",
    "stable_steps",
    "threshold_collapse",
    "threshold_full_rank",
    "threshold_rank_one",
]
