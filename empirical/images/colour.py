"""Colour jitter, grey and blur on a batch, every image with its own draw.

The laws are those of torchvision's ColorJitter, RandomGrayscale and GaussianBlur. Images are floats
in [0, 1], B x 3 x H x W. The order of the four jitters is one draw a batch: the law of each view is
the reference's, and only views of one batch share it.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from empirical.images.dice import Dice

LUMA = (0.2989, 0.587, 0.114)
# YIQ, whose chroma plane is rotated instead of HSV's hue; a cheaper relative, not the same map.
_YIQ = ((0.299, 0.587, 0.114), (0.5959, -0.2746, -0.3213), (0.2115, -0.5227, 0.3112))


@dataclass(frozen=True)
class Jitter:
    """Strengths as in ColorJitter, and the chance to apply it."""

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.1
    chance: float = 0.8


def jitter(x: Tensor, dice: Dice, law: Jitter, *, yiq: bool = False) -> Tensor:
    """Return the images with brightness, contrast, saturation and hue changed in random order."""
    on = dice.flag(law.chance)
    factors = [
        torch.where(on, dice.uniform(max(0.0, 1 - strength), 1 + strength), 1.0)[
            :, None, None, None
        ]
        for strength in (law.brightness, law.contrast, law.saturation)
    ]
    turn = torch.where(on, dice.uniform(-law.hue, law.hue), 0.0)
    for which in dice.permutation(4):
        if which == 0:
            x = (x * factors[0]).clamp_(0, 1)
        elif which == 1:
            x = _blend(x, luma(x).mean((2, 3), keepdim=True), factors[1])
        elif which == 2:
            x = _blend(x, luma(x), factors[2])
        else:
            x = turned_in_yiq(x, turn) if yiq else turned(x, turn)
    return x


def _blend(x: Tensor, towards: Tensor, factor: Tensor) -> Tensor:
    return torch.lerp(towards.expand_as(x), x, factor).clamp_(0, 1)


def luma(x: Tensor) -> Tensor:
    """Return the grey image, B x 1 x H x W."""
    r, g, b = x.unbind(1)
    return (LUMA[0] * r).add_(g, alpha=LUMA[1]).add_(b, alpha=LUMA[2])[:, None]


def grey(x: Tensor, dice: Dice, chance: float) -> Tensor:
    """Return the images with some of them grey."""
    return torch.where(dice.flag(chance)[:, None, None, None], luma(x), x)


def turned(x: Tensor, turn: Tensor) -> Tensor:
    """Return the images with the hue of HSV turned by `turn` (1 is once round), one a sample.

    Value and chroma stay; with k = (n + 6 hue) mod 6 a channel is value - chroma clamp(min(k, 4 - k),
    0, 1) for n = 5, 3, 1 (red, green, blue).
    """
    r, g, b = x.unbind(1)
    value, low = torch.maximum(torch.maximum(r, g), b), torch.minimum(torch.minimum(r, g), b)
    chroma = value - low
    scale = 1 / chroma.clamp_min(1e-12)
    sextant = torch.where(
        value == r,
        (g - b) * scale,
        torch.where(value == g, (b - r) * scale + 2, (r - g) * scale + 4),
    ).add_(6 * turn[:, None, None])
    out = torch.empty_like(x)
    for channel, n in enumerate((5, 3, 1)):
        k = torch.remainder(sextant + n, 6)
        ramp = torch.minimum(k, 4 - k).clamp_(0, 1)
        torch.addcmul(value, chroma, ramp, value=-1, out=out[:, channel])
    return out


def turned_in_yiq(x: Tensor, turn: Tensor) -> Tensor:
    """Return the images with their chroma rotated in the YIQ plane: one 3 x 3 matrix a sample."""
    to = torch.tensor(_YIQ, dtype=x.dtype, device=x.device)
    angle = turn * (2 * torch.pi)
    rotation = torch.zeros(len(x), 3, 3, dtype=x.dtype, device=x.device)
    rotation[:, 0, 0] = 1
    rotation[:, 1, 1] = rotation[:, 2, 2] = angle.cos()
    rotation[:, 1, 2], rotation[:, 2, 1] = -angle.sin(), angle.sin()
    matrix = torch.linalg.inv(to) @ rotation @ to
    out: Tensor = (matrix @ x.flatten(2)).view_as(x).clamp_(0, 1)
    return out


def blur(x: Tensor, dice: Dice, chance: float, sigma: tuple[float, float] = (0.1, 2.0)) -> Tensor:
    """Return the images with the drawn ones blurred: separable, reflected at the border.

    The kernel is about a tenth of the shorter side, odd, as in the papers.
    """
    on, width = dice.flag(chance), dice.uniform(*sigma)
    chosen = on.nonzero()[:, 0]
    side = min(x.shape[-2:])
    radius = max(1, round(0.1 * side) // 2)
    if len(chosen) == 0 or side <= radius:
        return x
    offset = torch.arange(-radius, radius + 1, dtype=x.dtype, device=x.device)
    kernel = torch.exp(-0.5 * (offset / width[chosen, None]) ** 2)
    kernel = kernel / kernel.sum(1, keepdim=True)
    picked = x[chosen]
    planes = picked.reshape(1, -1, *picked.shape[2:])  # one group a plane: its own kernel
    weights = kernel.repeat_interleave(x.shape[1], 0)[:, None]
    padded = functional.pad(planes, (radius,) * 4, mode="reflect")
    across = functional.conv2d(padded, weights[:, :, None, :], groups=planes.shape[1])
    down = functional.conv2d(across, weights[:, :, :, None], groups=planes.shape[1])
    return x.index_copy(0, chosen, down.view_as(picked))
