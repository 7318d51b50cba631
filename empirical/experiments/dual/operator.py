"""The covariance operator of a layer, exactly, and nearby operators that are wrong.

Write w = vec(W_l). Half the squared distance of two points has the gradient (K_p - K_q)(K_p - K_q)' w
when the weights are shared, so for every loss of `contrast` and any draws of `expectation`

    -grad L = 2 (OP_l + residue) w,
    OP_l + residue = 1/2 sum_pq (S_-[p, q] - S_+[p, q]) (K_p - K_q)(K_p - K_q)',        (whole)
    OP_l           = 1/2 sum_xx' Xi[x, x'] (Kbar_x - Kbar_x')(Kbar_x - Kbar_x')',       (operator)

where Kbar_x is the mean of K over the views of x and Xi[x, x'] the sum of S_- over their views: the
probability of the pair times the mean of xi over augmentations (and over the other negatives). The
factor 2 is that of the two branches. OP_l is positive semidefinite because Xi >= 0.

For L_simp, V_x the covariance over data and V_aug that over the views of one sample, all over N
samples with A views and with divisors N and A, the residue is known exactly [derived here]:

    independent draws                        residue 0, OP_l = V_x[Kbar_l]
    negatives from other samples only        residue 0, OP_l = N/(N-1) V_x[Kbar_l]
    positives that are other views only      residue -E_x V_aug[K_l] / (A - 1)

For the other losses it comes from the correlation of xi with K over augmentations and is of the order
of E_x V_aug. Source: Tian, Yu, Chen, Ganguli 2020, theorems on L_simp and on general losses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from empirical.experiments.dual.expectation import Draws


def whole(k: Tensor, attract: Tensor, repel: Tensor) -> Tensor:
    """Return operator plus residue, shape (D, D), from K of shape (P, D, d) and the pair weights."""
    return 0.5 * _scatter(k, repel - attract)


def operator(k: Tensor, repel: Tensor, draws: Draws) -> Tensor:
    """Return the covariance operator, shape (D, D), from K of shape (P, D, d) and S_-."""
    return 0.5 * _scatter(mean_connection(k, draws), by_sample(repel, draws))


def by_sample(repel: Tensor, draws: Draws) -> Tensor:
    """Return Xi of shape (N, N): S_- summed over the views of both samples."""
    n, a = draws.samples, draws.views
    return repel.view(n, a, n, a).sum(dim=(1, 3))


def mean_connection(k: Tensor, draws: Draws) -> Tensor:
    """Return Kbar of shape (N, D, d), the mean of K of shape (P, D, d) over views."""
    return k.view(draws.samples, draws.views, *k.shape[1:]).mean(dim=1)


def covariance(k: Tensor) -> Tensor:
    """Return the covariance (divisor: the number of rows) of K of shape (N, D, d): shape (D, D)."""
    rows = (k - k.mean(dim=0)).transpose(1, 2).flatten(0, 1)
    return rows.T @ rows / len(k)


def augmentation_covariance(k: Tensor, draws: Draws) -> Tensor:
    """Return E_x V_aug[K], shape (D, D)."""
    views = k.view(draws.samples, draws.views, *k.shape[1:])
    return covariance(k) - covariance(views.mean(dim=1))


def without_augmentation_mean(k: Tensor) -> Tensor:
    """Return the wrong operator V[K] over all points: augmentations are not averaged out."""
    return covariance(k)


def without_negatives(k: Tensor, draws: Draws) -> Tensor:
    """Return the wrong operator E_x Kbar Kbar': nothing is subtracted for the negatives."""
    rows = mean_connection(k, draws).transpose(1, 2).flatten(0, 1)
    return rows.T @ rows / draws.samples


def _scatter(k: Tensor, weight: Tensor) -> Tensor:
    """Return the sum over pairs of weight[p, q] (K_p - K_q)(K_p - K_q)', shape (D, D)."""
    laplacian = torch.diag(weight.sum(dim=1) + weight.sum(dim=0)) - weight - weight.T
    rows = k.transpose(1, 2)  # (P, d, D)
    mixed = (laplacian @ rows.flatten(1)).view(rows.shape)
    return rows.flatten(0, 1).T @ mixed.flatten(0, 1)


def lowest_eigenvalue(matrix: Tensor) -> float:
    """Return the smallest eigenvalue over the largest in size; -1e-12 and more counts as >= 0."""
    values = torch.linalg.eigvalsh((matrix + matrix.T) / 2)
    return float(values[0] / values.abs().max())
