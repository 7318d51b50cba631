"""Stability of the equilibria in which two modes mix: dense spectra of the pair, others inactive.

The point is exact (`mixed`); its spectrum is computed in floating point with error bounds by the
route for general moments, on the full moments of the model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from equilibria.general import Found, _Solver
from equilibria.lift import number
from equilibria.mixed import MixedPair
from equilibria.model import Model
from equilibria.modes import modes_of
from equilibria.noncommuting import core_equilibrium
from equilibria.results import Component, Detail, Entry
from equilibria.surds import Surd, radical

MIXED_LIMIT = 32


def mixed_components(model: Model, pairs: Sequence[MixedPair]) -> list[Component]:
    """Return the first mixed pairs as components `rank2:a`, `rank2:b`, ..."""
    solver = _Solver(model)
    found = []
    for index, pair in enumerate(pairs[:MIXED_LIMIT]):
        predictor = np.array([[float(x) for x in row] for row in pair.predictor(model.eta)]).T
        encoder = np.zeros((2, model.d))
        encoder[:, [pair.left.number - 1, pair.right.number - 1]] = predictor.T
        if not model.moments.is_diagonal:
            order = [mode.number - 1 for mode in modes_of(model.moments)]
            encoder = encoder[:, order] @ model.moments.eigenbasis[2].T
        core = core_equilibrium(
            predictor, encoder, solver.sigma, solver.m, solver.eta, label="", origin="T6.5"
        )
        sign = "+" if pair.sign > 0 else "-"
        note = f"modes {pair.left.number} and {pair.right.number} mix, x12 {sign} (T6.5)"
        component = solver.component(
            Found(core, note),
            f"rank2:{chr(ord('a') + index % 26)}" + (str(index // 26) if index >= 26 else ""),
        )
        if model.moments.is_diagonal:
            component = replace(component, build_detail=partial(_detail, model, pair))
        found.append(component)
    return found


def _detail(model: Model, pair: MixedPair) -> Detail:
    """Return the exact point P = A^T, W = A/sqrt(a) on the rows and columns of the two modes."""
    assert model.kappa is not None
    matrix = pair.predictor(model.eta)
    zero: Entry = model.eta * 0
    columns = (pair.left.number - 1, pair.right.number - 1)
    predictor = [[zero] * model.n for _ in range(model.n)]
    encoder = [[zero] * model.d for _ in range(model.n)]
    for i in range(2):
        for j in range(2):
            predictor[j][i] = number(matrix[i][j])
            encoder[i][columns[j]] = _scaled(matrix[i][j], model)
    point = {"W": tuple(map(tuple, encoder)), "P": tuple(map(tuple, predictor))}
    equations = [
        f"P^T*(W*M - P*W*Sigma) = {model.eta}*W",
        f"{model.alpha}*(W*M - P*W*Sigma)*W^T = {model.eta_p}*P",
    ]
    if model.procedure == "ema":
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
