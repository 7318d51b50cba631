"""A deep ReLU network without biases, and the connections through which a layer acts on the output.

With f_0 = x, f_l = relu(W_l f_{l-1}) below the top and a linear top layer, the output is linear in
the weights of any one layer as long as no gate flips:

    f(x) = J_l(x) W_l f_{l-1}(x) = K_l(x)' vec(W_l),      K_l(x) = f_{l-1}(x) kron J_l(x)',

where J_l is the Jacobian of the output with respect to the pre-activation of layer l and vec stacks
columns. Source: Tian, Yu, Chen, Ganguli 2020, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor


def relu_network(widths: Sequence[int], *, seed: int = 0) -> tuple[Tensor, ...]:
    """Return weights W_1, ..., W_L, W_l of shape (widths[l], widths[l-1]), Gaussian after He et al.

    A function of the seed alone: NumPy's generator, so that it does not depend on torch's version.
    """
    g = np.random.default_rng([seed, len(widths)])
    return tuple(
        torch.tensor(g.normal(0.0, np.sqrt(2.0 / inputs), (outputs, inputs)))
        for inputs, outputs in pairwise(widths)
    )


def outputs(weights: Sequence[Tensor], x: Tensor) -> Tensor:
    """Return f(x) of shape (P, d) for inputs x of shape (P, widths[0])."""
    for weight in weights[:-1]:
        x = torch.relu(x @ weight.T)
    return x @ weights[-1].T


def connections(weights: Sequence[Tensor], x: Tensor) -> tuple[Tensor, ...]:
    """Return K_1, ..., K_L, K_l of shape (P, widths[l-1] * widths[l], d), for x of (P, widths[0])."""
    below, gates = [x], []
    for weight in weights[:-1]:
        before = below[-1] @ weight.T
        gates.append((before > 0).to(x.dtype))
        below.append(torch.relu(before))
    d = len(weights[-1])
    jacobian = torch.eye(d, dtype=x.dtype).expand(len(x), d, d)
    found = [_kron(below[-1], jacobian)]
    for layer in range(len(weights) - 2, -1, -1):
        jacobian = (jacobian @ weights[layer + 1]) * gates[layer][:, None, :]
        found.append(_kron(below[layer], jacobian))
    return tuple(reversed(found))


def _kron(below: Tensor, jacobian: Tensor) -> Tensor:
    """Return f kron J' for f of shape (P, m) and J of shape (P, d, n): shape (P, m n, d)."""
    return torch.einsum("pj,pci->pjic", below, jacobian).flatten(1, 2)


def vec(weight: Tensor) -> Tensor:
    """Return the columns of a matrix of shape (n, m) under one another: shape (m n,)."""
    return weight.T.reshape(-1)
