"""A network of `train` against the linear theory, moment by moment.

The inputs of the head's last linear map are the data: `trajectory.npz` has their moments Sigma, M
at each logged step beside the head W and the predictor P. With these moments held fixed,

    R W^T = (eta_P / alpha) P,   P^T R = eta W,   R = W M - P W Sigma

are the equilibria of the frozen-feature system, whatever the step size and the target's momentum;
the first equation alone says where the predictor rests for this head, P* = W M W^T (F + eta_P/alpha)^-1
with F = W Sigma W^T. The distance of (W, P) to the equilibria is that to the nearest one that a
search finds (`frozen`): an upper bound, exact close to it. What a budget of work left out is called
not searched. It is a prediction only when moments and weights rest, the loss is the squared one and
head and predictor are linear; otherwise it says why not.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.frozen import NEAR, Nearby, nearby, verdict_of
from empirical.overlay.frozen_newton import product_cost
from empirical.overlay.frozen_verdict import NOT_SEARCHED
from empirical.overlay.moment import (
    Decay,
    Moment,
    drift_of,
    moment_at,
    moment_json,
    state_at,
    window_of,
)
from empirical.overlay.work import Work
from empirical.runs.folder import SUMMARY, RunFolder
from empirical.runs.trajectories import Arrays
from equilibria.errors import FormatError, ScopeError
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

METHODS = ("simsiam", "byol")
MOST_POINTS = 24
WORK = 2e12
"""Operations that the searches of one run may take, for a prediction: minutes on a core."""
ASIDE = 5e10
"""The same where the comparison is no prediction anyway: seconds."""
USUAL = 400
"""Products that a search takes where it succeeds, to tell how many moments can be searched."""
STILL = 1e-2
"""Moments that change by less than this, relative, over the last tenth of training are at rest."""


@dataclass(frozen=True)
class NetworkOverlay:
    """One run of `train`; `reasons` say why the comparison is no prediction (empty: it is one).

    `stability` is the verdict of the equilibrium near the end and how it is known; `window` the
    share of training at its end over which `drift` is taken, `kept` and `logged` count steps;
    `outputs` the sentence on collapse that the finished run stored, empty before its end.
    """

    folder: RunFolder
    moments: tuple[Moment, ...]
    decay: Decay
    drift: float
    reasons: tuple[str, ...]
    stability: tuple[str, str]
    window: float
    kept: int
    logged: int
    outputs: str = ""
    files: tuple[str, ...] = field(default=())

    @property
    def path(self) -> Path:
        return self.folder.path

    @property
    def last(self) -> Moment:
        return self.moments[-1]

    @property
    def agrees(self) -> bool | None:
        """Return whether (W, P) rests where the theory says; None where that is not known.

        It does within `NEAR` of an equilibrium that is not unstable. A search without result
        says nothing.
        """
        away, size = self.last.distance, self.last.size
        if self.reasons or away is None:
            return None
        return away <= NEAR * max(size, 1e-300) and self.stability[0] != "unstable"

    @property
    def decided(self) -> bool:
        return self.agrees is not None

    @cached_property
    def data(self) -> dict[str, object]:
        """Return the object that overlay.json holds."""
        first, last = self.moments[0], self.last
        run = {
            "run": self.path.resolve().name,
            "stratum_reached": self.stratum,
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
            "window": self.window,
            "verdict": self.stability[0],
            "search": last.near.status,
            "outputs": self.outputs or None,
        }
        return {
            "schema": "noncollapse/overlay/1",
            "predicted": {
                "stable_components": [last.near.name] if self.stability[0] == "stable" else [],
                "listed": "the equilibrium of the frozen features nearest to the run; its stability: "
                + ", ".join(self.stability),
            },
            "runs": [run],
            "agreement": float(bool(self.agrees)),
            "decided": self.decided,
            "trajectory": {"kept": self.kept, "logged": self.logged},
            "over_time": [moment_json(moment) for moment in self.moments],
        }

    @property
    def stratum(self) -> str:
        """Return the equilibrium that the run ended near, by name where one is within reach."""
        last = self.last
        close = last.distance is not None and last.distance <= NEAR * last.size
        return last.near.name if close and last.near.name else f"rank{last.reached}"

    @cached_property
    def lines(self) -> list[str]:
        """Return the text for the terminal."""
        last, config = self.last, self.folder.config
        found: str = last.near.status
        away = f"{last.near.status} ({last.near.words})"
        if last.distance is not None:
            away = f"{last.distance:.3g} of size {last.size:.3g} ({last.near.words})"
            found = last.near.name or found
        share = f"in the last {100 * self.window:.0f} % of training"
        lines = [
            f"{self.path.resolve().name}: {config['method']}, {config.get('backbone')}, "
            f"{last.step:,} steps   linear model of the head with frozen features",
            self._outputs_words,
            f"distance of (W, P) to the equilibria: {away}",
            f"rank: {last.reached} reached; equilibrium near by: {found}",
            f"its stability: {self.stability[0]} ({self.stability[1]})",
            f"predictor against its rest for this head: {100 * last.gap:.1f} % away",
            f"moments moved by {100 * self.drift:.2g} % {share}",
            self._kept_words,
        ]
        if self.reasons:
            return [*lines, "not a prediction: " + "; ".join(self.reasons)]
        if self.agrees is None:
            return [*lines, f"undecided: an equilibrium near the run was {last.near.status}"]
        verdict = "agrees" if self.agrees else "does not agree"
        return [*lines, f"the run {verdict} with the prediction{self._why}"]

    @property
    def _outputs_words(self) -> str:
        """Return the collapse verdict on the network's outputs, as summary.json has it."""
        return f"verdict of `train`: {self.outputs or 'none, the run has no summary of its end'}"

    @property
    def _kept_words(self) -> str:
        searched = sum(moment.near.status != NOT_SEARCHED for moment in self.moments)
        of = f" of {self.logged} logged" if self.logged > self.kept else ""
        return (
            f"trajectory: {self.kept} steps kept{of}, {len(self.moments)} compared, "
            f"equilibria searched at {searched}"
        )

    @property
    def _why(self) -> str:
        last = self.last
        if self.agrees or last.distance is None:
            return ""
        if last.distance <= NEAR * last.size:
            return ": the equilibrium near it is unstable"
        share = 100 * last.distance / max(last.size, 1e-300)
        return f": the nearest equilibrium found is {share:.3g} % of its size away"


def network_overlay(folder: RunFolder) -> NetworkOverlay:
    """Compare a run of `train` with the equilibria of its frozen features, at each moment.

    Raises `FormatError` for an incomplete folder and `ScopeError` for a method that the linear theory
    of stop-gradient and EMA does not describe.
    """
    _check_method(folder)
    arrays = folder.trajectory()
    _check(folder, arrays)
    decay = _decay(folder)
    step = arrays["step"]
    count = len(step)
    chosen = np.unique(np.linspace(0, count - 1, min(count, MOST_POINTS)).round().astype(int))
    drift, (_, window) = drift_of(arrays, ("Sigma", "M")), window_of(step)
    logged = [int(record["step"]) for record in folder.metrics() if "step" in record]
    reasons = _moving(folder, arrays, drift, logged)
    near = _searched(arrays, chosen.tolist(), decay, ASIDE if reasons else WORK)
    found = tuple(moment_at(arrays, k, decay, near[k]) for k in chosen.tolist())
    n = arrays["W"].shape[1]
    *_, sigma, m = state_at(arrays, count - 1)
    stability = verdict_of(near[count - 1], sigma, m, decay, n, _rate(folder.config))
    if found[-1].distance is None:
        stability = NOT_SEARCHED, "no equilibrium to judge"
    return NetworkOverlay(
        folder,
        found,
        decay,
        drift,
        tuple(reasons),
        stability,
        window,
        count,
        len(logged),
        outputs_verdict(folder),
    )


def _check_method(folder: RunFolder) -> None:
    """Raise `ScopeError` for a method that the linear theory does not describe."""
    config = folder.config
    if config.get("method") not in METHODS or config.get("predictor") in ("none", "fixed"):
        raise ScopeError(
            f"{folder.path}: method {config.get('method')} with predictor {config.get('predictor')}: "
            "networks are compared when a predictor is learned by simsiam or byol"
        )


def _moving(folder: RunFolder, arrays: Arrays, drift: float, logged: list[int]) -> list[str]:
    """Return why the run's last moment need not be at rest; `logged` are the steps with metrics."""
    step = arrays["step"]
    _, window = window_of(step)
    share = f"in the last {100 * window:.0f} %"
    reasons = _reasons(folder.config, drift, share)
    moved = drift_of(arrays, "WP")
    if moved > STILL:
        reasons.append(f"head and predictor still move ({100 * moved:.2g} % {share})")
    if logged and logged[-1] > step[-1]:
        reasons.append(f"the trajectory ends at step {step[-1]:,} of {logged[-1]:,}")
    return reasons


def outputs_verdict(folder: RunFolder) -> str:
    """Return the word and the sentence on collapse of summary.json; empty without one."""
    if not (folder.path / SUMMARY).exists():
        return ""
    text = folder.summary().get("text")
    return text if isinstance(text, str) else ""


def _searched(arrays: Arrays, chosen: list[int], decay: Decay, budget: float) -> dict[int, Nearby]:
    """Return the search at each chosen point: the last with half the budget, the others evenly."""
    _, n, d = arrays["W"].shape
    rows = min(n, d)
    each = USUAL * product_cost(rows, d) + 8.0 * n**3 + 200.0 * n * n * rows
    count = min(len(chosen), max(2, int(budget / each)))
    places = np.linspace(0, len(chosen) - 1, count).round().astype(int)
    searched = {chosen[place] for place in places.tolist()}
    near = dict.fromkeys(chosen, Nearby(NOT_SEARCHED, "the head is too large to search every step"))
    last = max(searched)
    for k in sorted(searched, reverse=True):
        work = Work(budget / 2 if k == last else budget / 2 / max(1, count - 1))
        near[k] = nearby(*state_at(arrays, k), decay, work)
    return near


def _rate(config: Table) -> float | None:
    """Return the rate (1 - mu)(1 - nu) / h of the moving average, None for stop-gradient."""
    mu, nu, h = (float(config.get(name, 0.0)) for name in ("ema", "momentum", "lr"))
    return (1 - mu) * (1 - nu) / h if mu and h else None


def _check(folder: RunFolder, arrays: Arrays) -> None:
    where = folder.path / "trajectory.npz"
    if arrays["W"].ndim != 3 or arrays["Sigma"].ndim != 3 or arrays["M"].ndim != 3:
        raise FormatError(f"{where}: expected one run with moments over time, W (K, n, d)")
    if len(arrays["step"]) < 2:
        held = f"step {arrays['step'][0]} alone" if len(arrays["step"]) else "no step yet"
        raise FormatError(
            f"{where}: holds {held}, which does not show where the run ends; go on with "
            f"`train --resume {folder.path}`, or train again if it has ended"
        )
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


def _reasons(config: Table, drift: float, share: str) -> list[str]:
    """Return why the linear model does not predict this run."""
    reasons = []
    if config.get("loss") != "squared":
        reasons.append(f"the loss is {config.get('loss')}, the theory's is the squared one")
    predictor = config.get("predictor")
    if predictor == "symmetric":
        reasons.append("the predictor is kept symmetric, which has other equilibria")
    elif predictor != "linear":
        reasons.append("the predictor is not linear; its best linear fit stands for it")
    elif config.get("predictor-bias"):
        reasons.append("the predictor has a bias")
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
        reasons.append(f"the moments still move ({100 * drift:.2g} % {share})")
    return reasons
