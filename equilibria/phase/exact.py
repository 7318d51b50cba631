"""Exact signs at one point of a diagram: what doubles could not tell, and what boundaries claim.

A sign is -1 where the block is strictly inside, 0 on the boundary and 1 outside. Blocks are named
by what they couple: `fold` (a mode and its existence), `grow` (an active mode and an inactive
input, for the flow), `diagonal`, `inactive`, `pair`, `output` (for the map), `diagonal-flow` and
`pair-flow`, and `rank`, the rates of inactive outputs.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Literal

from equilibria.exact.surds import Surd, in_common_field
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.block_tables import critical_phi
from equilibria.varieties.commuting.blocks import Blocks
from equilibria.varieties.commuting.couplings import (
    diagonal_coupling,
    diagonal_sign,
    pair_coupling,
    pair_sign,
)
from equilibria.varieties.commuting.modes import Mode, State, modes_of, states_of

Kind = Literal[
    "fold",
    "grow",
    "needed",
    "clash",
    "diagonal-flow",
    "pair-flow",
    "diagonal",
    "inactive",
    "pair",
    "output",
    "rank",
]


@dataclass(frozen=True)
class ExactPoint:
    """One model with exact rates; signs of its blocks by modes counted from 0."""

    model: Model

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        return modes_of(self.model.moments)

    @cached_property
    def family(self) -> Family | None:
        return self.model.traits.family

    @cached_property
    def states(self) -> dict[int, State]:
        return {}

    def state(self, i: int) -> State:
        """Return mode i at its outer root."""
        if i not in self.states:
            self.states[i] = states_of(self.modes[i], self.model.eta)[0]
        return self.states[i]

    def sign(self, kind: Kind, i: int, j: int = 0) -> int:
        """Return the exact sign of a block; 1 is bad."""
        if kind == "fold":
            return self.fold(i)
        if self.family is Family.BOOTSTRAP:
            return self._bootstrap(kind, i, j)
        if self.family is Family.DIRECT:
            return self._direct(kind, i, j)
        if self.family is Family.CONTRASTIVE:
            return self._contrastive(kind, i, j)
        return self._rate_sign(self.rank_rates()[i])

    def fold(self, j: int) -> int:
        """Return 1 where mode j has no equilibrium, 0 at its fold."""
        mode, eta = self.modes[j], self.model.eta
        if self.family is Family.CONTRASTIVE:
            return _sign(eta - mode.m)
        if (
            self.family is Family.JOINT
            or mode.m == 0
            or (self.family is Family.DIRECT and mode.m < 0)
        ):
            return 1
        return _sign(4 * eta * mode.s - mode.m**2)

    @property
    def bound(self) -> Fraction:
        return 2 * (1 + self.model.nu) / self.model.h

    def _rate_sign(self, rate: Surd | Fraction) -> int:
        """Return the sign of a rate against the flip at 2 (1 + nu)/h."""
        slack = self.bound - rate
        return -(slack.sign() if isinstance(slack, Surd) else _sign(slack))

    def rank_rates(self) -> tuple[Fraction, Fraction, Fraction]:
        """Return the largest fixed rates of strata of rank 0, between, and n (T7.2)."""
        model, eta = self.model, self.model.eta
        zero = Fraction(0)
        if self.family is Family.JOINT:
            return max(model.eta_p, eta + max(mode.s for mode in self.modes)), zero, zero
        if self.family is Family.CONTRASTIVE:
            rest = max(eta - mode.m for mode in self.modes)
            return rest, rest, zero
        if self.family is Family.DIRECT:
            return eta, eta, zero
        kappa = model.eta_p / eta
        full = 2 * eta if kappa == 1 else zero
        return max(kappa, Fraction(1)) * eta, (1 + kappa) * eta, full

    # Stop-gradient and EMA.

    def _bootstrap(self, kind: Kind, i: int, j: int) -> int:
        model = self.model
        kappa = model.eta_p / model.eta
        if kind == "grow":
            return self._grow(i, j)
        if kind == "diagonal-flow":
            return _worst(diagonal_sign(self.state(i), model, kappa, is_map=False))
        if kind == "pair-flow":
            return _worst(pair_sign(self.state(i), self.state(j), model, kappa, is_map=False))
        if kind == "rank":
            return self._rate_sign(self.rank_rates()[i])
        state = self.state(i)
        if kind == "output":
            return self._rate_sign(state.p * (kappa * state.mode.m))
        plain = kappa == 1 and not self._indefinite(i, j, kind)
        if kind == "diagonal":
            if plain:
                square = state.p * state.p * (2 * state.mode.s)
                return self._rate_sign(square - state.p * (self.phi * state.mode.m))
            return _worst(diagonal_sign(state, model, kappa, is_map=True))
        if kind == "inactive":
            return self._inactive(state, self.modes[j], plain=plain)
        if plain:
            return self._plain_pair(i, j)
        return _worst(pair_sign(state, self.state(j), model, kappa, is_map=True))

    @property
    def phi(self) -> Fraction:
        return critical_phi(self.model)

    def _indefinite(self, i: int, j: int, kind: Kind) -> bool:
        """Return whether momentum, EMA and a target of the other sign meet: no closed form then."""
        if kind == "diagonal" or self.model.nu == 0 or not self.model.traits.has_target:
            return False
        return self.modes[i].m * self.modes[j].m < 0

    def _grow(self, i: int, j: int) -> int:
        state, mode = self.state(i), self.modes[j]
        return (state.p * mode.m - state.p * state.p * mode.s - self.model.eta).sign()

    def _inactive(self, state: State, mode: Mode, *, plain: bool) -> int:
        """Return whether an inactive input's multipliers are inside; `grow` is the one at +1."""
        a, b = state.p * state.p * mode.s + self.model.eta, state.p * mode.m
        flip = self._rate_sign(a - b * self.phi)
        if plain:
            return flip
        equal = (state.mode.s, state.mode.m) == (mode.s, mode.m)
        worst = flip if equal else max(flip, (b - a).sign())
        if not self.model.traits.has_target or self.model.nu == 0:
            return worst
        mu, nu = self.model.mu, self.model.nu
        interior = (a * -(1 - nu) - b * (nu * (1 - mu))) * (self.model.h * mu)
        limit = (1 - nu) * (1 - mu) * (1 - nu * mu)
        return max(worst, (interior - limit).sign())

    def inactive_flip(self, i: int, j: int) -> bool:
        """Return whether an inactive input's multiplier is at or beyond -1."""
        state, mode = self.state(i), self.modes[j]
        a, b = state.p * state.p * mode.s + self.model.eta, state.p * mode.m
        return self._rate_sign(a - b * self.phi) >= 0

    def _plain_pair(self, i: int, j: int) -> int:
        pair = [self.state(i), self.state(j)]
        blocks = Blocks(pair, [s.mode for s in pair], self.model.eta)
        return -blocks.exact_pair_rate_sign(0, 1, self.phi, self.bound)

    # DirectPred and DirectCopy: all eigenvalues are real (T13.2).

    def _direct(self, kind: Kind, i: int, j: int) -> int:
        if kind == "rank":
            return self._rate_sign(self.rank_rates()[i])
        if kind == "output":
            return -1
        if kind == "grow":
            return self._grow(i, j)
        state = self.state(i)
        if kind == "diagonal":
            rate = state.p * state.p * state.mode.s - self.model.eta
            return self._rate_sign(rate * (2 * self._exponent))
        if kind == "inactive":
            mode = self.modes[j]
            rate = state.p * state.p * mode.s + self.model.eta - state.p * mode.m
            return self._rate_sign(rate)
        value = self._direct_pair(state, self.state(j))
        return value.sign() if kind == "clash" else self._rate_sign(-value)

    @property
    def _exponent(self) -> Fraction:
        return self.model.traits.exponent or Fraction(1, 2)

    def _direct_pair(self, left: State, right: State) -> Surd:
        p, q = in_common_field(left.p, right.p)
        s, r, eta = left.mode.s, right.mode.s, self.model.eta
        growth = p * right.mode.m - p * p * r + q * left.mode.m - q * q * s - 2 * eta
        if self._exponent == 1:
            return growth + 2 * eta - p * q * (s + r)
        mixed = q * (eta - p * q * r) + p * (eta - p * q * s)
        return growth + mixed * (p + q).inverse()

    # The spectral contrastive flow: everything is rational.

    def _contrastive(self, kind: Kind, i: int, j: int) -> int:
        left, right = self.modes[i], self.modes[j]
        eta = self.model.eta
        first, second = (left.m - eta) / left.s, (right.m - eta) / right.s
        if kind == "grow":
            return _sign(second - first)
        if kind == "needed":
            return _sign(left.m - eta)
        rate = {
            "diagonal": 2 * (left.m - eta),
            "inactive": right.s * (first - second),
            "pair": first * right.s + second * left.s,
            "output": Fraction(0),
        }
        return self._rate_sign(self.rank_rates()[i] if kind == "rank" else rate[kind])

    def flips(self, kind: Kind, i: int, j: int = 0) -> int:
        """Return the sign of the block's characteristic polynomial at the multiplier -1.

        It changes across a flip and keeps its sign across a Neimark-Sacker bifurcation.
        """
        model = self.model
        kappa = model.eta_p / model.eta
        state = self.state(i)
        if kind == "diagonal":
            coupling = diagonal_coupling(state, model.eta, kappa)
        else:
            coupling = pair_coupling(state, self.state(j), model.eta, kappa)
        total: Surd | None = None
        for value in reversed(coupling.characteristic(model, is_map=True)):
            total = value if total is None else total * (Fraction(-2) / model.h) + value
        assert total is not None
        return total.sign()


def _worst(position: tuple[int, int]) -> int:
    """Return the sign of a block; a root on the boundary beyond the neutral ones is a zero."""
    sign, zeros = position
    return max(sign, 0) if zeros else sign


def _sign(value: Fraction) -> int:
    return (value > 0) - (value < 0)
