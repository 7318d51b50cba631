"""Two views of every image as vectors: the data behind measured moments, for mini-batch training."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from equilibria.data.augmentation import parse_augment
from equilibria.data.images import Images
from equilibria.data.measure import MomentEstimate, Plan, blocks, draw_views, make_plan
from equilibria.errors import ScopeError
from equilibria.files.write import atomic

Array = NDArray[np.float64]
MAX_BYTES = 4 << 30


def view_pairs(images: Images, estimate: MomentEstimate) -> tuple[Array, Array]:
    """Return x and y (N, d): the first two views of each image, in the coordinates of `estimate`.

    Mean, basis and unit are those of the estimate, so that E[x x^T] and E[y x^T] are its Sigma and M
    up to sampling. Raises `ScopeError` when the pairs would not fit in memory.
    """
    settings = estimate.settings
    count, size = len(images), len(estimate.Sigma)
    if 16 * count * size > MAX_BYTES:
        raise ScopeError(
            f"--pairs: {count} pairs of {size} numbers are {16 * count * size >> 20} MiB, at most "
            f"{MAX_BYTES >> 20} are written",
            hint="use fewer images, --size or --components",
        )
    plan = make_plan(images, settings, parse_augment(settings.augment), None)
    x, y = np.empty((count, size)), np.empty((count, size))
    for group, part, numbers in blocks(plan):
        drawn = np.concatenate(list(_first_two(plan, (group, part), numbers)))
        for target, view in zip((x, y), drawn, strict=True):
            target[numbers] = _coordinates(view + plan.reference, estimate)
    return x, y


def _first_two(plan: Plan, key: tuple[int, int], numbers: NDArray[np.int64]) -> list[Array]:
    found: list[Array] = []
    for views in draw_views(plan, key, numbers):
        found.append(views[: 2 - sum(map(len, found))])
        if sum(map(len, found)) == 2:
            break
    return found


def _coordinates(view: Array, estimate: MomentEstimate) -> Array:
    centred = view - estimate.mean if estimate.settings.center else view
    turned = centred if estimate.basis is None else centred @ estimate.basis
    return np.asarray(turned / np.sqrt(estimate.scale))


def save_pairs(path: str | Path, x: Array, y: Array) -> None:
    """Write x and y as an .npz file, atomically."""
    with atomic(path, "--pairs", binary=True) as stream:
        np.savez(stream, x=x, y=y)
