"""Which steps h keep the update map stable, and which rates beta the moving-average flow.

Without a moving average every rate lambda of the flow gives its own interval of stable steps,

    0 < h < -2 (1-nu)^2 (1+nu) x / ((1-nu)^2 x^2 + (1+nu)^2 y^2),    lambda = x + i y,   x < 0,

from the Schur-Cohn test of z^2 - (1 + nu + h lambda) z + nu; their intersection is exact.

With a moving average the fixed momentum mu means a rate beta = (1 - mu) / h that changes with h. A
multiplier can leave through -1 only where lambda is a real eigenvalue of the flow linearised with
phi = (1-mu) / (1+mu), h = -2 (1+nu) / lambda (T7.0): the smallest such h ends the search. Losses
through a complex pair below it are found by a scan over log h and bisection. As h -> 0 the map with
fixed mu follows the stop-gradient flow, whose verdict decides whether small steps are stable.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from equilibria.varieties.noncommuting.core import ComplexArray
from equilibria.varieties.noncommuting.eigen import matrix_size
from equilibria.varieties.noncommuting.linearisation import CoreLinearisation, EmbeddedCore
from equilibria.varieties.noncommuting.spectrum import extent, flow_spectrum
from equilibria.varieties.noncommuting.systems import Flow, Map

Interval = tuple[float, float]
POINTS = 60  # of the scan in log h


def largest_step(at: EmbeddedCore, *, mu: float | None = None, nu: float = 0.0) -> float | None:
    """The supremum of h such that every smaller step is stable; None if small steps are not.

    None also when it cannot be decided whether small steps are stable.
    """
    small = flow_spectrum(at)
    if small.verdict.verdict != "stable":
        return None
    if mu is None:
        return _common_step(small.normal, nu)
    found = stable_steps(at, mu=mu, nu=nu)
    return found[0][1] if found and found[0][0] == 0 else None


def stable_steps(at: EmbeddedCore, *, mu: float, nu: float = 0.0) -> list[Interval]:
    """All intervals of stable h for a moving average of fixed momentum mu, in increasing order.

    Slow targets can stabilise what small steps do not: then the first interval starts above 0.
    The scan sees windows wider than about a tenth of their h.
    """
    lin = at.linearised()
    ceiling = _first_flip(lin, at.n, mu, nu)
    floor = min(1e-3 * ceiling, 1e-3 * (1 - mu) / matrix_size(lin.frozen_matrix()))

    def excess(log_h: float) -> float:
        h = float(np.exp(log_h))
        return (extent(Map(h, mu, nu), lin, at.n) - 1) / h

    found = _negative_intervals(excess, np.log(floor), np.log(ceiling * (1 - 1e-12)), POINTS)
    ends = [(float(np.exp(a)), float(np.exp(b))) for a, b in found]
    return [(0.0 if a <= floor * (1 + 1e-9) else a, b) for a, b in ends]


def stable_rates(at: EmbeddedCore, *, low: float, high: float) -> list[Interval]:
    """The intervals of beta in [low, high] on which the moving-average flow is stable (T9.2)."""
    lin = at.linearised()

    def abscissa(log_beta: float) -> float:
        return extent(Flow(float(np.exp(log_beta))), lin, at.n)

    found = _negative_intervals(abscissa, np.log(low), np.log(high), POINTS)
    return [(float(np.exp(a)), float(np.exp(b))) for a, b in found]


def _common_step(rates: ComplexArray, nu: float) -> float:
    """The largest h stable for every rate (all with negative real part)."""
    c, e = (1 - nu) ** 2, 1 + nu
    x, y = rates.real, rates.imag
    return float(np.min(-2 * c * e * x / (c * x * x + e * e * y * y)))


def _first_flip(lin: CoreLinearisation, n: int, mu: float, nu: float) -> float:
    """The least h at which a multiplier equals -1, over core and inactive rows."""
    k, _ = lin.shape
    J = lin.frozen_matrix()
    J[:, k * k :] += (1 - mu) / (1 + mu) * lin.target_matrix()
    values = np.linalg.eigvals(J) if J.size else np.zeros(0)
    real = values.real[np.abs(values.imag) <= 1e-9 * matrix_size(J)]
    inactive = lin.inactive() if n > k else np.zeros(0)
    corner = [-lin.kappa * lin.eta] if n > k else []
    slowest = np.concatenate([real, inactive, corner, [-2 * min(1.0, lin.kappa) * lin.eta]]).min()
    return float(-2 * (1 + nu) / slowest)


def _negative_intervals(
    f: Callable[[float], float], low: float, high: float, points: int
) -> list[Interval]:
    """Where the continuous function f is negative on [low, high]; peaks between points are sought.

    A local maximum of the samples that is still negative is maximised, so that a narrow positive
    window there is not overlooked.
    """
    x = list(np.linspace(low, high, points))
    y = [f(t) for t in x]
    for i in range(points - 2, 0, -1):
        if y[i] < 0 and y[i] >= max(y[i - 1], y[i + 1]) and min(y[i - 1], y[i + 1]) < y[i]:
            peak = minimize_scalar(lambda t: -f(t), bounds=(x[i - 1], x[i + 1]), method="bounded")
            if -peak.fun > 0:
                at = int(np.searchsorted(x, peak.x))
                x.insert(at, float(peak.x))
                y.insert(at, -float(peak.fun))
    roots = [
        float(brentq(f, x[i], x[i + 1], xtol=1e-13, rtol=1e-14))
        for i in range(len(x) - 1)
        if (y[i] < 0) != (y[i + 1] < 0)
    ]
    ends = ([x[0]] if y[0] < 0 else []) + roots + ([x[-1]] if y[-1] < 0 else [])
    return list(zip(ends[::2], ends[1::2], strict=True))
