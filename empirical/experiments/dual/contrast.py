"""Three contrastive losses on half squared distances, and the weight xi of each negative.

With r = |f(x_1) - f(x_2)|^2 / 2 for a positive pair (r_+) and for H negatives (r_k-):

    simp      r_+ - r_-                                                         xi = 1
    triplet   tau log(1 + exp((r_+ - r_- + r_0)/tau))                           xi = e/(1 + e)
    infonce   -tau log(exp(-r_+/tau) / (exp(-r_+/tau) + sum_k exp(-r_k-/tau)))  xi_k = its k-th share

with e = exp((r_+ - r_- + r_0)/tau). In all three xi_k = -dL/dr_k- >= 0 and dL/dr_+ = sum_k xi_k, so
that the gradient of the loss is the sum over k of xi_k (grad r_+ - grad r_k-), with xi_k a number.
Source: Tian, Yu, Chen, Ganguli 2020, section 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

Name = Literal["simp", "triplet", "infonce"]
WORDS = {"simp": "L_simp", "triplet": "soft triplet", "infonce": "InfoNCE"}


@dataclass(frozen=True)
class Contrast:
    """A loss; `margin` is r_0 of the triplet, `negatives` is H (1, but for InfoNCE)."""

    name: Name
    tau: float = 0.5
    margin: float = 0.5
    negatives: int = 1

    def __post_init__(self) -> None:
        if self.name != "infonce" and self.negatives != 1:
            raise ValueError(f"{self.name} takes one negative, not {self.negatives}")

    def loss(self, near: Tensor, far: Tensor) -> Tensor:
        """Return the loss of shape (...), from r_+ of shape (...) and r_- of shape (..., H)."""
        if self.name == "simp":
            return near - far[..., 0]
        if self.name == "triplet":
            z = (near - far[..., 0] + self.margin) / self.tau
            return self.tau * torch.logaddexp(z, torch.zeros_like(z))  # softplus cuts at 20
        shares = torch.cat([near[..., None], far], dim=-1) / -self.tau
        return near + self.tau * torch.logsumexp(shares, dim=-1)

    def xi(self, near: Tensor, far: Tensor) -> Tensor:
        """Return xi of shape (..., H); its formula is written out here, not differentiated."""
        if self.name == "simp":
            return torch.ones_like(far)
        if self.name == "triplet":
            e = torch.exp((near[..., None] - far + self.margin) / self.tau)
            return e / (1 + e)
        attraction, repulsion = torch.exp(-near / self.tau), torch.exp(-far / self.tau)
        return repulsion / (attraction + repulsion.sum(dim=-1))[..., None]
