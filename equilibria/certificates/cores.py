"""Equilibria for moments that do not commute: cells of 64 bits around P and Q (T6.1).

The representative of the report is a starting point only: Newton's method in 50 digits finds the
numbers, and the kernel's own test decides whether there is an equilibrium in the cells.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import LimitReached
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component

if TYPE_CHECKING:
    from mpmath import MPContext, matrix, mpf
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Point = list[mpf]
    System = Callable[[MPContext, Point], Point]

CELL_BITS = 64
DIGITS = 60
STEPS = 12


def core_cells(model: Model, component: Component) -> dict[str, list[list[str]]]:
    """Return the cells of P (k x k) and of Q (k x d, on and above the diagonal).

    Raises `LimitReached` when Newton's method does not settle: the equilibrium is degenerate.
    """
    P, Q = _frame(model, component)
    k, d = Q.shape
    equations = _equations(model, k, d)
    unknowns = [*P.ravel(), *(Q[i, j] for i in range(k) for j in range(i, d))]
    found = _newton(equations, unknowns, component.id)
    values = iter(found)
    rows_p = [[_cell(next(values)) for _ in range(k)] for _ in range(k)]
    rows_q = [[_cell(next(values)) for _ in range(i, d)] for i in range(k)]
    return {"P": rows_p, "Q": rows_q}


def _frame(model: Model, component: Component) -> tuple[Array, Array]:
    """Return P and Q on the range of W, turned so that Q_ij = 0 for j < i."""
    W, P = (
        np.array([[entry_float(x) for x in row] for row in component.representative[letter]])
        for letter in "WP"
    )
    basis = np.linalg.svd(W)[0][:, : component.rank]
    scale = to_float(model.alpha * model.eta / model.eta_p) ** 0.5
    core = basis.T @ P @ basis
    Q = np.linalg.solve(core.T, scale * (basis.T @ W))
    turn = np.linalg.qr(Q[:, : Q.shape[0]])[0]
    return turn.T @ core @ turn, turn.T @ Q


def _equations(model: Model, k: int, d: int) -> System:
    sigma, m = model.moments.rational_matrices()

    def system(mp: MPContext, unknowns: Point) -> Point:
        values = iter(unknowns)
        P = mp.matrix([[next(values) for _ in range(k)] for _ in range(k)])
        Q = mp.matrix([[next(values) if j >= i else 0 for j in range(d)] for i in range(k)])
        PtQ = P.T * Q
        E = PtQ * _exact(mp, m) - P * PtQ * _exact(mp, sigma) - _number(mp, model.eta) * Q
        frame = Q * Q.T - mp.eye(k)
        return [*E, *(frame[i, j] for i in range(k) for j in range(i, k))]

    return system


def _exact(mp: MPContext, rows: Iterable[Iterable[Fraction]]) -> matrix:
    return mp.matrix([[_number(mp, Fraction(x)) for x in row] for row in rows])


def _number(mp: MPContext, value: Fraction) -> mpf:
    return mp.mpf(value.numerator) / value.denominator


def _newton(system: System, start: Point, name: str) -> Point:
    """Newton's method with a difference quotient of half the digits, which stays superlinear."""
    from mpmath import mp

    with mp.workdps(DIGITS):
        x = [mp.mpf(float(value)) for value in start]
        size = mp.mpf(10) ** (-DIGITS // 3)
        for _ in range(STEPS):
            value = system(mp, x)
            columns = []
            for k in range(len(x)):
                near = system(mp, [*x[:k], x[k] + size, *x[k + 1 :]])
                columns.append([(a - b) / size for a, b in zip(near, value, strict=True)])
            try:
                step = mp.lu_solve(mp.matrix(columns).T, mp.matrix(value))
            except ZeroDivisionError:
                break
            x = [a - b for a, b in zip(x, step, strict=True)]
            if max(abs(entry) for entry in step) < mp.mpf(10) ** (-DIGITS // 2):
                return x
    raise LimitReached(
        f"--certificate: the equilibrium {name} is degenerate, it has no certificate"
    )


def _cell(value: mpf) -> str:
    from mpmath import mp

    with mp.workdps(DIGITS):
        return str(int(mp.floor(value * mp.mpf(2) ** CELL_BITS + mp.mpf(1) / 7)))
