"""Equilibria of commuting moments that are not aligned with the modes (T6.5).

When Sigma is not isotropic two modes can mix: with X = alpha W^T W on modes (1, 2),

    x11 + x22 = q = (m1 m2 - eta (s1 + s2))/(s1 s2),
    x11 = [eta^2 (s1^-2 - s2^-2) + q (c2^2 - 2 eta/s2 - q)]/(c1 - c2)^2,
    x12^2 = (c1^2 - 2 eta/s1) x11 - eta^2/s1^2 - x11^2,

real exactly when x12^2 > 0: everything but x12 is rational, so existence is decided exactly. The
two signs of x12 are mirror images and two components.

Blocks on disjoint modes and rows do not see each other, so several mixed pairs and aligned modes
together are equilibria as well, for any n and d: `DirectSum`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations, islice

from equilibria.exact.surds import Surd, radical
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Group, Mode, groups_of, modes_of
from equilibria.varieties.commuting.strata import Stratum, all_strata, total_strata

PAIR_LIMIT = 4_000
MATCHINGS = 4_000
ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class MixedPair:
    """Two modes that share a 2 x 2 equilibrium X = alpha W^T W, with the sign of x12."""

    left: Mode
    right: Mode
    x11: Fraction
    x22: Fraction
    x12_squared: Fraction
    sign: int

    @property
    def x12(self) -> Surd:
        """Return the exact off-diagonal entry."""
        factor, radicand = radical(self.x12_squared)
        return Surd(radicand, 1, (ZERO, self.sign * factor, ZERO, ZERO))

    def predictor(self, eta: Fraction) -> list[list[Surd]]:
        """Return A = (X Sigma + eta) M^-1; then P = A^T and W = A/sqrt(a) up to O(n) (T6.1)."""
        x12, one = self.x12, self.x12 * 0
        s, r, m, k = self.left.s, self.right.s, self.left.m, self.right.m
        return [
            [one + (self.x11 * s + eta) / m, x12 * (r / k)],
            [x12 * (s / m), one + (self.x22 * r + eta) / k],
        ]


@dataclass(frozen=True, slots=True)
class DirectSum:
    """Mixed pairs and an aligned stratum, all on different modes: one equilibrium up to O(n)."""

    pairs: tuple[MixedPair, ...]
    stratum: Stratum

    @property
    def rank(self) -> int:
        return 2 * len(self.pairs) + len(self.stratum)


def direct_sums(
    model: Model, modes: Sequence[Mode], pairs: Sequence[MixedPair]
) -> Iterator[DirectSum]:
    """Yield the equilibria with at least one mixed pair by ascending rank, pairs alone first."""
    chosen = list(islice(_matchings(pairs, model.n), MATCHINGS))
    for rank in range(2, min(model.n, model.d) + 1):
        for matching in chosen:
            rest = _rest(modes, matching, model)
            size = rank - 2 * len(matching)
            if size >= 0 and total_strata(rest, size):
                strata = (s for s in all_strata(rest, size) if len(s) == size)
                yield from (DirectSum(matching, stratum) for stratum in strata)


def count_sums(model: Model, modes: Sequence[Mode], pairs: Sequence[MixedPair]) -> int | None:
    """Return the number of direct sums with a mixed pair; None where it is not known.

    A pair with one of several equal modes belongs to a family that other pairs share.
    """
    values = [(mode.s, mode.m) for mode in modes]
    if any(values.count((m.s, m.m)) > 1 for pair in pairs for m in (pair.left, pair.right)):
        return None
    chosen = list(islice(_matchings(pairs, model.n), MATCHINGS + 1))
    if len(chosen) > MATCHINGS:
        return None
    return sum(
        total_strata(_rest(modes, matching, model), model.n - 2 * len(matching))
        for matching in chosen
    )


def _matchings(pairs: Sequence[MixedPair], n: int) -> Iterator[tuple[MixedPair, ...]]:
    """Yield the non-empty sets of pairs without a mode in common, at most n // 2 of them."""
    waiting: list[tuple[tuple[MixedPair, ...], int]] = [((), 0)]
    for chosen, first in waiting:
        if 2 * len(chosen) + 2 > n:
            continue
        used = {mode.number for pair in chosen for mode in (pair.left, pair.right)}
        for place in range(first, len(pairs)):
            pair = pairs[place]
            if not used & {pair.left.number, pair.right.number} and len(waiting) <= MATCHINGS + 1:
                waiting.append(((*chosen, pair), place + 1))
                yield waiting[-1][0]


def _rest(modes: Sequence[Mode], matching: Sequence[MixedPair], model: Model) -> tuple[Group, ...]:
    used = {mode.number for pair in matching for mode in (pair.left, pair.right)}
    return groups_of([mode for mode in modes if mode.number not in used], model.eta)


def mixed_pairs(model: Model) -> tuple[MixedPair, ...]:
    """Return every mixed pair of modes of a commuting model with eta > 0 and n >= 2."""
    if model.n < 2 or not model.eta:
        return ()
    modes = searched_modes(modes_of(model.moments))
    found: list[MixedPair] = []
    for left, right in combinations(modes, 2):
        pair = _pair(left, right, model.eta)
        if pair is not None:
            found += [pair, MixedPair(*_fields(pair), sign=-1)]
    return tuple(found)


def searched_modes(modes: Sequence[Mode]) -> list[Mode]:
    """Return one of each kind of mode with a signal, and so many that the pairs stay few."""
    kinds: dict[tuple[Fraction, Fraction], Mode] = {}
    for mode in modes:
        if mode.m:
            kinds.setdefault((mode.s, mode.m), mode)
    return list(kinds.values())[: int((2 * PAIR_LIMIT) ** 0.5)]


def _fields(pair: MixedPair) -> tuple[Mode, Mode, Fraction, Fraction, Fraction]:
    return pair.left, pair.right, pair.x11, pair.x22, pair.x12_squared


def _pair(left: Mode, right: Mode, eta: Fraction) -> MixedPair | None:
    c1, c2 = left.m / left.s, right.m / right.s
    if c1 == c2:
        return None
    s, r = left.s, right.s
    q = (left.m * right.m - eta * (s + r)) / (s * r)
    x11 = eta**2 * (1 / s**2 - 1 / r**2) + q * (c2**2 - 2 * eta / r - q)
    x11 /= (c1 - c2) ** 2
    squared = (c1**2 - 2 * eta / s) * x11 - eta**2 / s**2 - x11**2
    if squared <= 0:
        return None
    return MixedPair(left, right, x11, q - x11, squared, sign=1)
