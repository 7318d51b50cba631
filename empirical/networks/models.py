"""Backbones, heads and predictors, as plain modules.

The residual networks are those of He et al. 2015 (the post-activation blocks of torchvision, against
which they are tested), in any width, with a stem for small images.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from empirical.networks.convolution import Convolution
from empirical.networks.pointwise import Pointwise
from empirical.networks.settings import Settings


class Basic(nn.Module):
    """Two 3 x 3 convolutions and a shortcut."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = Convolution(inputs, width, stride), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = Convolution(width, width), nn.BatchNorm2d(width)
        self.downsample = _shortcut(inputs, width, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = self.bn2(self.conv2(y)) + self.downsample(x)
        return functional.relu(y, inplace=True)


class Bottleneck(nn.Module):
    """1 x 1, 3 x 3, 1 x 1 convolutions and a shortcut; the stride is in the 3 x 3."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1, self.bn1 = Pointwise(inputs, width), nn.BatchNorm2d(width)
        self.conv2, self.bn2 = Convolution(width, width, stride), nn.BatchNorm2d(width)
        self.conv3, self.bn3 = Pointwise(width, outputs), nn.BatchNorm2d(outputs)
        self.downsample = _shortcut(inputs, outputs, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output."""
        y = functional.relu(self.bn1(self.conv1(x)), inplace=True)
        y = functional.relu(self.bn2(self.conv2(y)), inplace=True)
        y = self.bn3(self.conv3(y)) + self.downsample(x)
        return functional.relu(y, inplace=True)


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(Pointwise(inputs, outputs, stride), nn.BatchNorm2d(outputs))


class ResNet(nn.Module):
    """A residual network without its classifier; `counts` blocks a stage, the width doubling."""

    def __init__(
        self,
        block: type[Basic] | type[Bottleneck],
        counts: Sequence[int],
        width: int,
        *,
        channels: int,
        small: bool,
    ) -> None:
        super().__init__()
        self.conv1 = (
            Convolution(channels, width)
            if small
            else nn.Conv2d(channels, width, 7, 2, 3, bias=False)
        )
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        stages, inputs = [], width
        for stage, count in enumerate(counts):
            blocks = []
            for place in range(count):
                stride = 2 if stage and not place else 1
                blocks.append(block(inputs, width * 2**stage, stride))
                inputs = width * 2**stage * block.expansion
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.Sequential(*stages)
        self.width = inputs
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        """Return the pooled features."""
        x = self.maxpool(functional.relu(self.bn1(self.conv1(x)), inplace=True))
        pooled: Tensor = self.stages(x).mean((2, 3))
        return pooled


_BASE = 64
_RESNETS: dict[str, tuple[type[Basic] | type[Bottleneck], tuple[int, ...], int]] = {
    "resnet8": (Basic, (1, 1, 1), 16),
    "resnet18": (Basic, (2, 2, 2, 2), _BASE),
    "resnet34": (Basic, (3, 4, 6, 3), _BASE),
    "resnet50": (Bottleneck, (3, 4, 6, 3), _BASE),
}


def backbone(settings: Settings, shape: tuple[int, int, int]) -> tuple[nn.Module, int]:
    """Return the backbone and the width of its features.

    The linear backbone is no more than the pixels: the head's matrix is then the encoder W.
    """
    channels, height, width = shape
    pixels = channels * height * width
    if settings.backbone == "linear":
        return nn.Flatten(), pixels
    if settings.backbone == "mlp":
        hidden, features = (max(1, round(size * settings.width)) for size in (128, 64))
        layers = [
            nn.Flatten(),
            *_layer(pixels, hidden, bn=True),
            *_layer(hidden, features, bn=True),
        ]
        return nn.Sequential(*layers), features
    block, counts, base = _RESNETS[settings.backbone]
    small = settings.stem == "small" or (settings.stem == "auto" and height <= 64)
    network = ResNet(
        block, counts, max(1, round(base * settings.width)), channels=channels, small=small
    )
    return network, network.width


def _layer(inputs: int, outputs: int, *, bn: bool) -> list[nn.Module]:
    norm: list[nn.Module] = [nn.BatchNorm1d(outputs)] if bn else []
    return [nn.Linear(inputs, outputs, bias=not bn), *norm, nn.ReLU(inplace=True)]


class Head(nn.Module):
    """The projector: hidden layers, one last linear map without bias, and perhaps batch norm.

    With batch norm at the output its mean is removed and its scale fixed, so that the last map is
    linear on centred features up to a diagonal factor.
    """

    def __init__(self, inputs: int, widths: Sequence[int], bn: str) -> None:
        super().__init__()
        *hidden, last = widths
        layers: list[nn.Module] = []
        for width in hidden:
            layers += _layer(inputs, width, bn=bn != "none")
            inputs = width
        self.hidden = nn.Sequential(*layers)
        self.last = nn.Linear(inputs, last, bias=False)
        self.norm: nn.Module = (
            nn.BatchNorm1d(last, affine=False) if bn == "output" else nn.Identity()
        )

    def forward(self, features: Tensor) -> Tensor:
        """Return the embedding."""
        out: Tensor = self.norm(self.last(self.hidden(features)))
        return out


class Encoder(nn.Module):
    """Backbone and head: what the papers call f (the encoder with its projector)."""

    def __init__(self, settings: Settings, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.backbone, width = backbone(settings, shape)
        self.head = Head(width, settings.head, settings.head_bn)

    def forward(self, x: Tensor) -> Tensor:
        """Return the embedding of a batch."""
        out: Tensor = self.head(self.backbone(x))
        return out


class Symmetric(nn.Module):
    """A linear predictor that is the symmetric part of its parameter."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(nn.Linear(size, size, bias=False).weight.detach().clone())

    def matrix(self) -> Tensor:
        """Return P."""
        return (self.weight + self.weight.T) / 2

    def forward(self, z: Tensor) -> Tensor:
        """Return P z."""
        return functional.linear(z, self.matrix())


def predictor(settings: Settings) -> nn.Module:
    """Return the predictor; `fixed` is a random MLP that is never trained."""
    n = settings.embed_dim
    if settings.predictor == "none":
        return nn.Identity()
    if settings.predictor == "linear":
        return nn.Linear(n, n, bias=settings.predictor_bias)
    if settings.predictor == "symmetric":
        return Symmetric(n)
    hidden = settings.predictor_dim or max(1, n // 4)
    layers = _layer(n, hidden, bn=settings.predictor_bn)
    network = nn.Sequential(*layers, nn.Linear(hidden, n))
    if settings.predictor == "fixed":
        network.requires_grad_(False)
    return network


def matrix_of(module: nn.Module) -> Tensor | None:
    """Return P where the predictor is a matrix, None where it is not linear."""
    if isinstance(module, Symmetric):
        return module.matrix().detach()
    if isinstance(module, nn.Linear):
        return module.weight.detach()
    if isinstance(module, nn.Identity):
        return torch.empty(0)  # the identity; its size is the embedding's
    return None
