"""Aligned points of a family without decay, some of which a step may keep where others are thrown off.

At an aligned point the flow needs alpha w_j^2 > p_i (c_j - p_i) for every row i, and the map

    s_j (alpha w_j^2 + p_i^2) - phi* p_i m_j < 2 (1 + nu)/h,

so that between the two there is room for w_j or not. These are proposals: the caller decides each.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isqrt

from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_tables import critical_phi
from equilibria.varieties.commuting.modes import Mode
from equilibria.varieties.without_decay.inequalities import ZERO
from equilibria.varieties.without_decay.points import Point


def candidates(model: Model, modes: Sequence[Mode], active: tuple[Mode, ...]) -> Iterator[Point]:
    """Yield aligned points of the component of `active`, the balanced one first."""
    correlations = [mode.m / mode.s for mode in active]
    scale = root_above(1 / model.alpha)
    balanced = tuple(abs(c) * scale if c else scale for c in correlations)
    bound = 2 * (1 + model.nu) / model.h
    for free in _free_values(modes, active) if len(active) < model.n else (ZERO,):
        predictors = (*correlations, *([free] * (model.n - len(active))))
        yield Point(active, predictors, balanced)
        rooms = [room(mode, predictors, critical_phi(model), bound) for mode in active]
        if all(low < high for low, high in rooms):
            weights = [_root_between(low / model.alpha, high / model.alpha) for low, high in rooms]
            yield Point(active, predictors, tuple(weights))


def room(
    mode: Mode, predictors: Sequence[Fraction], phi: Fraction, bound: Fraction
) -> tuple[Fraction, Fraction]:
    """Return between which values alpha w^2 of an active mode has to lie for the flow and the map."""
    c = mode.m / mode.s
    low = max(ZERO, *(p * (c - p) for p in predictors))
    return low, min(bound / mode.s - p * p + phi * p * c for p in predictors)


def _free_values(modes: Sequence[Mode], active: Sequence[Mode]) -> Iterator[Fraction]:
    """Yield predictors of the free rows outside the range of the inactive correlations and 0."""
    taken = {mode.number for mode in active}
    size = max(abs(mode.m / mode.s) for mode in modes) or Fraction(1)
    yield 2 * max([mode.m / mode.s for mode in modes] + [ZERO]) or Fraction(1)
    rest = [mode.m / mode.s for mode in modes if mode.number not in taken]
    for share in (2, 16, 256):
        yield max([*rest, ZERO]) + size / share
        yield min([*rest, ZERO]) - size / share


def root_above(value: Fraction) -> Fraction:
    """Return the square root when rational, else a rational just above it."""
    numerator, denominator = isqrt(value.numerator), isqrt(value.denominator)
    if numerator**2 == value.numerator and denominator**2 == value.denominator:
        return Fraction(numerator, denominator)
    scale = 10**6
    return Fraction(isqrt(int(value * scale * scale)) + 1, scale)


def _root_between(low: Fraction, high: Fraction) -> Fraction:
    """Return a rational whose square lies strictly between; 0 <= low < high."""
    middle, scale = (low + high) / 2, 16
    while True:
        root = Fraction(isqrt(int(middle * scale * scale)), scale)
        if low < root * root < high:
            return root
        scale *= 16
