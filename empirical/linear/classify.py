"""On which component does a run end? Distance modulo O(n), residual and change together.

Only the distance is measured here; whether a run has come to rest is decided in `simulate` by its
residual and by the change of one step, and never by what is predicted to be stable. A run that
waits at a saddle is near a component but still moves away from it: it counts as running.

The rotation W -> Q W, P -> Q P Q^T is divided out by the Q that fits W best (Procrustes); P does not
depend on what Q does outside the range of W at an equilibrium (T6.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import numpy as np

from equilibria.errors import ScopeError
from equilibria.report.analyze import analyze
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import State, groups_of, modes_of, state_of_member
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

LISTED = 4096
NEAR = 1e-3
"""Largest distance, relative to the size of the equilibria; also at most a quarter of the gap
between two of them."""
ALIVE = 1e-4


@dataclass(frozen=True)
class Ending:
    """The nearest component of one run ("" where nothing is known) and the distance to it."""

    id: str
    distance: float
    near: bool


@dataclass(frozen=True)
class Place:
    """A component as a place where runs can end; `verdict` is that of the map, None if unknown."""

    id: str
    rank: int | None
    verdict: Verdict | None
    largest_step: float | None = None


class Places(Protocol):
    """The components of one model."""

    def endings(self, W: Array, P: Array, T: Array | None) -> list[Ending]:
        """Return the nearest component for each run; W (R, n, d), P (R, n, n)."""
        ...

    def place(self, name: str) -> Place:
        """Return what is predicted for a component that `endings` named."""
        ...


@lru_cache(maxsize=8)
def components_of(model: Model) -> tuple[Component, ...]:
    """Return the components that `analyze` lists, all of them where runs are compared with a list."""
    if model.traits.bootstraps and model.moments.commute:
        return analyze(model).components
    return analyze(model, max_components=LISTED).components


@lru_cache(maxsize=1024)
def places_of(model: Model) -> Places:
    """Return the components of a model in the form that suits it."""
    if not (model.eta and model.eta_p):
        return ByRank(model)
    if model.traits.bootstraps and model.moments.commute:
        return ByModes(model)
    try:
        return ByList(model)
    except ScopeError:  # no list is known: what can be said is which modes are alive
        return ByRank(model)


class ByModes:
    """Commuting moments: every mode rests at 0, p- or p+, so the nearest stratum is found mode by mode.

    Only strata that runs come near to are ever evaluated, whatever their number.
    """

    def __init__(self, model: Model) -> None:
        self.model, self.modes = model, modes_of(model.moments)
        kappa = model.kappa
        assert kappa is not None
        self.scale = float(model.alpha / kappa)
        self.basis = model.moments.eigenbasis[2]
        groups = groups_of(self.modes, model.eta)
        self.equal = [[m.number - 1 for m in g.modes] for g in groups if len(g.modes) > 1]
        self.states: list[list[State]] = [[] for _ in self.modes]
        for group in groups:
            for mode in group.modes:
                self.states[mode.number - 1] = [state_of_member(s, mode) for s in group.states]
        sizes = np.zeros((3, len(self.modes)))
        for j, states in enumerate(self.states):
            for row, state in enumerate(states, 1):
                sizes[row, j] = abs(state.value)
        self.sizes = np.where(sizes > 0, sizes, np.inf)
        self.sizes[0] = 0.0
        ordered = np.sort(np.where(np.isfinite(self.sizes), self.sizes, np.nan), axis=0)
        gaps = np.diff(ordered, axis=0)
        gap = float(np.nanmin(gaps)) if np.isfinite(gaps).any() else np.inf
        self.near = min(NEAR * max(1.0, float(sizes.max())), 0.25 * gap)
        self.known: dict[str, Place] = {}

    def endings(self, W: Array, P: Array, T: Array | None) -> list[Ending]:
        turned = W @ self.basis
        for members in self.equal:  # equal modes: any rotation among them will do
            part = turned[:, :, members]
            vectors = np.linalg.eigh(part.swapaxes(1, 2) @ part)[1][:, :, ::-1]
            turned[:, :, members] = part @ vectors
        length = np.sqrt(self.scale * (turned**2).sum(axis=1))
        choice = np.abs(length[:, None, :] - self.sizes).argmin(axis=1)
        found: list[Ending] = [Ending("", np.inf, False)] * len(W)
        patterns, member = np.unique(choice, axis=0, return_inverse=True)
        for index, pattern in enumerate(patterns):
            rows = np.flatnonzero(member.ravel() == index)
            stratum = tuple(self.states[j][row - 1] for j, row in enumerate(pattern) if row)
            if len(stratum) > self.model.n:
                continue
            name, point, predictor = self._representative(stratum)
            lag = None if T is None else T[rows] - W[rows]
            off = distances(turned[rows], P[rows], lag, point, predictor)
            for row, distance in zip(rows.tolist(), off.tolist(), strict=True):
                found[row] = Ending(name, distance, distance <= self.near)
        return found

    def _representative(self, stratum: tuple[State, ...]) -> tuple[str, Array, Array]:
        from equilibria.varieties.commuting.components import evaluate, stratum_id

        name = stratum_id(stratum)
        if name not in self.known:
            self.known[name] = _place(evaluate(self.model, self.modes, [stratum])[0])
        point, predictor = np.zeros((self.model.n, self.model.d)), np.zeros((self.model.n,) * 2)
        for row, state in enumerate(stratum):
            point[row, state.mode.number - 1] = state.value / np.sqrt(self.scale)
            predictor[row, row] = state.value
        return name, point, predictor

    def place(self, name: str) -> Place:
        return self.known[name]


class ByList:
    """Components as `analyze` lists them, each by its representative."""

    def __init__(self, model: Model) -> None:
        components = components_of(model)
        self.places = {c.id: _place(c) for c in components}
        self.basis = np.eye(model.d)
        self.points: list[tuple[str, Array, Array]] = []
        for c in components:
            point = {
                name: np.array([[entry_float(v) for v in row] for row in rows])
                for name, rows in c.representative.items()
            }
            predictor = point.get("P", np.zeros((model.n, model.n)))
            self.points.append((c.id, point["W"], predictor))
        self.fixed = model.traits.family is Family.CONTRASTIVE
        self.near = self._near()

    def _near(self) -> float:
        sizes = [float(np.linalg.norm(W)) for _, W, _ in self.points]
        grams = [W.T @ W for _, W, _ in self.points]
        gap = min(
            (
                float(np.linalg.norm(left - right)) / max(a, b)
                for i, (left, a) in enumerate(zip(grams, sizes, strict=True))
                for right, b in list(zip(grams, sizes, strict=True))[:i]
                if max(a, b) > 0
            ),
            default=np.inf,
        )
        return min(NEAR * max(1.0, *sizes), 0.25 * gap if gap > 0 else NEAR)

    def endings(self, W: Array, P: Array, T: Array | None) -> list[Ending]:
        best = np.full(len(W), np.inf)
        which = np.zeros(len(W), np.int64)
        lag = None if T is None else T - W
        for index, (_, point, predictor) in enumerate(self.points):
            own = np.zeros_like(P) if self.fixed else P  # contrastive has no predictor
            off = distances(W, own, lag, point, predictor)
            closer = off < best
            best[closer], which[closer] = off[closer], index
        return [
            Ending(self.points[k][0], float(off), bool(off <= self.near))
            for k, off in zip(which.tolist(), best.tolist(), strict=True)
        ]

    def place(self, name: str) -> Place:
        return self.places[name]


class ByRank:
    """Without weight decay equilibria fill families: a run at rest is told by its modes alone."""

    def __init__(self, model: Model) -> None:
        self.commute = model.moments.commute
        self.basis = model.moments.eigenbasis[2] if self.commute else np.eye(model.d)
        self.known: dict[str, Place] = {}

    def endings(self, W: Array, P: Array, T: Array | None) -> list[Ending]:
        return [Ending(self._name(matrix @ self.basis), 0.0, True) for matrix in W]

    def _name(self, W: Array) -> str:
        if self.commute:
            alive = (np.flatnonzero(np.linalg.norm(W, axis=0) > ALIVE) + 1).tolist()
            rank = len(alive)
            name = f"rank{rank}" + (":" + ",".join(f"{j}+" for j in alive) if alive else "")
        else:
            rank = int((np.linalg.svd(W, compute_uv=False) > ALIVE).sum())
            name = f"rank{rank}"
        self.known.setdefault(name, Place(name, rank, None))
        return name

    def place(self, name: str) -> Place:
        return self.known[name]


def distances(W: Array, P: Array, lag: Array | None, point: Array, predictor: Array) -> Array:
    """Return |(W, P, T) - (Q W*, Q P* Q^T, Q W*)| in the Frobenius norm, with Q from Procrustes."""
    left, _, right = np.linalg.svd(W @ point.T)
    turn = left @ right
    off = ((W - turn @ point) ** 2).sum(axis=(1, 2))
    off += ((P - turn @ predictor @ turn.swapaxes(1, 2)) ** 2).sum(axis=(1, 2))
    if lag is not None:
        off += (lag**2).sum(axis=(1, 2))
    return np.asarray(np.sqrt(off))


def _place(component: Component) -> Place:
    step = component.map.largest_step
    verdict = component.map.settled
    return Place(component.id, component.rank, verdict, None if step is None else float(step))
