"""Displaced starts: an equilibrium plus a small step along its unstable directions.

Two kinds of run. In the first only the modes of one block are present, all other columns of W are
exactly zero and stay so (they would rest, undisturbed: `directions`). In the second the whole
stratum is displaced within its unstable eigenspace, with a trace of noise in every coordinate so
that no orbit can sit on a saddle.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equilibria.graph.directions import Direction
from equilibria.graph.landscape import Landscape
from equilibria.graph.orbits import Starts
from equilibria.varieties.commuting.modes import State

Array = NDArray[np.float64]

EPSILON = 1e-3
NOISE = 1e-6
RANDOM = 4
"""Random directions in an unstable eigenspace of more than one dimension."""


class StartList:
    """Collects starts of `rows` rows, with the modes present and the length of the step."""

    def __init__(self, landscape: Landscape, rows: int) -> None:
        self.landscape, self.rows, self.columns = landscape, rows, len(landscape.modes)
        self.W: list[Array] = []
        self.P: list[Array] = []
        self.T: list[Array] = []
        self.within: list[tuple[int, ...]] = []
        self.eps: list[float] = []
        self.names: list[str] = []

    def __len__(self) -> int:
        return len(self.within)

    def starts(self) -> Starts:
        """Return the arrays."""
        n, d = self.rows, self.columns
        return Starts(
            np.array(self.W).reshape(-1, n, d),
            np.array(self.P).reshape(-1, n, n),
            np.array(self.T).reshape(-1, n, d),
            tuple(self.within),
        )

    def step(self, states: Sequence[State], also: Sequence[int] = ()) -> float:
        """Return the length of a step from these states: a thousandth of the smallest gap."""
        gaps = self.landscape.gaps
        near = [gaps[s.mode.number - 1, 1 + (s.root == "-")] for s in states]
        near += [gaps[j, 0] for j in also]
        return EPSILON * float(min(near))

    def add_block(self, direction: Direction, sign: int) -> None:
        """Add the start of one block, alone."""
        block = direction.block
        eps = self.step(block.states, [] if block.other is None else [block.other.number - 1])
        point = self._rest(block.states)
        self._move(point, direction, range(len(block.states)), sign * eps)
        self.add(point, tuple(sorted(block.modes)), eps)

    def add_generic(
        self,
        states: Sequence[State],
        directions: Sequence[Direction],
        weights: Array,
        random: np.random.Generator,
    ) -> None:
        """Add a start displaced by `weights` along all directions of a stratum, plus noise."""
        eps = self.step(states)
        point = self._rest(states)
        row_of = {state.mode.number: row for row, state in enumerate(states)}
        for weight, direction in zip(weights, directions, strict=True):
            rows = [row_of[state.mode.number] for state in direction.block.states]
            self._move(point, direction, rows, eps * float(weight))
        for part in point:
            part += NOISE * eps * random.standard_normal(part.shape)
        self.add(point, tuple(range(self.columns)), eps)

    def _rest(self, states: Sequence[State]) -> tuple[Array, Array, Array]:
        W, P = np.zeros((self.rows, self.columns)), np.zeros((self.rows, self.rows))
        for row, state in enumerate(states):
            P[row, row] = state.value
            W[row, state.mode.number - 1] = state.value / np.sqrt(self.landscape.scale)
        return W, P, W.copy()

    @staticmethod
    def _move(
        point: tuple[Array, Array, Array], direction: Direction, rows: Sequence[int], length: float
    ) -> None:
        W, P, T = point
        columns = direction.block.modes
        W[np.ix_(rows, columns)] += length * direction.W
        P[np.ix_(rows, rows)] += length * direction.P
        T[np.ix_(rows, columns)] += length * direction.T

    def add(
        self,
        point: tuple[Array, Array, Array],
        within: tuple[int, ...],
        eps: float,
        *,
        name: str = "",
    ) -> None:
        """Add a start (W, P, T)."""
        self.W.append(point[0])
        self.P.append(point[1])
        self.T.append(point[2])
        self.within.append(within)
        self.eps.append(eps)
        self.names.append(name)


def weights_for(count: int, random: np.random.Generator) -> list[Array]:
    """Return + and - every direction and, where there are several, a few random mixtures."""
    weights: list[Array] = [s * row for row in np.eye(count) for s in (1.0, -1.0)]
    if count > 1:
        mixtures = random.standard_normal((RANDOM, count))
        weights += list(mixtures / np.linalg.norm(mixtures, axis=1)[:, None])
    return weights
