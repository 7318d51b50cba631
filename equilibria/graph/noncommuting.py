"""The connection graph of moments that do not commute: equilibria and limit cycles as nodes.

Nodes are what the general analysis finds (`general`), and the cycles that runs settle on. From every
unstable node runs start a thousandth away along each unstable direction, both ways, and in random
combinations of them where there are several; the edge is where the run ends. Everything is numeric.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from equilibria.cycles import find_cycles
from equilibria.cycles.cycle import LimitCycle
from equilibria.cycles.pairs import frequency, leading_pair
from equilibria.cycles.setting import Setting, core_of, of_model
from equilibria.errors import ConsistencyError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.graph.arrivals import TOLERANCE, Follower
from equilibria.graph.places import Place, collapse_place, equilibrium_place
from equilibria.graph.result import Connection, ConnectionGraph, Node
from equilibria.systems.model import Model
from equilibria.varieties.component import Component, How, Verdict
from equilibria.varieties.noncommuting.core import Array, CoreEquilibrium
from equilibria.varieties.noncommuting.variety import general_variety

LARGEST = 4
EPS = 1e-3
COMBINATIONS = 4
PERIODS = 10.0
MOST_RUNS = 1200
GIVEN_UP = 2  # runs of one node that settle nowhere, after which its others are not tried

Tell = Callable[[int, int], None]


def noncommuting_graph(
    model: Model, *, max_components: int, seed: int, progress: Tell | None = None
) -> ConnectionGraph:
    """Return the components and cycles of a small model and the connections between them.

    For stop-gradient and EMA with weight decay, n and d at most LARGEST; raises `ScopeError`
    otherwise, and where more runs than MOST_RUNS would be needed.
    """
    began = time.perf_counter()
    if max(model.n, model.d) > LARGEST:
        raise ScopeError(
            f"--embed-dim {model.n}, d = {model.d}: Sigma and M do not commute, and then every "
            f"connection is an integration of the full system: n and d at most {LARGEST}",
            hint="`equilibria` lists the components; `simulate` shows where runs end",
        )
    setting = of_model(model)
    variety = general_variety(model, max_components=max_components)
    survey = _Survey(model, setting, variety.components, seed)
    connections = tuple(survey.connections(progress or (lambda done, total: None)))
    graph = ConnectionGraph(
        model=model,
        nodes=survey.nodes(),
        connections=connections,
        unsettled=dict(sorted(survey.unsettled.items())),
        total=variety.total,
        complete=variety.complete,
        why=variety.why,
        runs=survey.runs,
    )
    return replace(graph, seconds=time.perf_counter() - began)


class _Survey:
    """Follows every unstable direction of every node, those found on the way included."""

    def __init__(
        self, model: Model, setting: Setting, components: tuple[Component, ...], seed: int
    ) -> None:
        self.model, self.setting, self.components = model, setting, components
        self.seed = seed
        self.unsettled: dict[str, int] = {}
        self.runs = 0
        cores = {c.id: core_of(model, c, setting) for c in components if c.rank}
        places = [
            equilibrium_place(setting, cores[c.id], c) if c.rank else collapse_place(c.id, setting)
            for c in components
        ]
        slowest = [-c.flow.extent for c in components if c.flow.extent and c.flow.extent < 0]
        self.follower = Follower(setting, places, min(slowest, default=setting.eta))
        self.chunk = _chunk(setting, list(cores.values()))
        for cycle in find_cycles(model, seed=seed):
            self.follower.add(cycle)

    def connections(self, tell: Tell) -> Iterator[Connection]:
        """Run all starts, node by node; cycles that turn up are followed in their turn."""
        number = 0
        self._check_work()
        while number < len(self.follower.places):
            place = self.follower.places[number]
            tell(number, len(self.follower.places))
            yield from self._leaving(place, number)
            number += 1
        tell(number, number)

    def _check_work(self) -> None:
        starts = sum(len(_starts(p, np.random.default_rng(0))) for p in self.follower.places)
        if starts > MOST_RUNS:
            raise ScopeError(
                f"{starts} runs would be needed, the limit is {MOST_RUNS}",
                hint="list fewer components with --max-components",
            )

    def _leaving(self, place: Place, number: int) -> list[Connection]:
        rng = np.random.Generator(np.random.Philox(key=[self.seed, number]))
        merged: dict[tuple[str, str, str], Connection] = {}
        for vector, kind, words in _starts(place, rng):
            if self.unsettled.get(place.id, 0) >= GIVEN_UP:
                break  # what wanders costs most, and its neighbours wander too
            self.runs += 1
            size = EPS * float(np.linalg.norm(place.state))
            chunk = self.chunk if self.chunk else 20.0 / place.rate
            arrival = self.follower.run(place.state + size * vector, chunk)
            if arrival.end is None or arrival.end == place.id:
                self.unsettled[place.id] = self.unsettled.get(place.id, 0) + 1
                continue
            key = (arrival.end, kind, words)
            if key in merged:
                merged[key] = replace(merged[key], runs=merged[key].runs + 1)
                continue
            merged[key] = Connection(
                source=place.id,
                target=arrival.end,
                how=How.NUMERIC,
                kind=kind,
                direction=words,
                runs=1,
                eps=size,
                distance=arrival.distance,
                residual=arrival.residual,
                time=arrival.time,
                tolerance=TOLERANCE,
            )
        return [merged[key] for key in sorted(merged)]

    def nodes(self) -> tuple[Node, ...]:
        """The equilibria in the order of the report, then the cycles."""
        places = {place.id: place for place in self.follower.places}
        found = [self._equilibrium(c, places[c.id]) for c in self.components]
        cycles = self.follower.cycles
        ids = [place.id for place in self.follower.places[len(found) :]]
        scale = to_float(self.model.alpha / (self.model.kappa or 1))
        return (
            *found,
            *(
                _cycle_node(name, cycle, places[name], scale)
                for name, cycle in zip(ids, cycles, strict=True)
            ),
        )

    def _equilibrium(self, component: Component, place: Place) -> Node:
        if component.flow.verdict is Verdict.STABLE and place.index:
            raise ConsistencyError(f"{component.id} is stable, but {place.index} directions grow")
        return Node(
            id=component.id,
            rank=component.rank or 0,
            modes=(),
            roots=(),
            p=(),
            p_values=(),
            index=place.index,
            index_how=How.NUMERIC if component.rank else component.flow.how,
            flow=component.flow.verdict,
            map=component.map.verdict,
        )


def _chunk(setting: Setting, cores: list[CoreEquilibrium]) -> float | None:
    """A few periods of the fastest leading pair of any equilibrium; None where nothing turns."""
    pairs = [leading_pair(setting, core) for core in cores]
    rates = [frequency(setting, pair) for pair in pairs if pair is not None]
    return PERIODS * 2 * np.pi / max(rates) if rates else None


def _starts(place: Place, rng: np.random.Generator) -> list[tuple[Array, str, str]]:
    """Unit displacements with their kind and words: every direction both ways, then mixtures."""
    directions = place.directions
    found = []
    for direction in directions:
        for sign, word in ((1.0, "+"), (-1.0, "-")):
            words = direction.words if direction.kind == "plane" else f"{direction.words}, {word}"
            found.append((sign * direction.vector, direction.kind, words))
    if len(directions) > 1:
        basis = np.array([direction.vector for direction in directions])
        for weights in rng.standard_normal((COMBINATIONS, len(directions))):
            vector = weights @ basis
            unit = vector / np.linalg.norm(vector)
            found.append((unit, "generic", "unstable eigenspace"))
    return found


def _cycle_node(name: str, cycle: LimitCycle, place: Place, scale: float) -> Node:
    return Node(
        id=name,
        rank=cycle.turn.shape[0],
        modes=(),
        roots=(),
        p=(),
        p_values=(),
        index=place.index,
        index_how=How.NUMERIC,
        flow=cycle.verdict,
        map=Verdict.UNDECIDED,
        kind="cycle",
        period=cycle.period,
        amplitude=tuple((low / scale, high / scale) for low, high in cycle.amplitude),
        multipliers=tuple(cycle.multipliers.tolist()),
        tolerance=cycle.tolerance,
    )
