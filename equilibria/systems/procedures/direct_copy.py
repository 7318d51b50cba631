"""DirectCopy: the predictor is set to the correlation itself, P = F = W Sigma W^T.

This is DirectSet with exponent 1 and neither normalisation nor floor. Source: Wang, Chen, Du and
Tian 2021.
"""

from __future__ import annotations

from fractions import Fraction

from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure
from equilibria.systems.procedures.direct_pred import upper


def direct_copy(model: Problem) -> PolynomialSystem:
    """Return dW = P^T (W M - P W Sigma) - eta W on the set P = W Sigma W^T."""
    b = Builder(model, "WP")
    W, P = b.matrix("W"), b.matrix("P")
    dW = P.T @ (W @ b.m - P @ W @ b.sigma) - model.eta * W
    _, W_step = b.step("W", dW)
    correlation = P - W @ b.sigma @ W.T
    return b.system(
        flow={"W": dW},
        map=W_step,
        constraints=(*upper(correlation), *upper(correlation.T)),
        matrix_form=("dW = P^T (W M - P W Sigma) - eta W", "P  = W Sigma W^T"),
    )


PROCEDURE = Procedure(
    name="direct-copy",
    title="DirectCopy",
    summary="predictor set to the correlation of the outputs, encoder trained",
    build=direct_copy,
    family=Family.DIRECT,
    exponent=Fraction(1),
    reference="wang2021directset",
)
