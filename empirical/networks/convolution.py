"""A 3 x 3 convolution whose weight gradient is fast on a CPU where the image is small.

In bf16 the library's weight gradient slows down where the image has few pixels and many channels:
measured on one core, 512 channels at 4 x 4 and batch 64, 175 ms against 45 for the forward pass.
There it is done as nine matrix products, one a tap (31 ms). Values agree to the rounding of bf16;
everywhere else, on a GPU and in other precisions, this is nn.Conv2d.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS, SIDE = 256, 8


class Convolution(nn.Conv2d):
    """3 x 3, padding 1, no bias."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 3, stride, 1, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution; in autocast's precision where that is on."""
        if self._slow(input):
            low, weight = input.to(torch.bfloat16), self.weight.to(torch.bfloat16)
            out: Tensor = _ByTaps.apply(low, weight, self.stride[0])
            return out
        return super().forward(input)

    def _slow(self, x: Tensor) -> bool:
        return (
            x.device.type == "cpu"
            and x.dtype != torch.float64
            and self.in_channels >= CHANNELS
            and x.shape[-1] <= SIDE * self.stride[0]
            and self.weight.requires_grad
            and torch.is_grad_enabled()
            and torch.is_autocast_enabled("cpu")
        )


class _ByTaps(torch.autograd.Function):
    """The library's convolution with a weight gradient of nine matrix products."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, stride: int) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.stride = stride
        return functional.conv2d(x, weight, stride=stride, padding=1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        x, weight = ctx.saved_tensors
        slope, stride = grads[0], ctx.stride
        back, *_ = torch.ops.aten.convolution_backward(
            slope, x, weight, None, [stride] * 2, [1, 1], [1, 1], False, [0, 0], 1,
            [True, False, False],
        )  # fmt: skip
        return back, _weight_gradient(x, slope, stride), None


def _weight_gradient(x: Tensor, slope: Tensor, stride: int) -> Tensor:
    """Return the sum over images and pixels of slope times the input that each tap sees."""
    height, width = slope.shape[2:]
    padded = functional.pad(x.permute(0, 2, 3, 1), (0, 0, 1, 1, 1, 1))
    rows = slope.permute(0, 2, 3, 1).reshape(-1, slope.shape[1]).T
    out = x.new_empty(slope.shape[1], 3, 3, x.shape[1])
    for i in range(3):
        for j in range(3):
            seen = padded[:, i : i + stride * height : stride, j : j + stride * width : stride]
            out[:, i, j] = rows @ seen[:, :height, :width].reshape(-1, x.shape[1])
    return out.permute(0, 3, 1, 2)
