"""A unit of a chain at rest, and the exact numbers that its blocks are made of."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from equilibria.data.moments import Moments
from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed
from equilibria.systems.depth import Chain
from equilibria.varieties.chains.mode_equation import ModeEquation, RootPlace, enclosed, gain
from equilibria.varieties.commuting.modes import modes_of


def units_of(moments: Moments) -> tuple[Unit, ...]:
    """Return the modes of commuting moments, and the pairs where views are turned."""
    if moments.units is not None:
        return moments.units
    return tuple(Unit((mode.number,), mode.s, mode.m) for mode in modes_of(moments))


@dataclass(frozen=True)
class Rest:
    """A unit at rest: its root, and the numbers that its blocks are made of."""

    chain: Chain
    unit: Unit
    place: RootPlace
    fold: bool

    @classmethod
    def all_of(cls, chain: Chain, unit: Unit) -> tuple[Rest, ...]:
        """Return the places at which a unit can rest, the outer root first."""
        equation = ModeEquation.of(chain, unit)
        places = [RootPlace(equation, outer) for outer in (True, False)[: equation.count]]
        return tuple(cls(chain, unit, place, equation.count == 1) for place in places)

    @property
    def root(self) -> str:
        """Return + for the outer root, - for the inner one."""
        return "+" if self.place.outer else "-"

    @property
    def sign(self) -> int:
        """Return the sign of a mode's m, which is that of the predictor's eigenvalue; 1 for a pair."""
        return -1 if not self.unit.im and self.unit.re < 0 else 1

    @cached_property
    def m(self) -> Enclosed:
        """Return |m|."""
        return enclosed(gain(self.unit))

    @cached_property
    def p(self) -> Enclosed:
        """Return |p|."""
        return self.place.number()

    @cached_property
    def q(self) -> Enclosed:
        """Return |m| - s |p|, what the residual is to the encoder's gain."""
        return self.m - self.p * self.unit.s

    @cached_property
    def r(self) -> Enclosed:
        """Return s |p|/q: theta at the fold, more at the outer root (T22.3)."""
        return self.p * self.unit.s * self.q.inverse()

    @cached_property
    def square(self) -> Enclosed:
        """Return u^2, where layer l of the unit is sqrt(alpha_l/eta_l) u (T20.2)."""
        scale = 1 / Fraction(prod(self.chain.sizes[self.chain.encoder :]))
        return (self.p * self.p * scale).root(self.chain.predictor)

    @cached_property
    def u(self) -> Enclosed:
        """Return u > 0."""
        return self.square.root(2)
