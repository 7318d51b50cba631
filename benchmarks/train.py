"""Images per CPU second of `train` against lightly's SimSiam recipe, in one run on one machine.

    python benchmarks/train.py [--rounds N] [--threads N]

Both sides train SimSiam on 32 x 32 images: crop, flip, jitter, grey (no blur, as on CIFAR), the same
network and heads, two forward passes, SGD. lightly's side is its published example: PIL transforms
image by image, single precision. Ours is measured in single precision (equal arithmetic) and with
bf16 autocast. The sides take turns, and CPU time is counted, so that other work on the machine
weighs on all alike. Needs lightly (`pip install lightly`), which nothing else here uses.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.images.datasets import Images
from empirical.images.source import image_source
from empirical.networks.learner import Learner
from empirical.networks.models import Encoder
from empirical.networks.optimiser import optimiser_of, rates_at
from empirical.networks.precision import multiplies_bf16
from empirical.networks.settings import Settings, settings_from

CASES = {
    "ResNet-18, CIFAR stem": ("resnet18", "1", "2048,2048,2048", "512", 64, 1),
    "ResNet-8, width 16": ("resnet8", "1", "64,64,64", "16", 256, 2),
    "ResNet-8, width 8": ("resnet8", "1/2", "64,64,64", "16", 256, 2),
}


@dataclass(frozen=True)
class Case:
    """A network to be trained by both sides."""

    settings: Settings
    steps: int


def photographs(count: int = 2048) -> np.ndarray:
    """Smooth random colour images; speed does not depend on what is in them."""
    draws = torch.rand(count, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    smooth = nn.functional.interpolate(draws, size=(32, 32), mode="bicubic").clamp(0, 1)
    return (smooth * 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous().numpy()


def ours(case: Case, images: np.ndarray, *, bf16: bool) -> Callable[[int], None]:
    """Return our step."""
    settings, labels = case.settings, np.zeros(len(images), np.int64)
    data = Images(images, labels, images[:2], labels[:2])
    source = image_source(data, settings, torch.device("cpu"), torch.float32)
    learner = Learner(settings, source.shape).to(memory_format=torch.channels_last)
    optimiser = optimiser_of(learner, settings)

    def step(number: int) -> None:
        views = source.pair(number, settings.batch_size, slice(None))
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=bf16):
            loss, *_ = learner(*views)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step(rates_at(optimiser, settings, number, 1000))

    return step


def lightly(case: Case, images: np.ndarray) -> Callable[[int], None]:
    """Return the step of lightly's SimSiam example."""
    from lightly.loss import NegativeCosineSimilarity
    from lightly.models.modules import SimSiamPredictionHead, SimSiamProjectionHead
    from lightly.transforms import SimSiamTransform
    from PIL import Image
    from torch.utils.data import DataLoader, Dataset

    settings = case.settings
    transform = SimSiamTransform(input_size=32, gaussian_blur=0.0)

    class Photographs(Dataset):  # type: ignore[type-arg]
        def __len__(self) -> int:
            return len(images)

        def __getitem__(self, index: int) -> list[torch.Tensor]:
            views: list[torch.Tensor] = transform(Image.fromarray(images[index]))
            return views

    encoder = Encoder(settings, (3, 32, 32))
    head, width = settings.head, encoder.head.hidden[0].in_features
    projector = SimSiamProjectionHead(width, head[0], head[-1])
    predictor = SimSiamPredictionHead(head[-1], settings.predictor_dim, head[-1])
    network = nn.Sequential(encoder.backbone, projector)
    weights = [*network.parameters(), *predictor.parameters()]
    optimiser = torch.optim.SGD(weights, lr=0.05, momentum=0.9, weight_decay=5e-4)
    criterion = NegativeCosineSimilarity()
    loader = DataLoader(Photographs(), settings.batch_size, shuffle=True, drop_last=True)
    batches = iter(loader)

    def step(number: int) -> None:
        nonlocal batches
        views = next(batches, None)
        if views is None:
            batches = iter(loader)
            views = next(batches)
        z0, z1 = network(views[0]), network(views[1])
        p0, p1 = predictor(z0), predictor(z1)
        loss = 0.5 * (criterion(p0, z1.detach()) + criterion(p1, z0.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()

    return step


def measure(case: Case, images: np.ndarray, rounds: int) -> dict[str, float]:
    """Return images per CPU second of each side: the best round, others being disturbed."""
    sides = {
        "lightly fp32": lightly(case, images),
        "fp32": ours(case, images, bf16=False),
        "bf16": ours(case, images, bf16=True),
    }
    best = dict.fromkeys(sides, 0.0)
    for number in range(rounds + 1):
        for name, step in sides.items():
            start = time.process_time()
            for k in range(case.steps):
                step(number * case.steps + k)
            speed = case.settings.batch_size * case.steps / (time.process_time() - start)
            if number:  # the first round warms up
                best[name] = max(best[name], speed)
    return best


def main() -> None:
    """Print the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--only", default="", help="cases whose name contains this")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    if not multiplies_bf16(torch.device("cpu")):
        print("this CPU has no instructions for bf16: its table is of an emulation, and slow\n")
    images, rows = photographs(), {}
    for name, (backbone, width, head, hidden, batch, steps) in CASES.items():
        if options.only not in name:
            continue
        settings = settings_from(
            {"backbone": backbone, "width": width, "head": head, "predictor_dim": hidden,
             "batch_size": str(batch), "dataset": "x.npz"}
        )  # fmt: skip
        rows[name] = measure(Case(settings, steps), images, options.rounds)
    print(f"images per CPU second, SimSiam, 32 x 32, {options.threads} thread(s)\n")
    print("| network | lightly, fp32 | train, bf16 | ratio |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['lightly fp32']:.1f} | {row['bf16']:.1f} | ", end="")
        print(f"{row['bf16'] / row['lightly fp32']:.2f} |")
    print("\n| network | lightly, fp32 | train, fp32 | ratio |\n|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['lightly fp32']:.1f} | {row['fp32']:.1f} | ", end="")
        print(f"{row['fp32'] / row['lightly fp32']:.2f} |")


if __name__ == "__main__":
    main()
