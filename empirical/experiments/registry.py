"""Every training experiment by name: what `check --empirical` and the ledger can ask for."""

from __future__ import annotations

from collections.abc import Callable

from empirical.experiments.linear_runs import EXPERIMENTS
from empirical.experiments.papers import PAPER_EXPERIMENTS, late
from empirical.experiments.result import ExperimentResult

ALL: dict[str, Callable[..., ExperimentResult]] = {
    **EXPERIMENTS,
    **PAPER_EXPERIMENTS,
    "tian2020-covariance-operator": late(
        "empirical.experiments.dual.covariance", "covariance_operator_experiment"
    ),
    "tian2020-hltm": late("empirical.experiments.dual.hltm", "hltm_experiment"),
    "phase-runs-decay-lr": late("empirical.experiments.measured_phase", "decay_lr"),
    "phase-runs-ema-predictor": late("empirical.experiments.measured_phase", "ema_predictor"),
    "phase-networks-linear": late("empirical.experiments.phase_networks", "linear_result"),
    "phase-networks-mlp": late("empirical.experiments.phase_networks", "mlp_result"),
}
