"""A 1 x 1 convolution that leaves its stride to a slice.

With stride 2 and weights 1 x 1, oneDNN (3.13 in torch 2.15, and before) first gathers the pixels that
the stride keeps into a workspace. For channels-last images of fewer channels than a vector register
has lanes, its weight gradient writes behind the end of that workspace: the heap is damaged, or the
gradient is wrong (https://github.com/uxlfoundation/oneDNN/issues/6035; seen with `jit_1x1:avx2`
and 1 to 7 channels). A slice keeps the same pixels and leaves a convolution of stride 1, which has no
workspace, on any processor and for any width. The numbers are the same.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class Pointwise(nn.Conv2d):
    """1 x 1, no padding, no bias."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(inputs, outputs, 1, stride, bias=False)

    def forward(self, input: Tensor) -> Tensor:
        """Return the convolution of the pixels that the stride keeps."""
        across, along = self.stride
        return functional.conv2d(input[:, :, ::across, ::along], self.weight)
