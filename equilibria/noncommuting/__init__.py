"""Equilibria and stability for moments Sigma and M that do not commute.

Arrays in, frozen dataclasses out; numpy and scipy only. alpha = 1 units throughout (see `core`).
"""

from equilibria.noncommuting.balanced import balanced_point, canonical_correlations
from equilibria.noncommuting.continuation import BranchResult, rank_k
from equilibria.noncommuting.core import CoreEquilibrium, collapse, core_equilibrium
from equilibria.noncommuting.counting import count_full_rank_2x2, count_rank_one
from equilibria.noncommuting.gram import FullRank, gram_residual, maximal_full_rank
from equilibria.noncommuting.pencil import rank_one
from equilibria.noncommuting.search import RankSearch, SearchResult, multistart
from equilibria.noncommuting.spectrum import Spectrum, flow_spectrum, map_spectrum
from equilibria.noncommuting.steps import largest_step, stable_rates, stable_steps
from equilibria.noncommuting.thresholds import (
    threshold_collapse,
    threshold_full_rank,
    threshold_rank_one,
)
from equilibria.noncommuting.verdict import SpectralVerdict
from equilibria.noncommuting.zero_decay import ZeroDecayComponent, components

__all__ = [
    "BranchResult",
    "CoreEquilibrium",
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
