"""Is the cycle born stable? The sign of the first Lyapunov coefficient (Kuznetsov, 3.3 and 4.7).

The rotations make zero eigenvalues, so the system is first written without them: on the slice of
states whose encoder satisfies W W_0^T symmetric, every state being turned back into it. For the
flow that adds a rotation rate xi(x) to the field; for the map the state is turned after each step
by the orthogonal factor of W W_0^T. Second and third derivatives at the equilibrium come from
differences along q, q-bar and real vectors; a sign is claimed only when two step sizes agree.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.linalg as sla

from equilibria.cycles.dynamics import Dynamics, aligning, skew_basis
from equilibria.cycles.pairs import eigenvectors
from equilibria.cycles.setting import Setting

if TYPE_CHECKING:
    pass
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium

Field = Callable[[Array], Array]
AGREEMENT = 0.05


def first_lyapunov(setting: Setting, core: CoreEquilibrium, pair: complex) -> float | None:
    """The first Lyapunov coefficient at a Hopf or Neimark-Sacker point, |q| = 1, up to a factor > 0.

    Negative: supercritical. None without decay, and where two difference steps disagree.
    """
    if setting.eta == 0:
        return None
    field, slice_basis = slice_field(setting, core)
    size = float(np.linalg.norm(core.W))
    found = [_coefficient(setting, field, slice_basis, pair, step * size) for step in (4e-3, 2e-3)]
    if not np.all(np.isfinite(found)) or abs(found[0] - found[1]) > AGREEMENT * abs(found[1]):
        return None
    return found[1]


def slice_field(setting: Setting, core: CoreEquilibrium) -> tuple[Field, Array]:
    """y -> dy/dt (flow) or y_next (map) on the slice through the equilibrium, which is y = 0.

    The second result is an orthonormal basis (N, m) of the slice.
    """
    dynamics = Dynamics(setting, core.rank)
    x0, W0 = dynamics.at(core), core.W
    k, d = W0.shape
    off = np.zeros((k * (k - 1) // 2, x0.size))
    for row, Omega in zip(off, skew_basis(k), strict=True):
        row[k * k : k * (k + d)] = (Omega @ W0).ravel()
    C = sla.null_space(off) if off.size else np.eye(x0.size)

    def flow(y: Array) -> Array:
        x = x0 + C @ y
        dx = dynamics.field(x)
        turns = dynamics.rotations(x)
        if not turns.size:
            return np.asarray(C.T @ dx)
        rate = np.linalg.solve(off @ turns.T, off @ dx)
        return np.asarray(C.T @ (dx - rate @ turns))

    def step(y: Array) -> Array:
        x = dynamics.step(x0 + C @ y)
        turned = dynamics.rotated(x, aligning(dynamics.split(x)[1], W0))
        return np.asarray(C.T @ (turned - x0))

    return (step if setting.is_map else flow), C


def _coefficient(setting: Setting, field: Field, C: Array, pair: complex, step: float) -> float:
    m = C.shape[1]
    A = _jacobian(field, m, step)
    q, p = eigenvectors(A, pair)
    second, third = _Second(field, step), _Third(field, step)
    real, imaginary = q.real, q.imag
    squares = second(real, real), second(real, imaginary), second(imaginary, imaginary)
    b_qq = squares[0] - squares[2] + 2j * squares[1]
    b_bar = squares[0] + squares[2]
    # C(q, q, q-bar) = C(a,a,a) + C(a,b,b) + i (C(a,a,b) + C(b,b,b)) for q = a + i b
    c = third(real, real) + third(imaginary, real)
    c = c + 1j * (third(real, imaginary) + third(imaginary, imaginary))
    unit = np.eye(m)
    if setting.is_map:
        mean = np.linalg.solve(unit - A, b_bar)
        double = np.linalg.solve(pair**2 * unit - A, b_qq)
        sign = 1.0
        turn = np.conj(pair) / abs(pair)
    else:
        mean = np.linalg.solve(A, b_bar)
        double = np.linalg.solve(2j * pair.imag * unit - A, b_qq)
        sign = -1.0
        turn = 1.0
    total = c + 2 * sign * second.mixed(mean, q) + second.mixed(double, np.conj(q))
    value = turn * np.vdot(p, total) / 2
    return float(value.real) / (1.0 if setting.is_map else pair.imag)


def _jacobian(field: Field, m: int, step: float) -> Array:
    """Central differences, extrapolated twice."""
    table = []
    for h in (step, step / 2, step / 4):
        columns = [(field(h * e) - field(-h * e)) / (2 * h) for e in np.eye(m)]
        table.append(np.array(columns).T)
    first = [(4 * b - a) / 3 for a, b in pairwise(table)]
    return np.asarray((16 * first[1] - first[0]) / 15)


class _Second:
    """The symmetric bilinear second derivative at 0, by extrapolated differences."""

    def __init__(self, field: Field, step: float) -> None:
        self.field, self.step, self.rest = field, step, None

    def __call__(self, u: Array, v: Array) -> Array:
        return (self._square(u + v) - self._square(u - v)) / 4

    def mixed(self, u: Any, v: Any) -> Any:
        """B(u, v) for complex vectors."""
        real = self(u.real, v.real) - self(u.imag, v.imag)
        return np.asarray(real + 1j * (self(u.real, v.imag) + self(u.imag, v.real)))

    def _square(self, u: Array) -> Array:
        size = float(np.linalg.norm(u))
        if size == 0:
            return np.zeros_like(u)
        e = u / size

        def raw(h: float) -> Array:
            return (self.field(h * e) + self.field(-h * e) - 2 * self.field(0 * e)) / h**2

        return np.asarray(size**2 * (4 * raw(self.step / 2) - raw(self.step)) / 3)


class _Third:
    """C(u, u, v), the third derivative at 0."""

    def __init__(self, field: Field, step: float) -> None:
        self.field, self.step = field, 2 * step

    def __call__(self, u: Array, v: Array) -> Array:
        return np.asarray((self._cube(u + v) - self._cube(u - v) - 2 * self._cube(v)) / 6)

    def _cube(self, u: Array) -> Array:
        size = float(np.linalg.norm(u))
        if size == 0:
            return np.zeros_like(u)
        e = u / size

        def raw(h: float) -> Array:
            far = self.field(2 * h * e) - self.field(-2 * h * e)
            return (far - 2 * (self.field(h * e) - self.field(-h * e))) / (2 * h**3)

        return np.asarray(size**3 * (4 * raw(self.step / 2) - raw(self.step)) / 3)
