"""Obstructions at the aligned equilibria of commuting moments, from the blocks of section 7.

With a = alpha/kappa and kappa = eta_P/eta (T0.3) an active mode sits at a root p of
s p^2 - m p + eta = 0 with a w^2 = p^2, and its linearization splits into blocks (T7.2, T7.3). In
terms of x = m p, which lies in Q(sqrt(m^2 - 4 eta s)):

- (P_ii, W_ii), stop-gradient: l^2 + kappa x l + 2 kappa eta (x - 2 eta), non-real exactly where
  kappa x^2 - 8 eta x + 16 eta^2 < 0 (kappa = 1: never; a Jordan block at p^2 s = 3 eta);
- (P_ii, W_ii, T_ii), EMA: a cubic, decided by its discriminant;
- (W_ij, T_ij), EMA, inactive input j: non-real exactly where (beta - c)^2 + 4 beta p_i m_j < 0 with
  c = p_i^2 s_j + eta (T7.5);
- pairs of active modes, where both roots are rational: an explicit matrix.

Signs are decided in the quadratic field, so the answers are proofs.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import combinations

from equilibria.model import Model
from equilibria.rationals import to_float
from equilibria.results import Entry, How

from .report import MetricWitness
from .spectrum import Obstruction, obstruction
from .surd import Surd, sqrt_entry

MODES_SEARCHED = 32
PAIRS_SEARCHED = 4


@dataclass(frozen=True, slots=True)
class Active:
    """Mode j (from 0) at its outer (+) or inner (-) root p."""

    j: int
    root: str
    s: Fraction
    m: Fraction
    p: Surd


def active_modes(model: Model, modes: list[tuple[int, Fraction, Fraction]]) -> Iterator[Active]:
    """Yield the live states of single modes (T6.3), outer roots first."""
    for j, s, m in modes:
        gap = m * m - 4 * model.eta * s
        if m and gap >= 0:
            outward = 1 if m > 0 else -1
            for root, side in (("+", outward), ("-", -outward)):
                yield Active(j, root, s, m, Surd(m / (2 * s), side / (2 * s), gap))


def live_mode(model: Model) -> Active | None:
    """Return the first live mode of diagonal moments at its outer root, for eta, eta_P > 0."""
    total, signal = model.moments.total, model.moments.signal
    if total is None or signal is None or not (model.eta and model.eta_p):
        return None
    modes = list(zip(range(model.d), total, signal, strict=True))
    return next(active_modes(model, modes), None)


def state(model: Model, active: Active, row: int = 1) -> dict[str, Entry]:
    """Return P_ii, W_ij (and T_ij) of an active mode; W is fixed up to its sign."""
    kappa = model.kappa
    assert kappa is not None
    ratio = sqrt_entry(kappa / model.alpha)
    p = active.p.entry
    w: Entry
    if isinstance(ratio, Fraction):
        w = Surd(active.p.a * ratio, active.p.b * ratio, active.p.D).entry
    else:
        w = active.p.value * math.sqrt(to_float(kappa / model.alpha))
    place = f"{row}_{active.j + 1}"
    state = {f"P_{row}_{row}": p, f"W_{place}": w}
    return {**state, f"T_{place}": w} if model.procedure == "ema" else state


def aligned_witnesses(model: Model) -> Iterator[MetricWitness]:
    """Yield the obstructions found at aligned equilibria, exact ones where moments are exact."""
    if not (model.eta and model.eta_p):
        return
    modes, how = _modes(model)
    if not modes:
        return
    live = list(active_modes(model, modes))
    for active in live:
        yield from _diagonal(model, active, how)
    if model.procedure == "ema":
        for active in live:
            yield from _inactive_inputs(model, active, modes, how)
    yield from _pairs(model, live, how)


def _modes(model: Model) -> tuple[list[tuple[int, Fraction, Fraction]], How]:
    moments = model.moments
    if moments.total is not None and moments.signal is not None:
        chosen = zip(range(MODES_SEARCHED), moments.total, moments.signal, strict=False)
        return list(chosen), How.PROVED
    if model.kappa == 1 and model.procedure == "stop-gradient":
        return [], How.NUMERIC  # all real (T7.4), and a Jordan block is lost to rounding
    if not moments.commute:
        return [], How.NUMERIC
    s, m, _ = moments.eigenbasis
    pairs = zip(s[:MODES_SEARCHED], m[:MODES_SEARCHED], strict=True)
    return [(j, Fraction(float(a)), Fraction(float(b))) for j, (a, b) in enumerate(pairs)], (
        How.NUMERIC
    )


def _diagonal(model: Model, active: Active, how: How) -> Iterator[MetricWitness]:
    kappa = model.kappa
    assert kappa is not None
    eta, x, beta = model.eta, active.m * active.p, model.flow_rate
    if model.procedure == "stop-gradient":
        name = "kappa*x**2 - 8*eta*x + 16*eta**2"
        value = kappa * x * x - 8 * eta * x + 16 * eta**2
        block = [[-kappa * x, x * 0 + 2 * kappa * eta], [2 * eta - x, x * 0]]
    else:
        cross = 2 * eta - x
        minors = kappa * (x * x - cross * cross) + kappa * beta * x
        name = "discriminant of the block's characteristic polynomial"
        value = _cubic_discriminant(
            kappa * x + x + beta, minors, (x - 2 * eta) * (2 * beta * kappa * eta)
        )
        block = [
            [-kappa * x, kappa * cross, kappa * x],
            [cross, -x, x],
            [x * 0, x * 0 + beta, x * 0 - beta],
        ]
    if value.sign > 0 or (value.sign == 0 and how is not How.PROVED):
        return
    exact = f"block of mode {active.j + 1}: {name} = {value.value:.6g} with x = m*p, "
    exact += "negative" if value.sign < 0 else "zero"
    rows = [[entry.rational for entry in row] for row in block]
    rational = [[entry for entry in row if entry is not None] for row in rows]
    if all(len(row) == len(block) for row in rational):
        found = obstruction(rational)
        if found is not None:
            yield _witness(model, [active], found, how)
    elif value.sign < 0 and _clear(value, how):
        roots = _float_eigenvalues([[entry.value for entry in row] for row in block])
        yield _witness(model, [active], Obstruction("nonreal-eigenvalue", (), 2, roots, exact), how)


def _inactive_inputs(
    model: Model, active: Active, modes: list[tuple[int, Fraction, Fraction]], how: How
) -> Iterator[MetricWitness]:
    beta, p = model.flow_rate, active.p
    for j, s, m in modes:
        if j == active.j or m * active.m > 0:
            continue
        c = p * p * s + model.eta
        gap = (c - beta) * (c - beta) + 4 * beta * m * p
        if gap.sign > 0 or (gap.sign == 0 and how is not How.PROVED) or not _clear(gap, how):
            continue
        half = -(c.value + to_float(beta)) / 2
        root = complex(gap.value) ** 0.5 / 2
        kind = "nonreal-eigenvalue" if gap.sign else "jordan-block"
        values = (half + root, half - root) if gap.sign else (complex(half),)
        place = f"1_{j + 1}"
        exact = (
            f"block (W_{place}, T_{place}): l**2 + (c + beta)*l + beta*(c - p*m) with c = p**2*s "
            f"+ eta, s = {s}, m = {m}; its discriminant (c - beta)**2 + 4*beta*p*m is "
            + ("negative" if gap.sign else "zero")
        )
        yield _witness(model, [active], Obstruction(kind, (), 2, values, exact), how)


def _pairs(model: Model, live: list[Active], how: How) -> Iterator[MetricWitness]:
    rational = [active for active in live if active.p.rational is not None][:PAIRS_SEARCHED]
    if model.n < 2 or how is not How.PROVED:
        return
    for first, second in combinations(rational, 2):
        if first.j != second.j:
            found = obstruction(pair_block(model, first, second))
            if found is not None:
                yield _witness(model, [first, second], found, how)


def pair_block(model: Model, first: Active, second: Active) -> list[list[Fraction]]:
    """Return the block of two active modes with rational roots (T7.3), in alpha = kappa units.

    Variables (P_ij, P_ji, W_ij, W_ji) and, for EMA, (T_ij, T_ji).
    """
    kappa, eta, beta = model.kappa, model.eta, model.flow_rate
    assert kappa is not None
    moving = model.procedure == "ema"
    size = 6 if moving else 4
    rows = [[Fraction(0)] * size for _ in range(size)]
    for k, (i, j) in enumerate(((first, second), (second, first))):
        p_i, p_j = i.p.rational, j.p.rational
        assert p_i is not None
        assert p_j is not None
        target = 4 + k if moving else 2 + k
        rows[k][k] = -kappa * (p_j**2 * j.s + eta)
        rows[k][2 + k] -= kappa * p_j * p_i * j.s
        rows[k][target] += kappa * p_j * j.m
        rows[k][3 - k] += kappa * eta
        rows[2 + k][1 - k] = eta
        rows[2 + k][k] = -p_i * p_j * j.s
        rows[2 + k][2 + k] -= p_i**2 * j.s + eta
        rows[2 + k][target] += p_i * j.m
        if moving:
            rows[4 + k][2 + k], rows[4 + k][4 + k] = beta, -beta
    return rows


def _witness(model: Model, active: list[Active], found: Obstruction, how: How) -> MetricWitness:
    ordered = sorted(active, key=lambda mode: mode.j)
    labels = ",".join(f"{mode.j + 1}{mode.root}" for mode in ordered)
    point: dict[str, Entry] = {}
    for row, mode in enumerate(ordered, start=1):
        point.update(state(model, mode, row))
    exact = model.moments.is_diagonal
    return MetricWitness(
        found.kind,
        f"rank{len(ordered)}:{labels}",
        point,
        found.eigenvalues,
        how,
        exact=found.exact,
        elsewhere="all other variables are 0"
        + ("" if exact else ", columns in the eigenbasis of the moments"),
    )


def _cubic_discriminant(b: Surd, c: Surd, d: Surd) -> Surd:
    """Return the discriminant of l^3 + b l^2 + c l + d; negative exactly with a non-real pair."""
    return b * b * c * c - 4 * c * c * c - 4 * b * b * b * d - 27 * d * d + 18 * b * c * d


def _clear(value: Surd, how: How) -> bool:
    """Ask for a margin where the moments themselves are rounded."""
    scale = abs(to_float(value.a)) + abs(to_float(value.b)) * math.sqrt(to_float(value.D))
    return how is How.PROVED or abs(value.value) > 1e-6 * scale


def _float_eigenvalues(rows: list[list[float]]) -> tuple[complex, ...]:
    if len(rows) == 2:
        half = (rows[0][0] + rows[1][1]) / 2
        root = complex(half * half + rows[0][1] * rows[1][0] - rows[0][0] * rows[1][1]) ** 0.5
        return half + root, half - root
    import numpy as np

    return tuple(complex(value) for value in np.linalg.eigvals(np.array(rows)) if value.imag)
