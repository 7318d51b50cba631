"""Where views come from: images held on the device, or latent factors drawn on the fly.

A source gives two views of a batch as a function of (seed, step), images to evaluate on, and fixed
views for the diagnostics.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from torch import Tensor

from empirical.images.augment import Crop, Photos, Same, Strokes, View, plain, sized
from empirical.images.datasets import Images
from empirical.images.dice import Dice, generator, order
from empirical.images.wanted import Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

CHUNK, CHUNK_BYTES = 512, 16 << 20
"""Images made floats at a time, and their bytes, whatever the data set holds."""
SAMPLED, COUNTED_BYTES = 10_000, 1 << 20


class Source(Protocol):
    """What the loop and the diagnostics ask for."""

    shape: tuple[int, int, int]
    """Channels, height and width of a view."""
    count: int
    """Training images; an epoch is that many."""
    notes: tuple[str, ...]
    """What was done about odd files, a line each."""

    def pair(self, step: int, total: int, share: slice) -> tuple[Tensor, Tensor]:
        """Return this process's share of the two views of a step."""

    def probe(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return fixed test images as they are, and two fixed views of them."""

    def chunks(self, part: str, limit: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield normalised images and labels of "train" or "test", the first `limit` with a label."""

    def labelled(self, part: str, limit: int = 0) -> tuple[Tensor, Tensor]:
        """Return the same at once."""


@dataclass
class ImageSource:
    """uint8 images on the device, augmented there."""

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    view: View
    size: tuple[int, int]
    mean: Tensor
    scale: Tensor
    seed: int
    dtype: torch.dtype
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.count = len(self.images["train"])
        self.shape = (self.images["train"].shape[3], *self.size)
        self._epoch, self._order = -1, torch.empty(0)

    def pair(self, step: int, total: int, share: slice) -> tuple[Tensor, Tensor]:
        """Return this process's share of the two views of a step."""
        images = self.images["train"][self._indices(step, total)[share]]
        first, second = (self.view_images(images, step, k, total, share) for k in (1, 2))
        return first, second

    def _indices(self, step: int, total: int) -> Tensor:
        each = self.count // total  # the last, smaller batch is left out: batch norm sees B images
        epoch, place = divmod(step, each)
        if epoch != self._epoch:
            device = self.images["train"].device
            self._epoch, self._order = epoch, order(self.seed, epoch, self.count).to(device)
        return self._order[place * total : (place + 1) * total]

    def view_images(
        self, images: Tensor, step: int | str, k: int, total: int, share: slice
    ) -> Tensor:
        dice = Dice(generator(images.device, self.seed, "view", step, k), total, share, self.dtype)
        return self._normal(self.view(images, dice))

    def _normal(self, x: Tensor) -> Tensor:
        return x.sub_(self.mean).mul_(self.scale).contiguous(memory_format=torch.channels_last)

    def probe(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return fixed test images as they are, and two fixed views of them."""
        images = self.images["test"][:count]
        everything = slice(None)
        first, second = (
            self.view_images(images, "probe", k, len(images), everything) for k in (1, 2)
        )
        return self.still(images), first, second

    def chunks(self, part: str, limit: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield normalised images and labels, the first `limit` of those that have a label."""
        known = (self.labels[part] >= 0).nonzero()[:, 0]
        known = known[:limit] if limit else known
        each = math.prod(self.shape) * self.dtype.itemsize
        for index in torch.split(known, max(1, min(CHUNK, CHUNK_BYTES // each))):
            yield self.still(self.images[part][index]), self.labels[part][index]

    def labelled(self, part: str, limit: int = 0) -> tuple[Tensor, Tensor]:
        """Return the same at once."""
        images, labels = zip(*self.chunks(part, limit), strict=True)
        return torch.cat(images), torch.cat(labels)

    def still(self, images: Tensor) -> Tensor:
        return self._normal(sized(plain(images, self.dtype), self.size))


def image_source(
    images: Images, settings: Wanted, device: torch.device, dtype: torch.dtype
) -> ImageSource:
    """Put a data set on the device; channels are normalised by the training images' moments."""
    mean, deviation = channel_moments(images.train[:: max(1, len(images.train) // SAMPLED)])
    size = (settings.image_size,) * 2 if settings.image_size else images.size
    return ImageSource(
        images={
            "train": torch.from_numpy(images.train).to(device),
            "test": torch.from_numpy(images.test).to(device),
        },
        labels={
            "train": torch.from_numpy(images.train_labels).to(device),
            "test": torch.from_numpy(images.test_labels).to(device),
        },
        view=view_of(settings, size),
        size=size,
        mean=mean.to(device, dtype)[:, None, None],
        scale=(1 / deviation).to(device, dtype)[:, None, None],
        seed=settings.seed,
        dtype=dtype,
        notes=images.notes,
    )


def channel_moments(images: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return mean and deviation (at least 1e-3) of the channels of images N x H x W x C, in [0, 1].

    By counting levels, a few images at a time: exact, and in memory that does not grow with N.
    """
    channels = images.shape[3]
    counts = np.zeros((channels, 256))
    rows = max(1, COUNTED_BYTES // images[0].nbytes)
    for first in range(0, len(images), rows):
        for channel in range(channels):
            part = images[first : first + rows, ..., channel]
            counts[channel] += np.bincount(part.ravel(), minlength=256)
    levels, total = np.arange(256) / 255, counts.sum(axis=1)
    mean = counts @ levels / total
    scatter = (counts * (levels - mean[:, None]) ** 2).sum(axis=1)
    deviation = np.sqrt(scatter / np.maximum(total - 1, 1))
    return torch.from_numpy(mean), torch.from_numpy(deviation).clamp_min(1e-3)


def view_of(settings: Wanted, size: tuple[int, int]) -> View:
    """Return the augmentation that `--augment` names; auto: by the data."""
    name = settings.augment
    if name == "auto":
        name = "digits" if settings.dataset == "digits" else "simsiam"
    if name == "none":
        return Same(size)
    if name == "digits":
        return Strokes(size)
    photos = Photos(size, Crop(area=(settings.min_crop, 1.0)), yiq=settings.hue == "yiq")
    blurred = name == "byol" or (settings.augment == "simsiam" and min(size) > 64)
    return replace(photos, blur=0.5) if blurred else photos
