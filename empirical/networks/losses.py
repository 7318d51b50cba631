"""The losses between a prediction p and a target z, each a mean over the batch.

    cosine          -<p/|p|, z/|z|>     SimSiam's; BYOL's 2 - 2 cos has twice its gradient
    squared         1/2 |p - z|^2       that of the linear theory
    cross-entropy   -sum softmax(z/tau) log softmax(p/tau)
    infonce         -log softmax over the other view's targets and the own view's others

Losses are computed in single precision at least, whatever the network ran in.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from empirical.linear import objectives

Loss = Callable[[Tensor, Tensor, Tensor], Tensor]
"""(prediction of a view, target of the other view, target of the own view) -> loss."""


def cosine(p: Tensor, other: Tensor, own: Tensor) -> Tensor:
    """Return minus the mean cosine of prediction and target."""
    return -functional.cosine_similarity(p, other, dim=1).mean()


def squared(p: Tensor, other: Tensor, own: Tensor) -> Tensor:
    """Return half the mean squared distance of prediction and target."""
    return objectives.squared(p, other, p.new_full((len(p),), 1.0 / len(p)))


def cross_entropy(temperature: float) -> Loss:
    """Return the cross-entropy of two softmax distributions over the coordinates."""

    def loss(p: Tensor, other: Tensor, own: Tensor) -> Tensor:
        target = functional.softmax(other / temperature, dim=1)
        return -(target * functional.log_softmax(p / temperature, dim=1)).sum(1).mean()

    return loss


def infonce(temperature: float, offset: int = 0) -> Loss:
    """Return SimCLR's loss; the rows of p start at row `offset` of the targets."""

    def loss(p: Tensor, other: Tensor, own: Tensor) -> Tensor:
        p, other, own = (functional.normalize(x, dim=1) for x in (p, other, own))
        rows = torch.arange(len(p), device=p.device)
        alike = p @ own.T
        alike = alike.index_put((rows, rows + offset), alike.new_tensor(-torch.inf))
        logits = torch.cat([p @ other.T, alike], dim=1) / temperature
        return functional.cross_entropy(logits, rows + offset)

    return loss


def loss_named(name: str, temperature: float, offset: int = 0) -> Loss:
    """Return the loss of that name."""
    if name == "cosine":
        return cosine
    if name == "squared":
        return squared
    if name == "cross-entropy":
        return cross_entropy(temperature)
    return infonce(temperature, offset)


def precise(x: Tensor) -> Tensor:
    """Return x in single precision, or in double where it is."""
    return x if x.dtype == torch.float64 else x.float()
