"""Equilibria of commuting moments that are not aligned with the modes (T6.5).

When Sigma is not isotropic two modes can mix: with X = alpha W^T W on modes (1, 2),

    x11 + x22 = q = (m1 m2 - eta (s1 + s2))/(s1 s2),
    x11 = [eta^2 (s1^-2 - s2^-2) + q (c2^2 - 2 eta/s2 - q)]/(c1 - c2)^2,
    x12^2 = (c1^2 - 2 eta/s1) x11 - eta^2/s1^2 - x11^2,

real exactly when x12^2 > 0: everything but x12 is rational, so existence is decided exactly. The
two signs of x12 are mirror images and two components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from equilibria.model import Model
from equilibria.modes import Mode, modes_of
from equilibria.surds import Surd, radical

PAIR_LIMIT = 4_000
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


def mixed_pairs(model: Model) -> tuple[MixedPair, ...]:
    """Return every mixed pair of modes of a commuting model with eta > 0 and n >= 2."""
    if model.n < 2 or not model.eta:
        return ()
    modes = [mode for mode in modes_of(model.moments) if mode.m]
    found: list[MixedPair] = []
    for left, right in combinations(modes[: _most(modes)], 2):
        pair = _pair(left, right, model.eta)
        if pair is not None:
            found += [pair, MixedPair(*_fields(pair), sign=-1)]
    return tuple(found)


def _most(modes: Sequence[Mode]) -> int:
    """Return how many leading modes are looked at so that the pairs stay few."""
    return min(len(modes), int((2 * PAIR_LIMIT) ** 0.5))


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
