"""Where views come from: images held on the device, or latent factors drawn on the fly.

A source gives two views of a batch as a function of (seed, step), images to evaluate on, and fixed
views for the diagnostics.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from empirical.networks.augment import Crop, Photos, Same, Strokes, View, plain
from empirical.networks.dice import Dice, generator, order
from empirical.networks.images import Images
from empirical.networks.settings import Settings

CHUNK = 1024


class Source(Protocol):
    """What the loop and the diagnostics ask for."""

    shape: tuple[int, int, int]
    """Channels, height and width of a view."""
    count: int
    """Training images; an epoch is that many."""

    def pair(self, step: int, total: int, share: slice) -> tuple[Tensor, Tensor]:
        """Return this process's share of the two views of a step."""

    def probe(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return fixed test images as they are, and two fixed views of them."""

    def labelled(self, part: str, limit: int = 0) -> tuple[Tensor, Tensor]:
        """Return normalised images and labels of "train" or "test", the first `limit`."""


@dataclass
class ImageSource:
    """uint8 images on the device, augmented there."""

    images: dict[str, Tensor]
    labels: dict[str, Tensor]
    view: View
    side: int
    mean: Tensor
    scale: Tensor
    seed: int
    dtype: torch.dtype

    def __post_init__(self) -> None:
        self.count = len(self.images["train"])
        self.shape = (self.images["train"].shape[3], self.side, self.side)
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

    def labelled(self, part: str, limit: int = 0) -> tuple[Tensor, Tensor]:
        """Return normalised images and labels, the first `limit` of those that have a label."""
        known = (self.labels[part] >= 0).nonzero()[:, 0]
        known = known[:limit] if limit else known
        chunks = [self.still(self.images[part][index]) for index in torch.split(known, CHUNK)]
        return torch.cat(chunks), self.labels[part][known]

    def still(self, images: Tensor) -> Tensor:
        x = plain(images, self.dtype)
        if x.shape[-1] != self.side:
            x = torch.nn.functional.interpolate(
                x, size=(self.side, self.side), mode="bilinear", antialias=True
            )
        return self._normal(x)


def image_source(
    images: Images, settings: Settings, device: torch.device, dtype: torch.dtype
) -> ImageSource:
    """Put a data set on the device; channels are normalised by the training images' moments."""
    sample = torch.from_numpy(images.train[:: max(1, len(images.train) // 10_000)]).double() / 255
    mean, deviation = sample.mean((0, 1, 2)), sample.std((0, 1, 2)).clamp_min(1e-3)
    side = settings.image_size or images.side
    return ImageSource(
        images={
            "train": torch.from_numpy(images.train).to(device),
            "test": torch.from_numpy(images.test).to(device),
        },
        labels={
            "train": torch.from_numpy(images.train_labels).to(device),
            "test": torch.from_numpy(images.test_labels).to(device),
        },
        view=view_of(settings, images.channels, side),
        side=side,
        mean=mean.to(device, dtype)[:, None, None],
        scale=(1 / deviation).to(device, dtype)[:, None, None],
        seed=settings.seed,
        dtype=dtype,
    )


def view_of(settings: Settings, channels: int, side: int) -> View:
    """Return the augmentation that `--augment` names; auto: by the data."""
    name = settings.augment
    if name == "auto":
        name = "digits" if settings.dataset == "digits" else "simsiam"
    if name == "none":
        return Same()
    if name == "digits":
        return Strokes()
    photos = Photos(side, Crop(area=(settings.min_crop, 1.0)), yiq=settings.hue == "yiq")
    blurred = name == "byol" or (settings.augment == "simsiam" and side > 64)
    return replace(photos, blur=0.5) if blurred else photos
