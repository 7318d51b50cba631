"""Random draws as a function of what they are for, so that nothing depends on history.

The generator of a step is seeded by (seed, words, numbers): resuming needs no generator state, and
every process draws for the whole batch and keeps its share, so that one process and several see the
same images.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor


def key(seed: int, *parts: object) -> int:
    """Return 63 bits that depend on everything given."""
    text = repr((seed, *parts)).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "big") >> 1


def generator(device: torch.device | str, seed: int, *parts: object) -> torch.Generator:
    """Return a generator seeded by `key`."""
    return torch.Generator(device=device).manual_seed(key(seed, *parts))


def order(seed: int, epoch: int, count: int) -> Tensor:
    """Return the order in which an epoch visits the images."""
    return torch.randperm(count, generator=generator("cpu", seed, "order", epoch))


@dataclass(frozen=True)
class Dice:
    """Draws for a batch of `total` images, of which this process has the `share`."""

    generator: torch.Generator
    total: int
    share: slice
    dtype: torch.dtype = torch.float32

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        """Return uniform numbers, one row an image."""
        drawn = torch.rand(
            self.total, *shape, generator=self.generator, device=self.device, dtype=self.dtype
        )
        return drawn[self.share] * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        """Return standard normal numbers, one row an image."""
        return torch.randn(
            self.total, *shape, generator=self.generator, device=self.device, dtype=self.dtype
        )[self.share]

    def flag(self, chance: float) -> Tensor:
        """Return true with that chance, one an image."""
        return self.uniform(0.0, 1.0) < chance

    def permutation(self, count: int) -> list[int]:
        """Return a random order, one for the whole batch."""
        drawn = torch.rand(count, generator=self.generator, device=self.device)
        return [int(i) for i in drawn.argsort()]

    @property
    def device(self) -> torch.device:
        """Where the draws are made."""
        return self.generator.device
