"""Tian, Chen, Ganguli 2021, "Understanding self-supervised learning dynamics without contrastive
pairs" (arXiv 2102.06810): its experiments by name.

The parts: `tian_alignment` (section 3.2, figure 2), `tian_balance` (theorem 1), `tian_collapse`
(theorem 2), `tian_rates` (section 3.3, table 4), `tian_directpred` (section 5, tables 6 to 8).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from empirical.experiments.answer import Answer
from empirical.experiments.papers import (
    tian_alignment,
    tian_balance,
    tian_collapse,
    tian_directpred,
    tian_rates,
)
from empirical.experiments.result import ExperimentResult

Measured = Callable[..., ExperimentResult]


def _experiment(measure: Callable[..., Answer]) -> Measured:
    """Return an experiment for the ledger: its result alone."""

    def run(*, seed: int = 0, full: bool = False, out: Path | None = None) -> ExperimentResult:
        return measure(seed=seed, full=full).finished(out)

    run.__doc__ = measure.__doc__
    return run


alignment_linear = _experiment(tian_alignment.linear)
alignment_network = _experiment(tian_alignment.network)
balance_linear = _experiment(tian_balance.linear)
balance_network = _experiment(tian_balance.network)
collapse_linear = _experiment(tian_collapse.linear)
collapse_network = _experiment(tian_collapse.network)
rates = _experiment(tian_rates.measured)
directpred = _experiment(tian_directpred.measured)
