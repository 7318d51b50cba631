"""Which blocks are inside, for the flow and for the map, at many points at once.

The answer is kept as rules on a set S of active modes: mode i may be active (`allowed`), needs
mode j beside it (`require`), cannot stand beside it (`conflict`), or needs full rank (`output`).
A stratum is stable exactly when S obeys all rules (T8.1, T8.3, T10.1, T7.3). Signs that doubles
cannot tell are handed to `resolve`, which knows the exact parameters; a sign that is exactly zero
breaks the rule and marks the point as a boundary point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from equilibria.phase.exact import Kind
from equilibria.phase.families import Blocks, Signed, blocks_of, bootstrap_rank_rates
from equilibria.phase.pairs import Substitution, diagonal_block, inactive_block, pair_block
from equilibria.phase.setting import Points
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]
    Codes = NDArray[np.int8]

MARGIN = 1e-12
POLYNOMIAL_MARGIN = 2e-13
ROUNDING = 1e-14

BOUNDARY_KINDS = (
    "",
    "fold",
    "transcritical",
    "hopf",
    "flip",
    "neimark-sacker",
    "undecided",
)

Resolve = Callable[[Kind, int, int, int], tuple[int, str]]
"""(kind, point, i, j) -> exact sign, and the name of the boundary if the sign is 0."""


@dataclass(slots=True)
class Rules:
    """Rules on the set of active modes, one row per point; see the module.

    `ranks` (N, 3) says whether strata of rank 0, of rank between 0 and n, and of rank n may be
    stable; `needed` modes must be active unless the rank is n.
    """

    allowed: Flags
    require: Flags
    conflict: Flags | None
    output: Flags
    needed: Flags | None
    ranks: Flags


@dataclass(slots=True)
class Decided:
    """The rules of flow and map, the kind of boundary a point lies on, the blocks behind them."""

    flow: Rules
    map: Rules
    boundary: Codes
    blocks: Blocks


def undecided(kind: Kind, point: int, i: int, j: int) -> tuple[int, str]:
    """Resolve nothing: what doubles cannot tell counts as broken, and the point as undecided."""
    del kind, point, i, j
    return 0, "undecided"


def decide_map(points: Points) -> Rules:
    """Return the rules of the map alone, without resolving anything; for searches over steps."""
    decision = _Decision(points, undecided, MARGIN)
    alive = decision.alive()
    static = decision.static_rules(alive)
    closed = decision.blocks.rates is not None
    return decision.closed_map(static) if closed else decision.general_map(static, alive)


def decide(points: Points, resolve: Resolve = undecided, *, margin: float = MARGIN) -> Decided:
    """Return the rules at every point; with margin 0 the signs of doubles are taken as they are."""
    return _Decision(points, resolve, margin).run()


class _Decision:
    """Builds the rules; holds the points, the margin and what is known so far."""

    def __init__(self, points: Points, resolve: Resolve, margin: float) -> None:
        self.points, self.resolve, self.margin = points, resolve, margin
        self.blocks = blocks_of(points)
        self.boundary = np.zeros(points.count, dtype=np.int8)
        # p near a fold loses digits: its relative error grows like m^2/D.
        rounding = ROUNDING * self.blocks.spread if margin else 0.0 * self.blocks.spread
        self.loss = margin + rounding
        # For polynomials, which count their own errors; measured moments keep the wider margin.
        self.rough = rounding + (0.0 if not margin else max(POLYNOMIAL_MARGIN, margin - MARGIN))
        self.others = ~np.eye(points.d, dtype=np.bool_)

    def run(self) -> Decided:
        alive = self.alive()
        flow = self._flow(alive)
        step = self.closed_map(flow) if self.blocks.rates else self.general_map(flow, alive)
        return Decided(flow, step, self.boundary, self.blocks)

    def alive(self) -> Flags:
        """Return which modes have an equilibrium."""
        exists = self.blocks.exists
        return ~self._bad("fold", -exists.value, exists.size, self.margin, np.True_)

    def _flow(self, alive: Flags) -> Rules:
        rules = self.static_rules(alive)
        points = self.points
        if points.family is Family.BOOTSTRAP and not points.equal_decays:
            pairs = alive[:, :, None] & alive[:, None, :] & np.triu(self.others)
            rules.allowed, rules.conflict = self._general(alive, pairs, is_map=False)
        return rules

    def static_rules(self, alive: Flags) -> Rules:
        """Return the rules that real eigenvalues of the flow give; oscillations apart."""
        points, blocks = self.points, self.blocks
        loss = self.loss[:, :, None]
        rivals = alive[:, :, None] & ~points.same
        require = self._bad("grow", blocks.grow.value, blocks.grow.size, loss, rivals)
        earlier = np.tril(points.same, -1)  # of equal modes the first ones are active
        require |= earlier & alive[:, :, None]
        pairs = alive[:, :, None] & alive[:, None, :] & np.triu(self.others)
        conflict = None
        if blocks.clash is not None:
            both = self._pair_loss()
            bad = self._bad("clash", blocks.clash.value, blocks.clash.size, both, pairs)
            conflict = bad | np.swapaxes(bad, 1, 2)
        return Rules(
            allowed=alive,
            require=require,
            conflict=conflict,
            output=np.zeros_like(alive),
            needed=self._needed(blocks.needed),
            ranks=np.ones((points.count, 3), dtype=np.bool_),
        )

    def _needed(self, needed: Signed | None) -> Flags | None:
        if needed is None:
            return None
        return self._bad("needed", needed.value, needed.size, self.margin, np.True_)

    def closed_map(self, flow: Rules) -> Rules:
        """Return the rules of the map where all its rates are known (T10.1)."""
        rates = self.blocks.rates
        assert rates is not None
        alive = flow.allowed
        pairs = alive[:, :, None] & alive[:, None, :] & np.triu(self.others)
        loss = self.loss[:, :, None]
        pair = self._fast("pair", rates.pair, self._pair_loss(), pairs)
        conflict = pair | np.swapaxes(pair, 1, 2)
        inactive = self._fast("inactive", rates.inactive, loss, alive[:, :, None] & self.others)
        return Rules(
            allowed=alive & ~self._fast("diagonal", rates.diagonal, self.loss, alive),
            require=flow.require | inactive,
            conflict=conflict if flow.conflict is None else flow.conflict | conflict,
            output=self._fast("output", rates.output, self.loss, alive),
            needed=flow.needed,
            ranks=~self._fast("rank", rates.rank, self.margin, np.True_),
        )

    def _fast(self, kind: Kind, rate: Array, loss: Array | float, where: Flags | np.bool_) -> Flags:
        """Return where a rate is not below 2 (1 + nu)/h."""
        bound = self.points.bound.reshape(-1, *[1] * (rate.ndim - 1))
        return self._bad(kind, rate - bound, np.abs(rate) + bound, 4 * loss, where)

    def _pair_loss(self) -> Array:
        return np.maximum(self.loss[:, :, None], self.loss[:, None, :])

    def general_map(self, flow: Rules, alive: Flags) -> Rules:
        """Return the rules of the map by its own polynomials, whatever the flow does."""
        points = self.points
        pairs = alive[:, :, None] & alive[:, None, :] & np.triu(self.others)
        allowed, conflict = self._general(alive, pairs, is_map=True)
        output = points.kappa[:, None] * self.blocks.p * points.m
        return Rules(
            allowed=allowed,
            require=flow.require | self._inactive_map(alive[:, :, None] & self.others),
            conflict=conflict,
            output=self._fast("output", output, self.loss, alive),
            needed=None,
            ranks=~self._fast("rank", bootstrap_rank_rates(points), self.margin, np.True_),
        )

    def _inactive_map(self, where: Flags) -> Flags:
        """Return where an inactive input's multipliers are outside; equal modes have one at 1."""
        same = np.broadcast_to(self.points.same, where.shape)
        bad = self._inactive_block(where & ~same, neutral=False)
        if (where & same).any():
            bad |= self._inactive_block(where & same, neutral=True)
        return bad

    def _inactive_block(self, where: Flags, *, neutral: bool) -> Flags:
        points = self.points
        index, i, j = np.nonzero(where)
        chosen, p = points.take(index), self.blocks.p[index, i]
        rule = Substitution.of(chosen, is_map=True)
        a, b = p * p * points.s[index, j] + chosen.eta, p * points.m[j]
        poly = rule.apply(inactive_block(a[:, None], b[:, None]))
        loss = self.rough[index, i][:, None]
        inside, doubt = rule.inside(poly.without_constant() if neutral else poly, loss)
        return self._scatter("inactive", where, (index, i, j), inside[:, 0], doubt[:, 0])

    def _general(self, alive: Flags, pairs: Flags, *, is_map: bool) -> tuple[Flags, Flags]:
        """Return the modes whose diagonal block is inside, the pairs whose block is not (T7.3)."""
        points, p = self.points, self.blocks.p
        index, i = np.nonzero(alive)
        chosen = points.take(index)
        rule = Substitution.of(chosen, is_map=is_map)
        eta, kappa = chosen.eta[:, None], chosen.kappa[:, None]
        block = diagonal_block(
            p[index, i][:, None], points.s[index, i][:, None], points.m[i][:, None], eta, kappa
        )
        loss = self.rough[index, i][:, None]
        inside, doubt = rule.inside(rule.apply(block), loss)
        kind: Kind = "diagonal" if is_map else "diagonal-flow"
        bad = self._scatter(kind, alive, (index, i), inside[:, 0], doubt[:, 0])
        return alive & ~bad, self._general_pairs(pairs, is_map=is_map)

    def _general_pairs(self, pairs: Flags, *, is_map: bool) -> Flags:
        points, p = self.points, self.blocks.p
        index, i, j = np.nonzero(pairs)
        chosen = points.take(index)
        rule = Substitution.of(chosen, is_map=is_map)
        block = pair_block(
            (p[index, i][:, None], p[index, j][:, None]),
            (points.s[index, i][:, None], points.s[index, j][:, None]),
            (points.m[i][:, None], points.m[j][:, None]),
            chosen.eta[:, None],
            chosen.kappa[:, None],
        )
        poly = rule.apply(block).without_constant()
        loss = np.maximum(self.rough[index, i], self.rough[index, j])[:, None]
        inside, doubt = rule.inside(poly, loss)
        kind: Kind = "pair" if is_map else "pair-flow"
        bad = self._scatter(kind, pairs, (index, i, j), inside[:, 0], doubt[:, 0])
        return bad | np.swapaxes(bad, 1, 2)

    def _scatter(
        self,
        kind: Kind,
        where: Flags,
        places: tuple[NDArray[np.intp], ...],
        inside: Flags,
        doubt: Flags,
    ) -> Flags:
        bad = np.zeros_like(where)
        bad[places] = ~inside
        if doubt.any():
            unknown = np.zeros_like(where)
            unknown[places] = doubt
            self._settle(kind, bad, unknown)
        return bad

    def _bad(
        self,
        kind: Kind,
        value: Array,
        size: Array,
        loss: Array | float,
        where: Flags | np.bool_,
    ) -> Flags:
        """Return where a value that must be negative is not; doubtful ones are decided exactly."""
        bad: Flags = (value > 0) & where
        unknown = (np.abs(value) <= loss * size) & where
        if unknown.any():
            self._settle(kind, bad, unknown)
        return bad

    def _settle(self, kind: Kind, bad: Flags, unknown: Flags) -> None:
        for place in np.argwhere(unknown):
            spot = [int(k) for k in place]
            sign, name = self.resolve(kind, spot[0], spot[1], spot[2] if len(spot) > 2 else 0)
            bad[tuple(spot)] = sign >= 0
            if sign == 0:
                self.boundary[spot[0]] = BOUNDARY_KINDS.index(name)
