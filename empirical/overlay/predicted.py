"""The components a run is compared with: what `analyze` predicts, each as a place with a distance.

All of them where they are few; otherwise every stable one and those that the runs came near to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from empirical.linear.classify import ByModes, components_of, places_of
from empirical.overlay.distance import ITERATIONS, orbit_distance
from empirical.overlay.rate import normal_moduli
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import groups_of, modes_of, state_of_member
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component, Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from empirical.overlay.source import Path3

    Array = NDArray[np.float64]

FEW = 16
VISITED = 12
STABLE = 32
NEAR = 1e-3


class Target(Protocol):
    """A component as a place: its prediction, and how far away a run is."""

    @property
    def component(self) -> Component: ...

    @property
    def id(self) -> str: ...

    @property
    def verdict(self) -> Verdict: ...

    def moduli(self, path: Path3 | None = None) -> Array:
        """Return the moduli of the normal multipliers near the end of a run, largest first."""
        ...

    def distances(self, path: Path3, *, iterations: int = ITERATIONS) -> Array:
        """Return the distance of each snapshot to the component."""
        ...


@dataclass(frozen=True, eq=False)
class OrbitTarget:
    """A component that is the orbit of one point (W, P), W (n, d), under the symmetry.

    `blocks` hold bases of the data directions that are interchangeable (repeated modes).
    """

    component: Component
    W: Array
    P: Array
    blocks: tuple[Array, ...]
    learned: bool

    @property
    def id(self) -> str:
        return self.component.id

    @property
    def verdict(self) -> Verdict:
        return self.component.map.settled

    def moduli(self, path: Path3 | None = None) -> Array:
        return normal_moduli(self.component)

    def distances(self, path: Path3, *, iterations: int = ITERATIONS) -> Array:
        P = path.P if self.learned else None
        return orbit_distance(path.W, P, path.T, self.W, self.P, self.blocks, iterations=iterations)


@dataclass(frozen=True)
class Prediction:
    """The places of one model, stable ones first, and how near counts as there.

    `listed` says in words which components are among them.
    """

    model: Model
    targets: tuple[Target, ...]
    near: float
    listed: str
    scale: float
    stable_ids: tuple[str, ...]

    @property
    def stable(self) -> tuple[Target, ...]:
        return tuple(t for t in self.targets if t.verdict is Verdict.STABLE)

    def target(self, name: str) -> Target:
        return next(t for t in self.targets if t.id == name)


def predict(model: Model, paths: Sequence[Path3]) -> Prediction:
    """Return the components of a model to compare these runs with.

    Raises `AnalysisError` where `analyze` knows no answer.
    """
    components = components_of(model)
    stable = [c for c in components if c.map.verdict is Verdict.STABLE]
    if not (model.eta and model.eta_p) and model.traits.bootstraps:
        from empirical.overlay.families import family_targets

        targets: list[Target] = list(family_targets(model, components))
    else:
        targets = [_target(model, c) for c in _chosen(model, components, stable, paths)]
    targets.sort(key=lambda t: (t.verdict is not Verdict.STABLE, -(t.component.rank or 0), t.id))
    sizes = [float(np.linalg.norm(t.W)) for t in targets if isinstance(t, OrbitTarget)]
    return Prediction(
        model=model,
        targets=tuple(targets),
        near=float(getattr(places_of(model), "near", NEAR)),
        listed=_words(len(targets), len(components)),
        scale=max(1.0, *sizes) if sizes else 1.0,
        stable_ids=tuple(c.id for c in stable),
    )


def _words(shown: int, known: int) -> str:
    if shown >= known:
        return f"all {shown} components"
    return f"{shown} of {known} components: the stable ones and those that runs came near to"


def _chosen(
    model: Model,
    components: Sequence[Component],
    stable: Sequence[Component],
    paths: Sequence[Path3],
) -> list[Component]:
    places = places_of(model)
    if isinstance(places, ByModes):
        visited = _visited(places, paths)
        known = {c.id: c for c in components}
        if len(components) <= FEW:
            return [*components, *_evaluated(model, [v for v in visited if v not in known])]
        kept = list(stable) if len(stable) <= STABLE else [c for c in stable if c.id in visited]
        names = [v for v in visited if v not in {c.id for c in kept}]
        more = [known[v] for v in names if v in known]
        return [*kept, *more, *_evaluated(model, [v for v in names if v not in known])]
    if len(components) <= FEW:
        return list(components)
    rest = [c for c in components if c.map.verdict is not Verdict.STABLE]
    closest = {c.id: _closest(_target(model, c), paths) for c in rest}
    rest.sort(key=lambda c: closest[c.id])
    return [*stable, *rest[:VISITED]]


def _visited(places: ByModes, paths: Iterable[Path3]) -> list[str]:
    """Return the strata that are nearest at some time, most often first."""
    counts: Counter[str] = Counter()
    for path in paths:
        counts.update(e.id for e in places.endings(path.W, path.P, path.T) if e.id)
    return [name for name, _ in counts.most_common(VISITED)]


def _closest(target: Target, paths: Sequence[Path3]) -> float:
    return min((float(target.distances(p, iterations=1).min()) for p in paths), default=np.inf)


def _evaluated(model: Model, names: Sequence[str]) -> list[Component]:
    """Return strata of commuting moments by their names."""
    if not names:
        return []
    from equilibria.varieties.commuting.components import evaluate

    modes = modes_of(model.moments)
    states = {}
    for group in groups_of(modes, model.eta):
        for mode in group.modes:
            members = (state_of_member(state, mode) for state in group.states)
            states.update({state.label: state for state in members})
    strata = [tuple(states[label] for label in _labels(name)) for name in names]
    return evaluate(model, modes, strata)


def _labels(name: str) -> list[str]:
    _, _, listed = name.partition(":")
    return listed.split(",") if listed else []


def _target(model: Model, component: Component) -> OrbitTarget:
    point = {
        name: np.array([[entry_float(value) for value in row] for row in rows])
        for name, rows in component.representative.items()
    }
    return OrbitTarget(
        component,
        point["W"],
        point.get("P", np.zeros((model.n, model.n))),
        _blocks(model),
        learned=model.traits.family is not Family.CONTRASTIVE,
    )


def _blocks(model: Model) -> tuple[Array, ...]:
    """Return bases of the repeated modes, whose directions are interchangeable."""
    if not model.moments.commute or not model.eta:
        return ()
    basis = model.moments.eigenbasis[2]
    groups = groups_of(modes_of(model.moments), model.eta)
    return tuple(basis[:, [m.number - 1 for m in g.modes]] for g in groups if len(g.modes) > 1)
