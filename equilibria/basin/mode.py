"""One mode of a model: what is known exactly about its basin, and where it is only computed.

A mode has eigenvalues s of Sigma and m of M. In dimensionless form (T0.1, T0.2)

    P = p s/m,    C = (s/m)^2 (alpha w^2 - p^2),    E = eta s/m^2 ,

so that a negative m is a change of sign of p and a larger alpha a larger encoder. `regime` says which
statement applies:

    always-collapses   eta > m^2/(4 s): every start collapses, for both targets and any rate (T2.4)
    separatrix         equal decays, stop-gradient flow: certified on both sides (T12.2)
    conserved          no decay, stop-gradient flow: w^2 - p^2 is conserved and decides (T2.1)
    numeric            everything else, by integration or iteration
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property

from equilibria.basin.probabilities import check_scope
from equilibria.basin.separatrix import Fate, Separatrix
from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.systems.numeric import ModeDynamics, Rates
from equilibria.varieties.commuting.modes import Mode, State, modes_of, states_of
from equilibria.varieties.component import How

Point = tuple[Fraction, Fraction, Fraction]
"""(p, w, t); t = w for stop-gradient."""


@dataclass(frozen=True)
class ModeProblem:
    """One mode under the flow or the map; use `mode_problem` to make one."""

    model: Model
    mode: Mode
    is_map: bool = False

    @property
    def ema(self) -> bool:
        return self.model.traits.has_target

    @cached_property
    def E(self) -> Fraction | None:
        """Return eta s/m^2 with the encoder's decay; None for m = 0."""
        return self.model.eta * self.mode.s / self.mode.m**2 if self.mode.m else None

    @cached_property
    def regime(self) -> str:
        """Return the statement that applies; see the module."""
        model = self.model
        if not self.is_map and 4 * model.eta * self.mode.s > self.mode.m**2:
            return "always-collapses"
        if not self.mode.m:
            raise ScopeError(
                f"mode {self.mode.number} has no signal (m = 0) and no decay: it neither learns "
                "nor collapses"
            )
        if self.is_map or self.ema or model.eta != model.eta_p:
            return "numeric"
        if not model.eta:
            return "conserved"
        return "numeric" if 4 * model.eta * self.mode.s == self.mode.m**2 else "separatrix"

    @cached_property
    def states(self) -> tuple[State, ...]:
        """Return the equilibria with w != 0, outer root first; none without decay."""
        return states_of(self.mode, self.model.eta) if self.model.eta and self.mode.m else ()

    @cached_property
    def separatrix(self) -> Separatrix:
        assert self.E is not None
        return Separatrix(self.E)

    @property
    def unit(self) -> Fraction:
        """Return m/s, the unit of p (negative where m is)."""
        return self.mode.m / self.mode.s

    @property
    def how(self) -> How:
        """Return how the answer is known, where the route itself is exact."""
        return How.CERTIFIED if self.model.moments.is_diagonal else How.NUMERIC

    def balance(self, p: Fraction, w: Fraction) -> Fraction:
        """Return c = alpha w^2 - p^2, which the flow with equal decays multiplies by e^(-2 eta t)."""
        return self.model.alpha * w * w - p * p

    def dimensionless(self, p: Fraction, w: Fraction) -> tuple[Fraction, Fraction]:
        """Return (P, C)."""
        return p / self.unit, self.balance(p, w) / self.unit**2

    @cached_property
    def dynamics(self) -> ModeDynamics:
        return ModeDynamics(to_float(self.mode.s), to_float(self.mode.m), Rates.of(self.model))


def mode_problem(model: Model, number: int, *, is_map: bool = False) -> ModeProblem:
    """Return mode `number` (from 1) of commuting moments.

    Raises `ScopeError` for other procedures and for moments that do not commute, `FormatError` for
    a number that is not there.
    """
    check_scope(model)
    if not model.moments.commute:
        raise ScopeError(
            "--mode: the moments do not commute, so there are no modes",
            hint="leave --mode and --point out, and give --init for the probabilities of ending",
        )
    modes = modes_of(model.moments)
    if not 1 <= number <= len(modes):
        raise FormatError(f"--mode {number}: expected a mode from 1 to {len(modes)}")
    return ModeProblem(model, modes[number - 1], is_map)


def conserved_fate(problem: ModeProblem, p: Fraction, w: Fraction) -> tuple[Fate, str]:
    """Return the fate without decay, exactly: the start moves on w^2 - p^2 = c towards p = m/s.

    p' = w^2 (m - p s) moves p monotonically towards m/s and stops early only where w reaches 0,
    at |p| = sqrt(-c). So a start survives exactly when w != 0 and either c > 0, or p has the sign
    of m and c > -(m/s)^2. (For c = 0 the two branches meet at the origin.)
    """
    c = problem.balance(p, w)
    if not w:
        return Fate.COLLAPSES, "w = 0 stays 0"
    if c > 0:
        return Fate.SURVIVES, "alpha w^2 - p^2 > 0 is conserved, so w cannot reach 0"
    if p / problem.unit > 0 and c > -(problem.unit**2):
        return Fate.SURVIVES, "p reaches m/s before w reaches 0 on its hyperbola"
    return Fate.COLLAPSES, "w reaches 0 on its hyperbola before p reaches m/s"
