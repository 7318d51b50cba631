"""Obstructions at the aligned equilibria of commuting moments, from the blocks of section 7.

With a = alpha/kappa and kappa = eta_P/eta (T0.3) an active mode sits at a root p of
s p^2 - m p + eta = 0 with a w^2 = p^2, and its linearization splits into blocks (T7.2, T7.3). In
terms of x = m p:

- (P_ii, W_ii), stop-gradient: l^2 + kappa x l + 2 kappa eta (x - 2 eta), non-real exactly where
  kappa x^2 - 8 eta x + 16 eta^2 < 0 (kappa = 1: never; a Jordan block at p^2 s = 3 eta);
- (P_ii, W_ii, T_ii), EMA: a cubic, decided by its discriminant;
- (W_ij, T_ij), EMA, inactive input j: non-real exactly where (c - beta)^2 + 4 beta p_i m_j < 0 with
  c = p_i^2 s_j + eta (T7.5);
- pairs of active modes (T7.3): Sturm's theorem where both roots are rational; otherwise, for
  stop-gradient with kappa != 1, the discriminant of a cubic (T8.6).

Signs are decided exactly, in Q(sqrt(x), sqrt(y)), so the answers are proofs.
"""

from __future__ import annotations

import cmath
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import combinations, islice

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd
from equilibria.gradient.aligned_blocks import Matrix, diagonal_block, pair_block
from equilibria.gradient.live import Active, ModeData, active_modes, state
from equilibria.gradient.radicals import rational_part
from equilibria.gradient.report import MetricWitness
from equilibria.gradient.spectrum import Obstruction, obstruction
from equilibria.systems.model import Model
from equilibria.varieties.component import Entry, How

MODES_SEARCHED = 32
PAIRS_SEARCHED = 32
NUMERIC_MARGIN = 1e-6


def aligned_witnesses(model: Model) -> Iterator[MetricWitness]:
    """Yield the obstructions found at aligned equilibria, exact ones where moments are exact."""
    if not (model.eta and model.eta_p):
        return
    modes, how = _modes(model)
    live = list(active_modes(model, modes))
    for active in live:
        yield from _diagonal(model, active, how)
    if model.traits.has_target:
        for active in live:
            yield from _inactive_inputs(model, active, modes, how)
    if how is How.PROVED and model.n >= 2:
        pairs = ((a, b) for a, b in combinations(live, 2) if a.j != b.j)
        for first, second in islice(pairs, PAIRS_SEARCHED):
            yield from _pair(model, first, second)


def _modes(model: Model) -> tuple[list[ModeData], How]:
    moments = model.moments
    if moments.total is not None and moments.signal is not None:
        chosen = zip(range(MODES_SEARCHED), moments.total, moments.signal, strict=False)
        return list(chosen), How.PROVED
    if model.kappa == 1 and model.traits.own_target:
        return [], How.NUMERIC  # all real (T7.4), and a Jordan block is lost to rounding
    if not moments.commute:
        return [], How.NUMERIC
    s, m, _ = moments.eigenbasis
    pairs = zip(s[:MODES_SEARCHED], m[:MODES_SEARCHED], strict=True)
    numeric = [(j, Fraction(float(a)), Fraction(float(b))) for j, (a, b) in enumerate(pairs)]
    return numeric, How.NUMERIC


def _diagonal(model: Model, active: Active, how: How) -> Iterator[MetricWitness]:
    kappa = model.kappa
    assert kappa is not None
    eta, beta, x = model.eta, model.flow_rate, active.m * active.p
    name = "the discriminant of its characteristic polynomial"
    if model.traits.own_target:
        name = "kappa*x**2 - 8*eta*x + 16*eta**2"
        value = kappa * x * x - 8 * eta * x + 16 * eta**2
    elif kappa == 1:
        # -2 eta and two real roots (T7.2): only a coincidence, q(-2 eta) = 0, can matter
        y = x - eta
        value = 4 * eta**2 - 4 * eta * y + beta * y - 3 * beta * eta
        if value.sign():
            return
    else:
        value = _cubic_discriminant(*_invariants(diagonal_block(model, active)))
    sign = _sign(value, how)
    if sign > 0:
        return
    block = diagonal_block(model, active)
    found = _rational_obstruction(block, f"block of mode {active.j + 1}")
    if found is None and sign < 0:
        exact = f"block of mode {active.j + 1}: {name} = {value.text()} < 0 with x = m*p"
        found = Obstruction("nonreal-eigenvalue", (), 2, _nonreal(block), exact)
    if found is not None:
        yield _witness(model, [active], found, how)


def _inactive_inputs(
    model: Model, active: Active, modes: list[ModeData], how: How
) -> Iterator[MetricWitness]:
    beta, p = model.flow_rate, active.p
    for j, s, m in modes:
        if j == active.j or m * active.m > 0:
            continue
        c = p * p * s + model.eta
        gap = (c - beta) * (c - beta) + 4 * beta * m * p
        sign = _sign(gap, how)
        if sign > 0:
            continue
        half = -(float(c) + to_float(beta)) / 2
        root = cmath.sqrt(float(gap)) / 2
        values = (half + root, half - root) if sign else (complex(half),)
        exact = (
            f"block (W_1_{j + 1}, T_1_{j + 1}): the discriminant (c - beta)**2 + 4*beta*p*m with "
            f"c = p**2*s + eta, s = {s}, m = {m}, p = P_1_1, beta = {beta} is {gap.text()}"
        )
        kind = "nonreal-eigenvalue" if sign else "jordan-block"
        yield _witness(model, [active], Obstruction(kind, (), 2, values, exact), how)


def _pair(model: Model, first: Active, second: Active) -> Iterator[MetricWitness]:
    rational = rational_part(first.p) is not None and rational_part(second.p) is not None
    cubic = model.traits.own_target and model.kappa != 1
    if not (rational or cubic):
        return
    block = pair_block(model, first, second)
    found = _rational_obstruction(block, f"pair block of modes {first.j + 1}, {second.j + 1}")
    if found is None and cubic and not rational:
        value = _cubic_discriminant(*_invariants(block))
        if value.sign() < 0:
            exact = f"pair block l*(cubic): the discriminant of the cubic is {value.text()} < 0"
            found = Obstruction("nonreal-eigenvalue", (), 2, _nonreal(block), exact)
    if found is not None:
        yield _witness(model, [first, second], found, How.PROVED)


def _witness(model: Model, active: list[Active], found: Obstruction, how: How) -> MetricWitness:
    ordered = sorted(active, key=lambda mode: mode.j)
    labels = ",".join(f"{mode.j + 1}{mode.root}" for mode in ordered)
    point: dict[str, Entry] = {}
    for row, mode in enumerate(ordered, start=1):
        point.update(state(model, mode, row))
    elsewhere = "all other variables are 0"
    if not model.moments.is_diagonal:
        elsewhere += "; columns in the common eigenbasis of the moments"
    return MetricWitness(
        found.kind,
        f"rank{len(ordered)}:{labels}",
        point,
        found.eigenvalues,
        how,
        exact=found.exact,
        elsewhere=elsewhere,
    )


def _invariants(block: Matrix) -> tuple[Surd, Surd, Surd]:
    """Return b, c, d of det(l - A) = l^k (l^3 + b l^2 + c l + d), from traces of powers."""
    square = _product(block, block)
    t1, t2, t3 = _trace(block), _trace(square), _trace(_product(square, block))
    e1, e2 = t1, (t1 * t1 - t2) * Fraction(1, 2)
    e3 = (e2 * t1 - e1 * t2 + t3) * Fraction(1, 3)
    return -e1, e2, -e3


def _cubic_discriminant(b: Surd, c: Surd, d: Surd) -> Surd:
    """Return the discriminant of l^3 + b l^2 + c l + d; negative exactly with a non-real pair."""
    return b * b * c * c - 4 * c * c * c - 4 * b * b * b * d - 27 * d * d + 18 * b * c * d


def _product(left: Matrix, right: Matrix) -> Matrix:
    zero = 0 * left[0][0]
    return [
        [sum((row[k] * right[k][j] for k in range(len(row))), zero) for j in range(len(row))]
        for row in left
    ]


def _trace(matrix: Matrix) -> Surd:
    return sum((matrix[i][i] for i in range(len(matrix))), 0 * matrix[0][0])


def _rational_obstruction(block: Matrix, label: str) -> Obstruction | None:
    rows = [[rational_part(value) for value in row] for row in block]
    exact = [[value for value in row if value is not None] for row in rows]
    found = obstruction(exact) if all(len(row) == len(block) for row in exact) else None
    return found and replace(found, exact=f"{label}: {found.exact}")


def _sign(value: Surd, how: How) -> int:
    """Return the sign; where the moments are rounded, 1 unless it is clearly negative."""
    if how is How.PROVED:
        return value.sign()
    a, b, _, _ = value.parts
    scale = abs(to_float(a)) + abs(to_float(b)) * to_float(Fraction(value.x)) ** 0.5
    return -1 if float(value) < -NUMERIC_MARGIN * scale else 1


def _nonreal(block: Matrix) -> tuple[complex, ...]:
    """Return the non-real eigenvalues in floating point, for display; () on overflow."""
    try:
        rows = [[float(value) for value in row] for row in block]
    except OverflowError:
        return ()
    if len(rows) == 2:
        half = (rows[0][0] + rows[1][1]) / 2
        gap = half * half + rows[0][1] * rows[1][0] - rows[0][0] * rows[1][1]
        return half + cmath.sqrt(gap), half - cmath.sqrt(gap)
    import numpy as np

    return tuple(complex(value) for value in np.linalg.eigvals(np.array(rows)) if value.imag)
