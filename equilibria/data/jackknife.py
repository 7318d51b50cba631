"""Moments of sums over groups of images, and their standard errors by leaving out one group at a time.

`estimate` draws the views and adds them up; the formulas are those of its head.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np

from equilibria.data.augmentation import Array
from equilibria.errors import ScopeError

Normalize = Literal["largest", "mean", "none"]

SINGULAR: Final = 1e-12  # smallest over largest eigenvalue of Sigma


@dataclass(frozen=True, slots=True)
class Sums:
    """Sums over the images of each of G groups; x is counted from the plan's reference."""

    views: int
    count: Array  # (G,), images
    outer: Array  # (G, d, d), of the mean over views of x x^T
    mean_outer: Array  # (G, d, d), of xbar xbar^T
    mean: Array  # (G, d), of xbar

    def without(self, group: int) -> Sums:
        """Return the sums over all groups but one, as one group."""
        after = group + 1
        return self._pick(
            lambda a: a[:group].sum(axis=0, keepdims=True) + a[after:].sum(axis=0, keepdims=True)
        )

    def pooled(self) -> Sums:
        """Return the sums over all images, as one group."""
        return self._pick(lambda a: a.sum(axis=0, keepdims=True))

    def _pick(self, pick: Callable[[Array], Array]) -> Sums:
        return Sums(
            self.views,
            pick(self.count),
            pick(self.outer),
            pick(self.mean_outer),
            pick(self.mean),
        )

    def projected(self, basis: Array) -> Sums:
        """Return the sums of basis^T x: an exact congruence, no second look at the images."""
        return replace(
            self,
            outer=basis.T @ self.outer @ basis,
            mean_outer=basis.T @ self.mean_outer @ basis,
            mean=self.mean @ basis,
        )


def moments_of(sums: Sums, *, center: bool) -> tuple[Array, Array]:
    """Return (Sigma, M) of the first group: the unbiased estimates of the module's head."""
    count, views = sums.count[0], sums.views
    outer, mean_outer, mean = sums.outer[0], sums.mean_outer[0], sums.mean[0]
    between = (np.outer(mean, mean) - mean_outer) / (count * (count - 1)) if center else 0.0
    sigma = outer / count - between
    m = (views * mean_outer - outer) / (count * (views - 1)) - between
    return (sigma + sigma.T) / 2, (m + m.T) / 2


def scale_of(sigma: Array, mean: Array, normalize: Normalize) -> float:
    """Return the squared pixel units of one unit; raises `ScopeError` where the views do not vary."""
    largest = float(np.linalg.eigvalsh(sigma)[-1])
    # Equal images leave nothing but rounding errors of the size of their pixels.
    if largest <= 1e-24 * float(mean @ mean) or largest <= 0:
        raise ScopeError("the views do not vary: all images are the same and --augment leaves them")
    if normalize == "largest":
        return largest
    return float(np.trace(sigma)) / len(sigma) if normalize == "mean" else 1.0


def correlations_of(sigma: Array, m: Array) -> tuple[Array, Array]:
    """Return rho (d,), descending, and V (d, d) with V^T Sigma V = I and V^T M V = diag(rho)."""
    values, vectors = np.linalg.eigh(sigma)
    rank = int((values > SINGULAR * values[-1]).sum())
    if rank < len(values):
        raise ScopeError(
            f"Sigma is singular, the views vary in {rank} of {len(values)} directions; use "
            f"--components {rank} or fewer, more images, or add noise=0.1 to --augment"
        )
    white = vectors / np.sqrt(values)
    correlations, turned = np.linalg.eigh(white.T @ m @ white)
    return correlations[::-1].copy(), white @ turned[:, ::-1]


def replicate(
    sums: Sums, correlations: Array, white: Array, *, center: bool
) -> tuple[Array, Array, Array, Array]:
    """Return (Sigma, M, canonical correlations, commutator) from a part of the images.

    The correlations are to first order about the full estimate, d rho = v^T (dM - rho dSigma) v.
    That needs no decomposition a group, stays smooth where two of them nearly meet, and exists
    where Sigma of the part is singular.
    """
    sigma, m = moments_of(sums, center=center)
    along_m = np.einsum("ij,ij->j", white, m @ white)
    along_sigma = np.einsum("ij,ij->j", white, sigma @ white)
    shifted = correlations + along_m - correlations * along_sigma
    return sigma, m, shifted, commutator(sigma, m)


def commutator(sigma: Array, m: Array) -> Array:
    """Return |Sigma M - M Sigma| / (|Sigma| |M|), Frobenius norms."""
    product = sigma @ m
    size = np.linalg.norm(sigma) * np.linalg.norm(m)
    return np.asarray(np.linalg.norm(product - product.T) / size if size > 0 else 0.0)


def jackknife(replicates: Iterable[tuple[Array, ...]]) -> tuple[Array, ...]:
    """Return entrywise standard errors from replicates that each leave out one of G groups.

    The variance is (G - 1)/G times the sum of squared deviations, summed in one pass (Welford).
    """
    count = 0
    means: list[Any] = []
    squares: list[Any] = []
    for replicate in replicates:
        count += 1
        if count == 1:
            means, squares = list(replicate), [np.zeros_like(value) for value in replicate]
            continue
        for index, value in enumerate(replicate):
            step = value - means[index]
            means[index] = means[index] + step / count
            squares[index] = squares[index] + step * (value - means[index])
    return tuple(np.sqrt((count - 1) / count * value) for value in squares)
