"""When has a trajectory arrived, and where? Distances to the predicted strata, symmetry divided out.

A trajectory counts as settled when it lies inside a ball around a *stable* stratum in which the
linear part dominates; near a saddle it is still under way, however slowly it moves. The rotation
W -> Q W, P -> Q P Q^T is divided out by comparing G = a W^T W with diag(p_i^2) on the active set
(a = alpha/kappa, T6.3) and P with W diag(a/p_i) W^T, for which no angle has to be found. Without
weight decay, or where no mode list describes the equilibria, see `Residual` and `Listed`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Protocol

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics
from equilibria.varieties.commuting.modes import Mode, State, groups_of, modes_of, state_of_member
from equilibria.varieties.component import Component, Verdict
from equilibria.varieties.routes import variety_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Codes = NDArray[np.int64]

MARGIN = 0.25
"""Radius of the ball, in units of the smallest distance to another equilibrium or to the decay."""
RESIDUAL = 1e-6
ALIVE = 1e-4


class Targets(Protocol):
    """Where trajectories can settle: code k of `settle` is component `names[k]`."""

    @property
    def names(self) -> list[str]: ...

    @property
    def ranks(self) -> list[int | None]: ...

    def settle(self, y: Array, f: Array) -> Codes:
        """Return a code for each settled state and -1 for the rest; f holds the derivatives."""
        ...


def targets_for(model: Model, dynamics: MatrixDynamics, *, is_map: bool) -> Targets:
    """Return the way of settling that suits the model."""
    if not model.eta or not model.eta_p:
        return Residual(dynamics)
    if model.moments.commute:
        return Aligned(model, dynamics, is_map=is_map)
    return Listed(model, dynamics, is_map=is_map)


def radius_of(model: Model, component: Component, spacing: float, *, is_map: bool) -> float:
    """Return the radius of the ball around a component, 0.0 where it is not stable.

    It is a quarter of the distance to the next obstacle (`spacing`, and eta/|M|, twice the radius of
    T2.5), shortened where the slowest normal rate is below the weight decay.
    """
    stability = component.map if is_map else component.flow
    if stability.verdict is not Verdict.STABLE:
        return 0.0
    eta = to_float(min(model.eta, model.eta_p))
    extent = stability.extent
    rate = eta if extent is None else (1 - extent) / to_float(model.h) if is_map else -extent
    signal = float(np.abs(np.linalg.eigvalsh(model.moments.matrices()[1])).max()) or 1.0
    return MARGIN * min(spacing, eta / signal) * min(1.0, rate / eta)


@dataclass
class Aligned:
    """Strata of commuting moments: sets of active modes at p+ (T6.3)."""

    model: Model
    dynamics: MatrixDynamics
    is_map: bool
    names: list[str] = field(default_factory=list)
    ranks: list[int | None] = field(default_factory=list)

    def __post_init__(self) -> None:
        model = self.model
        kappa = model.kappa
        assert kappa is not None
        self.scale = to_float(model.alpha / kappa)
        self.modes = modes_of(model.moments)
        groups = groups_of(self.modes, model.eta)
        self.groups = [[m.number - 1 for m in g.modes] for g in groups if len(g.modes) > 1]
        self.states: dict[int, State] = {}
        self.upper = np.full(model.d, np.inf)
        self.cut = np.full(model.d, np.inf)
        self.spacing = np.full(model.d, np.inf)
        for group in groups:
            for mode in group.modes:
                self._register(mode.number - 1, group.states, mode)
        self.known: dict[bytes, tuple[int, float]] = {}
        self.lock = Lock()
        eta = to_float(min(model.eta, model.eta_p))
        finite = np.abs(self.spacing[np.isfinite(self.spacing)])
        self.reach = MARGIN * max(float(finite.max(initial=0.0)), eta)

    def _register(self, j: int, states: tuple[State, ...], mode: Mode) -> None:
        if not states or states[0].fold:
            return
        self.states[j] = state_of_member(states[0], mode)
        self.upper[j] = states[0].value
        self.cut[j] = abs(states[0].value + states[1].value) / 2
        self.spacing[j] = abs(states[0].value - states[1].value)

    def settle(self, y: Array, f: Array) -> Codes:
        """Return the codes of the settled states."""
        W, P, T = self.dynamics.unpack(y)
        code = np.full(len(y), -1, dtype=np.int64)
        turned = self._in_group_axes(W) if self.groups else W
        size = np.sqrt(self.scale * np.einsum("bij,bij->bj", turned, turned))
        active = size > self.cut
        root = np.where(np.isfinite(self.upper), self.upper, 0.0)
        off = np.abs(size - np.where(active, np.abs(root), 0.0)).max(axis=1)
        near = np.flatnonzero(off <= self.reach)
        if not near.size:
            return code
        gap = np.maximum(
            off[near], self._rest(turned[near], P[near], T[near], W[near], active[near])
        )
        for row, distance in zip(near.tolist(), gap.tolist(), strict=True):
            index, radius = self._lookup(active[row])
            if distance <= radius > 0:
                code[row] = index
        return code

    def _rest(self, W: Array, P: Array, T: Array, plain: Array, active: NDArray[np.bool_]) -> Array:
        """Return the distances of P, T and the off-diagonal part of G from the stratum."""
        p = np.where(active, self.upper, np.inf)
        length = np.where(active, np.abs(p), 1.0)
        unit = np.sqrt(self.scale) * W / length[:, None, :]
        cross = np.abs(np.matmul(unit.transpose(0, 2, 1), np.sqrt(self.scale) * W))
        cross[:, np.arange(W.shape[2]), np.arange(W.shape[2])] = 0.0
        cross *= active[:, :, None]
        inverse = np.where(active, self.scale / p, 0.0)
        ideal = np.matmul(W * inverse[:, None, :], W.transpose(0, 2, 1))
        lag = np.sqrt(self.scale) * np.abs(T - plain).max(axis=(1, 2))
        wrong = np.abs(P - ideal).max(axis=(1, 2))
        return np.asarray(np.maximum(np.maximum(cross.max(axis=(1, 2)), lag), wrong))

    def _in_group_axes(self, W: Array) -> Array:
        """Return W with equal modes rotated so that their Gram blocks are diagonal, descending."""
        turned = W.copy()
        for members in self.groups:
            part = W[:, :, members]
            gram = np.matmul(part.transpose(0, 2, 1), part)
            vectors = np.linalg.eigh(gram)[1][:, :, ::-1]
            turned[:, :, members] = np.matmul(part, vectors)
        return turned

    def _lookup(self, active: NDArray[np.bool_]) -> tuple[int, float]:
        key = active.tobytes()
        with self.lock:
            return self._known(key, active)

    def _known(self, key: bytes, active: NDArray[np.bool_]) -> tuple[int, float]:
        if key not in self.known:
            from equilibria.varieties.commuting.components import evaluate

            chosen = np.flatnonzero(active).tolist()
            if len(chosen) > self.model.n:
                self.known[key] = (-1, 0.0)
                return self.known[key]
            stratum = tuple(self.states[j] for j in chosen)
            component = evaluate(self.model, self.modes, [stratum])[0]
            spacing = min((float(self.spacing[j]) for j in chosen), default=np.inf)
            radius = radius_of(self.model, component, spacing, is_map=self.is_map)
            self.known[key] = (len(self.names), radius)
            self.names.append(component.id)
            self.ranks.append(len(chosen))
        return self.known[key]


class Listed:
    """Components that `analyze` lists, compared with their representatives after the best rotation.

    Q minimises |W - Q W*| (Procrustes); then P is compared with Q P* Q^T, which does not depend on
    what Q does outside the range of W*, because P* lives there (T6.1).
    """

    def __init__(self, model: Model, dynamics: MatrixDynamics, *, is_map: bool) -> None:
        from equilibria.varieties.commuting.representative import entry_float

        self.dynamics = dynamics
        self.names: list[str] = []
        self.ranks: list[int | None] = []
        self.points: list[tuple[Array, Array, float]] = []
        for component in variety_of(model).components:
            radius = radius_of(model, component, np.inf, is_map=is_map)
            if not radius:
                continue
            W, P = (
                np.array([[entry_float(v) for v in row] for row in component.representative[name]])
                for name in "WP"
            )
            self.names.append(component.id)
            self.ranks.append(component.rank)
            self.points.append((W, P, radius))

    def settle(self, y: Array, f: Array) -> Codes:
        """Return the codes of the settled states."""
        W, P, T = self.dynamics.unpack(y)
        gram = np.matmul(W.transpose(0, 2, 1), W)
        code = np.full(len(y), -1, dtype=np.int64)
        for index, (point, predictor, radius) in enumerate(self.points):
            reach = 2 * radius * (float(np.abs(point).max()) + radius) * point.size
            off = np.abs(gram - point.T @ point).max(axis=(1, 2))
            near = np.flatnonzero(off <= reach)
            if not near.size:
                continue
            left, _, right = np.linalg.svd(np.matmul(W[near], point.T))
            turn = np.matmul(left, right)
            gap = np.abs(W[near] - np.matmul(turn, point)).max(axis=(1, 2))
            ideal = np.matmul(np.matmul(turn, predictor), turn.transpose(0, 2, 1))
            gap = np.maximum(gap, np.abs(P[near] - ideal).max(axis=(1, 2)))
            gap = np.maximum(gap, np.abs(T[near] - W[near]).max(axis=(1, 2)))
            code[near[gap <= radius]] = index
        return code


class Residual:
    """Without decay equilibria fill whole families: settled when nothing moves any more.

    The components are then told apart by the modes that W still carries.
    """

    def __init__(self, dynamics: MatrixDynamics) -> None:
        self.dynamics = dynamics
        self.names: list[str] = []
        self.ranks: list[int | None] = []
        self.known: dict[str, int] = {}
        self.lock = Lock()

    def settle(self, y: Array, f: Array) -> Codes:
        """Return the codes of the settled states."""
        W, _, _ = self.dynamics.unpack(y)
        code = np.full(len(y), -1, dtype=np.int64)
        still = np.abs(f).max(axis=1) <= RESIDUAL * np.maximum(1.0, np.abs(y).max(axis=1))
        for row in np.flatnonzero(still).tolist():
            name, rank = self._describe(W[row])
            with self.lock:
                if name not in self.known:
                    self.known[name] = len(self.names)
                    self.names.append(name)
                    self.ranks.append(rank)
                code[row] = self.known[name]
        return code

    def _describe(self, W: Array) -> tuple[str, int]:
        if not self.dynamics.diagonal:
            rank = int((np.linalg.svd(W, compute_uv=False) > ALIVE).sum())
            return f"rank{rank}", rank
        modes = (np.flatnonzero(np.sqrt((W**2).sum(axis=0)) > ALIVE) + 1).tolist()
        members = ":" + ",".join(f"{mode}+" for mode in modes) if modes else ""
        return f"rank{len(modes)}{members}", len(modes)
