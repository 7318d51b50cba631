"""Without weight decay the equilibria fill families of dimension n^2 (T4.1), one for a set J of modes:

    C_J = closure of {v_j = 0 for j not in J, P v_j = c_j v_j for j in J},   W V = (v_1, ..., v_d),

c_j = m_j / s_j. The nearest point of C_J is found by projecting onto the linearised equations,
again and again from the same state: from afar this gives a nearby point (an upper bound), near C_J
the nearest. Which part of C_J is stable is decided where a run rests, from the multipliers of the
map there: n^2 of them are 1, the others must lie inside the unit circle.

Modes with equal c_j mix freely, and what does not commute has other families: both are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.rate import normal_moduli
from empirical.overlay.steps import jacobian, shapes_of
from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.varieties.component import Component, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from empirical.overlay.source import Path3

    Array = NDArray[np.float64]

ITERATIONS = 8
LARGEST = 600
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class FamilyTarget:
    """The family C_J of one component; `chosen` are the columns of J in the mode basis."""

    component: Component
    model: Model
    chosen: tuple[int, ...]

    @property
    def id(self) -> str:
        return self.component.id

    @property
    def verdict(self) -> Verdict:
        return self.component.map.settled

    def moduli(self, path: Path3 | None = None) -> Array:
        model = self.model
        size = sum(rows * columns for rows, columns in shapes_of(model).values())
        if path is None or size > LARGEST:
            return normal_moduli(self.component)
        W, P = self.nearest(path.rows(slice(-1, None)))
        state = {"W": W[0], "P": P[0], "T": W[0]}
        state |= {"VW": np.zeros_like(W[0]), "VP": np.zeros_like(P[0])}
        A, _ = jacobian(model, {name: state[name] for name in shapes_of(model)})
        values = np.linalg.eigvals(A)
        values = values[np.argsort(np.abs(values - 1))][model.n**2 :]
        return np.sort(np.abs(values))[::-1]

    def distances(self, path: Path3, *, iterations: int = ITERATIONS) -> Array:
        W, P = self.nearest(path)
        total = ((path.W - W) ** 2).sum(axis=(1, 2)) + ((path.P - P) ** 2).sum(axis=(1, 2))
        if path.T is not None:
            total = total + ((path.T - W) ** 2).sum(axis=(1, 2))
        return np.asarray(np.sqrt(total))

    def nearest(self, path: Path3) -> tuple[Array, Array]:
        """Return W and P of a near point of the family for each snapshot (T is W)."""
        model = self.model
        s, m, basis = model.moments.eigenbasis
        weight = 1.0 if path.T is None else 2.0
        middle = path.W if path.T is None else (path.W + path.T) / 2
        turned = middle @ basis
        chosen = list(self.chosen)
        found = np.zeros_like(turned)
        if not chosen:
            return found, path.P.copy()
        c = (m / s)[chosen]
        A, P = projected(turned[:, :, chosen], path.P, c, weight)
        found[:, :, chosen] = A
        return found @ basis.T, P


def projected(A0: Array, P0: Array, c: Array, weight: float) -> tuple[Array, Array]:
    """Return (A, P) with P A = A diag(c) near (A0, P0): A (B, n, k), P (B, n, n)."""
    B, n, k = A0.shape
    A, P = A0.copy(), P0.copy()
    eye_n, eye_k = np.eye(n), np.eye(k)
    scale = np.concatenate([np.full(n * k, 1 / weight), np.ones(n * n)])
    for _ in range(ITERATIONS):
        off = P @ A - A * c
        by_a = np.einsum("zac,bd->zabcd", P, eye_k) - np.einsum("ac,bd,b->abcd", eye_n, eye_k, c)
        by_p = np.einsum("ac,zdb->zabcd", eye_n, A)
        J = np.concatenate([by_a.reshape(B, n * k, -1), by_p.reshape(B, n * k, -1)], axis=2)
        gone = np.concatenate([(A0 - A).reshape(B, -1), (P0 - P).reshape(B, -1)], axis=1)
        miss = off.reshape(B, -1) + np.einsum("zij,zj->zi", J, gone)
        square = np.einsum("zij,j,zkj->zik", J, scale, J) + TINY * np.eye(n * k)
        push = np.linalg.solve(square, miss[:, :, None])[:, :, 0]
        move = gone - scale * np.einsum("zij,zi->zj", J, push)
        A, P = A + move[:, : n * k].reshape(A.shape), P + move[:, n * k :].reshape(P.shape)
    return A, P


def family_targets(model: Model, components: Sequence[Component]) -> list[FamilyTarget]:
    """Return the families of a model without decay; raises `ScopeError` for what has none."""
    if model.eta or model.eta_p or not model.moments.commute:
        raise ScopeError(
            "overlay: without weight decay runs are compared with equilibria for commuting moments "
            "and both decays 0 only"
        )
    s, m, _ = model.moments.eigenbasis
    c = m / s
    if len(np.unique(np.round(c, 9))) < len(c):
        raise ScopeError("overlay: without weight decay, modes with equal m/s are not compared")
    return [
        FamilyTarget(component, model, tuple(number - 1 for number in component.modes))
        for component in components
        if component.modes is not None
    ]
