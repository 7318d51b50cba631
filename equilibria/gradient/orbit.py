"""A periodic orbit met by a run from an unstable focus: a witness against every metric (T9.3).

Along a closed orbit no function decreases strictly, so near it the flow is the gradient of nothing,
whatever the metric. Only looked for where it costs little: moments that do not commute, a small
core, and an equilibrium that a non-real pair makes unstable; one run of bounded length from each.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

from equilibria.exact.rationals import to_float
from equilibria.gradient.report import MetricWitness
from equilibria.systems.model import Model
from equilibria.varieties.component import How

if TYPE_CHECKING:
    from equilibria.cycles.cycle import LimitCycle
    from equilibria.cycles.setting import Setting
    from equilibria.gradient.report import EquilibriumSpectrum

LARGEST = 3  # rank and data dimension
FOCI = 2  # runs, at most
TURNING = 1e-3  # imaginary part of an unstable pair, relative to the pair
PERIODS, SPANS = 10, 8  # a run is SPANS times PERIODS periods of the pair long


def periodic_orbit(model: Model, equilibria: Sequence[EquilibriumSpectrum]) -> MetricWitness | None:
    """Return the first cycle that a run from an unstable focus settles on; None proves nothing."""
    small = max(model.n, model.d) <= LARGEST
    if not model.traits.bootstraps or model.moments.commute or not small:
        return None
    if not (model.eta and model.eta_p):
        return None
    foci = [item for item in equilibria if _spirals_out(item.eigenvalues)][:FOCI]
    if not foci:
        return None
    from equilibria.cycles.setting import of_model
    from equilibria.cycles.witness import orbit_of

    setting = of_model(model)
    for focus in foci:
        cycle = _cycle_beside(model, setting, focus.point)
        if cycle is not None:
            orbit = orbit_of(cycle, model)
            return MetricWitness(
                orbit.kind,
                orbit.id,
                orbit.start,
                tuple(cycle.multipliers.tolist()),
                How.NUMERIC,
                residual=orbit.residual,
                period=orbit.period,
            )
    return None


def _spirals_out(eigenvalues: Sequence[complex]) -> bool:
    return any(v.real > 0 and abs(v.imag) > TURNING * abs(v) for v in eigenvalues)


def _cycle_beside(
    model: Model, setting: Setting, point: Mapping[str, Fraction | float]
) -> LimitCycle | None:
    import numpy as np

    from equilibria.cycles.settling import kicked, settle
    from equilibria.varieties.noncommuting.core import core_equilibrium

    W, P = (
        np.array([[float(point.get(f"{name}_{i}_{j}", 0)) for j in columns] for i in rows])
        for name, rows, columns in (
            ("W", range(1, model.n + 1), range(1, model.d + 1)),
            ("P", range(1, model.n + 1), range(1, model.n + 1)),
        )
    )
    kept = np.flatnonzero(np.abs(W).max(axis=1) > 0)
    assert model.kappa is not None
    W = W[kept] * np.sqrt(to_float(model.alpha / model.kappa))
    core = core_equilibrium(
        P[np.ix_(kept, kept)], W, setting.Sigma, setting.M, setting.eta, label="", origin="given"
    )
    try:
        x, period = kicked(setting, core)
    except ValueError:
        return None
    return settle(setting, x, PERIODS * period, chunks=SPANS).cycle
