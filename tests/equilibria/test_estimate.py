"""Moments of images: exact answers where they exist, honest errors where they do not."""

from __future__ import annotations

import io
import json
import math
import os
import pickle
import tracemalloc
import zipfile
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equilibria.data import images as images_module
from equilibria.data import measure as estimate_module
from equilibria.data.augmentation import (
    Augmentation,
    augment,
    parse_augment,
    random_streams,
    resize,
    resize_matrix,
    to_gray,
)
from equilibria.data.measure import MomentEstimate, estimate_moments, load_images, save_moments
from equilibria.data.moments import Moments
from equilibria.errors import AnalysisError, FormatError, ScopeError

CIFAR = Path(__file__).resolve().parents[2].parent / "shared/data/cifar10/cifar10_small.npz"
ARRAYS = ("Sigma", "M", "Sigma_se", "M_se", "correlations", "correlations_se", "mean")


def gray_images(count: int, side: int = 4, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((count, side, side))


def gaussian_images(count: int, covariance: np.ndarray, seed: int) -> np.ndarray:
    """Return 2 x 2 images whose pixels are Gaussian with this covariance and mean 1/2."""
    root = np.linalg.cholesky(covariance)
    pixels = 0.5 + np.random.default_rng(seed).standard_normal((count, 4)) @ root.T
    return pixels.reshape(count, 2, 2)


def one_line(error: pytest.ExceptionInfo[AnalysisError]) -> str:
    message = str(error.value)
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 400
    return message


def same_bits(left: MomentEstimate, right: MomentEstimate) -> bool:
    return left.commutator == right.commutator and all(
        np.array_equal(getattr(left, name), getattr(right, name)) for name in ARRAYS
    )


# --- reading the augmentation --------------------------------------------------------------------


def test_an_augmentation_is_read_whatever_the_order_and_the_spelling_of_numbers() -> None:
    expected = Augmentation(shift=2, flip=0.5, noise=0.1, brightness=0.2)
    assert parse_augment("shift=2,flip,noise=0.1,brightness=0.2") == expected
    assert parse_augment(" brightness = 1/5 , noise=1e-1, shift=2, flip=1/2") == expected
    assert parse_augment("none") == Augmentation()


fraction = st.floats(0, 1)


@given(
    st.builds(
        Augmentation,
        crop=st.floats(0, 1, exclude_min=True),
        shift=st.integers(0, 4096),
        flip=fraction,
        gray=fraction,
        brightness=fraction,
        contrast=fraction,
        erase=st.integers(0, 4096),
        noise=st.floats(0, 1e6),
    )
)
@settings(deadline=None)
def test_the_text_of_an_augmentation_reads_back_as_itself(augmentation: Augmentation) -> None:
    assert parse_augment(str(augmentation)) == augmentation


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("", "--augment"),
        ("flip,", "--augment"),
        ("rotate=3", "rotate"),
        ("__import__('os')", "__import__"),
        ("flip,flip", "twice"),
        ("shift", "shift"),
        ("shift=", "shift"),
        ("shift=-1", "shift=-1"),
        ("shift=1.5", "shift=1.5"),
        ("noise=-0.1", "noise=-0.1"),
        ("noise=nan", "noise=nan"),
        ("noise=inf", "noise=inf"),
        ("noise=1e999999999", "noise=1e999999999"),
        ("noise=1e399", "noise"),
        ("noise=1/0", "noise=1/0"),
        ("noise=0.1\nshift=2", "noise"),
        ("brightness=1.01", "brightness=1.01"),
        ("crop=0", "crop=0"),
        ("flip=2", "flip=2"),
        ("erase=" + "9" * 5000, "erase"),
    ],
)
def test_a_bad_augmentation_is_one_line_that_names_the_option(text: str, named: str) -> None:
    with pytest.raises(FormatError) as error:
        parse_augment(text)
    message = one_line(error)
    assert message.startswith("--augment")
    assert named in message


@pytest.mark.parametrize("values", [{"flip": True}, {"noise": math.nan}, {"shift": 1.0}])
def test_an_augmentation_made_in_python_is_checked_too(values: dict[str, Any]) -> None:
    with pytest.raises(FormatError) as error:
        Augmentation(**values)
    assert "--augment" in one_line(error)


@pytest.mark.parametrize("text", ["shift=4", "erase=5", "gray=0.5"])
def test_an_augmentation_that_does_not_fit_the_images_is_refused(text: str) -> None:
    with pytest.raises(FormatError) as error:
        estimate_moments(gray_images(9), augmentation=parse_augment(text))
    assert text in one_line(error)


# --- what the transformations do -----------------------------------------------------------------


def drawn(images: np.ndarray, text: str, seed: int = 0) -> np.ndarray:
    return augment(images, parse_augment(text), random_streams(seed))


def test_shift_gives_every_translate_with_repeated_borders_and_nothing_else() -> None:
    image = np.random.default_rng(1).random((5, 4, 2))
    views = drawn(np.tile(image, (400, 1, 1, 1)), "shift=2")
    padded = np.pad(image, ((2, 2), (2, 2), (0, 0)), mode="edge")
    translates = [padded[i : i + 5, j : j + 4] for i, j in product(range(5), range(5))]
    hits = [[np.array_equal(view, translate) for translate in translates] for view in views]
    counts = np.sum(hits, axis=0)
    assert counts.sum() == 400  # each view is exactly one translate
    assert np.all(counts > 0)
    assert ((counts - 16) ** 2 / 16).sum() < 60  # chi-square with 24 degrees: 43 is 1 %


def test_flip_mirrors_left_and_right_half_of_the_time() -> None:
    image = np.random.default_rng(2).random((3, 4, 3))
    views = drawn(np.tile(image, (1000, 1, 1, 1)), "flip")
    mirrored = (views == image[:, ::-1]).all(axis=(1, 2, 3))
    assert np.all(mirrored | (views == image).all(axis=(1, 2, 3)))
    assert abs(mirrored.mean() - 0.5) < 5 * 0.5 / math.sqrt(1000)


def test_crop_reads_a_window_of_the_image_bilinearly() -> None:
    # On the ramp f(row, column) = column, a crop is an affine function of the column, away from
    # the borders where positions are clamped; its slope is the side fraction.
    ramp = np.broadcast_to(np.arange(16.0)[:, None], (16, 16, 1))
    views = drawn(np.tile(ramp, (500, 1, 1, 1)), "crop=0.25")[..., 0]
    middle = views[:, :, 2:14]
    slopes = np.diff(middle, axis=2)
    assert np.allclose(views, views[:, :1], atol=1e-12)  # rows stay alike
    assert np.allclose(slopes, slopes[:, :1, :1], atol=1e-9)
    area = slopes[:, 0, 0] ** 2
    assert 0.25 <= area.min() < 0.27
    assert 0.98 < area.max() <= 1
    assert abs(area.mean() - 0.625) < 5 * 0.75 / math.sqrt(12 * 500)
    # Pixel j of the window reads start + (j + 1/2) side - 1/2; windows slide over all they can.
    side = slopes[:, 0, 0]
    start = middle[:, 0, 5] + 0.5 - 7.5 * side
    place = start / (16 * (1 - side))
    assert -1e-9 <= place.min() < 0.02
    assert 0.98 < place.max() <= 1 + 1e-9
    assert views.min() >= 0
    assert views.max() <= 15
    assert np.array_equal(drawn(np.tile(ramp, (3, 1, 1, 1)), "crop=1"), np.tile(ramp, (3, 1, 1, 1)))


def test_crop_shift_and_flip_together_equal_one_after_the_other() -> None:
    image = np.random.default_rng(3).random((1, 6, 6, 1))
    images, streams = np.repeat(image, 50, axis=0), random_streams(5)
    together = augment(images, parse_augment("crop=0.4,shift=1,flip"), streams)
    streams = random_streams(5)
    chain = augment(images, parse_augment("crop=0.4"), streams)
    # Cropping alone consumed all three geometric streams once; give the others a fresh start.
    fresh = random_streams(5)
    chain = augment(chain, parse_augment("shift=1"), {**fresh, "crop": streams["crop"]})
    chain = augment(chain, parse_augment("flip"), random_streams(5))
    assert np.allclose(together, chain, atol=1e-12)
    assert not np.allclose(together, images)


def test_brightness_contrast_and_gray_change_what_they_say() -> None:
    images = np.random.default_rng(4).random((300, 4, 4, 3)) + 0.5
    ratio = drawn(images, "brightness=0.3") / images
    assert np.allclose(ratio, ratio[:, :1, :1, :1])
    assert 0.7 <= ratio.min() < 0.72
    assert 1.28 < ratio.max() <= 1.3
    mean = images.mean(axis=(1, 2, 3), keepdims=True)
    views = drawn(images, "contrast=0.3")
    assert np.allclose(views.mean(axis=(1, 2, 3), keepdims=True), mean)
    spread = (views - mean) / (images - mean)
    assert np.allclose(spread, spread[:, :1, :1, :1])
    assert 0.7 <= spread.min() < 0.72
    views = drawn(images, "gray=0.5")
    gray = np.repeat(images @ np.array([[0.299], [0.587], [0.114]]), 3, axis=3)
    turned = np.isclose(views, gray).all(axis=(1, 2, 3))
    assert np.all(turned | (views == images).all(axis=(1, 2, 3)))
    assert abs(turned.mean() - 0.5) < 5 * 0.5 / math.sqrt(300)


def test_erase_hides_one_square_behind_the_mean_colour() -> None:
    images = np.random.default_rng(5).random((400, 5, 6, 3))
    views = drawn(images, "erase=3")
    corners = set()
    for image, view in zip(images, views, strict=True):
        changed = np.argwhere((view != image).any(axis=2))
        top, left = changed.min(axis=0)
        expected = image.copy()
        expected[top : top + 3, left : left + 3] = image.mean(axis=(0, 1))
        assert np.allclose(view, expected)
        assert len(changed) == 9
        corners.add((int(top), int(left)))
    assert corners == set(product(range(3), range(4)))


def test_noise_is_white_and_independent_of_the_image() -> None:
    images = np.random.default_rng(6).random((2000, 2, 2, 1))
    noise = (drawn(images, "noise=0.2") - images).reshape(2000, 4)
    assert np.allclose(
        noise.T @ noise / 2000, 0.04 * np.eye(4), atol=5 * 0.04 * math.sqrt(2 / 2000)
    )


def test_a_new_transformation_leaves_the_random_numbers_of_the_others_alone() -> None:
    images = np.random.default_rng(7).random((20, 4, 4, 1))
    noise = drawn(images, "shift=1,noise=0.1") - drawn(images, "shift=1")
    assert np.allclose(noise, drawn(images, "noise=0.1") - images)


@pytest.mark.parametrize(("old", "new"), [(32, 8), (7, 3), (5, 4), (6, 6), (9, 1)])
def test_shrinking_averages_areas_as_a_slow_loop_does(old: int, new: int) -> None:
    image = np.random.default_rng(8).random((1, old, old, 2))
    expected = np.zeros((new, new, 2))
    for i, j in product(range(new), range(new)):
        weights = []
        for k in range(old):
            rows = max(0.0, min((i + 1) * old / new, k + 1) - max(i * old / new, k))
            columns = max(0.0, min((j + 1) * old / new, k + 1) - max(j * old / new, k))
            weights.append((rows, columns))
        for k, l in product(range(old), range(old)):  # noqa: E741
            expected[i, j] += weights[k][0] * weights[l][1] * image[0, k, l] * (new / old) ** 2
    assert np.allclose(resize(image, new, new)[0], expected, atol=1e-13)


def test_shrinking_by_a_divisor_is_the_mean_of_blocks() -> None:
    images = np.random.default_rng(9).random((3, 8, 12, 3))
    blocks = images.reshape(3, 2, 4, 3, 4, 3).mean(axis=(2, 4))
    assert np.allclose(resize(images, 2, 3), blocks, atol=1e-14)


def test_resizing_keeps_constants_and_growing_is_linear_inside() -> None:
    for old, new in [(8, 3), (3, 8), (4, 4), (1, 5)]:
        assert np.allclose(resize_matrix(old, new).sum(axis=1), 1)
    grown = resize_matrix(4, 8) @ np.arange(4.0)
    assert np.allclose(grown, [0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3])


# --- the moments ---------------------------------------------------------------------------------


def flips(image: np.ndarray) -> list[np.ndarray]:
    return [image.reshape(-1), image[:, ::-1].reshape(-1)]


def exact_flip_moments(images: np.ndarray, *, center: bool) -> tuple[np.ndarray, np.ndarray]:
    """Enumerate all views and all pairs of views: conditional expectations given the images."""
    sigma = np.mean([np.outer(x, x) for image in images for x in flips(image)], axis=0)
    m = np.mean(
        [np.outer(y, x) for image in images for y, x in product(flips(image), repeat=2)], axis=0
    )
    if not center:
        return sigma, m
    means = [np.mean(flips(image), axis=0) for image in images]
    pairs = [
        np.outer(means[i], means[j]) for i, j in product(range(len(images)), repeat=2) if i != j
    ]
    between = np.mean(pairs, axis=0)
    return sigma - between, m - between


@pytest.mark.parametrize("center", [True, False])
def test_the_estimate_is_unbiased_for_two_views_of_a_flip(center: bool) -> None:
    images = gray_images(8, side=2, seed=11)
    augmentation = Augmentation(flip=0.5)
    runs = [
        estimate_moments(
            images,
            augmentation=augmentation,
            views=2,
            center=center,
            normalize="none",
            seed=seed,
        )
        for seed in range(300)
    ]
    sigma, m = exact_flip_moments(images, center=center)
    for name, truth in (("Sigma", sigma), ("M", m)):
        values = np.array([getattr(run, name) for run in runs])
        error = values.std(axis=0, ddof=1) / math.sqrt(len(runs))
        assert np.all(np.abs(values.mean(axis=0) - truth) < 5 * error + 1e-12)
    # The biased alternative, which also pairs a view with itself, would be seen here.
    assert np.any(np.abs(sigma - m) > 20 * error)


def test_without_an_augmentation_both_moments_are_the_sample_covariance() -> None:
    images = gray_images(50, side=3, seed=12)
    pixels = images.reshape(50, 9)
    result = estimate_moments(images, views=3, normalize="none")
    assert np.allclose(result.Sigma, np.cov(pixels, rowvar=False), atol=1e-14)
    assert np.allclose(result.M, result.Sigma, atol=1e-14)
    assert np.allclose(result.mean, pixels.mean(axis=0))
    assert np.allclose(result.correlations, 1)
    raw = estimate_moments(images, views=3, normalize="none", center=False)
    assert np.allclose(raw.M, pixels.T @ pixels / 50, atol=1e-14)


def test_noise_adds_a_multiple_of_the_identity_to_sigma_and_nothing_to_m() -> None:
    images = gray_images(600, side=3, seed=13)
    covariance = np.cov(images.reshape(600, 9), rowvar=False)
    augmentation = Augmentation(noise=0.3)
    result = estimate_moments(images, augmentation=augmentation, views=8, normalize="none")
    # Given the images only the noise varies: the standard errors, which also count the images,
    # are a loose bound for M and so are 5 standard deviations of white noise.
    noise = 5 * 0.3**2 / math.sqrt(600 * 8) * math.sqrt(2) + 5 * 0.3 * 0.3 / math.sqrt(600 * 8)
    assert np.abs(result.M - covariance).max() < noise
    assert np.abs(result.Sigma - covariance - 0.09 * np.eye(9)).max() < 2 * noise
    assert np.all(np.abs(result.M - covariance) < 5 * result.M_se)
    assert np.all(np.abs(result.Sigma - covariance - 0.09 * np.eye(9)) < 5 * result.Sigma_se)


COVARIANCE = np.array(
    [[1.0, 0.5, 0.1, 0.0], [0.5, 0.8, 0.0, 0.2], [0.1, 0.0, 0.5, 0.1], [0.0, 0.2, 0.1, 0.3]]
)


def shift_and_noise_truth(noise: float) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Return Sigma, M, correlations and commutator of Gaussian 2 x 2 images under shift=1, noise.

    All nine translations are linear maps that keep the constant mean.
    """
    units = np.pad(np.eye(4).reshape(4, 2, 2), ((0, 0), (1, 1), (1, 1)), mode="edge")
    moves = [units[:, i : i + 2, j : j + 2].reshape(4, 4).T for i in range(3) for j in range(3)]
    sigma = np.mean([move @ COVARIANCE @ move.T for move in moves], axis=0) + noise**2 * np.eye(4)
    m = np.mean(moves, axis=0) @ COVARIANCE @ np.mean(moves, axis=0).T
    correlations = np.sort(np.linalg.eigvals(np.linalg.solve(sigma, m)).real)[::-1]
    size = np.linalg.norm(sigma) * np.linalg.norm(m)
    return sigma, m, correlations, float(np.linalg.norm(sigma @ m - m @ sigma) / size)


def test_standard_errors_are_honest() -> None:
    sigma, m, correlations, commutator = shift_and_noise_truth(0.5)
    scores: dict[str, list[np.ndarray]] = {"Sigma": [], "M": [], "rho": [], "commutator": []}
    for seed in range(60):
        result = estimate_moments(
            gaussian_images(400, COVARIANCE, seed),
            augmentation=Augmentation(shift=1, noise=0.5),
            views=4,
            normalize="none",
            seed=seed,
        )
        scores["Sigma"].append((result.Sigma - sigma) / result.Sigma_se)
        scores["M"].append((result.M - m) / result.M_se)
        scores["rho"].append((result.correlations - correlations) / result.correlations_se)
        scores["commutator"].append(
            np.atleast_1d((result.commutator - commutator) / result.commutator_se)
        )
    for name, values in scores.items():
        squares = np.mean(np.square(values))
        # 60 repetitions of a few dependent entries: the mean square scatters by about 0.15.
        assert 0.6 < squares < 1.6, name
        assert np.abs(values).max() < 5.5, name
    assert 0.05 < commutator < 0.5


def test_the_error_falls_with_the_root_of_the_number_of_images() -> None:
    augmentation = Augmentation(noise=0.1)
    few, many = (
        estimate_moments(gray_images(count, seed=14), augmentation=augmentation, normalize="none")
        for count in (500, 8000)
    )
    assert 3.3 < np.median(few.M_se / many.M_se) < 4.8


def test_the_order_of_the_file_does_not_change_the_errors() -> None:
    images = gray_images(2000, seed=30)
    images[1600:] += 1  # a small class after a large one: unequal distances to the mean
    shuffled = np.random.default_rng(31).permutation(images)
    augmentation = Augmentation(noise=0.1)
    sorted_, mixed = (
        estimate_moments(x, augmentation=augmentation, normalize="none") for x in (images, shuffled)
    )
    assert 0.8 < np.median(sorted_.M_se / mixed.M_se) < 1.25


def test_a_flip_leaves_m_as_it_is_and_blind_to_what_is_odd() -> None:
    images = gray_images(1500, seed=15)
    result = estimate_moments(images, augmentation=Augmentation(flip=0.5, shift=1), views=16)
    mirror = np.kron(np.eye(4), np.eye(4)[::-1])
    assert np.all(np.abs(mirror @ result.M @ mirror - result.M) < 6 * result.M_se)
    odd = np.linalg.eigh(mirror)[1][:, :8]  # eigenvalue -1: antisymmetric images
    even = np.linalg.eigh(mirror)[1][:, 8:]
    assert np.abs(odd.T @ result.M @ odd).max() < 0.02 * np.trace(even.T @ result.M @ even)
    assert np.trace(odd.T @ result.Sigma @ odd) > 0.2 * np.trace(result.Sigma)


@pytest.mark.parametrize("views", [2, 3, 16])
@pytest.mark.parametrize("center", [True, False])
def test_every_estimate_is_admissible_and_exactly_symmetric(views: int, center: bool) -> None:
    images = gray_images(60, seed=16)
    augmentation = parse_augment("crop=0.5,flip,noise=0.3,contrast=0.5")
    result = estimate_moments(
        images, augmentation=augmentation, views=views, center=center, seed=views
    )
    for matrix in (result.Sigma, result.M):
        assert np.array_equal(matrix, matrix.T)
        assert matrix.dtype == np.float64
    assert np.linalg.eigvalsh(result.Sigma - result.M)[0] > -1e-13
    assert np.linalg.eigvalsh(result.Sigma + result.M)[0] > -1e-13
    assert np.abs(result.correlations).max() <= 1 + 1e-12
    assert np.all(np.diff(result.correlations) <= 0)


def test_many_views_make_m_positive_semidefinite_to_within_its_error() -> None:
    augmentation = Augmentation(noise=0.3)
    result = estimate_moments(gray_images(200, seed=17), augmentation=augmentation, views=200)
    assert np.linalg.eigvalsh(result.M)[0] > -5 * result.M_se.max()
    assert result.correlations[-1] > 0


def test_correlations_and_commutator_are_what_they_say() -> None:
    augmentation = parse_augment("shift=1,noise=0.2")
    result = estimate_moments(gray_images(300, seed=18), augmentation=augmentation)
    values = np.linalg.eigvals(np.linalg.solve(result.Sigma, result.M)).real
    assert np.allclose(np.sort(values)[::-1], result.correlations, atol=1e-12)
    assert math.isclose(result.commutator, Moments.dense(result.Sigma, result.M).commutator)
    assert result.commutator > 0.01


def test_the_jackknife_equals_estimating_again_without_each_image() -> None:
    # 32 images make 32 groups, and without random numbers nothing else changes.
    def estimate(kept: np.ndarray) -> MomentEstimate:
        return estimate_moments(kept, views=2, normalize="none")

    images = gaussian_images(32, COVARIANCE, 19)
    slow = np.array([estimate(np.delete(images, i, axis=0)).Sigma for i in range(32)])
    spread = np.sqrt(31 / 32 * np.square(slow - slow.mean(axis=0)).sum(axis=0))
    assert np.allclose(estimate(images).Sigma_se, spread, rtol=1e-9)


def test_first_order_errors_of_the_correlations_agree_with_decomposing_each_time() -> None:
    replicates = []
    images = gaussian_images(3200, COVARIANCE, 19)
    noise = np.random.default_rng(20).standard_normal((2, 3200, 4)) * 0.5
    # Two fixed views of each image, by hand: x and y.
    x, y = images.reshape(-1, 4) - 0.5 + noise
    groups = np.array_split(np.arange(3200), 32)

    def moments(keep: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        m = x[keep].T @ y[keep] / len(keep)
        return (x[keep].T @ x[keep] + y[keep].T @ y[keep]) / (2 * len(keep)), (m + m.T) / 2

    everything = np.arange(3200)
    sums = estimate_module.Sums(
        2,
        np.array([len(group) for group in groups], dtype=float),
        np.array([moments(group)[0] * len(group) for group in groups]),
        np.array([sum(moments(group)) / 2 * len(group) for group in groups]),
        np.array([(x[group] + y[group]).sum(axis=0) / 2 for group in groups]),
    )
    chosen = estimate_moments(images, center=False, normalize="none").settings
    result = estimate_module._summarise(sums, np.zeros(4), None, 1.0, chosen)
    for group in groups:
        sigma, m = moments(np.setdiff1d(everything, group))
        replicates.append(np.sort(np.linalg.eigvals(np.linalg.solve(sigma, m)).real)[::-1])
    spread = np.sqrt(31 / 32 * np.square(replicates - np.mean(replicates, axis=0)).sum(axis=0))
    sigma, m = moments(everything)
    assert np.allclose(result.Sigma, sigma)
    assert np.allclose(result.M, m)
    assert np.allclose(result.correlations_se, spread, rtol=0.05)


def test_components_project_on_the_leading_eigenvectors() -> None:
    images = gray_images(300, seed=20)
    augmentation = Augmentation(noise=0.2, shift=1)
    full = estimate_moments(images, augmentation=augmentation)
    part = estimate_moments(images, augmentation=augmentation, components=3)
    assert part.basis is not None
    assert np.allclose(part.basis.T @ part.basis, np.eye(3))
    assert np.allclose(part.basis.T @ full.Sigma @ part.basis, part.Sigma, atol=1e-12)
    assert np.allclose(part.basis.T @ full.M @ part.basis, part.M, atol=1e-12)
    assert np.allclose(np.diag(part.Sigma), np.linalg.eigvalsh(full.Sigma)[::-1][:3])
    assert not np.any(part.Sigma - np.diag(np.diag(part.Sigma)))
    assert math.isclose(part.explained, np.trace(part.Sigma) / np.trace(full.Sigma))
    assert np.all(part.basis[np.abs(part.basis).argmax(axis=0), range(3)] > 0)
    assert math.isclose(part.scale, full.scale)


def test_going_through_large_images_twice_gives_what_projecting_gives(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images, augmentation = gray_images(100, seed=21), Augmentation(noise=0.2, shift=1)
    once = estimate_moments(images, augmentation=augmentation, components=3)
    monkeypatch.setattr(estimate_module, "GROUP_BYTES", 1)
    calls: list[tuple[int, int]] = []
    twice = estimate_moments(
        images,
        augmentation=augmentation,
        components=3,
        progress=lambda done, total: calls.append((done, total)),
    )
    for name in ARRAYS:
        assert np.allclose(getattr(once, name), getattr(twice, name), rtol=1e-9, atol=1e-12), name
    assert calls[-1] == (200, 200)


@pytest.mark.parametrize("normalize", ["largest", "mean", "none"])
def test_the_scale_is_what_was_asked_for_and_is_recorded(normalize: Any) -> None:
    images, augmentation = gray_images(100, seed=22), Augmentation(noise=0.2)
    plain = estimate_moments(images, augmentation=augmentation, normalize="none")
    result = estimate_moments(images, augmentation=augmentation, normalize=normalize)
    unit = {
        "largest": np.linalg.eigvalsh(result.Sigma)[-1],
        "mean": np.trace(result.Sigma) / 16,
        "none": 1.0,
    }
    assert math.isclose(unit[normalize], 1.0)
    assert np.allclose(result.Sigma * result.scale, plain.Sigma, rtol=1e-12)
    assert np.allclose(result.M * result.scale, plain.M, rtol=1e-12)
    assert np.allclose(result.M_se * result.scale, plain.M_se, rtol=1e-9)
    assert np.allclose(result.correlations, plain.correlations)


def test_centred_moments_do_not_see_an_offset_however_large() -> None:
    images, augmentation = gray_images(100, seed=23), Augmentation(noise=0.2)
    near = estimate_moments(images, augmentation=augmentation)
    far = estimate_moments(images + 1e6, augmentation=augmentation)
    assert np.allclose(near.Sigma, far.Sigma, atol=1e-8)
    assert np.allclose(near.M, far.M, atol=1e-8)


def test_bytes_are_divided_by_255_and_gray_is_the_luma() -> None:
    stored = np.random.default_rng(24).integers(0, 256, (40, 4, 4, 3), dtype=np.uint8)
    expected = to_gray(stored / 255.0)[..., 0]
    left = estimate_moments(stored, gray=True, augmentation=Augmentation(noise=0.1))
    right = estimate_moments(expected, augmentation=Augmentation(noise=0.1))
    assert np.allclose(left.Sigma, right.Sigma, atol=1e-12)
    assert left.settings.channels == 1


# --- reproducibility and memory ------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bits_however_many_images_are_read_at_a_time() -> None:
    stored = np.random.default_rng(25).integers(0, 256, (333, 9, 9, 3), dtype=np.uint8)
    augmentation = parse_augment("crop=0.5,shift=1,flip,gray=0.2,brightness=0.2,erase=1,noise=0.1")
    results = [
        estimate_moments(stored, size=4, augmentation=augmentation, views=3, seed=7, batch=batch)
        for batch in (None, 1, 5, 128, 1000)
    ]
    assert all(same_bits(results[0], other) for other in results[1:])
    other_seed = estimate_moments(stored, size=4, augmentation=augmentation, views=3, seed=8)
    assert not same_bits(results[0], other_seed)


def test_views_do_not_depend_on_how_many_are_drawn_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = gray_images(200, seed=26)
    augmentation = parse_augment("crop=0.5,shift=1,flip,brightness=0.2,erase=1,noise=0.1")
    together = estimate_moments(images, augmentation=augmentation)
    monkeypatch.setattr(estimate_module, "VIEW_BYTES", 1)
    apart = estimate_moments(images, augmentation=augmentation)
    assert np.allclose(together.Sigma, apart.Sigma, rtol=1e-12)
    assert np.allclose(together.M, apart.M, rtol=1e-11)


def test_memory_stays_bounded_for_any_number_of_views(monkeypatch: pytest.MonkeyPatch) -> None:
    images = gray_images(64, side=8, seed=27)
    augmentation = parse_augment("crop=0.5,flip,noise=0.1,brightness=0.2,contrast=0.1")
    assert 12 * estimate_module.VIEW_BYTES < 110e6
    monkeypatch.setattr(estimate_module, "VIEW_BYTES", 2**18)
    sums = 4 * 32 * 64 * 64 * 8
    tracemalloc.start()
    try:
        estimate_moments(images, augmentation=augmentation, views=1500)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < sums + 12 * 2**18
    assert peak < 1500 * images.nbytes / 5


def test_progress_counts_every_image_once() -> None:
    calls: list[tuple[int, int]] = []
    estimate_moments(
        gray_images(300), views=2, progress=lambda done, total: calls.append((done, total))
    )
    assert calls[-1] == (300, 300)
    assert [done for done, _ in calls] == sorted({done for done, _ in calls})


# --- arguments -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"views": 1}, "--views 1"),
        ({"size": 0}, "--size 0"),
        ({"components": 0}, "--components 0"),
        ({"components": 17}, "--components 17"),
        ({"seed": -1}, "--seed -1"),
        ({"normalize": "trace"}, "--normalize trace"),
        ({"batch": 0}, "--batch 0"),
    ],
)
def test_a_bad_argument_is_one_line_that_names_it(arguments: dict[str, Any], named: str) -> None:
    with pytest.raises(FormatError) as error:
        estimate_moments(gray_images(20), **arguments)
    assert named in one_line(error)


def test_singular_moments_say_what_to_do() -> None:
    few = gray_images(10, side=8)
    with pytest.raises(ScopeError) as error:
        estimate_moments(few)
    message = one_line(error)
    assert "9 of 64" in message
    assert "--components 9" in message
    assert "noise" in message
    assert estimate_moments(few, components=9).Sigma.shape == (9, 9)
    constant_pixel = gray_images(50)
    constant_pixel[:, 0, 0] = 0.25
    with pytest.raises(ScopeError) as error:
        estimate_moments(constant_pixel)
    assert "15 of 16" in one_line(error)


def test_equal_images_and_too_few_or_too_large_ones_are_out_of_scope() -> None:
    with pytest.raises(ScopeError) as error:
        estimate_moments(np.full((50, 4, 4), 1 / 3))
    assert "do not vary" in one_line(error)
    with pytest.raises(ScopeError) as error:
        estimate_moments(gray_images(3))
    assert "at least 4" in one_line(error)
    with pytest.raises(ScopeError) as error:
        estimate_moments(np.zeros((10, 40, 40)))
    assert "--components" in one_line(error)
    with pytest.raises(ScopeError) as error:
        estimate_moments(np.zeros((10, 40, 40, 3)), components=4)
    assert "--size" in one_line(error)


def test_pixels_that_are_no_numbers_are_named() -> None:
    images = gray_images(50)
    images[17, 2, 2] = np.nan
    with pytest.raises(FormatError) as error:
        estimate_moments(images, source="photos.npy")
    assert "photos.npy: image 17" in one_line(error)


# --- image files ---------------------------------------------------------------------------------


def bytes_images(count: int = 6) -> np.ndarray:
    return np.random.default_rng(28).integers(0, 256, (count, 4, 4, 3), dtype=np.uint8)


def test_images_come_back_as_stored(tmp_path: Path) -> None:
    stored = bytes_images()
    np.savez(tmp_path / "one.npz", pictures=stored, labels=np.arange(6))
    np.savez_compressed(tmp_path / "two.npz", x_train=stored, x_test=stored[:2])
    np.save(tmp_path / "plain.npy", stored)
    np.save(tmp_path / "fortran.npy", np.asfortranarray(stored))
    assert np.array_equal(load_images(f"{tmp_path}/one.npz"), stored)
    assert np.array_equal(load_images(f"{tmp_path}/two.npz"), stored)
    assert np.array_equal(load_images(f"{tmp_path}/two.npz:x_test"), stored[:2])
    assert np.array_equal(load_images(f"{tmp_path}/plain.npy"), stored)
    assert np.array_equal(load_images(f"{tmp_path}/fortran.npy"), stored)
    assert load_images(f"{tmp_path}/plain.npy").dtype == np.uint8


@pytest.mark.parametrize("dtype", ["<f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_of_every_width_give_the_same_moments(tmp_path: Path, dtype: str) -> None:
    images = np.random.default_rng(29).integers(0, 65, (30, 3, 3)) / 64  # exact in all of them
    np.savez(tmp_path / "x.npz", x=images.astype(dtype))
    result = estimate_moments(load_images(f"{tmp_path}/x.npz"))
    assert np.array_equal(result.Sigma, estimate_moments(images).Sigma)


def test_a_mapped_file_gives_the_same_bits_as_the_array(tmp_path: Path) -> None:
    stored = bytes_images(60)
    np.save(tmp_path / "x.npy", stored)
    mapped = load_images(f"{tmp_path}/x.npy")
    assert isinstance(mapped, np.memmap)
    arguments: dict[str, Any] = {"gray": True, "augmentation": Augmentation(noise=0.1)}
    assert same_bits(estimate_moments(mapped, **arguments), estimate_moments(stored, **arguments))


def test_a_colon_in_the_path_is_not_a_key(tmp_path: Path) -> None:
    folder = tmp_path / "run:2.npz:old"
    folder.mkdir()
    np.savez(folder / "a:b.npz", **{"x:y": bytes_images(), "z": np.arange(3)})
    assert load_images(f"{folder}/a:b.npz").shape == (6, 4, 4, 3)
    assert load_images(f"{folder}/a:b.npz:x:y").shape == (6, 4, 4, 3)
    with pytest.raises(FormatError) as error:
        load_images("C:\\data\\photos.npz")
    assert "C:\\\\data" not in one_line(error)
    assert "C:\\data\\photos.npz: no such file" in one_line(error)
    with pytest.raises(FormatError) as error:
        load_images("C:\\data\\photos.npz:x")
    assert "photos.npz: no such file" in one_line(error)


class Trap:
    """Creates a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> tuple[Any, ...]:
        return (open, (self.path, "w"))


def npy_bytes(array: np.ndarray, **header: Any) -> bytes:
    """Return an .npy file of `array` whose header says something else where asked."""
    stream = io.BytesIO()
    said = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape} | header
    np.lib.format.write_array_header_1_0(stream, said)
    return stream.getvalue() + array.tobytes()


def npz_bytes(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(f"{name}.npy", content)
    return stream.getvalue()


def lying_npz(declared: int) -> bytes:
    """Return an archive whose directory and header both claim `declared` images of 4 x 4."""
    stream = io.BytesIO()
    content = npy_bytes(np.zeros((2, 4, 4), np.uint8), shape=(declared, 4, 4))
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x.npy", content)
        archive.filelist[0].file_size = len(content) + (declared - 2) * 16
    return stream.getvalue()


def with_nan() -> np.ndarray:
    images = np.zeros((5, 4, 4), np.float32)
    images[3, 1, 1] = np.nan
    return images


def python2_header() -> bytes:
    text = "{'descr': '|u1', 'fortran_order': False, 'shape': (2L, 4L, 4), }"
    text = text.ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode() + bytes(32)


def nested_header(opening: str) -> bytes:
    text = opening * 4000
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text.encode()


zeros = np.zeros((5, 4, 4), np.uint8)
HOSTILE: dict[str, tuple[str, bytes, str]] = {
    "empty file": ("x.npz", b"", "neither"),
    "text named npz": ("x.npz", b"these are not the images", "neither"),
    "pickle named npy": ("x.npy", pickle.dumps([1, 2]), "neither"),
    "empty archive": ("x.npz", npz_bytes(), "no arrays"),
    "truncated archive": ("x.npz", npz_bytes(x=npy_bytes(zeros))[:120], "damaged"),
    "truncated array": ("x.npy", npy_bytes(zeros)[:-1], "bytes"),
    "truncated member": ("x.npz", npz_bytes(x=npy_bytes(zeros)[:-1]), "bytes"),
    "bytes after the array": ("x.npz", npz_bytes(x=npy_bytes(zeros) + b"!"), "bytes"),
    "half a header": ("x.npy", npy_bytes(zeros)[:20], "damaged"),
    "no header": ("x.npz", npz_bytes(x=b"hello"), "damaged"),
    "newer format": ("x.npy", b"\x93NUMPY\x02\x00" + b"\xff" * 8, "2.0"),
    "code for a header": (
        "x.npy",
        b"\x93NUMPY\x01\x00\x16\x00__import__('os').a()  \n",
        "damaged",
    ),
    "nested header": ("x.npy", nested_header("("), "damaged"),
    "endless minus": ("x.npy", nested_header("-"), "damaged"),
    "huge shape": ("x.npz", npz_bytes(x=npy_bytes(zeros, shape=(10**6, 4096, 4096))), "declares"),
    "overflowing shape": ("x.npy", npy_bytes(zeros, shape=(2**40, 2**40, 2**40)), "images"),
    "negative shape": ("x.npy", npy_bytes(zeros, shape=(-5, -4, 4)), "shape"),
    "no images": ("x.npy", npy_bytes(zeros[:0]), "shape"),
    "a lying directory": ("x.npz", lying_npz(1000), "damaged"),
    "objects": ("x.npz", npz_bytes(x=npy_bytes(np.zeros(3), descr="|O")), "objects"),
    "text": ("x.npy", npy_bytes(np.array([["a"]])), "element type"),
    "complex": ("x.npy", npy_bytes(np.zeros((5, 4, 4), complex)), "element type"),
    "records": ("x.npy", npy_bytes(zeros, descr=[("a", "|u1")]), "element type"),
    "integers": ("x.npy", npy_bytes(np.zeros((5, 4, 4), int)), "element type"),
    "a vector": ("x.npy", npy_bytes(np.zeros(5)), "shape"),
    "channels first": ("x.npy", npy_bytes(np.zeros((5, 3, 8, 8))), "channels"),
    "one colour image": ("x.npy", npy_bytes(np.zeros((32, 32, 3))), "single colour image"),
    "NaN": ("x.npz", npz_bytes(x=npy_bytes(with_nan())), "image 3"),
    "infinity": ("x.npy", npy_bytes(np.full((5, 4, 4), np.inf)), "image 0"),
    "enormous values": ("x.npy", npy_bytes(np.full((5, 4, 4), 1e200)), "image 0"),
    "two candidates": ("x.npz", npz_bytes(a=npy_bytes(zeros), b=npy_bytes(zeros)), "FILE.npz:KEY"),
    "no candidate": ("x.npz", npz_bytes(a=b"", b=npy_bytes(np.zeros(3))), "FILE.npz:KEY"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_bad_file_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    file, content, said = HOSTILE[name]
    path = tmp_path / file
    path.write_bytes(content)
    with pytest.raises(FormatError) as error:
        load_images(str(path))
    message = one_line(error)
    assert file in message
    assert said in message


def test_a_header_from_python_2_is_read_without_a_word(tmp_path: Path) -> None:
    (tmp_path / "x.npy").write_bytes(python2_header())
    assert load_images(f"{tmp_path}/x.npy").shape == (2, 4, 4)


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    sprung = tmp_path / "sprung"
    np.savez(tmp_path / "x.npz", x=np.array([Trap(sprung)] * 5, dtype=object))
    with pytest.raises(FormatError) as error:
        load_images(f"{tmp_path}/x.npz")
    assert "never read" in one_line(error)
    assert not sprung.exists()


def test_a_bomb_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(images_module, "MAX_ARCHIVE_BYTES", 10**6)
    np.savez_compressed(tmp_path / "x.npz", x=np.zeros((2000, 32, 32), np.uint8))
    assert (tmp_path / "x.npz").stat().st_size < 10**5
    tracemalloc.start()
    try:
        with pytest.raises(FormatError) as error:
            load_images(f"{tmp_path}/x.npz")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "1000000" in one_line(error)
    assert peak < 10**6


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("gone.npz", "gone.npz: no such file"),
        ("gone\n.npz", "no such file"),
        ("gone\0.npz", "no such file"),
        ("", "no such file"),
        (".", "not a file"),
        ("x.npz:y", "it holds x, labels"),
        ("x.npz:", "it holds x, labels"),
        ("x.npz:labels", "labels: element type"),
        ("x.npy:x", "single array"),
    ],
)
def test_a_bad_name_is_one_line(
    spec: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    np.savez("x.npz", x=zeros, labels=np.arange(5))
    np.save("x.npy", zeros)
    with pytest.raises(FormatError) as error:
        load_images(spec)
    assert said in one_line(error)


def test_a_damaged_byte_is_noticed(tmp_path: Path) -> None:
    content = bytearray(npz_bytes(x=npy_bytes(bytes_images(50))))
    content[len(content) // 2] ^= 1
    (tmp_path / "x.npz").write_bytes(content)
    with pytest.raises(FormatError) as error:
        load_images(f"{tmp_path}/x.npz")
    assert "damaged" in one_line(error)


# --- moment files --------------------------------------------------------------------------------


def small_estimate(**arguments: Any) -> MomentEstimate:
    augmentation = parse_augment("flip,noise=0.1")
    return estimate_moments(gray_images(80), augmentation=augmentation, **arguments)


@pytest.mark.parametrize("components", [None, 3])
def test_a_moment_file_holds_everything_without_pickle(
    tmp_path: Path, components: int | None
) -> None:
    estimate = small_estimate(components=components, source="photos.npz:x", seed=5)
    save_moments(tmp_path / "m.npz", estimate)
    with np.load(tmp_path / "m.npz", allow_pickle=False) as archive:
        for name in ARRAYS:
            assert np.array_equal(archive[name], getattr(estimate, name))
            assert archive[name].dtype == np.float64
        assert ("basis" in archive.files) == (components is not None)
        assert float(archive["scale"]) == estimate.scale
        assert float(archive["commutator"]) == estimate.commutator
        meta = json.loads(str(archive["meta"]))
    assert meta["schema"] == "noncollapse/moments/1"
    assert meta["source"] == "photos.npz:x"
    assert parse_augment(meta["augment"]) == parse_augment("flip,noise=0.1")
    assert (meta["seed"], meta["center"], meta["normalize"]) == (5, True, "largest")
    assert (meta["images"], meta["views"], meta["components"]) == (80, 16, components)
    loaded = Moments.load(tmp_path / "m.npz")
    assert np.array_equal(loaded.matrices()[0], estimate.Sigma)
    assert np.array_equal(loaded.matrices()[1], estimate.M)
    assert os.listdir(tmp_path) == ["m.npz"]


def test_the_name_is_kept_and_equal_estimates_give_equal_bytes(tmp_path: Path) -> None:
    save_moments(tmp_path / "first", small_estimate())
    save_moments(tmp_path / "second", small_estimate())
    assert sorted(os.listdir(tmp_path)) == ["first", "second"]
    assert (tmp_path / "first").read_bytes() == (tmp_path / "second").read_bytes()


@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, problem: BaseException
) -> None:
    path = tmp_path / "m.npz"
    save_moments(path, small_estimate())
    before = path.read_bytes()

    def failing(stream: Any, **arrays: Any) -> None:
        stream.write(b"half a file")
        raise problem

    monkeypatch.setattr(np, "savez", failing)
    with pytest.raises((FormatError, KeyboardInterrupt)) as error:
        save_moments(path, small_estimate(seed=1))
    if isinstance(error.value, FormatError):
        assert "--out" in str(error.value)
        assert "No space left" in str(error.value)
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["m.npz"]


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    for target in (tmp_path / "gone" / "m.npz", tmp_path / "file" / "m.npz", tmp_path):
        with pytest.raises(FormatError) as error:
            save_moments(target, small_estimate())
        assert "--out" in one_line(error)
    assert os.listdir(tmp_path) == ["file"]
    with pytest.raises(FormatError):
        save_moments("/dev/null", small_estimate())
    assert not os.path.isfile("/dev/null")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    save_moments(tmp_path / "real.npz", small_estimate(seed=1))
    (tmp_path / "link.npz").symlink_to("real.npz")
    save_moments(tmp_path / "link.npz", small_estimate(seed=2))
    assert (tmp_path / "link.npz").is_symlink()
    with np.load(tmp_path / "real.npz") as archive:
        assert json.loads(str(archive["meta"]))["seed"] == 2


# --- real images ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.skipif(not CIFAR.is_file(), reason=f"needs the CIFAR-10 subset at {CIFAR}")
def test_photographs_have_a_few_strong_modes_and_moments_that_nearly_commute() -> None:
    images = load_images(f"{CIFAR}:x_train")
    assert images.shape == (5000, 32, 32, 3)
    augmentation = parse_augment("shift=2,flip,noise=0.1,brightness=0.2")
    result = estimate_moments(images, size=8, gray=True, augmentation=augmentation)
    # Overall brightness is the leading mode and survives the augmentation best but for one.
    assert result.Sigma.shape == (64, 64)
    assert np.linalg.eigvalsh(result.Sigma)[-2] < 0.5
    assert 0.7 < result.correlations[0] < 0.9
    assert np.all(result.correlations_se < 0.02)
    assert result.correlations[-1] > -0.05
    # Shifts blur the borders of the image, so the moments do not commute, but nearly do.
    assert 0.03 < result.commutator < 0.12
    assert result.commutator > 10 * result.commutator_se
    assert result.M_se.max() < 0.01
