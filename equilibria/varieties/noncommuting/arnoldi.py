"""The eigenvalues nearest to instability without forming the Jacobian (section 15, step 8).

One product costs O(k^2 d + k d^2). The neutral rotations are right eigenvectors and, for equal
decays, the balance functionals are left eigenvectors; both are known exactly, of high multiplicity,
and moved out of the way by means of projectors onto them, which changes no other eigenvalue.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import numpy as np
import scipy.sparse.linalg as ssl

from equilibria.varieties.noncommuting.core import Array, ComplexArray, symmetrised
from equilibria.varieties.noncommuting.linearisation import CoreLinearisation
from equilibria.varieties.noncommuting.systems import Flow, Map, System


class ArnoldiError(RuntimeError):
    """The Arnoldi iteration did not converge."""


class RotationProjector:
    """Projector onto the neutral rotations of a state, in O(k^2 d) per product.

    A rotation Omega acts as (Omega P - P Omega, Omega W, 0 for velocities, Omega W for a target),
    and is read off the encoder's part H alone: H W^T - W H^T = Omega C + C Omega with C = W W^T, a
    division in an eigenbasis of C. The projector is oblique, but rotations are right eigenvectors,
    so subtracting a multiple of it changes no other eigenvalue, and nothing of the number of
    rotations, k (k-1) / 2, is ever formed.
    """

    def __init__(self, system: System, lin: CoreLinearisation) -> None:
        self.lin, self.target = lin, system.size(lin) % lin.size != 0
        values, self.axes = np.linalg.eigh(symmetrised(lin.W @ lin.W.T))
        self.sums = values[:, None] + values[None, :]

    def __call__(self, state: Array) -> Array:
        """The component of `state` along the rotations."""
        out = np.zeros_like(state)
        lin, N = self.lin, self.lin.size
        if lin.shape[0] < 2:
            return out
        _, H = lin.split(state[:N])
        skew = H @ lin.W.T
        Omega = self.axes @ ((self.axes.T @ (skew - skew.T) @ self.axes) / self.sums) @ self.axes.T
        turned = Omega @ lin.W
        out[:N] = lin.join(Omega @ lin.P - lin.P @ Omega, turned)
        if self.target:
            out[-turned.size :] = turned.ravel()
        return out


def leading_eigenvalues(
    system: System, lin: CoreLinearisation, count: int
) -> tuple[ComplexArray, Array, float]:
    """`count` non-neutral eigenvalues nearest to instability, their residuals, |J rotations|.

    Largest real part for a flow, largest modulus for a map. The eigenvalues of the balance
    functionals (equal decays) are left out: the caller adds them. Raises `ArnoldiError`.
    """
    size = system.size(lin)
    project = RotationProjector(system, lin)
    product = _shifted(system, lin, project)
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


def _shifted(
    system: System, lin: CoreLinearisation, project: RotationProjector
) -> Callable[[Array], Array]:
    """Return the product with the Jacobian, rotations and balance moved away from instability."""
    away = _spectral_scale(lin) if isinstance(system, Flow) else 0.0

    def product(state: Array) -> Array:
        if lin.kappa != 1:
            return system.apply(lin, state) - (system.neutral + away) * project(state)
        kept = _without_balance(system, lin, state)
        image = _without_balance(system, lin, system.apply(lin, kept))
        return image - (system.neutral + away) * project(kept) - away * (state - kept)

    return product


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
