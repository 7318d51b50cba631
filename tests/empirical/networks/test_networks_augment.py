"""Batched augmentation against torchvision's reference transforms: maps exactly, laws by sampling."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from empirical.images.augment import Crop, Photos, Same, Strokes, resample, sized
from empirical.images.colour import Jitter, blur, grey, jitter, luma, turned, turned_in_yiq
from empirical.images.dice import Dice, generator, order

torchvision = pytest.importorskip("torchvision")
v1 = torchvision.transforms
reference = torchvision.transforms.functional


def dice(total: int, seed: int = 0, share: slice = slice(None)) -> Dice:
    return Dice(generator("cpu", seed, "test"), total, share)


def photographs(count: int, side: int = 16, seed: int = 0) -> Tensor:
    """Smooth random colour images, uint8 N x H x W x C."""
    draws = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(seed))
    smooth = torch.nn.functional.interpolate(draws, size=(side, side), mode="bicubic")
    return (smooth.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def floats(images: Tensor) -> Tensor:
    return images.permute(0, 3, 1, 2).float() / 255


@pytest.mark.parametrize("side", [16, 24, 7])
@pytest.mark.parametrize("box", [(0, 0, 16, 16), (3, 5, 6, 8), (2, 0, 11, 3), (9, 9, 1, 1)])
def test_a_crop_is_torchvision_s_resized_crop(box: tuple[int, int, int, int], side: int) -> None:
    images = photographs(2)
    boxes = torch.tensor([box, box]).float()
    ours = resample(images, boxes, torch.tensor([False, True]), (side, side))
    wanted = reference.resized_crop(floats(images), *box, [side, side], antialias=True)
    torch.testing.assert_close(ours[0], wanted[0], atol=2e-6, rtol=1e-5)
    torch.testing.assert_close(ours[1], wanted[1].flip(-1), atol=2e-6, rtol=1e-5)


def same_law(ours: np.ndarray, theirs: np.ndarray) -> bool:
    """Kolmogorov-Smirnov at a level that a right law misses once in a thousand seeds."""
    from scipy.stats import ks_2samp

    return bool(ks_2samp(ours, theirs).pvalue > 1e-3)


@pytest.mark.parametrize("shape", [(32, 32), (20, 60)])
def test_boxes_have_the_law_of_random_resized_crop(shape: tuple[int, int]) -> None:
    count = 1000
    boxes = Crop((0.2, 1.0)).draw(dice(count), *shape).numpy()
    torch.manual_seed(1)
    image = torch.zeros(3, *shape)
    drawn = [
        v1.RandomResizedCrop.get_params(image, [0.2, 1.0], [3 / 4, 4 / 3]) for _ in range(count)
    ]
    theirs = np.array(drawn, float)
    for column in range(4):
        assert same_law(boxes[:, column], theirs[:, column]), column
    assert (boxes[:, 0] + boxes[:, 2] <= shape[0]).all()
    assert (boxes[:, 1] + boxes[:, 3] <= shape[1]).all()
    other = Crop((0.5, 1.0)).draw(dice(count), *shape).numpy()  # the test can tell laws apart
    assert not same_law(other[:, 2], theirs[:, 2])


@pytest.mark.parametrize("turn", [-0.5, -0.1, 0.0, 0.07, 0.5])
def test_hue_is_torchvision_s(turn: float) -> None:
    x = torch.cat(
        [floats(photographs(3)), torch.full((1, 3, 16, 16), 0.4), torch.zeros(1, 3, 16, 16)]
    )
    ours = turned(x, torch.full((5,), turn))
    torch.testing.assert_close(ours, reference.adjust_hue(x, turn), atol=1e-5, rtol=0)


def test_a_turn_in_yiq_keeps_the_luminance_and_comes_back_round() -> None:
    x = floats(photographs(3)) * 0.4 + 0.3  # inside, where nothing is cut
    out = turned_in_yiq(x, torch.full((3,), 0.05))
    torch.testing.assert_close(luma(out), luma(x), atol=1e-4, rtol=0)
    assert float((out - x).abs().max()) > 0.01
    torch.testing.assert_close(turned_in_yiq(x, torch.ones(3)), x, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("which", "name"), [(0, "brightness"), (1, "contrast"), (2, "saturation")])
def test_each_jitter_is_torchvision_s(which: int, name: str) -> None:
    x = floats(photographs(4))
    strengths = [0.0, 0.0, 0.0]
    strengths[which] = 0.6
    ours = jitter(x, dice(4), Jitter(*strengths, hue=0.0, chance=1.0))
    replay = dice(4)
    replay.flag(1.0)
    factors = [replay.uniform(max(0.0, 1 - s), 1 + s) for s in strengths][which]
    adjust = getattr(reference, f"adjust_{name}")
    for k in range(4):
        torch.testing.assert_close(ours[k], adjust(x[k], float(factors[k])), atol=1e-5, rtol=0)


def test_blur_is_torchvision_s() -> None:
    x = floats(photographs(6, side=32))
    out = blur(x, dice(6), 0.5, (0.3, 1.5))
    replay = dice(6)
    on, sigma = replay.flag(0.5), replay.uniform(0.3, 1.5)
    assert 0 < int(on.sum()) < 6
    for k in range(6):
        wanted = reference.gaussian_blur(x[k], [3, 3], [float(sigma[k])] * 2) if on[k] else x[k]
        torch.testing.assert_close(out[k], wanted, atol=1e-5, rtol=0)


def statistics(views: Tensor) -> dict[str, np.ndarray]:
    """What an augmentation changes, one number a view."""
    r, g, b = views.double().unbind(1)
    chroma = views.max(1).values - views.min(1).values
    return {
        "mean": views.mean((1, 2, 3)).numpy(),
        "contrast": luma(views).std((1, 2, 3)).numpy(),
        "chroma": chroma.mean((1, 2)).numpy(),
        "red minus green": (r - g).mean((1, 2)).numpy(),
        "left minus right": (views[..., :8] - views[..., 8:]).mean((1, 2, 3)).numpy(),
        "blue": b.mean((1, 2)).numpy(),
    }


def test_views_have_the_law_of_the_reference_pipeline() -> None:
    count = 500
    image = photographs(1, seed=4)
    # The order of the four jitters is one draw a batch: many batches.
    ours = torch.cat(
        [
            Photos((16, 16))(image.expand(25, -1, -1, -1), dice(25, seed=k))
            for k in range(count // 25)
        ]
    )
    pipeline = v1.Compose(
        [
            v1.RandomResizedCrop(16, scale=(0.2, 1.0), antialias=True),
            v1.RandomHorizontalFlip(),
            v1.RandomApply([v1.ColorJitter(0.4, 0.4, 0.4, 0.1)], p=0.8),
            v1.RandomGrayscale(p=0.2),
        ]
    )
    torch.manual_seed(2)
    theirs = torch.stack([pipeline(floats(image)[0]) for _ in range(count)])
    wanted = statistics(theirs)
    for name, values in statistics(ours).items():
        assert same_law(values, wanted[name]), name
    grey_share = [float((statistics(x)["chroma"] < 1e-4).mean()) for x in (ours, theirs)]
    assert abs(grey_share[0] - grey_share[1]) < 0.08
    assert not same_law(statistics(grey(ours, dice(count), 0.5))["chroma"], wanted["chroma"])


@pytest.mark.parametrize("view", [Photos((16, 16)), Photos((16, 16), blur=0.5), Strokes((16, 16))])
def test_every_image_of_a_batch_gets_its_own_draw_and_processes_share_them(view: object) -> None:
    assert callable(view)
    images = photographs(1).expand(8, -1, -1, -1)
    whole = view(images, dice(8))
    flat = whole.flatten(1)
    distances = torch.cdist(flat, flat) + torch.eye(8)
    assert float(distances.min()) > 1e-3
    for share in (slice(0, 4), slice(4, 8)):
        part = view(images[share], dice(8, share=share))
        torch.testing.assert_close(part, whole[share])


def test_no_augmentation_is_the_image() -> None:
    images = photographs(2)
    torch.testing.assert_close(Same((16, 16))(images, dice(2)), floats(images))


def test_an_epoch_visits_every_image_once_in_an_order_of_its_own() -> None:
    first, second = order(0, 0, 50), order(0, 1, 50)
    assert sorted(first.tolist()) == list(range(50))
    assert not torch.equal(first, second)
    assert torch.equal(first, order(0, 0, 50))
    assert not torch.equal(first, order(1, 0, 50))


def test_every_pixel_counts_where_images_are_made_smaller() -> None:
    one = torch.zeros(1, 1, 16, 16)
    one[0, 0, 4, 8] = 1  # between the pixels that plain interpolation looks at
    small = sized(one, (4, 4))
    assert small.shape == (1, 1, 4, 4)
    assert small.max() > 0
    assert sized(one, (16, 16)) is one
