"""The step that training takes, against what the covariance operator says, layer by layer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from empirical.experiments.dual.contrast import Contrast
from empirical.experiments.dual.expectation import Draws, expected_loss, pair_weights
from empirical.experiments.dual.network import connections, outputs, vec
from empirical.experiments.dual.operator import (
    augmentation_covariance,
    covariance,
    lowest_eigenvalue,
    mean_connection,
    operator,
    whole,
    without_augmentation_mean,
    without_negatives,
)

LR = 0.1
Rows = NDArray[np.int64]
Loss = Callable[[Sequence[Tensor]], Tensor]


@dataclass(frozen=True)
class Layer:
    """One layer: the measured step, what the operator says, and how far apart they are.

    `step` and `said` have shape (D,): the step over 2 lr, and OP_l vec(W_l). Distances to `step` are
    relative to the size of the vector in question.
    """

    step: Tensor
    said: Tensor
    residue: float
    """Distance of OP_l vec(W_l), relative to it."""
    exact: float
    """Distance of operator plus residue."""
    unaveraged: float
    """Distance of the wrong operator without the mean over augmentations."""
    unopposed: float
    """Distance of the wrong operator without negatives."""
    lowest: float
    """Smallest eigenvalue of OP_l over the largest."""
    variance: float
    """Trace of E_x V_aug[K_l] over that of V_x[Kbar_l]."""


def steps(weights: Sequence[Tensor], loss_of: Loss, *, lr: float = LR) -> tuple[Tensor, ...]:
    """Return (new - old)/(2 lr) of every layer after one step of torch.optim.SGD on loss_of(weights).

    Half of the step over the step size: the operator speaks of one branch, and there are two.
    """
    moved = [weight.clone().requires_grad_(True) for weight in weights]
    optimiser = torch.optim.SGD(moved, lr=lr)
    torch.autograd.backward(loss_of(moved))
    optimiser.step()
    return tuple(
        vec(new.detach() - old) / (2 * lr) for new, old in zip(moved, weights, strict=True)
    )


def layers(
    weights: Sequence[Tensor], points: Tensor, contrast: Contrast, draws: Draws
) -> tuple[Layer, ...]:
    """Return the comparison for every layer, at points of shape (P, widths[0])."""
    measured = steps(weights, lambda w: expected_loss(outputs(w, points), contrast, draws))
    attract, repel = pair_weights(outputs(weights, points), contrast, draws)
    found = []
    for weight, k, step in zip(weights, connections(weights, points), measured, strict=True):
        w = vec(weight)
        predicted = operator(k, repel, draws)
        rest = augmentation_covariance(k, draws).trace()
        mean = mean_connection(k, draws)
        found.append(
            Layer(
                step=step,
                said=predicted @ w,
                residue=apart(step, predicted @ w),
                exact=apart(whole(k, attract, repel) @ w, step),
                unaveraged=apart(without_augmentation_mean(k) @ w, step),
                unopposed=apart(without_negatives(k, draws) @ w, step),
                lowest=lowest_eigenvalue(predicted),
                variance=float(rest / covariance(mean).trace()),
            )
        )
    return tuple(found)


def apart(one: Tensor, other: Tensor) -> float:
    """Return |one - other| over |other|."""
    return float((one - other).norm() / other.norm())


def minibatch_residue(
    weights: Sequence[Tensor], points: Tensor, draws: Draws, batch: int, *, tries: int, seed: int
) -> float:
    """Return the root mean square over layers and tries of the distance of a minibatch step to OP w.

    Each minibatch has `batch` independent draws of L_simp; the distance is relative to |OP w|.
    """
    g = np.random.default_rng([seed, batch])
    n, a = draws.samples, draws.views
    exact = [
        covariance(mean_connection(k, draws)) @ vec(weight)
        for weight, k in zip(weights, connections(weights, points), strict=True)
    ]
    total = []
    for _ in range(tries):
        sample = g.integers(n, size=batch) * a
        rows = (sample + g.integers(a, size=batch), sample + g.integers(a, size=batch),
                g.integers(n * a, size=batch))  # fmt: skip

        def loss(w: Sequence[Tensor], rows: tuple[Rows, ...] = rows) -> Tensor:
            anchor, positive, negative = (outputs(w, points[r]) for r in rows)
            near = (anchor - positive).square().sum(dim=1) / 2
            far = (anchor - negative).square().sum(dim=1) / 2
            return (near - far).mean()

        for step, said in zip(steps(weights, loss), exact, strict=True):
            total.append(apart(step, said) ** 2)
    return float(np.sqrt(np.mean(total)))


def slope(x: Sequence[float], y: Sequence[float]) -> float:
    """Return the slope of log y against log x, by least squares."""
    return float(np.polyfit(np.log(x), np.log(y), 1)[0])
