"""Stability of the equilibria in which pairs of modes mix: dense spectra of their direct sums.

The point is exact (`mixed`); its spectrum is computed in floating point with error bounds by the
route for general moments, on the full moments of the model.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from itertools import combinations, islice
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.surds import Surd, radical
from equilibria.systems.model import Model
from equilibria.varieties.commuting.mixed_pairs import DirectSum
from equilibria.varieties.commuting.modes import modes_of
from equilibria.varieties.commuting.representative import number
from equilibria.varieties.component import Component, Detail, Entry
from equilibria.varieties.noncommuting import core_equilibrium
from equilibria.varieties.noncommuting.core import CoreEquilibrium
from equilibria.varieties.noncommuting.names import letters
from equilibria.varieties.noncommuting.variety import Found, Solver

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

UNKNOWNS = 600  # of the densest spectra that are made for a list of unstable equilibria


def mixed_components(model: Model, sums: Iterable[DirectSum], limit: int) -> list[Component]:
    """Return the first `limit` direct sums as components `rank2:a`, `rank2:b`, ..., `rank3:a`, ..."""
    solver = Solver(model)
    seen: Counter[int] = Counter()
    found = []
    for item in islice(sums, limit):
        if item.rank * (item.rank + model.d) > UNKNOWNS:
            break
        name = f"rank{item.rank}:{letters(seen[item.rank])}"
        seen[item.rank] += 1
        component = solver.component(Found(_core(model, item, solver), _note(item)), name)
        if model.moments.is_diagonal:
            component = replace(component, build_detail=partial(_detail, model, item))
        found.append(_with_families(component, model, item))
    return found


def _core(model: Model, item: DirectSum, solver: Solver) -> CoreEquilibrium:
    predictor, encoder = _matrices(model, item, item.rank)
    if not model.moments.is_diagonal:
        order = [mode.number - 1 for mode in modes_of(model.moments)]
        encoder = encoder[:, order] @ model.moments.eigenbasis[2].T
    return core_equilibrium(
        predictor, encoder, solver.sigma, solver.m, solver.eta, label="", origin="T6.5"
    )


def _matrices(model: Model, item: DirectSum, n: int) -> tuple[Array, Array]:
    """Return P (n, n) and W (n, d) in the basis of the modes, in units with alpha/kappa = 1."""
    predictor, encoder = np.zeros((n, n)), np.zeros((n, model.d))
    for rows, columns, matrix in _pieces(model, item):
        values = np.array([[float(x) for x in row] for row in matrix])
        predictor[np.ix_(rows, rows)] = values.T
        encoder[np.ix_(rows, columns)] = values
    return predictor, encoder


def _pieces(
    model: Model, item: DirectSum
) -> Iterator[tuple[list[int], list[int], list[list[Surd]]]]:
    """Yield rows, columns and A of every block: P = A^T and W = A/sqrt(a) there (T6.1)."""
    row = 0
    for pair in item.pairs:
        columns = [pair.left.number - 1, pair.right.number - 1]
        yield [row, row + 1], columns, pair.predictor(model.eta)
        row += 2
    for state in item.stratum:
        yield [row], [state.mode.number - 1], [[state.p]]
        row += 1


def _note(item: DirectSum) -> str:
    parts = [
        f"modes {pair.left.number} and {pair.right.number} mix, x12 {'+' if pair.sign > 0 else '-'}"
        for pair in item.pairs
    ]
    aligned = ", ".join(state.label for state in item.stratum)
    return "; ".join(parts) + (f"; {aligned}" if aligned else "") + " (T6.5)"


def _with_families(component: Component, model: Model, item: DirectSum) -> Component:
    """Return the component with the dimension that rotations of equal modes add, if there are any.

    The tangent space is spanned by rotations of the rows, and of the columns of equal modes.
    """
    modes = modes_of(model.moments)
    used = {m.number for pair in item.pairs for m in (pair.left, pair.right)}
    used |= {state.mode.number for state in item.stratum}
    equal = [
        (a.number - 1, b.number - 1)
        for a, b in combinations(modes, 2)
        if (a.s, a.m) == (b.s, b.m) and {a.number, b.number} & used
    ]
    if not equal:
        return component
    predictor, encoder = _matrices(model, item, model.n)
    vectors = []
    for a, b in combinations(range(model.n), 2):
        turn = _turn(model.n, a, b)
        moved = (turn @ predictor - predictor @ turn, turn @ encoder)
        vectors.append(np.concatenate([part.ravel() for part in moved]))
    for a, b in equal:
        moved = (0 * predictor, encoder @ _turn(model.d, a, b))
        vectors.append(np.concatenate([part.ravel() for part in moved]))
    dimension = int(np.linalg.matrix_rank(np.array(vectors)))
    return replace(
        component,
        dimension=dimension,
        flow=replace(component.flow, neutral=dimension),
        map=replace(component.map, neutral=dimension),
    )


def _turn(size: int, a: int, b: int) -> Array:
    turn = np.zeros((size, size))
    turn[a, b], turn[b, a] = 1.0, -1.0
    return turn


def _detail(model: Model, item: DirectSum) -> Detail:
    """Return the exact point P = A^T, W = A/sqrt(a), block by block on rows and columns."""
    zero: Entry = model.eta * 0
    predictor = [[zero] * model.n for _ in range(model.n)]
    encoder = [[zero] * model.d for _ in range(model.n)]
    for rows, columns, matrix in _pieces(model, item):
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                predictor[rows[j]][row] = number(matrix[i][j])
                encoder[row][column] = _scaled(matrix[i][j], model)
    point = {"W": tuple(map(tuple, encoder)), "P": tuple(map(tuple, predictor))}
    equations = [
        f"P^T*(W*M - P*W*Sigma) = {model.eta}*W",
        f"{model.alpha}*(W*M - P*W*Sigma)*W^T = {model.eta_p}*P",
    ]
    if model.traits.has_target:
        point["T"] = point["W"]
        equations.append("T = W")
    return Detail(tuple(equations), point)


def _scaled(value: Surd, model: Model) -> Entry:
    """Return value/sqrt(a), a = alpha/kappa."""
    assert model.kappa is not None
    factor, radicand = radical(model.kappa / model.alpha)
    inside = Surd(value.x, radicand, value.parts)
    if radicand == 1:
        return number(inside * factor)
    zero = model.eta * 0
    return number(inside * Surd(value.x, radicand, (zero, zero, factor, zero)))
