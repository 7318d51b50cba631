"""Strata and the connections between them, every one followed numerically. Start here.

Every unstable direction of every stratum is followed in the invariant subspace of its block, and
starts anywhere in the unstable eigenspaces in the full space. On unstable manifolds the balance
a W W^T - P^T P = 0 holds (T2.1), the range of W is kept and the rank can only fall.

One kind of connection is proved: in the plane of one mode, p- leads up to p+ and down to 0 (T12.1).
The unstable manifold of p- is balanced, so that p = sqrt(a) w. For stop-gradient the rest is
p' = p (p (m - p s) - eta), a scalar equation. For EMA it is p' = p (t m - p^2 s - eta),
t' = beta (p - t), a cooperative system (for m < 0 change the signs of m and p), whose orbits on the
unstable manifold are monotone and bounded by the next equilibrium, so they tend to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import ConsistencyError
from equilibria.graph.directions import Direction, blocks_of, directions_of
from equilibria.graph.landscape import Block, Choice, Landscape, potential
from equilibria.graph.mixtures import mixed_starts
from equilibria.graph.orbits import Orbit, Tracker
from equilibria.graph.result import Connection, ConnectionGraph, Node
from equilibria.graph.scope import check_scope, check_seed
from equilibria.graph.starts import StartList, weights_for
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import State
from equilibria.varieties.commuting.variety import aligned_variety
from equilibria.varieties.component import Component, How, Variety, Verdict

if TYPE_CHECKING:
    from equilibria.graph.result import LearningOrder

DEFAULT_COMPONENTS = 64


def connection_graph(
    model: Model,
    *,
    max_components: int = DEFAULT_COMPONENTS,
    seed: int = 0,
    order: LearningOrder | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> ConnectionGraph:
    """Return the strata of a model and the connections between them.

    For stop-gradient and EMA with weight decay, small sizes only where moments do not commute
    (`noncommuting`); with the joint objective and weight decay collapse is all there is. Raises
    `ScopeError` otherwise. `seed` fixes the random
    directions; equal arguments give equal results.
    """
    began = time.perf_counter()
    model.plain("graph")
    if model.traits.family is Family.JOINT and model.eta and model.eta_p:
        return _joint(model, max_components)
    check_scope(model, commuting=False)
    check_seed(seed)
    if not model.moments.commute:
        from equilibria.graph.noncommuting import noncommuting_graph

        return noncommuting_graph(
            model, max_components=max_components, seed=seed, progress=progress
        )
    variety = aligned_variety(model, max_components=max_components)
    graph = replace(_surveyed(model, variety, seed), order=order)
    return replace(graph, seconds=time.perf_counter() - began)


def _surveyed(model: Model, variety: Variety, seed: int) -> ConnectionGraph:
    survey = _Survey(model, variety, seed)
    return ConnectionGraph(
        model=model,
        nodes=survey.nodes,
        connections=tuple(survey.connections()),
        unsettled=dict(sorted(survey.unsettled.items())),
        outside=dict(sorted(survey.outside.items())),
        total=variety.total,
        complete=variety.complete,
        why=variety.why,
        runs=survey.runs,
    )


def _joint(model: Model, max_components: int) -> ConnectionGraph:
    from equilibria.varieties.real_spectrum.joint import joint_variety

    variety = joint_variety(model, max_components=max_components)
    nodes = tuple(_plain_node(component) for component in variety.components)
    return ConnectionGraph(
        model, nodes, (), total=variety.total, complete=variety.complete, why=variety.why
    )


def _plain_node(component: Component, index: int = 0) -> Node:
    return Node(
        id=component.id,
        rank=component.rank or 0,
        modes=component.modes or (),
        roots=component.roots or (),
        p=(),
        p_values=(),
        index=index,
        index_how=component.flow.how,
        flow=component.flow.verdict,
        map=component.map.verdict,
    )


class _Survey:
    """Follows every unstable direction of the listed strata and turns ends into connections."""

    def __init__(self, model: Model, variety: Variety, seed: int) -> None:
        self.model, self.seed = model, seed
        self.landscape = Landscape(model)
        self.components = variety.components
        self.aligned = [c for c in self.components if c.modes is not None]
        self.mixed = [c for c in self.components if c.modes is None]
        self.choices = {c.id: self._choice_of(c) for c in self.aligned}
        self.known = {choice: name for name, choice in self.choices.items()}
        self.unsettled: dict[str, int] = {}
        self.outside: dict[str, int] = {}
        self.rows = max([1, *(component.rank or 0 for component in self.components)])
        self.tracker = Tracker(self.landscape, self.rows)
        self.directions: dict[tuple[object, ...], list[Direction]] = {}
        self.blocks: dict[str, list[tuple[Block, int]]] = {
            name: list(blocks_of(self.landscape, self.landscape.stratum(choice)))
            for name, choice in self.choices.items()
        }
        self.mixed_starts = StartList(self.landscape, self.rows)
        self.mixed_index = mixed_starts(self.mixed_starts, self.mixed, self.random(0))
        self.nodes = tuple(self._node(component) for component in self.components)
        self.runs = 0

    def random(self, stream: int) -> np.random.Generator:
        """Return a generator that depends on the seed and a stream number alone."""
        return np.random.Generator(np.random.Philox(key=[self.seed, stream]))

    def _choice_of(self, component: Component) -> Choice:
        assert component.modes is not None
        assert component.roots is not None
        pairs = zip(component.modes, component.roots, strict=True)
        places = (self.landscape.place[f"{mode}{root}"] for mode, root in pairs)
        return self.landscape.choice(self.landscape.states[place] for place in places)

    def _node(self, component: Component) -> Node:
        if component.modes is None:
            node = _plain_node(component, self.mixed_index[component.id])
            return replace(node, index_how=How.NUMERIC)
        stratum = self.landscape.stratum(self.choices[component.id])
        exact = self.model.exact and self.model.kappa == 1
        index = self.landscape.index(stratum)
        if sum(count for _, count in self.blocks[component.id]) != index:
            raise ConsistencyError(f"{component.id}: the blocks do not add up to index {index}")
        if component.flow.verdict is Verdict.UNSTABLE and not index:
            raise ConsistencyError(f"{component.id}: unstable, but no block has a positive sign")
        return replace(
            _plain_node(component, index),
            p=tuple(state.p.text() if self.model.exact else repr(state.value) for state in stratum),
            p_values=tuple(state.value for state in stratum),
            index_how=How.CERTIFIED if exact and stratum else component.flow.how,
            potential=potential(self.model, stratum),
        )

    # Runs

    def connections(self) -> Iterator[Connection]:
        """Follow all starts and yield what they show, in canonical order."""
        starts = StartList(self.landscape, self.rows)
        owners = self._block_starts(starts)
        generic = self._generic_starts(starts)
        mixed = self._append_mixed(starts)
        orbits = self.tracker.run(starts.starts())
        self.runs = len(starts)
        for component in self.components:
            name, found = component.id, list[Connection]()
            for block, count in self.blocks.get(name, []):
                if not self.directions[_key(block)]:
                    self.unsettled[name] = self.unsettled.get(name, 0) + 2 * count
                for row, sign in owners[_key(block)]:
                    found += self._of_block(name, block, sign, orbits[row], starts.eps[row])
            for row in [*generic.get(name, ()), *mixed.get(name, ())]:
                found += self._of_generic(name, orbits[row], starts.eps[row])
            yield from _merged(found)

    def _block_starts(self, starts: StartList) -> dict[tuple[object, ...], list[tuple[int, int]]]:
        """Add the starts of every block that occurs, once; return their rows and signs."""
        owners: dict[tuple[object, ...], list[tuple[int, int]]] = {}
        for blocks in self.blocks.values():
            for block, count in blocks:
                key = _key(block)
                if key in owners:
                    continue
                owners[key] = []
                try:
                    self.directions[key] = directions_of(self.landscape, block, count)
                except ConsistencyError:  # doubles do not see the signs: nothing to follow here
                    self.directions[key] = []
                for direction in self.directions[key]:
                    for sign in (1, -1):
                        owners[key].append((len(starts), sign))
                        starts.add_block(direction, sign)
        return owners

    def _generic_starts(self, starts: StartList) -> dict[str, range]:
        rows: dict[str, range] = {}
        for number, (name, blocks) in enumerate(self.blocks.items(), 1):
            if not blocks:
                continue
            random = self.random(number)
            directions = [d for block, _ in blocks for d in self.directions[_key(block)]]
            if not directions:
                continue
            first = len(starts)
            for weights in weights_for(len(directions), random):
                stratum = self.landscape.stratum(self.choices[name])
                starts.add_generic(stratum, directions, weights, random)
            rows[name] = range(first, len(starts))
        return rows

    def _append_mixed(self, starts: StartList) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for name, W, P, T, eps in zip(
            self.mixed_starts.names,
            self.mixed_starts.W,
            self.mixed_starts.P,
            self.mixed_starts.T,
            self.mixed_starts.eps,
            strict=True,
        ):
            rows.setdefault(name, []).append(len(starts))
            starts.add((W, P, T), tuple(range(starts.columns)), eps)
        return rows

    # Ends

    def _of_block(
        self, name: str, block: Block, sign: int, orbit: Orbit, eps: float
    ) -> Iterator[Connection]:
        rest = _minus(self.choices[name], self.landscape.choice(block.states))

        def full(choice: Choice) -> Choice:
            return _plus(rest, choice)

        direction = block.words
        if block.kind == "diagonal":
            direction += " up" if sign > 0 else " down"
        how = How.NUMERIC
        if block.kind == "diagonal" and self.model.kappa == 1:
            if not self._as_proved(block.states[0], sign, orbit):
                self.unsettled[name] = self.unsettled.get(name, 0) + 1
                return
            how = How.PROVED
        yield from self._connection(name, orbit, eps, block.kind, direction, how, full)

    def _as_proved(self, state: State, sign: int, orbit: Orbit) -> bool:
        """Return whether the run of one mode ends where it is proved to, p- up at p+ or down at 0."""
        label = f"{state.mode.number}+"
        upper = [self.landscape.states[self.landscape.place[label]]] if sign > 0 else []
        return orbit.end is None or orbit.end == self.landscape.choice(upper)

    def _of_generic(self, name: str, orbit: Orbit, eps: float) -> Iterator[Connection]:
        yield from self._connection(
            name, orbit, eps, "generic", "unstable eigenspace", How.NUMERIC, lambda choice: choice
        )

    def _connection(
        self,
        name: str,
        orbit: Orbit,
        eps: float,
        kind: str,
        direction: str,
        how: How,
        full: Callable[[Choice], Choice],
    ) -> Iterator[Connection]:
        if orbit.end is None:
            self.unsettled[name] = self.unsettled.get(name, 0) + 1
            return
        end = full(orbit.end)
        if end not in self.known:
            self.outside[name] = self.outside.get(name, 0) + 1
            return
        passed = [self.landscape.name(full(visit.choice)) for visit in orbit.visits]
        target = self.known[end]
        yield Connection(
            source=name,
            target=target,
            how=how,
            kind=kind,
            direction=direction,
            runs=1,
            eps=eps,
            distance=orbit.distance,
            residual=orbit.residual,
            time=orbit.time,
            passed=tuple(p for p in passed if p not in (name, target)),
            tolerance=self.tracker.rtol,
        )


def _merged(found: list[Connection]) -> list[Connection]:
    """Return one connection for runs with the same ends, kind and direction."""
    merged: dict[tuple[str, str, str], Connection] = {}
    for connection in found:
        key = (connection.target, connection.kind, connection.direction)
        if key in merged:
            connection = replace(merged[key], runs=merged[key].runs + 1)
        merged[key] = connection
    return list(merged.values())


def _key(block: Block) -> tuple[object, ...]:
    labels = tuple(state.label for state in block.states)
    return (block.kind, labels, None if block.other is None else block.other.number)


def _plus(left: Choice, right: Choice) -> Choice:
    return tuple((a + c, b + d) for (a, b), (c, d) in zip(left, right, strict=True))


def _minus(left: Choice, right: Choice) -> Choice:
    return tuple((a - c, b - d) for (a, b), (c, d) in zip(left, right, strict=True))


__all__ = ["check_scope", "check_seed", "connection_graph"]
