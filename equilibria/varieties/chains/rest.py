"""A mode of a deep chain at rest, and the exact numbers that its blocks are made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from equilibria.exact.enclosed import Enclosed
from equilibria.systems.depth import Chain
from equilibria.varieties.chains.mode_equation import ModeEquation, RootPlace
from equilibria.varieties.commuting.modes import Mode


@dataclass(frozen=True)
class Rest:
    """A mode at rest: its root, and the numbers that its blocks are made of."""

    chain: Chain
    mode: Mode
    place: RootPlace
    fold: bool

    @classmethod
    def all_of(cls, chain: Chain, mode: Mode) -> tuple[Rest, ...]:
        """Return the places at which a mode can rest, the outer root first."""
        equation = ModeEquation.of(chain, mode)
        places = [RootPlace(equation, outer) for outer in (True, False)[: equation.count]]
        return tuple(cls(chain, mode, place, equation.count == 1) for place in places)

    @property
    def root(self) -> str:
        """Return + for the outer root, - for the inner one."""
        return "+" if self.place.outer else "-"

    @property
    def sign(self) -> int:
        """Return the sign of m, which is that of the predictor's eigenvalue."""
        return 1 if self.mode.m > 0 else -1

    @cached_property
    def p(self) -> Enclosed:
        """Return |p|."""
        return self.place.number()

    @cached_property
    def q(self) -> Enclosed:
        """Return |m| - s |p|, what the residual is to the encoder's gain."""
        return abs(self.mode.m) - self.p * self.mode.s

    @cached_property
    def r(self) -> Enclosed:
        """Return s |p|/q: theta at the fold, more at the outer root (T22.3)."""
        return self.p * self.mode.s * self.q.inverse()

    @cached_property
    def square(self) -> Enclosed:
        """Return u^2, where layer l of the mode is sqrt(alpha_l/eta_l) u (T20.2)."""
        scale = 1 / Fraction(prod(self.chain.sizes[self.chain.encoder :]))
        return (self.p * self.p * scale).root(self.chain.predictor)

    @cached_property
    def u(self) -> Enclosed:
        """Return u > 0."""
        return self.square.root(2)
