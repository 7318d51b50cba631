"""Ponce, Terver, Hebert, Arbel 2025, "Dual perspectives on non-contrastive self-supervised learning"
(arXiv 2507.01028): its experiments by name.

The parts: `ponce_spheres` (section 4, one mode), `ponce_objective` (propositions 3.1 and 3.2, lemma
4.3), `ponce_networks` (the same on images), `ponce_variety` (proposition 4.5).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from empirical.experiments.answer import Answer
from empirical.experiments.papers import (
    ponce_networks,
    ponce_objective,
    ponce_spheres,
    ponce_variety,
)
from empirical.experiments.result import ExperimentResult


def _experiment(measure: Callable[..., Answer]) -> Callable[..., ExperimentResult]:
    """Return an experiment for the ledger: its result alone."""

    def run(*, seed: int = 0, full: bool = False, out: Path | None = None) -> ExperimentResult:
        return measure(seed=seed, full=full).finished(out)

    run.__doc__ = measure.__doc__
    return run


spheres = _experiment(ponce_spheres.measured)
objective_linear = _experiment(ponce_objective.linear)
objective_cifar = _experiment(ponce_objective.cifar)
objective_network = _experiment(ponce_networks.measured)
objective_resnet = _experiment(ponce_networks.resnet)
objective_cosine = _experiment(ponce_networks.cosine)
variety = _experiment(ponce_variety.measured)
