"""Equilibria of joint minimisation: it collapses.

For eta > 0 the identity <W, dE0/dW> = 2 E0 >= 0 leaves only W = 0 (T1.1), whatever the sizes and
the moments. Without decay the critical set is {E0 = 0} (T1.3): collapse alone exactly when all
canonical correlations are below 1 in modulus; directions that the augmentation leaves untouched
(|k_j| = 1) survive. Needs admissible moments, -Sigma <= M <= Sigma: only these come from data.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from itertools import product

import numpy as np

from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode, modes_of
from equilibria.varieties.component import Component, Detail, Entry, How, Variety, collapse_grade
from equilibria.varieties.real_spectrum.verdict import (
    RealEigenvalue,
    along_family,
    both_stabilities,
    rational_eigenvalue,
)

ZERO = Fraction(0)


def joint_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return full collapse, and for eta = eta_P = 0 the components that survive on |k_j| = 1.

    Raises `ScopeError` for moments that no data has (some |k_j| > 1).
    """
    largest = _largest_correlation(model)
    if largest > 1:
        raise ScopeError(
            f"--procedure joint: the canonical correlations reach {float(largest):.6g}, so no data "
            "has these moments; joint minimisation needs -Sigma <= M <= Sigma",
            hint="raise --noise or --total, or lower --signal",
        )
    if model.eta > 0 or model.eta_p > 0 or largest < 1:
        return _collapse_only(model)
    return _survivors(model, max_components)


def _largest_correlation(model: Model) -> Fraction:
    if model.moments.is_diagonal or model.moments.commute:
        return max(abs(mode.m) / mode.s for mode in modes_of(model.moments))
    sigma, m = model.moments.matrices()
    factor = np.linalg.cholesky(sigma)
    whitened = np.linalg.solve(factor, np.linalg.solve(factor, m).T)
    return Fraction(float(np.abs(np.linalg.eigvalsh((whitened + whitened.T) / 2)).max()))


def _collapse_only(model: Model) -> Variety:
    """Return the component W = 0: a point, or all of {W = 0} when the predictor does not decay."""
    free = model.eta_p == 0
    dimension = model.n**2 if free else 0
    how = How.PROVED if model.moments.is_exact and not model.floating else How.NUMERIC
    sigma_spectrum = _sigma_eigenvalues(model)
    eigenvalues = [rational_eigenvalue(-model.eta_p, model.n**2)]
    eigenvalues += [rational_eigenvalue(-(s + model.eta), model.n) for s in sigma_spectrum]
    flow, step = both_stabilities(model, eigenvalues, dimension, how=how)
    if free:
        flow, step = along_family(flow, step, flow_everywhere=True)
    why = (
        "<W, dE0/dW> = 2 E0 >= 0 forces W = 0 at every critical point [proved]"
        if model.eta > 0
        else "every critical point has E0 = 0, and all canonical correlations are below 1 [proved]"
    )
    component = Component(
        id="rank0",
        rank=0,
        dimension=dimension,
        collapse="full",
        flow=flow,
        map=step,
        modes=(),
        roots=(),
        note="the flow is stable at every P, the map where P is small" if free else "",
        build_detail=partial(_collapse_detail, model, free),
    )
    return Variety((component,), complete=True, why=why, total=1, stable_total=1)


def _sigma_eigenvalues(model: Model) -> list[Fraction]:
    if model.moments.is_diagonal or model.moments.commute:
        return [mode.s for mode in modes_of(model.moments)]
    return [Fraction(float(s)) for s in np.linalg.eigvalsh(model.moments.matrices()[0])]


def _collapse_detail(model: Model, free: bool) -> Detail:
    equations = [f"W_{i}_{j}" for i in range(1, model.n + 1) for j in range(1, model.d + 1)]
    if not free:
        equations += [f"P_{i}_{j}" for i in range(1, model.n + 1) for j in range(1, model.n + 1)]
    return Detail(tuple(equations), {"W": _zeros(model.n, model.d), "P": _zeros(model.n, model.n)})


def _zeros(rows: int, columns: int) -> tuple[tuple[Entry, ...], ...]:
    return ((ZERO,) * columns,) * rows


def _survivors(model: Model, max_components: int) -> Variety:
    """Return the components of {E0 = 0} by how many directions of k = 1 and of k = -1 survive."""
    if not model.moments.commute:
        raise ScopeError(
            "--procedure joint --weight-decay 0: a canonical correlation of 1 with moments that do "
            "not commute is not supported; use a weight decay above 0"
        )
    modes = modes_of(model.moments)
    plus = [mode for mode in modes if mode.m == mode.s]
    minus = [mode for mode in modes if mode.m == -mode.s]
    ranks = [
        (a, b) for a, b in product(range(len(plus) + 1), range(len(minus) + 1)) if a + b <= model.n
    ]
    components = [_survivor(model, modes, plus, minus, a, b) for a, b in ranks]
    components.sort(key=lambda c: (-(c.rank or 0), c.modes or ()))
    listed = (
        components[: max(1, max_components - 1)] + components[max(1, max_components - 1) :][-1:]
    )
    return Variety(
        tuple(listed),
        complete=len(listed) == len(components),
        why="the critical set is {E0 = 0}: P acts as +-1 on untouched directions [proved]",
        total=len(components),
        stable_total=sum(1 for c in components if c.flow.verdict == "stable"),
    )


def _survivor(
    model: Model, modes: Sequence[Mode], plus: Sequence[Mode], minus: Sequence[Mode], a: int, b: int
) -> Component:
    active = [*plus[:a], *minus[:b]]
    k, n = len(active), model.n
    dimension = n * n + a * (len(plus) - a) + b * (len(minus) - b)
    eigenvalues = _survivor_eigenvalues(model, modes, active)
    how = How.CERTIFIED if model.exact else How.NUMERIC
    flow, step = both_stabilities(model, eigenvalues, dimension, how=how)
    flow, step = along_family(flow, step, flow_everywhere=False)
    numbers = tuple(mode.number for mode in active)
    name = "rank0" if not k else f"rank{k}:" + ",".join(f"{j}+" for j in sorted(numbers))
    return Component(
        id=name,
        rank=k,
        dimension=dimension,
        collapse=collapse_grade(k, n, model.d),
        flow=flow,
        map=step,
        modes=tuple(sorted(numbers)),
        roots=("+",) * k,
        note="verdict at the representative, where inactive outputs have P = 0",
        build_detail=partial(_survivor_detail, model, active),
    )


def _survivor_eigenvalues(
    model: Model, modes: Sequence[Mode], active: Sequence[Mode]
) -> list[RealEigenvalue]:
    """Return the spectrum at P = diag(k_j on active, 0), w = 1: blocks in (P_ir, W_ij).

    For an active input j the block is minus [[alpha w^2 s, alpha w (p s - m)], [w (p s - m),
    s p^2 - 2 m p + s]], of determinant 0 because |m| = s; for an inactive input it is
    -(s p^2 - 2 m p + s). P on inactive columns is neutral.
    """
    n, k = model.n, len(active)
    predictors = [mode.m / mode.s for mode in active] + [ZERO] * (n - k)
    numbers = {mode.number for mode in active}
    found = [rational_eigenvalue(ZERO, n * (n - k))]
    for p in predictors:
        for mode in modes:
            own = mode.s * p * p - 2 * mode.m * p + mode.s
            if mode.number in numbers:
                found.append(rational_eigenvalue(ZERO, 1))
                found.append(rational_eigenvalue(-(model.alpha * mode.s + own), 1))
            else:
                found.append(rational_eigenvalue(-own, 1))
    return found


def _survivor_detail(model: Model, active: Sequence[Mode]) -> Detail:
    n, d = model.n, model.d
    predictor = [list(row) for row in _zeros(n, n)]
    encoder = [list(row) for row in _zeros(n, d)]
    for i, mode in enumerate(active):
        predictor[i][i] = mode.m / mode.s
        if model.moments.is_diagonal:
            encoder[i][mode.number - 1] = Fraction(1)
        else:
            encoder[i] = [float(x) for x in model.moments.eigenbasis[2][:, mode.number - 1]]
    equations = ("P*W*Sigma = W*M", "W*(Sigma - M*Sigma^-1*M) = 0", f"rank W <= {len(active)}")
    return Detail(equations, {"W": tuple(map(tuple, encoder)), "P": tuple(map(tuple, predictor))})
