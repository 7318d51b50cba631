"""Spectrum and verdict of an equilibrium, for the flow and for the update map, any n >= k.

Only the core is ever diagonalised (theorem T7.1); each of the n - k inactive output rows adds
eigenvalues in closed form and k zeros, which together with the k (k-1) / 2 rotations of the core
are the neutral directions of the orbit (T0.4). Eigenvalues of a flow or a map are reported for
equal decays unless kappa = eta_P / eta_W says otherwise, in units where alpha = 1, which does not
change them (T0.1, T0.3).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.linalg as sla

from equilibria.varieties.noncommuting.arnoldi import ArnoldiError, leading_eigenvalues
from equilibria.varieties.noncommuting.core import Array, ComplexArray, CoreEquilibrium, flow
from equilibria.varieties.noncommuting.eigen import eigenvalues_with_bounds, matrix_size
from equilibria.varieties.noncommuting.linearisation import CoreLinearisation, EmbeddedCore
from equilibria.varieties.noncommuting.reduced import eliminate_predictor, reduced_point
from equilibria.varieties.noncommuting.solvers import regular_solver
from equilibria.varieties.noncommuting.systems import Flow, Map, System
from equilibria.varieties.noncommuting.verdict import Method, SpectralVerdict, judge

_Core = tuple[ComplexArray, Array, bool, Method]
DENSE_UP_TO = 2000  # unknowns of the core system diagonalised densely
DENSE_FALLBACK = 6000  # unknowns up to which a failure of Arnoldi is made up for densely
FLOOR = 1e-11  # least error bound, relative to the size of the Jacobian
ARNOLDI_FACTOR = 1e3  # residual to error bound where no left eigenvectors are at hand


@dataclass(frozen=True, slots=True, eq=False)
class Spectrum:
    """Eigenvalues of a flow, or multipliers of a map, at one equilibrium.

    `normal` are the non-neutral ones, most dangerous first; `neutral` counts the others, which
    equal `neutral_value` (0 or 1). `complete` is False when only leading ones were computed.
    """

    normal: ComplexArray
    neutral: int
    neutral_value: float
    complete: bool
    verdict: SpectralVerdict

    @property
    def eigenvalues(self) -> ComplexArray:
        """All of them, neutral ones last."""
        return np.append(self.normal, np.full(self.neutral, self.neutral_value))


def flow_spectrum(
    at: EmbeddedCore,
    *,
    beta: float | None = None,
    leading: int = 8,
    dense_up_to: int = DENSE_UP_TO,
) -> Spectrum:
    """Spectrum of the n-row flow: stop-gradient, or a moving average of rate beta.

    `leading` eigenvalues are found where the core has more than `dense_up_to` unknowns. Raises
    ValueError where n is below the rank, and without decay.
    """
    return _spectrum(Flow(beta), at, leading, dense_up_to)


def map_spectrum(
    at: EmbeddedCore,
    *,
    h: float,
    mu: float | None = None,
    nu: float = 0.0,
    leading: int = 8,
    dense_up_to: int = DENSE_UP_TO,
) -> Spectrum:
    """Multipliers of the n-row update map: step h, heavy ball nu, moving average mu of the new W.

    Compare a map with the flow of rate beta = (1 - mu) / h. Otherwise as `flow_spectrum`.
    """
    return _spectrum(Map(h, mu, nu), at, leading, dense_up_to)


def _spectrum(system: System, at: EmbeddedCore, leading: int, dense_up_to: int) -> Spectrum:
    core, n, k = at.core, at.n, at.core.rank
    if n < k:
        raise ValueError(f"n = {n}: an equilibrium of rank {k} needs at least {k} outputs")
    if not at.eta > 0:
        raise ValueError("eta = 0: equilibria form families; see zero_decay.components")
    lin = at.linearised()
    displaced = _displacement(core, lin) * _lipschitz(lin)
    if isinstance(system, Map):
        displaced *= system.h
    evaluate = _dense if system.size(lin) <= dense_up_to else _arnoldi
    values, bounds, verified, method = evaluate(system, lin, displaced, leading)
    inactive = system.inactive(lin, n - k)
    values = np.append(values, inactive)
    bounds = np.append(bounds, 1e-13 * (1 + np.abs(inactive)))
    rotations = k * (k - 1) // 2
    neutral = k * (n - k) + rotations
    verdict = judge(
        values,
        bounds,
        kind="flow" if isinstance(system, Flow) else "map",
        neutral=neutral if verified else neutral - rotations,
        neutral_expected=neutral,
        method=method,
        count=leading,
    )
    danger = -values.real if isinstance(system, Flow) else -np.abs(values)
    ordered = values[np.argsort(danger, kind="stable")]
    return Spectrum(ordered, neutral, system.neutral, method == "dense", verdict)


def extent(system: System, lin: CoreLinearisation, n: int) -> float:
    """Spectral abscissa or radius of the non-neutral eigenvalues, without bounds or verdict."""
    if system.size(lin) > DENSE_UP_TO:
        values, _, _ = leading_eigenvalues(system, lin, 4)
    else:
        J, r, _ = without_rotations(system, lin)
        values = np.linalg.eigvals(J).astype(np.complex128) if J.size else np.zeros(0, complex)
        values = values[np.argsort(-np.abs(values), kind="stable")[r:]]
    values = np.append(values, system.inactive(lin, n - lin.shape[0]))
    return float(np.max(values.real if isinstance(system, Flow) else np.abs(values)))


def without_rotations(system: System, lin: CoreLinearisation) -> tuple[Array, int, float]:
    """The Jacobian with its r neutral eigenvalues moved to -2 |J|; r; |J rotation - neutral|.

    Rotations are right eigenvectors, so subtracting a multiple of the projector onto them changes
    no other eigenvalue; the moved ones are the r largest in modulus.
    """
    J = system.matrix(lin)
    rows = system.tangent(lin, lin.rotations())
    if not rows.shape[0]:
        return J, 0, 0.0
    N = sla.solve_triangular(np.linalg.cholesky(rows @ rows.T), rows, lower=True).T
    defect = float(np.linalg.norm(J @ N - system.neutral * N))
    return J - (system.neutral + 2 * matrix_size(J)) * (N @ N.T), rows.shape[0], defect


def _dense(system: System, lin: CoreLinearisation, displaced: float, _: int) -> _Core:
    """Core eigenvalues without the rotations, their bounds, and whether rotations checked out."""
    J, r, defect = without_rotations(system, lin)
    size = matrix_size(J)
    values, bounds = eigenvalues_with_bounds(J, displaced, flow=isinstance(system, Flow))
    kept = np.argsort(-np.abs(values), kind="stable")[r:]
    bounds = np.maximum(bounds[kept], FLOOR * size)
    return values[kept], bounds, defect <= 1e-9 * size + displaced, "dense"


def _arnoldi(system: System, lin: CoreLinearisation, displaced: float, count: int) -> _Core:
    """The leading core eigenvalues, bounds from residuals, whether rotations checked out.

    What Arnoldi does not reach is diagonalised densely, if at all possible; if not, a single
    neutral value with an infinite bound says that nothing is known.
    """
    try:
        values, residuals, defect = leading_eigenvalues(system, lin, count)
    except ArnoldiError:
        if system.size(lin) > DENSE_FALLBACK:
            unknown = np.array([system.neutral], dtype=np.complex128)
            return unknown, np.array([np.inf]), False, "arnoldi"
        return _dense(system, lin, displaced, count)
    scale = lin.kappa * _lipschitz(lin)
    bounds = ARNOLDI_FACTOR * (residuals + displaced) + FLOOR * scale
    if lin.kappa == 1 and lin.shape[0]:
        balance = system.balance(lin)
        values = np.append(values, balance)
        bounds = np.append(bounds, np.full(balance.size, FLOOR * scale))
    return values, bounds, defect <= 1e-9 * scale + displaced, "arnoldi"


def _displacement(core: CoreEquilibrium, lin: CoreLinearisation) -> float:
    """Estimated distance of (P, W) from the true equilibrium: the next Newton step.

    Where there is none (a fold, a family) the flow divided by eta takes its place.
    """
    k, d = lin.shape
    if not k:
        return 0.0
    point = reduced_point(core.W, lin.Sigma, lin.M, lin.eta)
    try:
        step = regular_solver(point, rtol=1e-2)(point.value.ravel()).reshape(k, d)
    except np.linalg.LinAlgError:
        dP, dW = flow(core.P, core.W, lin.Sigma, lin.M, lin.eta)
        return 10 * float(np.hypot(np.linalg.norm(dP), np.linalg.norm(dW))) / lin.eta
    moved = eliminate_predictor(core.W - step, lin.Sigma, lin.M, lin.eta)
    return float(np.hypot(np.linalg.norm(moved - core.P), np.linalg.norm(step)))


def _lipschitz(lin: CoreLinearisation) -> float:
    """A bound of the order of |D^2 force|: how much the Jacobian moves with the point."""
    sizes = float(np.linalg.norm(lin.W, 2) + np.linalg.norm(lin.P, 2))
    moments = float(np.linalg.norm(lin.M, 2)), float(np.linalg.norm(lin.Sigma, 2))
    return max(1.0, lin.kappa) * (2 * moments[0] + 4 * moments[1] * sizes)
