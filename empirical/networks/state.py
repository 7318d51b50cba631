"""Everything that training changes, as one flat dictionary of tensors, and back.

Order and augmentation are functions of (seed, step), so no generator has a state to keep.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from empirical.networks.optimiser import Optimiser
from equilibria.errors import FormatError

LEARNER, MOMENTUM = "learner.", "momentum."


def tensors_of(learner: nn.Module, optimiser: Optimiser) -> dict[str, Tensor]:
    """Return weights, buffers and momentum buffers by name."""
    weights = {LEARNER + name: value for name, value in learner.state_dict().items()}
    return weights | {MOMENTUM + name: value for name, value in optimiser.tensors().items()}


@torch.no_grad()
def restore(
    learner: nn.Module, optimiser: Optimiser, tensors: Mapping[str, Tensor], source: str
) -> None:
    """Put a checkpoint's tensors in place; raises `FormatError` when it is another network's."""
    for name, value in learner.state_dict().items():
        found = tensors.get(LEARNER + name)
        if found is None or found.shape != value.shape:
            shape = "is missing" if found is None else f"has shape {tuple(found.shape)}"
            raise FormatError(
                f"{source}: {name} {shape}, this network has {tuple(value.shape)}; "
                "resume with the settings of the run"
            )
        value.copy_(found)
    optimiser.restore(
        {n.removeprefix(MOMENTUM): t for n, t in tensors.items() if n.startswith(MOMENTUM)}
    )


def not_finite(learner: nn.Module) -> str | None:
    """Return the name of the first tensor with a value that is not finite."""
    for name, value in learner.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            return name
    return None
