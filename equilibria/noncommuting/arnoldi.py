"""The eigenvalues nearest to instability without forming the Jacobian (section 15, step 8).

One product costs O(k^2 d + k d^2). The neutral rotations are right eigenvectors and, for equal
decays, the balance functionals are left eigenvectors; both are known exactly, of high multiplicity,
and moved out of the way by means of the projectors onto them, which changes no other eigenvalue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import scipy.linalg as sla
import scipy.sparse.linalg as ssl

from equilibria.noncommuting.core import Array, ComplexArray
from equilibria.noncommuting.linearisation import CoreLinearisation
from equilibria.noncommuting.systems import Flow, Map, System


class ArnoldiError(RuntimeError):
    """The Arnoldi iteration did not converge."""


class RotationProjector:
    """Orthogonal projector onto the neutral rotations of a state, in O(k^2 d) per product.

    A rotation Omega acts as (Omega P - P Omega, Omega W, 0 for velocities, Omega W for a target).
    """

    def __init__(self, system: System, lin: CoreLinearisation) -> None:
        self.lin, self.target = lin, system.size(lin) % lin.size != 0
        self.copies = 2 if self.target else 1
        k, _ = lin.shape
        self.upper = np.triu_indices(k, 1)
        gram = [self._coefficients(*self._direction(unit)) for unit in np.eye(self.upper[0].size)]
        self.factors = sla.cho_factor(np.array(gram)) if gram else None

    def __call__(self, state: Array) -> Array:
        """The component of `state` along the rotations."""
        out = np.zeros_like(state)
        if self.factors is None:
            return out
        lin, N = self.lin, self.lin.size
        A, H = lin.split(state[:N])
        if self.target:
            H = H + state[-H.size :].reshape(H.shape)
        omega = sla.cho_solve(self.factors, self._pairing(A, H))
        A, H = self._direction(omega)
        out[:N] = lin.join(A, H)
        if self.target:
            out[-H.size :] = H.ravel()
        return out

    def _direction(self, omega: Array) -> tuple[Array, Array]:
        k, _ = self.lin.shape
        Omega = np.zeros((k, k))
        Omega[self.upper] = omega
        Omega -= Omega.T
        return Omega @ self.lin.P - self.lin.P @ Omega, Omega @ self.lin.W

    def _pairing(self, A: Array, H: Array) -> Array:
        P = self.lin.P
        Z = A @ P.T - P.T @ A + H @ self.lin.W.T
        coefficients: Array = (Z - Z.T)[self.upper]
        return coefficients

    def _coefficients(self, A: Array, H: Array) -> Array:
        return self._pairing(A, self.copies * H)


def leading_eigenvalues(
    system: System, lin: CoreLinearisation, count: int
) -> tuple[ComplexArray, Array, float]:
    """`count` non-neutral eigenvalues nearest to instability, their residuals, |J rotations|.

    Largest real part for a flow, largest modulus for a map. The eigenvalues of the balance
    functionals (equal decays) are left out: the caller adds them. Raises `ArnoldiError`.
    """
    size = system.size(lin)
    project = RotationProjector(system, lin)
    away = _spectral_scale(lin) if isinstance(system, Flow) else 0.0

    def product(state: Array) -> Array:
        if lin.kappa != 1:
            return system.apply(lin, state) - (system.neutral + away) * project(state)
        kept = _without_balance(system, lin, state)
        image = _without_balance(system, lin, system.apply(lin, kept))
        return image - (system.neutral + away) * project(kept) - away * (state - kept)

    operator = ssl.LinearOperator((size, size), matvec=product, dtype=np.float64)
    start = np.random.default_rng(0).normal(size=size)
    which: Literal["LM", "LR"] = "LM" if isinstance(system, Map) else "LR"
    for basis, restarts in ((12 * count, 60), (40 * count, 60)):
        try:
            values, vectors = ssl.eigs(
                operator,
                count,
                which=which,
                v0=start,
                ncv=min(size, basis),
                maxiter=restarts,
                tol=1e-11,
            )
        except ssl.ArpackNoConvergence:
            continue
        residuals = np.array(
            [_residual(product, values[i], vectors[:, i]) for i in range(values.size)]
        )
        direction = project(start)
        drift = system.apply(lin, direction) - system.neutral * direction
        defect = float(np.linalg.norm(drift) / max(float(np.linalg.norm(direction)), 1e-300))
        return values.astype(np.complex128), residuals, defect
    raise ArnoldiError(f"Arnoldi did not converge for {size} unknowns")


def _without_balance(system: System, lin: CoreLinearisation, state: Array) -> Array:
    """Project position and velocity onto the kernel of the balance functionals."""
    state = state.copy()
    for first in range(0, 2 * lin.size if isinstance(system, Map) and system.nu else 1, lin.size):
        part = slice(first, first + lin.size)
        state[part] = lin.join(*lin.without_balance(*lin.split(state[part])))
    return state


def _residual(product: Callable[[Array], Array], value: complex, vector: ComplexArray) -> float:
    image = product(vector.real.copy()) + 1j * product(vector.imag.copy())
    return float(np.linalg.norm(image - value * vector))


def _spectral_scale(lin: CoreLinearisation) -> float:
    """A rate of the order of the fastest one."""
    sizes = np.linalg.norm(lin.W, 2) ** 2 + np.linalg.norm(lin.P, 2) ** 2
    return float(np.linalg.norm(lin.Sigma, 2) * sizes / 2 + lin.eta)
