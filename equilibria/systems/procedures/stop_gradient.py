"""Stop-gradient (SimSiam): the target is the encoder itself and receives no gradient.

Source: Chen and He 2021; linear model of Tian, Chen and Ganguli 2021, section 2.
"""

from __future__ import annotations

from equilibria.systems.chain_system import stop_gradient_chain
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure


def stop_gradient(model: Problem) -> PolynomialSystem:
    """Return dP = alpha R W^T - eta_P P, dW = P^T R - eta W with R = W M - P W Sigma."""
    b = Builder(model, "WP")
    W, P = b.matrix("W"), b.matrix("P")
    R = W @ b.m - P @ W @ b.sigma
    dW = P.T @ R - model.eta * W
    dP = model.alpha * (R @ W.T) - model.eta_p * P
    _, W_step = b.step("W", dW)
    _, P_step = b.step("P", dP)
    return b.system(
        flow={"W": dW, "P": dP},
        map={**W_step, **P_step},
        matrix_form=(
            "R  = W M - P W Sigma",
            "dW = P^T R - eta W",
            "dP = alpha R W^T - eta_P P",
        ),
    )


PROCEDURE = Procedure(
    name="stop-gradient",
    title="stop-gradient (SimSiam)",
    summary="target = encoder, no gradient through it",
    build=stop_gradient,
    family=Family.BOOTSTRAP,
    reference="chen2021simsiam",
    deep=stop_gradient_chain,
)
