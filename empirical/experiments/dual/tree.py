"""The hierarchical latent tree model, and the best that its leaves can tell about each latent.

A complete tree of binary variables: the root is 0 or 1 with equal probability, a child equals its
parent with probability (1 + rho)/2, |rho| uniform in [low, high] with a random sign, one rho an edge.
The leaves are the input. Two views of a sample share the root and nothing else.

Every draw is a function of (seed, stream, index): a counter-based generator jumps to the index, so
that a sample does not depend on the batch in which it is asked for. Level 0 is the root, level
`depth` the leaves. Source: Tian, Yu, Chen, Ganguli 2020, section 5, with the settings of the authors'
released configuration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Bits = NDArray[np.bool_]

ANCHOR, POSITIVE, NEGATIVE, HELD_OUT = range(4)
"""Streams of samples."""


@dataclass(frozen=True)
class Tree:
    """A tree; `rho[l]` of shape (children**(l+1),) belongs to the edges into level l + 1."""

    depth: int
    children: int
    seed: int
    rho: tuple[Array, ...]

    def size(self, level: int) -> int:
        """Return the number of nodes of a level."""
        return int(self.children**level)

    @property
    def nodes(self) -> int:
        """Return the number of all nodes."""
        return sum(self.size(level) for level in range(self.depth + 1))


def grow(
    depth: int = 5, *, children: int = 2, low: float = 0.8, high: float = 1.0, seed: int = 0
) -> Tree:
    """Return a tree with `depth` levels below the root, |rho| uniform in [low, high]."""
    if depth < 1 or children < 1 or not 0 <= low <= high <= 1:
        raise ValueError(f"no such tree: depth {depth}, children {children}, rho {low} to {high}")
    g = np.random.default_rng([seed, depth, children])
    rho = []
    for level in range(1, depth + 1):
        size = children**level
        rho.append(g.uniform(low, high, size) * g.choice([-1.0, 1.0], size))
    return Tree(depth, children, seed, tuple(rho))


def sample(
    tree: Tree, start: int, count: int, *, stream: int = ANCHOR, root: Bits | None = None
) -> tuple[Bits, ...]:
    """Return samples start, ..., start + count - 1: one array of shape (count, nodes) a level.

    With `root` of shape (count,) the roots are given and everything below them is drawn.
    """
    blocks = -(-tree.nodes // 4)  # the generator makes four numbers at each count
    bits = np.random.Philox(key=[tree.seed, stream], counter=start * blocks)
    u = np.random.Generator(bits).random((count, 4 * blocks))
    levels = [u[:, :1] < 0.5 if root is None else root[:, None]]
    used = 1
    for level in range(1, tree.depth + 1):
        flips = u[:, used : used + tree.size(level)] < (1 - tree.rho[level - 1]) / 2
        used += tree.size(level)
        levels.append(np.repeat(levels[-1], tree.children, axis=1) ^ flips)
    return tuple(levels)


def triplet(tree: Tree, start: int, count: int) -> tuple[Bits, Bits, Bits]:
    """Return leaves of anchors, of positives (same root, all else drawn anew) and of negatives."""
    anchor = sample(tree, start, count, stream=ANCHOR)
    positive = sample(tree, start, count, stream=POSITIVE, root=anchor[0][:, 0])
    negative = sample(tree, start, count, stream=NEGATIVE)
    return anchor[-1], positive[-1], negative[-1]


def posterior_means(tree: Tree, leaves: Bits) -> tuple[Array, ...]:
    """Return E[s | leaves below] for s = 1 - 2z in {1, -1}: one array (count, nodes) a level.

    Belief propagation upwards: the log-odds of a node are the sum over its children c of
    log((1 + rho_c m_c)/(1 - rho_c m_c)), with m_c their posterior means.
    """
    means = [1.0 - 2.0 * leaves]
    for level in range(tree.depth, 0, -1):
        said = np.clip(tree.rho[level - 1] * means[-1], -1 + 1e-15, 1 - 1e-15)
        odds = 2 * np.arctanh(said)
        grouped = odds.reshape(len(leaves), tree.size(level - 1), tree.children)
        means.append(np.tanh(grouped.sum(axis=2) / 2))
    return tuple(reversed(means))


def ceilings(tree: Tree, levels: tuple[Bits, ...]) -> tuple[Array, ...]:
    """Return, for each node above the leaves, the correlation of its posterior mean with it.

    No function of the leaves below a node correlates more with its latent (Cauchy and Schwarz);
    estimated on the sample. One array of shape (nodes,) a level.
    """
    means = posterior_means(tree, levels[-1])
    return tuple(
        best_correlation(mean[:, :, None], latent)
        for mean, latent in zip(means[:-1], levels[:-1], strict=True)
    )


def best_correlation(units: Array, latent: Bits) -> Array:
    """Return max over units of |Pearson correlation| with the latent of each node: shape (nodes,).

    `units` has shape (count, nodes, hid), `latent` (count, nodes); a constant unit counts as 0.
    """
    x = units - units.mean(axis=0)
    z = latent - latent.mean(axis=0)
    scale = np.sqrt((x**2).sum(axis=0) * (z**2).sum(axis=0)[:, None])
    shared = np.abs(np.einsum("bnh,bn->nh", x, z))
    each = np.where(scale > 0, shared / np.where(scale > 0, scale, 1.0), 0.0)
    return np.asarray(each.max(axis=1))
