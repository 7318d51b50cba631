"""Equilibria of DirectPred and DirectCopy: the predictor is P = F^a, F = W Sigma W^T (T13.1, T13.2).

A mode rests where s p^2 - m p + eta = 0 with p = (s w^2)^a > 0, so the thresholds and the roots are
those of the learned predictor with m > 0; only the transients of the predictor are gone. All
eigenvalues are real:

    diagonal i               2a (eta - p_i^2 s_i)
    active i, inactive j     p_i m_j - p_i^2 s_j - eta
    active, inactive output  0
    both inactive            -eta
    pair i, j                0 and a number in Q(p_i, p_j)
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd, in_common_field, radical
from equilibria.systems.model import Model
from equilibria.varieties.commuting.components import (
    component_dimension,
    repeated_modes,
    stratum_id,
)
from equilibria.varieties.commuting.modes import (
    Group,
    Mode,
    State,
    groups_of,
    modes_of,
    shared_root,
)
from equilibria.varieties.commuting.representative import ENTRYWISE_LIMIT, number
from equilibria.varieties.commuting.strata import Stratum, all_strata, total_strata
from equilibria.varieties.component import (
    Algebraic,
    Component,
    Detail,
    Entry,
    How,
    Variety,
    Verdict,
    collapse_grade,
)
from equilibria.varieties.listing import fitting
from equilibria.varieties.real_spectrum.verdict import (
    RealEigenvalue,
    both_stabilities,
    rational_eigenvalue,
)

LISTING_LIMIT = 20_000


def direct_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return all components of the direct procedures for commuting moments.

    Raises `ScopeError` when the moments do not commute or there are more strata than can be listed.
    """
    if not model.moments.commute:
        raise ScopeError(
            f"--procedure {model.procedure}: the closed form needs moments that commute",
            hint="give eigenvalues with --signal and --total, or use --procedure stop-gradient, "
            "whose rank-1 equilibria are the same",
        )
    modes = modes_of(model.moments)
    groups = [_positive(group, model) for group in groups_of(modes, model.eta)]
    total = total_strata(groups, model.n)
    if total > LISTING_LIMIT:
        raise ScopeError(
            f"--procedure {model.procedure}: {total} strata, at most {LISTING_LIMIT} are listed",
            hint="lower --embed-dim, raise --weight-decay, or use --procedure stop-gradient, whose "
            "stable strata are counted without being listed",
        )
    analysis = _Analysis(model, modes)
    components = [analysis.component(stratum) for stratum in all_strata(groups, model.n)]
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    rest = [c for c in components if c.flow.verdict is not Verdict.STABLE]
    stable.sort(key=lambda c: (-(c.rank or 0), c.modes or ()))
    rest.sort(key=lambda c: (c.rank != 0, c.flow.growth, c.modes or (), c.roots or ()))
    listed = stable + fitting(rest, max_components - len(stable))
    return Variety(
        components=tuple(listed),
        complete=len(listed) == total and _all_aligned(modes, model),
        why=_why(modes, model),
        total=total,
        stable_total=len(stable),
    )


def _all_aligned(modes: Sequence[Mode], model: Model) -> bool:
    if len({mode.s for mode in modes}) == 1:
        return True
    return (model.n == 1 or model.d == 1) and shared_root(modes, model.eta) is None


def _why(modes: Sequence[Mode], model: Model) -> str:
    shared = shared_root(modes, model.eta)
    if shared is not None:
        first, second, p = shared
        return (
            f"modes {first.number} and {second.number} share the root p = {p}: their rows mix in a "
            "continuous family that strata do not describe"
        )
    if _all_aligned(modes, model):
        return "P is symmetric and W has rank one or Sigma is isotropic: all are aligned [proved]"
    return "all aligned equilibria; for anisotropic Sigma others are not excluded"


def _positive(group: Group, model: Model) -> Group:
    """Keep the states that a predictor F^a >= 0 can have; without decay p- = 0 is inactive."""
    if group.modes[0].m <= 0:
        return Group(group.modes, ())
    return Group(group.modes, group.states if model.eta else group.states[:1])


class _Analysis:
    """Eigenvalues of blocks, computed once for the states and modes that occur."""

    def __init__(self, model: Model, modes: Sequence[Mode]) -> None:
        self.model, self.modes = model, modes
        self.exponent = Fraction(model.traits.exponent or "1/2")
        self.cache: dict[tuple[object, ...], RealEigenvalue] = {}
        self.repeated = repeated_modes(modes)

    def component(self, stratum: Stratum) -> Component:
        dimension = component_dimension(stratum, self.repeated, self.model.n)
        known = How.CERTIFIED if self.model.exact else How.NUMERIC
        how = known if stratum else How.PROVED
        flow, step = both_stabilities(self.model, self.eigenvalues(stratum), dimension, how=how)
        k = len(stratum)
        return Component(
            id=stratum_id(stratum),
            rank=k,
            dimension=dimension,
            collapse=collapse_grade(k, self.model.n, self.model.d),
            flow=flow,
            map=step,
            modes=tuple(state.mode.number for state in stratum),
            roots=tuple(state.root for state in stratum),
            build_detail=partial(_detail, self.model, self.exponent, stratum),
        )

    def eigenvalues(self, stratum: Stratum) -> list[RealEigenvalue]:
        n, d, k = self.model.n, self.model.d, len(stratum)
        active = {state.mode.number for state in stratum}
        outside = [mode for mode in self.modes if mode.number not in active]
        found = [self._diagonal(state) for state in stratum]
        found += [self._inactive(state, mode) for state in stratum for mode in outside]
        for i, left in enumerate(stratum):
            found += [self._pair(left, right) for right in stratum[i + 1 :]]
        found.append(rational_eigenvalue(Fraction(0), k * (k - 1) // 2 + k * (n - k)))
        found.append(rational_eigenvalue(-self.model.eta, (n - k) * (d - k)))
        return found

    def _diagonal(self, state: State) -> RealEigenvalue:
        key = (state.mode.number, state.root)
        if key not in self.cache:
            value = (self.model.eta - state.p * state.p * state.mode.s) * (2 * self.exponent)
            self.cache[key] = RealEigenvalue.of(value)
        return self.cache[key]

    def _inactive(self, state: State, mode: Mode) -> RealEigenvalue:
        key = (state.mode.number, state.root, mode.number)
        if key not in self.cache:
            value = state.p * mode.m - state.p * state.p * mode.s - self.model.eta
            self.cache[key] = RealEigenvalue.of(value)
        return self.cache[key]

    def _pair(self, left: State, right: State) -> RealEigenvalue:
        key = (left.mode.number, left.root, right.mode.number, right.root)
        if key not in self.cache:
            self.cache[key] = RealEigenvalue.of(self._pair_value(left, right))
        return self.cache[key]

    def _pair_value(self, left: State, right: State) -> Surd:
        """Return the sum over both orders of D f_j (eta/p_j - p_i s_j) + p_i (m_j - p_i s_j) - eta.

        f = p^(1/a), and D = (p_i - p_j)/(f_i - f_j) is 1 for a = 1 and 1/(p_i + p_j) for a = 1/2.
        """
        p, q = in_common_field(left.p, right.p)
        s, r, eta = left.mode.s, right.mode.s, self.model.eta
        growth = p * right.mode.m - p * p * r + q * left.mode.m - q * q * s - 2 * eta
        if self.exponent == 1:
            return growth + 2 * eta - p * q * (s + r)
        mixed = q * (eta - p * q * r) + p * (eta - p * q * s)
        return growth + mixed * (p + q).inverse()


def _detail(model: Model, exponent: Fraction, stratum: Stratum) -> Detail:
    n, d = model.n, model.d
    zero: Entry = Fraction(0)
    encoder: list[tuple[Entry, ...]] = []
    predictor = [[zero] * n for _ in range(n)]
    for i, state in enumerate(stratum):
        predictor[i][i] = number(state.p)
        encoder.append(_encoder_row(model, exponent, state))
    encoder += [(zero,) * d] * (n - len(stratum))
    point = {"W": tuple(encoder), "P": tuple(map(tuple, predictor))}
    return Detail(_equations(model, exponent, stratum), point)


def _encoder_row(model: Model, exponent: Fraction, state: State) -> tuple[Entry, ...]:
    weight = _weight(exponent, state)
    if model.moments.is_diagonal:
        row: list[Entry] = [Fraction(0)] * model.d
        row[state.mode.number - 1] = weight
        return tuple(row)
    size = (state.value ** float(1 / exponent) / to_float(state.mode.s)) ** 0.5
    return tuple(size * float(x) for x in model.moments.eigenbasis[2][:, state.mode.number - 1])


def _weight(exponent: Fraction, state: State) -> Entry:
    """Return w = sqrt(f/s) with f = p^(1/a)."""
    if exponent == Fraction(1, 2):
        factor, radicand = radical(1 / state.mode.s)
        p = Surd(state.p.x, radicand, state.p.parts)
        return number(p * Surd(p.x, p.y, (Fraction(0), Fraction(0), factor, Fraction(0))))
    inside = state.p * (1 / state.mode.s)
    folded = inside.folded()
    if not any(folded.parts[1:]):
        factor, radicand = radical(folded.parts[0])
        if radicand == 1:
            return factor
    return Algebraic(float(inside) ** 0.5, f"sqrt({inside.text()})")


def _equations(model: Model, exponent: Fraction, stratum: Stratum) -> tuple[str, ...]:
    gram = {
        s.mode.number: (s.p * s.p if exponent == Fraction(1, 2) else s.p) * (1 / s.mode.s)
        for s in stratum
    }
    constraint = "P^2 = W*Sigma*W^T" if exponent == Fraction(1, 2) else "P = W*Sigma*W^T"
    if not model.moments.is_diagonal or model.d**2 > ENTRYWISE_LIMIT:
        letter = "e" if model.moments.is_diagonal else "v"
        terms = [f"({float(g)!r})*{letter}_{j}*{letter}_{j}^T" for j, g in gram.items()]
        return (f"W^T*W = {' + '.join(terms) or '0'}", constraint)
    equations = []
    for i in range(1, model.d + 1):
        for j in range(i, model.d + 1):
            rows = range(1, model.n + 1)
            dot = " + ".join(f"W_{r}_{i}*W_{r}_{j}" if i != j else f"W_{r}_{i}**2" for r in rows)
            equations.append(dot + (f" - ({gram[i].text()})" if i == j and i in gram else ""))
    return (*equations, constraint)
