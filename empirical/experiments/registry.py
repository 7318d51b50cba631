"""Every training experiment by name: what `check --empirical` and the ledger can ask for."""

from __future__ import annotations

from collections.abc import Callable

from empirical.experiments.linear_runs import EXPERIMENTS
from empirical.experiments.papers import PAPER_EXPERIMENTS, measuring
from empirical.experiments.result import ExperimentResult, late

ALL: dict[str, Callable[..., ExperimentResult]] = {
    **EXPERIMENTS,
    **PAPER_EXPERIMENTS,
    "deep-runs-end-stable": late("chains.deep_runs_end_stable"),
    "turned-runs-end-as-predicted": late("chains.turned_runs_end_as_predicted"),
    "tian2020-covariance-operator": late("dual.covariance.covariance_operator_experiment"),
    "tian2020-hltm": late("dual.hltm.hltm_experiment"),
    "phase-runs-decay-lr": measuring("measured_phase.answer", axes="decay-lr"),
    "phase-runs-ema-predictor": measuring("measured_phase.answer", axes="ema-predictor"),
    "phase-networks-linear": measuring("phase_networks.linear"),
    "phase-networks-mlp": measuring("phase_networks.mlp"),
}
