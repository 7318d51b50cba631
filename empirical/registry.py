"""Every training experiment by name: what `check --empirical` and the ledger can ask for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Any

from empirical.experiments import EXPERIMENTS, ExperimentResult
from empirical.papers import PAPER_EXPERIMENTS


def _late(module: str, function: str) -> Callable[..., ExperimentResult]:
    def run(**options: Any) -> ExperimentResult:
        found: ExperimentResult = getattr(import_module(f"empirical.{module}"), function)(**options)
        return found

    return run


ALL: dict[str, Callable[..., ExperimentResult]] = {
    **EXPERIMENTS,
    **PAPER_EXPERIMENTS,
    "tian2020-covariance-operator": _late("dual.covariance", "covariance_operator_experiment"),
    "tian2020-hltm": _late("dual.hltm", "hltm_experiment"),
    "phase-runs-decay-lr": _late("measured_phase", "decay_lr"),
    "phase-runs-ema-predictor": _late("measured_phase", "ema_predictor"),
    "phase-networks-linear": _late("phase_networks", "linear_result"),
    "phase-networks-mlp": _late("phase_networks", "mlp_result"),
}
