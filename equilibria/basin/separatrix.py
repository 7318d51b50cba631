"""The boundary between collapse and learning of one stop-gradient mode, bounded on both sides.

`Separatrix` holds, for one E = eta s/m^2 < 1/4, verified barriers on both sides of the stable
manifold of P_- (module `barriers`) and answers by exact comparison: a start on or beyond the
survival barrier survives, one on or below the collapse barrier collapses, and the narrow strip
between them is undecided until a finer tolerance is asked for. The simple bounds of T12.2 are used
where they decide: C >= 0 and P > P_- survives, C <= 0 and P < P_- collapses, W = 0 collapses.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cached_property

from equilibria.basin.barriers import Barrier, Precision, barrier, lower_root
from equilibria.errors import ScopeError

SMALLEST_E = Fraction(1, 200)
"""Below this E the part C < 0 hugs W = 0 within exp(-1/E), and only its other part is certified."""
FINEST = Fraction(1, 10**40)


class Fate(StrEnum):
    """What becomes of a start."""

    COLLAPSES = "collapses"
    SURVIVES = "survives"
    UNDECIDED = "undecided"
    DIVERGES = "diverges"


@dataclass(frozen=True)
class Separatrix:
    """The stable manifold of the lower root for one E, to a relative tolerance; dimensionless."""

    E: Fraction
    tolerance: Fraction = Fraction(1, 10**10)

    def __post_init__(self) -> None:
        if not 0 < self.E < Fraction(1, 4):
            raise ScopeError(f"E = eta s/m^2 = {self.E}: a boundary exists for 0 < E < 1/4")

    def _barrier(self, *, lower: bool, side: int) -> Barrier:
        precision = Precision.of(self.tolerance)
        return barrier(self.E, lower=lower, side=side, precision=precision)

    @cached_property
    def lower_barriers(self) -> tuple[Barrier, Barrier]:
        """Return the collapse and the survival barrier in P < P_-."""
        return self._barrier(lower=True, side=-1), self._barrier(lower=True, side=1)

    @cached_property
    def upper_barriers(self) -> tuple[Barrier, Barrier]:
        """Return the collapse and the survival barrier in P > P_-; E >= SMALLEST_E."""
        if self.E < SMALLEST_E:
            raise ScopeError(f"E = {float(self.E):.3g}: below {SMALLEST_E} use the numeric route")
        return self._barrier(lower=False, side=-1), self._barrier(lower=False, side=1)

    @property
    def has_upper(self) -> bool:
        return self.E >= SMALLEST_E

    @cached_property
    def root(self) -> tuple[Fraction, Fraction]:
        """Return bounds of P_-."""
        bits = Precision.of(self.tolerance).bits
        return lower_root(self.E, bits, -1), lower_root(self.E, bits, 1)

    def compare_root(self, P: Fraction) -> int:
        """Return the sign of P - P_-, exactly."""
        if 2 * P >= 1:
            return 1
        value = P - P * P - self.E  # increasing below 1/2, zero at P_-
        return (value > 0) - (value < 0)

    def fate(self, P: Fraction, C: Fraction) -> Fate:
        """Return what becomes of a start with W^2 = C + P^2 >= 0; certified unless undecided."""
        if C + P * P == 0:
            return Fate.COLLAPSES
        side = self.compare_root(P)
        if C >= 0 and side > 0:
            return Fate.SURVIVES
        if C <= 0 and side < 0:
            return Fate.COLLAPSES
        if C == 0 or side == 0:
            if C == 0:
                return Fate.UNDECIDED  # on the manifold: ends at the saddle
            return Fate.SURVIVES if C > 0 else Fate.COLLAPSES
        if side > 0 and not self.has_upper:
            return Fate.UNDECIDED
        low, high = self.lower_barriers if side < 0 else self.upper_barriers
        collapse, survival = low.c(P), high.c(P)
        if survival is not None and survival <= C:
            return Fate.SURVIVES
        if collapse is not None and collapse >= C:
            return Fate.COLLAPSES
        return Fate.UNDECIDED

    def decide(self, P: Fraction, C: Fraction) -> tuple[Fate, Fraction]:
        """Return the fate, refining the tolerance where needed, and the tolerance that decided."""
        boundary, fate = self, self.fate(P, C)
        hopeless = (C == 0 and self.compare_root(P) == 0) or (
            not self.has_upper and C < 0 and self.compare_root(P) > 0
        )
        while fate is Fate.UNDECIDED and not hopeless and boundary.tolerance > FINEST:
            boundary = Separatrix(self.E, boundary.tolerance**2)
            fate = boundary.fate(P, C)
        return fate, boundary.tolerance

    @cached_property
    def c_zero(self) -> tuple[Fraction, Fraction]:
        """Return bounds of C_0: with P = 0 a start survives exactly when W^2 > C_0."""
        low, high = (b.c(Fraction(0)) for b in self.lower_barriers)
        assert low is not None
        assert high is not None
        return low, high

    @cached_property
    def c_plus(self) -> tuple[Fraction, Fraction]:
        """Return bounds of C_+, above which every start survives."""
        return self.lower_barriers[0].limit, self.lower_barriers[1].limit

    @cached_property
    def c_minus(self) -> tuple[Fraction, Fraction]:
        """Return bounds of C_-, below which every start collapses."""
        return self.upper_barriers[0].limit, self.upper_barriers[1].limit

    def at(self, P: Fraction) -> tuple[Fraction, Fraction] | None:
        """Return bounds of C on the boundary at P; None next to P_- and where not certified."""
        side = self.compare_root(P)
        if side == 0 or (side > 0 and not self.has_upper):
            return None
        low, high = (b.c(P) for b in (self.lower_barriers if side < 0 else self.upper_barriers))
        return None if low is None or high is None else (low, high)

    def psi(self, C: Fraction) -> tuple[Fraction, Fraction] | None:
        """Return P values that certainly collapse and certainly survive at C, next to each other.

        None where no P is on the boundary: C beyond C_- or C_+ (or not certified).
        """
        if C == 0:
            return self.root
        if C < 0 and not self.has_upper:
            return None
        ends = self.c_plus if C > 0 else self.c_minus
        if not (0 < C < ends[0] or ends[1] < C < 0):
            return None
        collapse, survival = self.lower_barriers if C > 0 else self.upper_barriers
        low = _crossing(collapse, C, self.root[0] if C > 0 else self.root[1], -1)
        high = _crossing(survival, C, self.root[0] if C > 0 else self.root[1], 1)
        return low, high


def _crossing(curve: Barrier, C: Fraction, root: Fraction, side: int) -> Fraction:
    """Return P close to where kappa(P) = C, found in floats and checked exactly.

    Side +1 returns a P with kappa(P) <= C (it survives), -1 one with kappa(P) >= C. P is sought as
    root -+ (1/u - 1), which brings infinity to u = 0.
    """
    sign = -1 if C > 0 else 1
    far_is_answer = (C > 0) == (side < 0)

    def point(u: float) -> Fraction:
        return root + sign * (1 / Fraction(u) - 1)

    def beyond(value: Fraction | float | None) -> bool:
        return value is not None and (value >= C if C > 0 else value <= C)

    near, far = 1.0, 2.0**-60  # kappa = 0 at u = 1, and its limit at u = 0
    for _ in range(56):
        middle = (near + far) / 2
        if beyond(curve.c_float(float(root) + sign * (1 / middle - 1))):
            far = middle
        else:
            near = middle
    u, width = far if far_is_answer else near, 2.0**-46
    while True:
        moved = max(2.0**-60, u * (1 - width)) if far_is_answer else min(1.0, u * (1 + width))
        value = curve.c(point(moved))
        if far_is_answer and beyond(value):
            return point(moved)
        if not far_is_answer and (moved == 1.0 or not beyond(value) or value == C):
            return point(moved)
        width *= 4
