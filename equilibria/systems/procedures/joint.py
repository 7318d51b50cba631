"""Joint minimisation: both branches are trained, no stop-gradient.

The flow is minus the gradient of E0 = 1/2 E|P W x - W y|^2 plus the decay, in the metric
|dP|^2/alpha + |dW|^2. Source: Tian, Chen and Ganguli 2021, theorem 2; Ponce et al. 2025, lemma 4.3.
"""

from __future__ import annotations

from fractions import Fraction

from equilibria.exact.polynomial import Polynomial, PolynomialMatrix
from equilibria.systems.chain_system import joint_chain
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure


def joint(model: Problem) -> PolynomialSystem:
    """Return dP = -alpha dE0/dP - eta_P P and dW = -dE0/dW - eta W."""
    b = Builder(model, "WP")
    W, P = b.matrix("W"), b.matrix("P")
    R = W @ b.m - P @ W @ b.sigma
    dW = P.T @ R + P @ W @ b.m - W @ b.sigma - model.eta * W
    dP = model.alpha * (R @ W.T) - model.eta_p * P
    _, W_step = b.step("W", dW)
    _, P_step = b.step("P", dP)
    return b.system(
        flow={"W": dW, "P": dP},
        map={**W_step, **P_step},
        matrix_form=(
            "R  = W M - P W Sigma",
            "dW = P^T R + P W M - W Sigma - eta W",
            "dP = alpha R W^T - eta_P P",
        ),
    )


def joint_potential(model: Problem) -> Polynomial:
    """Return E0 + (eta/2)|W|^2 + (eta_P/(2 alpha))|P|^2 as a polynomial in (W, P).

    The flow is minus its gradient after P has been rescaled by sqrt(alpha); with alpha = 1 it is
    minus the gradient as it stands.
    """
    b = Builder(model, "WP")
    W, P = b.matrix("W"), b.matrix("P")
    prediction = P @ W
    half = Fraction(1, 2)
    return (
        half * _trace(prediction @ b.sigma, prediction)
        - _trace(prediction @ b.m, W)
        + half * _trace(W @ b.sigma, W)
        + (model.eta / 2) * _trace(W, W)
        + (model.eta_p / (2 * model.alpha)) * _trace(P, P)
    )


def _trace(left: PolynomialMatrix, right: PolynomialMatrix) -> Polynomial:
    """Return tr(left right^T)."""
    pairs = zip(left.entries(), right.entries(), strict=True)
    total = left.rows[0][0].ring.constant(0)
    for a, c in pairs:
        total = total + a * c
    return total


PROCEDURE = Procedure(
    name="joint",
    title="joint minimisation (no stop-gradient)",
    summary="both branches trained on the same loss",
    build=joint,
    family=Family.JOINT,
    potential=joint_potential,
    reference="ponce2025dual",
    deep=joint_chain,
)
