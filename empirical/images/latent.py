"""Images made of latent factors, drawn on the fly, with moments that are known exactly.

An image is B (g * s) + noise: s standard normal and shared by the two views, B orthonormal patterns,
g^2 the signal of each factor, noise white of variance v and new in each view. So with x the pixels

    Sigma = B diag(g^2) B^T + v I,     M = B diag(g^2) B^T,

which commute: the model of the default of `equilibria` when v = 1/4 and g^2 = 1, 3/4, 9/16, ...
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.images.dice import Dice, generator

SIDE, FACTORS, NOISE, COUNT = 4, 8, 0.25, 4096


@dataclass
class LatentSource:
    """Fresh pairs of views each step; classes are the signs of the three strongest factors."""

    seed: int
    device: torch.device
    dtype: torch.dtype
    side: int = SIDE
    factors: int = FACTORS
    noise: float = NOISE
    count: int = COUNT
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        pixels = self.side * self.side
        self.shape = (1, self.side, self.side)
        self.factors = min(self.factors, pixels)
        gaussian = torch.randn(pixels, pixels, generator=generator("cpu", self.seed, "patterns"))
        patterns = torch.linalg.qr(gaussian.double())[0][:, : self.factors]
        self.patterns = patterns.to(self.device, self.dtype)
        powers = torch.arange(self.factors, dtype=torch.float64)
        self.signal = (0.75**powers).to(self.device, self.dtype)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return Sigma and M of the pixels, exactly."""
        M = self.patterns * self.signal @ self.patterns.T
        return M + self.noise * torch.eye(len(M), dtype=self.dtype, device=self.device), M

    def pair(self, step: int | str, total: int, share: slice) -> tuple[Tensor, Tensor]:
        """Return this process's share of two views of fresh latent factors."""
        draws = generator(self.device, self.seed, "latent", step)
        dice = Dice(draws, total, share, self.dtype)
        clean = self._clean(dice.normal(self.factors))
        first, second = (self._image(clean, dice) for _ in (1, 2))
        return first, second

    def _clean(self, s: Tensor) -> Tensor:
        clean: Tensor = (s * self.signal.sqrt()) @ self.patterns.T
        return clean

    def _image(self, clean: Tensor, dice: Dice) -> Tensor:
        noisy: Tensor = clean + self.noise**0.5 * dice.normal(clean.shape[1])
        return noisy.view(-1, *self.shape)

    def probe(self, count: int) -> tuple[Tensor, Tensor, Tensor]:
        """Return noiseless images and two views of them."""
        dice = self._dice("probe", count)
        clean = self._clean(dice.normal(self.factors))
        first, second = (self._image(clean, dice) for _ in (1, 2))
        return clean.view(-1, *self.shape), first, second

    def chunks(self, part: str, limit: int = 0) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the same in one piece: latent images are small."""
        yield self.labelled(part, limit)

    def labelled(self, part: str, limit: int = 0) -> tuple[Tensor, Tensor]:
        """Return one view each of latent factors, and their classes."""
        count = min(limit or COUNT, 2048 if part == "train" else 512)
        dice = self._dice(part, count)
        s = dice.normal(self.factors)
        bits = (s[:, :3] > 0).long()
        weights = 2 ** torch.arange(bits.shape[1], device=self.device)
        return self._image(self._clean(s), dice), (bits * weights).sum(1)

    def _dice(self, word: str, count: int) -> Dice:
        return Dice(generator(self.device, self.seed, word), count, slice(None), self.dtype)
