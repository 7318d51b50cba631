"""Contrastive baseline: the spectral contrastive loss of a linear encoder, no predictor.

    L = -1/2 tr(W M W^T) + 1/4 |W Sigma W^T|^2 + (eta/2)|W|^2

attracts views of one image (first term) and repels independent ones (second term). Near W = 0 the
flow is dW = W M - eta W: the covariance operator of Tian, Yu, Chen and Ganguli 2020 drives it. The
loss is the linear case of HaoChen et al. 2021 up to constant factors.
"""

from __future__ import annotations

from fractions import Fraction

from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure


def contrastive(model: Problem) -> PolynomialSystem:
    """Return dW = W M - W Sigma W^T W Sigma - eta W."""
    b = Builder(model, "W")
    W = b.matrix("W")
    dW = W @ b.m - (W @ b.sigma @ W.T) @ W @ b.sigma - model.eta * W
    _, W_step = b.step("W", dW)
    return b.system(
        flow={"W": dW}, map=W_step, matrix_form=("dW = W M - (W Sigma W^T) W Sigma - eta W",)
    )


def contrastive_potential(model: Problem) -> Polynomial:
    """Return the loss L as a polynomial in W; the flow is minus its gradient."""
    b = Builder(model, "W")
    W = b.matrix("W")
    attraction = W @ b.m @ W.T
    repulsion = W @ b.sigma @ W.T
    decay = W @ W.T
    total = b.ring.constant(0)
    for i in range(model.n):
        total = total - Fraction(1, 2) * attraction.rows[i][i] + (model.eta / 2) * decay.rows[i][i]
        for j in range(model.n):
            total = total + Fraction(1, 4) * repulsion.rows[i][j] * repulsion.rows[j][i]
    return total


PROCEDURE = Procedure(
    name="contrastive",
    title="contrastive (spectral loss)",
    summary="positive pairs attract, independent pairs repel, no predictor",
    build=contrastive,
    family=Family.CONTRASTIVE,
    potential=contrastive_potential,
    letters="W",
    reference="haochen2021spectral",
)
