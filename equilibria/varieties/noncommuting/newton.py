"""Newton's method for the reduced equations: the last step of every search.

Source of the equations: `reduced`. Convergence is judged on the flow itself, not on the reduction.
"""

from __future__ import annotations

import numpy as np

from equilibria.varieties.noncommuting.core import (
    Array,
    CoreEquilibrium,
    core_equilibrium,
    relative_residual,
)
from equilibria.varieties.noncommuting.reduced import eliminate_predictor, reduced_point
from equilibria.varieties.noncommuting.solvers import regular_solver


def newton(W: Array, Sigma: Array, M: Array, eta: float, *, iterations: int = 12) -> Array | None:
    """Newton from W; return the point reached once the flow is zero to rounding, else None.

    "To rounding" is a relative residual of at most 1e-11; iteration goes on while it improves.
    """
    best, best_residual = W, np.inf
    for _ in range(iterations):
        try:
            point = reduced_point(W, Sigma, M, eta)
            residual = relative_residual(point.P, W, Sigma, M, eta)
            if not np.isfinite(residual) or (best_residual < 1e-11 and residual >= best_residual):
                break
            if residual < best_residual:
                best, best_residual = W, residual
            if residual < 1e-15:
                break
            step = regular_solver(point)(-point.value.ravel())
        except np.linalg.LinAlgError:
            break
        W = W + step.reshape(W.shape)
    return best if best_residual < 1e-11 else None


def refined(
    W: Array, Sigma: Array, M: Array, eta: float, *, label: str, origin: str
) -> CoreEquilibrium | None:
    """The equilibrium Newton reaches from W, or None when Newton does not converge."""
    found = newton(W, Sigma, M, eta)
    if found is None:
        return None
    P = eliminate_predictor(found, Sigma, M, eta)
    return core_equilibrium(P, found, Sigma, M, eta, label=label, origin=origin)
