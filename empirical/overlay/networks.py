"""A network of `train` against the linear theory, moment by moment.

The inputs of the head's last linear map are the data: `trajectory.npz` has their moments Sigma, M
at each logged step beside the head W and the predictor P. With these moments held fixed,

    R W^T = (eta_P / alpha) P,   P^T R = eta W,   R = W M - P W Sigma

are the equilibria of the frozen-feature system, whatever the step size and the target's momentum;
the first equation alone says where the predictor rests for this head, P* = W M W^T (F + eta_P/alpha)^-1
with F = W Sigma W^T. The distance of (W, P) to the equilibria is that to the one which least-norm
Newton steps lead to, from here or, where they fail, from where the flow on these moments leads: an
upper bound, exact to second order near by. It is a prediction only when moments and weights rest,
the loss is the squared one and head and predictor are linear; otherwise it says why not.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.overlay.moment import Decay, Moment, drift_of, moment_at, moment_json
from empirical.runs import RunFolder
from equilibria.errors import FormatError, ScopeError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

METHODS = ("simsiam", "byol")
MOST_POINTS = 24


STILL = 1e-2
"""Moments that change by less than this, relative, over the last tenth of training are at rest."""
NEAR = 0.1


@dataclass(frozen=True)
class NetworkOverlay:
    """One run of `train`; `reasons` say why the comparison is no prediction (empty: it is one)."""

    folder: RunFolder
    moments: tuple[Moment, ...]
    decay: Decay
    drift: float
    reasons: tuple[str, ...]
    files: tuple[str, ...] = field(default=())

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    @property
    def agrees(self) -> bool | None:
        """Return whether (W, P) rests where the theory says; None where that is no prediction."""
        if self.reasons:
            return None
        away, size = self.last.distance, self.last.size
        return away is not None and away <= NEAR * max(size, 1e-300)

    @property
    def decided(self) -> bool:
        return self.agrees is not None

    @cached_property
    def data(self) -> dict[str, Any]:
        """Return the object that overlay.json holds."""
        first, last = self.moments[0], self.last
        run = {
            "run": self.path.resolve().name,
            "stratum_reached": f"rank{last.reached}",
            "predicted": bool(self.agrees),
            "distance_initial": first.distance,
            "distance_final": last.distance,
            "contraction_measured": None,
            "contraction_predicted": None,
            "status": "running" if self.reasons else "settled",
            "note": "; ".join(self.reasons),
            "rank_predicted": last.rank,
            "predictor_gap": last.gap,
            "moments_drift": self.drift,
        }
        return {
            "schema": "noncollapse/overlay/1",
            "predicted": {
                "stable_components": [] if last.rank is None else [f"rank{last.rank}"],
                "listed": "the equilibrium of the frozen features near the run; its stability is not "
                "analysed",
            },
            "runs": [run],
            "agreement": float(bool(self.agrees)),
            "decided": self.decided,
            "over_time": [moment_json(moment) for moment in self.moments],
        }

    @cached_property
    def lines(self) -> list[str]:
        """Return the text for the terminal."""
        last, config = self.last, self.folder.config
        away = "none found near by" if last.distance is None else f"{last.distance:.3g}"
        found = "unknown" if last.rank is None else str(last.rank)
        lines = [
            f"{self.path.resolve().name}: {config['method']}, {config.get('backbone')}, "
            f"{last.step:,} steps   linear model of the head with frozen features",
            f"distance of (W, P) to the equilibria: {away} of size {last.size:.3g}",
            f"rank: {last.reached} reached, {found} at the nearby equilibrium",
            f"predictor against its rest for this head: {100 * last.gap:.1f} % away",
            f"moments moved by {100 * self.drift:.2g} % in the last tenth of training",
        ]
        if self.reasons:
            return [*lines, "not a prediction: " + "; ".join(self.reasons)]
        verdict = "agrees" if self.agrees else "does not agree"
        return [*lines, f"the run {verdict} with the prediction"]


def network_overlay(folder: RunFolder) -> NetworkOverlay:
    """Compare a run of `train` with the equilibria of its frozen features, at each moment.

    Raises `FormatError` for an incomplete folder and `ScopeError` for a method that the linear theory
    of stop-gradient and EMA does not describe.
    """
    config = folder.config
    if config.get("method") not in METHODS or config.get("predictor") in ("none", "fixed"):
        raise ScopeError(
            f"{folder.path}: method {config.get('method')} with predictor {config.get('predictor')}: "
            "networks are compared when a predictor is learned by simsiam or byol"
        )
    arrays = folder.trajectory()
    _check(folder, arrays)
    decay = _decay(folder)
    count = len(arrays["step"])
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    found = tuple(moment_at(arrays, int(k), decay) for k in chosen)
    drift = drift_of(arrays, ("Sigma", "M"))
    reasons = _reasons(config, drift)
    moved = drift_of(arrays, "WP")
    if moved > STILL:
        reasons.append(f"head and predictor still move ({100 * moved:.2g} % in the last tenth)")
    return NetworkOverlay(folder, found, decay, drift, tuple(reasons))


def _check(folder: RunFolder, arrays: Mapping[str, NDArray[Any]]) -> None:
    where = folder.path / "trajectory.npz"
    if arrays["W"].ndim != 3 or arrays["Sigma"].ndim != 3 or arrays["M"].ndim != 3:
        raise FormatError(f"{where}: expected one run with moments over time, W (K, n, d)")
    if not len(arrays["step"]):
        raise FormatError(f"{where}: holds no step yet; `train --resume {folder.path}`")
    for name in ("W", "P", "Sigma", "M"):
        if not np.isfinite(arrays[name]).all():
            raise FormatError(f"{where}: {name} holds numbers that are not finite")


def _decay(folder: RunFolder) -> Decay:
    config = folder.config
    try:
        eta, alpha = float(config["weight-decay"]), float(config["predictor-lr"])
        return Decay(eta, float(config.get("predictor-weight-decay", eta)), alpha)
    except (KeyError, TypeError, ValueError) as error:
        raise FormatError(f"{folder.path}/config.toml: not a configuration of `train`") from error


def _reasons(config: Mapping[str, Any], drift: float) -> list[str]:
    """Return why the linear model does not predict this run."""
    reasons = []
    if config.get("loss") != "squared":
        reasons.append(f"the loss is {config.get('loss')}, the theory's is the squared one")
    if config.get("predictor") != "linear" or config.get("predictor-bn"):
        reasons.append("the predictor is not linear; its best linear fit stands for it")
    if config.get("predictor-update") not in (None, "gradient"):
        reasons.append("the predictor is set in closed form")
    if config.get("head-bn") not in (None, "none"):
        reasons.append("batch norm in the head rescales W")
    if not config.get("stop-gradient", True):
        reasons.append("no stop-gradient")
    if config.get("symmetric-loss") is False:
        reasons.append("the loss is not symmetric in the views")
    if config.get("optimizer") not in (None, "sgd"):
        reasons.append(f"the optimiser is {config.get('optimizer')}")
    if drift > STILL:
        reasons.append(f"the moments still move ({100 * drift:.2g} % in the last tenth)")
    return reasons
