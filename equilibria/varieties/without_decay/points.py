"""Aligned points without decay: their scalar blocks' roots, spectra, matrices and equations.

`variety` and `one_sided` build their components on these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode
from equilibria.varieties.commuting.transfer import Dynamics, polynomial_roots
from equilibria.varieties.component import Detail, Eigenvalue, Entry
from equilibria.varieties.without_decay.inequalities import ZERO

CONDITION_LIMIT = 64
"""Entries of W up to which conditions and equations are written out one by one."""


@dataclass(frozen=True)
class Point:
    """An aligned point: active modes on the first rows, p on every row, w on every mode."""

    active: tuple[Mode, ...]
    predictors: tuple[Fraction, ...]
    weights: tuple[Fraction, ...]


def roots_of(blocks: list[tuple[Fraction, Fraction]], dynamics: Dynamics) -> np.ndarray:
    """Return the roots of the scalar blocks (a, b), a row a block."""
    a = np.array([to_float(pair[0]) for pair in blocks])
    b = np.array([to_float(pair[1]) for pair in blocks])
    return dynamics.eigenvalues(polynomial_roots(dynamics.scalar(a, b)))


def without_neutral(
    values: np.ndarray, blocks: list[tuple[Fraction, Fraction]], dynamics: Dynamics
) -> np.ndarray:
    """Return the roots but for the one nearest to neutral in blocks that have a zero."""
    centre = 1.0 if dynamics.is_map else 0.0
    kept = []
    for (a, b), row in zip(blocks, values, strict=True):
        ordered = sorted(row, key=lambda value: abs(value - centre))
        kept.extend(ordered[1:] if a == b else ordered)
    return np.array(kept, dtype=np.complex128)


def spectrum_of(values: np.ndarray, model: Model, dynamics: Dynamics) -> tuple[Eigenvalue, ...]:
    """Return the spectrum: the blocks' roots, the n^2 neutral directions, and with momentum nu."""
    neutral = 1.0 if dynamics.is_map else 0.0
    counts: dict[complex, int] = {complex(neutral): model.n**2}
    if dynamics.is_map and model.nu:
        counts[complex(to_float(model.nu))] = model.n**2
    for value in values.ravel():
        counts[complex(value)] = counts.get(complex(value), 0) + 1
    size = abs if dynamics.is_map else (lambda value: value.real)
    items = [
        Eigenvalue(value, count, str(int(neutral)) if value == neutral else None)
        for value, count in counts.items()
    ]
    return tuple(sorted(items, key=lambda e: (-size(e.value), -e.value.real, -e.value.imag)))


def detail(model: Model, point: Point) -> Detail:
    """Return the component's equations, and W, P (and T) at the point."""
    n, d = model.n, model.d
    predictor = [[ZERO] * n for _ in range(n)]
    for i, p in enumerate(point.predictors):
        predictor[i][i] = p
    encoder: list[tuple[Entry, ...]] = []
    for mode, w in zip(point.active, point.weights, strict=True):
        if model.moments.is_diagonal:
            row: list[Entry] = [ZERO] * d
            row[mode.number - 1] = w
        else:
            basis = model.moments.eigenbasis[2][:, mode.number - 1]
            row = [to_float(w) * float(x) for x in basis]
        encoder.append(tuple(row))
    encoder += [(ZERO,) * d] * (n - len(point.active))
    values: dict[str, tuple[tuple[Entry, ...], ...]] = {
        "W": tuple(encoder),
        "P": tuple(map(tuple, predictor)),
    }
    if model.traits.has_target:
        values["T"] = tuple(encoder)
    return Detail(_equations(model, point.active), values)


def _equations(model: Model, active: Sequence[Mode]) -> tuple[str, ...]:
    """Return P v_j = c_j v_j for the active columns v_j of W, and v_j = 0 for the others."""
    n = model.n
    equations = []
    if not model.moments.is_diagonal:
        numbers = ", ".join(str(mode.number) for mode in active) or "none"
        equations = ["P*W*Sigma = W*M", f"W*v_j = 0 except for modes {numbers}"]
    else:
        correlation = {mode.number: mode.m / mode.s for mode in active}
        for j in range(1, model.d + 1):
            for i in range(1, n + 1):
                if j not in correlation:
                    equations.append(f"W_{i}_{j}")
                    continue
                image = " + ".join(f"P_{i}_{k}*W_{k}_{j}" for k in range(1, n + 1))
                equations.append(f"{image} - ({correlation[j]})*W_{i}_{j}")
    if model.traits.has_target:
        if model.n * model.d <= CONDITION_LIMIT:
            equations += [
                f"T_{i}_{j} - W_{i}_{j}" for i in range(1, n + 1) for j in range(1, model.d + 1)
            ]
        else:
            equations.append("T = W")
    return tuple(equations)
