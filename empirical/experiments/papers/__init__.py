"""The experiments of four papers, re-run: statement, prediction of `equilibria`, measurement.

    tian_2021       Tian, Chen, Ganguli 2021: alignment, balance, collapse, rates, DirectPred
    chen_he_2021    Chen and He 2021 (SimSiam): the ablations
    li_2022         Li, Efros, Pathak 2022: partial collapse
    ponce_2025      Ponce, Terver, Hebert, Arbel 2025: the objective, the spheres, the variety

Each experiment takes `seed`, `full` (the size for a GPU) and `out`, and returns an
`ExperimentResult`; `examples/` has a command for each that also draws. `holds` is None where an
experiment could not be tried or its sample leaves it open, and False where networks depart from
what is stated. Importing this imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empirical.experiments.result import ExperimentResult

HALVES = ("names_tian_ponce", "names_simsiam_li")
"""Modules whose `NAMES` map an experiment's name to (module of this package, function)."""


def late(module: str, function: str) -> Callable[..., ExperimentResult]:
    """Return the experiment without importing its module yet."""

    def run(**options: object) -> ExperimentResult:
        found: ExperimentResult = getattr(import_module(module), function)(**options)
        return found

    return run


def _collected() -> dict[str, Callable[..., ExperimentResult]]:
    found: dict[str, Callable[..., ExperimentResult]] = {}
    for half in HALVES:
        if find_spec(f"{__name__}.{half}") is None:
            continue
        names: Mapping[str, tuple[str, str]] = import_module(f"{__name__}.{half}").NAMES
        found |= {
            name: late(f"{__name__}.{module}", function)
            for name, (module, function) in names.items()
        }
    return found


PAPER_EXPERIMENTS: dict[str, Callable[..., ExperimentResult]] = _collected()
