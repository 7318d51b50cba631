"""SGD with heavy ball and LARS, with a group of their own for the predictor's parameters.

The updates are those of torch.optim.SGD (tested against it). They are written here because importing
torch.optim's classes loads torch's compiler, two seconds before the first step; all parameters of a
group move in a few multi-tensor calls.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import torch
from torch import Tensor

from empirical.networks.learner import Learner
from empirical.networks.settings import Settings

TRUST = 1e-3


@dataclass
class Group:
    """Parameters that share a learning rate and a decay; `buffers` hold the momentum."""

    name: str
    names: list[str]
    parameters: list[Tensor]
    ratio: float
    decay: float
    buffers: list[Tensor] = field(default_factory=list)


@dataclass
class Optimiser:
    """Moves the groups' parameters; `lars` scales each matrix's step by its own length."""

    groups: list[Group]
    momentum: float
    lars: bool = False

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for group in self.groups:
            for parameter in group.parameters:
                parameter.grad = None

    @torch.no_grad()
    def step(self, rates: dict[str, float]) -> None:
        """Move every parameter: v = nu v + (grad + decay w), w = w - rate v."""
        for group in self.groups:
            gradients = [g for p in group.parameters if (g := p.grad) is not None]
            if len(gradients) != len(group.parameters):
                raise RuntimeError(f"a parameter of the {group.name} took no part in the loss")
            self._move(group, gradients, rates[group.name])

    def _move(self, group: Group, gradients: list[Tensor], rate: float) -> None:
        if self.lars:
            gradients = _layerwise(group.parameters, gradients, group.decay)
        elif group.decay:
            gradients = list(torch._foreach_add(gradients, group.parameters, alpha=group.decay))
        if self.momentum:
            if not group.buffers:
                group.buffers = [torch.zeros_like(p) for p in group.parameters]
            torch._foreach_mul_(group.buffers, self.momentum)
            torch._foreach_add_(group.buffers, gradients)
            gradients = group.buffers
        torch._foreach_add_(group.parameters, gradients, alpha=-rate)

    def tensors(self) -> dict[str, Tensor]:
        """Return the momentum buffers by the parameters' names."""
        return {
            name: buffer
            for group in self.groups
            for name, buffer in zip(group.names, group.buffers, strict=False)
        }

    @torch.no_grad()
    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Put the momentum buffers of a checkpoint in place."""
        for group in self.groups:
            if all(name in tensors for name in group.names):
                group.buffers = [
                    torch.zeros_like(p).copy_(tensors[name])
                    for name, p in zip(group.names, group.parameters, strict=True)
                ]


def _layerwise(parameters: list[Tensor], gradients: list[Tensor], decay: float) -> list[Tensor]:
    """Return LARS's directions: matrices at a fixed fraction of their length, vectors plain.

    Source: You, Gitman and Ginsburg 2017; biases and batch norm have no decay.
    """
    moved = []
    for parameter, gradient in zip(parameters, gradients, strict=True):
        if parameter.ndim > 1:
            gradient = gradient.add(parameter, alpha=decay)
            length, steep = parameter.norm(), gradient.norm()
            known = (length > 0) & (steep > 0)
            gradient = gradient * torch.where(known, TRUST * length / steep, 1.0)
        moved.append(gradient)
    return moved


def optimiser_of(learner: Learner, settings: Settings) -> Optimiser:
    """Return the optimiser; the predictor has rate ALPHA h and loses ETA_P h of itself a step.

    The decay is multiplied by the group's rate, hence ETA_P / ALPHA. Nothing is exempt from decay
    with SGD (as SimSiam); LARS exempts vectors, that is biases and batch norm.
    """
    alpha = settings.predictor_lr
    groups = []
    for name, ratio, decay in (
        ("online", 1.0, settings.weight_decay),
        ("predictor", alpha, settings.decay_of_predictor / alpha),
    ):
        trained = {
            f"{name}.{key}": p
            for key, p in getattr(learner, name).named_parameters()
            if p.requires_grad
        }
        if trained:
            groups.append(Group(name, list(trained), list(trained.values()), ratio, decay))
    return Optimiser(groups, settings.momentum, settings.optimizer == "lars")


def rates_at(optimiser: Optimiser, settings: Settings, step: int, steps: int) -> dict[str, float]:
    """Return the learning rate of each group in a step."""
    kinds = {"online": settings.schedule, "predictor": settings.predictor_schedule}
    return {
        group.name: settings.lr
        * group.ratio
        * shape(kinds[group.name], step, steps, settings.warmup)
        for group in optimiser.groups
    }


def shape(kind: str, step: int, steps: int, warmup: int) -> float:
    """Return the factor on the learning rate: linear warm-up, then constant or a half cosine."""
    if step < warmup:
        return (step + 1) / warmup
    if kind == "constant":
        return 1.0
    return (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup))) / 2
