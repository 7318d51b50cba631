"""Looking for oscillation near given moments: how far is the nearest loss of stability by a pair?

Moments and rates are moved within a ball (`chart`), where the objective is the margin of the
leading non-real pair at the most learned equilibrium of rank min(n, d), relative to the size of
that pair. It is climbed from several random displacements, and every instability found is drawn
back towards the given system (`climb`). Methods are local: what is found is an upper bound of the
distance, and finding nothing proves nothing, except for moments that commute and do not move, where
there is nothing to find (T7.4, T7.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from equilibria.cycles.chart import Chart
from equilibria.cycles.climb import Climber
from equilibria.cycles.pairs import leading_pair, others_unstable
from equilibria.cycles.setting import Setting, of_model
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium

Moving = Literal["Sigma", "M", "eta", "beta"]
STARTS = 8


@dataclass(frozen=True, slots=True, eq=False)
class Oscillation:
    """The nearest instability found: the system there, its distance, the pair that crosses.

    The point lies just outside the boundary. `distance` is 0 where the given system itself
    oscillates. `others` counts further unstable eigenvalues: 0 means that a stable equilibrium loses
    its stability there through this pair.
    """

    setting: Setting
    core: CoreEquilibrium
    distance: float
    pair: complex
    others: int
    moved: tuple[tuple[str, float], ...]

    @property
    def moments(self) -> Moments:
        """The moments of the point."""
        return Moments.dense(self.setting.Sigma, self.setting.M, source="search")

    def to_json(self) -> dict[str, object]:
        """Return the object `found`."""
        return {
            "distance": self.distance,
            "moved": dict(self.moved),
            "Sigma": self.setting.Sigma.tolist(),
            "M": self.setting.M.tolist(),
            "weight_decay": self.setting.eta,
            "flow_rate": self.setting.beta,
            "eigenvalue": [self.pair.real, self.pair.imag],
            "other_unstable": self.others,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Search:
    """What a search did and found; `found` is None where it found nothing, which proves nothing."""

    found: Oscillation | None
    radius: float
    seed: int
    starts: int
    evaluations: int
    best: float | None
    reason: str

    def to_json(self) -> dict[str, object]:
        """Return the object `search`."""
        return {
            "found": None if self.found is None else self.found.to_json(),
            "radius": self.radius,
            "seed": self.seed,
            "starts": self.starts,
            "evaluations": self.evaluations,
            "best_objective": self.best,
            "reason": self.reason,
        }


def search_oscillation(
    moments: Moments,
    model: Model,
    *,
    radius: float = 1.0,
    seed: int = 0,
    time_limit: float = 60.0,
    moving: Sequence[Moving] | None = None,
    starts: int = STARTS,
) -> Search:
    """Look within `radius` of the given moments and rates for a loss of stability by a pair.

    The rates are those of `model`. By default everything moves that the procedure has. Equal seeds
    give equal results unless the time limit cuts the search short, which `reason` then says.
    """
    setting = of_model(model)
    sigma, m = moments.matrices()
    setting = Setting(
        np.array(sigma), np.array(m), setting.eta, beta=setting.beta, kappa=setting.kappa
    )
    names = tuple(moving) if moving is not None else get_args(Moving)
    if setting.beta is None:
        names = tuple(name for name in names if name != "beta")
    chart = Chart(setting, names, min(model.n, moments.dimension))
    if not chart.size:
        raise ValueError("nothing may move: give at least one of Sigma, M, eta, beta")
    climber = Climber(chart, radius, seed, time_limit)
    nearest, done, reason = climber.run(starts)
    found = None if nearest is None else _oscillation(chart, nearest)
    best = float(climber.best) if np.isfinite(climber.best) else None
    return Search(found, radius, seed, done, chart.evaluations, best, reason)


def _oscillation(chart: Chart, theta: Array) -> Oscillation:
    place = chart.equilibrium(theta)
    assert place is not None
    setting, core = place
    pair = leading_pair(setting, core)
    assert pair is not None
    others = others_unstable(setting, core, pair)
    distance = float(np.linalg.norm(theta))
    return Oscillation(setting, core, distance, pair, others, chart.distances(theta))
