"""Moments of mini-batches, a function of (seed, run, step) alone.

The gradient of a linear model on a batch is the population formula with the batch's moments

    S_B = 1/B sum x x^T,    M_B = 1/B sum y x^T,

so a step needs no samples. For Gaussian data they are drawn from their own law: the 2d x 2d moment
matrix of B pairs (x, y) is Wishart, and Bartlett's triangular factor gives it at a cost that does
not depend on B. Data sets are sampled with replacement, the two views of a pair in random order,
which makes M = (E y x^T + E x y^T)/2 exact.

Numbers come in blocks of steps: run r's block b is drawn from Philox with key (seed, r) and counter
b, whichever runs are simulated beside it and wherever a simulation was interrupted.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from empirical.linear.batched import Second
from empirical.linear.products import product
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Runs = NDArray[np.int64]

STREAM = 1
"""Third word of the counter; the starting weights have the same key and 0 there."""
BLOCK_NUMBERS = 4096
"""Random numbers of one run in a block: enough to hide the cost of setting Philox up."""
KEPT = 64 * 2**20
"""Bytes of moments that are kept for the next call."""


def generator(seed: int, run: int, block: int) -> np.random.Generator:
    """Return the source of one run's block of steps."""
    return np.random.Generator(np.random.Philox(key=[seed, run], counter=[0, 0, STREAM, block]))


class Batches(ABC):
    """Where a step's moments come from, with blocks of `length` steps."""

    def __init__(self, seed: int, d: int, numbers_a_step: int, like: Tensor) -> None:
        self.seed, self.d, self.like = seed, d, like
        self.length = max(1, min(64, BLOCK_NUMBERS // numbers_a_step))
        self._kept: dict[tuple[int, ...], Second] = {}

    def moments(self, step: int, rows: Runs) -> Second:
        """Return the moments of the batches of runs `rows` (ascending) at `step` (from 1)."""
        block, inside = divmod(step - 1, self.length)
        key = (block, int(rows[0]), int(rows[-1]), len(rows))
        if key not in self._kept:
            # Slices of the pool ask for the same block one after the other, and then for the next.
            size = 7 * self.d**2 * 8 * self.length * len(rows)
            if len(self._kept) >= max(1, KEPT // size):
                self._kept.clear()
            self._kept[key] = self._split(self._block(block, rows))
        return self._kept[key].each(lambda part: part[inside])

    @abstractmethod
    def _block(self, block: int, rows: Runs) -> Tensor:
        """Return E (x, y)(x, y)^T of each batch, shape (length, runs, 2d, 2d)."""

    def _split(self, joint: Tensor) -> Second:
        d = self.d
        return Second(
            joint[..., :d, :d].contiguous(),
            joint[..., d:, :d].contiguous(),
            joint[..., d:, d:].contiguous(),
        )

    def _tensor(self, array: NDArray[np.float64]) -> Tensor:
        return torch.as_tensor(array, device=self.like.device, dtype=self.like.dtype)


class GaussianBatches(Batches):
    """Batches of B pairs of Gaussian views with second moments Sigma and M.

    Raises `FormatError` where no such views exist, that is where Sigma - M or Sigma + M has a
    negative eigenvalue.
    """

    def __init__(self, sigma: Array, m: Array, size: int, seed: int, *, like: Tensor) -> None:
        values, vectors = np.linalg.eigh(np.block([[sigma, m], [m, sigma]]))
        if values[0] < -1e-12 * values[-1]:
            raise FormatError(
                f"--batch-size {size}: no pair of views has these moments (M exceeds Sigma in some "
                "direction); raise --noise or use --batch-size 0"
            )
        self.k, self.size = 2 * len(sigma), size
        super().__init__(seed, len(sigma), self.k * min(size, self.k), like)
        self.factor = self._tensor(vectors * np.sqrt(np.clip(values, 0.0, None)))
        self.below = np.tril_indices(self.k, -1)

    def _block(self, block: int, rows: Runs) -> Tensor:
        columns = min(self.size, self.k)
        z = np.zeros((self.length, len(rows), self.k, columns))
        for place, run in enumerate(rows.tolist()):
            self._draw(generator(self.seed, run, block), z[:, place])
        flat = self._tensor(z.reshape(-1, self.k, columns))
        spread = product(self.factor.expand(len(flat), self.k, self.k), flat)
        joint = product(spread, spread.mT) / self.size
        return joint.view(self.length, len(rows), self.k, self.k)

    def _draw(self, source: np.random.Generator, z: Array) -> None:
        """Fill z (length, 2d, .) with factors whose z z^T is a standard Wishart matrix."""
        if self.size < self.k:  # a singular one: the samples themselves
            z[:] = source.standard_normal(z.shape)
            return
        degrees = self.size - np.arange(self.k)
        diagonal = np.arange(self.k)
        z[:, diagonal, diagonal] = np.sqrt(source.chisquare(degrees, (len(z), self.k)))
        z[:, self.below[0], self.below[1]] = source.standard_normal((len(z), len(self.below[0])))


class DataBatches(Batches):
    """Batches of B pairs drawn from the rows of x and y (N, d), with replacement."""

    def __init__(self, x: Array, y: Array, size: int, seed: int, *, like: Tensor) -> None:
        super().__init__(seed, x.shape[1], max(size, size * x.shape[1] // 4), like)
        both = np.stack([np.concatenate([x, y], axis=1), np.concatenate([y, x], axis=1)])
        self.pairs, self.size = self._tensor(both), size

    def _block(self, block: int, rows: Runs) -> Tensor:
        count = self.pairs.shape[1]
        shape = (self.length, self.size)
        # One number chooses both the pair and its order.
        draws = [
            generator(self.seed, run, block).integers(0, 2 * count, shape) for run in rows.tolist()
        ]
        number = torch.as_tensor(np.stack(draws, axis=1), device=self.like.device)
        batch = self.pairs[number & 1, number >> 1].flatten(0, 1)
        joint = product(batch.mT, batch) / self.size
        return joint.view(self.length, len(rows), 2 * self.d, 2 * self.d)
