"""From uint8 images to the views that are trained on: batched, on the device, each its own draw.

Crop, resize and flip are separable: one matrix for the rows and one for the columns of each image,
so that a view is two batched products. With antialiasing as in torchvision's resize the result is
that of RandomResizedCrop on tensors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional

from empirical.images.colour import Jitter, blur, grey, jitter
from empirical.images.dice import Dice

ATTEMPTS = 10


@dataclass(frozen=True)
class Crop:
    """A law of crops: area as a fraction, log-uniform aspect ratio; as RandomResizedCrop."""

    area: tuple[float, float] = (0.2, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def draw(self, dice: Dice, height: int, width: int) -> Tensor:
        """Return (top, left, height, width) of a box an image: the first that fits of ten."""
        area = dice.uniform(*self.area, ATTEMPTS) * (height * width)
        ratio = torch.exp(dice.uniform(math.log(self.ratio[0]), math.log(self.ratio[1]), ATTEMPTS))
        w, h = torch.sqrt(area * ratio).round(), torch.sqrt(area / ratio).round()
        fits = (w > 0) & (w <= width) & (h > 0) & (h <= height)
        first = fits.to(torch.uint8).argmax(1, keepdim=True)
        w, h = w.gather(1, first)[:, 0], h.gather(1, first)[:, 0]
        top = (dice.uniform(0, 1) * (height - h + 1)).floor()
        left = (dice.uniform(0, 1) * (width - w + 1)).floor()
        return torch.where(
            fits.any(1)[:, None],
            torch.stack([top, left, h, w], 1),
            self._whole(area, height, width),
        )

    def _whole(self, like: Tensor, height: int, width: int) -> Tensor:
        """The centre of the image, as near to its own shape as the ratios allow."""
        shape = width / height
        w = width if shape <= self.ratio[1] else round(height * self.ratio[1])
        h = height if shape >= self.ratio[0] else round(width / self.ratio[0])
        box = [(height - h) // 2, (width - w) // 2, h, w]
        return torch.tensor(box, dtype=like.dtype, device=like.device)


def weights_along(start: Tensor, length: Tensor, size: int, side: int, flip: Tensor) -> Tensor:
    """Return the matrices (B x side x size) that resample [start, start + length) to `side` points.

    Triangle weights, widened where the crop is shrunk (antialiasing), cut at the crop and divided by
    their sum.
    """
    out = torch.arange(side, dtype=start.dtype, device=start.device).expand(len(start), side)
    out = torch.where(flip[:, None], side - 1 - out, out)
    scale = (length / side)[:, None]
    centre = start[:, None] + (out + 0.5) * scale - 0.5
    pixel = torch.arange(size, dtype=start.dtype, device=start.device)
    distance = (pixel - centre[:, :, None]).abs() / scale.clamp_min(1)[:, :, None]
    end = (start + length)[:, None, None]
    inside = (pixel >= start[:, None, None]) & (pixel < end)
    weight = (1 - distance).clamp_min_(0).mul_(inside)
    return weight / weight.sum(2, keepdim=True)


def resample(images: Tensor, boxes: Tensor, flip: Tensor, size: tuple[int, int]) -> Tensor:
    """Return float crops B x C x h x w in [0, 1] of uint8 images B x H x W x C; size is (h, w)."""
    count, height, width, channels = images.shape
    top, left, h, w = boxes.unbind(1)
    rows = weights_along(top, h, height, size[0], torch.zeros_like(flip))
    columns = weights_along(left, w, width, size[1], flip)
    x = images.reshape(count, height, width * channels).to(boxes.dtype).mul_(1 / 255)
    x = torch.bmm(rows, x).view(count, size[0], width, channels).permute(0, 3, 1, 2)
    x = torch.bmm(x.reshape(count, channels * size[0], width), columns.transpose(1, 2))
    return x.view(count, channels, *size)


@dataclass(frozen=True)
class Photos:
    """Crop, flip, jitter, grey, and blur where asked for: SimSiam's and BYOL's views."""

    size: tuple[int, int]
    """Height and width of a view."""
    crop: Crop = field(default_factory=Crop)
    flip: float = 0.5
    colour: Jitter = field(default_factory=Jitter)
    grey: float = 0.2
    blur: float = 0.0
    yiq: bool = False

    def __call__(self, images: Tensor, dice: Dice) -> Tensor:
        """Return one view an image, in [0, 1]."""
        boxes = self.crop.draw(dice, *images.shape[1:3])
        x = resample(images, boxes, dice.flag(self.flip), self.size)
        if x.shape[1] == 3:
            x = grey(jitter(x, dice, self.colour, yiq=self.yiq), dice, self.grey)
        return blur(x, dice, self.blur) if self.blur else x


@dataclass(frozen=True)
class Strokes:
    """Small affine maps, intensity and noise: views of handwritten digits."""

    size: tuple[int, int]
    """Height and width of a view."""
    rotation: float = 0.35
    scale: float = 0.2
    shift: float = 0.25
    shear: float = 0.2
    intensity: float = 0.4
    noise: float = 0.1

    def __call__(self, images: Tensor, dice: Dice) -> Tensor:
        """Return one view an image; noise may leave [0, 1]."""
        x = sized(plain(images, dice.dtype), self.size)
        angle = dice.uniform(-self.rotation, self.rotation)
        scale, shear = (
            dice.uniform(1 - self.scale, 1 + self.scale),
            dice.uniform(-self.shear, self.shear),
        )
        shift = dice.uniform(-self.shift, self.shift, 2)
        cos, sin = angle.cos() / scale, angle.sin() / scale
        rows = [torch.stack([cos, cos * shear - sin, shift[:, 0]], 1)]
        rows.append(torch.stack([sin, sin * shear + cos, shift[:, 1]], 1))
        grid = functional.affine_grid(torch.stack(rows, 1), list(x.shape), align_corners=False)
        x = functional.grid_sample(x, grid, align_corners=False)
        factor = dice.uniform(1 - self.intensity, 1 + self.intensity)[:, None, None, None]
        return x * factor + self.noise * dice.normal(*x.shape[1:])


@dataclass(frozen=True)
class Same:
    """No augmentation: both views are the image."""

    size: tuple[int, int]
    """Height and width of a view."""

    def __call__(self, images: Tensor, dice: Dice) -> Tensor:
        """Return the images in [0, 1]."""
        return sized(plain(images, dice.dtype), self.size)


View = Callable[[Tensor, Dice], Tensor]


def plain(images: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return uint8 images B x H x W x C as floats B x C x H x W in [0, 1]."""
    return images.permute(0, 3, 1, 2).to(dtype).mul_(1 / 255)


def sized(x: Tensor, size: tuple[int, int]) -> Tensor:
    """Return float images B x C x H x W at another height and width, antialiased."""
    if tuple(x.shape[-2:]) == size:
        return x
    return functional.interpolate(x, size=size, mode="bilinear", antialias=True)
