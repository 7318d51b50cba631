"""The moving-average target: T+ = mu T + (1 - mu) W+, after the optimiser's step.

Source: Grill et al. 2020. One fused `lerp` over all parameters; nothing of it is differentiated.
"""

from __future__ import annotations

import copy
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def target_of(module: Module) -> Module:
    """Return a copy of an online network that receives no gradient."""
    return copy.deepcopy(module).requires_grad_(False)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, momentum: float) -> None:
    """Move the target's parameters towards the online network's; call it after the optimiser.

    At momentum 0 the target becomes the online network. Buffers (statistics of a batch norm) are
    left alone: the target keeps its own.
    """
    pairs = zip(target.parameters(), online.parameters(), strict=True)
    targets, sources = zip(*pairs, strict=True)
    torch._foreach_lerp_(list(targets), list(sources), 1.0 - momentum)
