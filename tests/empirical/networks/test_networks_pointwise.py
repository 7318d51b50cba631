"""1 x 1 convolutions: the strided ones never reach the library, whose gradient damages the heap."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from empirical.networks.models import backbone
from empirical.networks.pointwise import Pointwise
from empirical.networks.settings import settings_from

torch.set_num_threads(1)
ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("stride", "side"), [(1, 5), (2, 8), (2, 7), (3, 8)])
def test_a_slice_and_a_product_are_the_strided_convolution(stride: int, side: int) -> None:
    torch.manual_seed(0)
    ours = Pointwise(3, 5, stride).double()
    theirs = nn.Conv2d(3, 5, 1, stride, bias=False).double()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 3, side, side, dtype=torch.float64)
    found = []
    for layer in (ours, theirs):
        view = x.clone().requires_grad_()
        out = layer(view)
        out.backward(torch.ones_like(out).cumsum(-1))
        found.append((out, view.grad, layer.weight.grad))
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-13, atol=1e-13)


class Convolutions(TorchDispatchMode):
    """Notes weights and stride of every convolution that reaches the library, backward too."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[tuple[int, ...], tuple[int, ...]]] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket
        if name is torch.ops.aten.convolution:
            self.seen.append((tuple(args[1].shape[2:]), tuple(args[3])))
        elif name is torch.ops.aten.convolution_backward:
            self.seen.append((tuple(args[2].shape[2:]), tuple(args[4])))
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    ("name", "width"),
    [("resnet8", "1/16"), ("resnet8", "1"), ("resnet18", "1/8"), ("resnet50", "1/16")],
)
def test_no_network_strides_a_1x1_convolution(name: str, width: str) -> None:
    network, _ = backbone(settings_from({"backbone": name, "width": width}), (3, 8, 8))
    with Convolutions() as noted:
        network(torch.zeros(2, 3, 8, 8)).sum().backward()
    assert ((1, 1), (1, 1)) in noted.seen
    assert ((3, 3), (2, 2)) in noted.seen
    assert not [s for k, s in noted.seen if k == (1, 1) and s != (1, 1)]


STEPS = """
import sys
import torch
from torch.nn import functional
from empirical.networks.pointwise import Pointwise

torch.set_num_threads(1)
for inputs in (1, 2, 4, 7, 8, 12, 15, 16):
    for low in (False, True):
        torch.manual_seed(inputs)
        layer = Pointwise(inputs, 2 * inputs, 2)
        exact = layer.weight.detach().double().requires_grad_()
        layer = layer.to(memory_format=torch.channels_last)
        x = torch.randn(128, inputs, 8, 8).contiguous(memory_format=torch.channels_last)
        for _ in range(6):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
                out = layer(x.requires_grad_())
            layer.weight.grad = None
            out.float().square().sum().backward()
        functional.conv2d(x.detach().double(), exact, stride=2).square().sum().backward()
        away = (layer.weight.grad - exact.grad).norm() / exact.grad.norm()
        assert away < (2e-2 if low else 1e-5), (inputs, low, float(away))
print("all")
"""


def test_narrow_strided_layers_have_the_right_gradient_and_leave_the_heap_whole() -> None:
    # In a process of its own: what this is about ends a process.
    done = subprocess.run(
        [sys.executable, "-c", STEPS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_CHECK_": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout.strip()) == (0, "all"), done.stderr
