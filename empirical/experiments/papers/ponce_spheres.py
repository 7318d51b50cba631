"""One mode: the two spheres. Trials of `one_mode_spheres`, laid over the predicted radii.

For one input the encoder is a vector a, and the non-zero equilibria lie on spheres of radius
(|tau| -+ sqrt(tau^2 - 4 rho lambda)) / (2 rho). The ratio of the radii depends on one number,
x = tau^2 / (4 rho lambda) > 1, so that all trials fit in one picture: |a| over the outer radius.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.answer import PONCE, Answer, Numbers
from empirical.experiments.one_model import one_mode_spheres
from empirical.experiments.result import ExperimentResult

if TYPE_CHECKING:
    from numpy.typing import NDArray
from empirical.runs.folder import RunFolder

NAMES = ("zero", "inner sphere", "outer sphere", "not settled")
PUBLISHED = {"stop-gradient": (0.180, 0.0, 0.820, 0.0), "EMA": (0.072, 0.0, 0.928, 0.0)}
NEAR = 0.02
"""Largest distance from its predicted radius, over the outer one, of a settled trial."""


def measured(*, seed: int = 0, full: bool = False, runs: int = 0) -> Answer:
    """10,000 trials: outer sphere or zero, never the inner one; more on the outer with EMA."""
    runs = runs or (100_000 if full else 10_000)
    with TemporaryDirectory() as place:
        told = one_mode_spheres(runs=runs, seed=seed, out=Path(place))
        arrays = RunFolder.open(Path(place) / "one-mode-spheres").trajectory()
    rho, tau, decay = arrays["draws"].T
    root = np.sqrt(tau**2 - 4 * rho * decay)
    outer, inner = (np.abs(tau) + root) / (2 * rho), (np.abs(tau) - root) / (2 * rho)
    code = arrays["code_stop_gradient"]
    size = np.linalg.norm(arrays["W"][-1], axis=(1, 2))
    radii = np.stack([np.zeros_like(outer), inner, outer])
    off = np.abs(size - radii[np.minimum(code, 2), np.arange(runs)]) / outer
    shares = {
        name: np.bincount(arrays[key].astype(int), minlength=4) / runs
        for name, key in (("stop-gradient", "code_stop_gradient"), ("EMA", "code_ema"))
    }
    kept = slice(None, 4000)  # enough to draw
    numbers: Numbers = {
        "shares": shares,
        "largest distance from the predicted radius": float(off[code < 3].max()),
        "x": (tau**2 / (4 * rho * decay))[kept],
        "|a| / outer": (size / outer)[kept],
        "code": code[kept],
    }
    return Answer(_result(told, numbers), numbers)


def inner_over_outer(x: NDArray[np.float64]) -> object:
    """Return the ratio of the radii at x = tau^2 / (4 rho lambda)."""
    root = np.sqrt(1 - 1 / x)
    return (1 - root) / (1 + root)


def _result(told: ExperimentResult, numbers: Numbers) -> ExperimentResult:
    off = numbers["largest distance from the predicted radius"]
    return replace(
        told,
        name="ponce2025-spheres",
        source=f"{PONCE}, section 4, m = 1; proposition 4.10",
        predicted="radii (|tau| -+ sqrt(tau^2 - 4 rho lambda)) / (2 rho), the inner one and nothing "
        "else a saddle (T8.1); published shares: EMA 0.928 outer and 0.072 zero, stop-gradient 0.820 "
        "and 0.180, from starts that are not published; here only trials with tau^2 > 4 rho lambda",
        measured=f"{told.measured}; final |a| at most {off:.1e} of the outer radius from its sphere",
        holds=bool(told.holds and off < NEAR),
    )
