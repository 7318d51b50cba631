"""Networks: SimSiam, BYOL, DirectPred, SimCLR and what lies between, trained and watched.

    settings     all that fixes a run, as a frozen dataclass; presets; choices; TOML
    models       backbones; heads and predictors
    learner      a method as four choices: predictor, target, gradient, loss
    diagnose     collapse, spectra, curl of the step; evaluate: kNN and linear probe
    loop         the loop, and `train`

`train`, `Settings` and `TrainResult` are loaded on first use, so that importing this imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from empirical.networks.loop import train
    from empirical.networks.result import TrainResult
    from empirical.networks.settings import Settings

__all__ = ["Settings", "TrainResult", "train"]

_HOME = {"Settings": "settings", "TrainResult": "result", "train": "loop"}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
