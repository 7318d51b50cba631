"""The expectation of a contrastive loss over a finite data set with a finite list of augmentations.

N samples with A views each are P = N A points; sample i, view a is point i A + a. A draw is an anchor
(a sample, a view of it), a positive (a view of the same sample) and H negatives (a sample, a view of
it, each). All draws are enumerated, nothing is sampled: N A A (N A)^H terms.

Which draws count matters in finite samples. *Independent* draws, where a positive may be the anchor's
own view and a negative the anchor's own sample, are those of the theorem. Leaving out either kind,
as implementations do, changes the operator by a known term (see `operator`).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.experiments.dual.contrast import Contrast

MOST_DRAWS = 20_000_000


@dataclass(frozen=True)
class Draws:
    """The number of samples N and views A, and which draws count; see the module's text."""

    samples: int
    views: int
    own_view: bool = True
    """A positive may be the anchor's own view."""
    own_sample: bool = True
    """A negative may be a view of the anchor's own sample."""

    @property
    def points(self) -> int:
        """Return P = N A."""
        return self.samples * self.views

    def positive(self) -> Tensor:
        """Return the probability of each (anchor's view, positive's view): shape (A, A)."""
        weight = torch.ones(self.views, self.views, dtype=torch.float64)
        if not self.own_view:
            weight.fill_diagonal_(0.0)
        return weight / weight.sum()

    def negative(self) -> Tensor:
        """Return the probability of each negative, given the anchor's sample: shape (N, P)."""
        weight = torch.ones(self.samples, self.samples, dtype=torch.float64)
        if not self.own_sample:
            weight.fill_diagonal_(0.0)
        weight = weight.repeat_interleave(self.views, dim=1)
        return weight / weight.sum(dim=1, keepdim=True)

    def probabilities(self, negatives: int) -> Tensor:
        """Return the probability of every draw: shape (N, A, A, P, ..., P), summing to 1."""
        terms = self.samples * self.views**2 * self.points**negatives
        if terms > MOST_DRAWS:
            raise ValueError(f"{terms} draws to enumerate, more than {MOST_DRAWS}")
        found = self.positive().expand(self.samples, -1, -1) / self.samples
        for _ in range(negatives):
            one = self.negative()
            shape = (self.samples, *[1] * (found.ndim - 1), self.points)
            found = found[..., None] * one.view(shape)
        return found


def distances(f: Tensor) -> Tensor:
    """Return r = |f(p) - f(q)|^2 / 2 for all pairs of rows of f: shape (P, P)."""
    return 0.5 * (f[:, None, :] - f[None, :, :]).square().sum(dim=-1)


def spread(r: Tensor, draws: Draws, negatives: int) -> tuple[Tensor, Tensor]:
    """Return r_+ of shape (N, A, A, P, ..., P) and r_- of shape (N, A, A, P, ..., P, H)."""
    n, a, p = draws.samples, draws.views, draws.points
    own = torch.arange(n)
    shape = (n, a, a, *[p] * negatives)
    near = r.view(n, a, n, a)[own, :, own, :]
    near = near.view(n, a, a, *[1] * negatives).expand(shape)
    far = [
        r.view(n, a, 1, *[p if i == k else 1 for i in range(negatives)]).expand(shape)
        for k in range(negatives)
    ]
    return near, torch.stack(far, dim=-1)


def expected_loss(f: Tensor, contrast: Contrast, draws: Draws) -> Tensor:
    """Return the expectation of the loss at outputs f of shape (P, d), to be differentiated."""
    near, far = spread(distances(f), draws, contrast.negatives)
    return (draws.probabilities(contrast.negatives) * contrast.loss(near, far)).sum()


def pair_weights(f: Tensor, contrast: Contrast, draws: Draws) -> tuple[Tensor, Tensor]:
    """Return S_+ and S_- of shape (P, P): how strongly each pair of points attracts and repels.

    S_-[p, q] is the sum over draws with anchor p and k-th negative q of probability times xi_k;
    S_+[p, q] that over draws with anchor p and positive q of probability times the sum of the xi_k.
    """
    n, a, p = draws.samples, draws.views, draws.points
    near, far = spread(distances(f), draws, contrast.negatives)
    weighted = draws.probabilities(contrast.negatives)[..., None] * contrast.xi(near, far)
    attract = torch.zeros(n, a, n, a, dtype=f.dtype)
    own = torch.arange(n)
    attract[own, :, own, :] = weighted.flatten(3).sum(dim=-1)
    repel = torch.zeros(n, a, p, dtype=f.dtype)
    for k in range(contrast.negatives):
        others = [2, *[3 + i for i in range(contrast.negatives) if i != k]]
        repel += weighted[..., k].sum(dim=others)
    return attract.view(p, p), repel.view(p, p)
