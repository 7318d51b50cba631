"""A network with the shape of the tree, trained on pairs of samples that share the root only.

At every node above the leaves a linear layer (with bias) of `hid` units reads the ReLU of its
children's units; a leaf is one number, 0 or 1. The root's units, divided by their length, are the
output. Several trees are trained at once, each with a network of its own: all arrays have the trees
first, and the gradient of the sum of their losses is that of each.

The loss compares means over the batch and over the units, D_+ of (f - f_+)^2 and D_- of (f - f_-)^2:

    simp    D_+ - D_-
    nce     -e_+/(e_+ + e_-),  e = exp(-D/tau)

as the authors' program does; `nce` has no logarithm there. Source: Tian, Yu, Chen, Ganguli 2020.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from torch import Tensor

from empirical.experiments.dual.tree import HELD_OUT, Tree, best_correlation, sample, triplet

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

EPS = 1e-4


@dataclass(frozen=True)
class Training:
    """How the networks are trained; the defaults are the paper's, but for `steps`."""

    loss: Literal["nce", "simp"] = "nce"
    hid: int = 10
    tau: float = 0.1
    lr: float = 0.1
    batch: int = 128
    steps: int = 2000
    share_root: bool = True
    """False gives positives that share nothing: the control, from which there is nothing to learn."""


@dataclass(frozen=True)
class Node:
    """One level of the networks: weight (R, nodes, inputs, hid) and bias (R, nodes, 1, hid)."""

    weight: Tensor
    bias: Tensor


def build(trees: Sequence[Tree], hid: int, *, seed: int = 0) -> tuple[Node, ...]:
    """Return the networks from the level above the leaves to the root; entries uniform in
    plus or minus 1/sqrt(inputs), as in torch's linear layer, but from NumPy's generator."""
    first = trees[0]
    generators = [np.random.default_rng([seed, tree.seed, hid]) for tree in trees]
    levels = []
    for level in range(first.depth - 1, -1, -1):
        inputs = first.children * (1 if level == first.depth - 1 else hid)
        bound = 1 / np.sqrt(inputs)
        shapes = [(first.size(level), inputs, hid), (first.size(level), 1, hid)]
        weight, bias = (
            torch.tensor(np.stack([g.uniform(-bound, bound, s) for g in generators]))
            for s in shapes
        )
        levels.append(Node(weight.float(), bias.float()))
    return tuple(levels)


def hidden(levels: Sequence[Node], leaves: Tensor) -> tuple[Tensor, ...]:
    """Return pre-activations (R, nodes, B, hid) of each level, for leaves of shape (R, B, leaves)."""
    below = leaves.transpose(1, 2)[..., None]  # (R, leaves, B, 1)
    found = []
    for level in levels:
        r, nodes, inputs, hid = level.weight.shape
        _, many, b, units = below.shape
        parts = torch.relu(below) @ level.weight.reshape(r, many, units, hid)  # one for each child
        below = parts.view(r, nodes, inputs // units, b, hid).sum(dim=2) + level.bias
        found.append(below)
    return tuple(found)


def outputs(levels: Sequence[Node], leaves: Tensor) -> Tensor:
    """Return the outputs of shape (R, B, hid), of length 1 (but for EPS)."""
    top = hidden(levels, leaves)[-1][:, 0]
    length: Tensor = torch.linalg.vector_norm(top, dim=2, keepdim=True)
    return top / (length + EPS)


def losses(views: Sequence[Tensor], training: Training) -> Tensor:
    """Return the loss of each network, shape (R,), for outputs of anchors, positives, negatives."""
    anchor, positive, negative = views
    near = (anchor - positive).square().mean(dim=(1, 2))
    far = (anchor - negative).square().mean(dim=(1, 2))
    if training.loss == "simp":
        return near - far
    return -torch.sigmoid((far - near) / training.tau)


def train(
    trees: Sequence[Tree], levels: Sequence[Node], training: Training, *, start: int = 0
) -> tuple[Node, ...]:
    """Return the networks after `steps` steps of SGD, each step on samples not seen before."""
    parameters = [
        p.clone().requires_grad_(True) for level in levels for p in (level.weight, level.bias)
    ]
    moved = tuple(Node(*parameters[i : i + 2]) for i in range(0, len(parameters), 2))
    optimiser = torch.optim.SGD(parameters, lr=training.lr)
    for step in range(start, start + training.steps):
        views = _batch(trees, training, step)
        optimiser.zero_grad()
        joint = torch.chunk(outputs(moved, torch.cat(views, dim=1)), 3, dim=1)
        torch.autograd.backward(losses(joint, training).sum())
        optimiser.step()
    return tuple(Node(level.weight.detach(), level.bias.detach()) for level in moved)


def _batch(trees: Sequence[Tree], training: Training, step: int) -> list[Tensor]:
    """Return the leaves of anchors, positives and negatives, each of shape (R, B, leaves)."""
    first = step * training.batch
    found = [triplet(tree, first, training.batch) for tree in trees]
    if not training.share_root:
        found = [(a, sample(t, first, training.batch, stream=HELD_OUT + 1)[-1], n)
                 for t, (a, _, n) in zip(trees, found, strict=True)]  # fmt: skip
    return [torch.tensor(np.stack(view), dtype=torch.float32) for view in zip(*found, strict=True)]


def correlations(trees: Sequence[Tree], levels: Sequence[Node], count: int) -> tuple[Array, ...]:
    """Return the best |correlation| of each node's units with its latent, on `count` held-out samples.

    One array of shape (R, nodes) for each level, the root first.
    """
    drawn = [sample(tree, 0, count, stream=HELD_OUT) for tree in trees]
    leaves = torch.tensor(np.stack([levels_[-1] for levels_ in drawn]), dtype=torch.float32)
    with torch.no_grad():
        units = hidden(levels, leaves)
    found = []
    for level, pre in enumerate(reversed(units)):
        arrays = pre.double().transpose(1, 2).numpy()  # (R, B, nodes, hid)
        found.append(
            np.stack([best_correlation(a, d[level]) for a, d in zip(arrays, drawn, strict=True)])
        )
    return tuple(found)
