"""How fast a perturbed stratum returns or leaves, and at which frequency: its leading multiplier.

The same polynomials that decide the verdicts, solved in doubles: all eigenvalues of the flow, or
multipliers of the map, across the component; the neutral ones along it are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.phase.bounded import Poly
from equilibria.phase.families import outer_roots
from equilibria.phase.pairs import Substitution, diagonal_block, inactive_block, pair_block
from equilibria.phase.setting import Points, Setting
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.transfer import polynomial_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    ComplexArray = NDArray[np.complex128]


@dataclass(frozen=True, slots=True)
class Leading:
    """The leading eigenvalue of a flow, or multiplier of a map."""

    value: complex
    is_map: bool

    @property
    def extent(self) -> float:
        """Return the abscissa or the radius."""
        return abs(self.value) if self.is_map else self.value.real

    @property
    def rate(self) -> float:
        """Return the growth rate of distances per unit of time or per step."""
        return float(np.log(abs(self.value))) if self.is_map else self.value.real

    @property
    def frequency(self) -> float:
        """Return the angle turned per unit of time or per step; pi for a flip, 0 without any."""
        return abs(float(np.angle(self.value))) if self.is_map else abs(self.value.imag)


def leading(model: Model, modes: Sequence[int], *, is_map: bool) -> Leading:
    """Return the leading eigenvalue or multiplier of the stratum of these modes (1-based) at p+.

    Raises `ScopeError` when a mode has no equilibrium or the procedure is not a bootstrap one.
    """
    values = normal_spectrum(model, modes, is_map=is_map)
    key = np.abs(values) if is_map else values.real
    return Leading(complex(values[int(np.argmax(key))]), is_map)


def normal_spectrum(model: Model, modes: Sequence[int], *, is_map: bool) -> ComplexArray:
    """Return the eigenvalues or multipliers across the component, each block once (T7.2, T7.3)."""
    setting = Setting(model, "lr", "weight-decay", "fixed")
    if setting.family is not Family.BOOTSTRAP:
        raise ScopeError(f"--procedure {model.procedure}: expected stop-gradient or ema")
    points = setting.points(np.array([to_float(model.h)]), np.array([to_float(model.eta)]))
    p = outer_roots(points)[0][0]
    chosen = [number - 1 for number in modes]
    if not all(p[j] for j in chosen):
        raise ScopeError(f"--weight-decay {model.eta}: modes {list(modes)} cannot all be active")
    rule = Substitution.of(points, is_map=is_map)
    roots = [polynomial_roots(_row(poly)) for poly in _polynomials(points, p, chosen, rule)]
    free = Substitution.of(_without_target(points), is_map=is_map)
    roots += [polynomial_roots(_row(free.apply(_rate(r)))) for r in _free_rates(points, p, chosen)]
    values = np.concatenate([np.asarray(r).ravel() for r in roots])
    if not is_map:
        beta = (1 - points.mu) / points.h
        return np.append(values, -beta) if points.ema and len(chosen) < points.n else values
    values = 1 + points.h * values
    return np.append(values, points.mu) if points.ema and len(chosen) < points.n else values


def _polynomials(points: Points, p: Array, chosen: list[int], rule: Substitution) -> list[Poly]:
    """Return the characteristic polynomials of the blocks that the target touches."""
    s, m = points.s[0], points.m
    eta, kappa = points.eta[:, None], points.kappa[:, None]
    found = []
    for place, i in enumerate(chosen):
        one = [np.array([[v]]) for v in (p[i], s[i], m[i])]
        found.append(rule.apply(diagonal_block(one[0], one[1], one[2], eta, kappa)))
        for j in chosen[place + 1 :]:
            two = [np.array([[v]]) for v in (p[j], s[j], m[j])]
            block = pair_block((one[0], two[0]), (one[1], two[1]), (one[2], two[2]), eta, kappa)
            found.append(rule.apply(block).without_constant())
        for j in range(points.d):
            if j not in chosen:
                a, b = p[i] * p[i] * s[j] + points.eta[0], p[i] * m[j]
                poly = rule.apply(inactive_block(np.array([[a]]), np.array([[b]])))
                found.append(poly.without_constant() if points.same[i, j] else poly)
    return [poly for poly in found if poly.degree]


def _free_rates(points: Points, p: Array, chosen: list[int]) -> list[float]:
    """Return the rates of inactive outputs: kappa p m, (1 + kappa) eta, kappa eta, eta."""
    rank, eta, kappa = len(chosen), float(points.eta[0]), float(points.kappa[0])
    if rank == points.n:
        return []
    rates = [kappa * eta] + [kappa * float(p[i] * points.m[i]) for i in chosen]
    if rank:
        rates.append((1 + kappa) * eta)
    return [*rates, eta] if rank < points.d else rates


def _rate(rate: float) -> tuple[Poly, ...]:
    return (Poly.of(np.array([[rate]]), 1.0),)


def _without_target(points: Points) -> Points:
    return replace(points, ema=False)


def _row(poly: Poly) -> Array:
    return np.array([float(np.asarray(c).ravel()[0]) for c in poly.value])[None]
