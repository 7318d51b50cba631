"""One process or many: torchrun's environment, sums over processes, and each one's share.

Everything here is the identity for one process. With several, every process draws the same random
numbers for the whole batch and keeps its share, so that the images do not depend on how many there
are; gradients are averaged by DistributedDataParallel.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from equilibria.errors import FormatError


@dataclass(frozen=True)
class Workers:
    """This process among all of them."""

    rank: int = 0
    count: int = 1
    local: int = 0

    @property
    def leads(self) -> bool:
        """True for the one process that writes and speaks."""
        return self.rank == 0

    def share(self, total: int) -> slice:
        """Return the part of a batch that is this process's."""
        if total % self.count:
            raise FormatError(
                f"--batch-size {total}: {self.count} processes need a multiple of {self.count}"
            )
        each = total // self.count
        return slice(self.rank * each, (self.rank + 1) * each)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean over the processes; no gradient."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count

    def all(self, value: Tensor) -> Tensor:
        """Return the rows of all processes in order; the gradient flows back to their owners."""
        if self.count == 1:
            return value
        gathered: Tensor = _Gather.apply(value, self)
        return gathered

    def wait(self) -> None:
        """Wait for the others: the lead evaluates and writes alone."""
        if self.count > 1:
            dist.barrier()


class _Gather(torch.autograd.Function):
    """All rows; backwards, the sum over processes of what each wants of our rows."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, workers: Workers) -> Tensor:
        ctx.workers, ctx.rows = workers, len(value)
        parts = [torch.empty_like(value) for _ in range(workers.count)]
        dist.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None]:
        total = grads[0].contiguous().clone()
        dist.all_reduce(total)
        start = ctx.workers.rank * ctx.rows
        return total[start : start + ctx.rows], None


@contextmanager
def joined(device: torch.device) -> Iterator[Workers]:
    """Join the processes that torchrun started, or be alone."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    if count == 1:
        yield Workers()
        return
    ours = not dist.is_initialized()
    if ours:
        dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Workers(dist.get_rank(), count, int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        if ours:
            dist.destroy_process_group()
