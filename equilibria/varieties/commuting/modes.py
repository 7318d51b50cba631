"""Modes of commuting moments and the roots at which an active mode can rest.

A mode j has total variance s_j and signal m_j. With weight decay eta > 0 it is either inactive or
rests at a root of s p^2 - m p + eta = 0: the outer root p+ (larger |p|, sign of m) or the inner
root p- (T6.3). A `State` is a mode at a root, with its exact value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from math import isqrt

from equilibria.data.moments import Moments
from equilibria.exact.rationals import to_float
from equilibria.exact.surds import ZERO, Surd, radical

CLUSTER_TOLERANCE = 1e-10


@dataclass(frozen=True, slots=True)
class Mode:
    """One joint eigendirection: 1-based number, eigenvalue s of Sigma and m of M."""

    number: int
    s: Fraction
    m: Fraction


@dataclass(frozen=True, slots=True)
class State:
    """An active mode at its root "+" or "-"; `p` is the exact eigenvalue of the predictor.

    At a fold (m^2 = 4 eta s) the two roots are one, called "+".
    """

    mode: Mode
    root: str
    p: Surd
    value: float
    fold: bool
    label: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "label", f"{self.mode.number}{self.root}")


@dataclass(frozen=True, slots=True)
class Group:
    """Modes with equal (s, m): their members are interchangeable by a rotation of the data."""

    modes: tuple[Mode, ...]
    states: tuple[State, ...]
    """The states of the first member: empty, ("+",) at a fold, or ("+", "-")."""


def modes_of(moments: Moments) -> tuple[Mode, ...]:
    """Return the modes of commuting moments, numbered from 1.

    Diagonal moments are exact. Otherwise the eigenvalues are doubles taken as dyadic rationals, and
    modes that agree to a relative 1e-10 are made equal, so that rounding cannot split them.
    """
    if moments.total is not None and moments.signal is not None:
        pairs: Sequence[tuple[Fraction, Fraction]] = list(
            zip(moments.total, moments.signal, strict=True)
        )
    else:
        s_values, m_values, _ = moments.eigenbasis
        pairs = _clustered(s_values.tolist(), m_values.tolist())
    return tuple(Mode(index, s, m) for index, (s, m) in enumerate(pairs, 1))


def shared_root(modes: Sequence[Mode], eta: Fraction) -> tuple[Mode, Mode, Fraction] | None:
    """Return two different modes with one root p of s p^2 - m p + eta in common, or None.

    Their rows then mix in a continuous family, which no mode list describes. A common root is
    (m - m') / (s - s'), hence rational, so only modes with rational roots are compared.
    """
    seen: dict[Fraction, Mode] = {}
    for mode in modes:
        for p in _rational_roots(mode, eta):
            other = seen.setdefault(p, mode)
            if (other.s, other.m) != (mode.s, mode.m):
                return other, mode, p
    return None


def _rational_roots(mode: Mode, eta: Fraction) -> tuple[Fraction, ...]:
    square = mode.m**2 - 4 * eta * mode.s
    if square < 0 or eta == 0:
        return ()
    top, bottom = isqrt(square.numerator), isqrt(square.denominator)
    if top * top != square.numerator or bottom * bottom != square.denominator:
        return ()
    root = Fraction(top, bottom)
    return tuple({(mode.m + sign * root) / (2 * mode.s) for sign in (1, -1)})


def _clustered(s_values: list[float], m_values: list[float]) -> list[tuple[Fraction, Fraction]]:
    scale_s, scale_m = max(map(abs, s_values)), max(map(abs, m_values), default=1.0) or 1.0
    leaders: list[tuple[float, float]] = []
    chosen: list[tuple[Fraction, Fraction]] = []
    for s, m in zip(s_values, m_values, strict=True):
        for leader in leaders:
            if (
                abs(s - leader[0]) <= CLUSTER_TOLERANCE * scale_s
                and abs(m - leader[1]) <= CLUSTER_TOLERANCE * scale_m
            ):
                break
        else:
            leader = (s, m)
            leaders.append(leader)
        chosen.append((Fraction(leader[0]), Fraction(leader[1])))
    return chosen


def states_of(mode: Mode, eta: Fraction) -> tuple[State, ...]:
    """Return the roots of s p^2 - m p + eta with eta > 0, outer first; none when they are complex."""
    discriminant = mode.m**2 - 4 * eta * mode.s
    if discriminant < 0:
        return ()
    centre = mode.m / (2 * mode.s)
    if discriminant == 0:
        p = Surd(1, 1, (centre, ZERO, ZERO, ZERO))
        return (State(mode, "+", p, to_float(centre), fold=True),)
    factor, radicand = radical(discriminant)
    half = factor / (2 * mode.s) * (1 if mode.m > 0 else -1)
    outer = Surd(radicand, 1, (centre, half, ZERO, ZERO))
    inner = Surd(radicand, 1, (centre, -half, ZERO, ZERO))
    outer_value = float(outer)
    # p+ p- = eta/s: no cancellation in the small root.
    inner_value = to_float(eta / mode.s) / outer_value
    return (
        State(mode, "+", outer, outer_value, fold=False),
        State(mode, "-", inner, inner_value, fold=False),
    )


def groups_of(modes: Sequence[Mode], eta: Fraction) -> tuple[Group, ...]:
    """Return the modes in groups of equal (s, m), in the order of their first members."""
    members: dict[tuple[Fraction, Fraction], list[Mode]] = {}
    for mode in modes:
        members.setdefault((mode.s, mode.m), []).append(mode)
    return tuple(Group(tuple(group), states_of(group[0], eta)) for group in members.values())


def state_of_member(state: State, mode: Mode) -> State:
    """Return the same root for another member of the group."""
    return State(mode, state.root, state.p, state.value, state.fold)
