"""Spectra of flow and map at an equilibrium for any M, from the dense Jacobian of a core.

Outputs that no row of W uses repeat the blocks of the first such one, so a core of rank + 1 outputs has
every eigenvalue.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.asymmetric.equilibria import Array, Data, Point
from equilibria.varieties.component import Eigenvalue, How, Stability, Verdict

LARGEST = 2000
TOLERANCE = 1e-5
"""Of the largest eigenvalue: where three nearly meet, rounding moves them by its cube root."""
TOO_LARGE = f"not decided: a Jacobian of more than {LARGEST} unknowns is not computed"
CLOSE = "an eigenvalue lies within the error of the boundary"

Values = NDArray[np.complex128]


@dataclass(frozen=True)
class Core:
    """The Jacobian of the forces on (W, P) by (W, P) and by the target's T, of the used outputs."""

    own: Array
    target: Array
    dimension: int
    encoder: int


def core_of(data: Data, point: Point) -> Core | None:
    """Return the core, None where it is too large; `dimension` is that of its orbit."""
    size, d = min(data.n, point.rank + 1), len(data.sigma)
    count = size * d + size * size
    if count > LARGEST:
        return None
    W, P = point.W[:size], point.P[:size, :size]
    gap = W @ data.m - P @ W @ data.sigma
    moves = np.eye(count)
    dW = moves[:, : size * d].reshape(count, size, d)
    dP = moves[:, size * d :].reshape(count, size, size)
    change = -(dP @ W @ data.sigma) - P @ dW @ data.sigma
    to_W = dP.transpose(0, 2, 1) @ gap + P.T @ change - data.eta * dW
    to_P = data.alpha * (change @ W.T + gap @ dW.transpose(0, 2, 1)) - data.eta_p * dP
    own = np.concatenate([to_W.reshape(count, -1), to_P.reshape(count, -1)], axis=1).T
    lag = dW[: size * d] @ data.m
    by_W, by_P = (P.T @ lag).reshape(size * d, -1), (data.alpha * lag @ W.T).reshape(size * d, -1)
    k = point.rank
    return Core(
        own, np.concatenate([by_W, by_P], axis=1).T, k * (size - k) + k * (k - 1) // 2, size * d
    )


def flow_matrix(core: Core, beta: float | None) -> Array:
    """Return the Jacobian of the flow on (W, P), or (W, P, T) with the target's rate."""
    if beta is None:
        own = core.own.copy()
        own[:, : core.encoder] += core.target
        return own
    count, width = len(core.own), core.encoder
    full = np.zeros((count + width, count + width))
    full[:count, :count], full[:count, count:] = core.own, core.target
    full[count:, :width], full[count:, count:] = beta * np.eye(width), -beta * np.eye(width)
    return full


def map_matrix(core: Core, h: float, mu: float | None, nu: float) -> Array:
    """Return the Jacobian of the map on (W, P[, T][, velocities])."""
    force = flow_matrix(core, None if mu is None else 0.0)[: len(core.own)]
    count, width = force.shape
    total = width + (count if nu else 0)
    velocity = np.zeros((count, total))
    velocity[:, :width] = force
    if nu:
        velocity[:, width:] = nu * np.eye(count)
    step = np.eye(total)
    if nu:
        step[width:] = velocity
    step[:count] += h * velocity
    if mu is not None:
        target = slice(count, count + core.encoder)
        step[target] = (1 - mu) * step[: core.encoder]
        step[target, target] += mu * np.eye(core.encoder)
    return step


def verdicts(model: Model, core: Core | None, dimension: int) -> tuple[Stability, Stability]:
    """Return the verdicts on flow and map; `dimension` is that of the component."""
    if core is None:
        open_one = Stability(Verdict.UNDECIDED, How.NUMERIC, dimension, None, note=TOO_LARGE)
        return open_one, open_one
    ema = model.traits.has_target
    beta = to_float(model.flow_rate) if ema else None
    rates: Values = np.linalg.eigvals(flow_matrix(core, beta)).astype(np.complex128)
    h, nu = to_float(model.h), to_float(model.nu)
    step = map_matrix(core, h, to_float(model.mu) if ema else None, nu)
    multipliers: Values = np.linalg.eigvals(step).astype(np.complex128)
    flow = _stability(rates, 0.0, core.dimension, dimension)
    plain = not ema and not nu and flow.verdict is Verdict.STABLE
    largest = _largest_step(_leading(rates, 0.0, core.dimension)) if plain else None
    return flow, _stability(multipliers, 1.0, core.dimension, dimension, largest)


def _leading(values: Values, centre: float, neutral: int) -> Values:
    """Return the values without the neutral ones, which lie nearest to their exact value."""
    return values[np.argsort(np.abs(values - centre))[neutral:]]


def _largest_step(rates: Values) -> float:
    """Return the supremum of h with |1 + h l| < 1 for all rates of a stable flow."""
    return float((-2 * rates.real / np.abs(rates) ** 2).min())


def _stability(
    values: Values, centre: float, neutral: int, dimension: int, largest: float | None = None
) -> Stability:
    rest = _leading(values, centre, neutral)
    extent = float((np.abs(rest) if centre else rest.real).max())
    slack = extent - centre
    scale = max(1.0, float(np.abs(values).max())) if centre else float(np.abs(values).max())
    verdict = Verdict.UNDECIDED
    if abs(slack) > TOLERANCE * scale:
        verdict = Verdict.STABLE if slack < 0 else Verdict.UNSTABLE
    shown = tuple(Eigenvalue(complex(value), 1) for value in _ordered(values, centre))
    note = CLOSE if verdict is Verdict.UNDECIDED else ""
    return Stability(
        verdict,
        How.NUMERIC,
        dimension,
        extent,
        largest_step=largest,
        note=note,
        build_spectrum=lambda: shown,
    )


def _ordered(values: Values, centre: float) -> list[complex]:
    """Return the values by descending modulus (map) or real part (flow)."""
    sizes = np.abs(values) if centre else values.real
    order = np.lexsort((-values.imag, -values.real, -sizes))
    return [complex(value) for value in values[order]]
