"""A model as JSON: its rates as exact strings, its moments as eigenvalues or matrices."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from equilibria.systems.model import Model

FULL_MATRIX_LIMIT = 256


def parameters_json(model: Model) -> dict[str, object]:
    """Return every rate as an exact string, and the sizes."""
    values: dict[str, Any] = {
        "lr": str(model.h),
        "weight_decay": str(model.eta),
        "predictor_lr": str(model.alpha),
        "predictor_weight_decay": str(model.eta_p),
        "momentum": str(model.nu),
        "embed_dim": model.n,
        "input_dim": model.d,
    }
    if model.traits.has_target:
        values["ema"] = str(model.mu)
        values["flow_rate"] = str(model.flow_rate)
    if model.is_deep:
        values["encoder_layers"] = model.encoder_layers
        values["predictor_layers"] = model.predictor_layers
        values["hidden_dims"] = list(model.chain.hidden)
        values["layer_weight_decays"] = [str(value) for value in model.chain.decays]
    return values


def moments_json(model: Model) -> dict[str, object]:
    """Return Sigma and M entry by entry, or their diagonals alone where d is large."""
    moments = model.moments
    shared: dict[str, object] = {
        "commute": moments.commute,
        "commutator": moments.commutator,
        "source": moments.source,
    }
    if not moments.symmetric:
        normal = moments.units is not None
        shared |= {"symmetric": False, "asymmetry": moments.asymmetry, "normal": normal}
    if model.d > FULL_MATRIX_LIMIT and moments.total is not None and moments.signal is not None:
        return {
            "Sigma": None,
            "M": None,
            "Sigma_diagonal": [str(value) for value in moments.total],
            "M_diagonal": [str(value) for value in moments.signal],
            **shared,
        }
    sigma, m = moments.rational_matrices()
    return {"Sigma": _matrix_text(sigma), "M": _matrix_text(m), **shared}


def _matrix_text(matrix: tuple[tuple[Fraction, ...], ...]) -> list[list[str]]:
    return [[str(value) for value in row] for row in matrix]
