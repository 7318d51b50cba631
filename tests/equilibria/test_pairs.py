"""Pairs of views are the data behind the moments: same coordinates, moments within sampling error."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from equilibria.data.augmentation import parse_augment
from equilibria.data.measure import estimate_moments
from equilibria.data.pairs import save_pairs, view_pairs


@pytest.mark.parametrize("components", [None, 4])
@pytest.mark.parametrize("center", [True, False])
def test_the_moments_of_the_pairs_are_those_of_the_estimate(
    components: int | None, center: bool
) -> None:
    source = np.random.default_rng(0)
    smooth = source.normal(size=(3000, 2, 2, 1)).repeat(2, axis=1).repeat(2, axis=2)
    images = 0.5 + 0.1 * smooth
    estimate = estimate_moments(
        images,
        augmentation=parse_augment("noise=0.05,flip"),
        views=4,
        components=components,
        center=center,
    )
    x, y = view_pairs(images, estimate)
    assert x.shape == y.shape == (3000, len(estimate.Sigma))
    assert not np.allclose(x, y)
    sigma = (x.T @ x + y.T @ y) / 6000
    m = (x.T @ y + y.T @ x) / 6000
    assert np.abs(sigma - estimate.Sigma).max() < 0.05
    assert np.abs(m - estimate.M).max() < 0.05


def test_pairs_are_the_same_twice_and_can_be_trained_on(tmp_path: Path) -> None:
    images = np.random.default_rng(1).random((64, 4, 4))
    estimate = estimate_moments(images, augmentation=parse_augment("noise=0.1"), views=3)
    x, y = view_pairs(images, estimate)
    again, _ = view_pairs(images, estimate)
    assert np.array_equal(x, again)
    save_pairs(tmp_path / "p.npz", x, y)
    with np.load(tmp_path / "p.npz") as archive:
        assert np.array_equal(archive["y"], y)
