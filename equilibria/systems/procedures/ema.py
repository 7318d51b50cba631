"""EMA target (BYOL): the target follows the encoder slowly and receives no gradient.

Source: Grill et al. 2020; linear model of Tian, Chen and Ganguli 2021, section 2.
"""

from __future__ import annotations

from equilibria.systems.chain_system import ema_chain
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem
from equilibria.systems.procedures.base import Family, Procedure


def ema(model: Problem) -> PolynomialSystem:
    """Return the flow with dT = beta (W - T) and the map with T+ = mu T + (1 - mu) W+."""
    b = Builder(model, "WPT")
    W, P, T = b.matrix("W"), b.matrix("P"), b.matrix("T")
    R = T @ b.m - P @ W @ b.sigma
    dW = P.T @ R - model.eta * W
    dP = model.alpha * (R @ W.T) - model.eta_p * P
    W_next, W_step = b.step("W", dW)
    _, P_step = b.step("P", dP)
    T_next = model.mu * T + (1 - model.mu) * W_next
    return b.system(
        flow={"W": dW, "P": dP, "T": model.flow_rate * (W - T)},
        map={**W_step, **P_step, **b.assign("T", T_next)},
        matrix_form=(
            "R  = T M - P W Sigma",
            "dW = P^T R - eta W",
            "dP = alpha R W^T - eta_P P",
            "dT = beta (W - T)",
        ),
    )


PROCEDURE = Procedure(
    name="ema",
    title="EMA target (BYOL)",
    summary="target = moving average of the encoder, no gradient through it",
    build=ema,
    family=Family.BOOTSTRAP,
    letters="WPT",
    reference="grill2020byol",
    deep=ema_chain,
)
