"""Moments of real images: Sigma = E[x x^T] of one view, M = E[y x^T] of two views of one image.

A view x is an image after a random augmentation, written as a vector of d pixels. For image i take
V views with mean xbar_i and mean outer product S_i = (1/V) sum_a x_a x_a^T. Then S_i estimates the
image's part of Sigma, and the pairs of different views estimate its part of M,

    sum over a != b of x_a x_b^T / (V (V - 1)) = (V xbar_i xbar_i^T - S_i) / (V - 1),

without bias and exactly symmetric, because the two views are exchangeable. Centred moments (the
default) subtract from both the same estimate of E[x] E[x]^T, the mean of xbar_i xbar_j^T over
i != j, again without bias. What comes out is always admissible, -Sigma <= M <= Sigma, for any
number of views: Sigma - M is the scatter of the views about their image's mean, and Sigma + M is
twice the covariance of the image means plus (V - 2)/V times that scatter. The estimate of M may
have slightly negative eigenvalues, its truth never has.

The images are the independent unit. They are dealt at random into groups, only sums over groups
are kept, and leaving out one group at a time (the delete-a-group jackknife) gives every standard
error: of the entries, of the canonical correlations, of the commutator. A standard error says
nothing about bias: like all sample eigenvalues, the smallest correlations come out too low and the
largest too high, by less the more images there are for each pixel.

Nothing depends on how many images are read at a time. Images are taken in blocks of `BLOCK` in an
order fixed by the seed, and each block draws from random streams that are functions of the seed and
the place of the block.

Start with `images.load_images`, `parse_augment`, `estimate_moments`, `save_moments`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import NDArray

from equilibria.data.augmentation import (
    Array,
    Augmentation,
    augment,
    parse_augment,
    random_streams,
    resize,
    to_gray,
)
from equilibria.data.images import (
    MAX_PIXELS,
    MIN_IMAGES,
    READ_BYTES,
    Images,
    check_finite,
    layout_problem,
    load_images,
    refuse,
)
from equilibria.data.jackknife import (
    Normalize,
    Sums,
    commutator,
    correlations_of,
    jackknife,
    moments_of,
    replicate,
    scale_of,
)
from equilibria.errors import FormatError, ScopeError
from equilibria.files.write import atomic

__all__ = [
    "Augmentation",
    "MomentEstimate",
    "Normalize",
    "Settings",
    "estimate_moments",
    "load_images",
    "parse_augment",
    "save_moments",
]

Progress = Callable[[int, int], None]

SCHEMA: Final = "noncollapse/moments/1"

BLOCK: Final = 128  # images that share random streams; changing it changes every estimate
VIEW_BYTES = 8 * 2**20  # augmented pixels drawn at once; a few copies of them live at a time
GROUP_BYTES = 256 * 2**20  # sums kept for the jackknife
GROUPS: Final = 32

MAX_DIMENSION: Final = 1024  # of the moments


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that fixes an estimate; written to its file.

    `height`, `width` and `channels` describe the image after `size` and `gray`; pixel vectors are
    in the order (row, column, channel), the last fastest.
    """

    source: str
    images: int
    height: int
    width: int
    channels: int
    augment: str
    views: int
    components: int | None
    center: bool
    normalize: Normalize
    seed: int
    groups: int

    @property
    def pixels(self) -> int:
        return self.height * self.width * self.channels


@dataclass(frozen=True, slots=True, eq=False)
class MomentEstimate:
    """Sigma and M of augmented images, with standard errors (one sigma, from the jackknife).

    Let z = (x - mean) / sqrt(scale), projected on the columns of `basis` when there is one; d is
    the length of z. With `center=False` nothing is subtracted and `mean` is for information only.
    """

    Sigma: Array  # (d, d), E[z z^T], exactly symmetric
    M: Array  # (d, d), E[z' z^T] for two views of one image, exactly symmetric
    Sigma_se: Array  # (d, d)
    M_se: Array  # (d, d)
    correlations: Array  # (d,), eigenvalues of Sigma^-1/2 M Sigma^-1/2, descending, in [-1, 1]
    correlations_se: Array  # (d,)
    commutator: float  # |Sigma M - M Sigma| / (|Sigma| |M|), Frobenius norms
    commutator_se: float
    mean: Array  # (pixels,), E[x] in pixel units
    basis: Array | None  # (pixels, d), orthonormal leading eigenvectors of Sigma
    explained: float  # share of the total variance that the basis keeps; 1 without a basis
    scale: float  # squared pixel units of one unit of Sigma and M
    settings: Settings

    def meta(self) -> dict[str, object]:
        """Return what a file says about the arrays in it, ready for JSON."""
        return {
            "schema": SCHEMA,
            **asdict(self.settings),
            "scale": self.scale,
            "explained": self.explained,
            "commutator": self.commutator,
            "commutator_se": self.commutator_se,
            "numpy": np.__version__,
        }


def estimate_moments(
    images: Images,
    *,
    size: int | None = None,
    gray: bool = False,
    augmentation: Augmentation = Augmentation(),  # noqa: B008 - frozen
    views: int = 16,
    components: int | None = None,
    center: bool = True,
    normalize: Normalize = "largest",
    seed: int = 0,
    batch: int | None = None,
    source: str = "",
    progress: Progress | None = None,
) -> MomentEstimate:
    """Return the moments of two augmented views of `images`, with standard errors.

    - `images`: (N, height, width[, 1 or 3]), uint8 (divided by 255) or finite floats (taken as they
      are); N >= 4.
    - `size`: side to which images are resized before augmenting; None keeps theirs. Not square
      images become square.
    - `gray`: take the luma first.
    - `views`: augmented views of each image, at least 2.
    - `components`: K, to project on the K leading eigenvectors of Sigma; standard errors are then
      those at a fixed basis. Needed above 1024 pixels.
    - `center`: subtract the mean of all views, as the theory's zero-mean data have it. Without it
      the brightness of an average image is by far the largest mode.
    - `normalize`: divide Sigma and M by the largest eigenvalue of Sigma (`largest`), by the mean
      variance of a coordinate (`mean`) or not at all (`none`). Weight decay 1/20 means nothing
      before that is settled. Standard errors take the factor as a fixed unit.
    - `seed`: the same seed gives the same bits on the same numpy and processor.
    - `batch`: images converted and resized at a time, for memory alone; never changes a bit.
    - `source`: where the images came from, for messages and the file.
    - `progress`: called with (images done, images to do) after each block.

    Raises `FormatError` for bad arguments or pixels, `ScopeError` when Sigma is numerically
    singular or the images are too large.
    """
    images = np.asarray(images) if not isinstance(images, np.memmap) else images
    refuse(source or "images", layout_problem(images.shape, images.dtype))
    _check_arguments(size=size, views=views, normalize=normalize, seed=seed, batch=batch)
    settings = _settings(
        images,
        size=size,
        gray=gray,
        augment=str(augmentation),
        views=views,
        components=components,
        center=center,
        normalize=normalize,
        seed=seed,
        source=source,
    )
    augmentation.check_fits(settings.height, settings.width, settings.channels)
    plan = make_plan(images, settings, augmentation, batch)
    sums, mean, basis, explained = _collect(plan, progress)
    return _summarise(sums, mean, basis, explained, settings)


def _check_arguments(
    *, size: int | None, views: int, normalize: str, seed: int, batch: int | None
) -> None:
    if size is not None and size < 1:
        raise FormatError(f"--size {size}: expected a side of at least 1 pixel")
    if views < 2:
        raise FormatError(f"--views {views}: M compares two views of an image, expected 2 or more")
    if normalize not in get_args(Normalize):
        raise FormatError(f"--normalize {normalize}: expected largest, mean or none")
    if seed < 0:
        raise FormatError(f"--seed {seed}: expected an integer from 0 on")
    if batch is not None and batch < 1:
        raise FormatError(f"--batch {batch}: expected at least 1 image")


def _settings(
    images: Images, *, size: int | None, gray: bool, components: int | None, **rest: Any
) -> Settings:
    count, height, width = images.shape[:3]
    channels = 1 if gray or images.ndim == 3 else images.shape[3]
    height, width = (size, size) if size is not None else (height, width)
    pixels = height * width * channels
    if count < MIN_IMAGES:
        raise ScopeError(f"{count} images; standard errors need at least {MIN_IMAGES}")
    if components is not None and not 1 <= components <= min(pixels, MAX_DIMENSION):
        raise FormatError(
            f"--components {components}: expected 1 to {min(pixels, MAX_DIMENSION)}, "
            f"an image has {pixels} pixels"
        )
    limit = MAX_DIMENSION if components is None else MAX_PIXELS
    if pixels > limit:
        remedy = " or --components K" if components is None and pixels <= MAX_PIXELS else ""
        raise ScopeError(
            f"an image has {height} x {width} x {channels} = {pixels} pixels, at most {limit} are "
            f"treated; use a smaller --size, --gray{remedy}"
        )
    groups = min(GROUPS, count)
    if components is None:
        groups = min(groups, max(2, GROUP_BYTES // (16 * pixels**2)))
    return Settings(
        images=count,
        height=height,
        width=width,
        channels=channels,
        components=components,
        groups=groups,
        **rest,
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """An estimate that is about to be made: which images, in which groups, how many at a time."""

    images: Images
    settings: Settings
    augmentation: Augmentation
    groups: list[NDArray[np.int64]]  # numbers of the images of each group
    batch: int
    reference: Array  # (pixels,), near the mean when centring: sums of squares then stay accurate


def make_plan(
    images: Images, settings: Settings, augmentation: Augmentation, batch: int | None
) -> Plan:
    if batch is None:
        batch = max(1, READ_BYTES // (8 * math.prod(images.shape[1:])))
    # A random deal makes groups alike however the file is ordered, by class for instance.
    deal = np.random.Generator(np.random.PCG64(np.random.SeedSequence(settings.seed)))
    order = deal.permutation(settings.images).astype(np.int64)
    groups = [np.sort(part) for part in np.array_split(order, settings.groups)]
    plan = Plan(images, settings, augmentation, groups, batch, np.zeros(settings.pixels))
    if not settings.center:
        return plan
    pilot = _prepare(plan, groups[0][:BLOCK])
    return replace(plan, reference=pilot.reshape(len(pilot), -1).mean(axis=0))


def _prepare(plan: Plan, numbers: NDArray[np.int64]) -> Array:
    """Return these images resized and as float64, shape (m, height, width, channels)."""
    settings = plan.settings
    parts = []
    for first in range(0, len(numbers), plan.batch):
        chosen = numbers[first : first + plan.batch]
        stored = np.asarray(plan.images[chosen])
        check_finite(stored, settings.source or "images", chosen)
        values = stored / 255.0 if stored.dtype == np.uint8 else stored.astype(np.float64)
        if values.ndim == 3:
            values = values[..., None]
        if values.shape[3] > settings.channels:
            values = to_gray(values)
        parts.append(resize(values, settings.height, settings.width))
    return np.concatenate(parts)


def _collect(plan: Plan, progress: Progress | None) -> tuple[Sums, Array, Array | None, float]:
    """Return the groups' sums (projected if asked), E[x], the basis, and the variance it keeps."""
    settings = plan.settings
    components = settings.components
    # Projecting needs the basis and the basis needs all images. Sums of small images are kept by
    # group and projected afterwards; large ones are gone through twice, with the same views.
    fits = 16 * settings.groups * settings.pixels**2 <= GROUP_BYTES
    tick = _counter(progress, settings.images * (1 if components is None or fits else 2))
    sums = _accumulate(plan, tick, pooled=components is not None and not fits)
    whole = sums.pooled()
    mean = plan.reference + whole.mean[0] / whole.count[0]
    if components is None:
        return sums, mean, None, 1.0
    total, _ = moments_of(whole, center=settings.center)
    basis = _leading_eigenvectors(total, components)
    variance = float(np.trace(total))
    kept = float(np.einsum("ik,ij,jk->", basis, total, basis, optimize=True))
    sums = sums.projected(basis) if fits else _accumulate(plan, tick, basis=basis)
    return sums, mean, basis, min(1.0, kept / variance) if variance > 0 else 1.0


def _counter(progress: Progress | None, total: int) -> Callable[[int], None]:
    done = 0

    def tick(images: int) -> None:
        nonlocal done
        done += images
        if progress is not None:
            progress(done, total)

    return tick


def _accumulate(
    plan: Plan, tick: Callable[[int], None], *, pooled: bool = False, basis: Array | None = None
) -> Sums:
    """Go through all images once; `pooled` keeps one group, `basis` projects every view."""
    settings = plan.settings
    size = settings.pixels if basis is None else basis.shape[1]
    slots = 1 if pooled else settings.groups
    count, mean = np.zeros(slots), np.zeros((slots, size))
    outer, mean_outer = np.zeros((slots, size, size)), np.zeros((slots, size, size))
    for group, part, numbers in blocks(plan):
        slot = 0 if pooled else group
        view_mean = np.zeros((len(numbers), size))
        for views in draw_views(plan, (group, part), numbers):
            x = views if basis is None else views @ basis
            view_mean += x.sum(axis=0) / settings.views
            flat = x.reshape(-1, size)
            outer[slot] += flat.T @ flat
        mean_outer[slot] += view_mean.T @ view_mean
        mean[slot] += view_mean.sum(axis=0)
        count[slot] += len(numbers)
        tick(len(numbers))
    outer /= settings.views
    return Sums(settings.views, count, outer, mean_outer, mean)


def blocks(plan: Plan) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    for group, numbers in enumerate(plan.groups):
        for part, first in enumerate(range(0, len(numbers), BLOCK)):
            yield group, part, numbers[first : first + BLOCK]


def draw_views(plan: Plan, key: tuple[int, int], numbers: NDArray[np.int64]) -> Iterator[Array]:
    """Yield all views of a block of m images, as arrays of shape (some views, m, pixels)."""
    settings = plan.settings
    images = _prepare(plan, numbers)
    streams = random_streams(settings.seed, *key)
    at_once = max(1, VIEW_BYTES // images.nbytes)
    for first in range(0, settings.views, at_once):
        views = min(at_once, settings.views - first)
        tiled = np.broadcast_to(images, (views, *images.shape)).reshape(-1, *images.shape[1:])
        drawn = augment(tiled, plan.augmentation, streams)
        yield drawn.reshape(views, len(images), -1) - plan.reference


def _leading_eigenvectors(matrix: Array, count: int) -> Array:
    """Return the eigenvectors of the largest eigenvalues in columns, largest entry positive."""
    vectors = np.linalg.eigh(matrix)[1][:, ::-1][:, :count]
    peak = vectors[np.abs(vectors).argmax(axis=0), np.arange(count)]
    return np.ascontiguousarray(vectors * np.where(peak < 0, -1.0, 1.0))


def _summarise(
    sums: Sums, mean: Array, basis: Array | None, explained: float, settings: Settings
) -> MomentEstimate:
    sigma, m = moments_of(sums.pooled(), center=settings.center)
    scale = scale_of(sigma, mean, settings.normalize)
    correlations, white = correlations_of(sigma, m)
    sigma_se, m_se, correlations_se, commutator_se = jackknife(
        replicate(sums.without(group), correlations, white, center=settings.center)
        for group in range(settings.groups)
    )
    if basis is not None:
        # Off the diagonal there is nothing but rounding: these are eigenvectors.
        sigma = np.diag(np.diag(sigma))
    return MomentEstimate(
        Sigma=sigma / scale,
        M=m / scale,
        Sigma_se=sigma_se / scale,
        M_se=m_se / scale,
        correlations=correlations,
        correlations_se=correlations_se,
        commutator=float(commutator(sigma, m)),
        commutator_se=float(commutator_se),
        mean=mean,
        basis=basis,
        explained=explained,
        scale=scale,
        settings=settings,
    )


# --- moments to a file ---------------------------------------------------------------------------


def save_moments(path: str | Path, estimate: MomentEstimate) -> None:
    """Write `estimate` to the `.npz` file `path`, completely or not at all.

    Arrays (float64): `Sigma`, `M`, `Sigma_se`, `M_se` (d, d); `correlations`, `correlations_se`
    (d,); `commutator`, `commutator_se`, `scale` (); `mean` (pixels,); `basis` (pixels, d) where the
    moments were projected; `meta` is text, JSON with the schema and all settings. Nothing in it
    needs pickle, and equal estimates give equal bytes.

    Raises `FormatError` when the file cannot be written; an existing file is then as it was.
    """
    arrays: dict[str, Any] = {
        "Sigma": estimate.Sigma,
        "M": estimate.M,
        "Sigma_se": estimate.Sigma_se,
        "M_se": estimate.M_se,
        "correlations": estimate.correlations,
        "correlations_se": estimate.correlations_se,
        "commutator": np.array(estimate.commutator),
        "commutator_se": np.array(estimate.commutator_se),
        "scale": np.array(estimate.scale),
        "mean": estimate.mean,
        "meta": np.array(json.dumps(estimate.meta(), allow_nan=False)),
    }
    if estimate.basis is not None:
        arrays["basis"] = estimate.basis
    savez: Callable[..., None] = np.savez  # its stub mistakes ** for its keyword arguments
    with atomic(path, "--out", binary=True) as stream:
        savez(stream, **arrays)
