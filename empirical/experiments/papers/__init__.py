"""The experiments of four papers, re-run: statement, prediction of `equilibria`, measurement.

    tian_*                 Tian, Chen, Ganguli 2021, "Understanding self-supervised learning dynamics
                           without contrastive pairs" (arXiv 2102.06810): `tian_alignment` (section
                           3.2, figure 2), `tian_balance` (theorem 1), `tian_collapse` (theorem 2),
                           `tian_rates` (section 3.3, table 4), `tian_directpred` (section 5)
    chen_he_2021           Chen and He 2021 (SimSiam): the ablations
    li_2022, li_2022_rank  Li, Efros, Pathak 2022: partial collapse
    ponce_*                Ponce, Terver, Hebert, Arbel 2025, "Dual perspectives on non-contrastive
                           self-supervised learning" (arXiv 2507.01028): `ponce_spheres` (section 4,
                           one mode), `ponce_objective` (propositions 3.1 and 3.2, lemma 4.3),
                           `ponce_networks` (the same on images), `ponce_variety` (proposition 4.5)

Each experiment takes `seed`, `full` (the size for a GPU) and `out`, and returns an
`ExperimentResult`; `examples/` has a command for each that also draws. `holds` is None where an
experiment could not be tried or its sample leaves it open, and False where networks depart from
what is stated. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empirical.experiments.result import ExperimentResult

ABLATIONS = (
    "stop-gradient", "no-predictor", "predictor", "batch-norm", "batch-size", "similarity",
    "symmetrisation", "alternation", "memory",
)  # fmt: skip
PLACES: dict[str, str] = {
    "tian2021-alignment-linear": "tian_alignment.linear",
    "tian2021-alignment-network": "tian_alignment.network",
    "tian2021-balance-linear": "tian_balance.linear",
    "tian2021-balance-network": "tian_balance.network",
    "tian2021-collapse-linear": "tian_collapse.linear",
    "tian2021-collapse-network": "tian_collapse.network",
    "tian2021-rates": "tian_rates.measured",
    "tian2021-directpred": "tian_directpred.measured",
    "ponce2025-spheres": "ponce_spheres.measured",
    "ponce2025-objective-linear": "ponce_objective.linear",
    "ponce2025-objective-cifar": "ponce_objective.cifar",
    "ponce2025-objective-network": "ponce_networks.measured",
    "ponce2025-objective-resnet": "ponce_networks.resnet",
    "ponce2025-objective-cosine": "ponce_networks.cosine",
    "ponce2025-variety": "ponce_variety.measured",
    "li2022-width": "li_2022.width",
    "li2022-linear-rank": "li_2022_rank.rank",
    "li2022-probe": "li_2022.probe",
    "li2022-continual": "li_2022.continual",
}
"""Module and function, which returns an `Answer`, by the experiment's name."""


def measuring(place: str, **fixed: object) -> Callable[..., ExperimentResult]:
    """Return the experiment whose `Answer` the function at `place` returns; imports nothing yet."""
    module, _, function = place.rpartition(".")

    def run(*, out: Path | None = None, **options: object) -> ExperimentResult:
        measure = getattr(import_module(f"empirical.experiments.{module}"), function)
        result: ExperimentResult = measure(**fixed, **options).finished(out)
        return result

    return run


PAPER_EXPERIMENTS: dict[str, Callable[..., ExperimentResult]] = {
    **{name: measuring(f"papers.{place}") for name, place in PLACES.items()},
    **{
        f"simsiam-{name}": measuring("papers.chen_he_2021.ablation", name=name)
        for name in ABLATIONS
    },
}
