"""Small data sets with a finite list of augmentations, so that every expectation is a finite sum."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))


def gaussian_views(samples: int, views: int, size: int, scale: float, *, seed: int = 0) -> Tensor:
    """Return points of shape (samples * views, size): x plus `scale` times a Gaussian, each fixed.

    The same seed gives the same samples and directions for every scale.
    """
    g = np.random.default_rng([seed, samples, views, size])
    x = g.normal(size=(samples, 1, size))
    noise = g.normal(size=(samples, views, size))
    return torch.tensor((x + scale * noise).reshape(samples * views, size))


def shifted_digits(samples: int, *, seed: int = 0) -> Tensor:
    """Return handwritten digits, 8 x 8, each with its five shifts by at most a pixel.

    Shape (samples * 5, 64); entries have mean 0 and variance 1 over all points.
    """
    from sklearn.datasets import load_digits

    images = load_digits().images
    chosen = images[np.random.default_rng(seed).choice(len(images), samples, replace=False)]
    padded = np.pad(chosen, ((0, 0), (1, 1), (1, 1)))
    views = [padded[:, 1 + i : 9 + i, 1 + j : 9 + j] for i, j in SHIFTS]
    points = np.stack(views, axis=1).reshape(samples * len(SHIFTS), 64)
    return torch.tensor((points - points.mean()) / points.std())
