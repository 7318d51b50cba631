"""Predictors that are set instead of trained: DirectPred, DirectCopy, DirectSet.

F is a moving average of the correlation (not centred) of the predictor's inputs, and

    code    P = U diag((s / max s)^a + eps) U^T       at least 1e-4; DirectCopy a = 1, DirectPred 1/2
    paper   P = U diag(s^a + eps max s) U^T

The cosine loss does not see the scale of P, only the relative floor; the two forms agree when the
largest eigenvalue is 1. Sources: Tian, Chen and Ganguli 2021; Wang, Chen, Du and Tian 2021.
"""

from __future__ import annotations

import torch
from torch import Tensor

from equilibria.systems.procedures import PROCEDURES

FLOOR = 1e-4
POWER = {name: float(p.exponent) for name, p in PROCEDURES.items() if p.exponent is not None}


def correlation(*outputs: Tensor) -> Tensor:
    """Return the mean of z z^T over the rows of all the outputs."""
    return torch.stack([z.T @ z / len(z) for z in outputs]).mean(0)


def averaged(former: Tensor, fresh: Tensor, rho: float, *, first: bool) -> Tensor:
    """Return the moving average; the first observation is taken as it is."""
    return fresh.clone() if first else torch.lerp(fresh, former, rho)


def closed_form(F: Tensor, power: float, eps: float, form: str) -> Tensor:
    """Return the predictor that the rule sets for a correlation F."""
    values, vectors = torch.linalg.eigh((F + F.T) / 2)
    values = values.clamp_min(0)
    largest = values[-1]
    if form == "code":
        relative = values / largest.clamp_min(torch.finfo(F.dtype).tiny)
        chosen = (relative**power + eps).clamp_min(FLOOR)
    else:
        chosen = values**power + eps * largest
    P: Tensor = (vectors * chosen) @ vectors.T
    return P
