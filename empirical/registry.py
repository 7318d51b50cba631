"""Every training experiment by name: what `check --empirical` and the ledger can ask for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from empirical.experiments import EXPERIMENTS, ExperimentResult
from empirical.papers import PAPER_EXPERIMENTS


def _covariance(**options: Any) -> ExperimentResult:
    from empirical.dual.covariance import covariance_operator_experiment

    return covariance_operator_experiment(**options)


def _hltm(**options: Any) -> ExperimentResult:
    from empirical.dual.hltm import hltm_experiment

    return hltm_experiment(**options)


ALL: dict[str, Callable[..., ExperimentResult]] = {
    **EXPERIMENTS,
    **PAPER_EXPERIMENTS,
    "tian2020-covariance-operator": _covariance,
    "tian2020-hltm": _hltm,
}
