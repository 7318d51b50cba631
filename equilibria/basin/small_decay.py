"""The part C < 0 of the boundary when E is small: numeric, in ln W^2.

There the boundary stays within exp(-1/E) of W = 0 before it turns up at C_- (delayed loss of
stability, T12.2), too close for barriers of reasonable length. ln S with S = W^2 obeys

    d ln S / dP = 2 (P (1 - P) - E) / (S (1 - P) - E P)

and is smooth; deviations shrink along the way outwards, so integration from P_- is safe.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.errors import LimitReached

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

TURN = 4.0
RTOL = 1e-10
LARGEST_LOG = 100.0
TOLERANCE = 1e-7
"""Relative error that the answers of this module may have."""


@lru_cache(maxsize=8)
def upper_curve(E: float) -> tuple[Array, Array, float]:
    """Return P (ascending from P_- to 1000) and C = kappa(P) there, and C_-.

    Raises `LimitReached` where the integration does not stay on C <= 0: below E of about 1e-4 the
    turn is sharper than the integrator follows.
    """
    from scipy.integrate import solve_ivp

    root = 2 * E / (1 + np.sqrt(1 - 4 * E))
    slope = -(3 * E - root**2) / (1 - root) + 2 * root
    offset = 1e-6 * root

    def finite(P: float, y: Array) -> list[float]:
        S = np.exp(min(y[0], LARGEST_LOG))
        return [2 * (P * (1 - P) - E) / (S * (1 - P) - E * P)]

    def infinite(Q: float, y: Array) -> list[float]:
        return [-2 * E * Q * y[0] / ((y[0] * Q * Q + 1) * (1 - Q) + E * Q * Q)]

    start = np.log(root**2 + slope * offset)
    options: dict[str, Any] = {
        "method": "LSODA",
        "rtol": RTOL,
        "atol": RTOL,
        "dense_output": True,
    }
    inner = solve_ivp(finite, (root + offset, TURN), [start], **options)
    if not inner.success or (inner.y[0] > 2 * np.log(inner.t) + TOLERANCE).any():
        raise LimitReached(f"the boundary at c < 0 could not be followed at eta s/m^2 = {E:.3g}")
    corner = float(np.exp(inner.y[0, -1])) - TURN**2
    outer = solve_ivp(infinite, (1 / TURN, 0.0), [corner], **options)
    assert inner.sol is not None
    assert outer.sol is not None
    P = np.concatenate([np.geomspace(root + offset, 1.0, 600), np.linspace(1.0, TURN, 1200)[1:]])
    Q = np.linspace(1 / TURN, 1e-3, 400)[1:]
    C = np.concatenate([np.exp(inner.sol(P)[0]) - P**2, outer.sol(Q)[0]])
    return np.concatenate([P, 1 / Q]), C, float(outer.y[0, -1])


def upper_c(E: float, P: float) -> float:
    """Return C on the boundary at P > P_-."""
    grid, C, limit = upper_curve(E)
    if grid[-1] <= P:
        return limit
    return float(np.interp(P, grid, C))


def upper_psi(E: float, C: float) -> float | None:
    """Return P on the boundary at C < 0; None for C <= C_-."""
    grid, values, _ = upper_curve(E)
    if values[-1] >= C:
        return None
    return float(np.interp(-C, -values, grid))
