"""The order in which training visits its images, as a function of (seed, epoch).

    multi-epoch   every image once an epoch, shuffled anew
    single-pass   one permutation cut into chunks, each chunk trained on in its turn and left
    cumulative    the chunks up to the present one
    last          the last chunks only, all the time
    hybrid        single pass for a share of the training, multi-epoch after it

An epoch has the same number of steps in every order: a part of the data is repeated, shuffled anew
each time. Source: Li, Efros, Pathak 2022 and the code they released, with 100 chunks and one epoch each.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from empirical.images.dice import generator, order
from empirical.images.source import ImageSource
from empirical.networks.setup import Setup

KINDS = ("multi-epoch", "single-pass", "cumulative", "last", "hybrid")


@dataclass(frozen=True)
class Order:
    """A data order for a training of `epochs`; `chunks` divide one fixed permutation."""

    kind: str
    epochs: int
    chunks: int = 10
    share: float = 0.4
    """Of the data for `last`; of the training that is single-pass for `hybrid`."""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"order {self.kind}: expected one of {', '.join(KINDS)}")

    def indices(self, seed: int, epoch: int, count: int) -> Tensor:
        """Return the `count` images of an epoch, in order."""
        shared = epoch >= round(self.share * self.epochs)
        if self.kind == "multi-epoch" or (self.kind == "hybrid" and shared):
            return order(seed, epoch, count)
        part = self._part(torch.randperm(count, generator=generator("cpu", seed, "stream")), epoch)
        repeats = -(-count // len(part))
        draws = generator("cpu", seed, "order", epoch)
        shuffled = [part[torch.randperm(len(part), generator=draws)] for _ in range(repeats)]
        return torch.cat(shuffled)[:count]

    def _part(self, stream: Tensor, epoch: int) -> Tensor:
        count = len(stream)
        if self.kind == "last":
            return stream[count - max(1, round(self.share * count)) :]
        chunk = min(epoch, self.epochs - 1) * self.chunks // self.epochs
        start = 0 if self.kind == "cumulative" else chunk * count // self.chunks
        return stream[start : (chunk + 1) * count // self.chunks]

    def __call__(self, setup: Setup) -> None:
        """Let a run visit its images in this order."""
        setup.source = OrderedSource.of(setup.source, self)


@dataclass
class OrderedSource(ImageSource):
    """Images in a given order; `rows` are the images of the last batch."""

    plan: Order | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self.rows = torch.empty(0, dtype=torch.long)

    @classmethod
    def of(cls, source: object, plan: Order | None = None) -> OrderedSource:
        """Return the same images in another order."""
        if not isinstance(source, ImageSource):
            raise ValueError("an order needs stored images, not images drawn on the fly")
        same = {field.name: getattr(source, field.name) for field in fields(ImageSource)}
        return cls(**same, plan=plan)

    def _indices(self, step: int, total: int) -> Tensor:
        self.rows = self._rows(step, total)
        return self.rows

    def _rows(self, step: int, total: int) -> Tensor:
        if self.plan is None:
            return super()._indices(step, total)
        epoch, place = divmod(step, self.count // total)
        if epoch != self._epoch:
            device = self.images["train"].device
            self._epoch = epoch
            self._order = self.plan.indices(self.seed, epoch, self.count).to(device)
        return self._order[place * total : (place + 1) * total]
