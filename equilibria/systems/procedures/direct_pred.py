"""DirectPred: the predictor is set to P = F^(1/2), F = W Sigma W^T, and the encoder is trained.

F is the correlation of the encoder's outputs over single views, as in the authors' code. The square
root is algebraic, not polynomial; as a polynomial system it is the constraint P^2 = F with P
symmetric, on the sheet where P is positive semidefinite. Source: Tian, Chen and Ganguli 2021,
section 4.
"""

from __future__ import annotations

from fractions import Fraction

from equilibria.exact.polynomial import Polynomial, PolynomialMatrix
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure


def direct_pred(model: Problem) -> PolynomialSystem:
    """Return dW = P^T (W M - P W Sigma) - eta W on the set P^2 = W Sigma W^T, P = P^T."""
    b = Builder(model, "WP")
    W, P = b.matrix("W"), b.matrix("P")
    dW = P.T @ (W @ b.m - P @ W @ b.sigma) - model.eta * W
    _, W_step = b.step("W", dW)
    return b.system(
        flow={"W": dW},
        map=W_step,
        constraints=(*upper(P @ P - W @ b.sigma @ W.T), *antisymmetric(P)),
        matrix_form=(
            "dW  = P^T (W M - P W Sigma) - eta W",
            "P^2 = W Sigma W^T, P symmetric positive semidefinite",
        ),
    )


def upper(matrix: PolynomialMatrix) -> tuple[Polynomial, ...]:
    """Return the entries on and above the diagonal."""
    return tuple(entry for i, row in enumerate(matrix.rows) for entry in row[i:])


def antisymmetric(matrix: PolynomialMatrix) -> tuple[Polynomial, ...]:
    """Return the differences P_ij - P_ji above the diagonal."""
    difference = matrix - matrix.T
    return tuple(entry for i, row in enumerate(difference.rows) for entry in row[i + 1 :])


PROCEDURE = Procedure(
    name="direct-pred",
    title="DirectPred",
    summary="predictor set to the square root of the correlation, encoder trained",
    build=direct_pred,
    family=Family.DIRECT,
    exponent=Fraction(1, 2),
    reference="tian2021understanding",
)
