"""Linear systems with the reduced derivative DF: factorised when small, GMRES when large.

`Solve` takes a right-hand side (size,) and returns the solution (size,). It raises LinAlgError when
there is none, so that callers treat a singular matrix and a failed iteration alike.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import scipy.linalg as sla
import scipy.sparse.linalg as ssl

from equilibria.varieties.noncommuting.core import Array
from equilibria.varieties.noncommuting.reduced import ReducedPoint

Solve = Callable[[Array], Array]
FACTORISED_UP_TO = 2600  # unknowns k d
RTOL = 1e-6  # of GMRES: each Newton correction gains this factor


def regular_solver(point: ReducedPoint, *, rtol: float = RTOL) -> Solve:
    """Solve with DF made regular on the rotations (`ReducedPoint.regularised`).

    `rtol` is the relative residual asked of GMRES; factorised systems are solved to rounding.
    """
    size = point.W.size
    if size <= FACTORISED_UP_TO:
        return _factorised(point.regularised_jacobian())
    shape = point.W.shape
    return _iterative(lambda x: point.regularised(x.reshape(shape)).ravel(), size, rtol)


def bordered_solver(point: ReducedPoint, slope: Array, border: Array, scale: float) -> Solve:
    """Solve with [[scale * DF, slope], [border]]: unknowns (W / scale, s), `border` a full row."""
    size, shape = point.W.size, point.W.shape
    if size <= FACTORISED_UP_TO:
        top = np.column_stack([scale * point.regularised_jacobian(), slope])
        return _factorised(np.vstack([top, border]))

    def product(x: Array) -> Array:
        image = scale * point.regularised(x[:-1].reshape(shape)).ravel() + x[-1] * slope
        return np.append(image, border @ x)

    return _iterative(product, size + 1, RTOL)


def _factorised(matrix: Array) -> Solve:
    with warnings.catch_warnings():
        warnings.simplefilter("error", sla.LinAlgWarning)
        try:
            factors = sla.lu_factor(matrix, overwrite_a=True)
        except (sla.LinAlgWarning, ValueError) as problem:
            raise np.linalg.LinAlgError(str(problem)) from problem
    return lambda right: sla.lu_solve(factors, right)


def _iterative(product: Callable[[Array], Array], size: int, rtol: float) -> Solve:
    operator = ssl.LinearOperator((size, size), matvec=product, dtype=np.float64)

    def solve(right: Array) -> Array:
        x, failed = ssl.gmres(operator, right, rtol=rtol, restart=250, maxiter=8)
        if failed:
            raise np.linalg.LinAlgError("GMRES did not converge")
        return np.asarray(x)

    return solve
