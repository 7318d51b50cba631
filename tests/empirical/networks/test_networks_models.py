"""The residual networks are torchvision's; heads and widths are what they say."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from empirical.networks.convolution import Convolution
from empirical.networks.models import Encoder, Head, Symmetric, backbone, matrix_of, predictor
from empirical.networks.settings import settings_from

torch.set_num_threads(1)


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_a_resnet_computes_what_torchvision_s_does(name: str) -> None:
    torchvision = pytest.importorskip("torchvision")
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)()
    theirs.fc = nn.Identity()
    ours, width = backbone(settings_from({"backbone": name, "stem": "imagenet"}), (3, 64, 64))
    values = list(theirs.state_dict().values())
    names = list(ours.state_dict())
    assert len(values) == len(names)
    ours.load_state_dict(dict(zip(names, values, strict=True)))
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        wanted = theirs.train(False)(x)
        torch.testing.assert_close(ours.train(False)(x), wanted, rtol=1e-4, atol=1e-4)
    assert width == wanted.shape[1]


def test_widths_scale_and_small_images_keep_their_size() -> None:
    for name, factor, width in (("resnet8", 1, 64), ("resnet8", 0.5, 32), ("resnet18", 0.25, 128)):
        settings = settings_from({"backbone": name, "width": str(factor)})
        network, features = backbone(settings, (3, 32, 32))
        assert features == width
        assert network(torch.zeros(2, 3, 32, 32)).shape == (2, width)
        assert network.conv1.stride == (1, 1)
    large, _ = backbone(settings_from({"backbone": "resnet18"}), (3, 96, 96))
    assert large.conv1.stride == (2, 2)


@pytest.mark.parametrize(
    ("where", "norms", "affine"),
    [("none", 0, []), ("hidden", 1, [True]), ("output", 2, [True, False])],
)
def test_batch_norm_is_where_it_was_asked_for(where: str, norms: int, affine: list[bool]) -> None:
    head = Head(8, (6, 4), where)
    found = [m for m in head.modules() if isinstance(m, nn.BatchNorm1d)]
    assert len(found) == norms
    assert [m.affine for m in found] == affine
    assert head.last.bias is None


def test_the_linear_backbone_is_the_pixels_and_its_head_is_the_encoder() -> None:
    encoder = Encoder(settings_from({"backbone": "linear", "head": "3"}), (1, 4, 4))
    x = torch.randn(5, 1, 4, 4)
    torch.testing.assert_close(encoder(x), x.flatten(1) @ encoder.head.last.weight.T)


def test_predictors_are_matrices_where_they_are_linear() -> None:
    def of(kind: str) -> nn.Module:
        return predictor(settings_from({"predictor": kind, "head": "6"}))

    symmetric = of("symmetric")
    assert isinstance(symmetric, Symmetric)
    P = matrix_of(symmetric)
    assert P is not None
    assert torch.equal(P, P.T)
    z = torch.randn(4, 6)
    torch.testing.assert_close(symmetric(z), z @ P)
    linear = of("linear")
    torch.testing.assert_close(linear(z), z @ matrix_of(linear).T)  # type: ignore[union-attr]
    assert torch.equal(of("none")(z), z)
    assert matrix_of(of("mlp")) is None
    assert all(not p.requires_grad for p in of("fixed").parameters())


@pytest.mark.parametrize(("stride", "side"), [(1, 4), (2, 8), (2, 7), (1, 5)])
def test_the_weight_gradient_by_taps_is_the_convolution_s(stride: int, side: int) -> None:
    torch.manual_seed(0)
    fast = Convolution(256, 8, stride)
    slow = nn.Conv2d(256, 8, 3, stride, 1, bias=False)
    slow.load_state_dict(fast.state_dict())
    x = torch.randn(4, 256, side, side)
    slopes = []
    for layer in (fast, slow):
        view = x.clone().requires_grad_()
        with torch.autocast("cpu", dtype=torch.bfloat16):
            out = layer(view)
        assert out.dtype == torch.bfloat16
        out.backward(torch.ones_like(out).cumsum(1))
        assert layer.weight.grad is not None
        slopes.append((layer.weight.grad, view.grad))
    assert fast._slow(x) is False  # outside autocast it is the plain convolution
    for ours, theirs in zip(*slopes, strict=True):
        assert float((ours - theirs).norm() / theirs.norm()) < 0.01


@pytest.mark.parametrize("before", [False, True])
def test_denormals_are_zero_during_a_run_and_as_before_after_it(before: bool) -> None:
    from empirical.networks.setup import threads_for

    tiny, half = torch.tensor(1e-40), torch.tensor(0.5)
    if not torch.set_flush_denormal(before):
        pytest.skip("this CPU cannot flush denormal numbers")
    try:
        with threads_for(settings_from({})), threads_for(settings_from({})):
            assert float(tiny * half) == 0
        assert (float(tiny * half) == 0) is before
    finally:
        torch.set_flush_denormal(False)
