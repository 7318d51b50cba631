"""The strata of one model as places: names, exact indices, distances between roots, attraction.

A stratum is a set of active modes, each at p+ or p- (T6.3); `Choice` counts them for every group of
equal modes. Its index is the number of unstable eigenvalues. It is common to stop-gradient and EMA
(T7.5) and comes block by block from exact signs (T7.2):

    index = #{active i at p-} + #{active i, inactive j: p_i m_j - p_i^2 s_j - eta > 0}
          + sum over active pairs of the positive roots of q_pair

With unequal decays pairs can also oscillate (T8.6); there the last sum is numeric.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from equilibria.data.moments import Moments
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.blocks import Blocks
from equilibria.varieties.commuting.components import stratum_id
from equilibria.varieties.commuting.modes import Mode, State, groups_of, modes_of
from equilibria.varieties.commuting.strata import Lists, Stratum
from equilibria.varieties.noncommuting.dense import Physics, jacobian_flow

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Choice = tuple[tuple[int, int], ...]
"""For every group of modes that has roots, how many members rest at p+ and at p-."""

ROUNDING = 1e-9


class Landscape:
    """All states of the modes of a model with eta > 0, and what their blocks say."""

    def __init__(self, model: Model) -> None:
        assert model.kappa is not None
        self.model = model
        self.modes = modes_of(model.moments)
        self.groups = tuple(g for g in groups_of(self.modes, model.eta) if g.states)
        self.lists = Lists(self.groups)
        self.states: tuple[State, ...] = tuple(
            state for group in self.lists.states for states in group for state in states
        )
        self.place = {state.label: index for index, state in enumerate(self.states)}
        self.group_of = {m.number: g for g, group in enumerate(self.groups) for m in group.modes}
        self.blocks = Blocks(self.states, self.modes, model.eta, exact=model.exact)
        self.scale = to_float(model.alpha / model.kappa)
        self.eta = to_float(model.eta)

    def in_mode_basis(self, rows: int) -> Model:
        """Return the same model with diagonal moments and `rows` rows of the encoder."""
        moments = Moments.commuting(
            signal=[mode.m for mode in self.modes], total=[mode.s for mode in self.modes]
        )
        return replace(self.model, moments=moments, embed_dim=rows)

    # Names

    def choice(self, states: Iterable[State]) -> Choice:
        """Return how many members of each group rest at p+ and at p-."""
        counts = [[0, 0] for _ in self.groups]
        for state in states:
            counts[self.group_of[state.mode.number]][state.root == "-"] += 1
        return tuple((plus, minus) for plus, minus in counts)

    def stratum(self, choice: Choice) -> Stratum:
        """Return the canonical set of states of a choice."""
        return self.lists.stratum(enumerate(choice))

    def name(self, choice: Choice) -> str:
        """Return the component's id."""
        return stratum_id(self.stratum(choice))

    # Signs

    def index(self, stratum: Stratum) -> int:
        """Return the number of unstable eigenvalues."""
        at = [self.place[state.label] for state in stratum]
        rest = self._inactive(stratum)
        own = int((self.blocks.diagonal_signs[at] > 0).sum()) if at else 0
        inputs = int((self.blocks.inactive_signs[np.ix_(at, rest)] > 0).sum())
        pairs = int(np.triu(self.pair_unstable[np.ix_(at, at)], 1).sum())
        return own + inputs + pairs

    def _inactive(self, stratum: Stratum) -> list[int]:
        active = {state.mode.number for state in stratum}
        return [j for j, mode in enumerate(self.modes) if mode.number not in active]

    @cached_property
    def pair_unstable(self) -> NDArray[np.int64]:
        """Return the number of unstable eigenvalues of every pair block."""
        if self.model.kappa == 1:
            return np.asarray(self.blocks.pair_unstable, dtype=np.int64)
        return self._numeric_pairs()

    def _numeric_pairs(self) -> NDArray[np.int64]:
        counts = np.zeros((len(self.states),) * 2, dtype=np.int64)
        for i, left in enumerate(self.states):
            for j, right in enumerate(self.states[:i]):
                if left.mode.number != right.mode.number:
                    values = pair_eigenvalues(self, left, right)
                    margin = ROUNDING * float(np.abs(values).max())
                    counts[i, j] = counts[j, i] = int((values.real > margin).sum())
        return counts

    # Sizes

    @cached_property
    def roots(self) -> Array:
        """Return (0, |p+|, |p-|) of every mode, shape (d, 3); inf where there is no such root."""
        table = np.full((len(self.modes), 3), np.inf)
        table[:, 0] = 0.0
        for state in self.states:
            table[state.mode.number - 1, 1 + (state.root == "-")] = abs(state.value)
        return table

    @cached_property
    def gaps(self) -> Array:
        """Return the distance from each root to the next one of the same mode, shape (d, 3)."""
        zero, plus, minus = self.roots.T
        first = np.minimum(plus, minus)
        with np.errstate(invalid="ignore"):
            width = np.where(np.isfinite(minus), plus - minus, plus / 2)
        return np.stack([first - zero, width, np.minimum(minus, width)], axis=1)

    @cached_property
    def signed(self) -> Array:
        """Return (1, p+, p-) of every mode, the divisors of P = W diag(a/p) W^T, shape (d, 3)."""
        table = np.ones((len(self.modes), 3))
        for state in self.states:
            table[state.mode.number - 1, 1 + (state.root == "-")] = state.value
        return table

    @cached_property
    def speed(self) -> float:
        """Return the size of the fastest rates."""
        p, s = self.blocks.p, self.blocks.s
        return float((2 * p * p * s).max(initial=0.0)) + 2 * self.eta

    # Attraction inside the invariant subspace that a set of modes spans

    def contraction(self, choice: Choice, within: Sequence[int]) -> float:
        """Return the slowest rate towards a stratum among the modes `within`, 0.0 for a saddle.

        Modes outside are absent. Rates of modes that are interchangeable with an active one are
        neutral and do not count.
        """
        stratum = self.stratum(choice)
        at = [self.place[state.label] for state in stratum]
        rates = [self.eta]
        if at:
            if (self.blocks.diagonal_signs[at] >= 0).any():
                return 0.0
            if np.triu(self.pair_unstable[np.ix_(at, at)], 1).any():
                return 0.0
            p, s = self.blocks.p[at], self.blocks.s[at]
            rates += (p * p * s - self.eta).tolist()
        spare = self._spare(choice, within)
        if at and spare:
            signs = self.blocks.inactive_signs[np.ix_(at, spare)]
            positive, negative = (t[np.ix_(at, spare)] for t in self.blocks.inactive_terms())
            other = np.array([[self._apart(i, j) for j in spare] for i in at])
            if (signs[other] >= 0).any():
                return 0.0
            rates += (positive - negative)[other].tolist()
        slowest = min(rates)
        if self.model.traits.has_target:
            beta = to_float(self.model.flow_rate)
            slowest *= beta / (beta + self.speed)
        return slowest

    def _spare(self, choice: Choice, within: Sequence[int]) -> list[int]:
        """Return one inactive mode of `within` for every group (or rootless mode) that has one."""
        left = [-(plus + minus) for plus, minus in choice]
        spare = []
        for j in within:
            group = self.group_of.get(self.modes[j].number)
            if group is None:
                spare.append(j)
                continue
            left[group] += 1
            if left[group] == 1:
                spare.append(j)
        return spare

    def _apart(self, place: int, j: int) -> bool:
        number = self.states[place].mode.number
        return self.group_of[number] != self.group_of.get(self.modes[j].number, -1)


def potential(model: Model, stratum: Stratum) -> float | None:
    """Return V of T11.1 at an aligned state; None unless Sigma = s I, M is PSD and kappa = 1."""
    modes = modes_of(model.moments)
    if len({mode.s for mode in modes}) != 1 or model.kappa != 1:
        return None
    if not model.traits.own_target or any(mode.m < 0 for mode in modes):
        return None
    total = sum(
        state.value**2 * to_float(state.mode.m / 2)
        - state.value**3 * to_float(Fraction(2, 3) * state.mode.s)
        for state in stratum
    )
    return total / to_float(model.alpha)


@dataclass(frozen=True, slots=True)
class Block:
    """Where unstable directions live: the states involved, and the inactive input, if any."""

    kind: str
    states: tuple[State, ...]
    other: Mode | None = None

    @property
    def modes(self) -> tuple[int, ...]:
        """Return the columns of the modes involved."""
        columns = [state.mode.number - 1 for state in self.states]
        return tuple(columns if self.other is None else [*columns, self.other.number - 1])

    @property
    def words(self) -> str:
        """Return a few words for the direction."""
        labels = [state.label for state in self.states]
        if self.other is not None:
            return f"input {self.other.number} at {labels[0]}"
        return f"mode {labels[0][:-1]}" if self.kind == "diagonal" else f"pair {','.join(labels)}"


def pair_eigenvalues(landscape: Landscape, left: State, right: State) -> NDArray[np.complex128]:
    """Return the eigenvalues of the pair block of two states, without its neutral rotation."""
    jacobian, *_ = restricted(landscape, Block("pair", (left, right)))
    values = np.linalg.eigvals(jacobian).astype(np.complex128)
    return np.delete(values, int(np.abs(values).argmin()))


def restricted(landscape: Landscape, block: Block) -> tuple[Array, NDArray[np.bool_], int, int]:
    """Return the dense Jacobian of the block's modes on its coordinates, and which those are."""
    model = landscape.model
    rows, columns = len(block.states), len(block.modes)
    modes = [landscape.modes[j] for j in block.modes]
    physics = Physics(
        Sigma=np.diag([to_float(mode.s) for mode in modes]),
        M=np.diag([to_float(mode.m) for mode in modes]),
        predictor_decay=to_float(model.eta_p),
        encoder_decay=to_float(model.eta),
        alpha=to_float(model.alpha),
    )
    P = np.diag([state.value for state in block.states])
    W = np.zeros((rows, columns))
    W[:, :rows] = P / np.sqrt(landscape.scale)
    beta = to_float(model.flow_rate) if model.traits.has_target else None
    jacobian = jacobian_flow(P, W, physics, beta=beta)
    predictor, encoder = np.zeros((rows, rows), dtype=bool), np.zeros((rows, columns), dtype=bool)
    if block.kind == "diagonal":
        predictor[0, 0] = encoder[0, 0] = True
    elif block.kind == "input":
        encoder[0, 1] = True
    else:
        predictor[:] = encoder[:] = ~np.eye(2, dtype=bool)
    parts = [predictor.ravel(), encoder.ravel()]
    if beta is not None:
        parts.append(encoder.ravel())
    wanted = np.concatenate(parts)
    return jacobian[np.ix_(wanted, wanted)], wanted, rows, columns
