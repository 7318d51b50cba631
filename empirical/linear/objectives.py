"""The losses of the linear model, each written once, for samples and for moments alike.

A batch is a set of weighted pairs of views (x, y). Samples of a data set have equal weights; the
moments Sigma and M are themselves a batch of 2d pairs whose weighted second moments are exactly
Sigma and M (`moment_pairs`), so a step on the moments runs through the code that a step on images
runs through. Signs and factors are those of `equilibria.systems.procedures`:

    squared loss    1/2 E|P W x - target(y)|^2
    spectral loss   -1/2 E<W x, W y> + 1/4 |E (W x)(W x)^T|^2
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from empirical.linear.products import product

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Weighted pairs of views: x and y of shape (B, d), weight of shape (B,)."""

    x: Tensor
    y: Tensor
    weight: Tensor

    @classmethod
    def samples(cls, x: Tensor, y: Tensor) -> Pairs:
        """Return a batch of samples, which all count the same."""
        return cls(x, y, x.new_full((len(x),), 1.0 / len(x)))


def moment_pairs(sigma: Array, m: Array, *, dtype: torch.dtype = torch.float64) -> Pairs:
    """Return 2d pairs with sum of weight x x^T = sum of weight y y^T = Sigma and y x^T = M.

    They are the eigenvectors of Sigma + M, seen alike in both views, and those of Sigma - M, seen
    with opposite signs. A negative eigenvalue (moments that no pair of exchangeable views has) gets
    a negative weight.
    """
    common, alike = np.linalg.eigh(sigma + m)
    private, opposite = np.linalg.eigh(sigma - m)
    values = np.concatenate([common, private])
    x = (np.concatenate([alike, opposite], axis=1) * np.sqrt(np.abs(values) / 2)).T
    y = x * np.repeat([1.0, -1.0], len(sigma))[:, None]
    weight = np.sign(values)
    return Pairs(*(torch.tensor(array, dtype=dtype) for array in (x, y, weight)))


def stop_gradient(z: Tensor) -> Tensor:
    """Return z as a constant: equal in value, and no gradient flows back through it."""
    return z.detach()


def squared(prediction: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """Return 1/2 of the weighted mean of |prediction - target|^2; both have shape (B, n)."""
    return 0.5 * (weight * (prediction - target).square().sum(dim=1)).sum()


def spectral(z_x: Tensor, z_y: Tensor, weight: Tensor) -> Tensor:
    """Return the spectral contrastive loss of two embeddings of shape (B, n).

    Positive pairs attract; the correlation of independent pairs is |E z z^T|^2. Source: HaoChen et
    al. 2021, up to constant factors.
    """
    attraction = (weight * (z_x * z_y).sum(dim=1)).sum()
    correlation = (weight[:, None] * z_x).T @ z_x
    return -0.5 * attraction + 0.25 * correlation.square().sum()


def correlation_power(z: Tensor, weight: Tensor, exponent: float) -> Tensor:
    """Return F^exponent with F = E z z^T, symmetric positive semidefinite, as a constant (n, n).

    DirectPred (1/2) and DirectCopy (1) set their predictor to it instead of training one.
    """
    z = stop_gradient(z)
    F = (weight[:, None] * z).T @ z
    return matrix_power((F + F.T) / 2, exponent)


def matrix_power(F: Tensor, exponent: float) -> Tensor:
    """Return F^exponent of symmetric matrices (..., n, n); rounding below zero counts as zero.

    They are bordered with zeros to a multiple of 4, so that each begins at a cache line in the copy
    that LAPACK works on and has the same bits beside whatever others. Zeros add nothing: the power of
    the border is 0, and no rotation couples it to F.
    """
    if exponent == 1.0:
        return F
    n = F.shape[-1]
    border = -n % 4
    values, vectors = torch.linalg.eigh(functional.pad(F, (0, border, 0, border)))
    vectors = vectors[..., :n, :]
    scaled = vectors * values.clamp(min=0).pow(exponent).unsqueeze(-2)
    batch = (-1, n, n + border)
    return product(scaled.reshape(batch), vectors.reshape(batch).mT).reshape(F.shape)
