"""What the representation is good for: weighted kNN and a linear probe, always the final accuracy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

NEIGHBOURS, TEMPERATURE, CHUNK = 20, 0.1, 1024

Labelled = tuple[Tensor, Tensor]
"""Images or features, and their labels."""


@torch.no_grad()
def features_of(network: nn.Module, images: Tensor, chunk: int = 512) -> Tensor:
    """Return the outputs of a network in evaluation mode, in single precision at least."""
    was = network.training
    network.train(False)
    parts = [network(part) for part in torch.split(images, chunk)]
    network.train(was)
    out = torch.cat(parts)
    return out if out.dtype == torch.float64 else out.float()


@torch.no_grad()
def knn(
    bank: Tensor, labels: Tensor, queries: Tensor, truth: Tensor, neighbours: int = NEIGHBOURS
) -> float:
    """Return the accuracy of the nearest neighbours by cosine, votes weighted by exp(cos / 0.1)."""
    return knn_of(lambda: iter([(bank, labels)]), _split(queries, truth), neighbours)


def _split(images: Tensor, labels: Tensor) -> Iterator[Labelled]:
    return zip(torch.split(images, CHUNK), torch.split(labels, CHUNK), strict=True)


@torch.no_grad()
def knn_of(
    bank: Callable[[], Iterator[Labelled]],
    queries: Iterable[Labelled],
    neighbours: int = NEIGHBOURS,
) -> float:
    """Return the same for chunks of images or features, so that all of them are never in memory.

    `bank` starts again at the first chunk each time that it is called, once a chunk of queries.
    """
    right, count = 0, 0
    for part, wanted in queries:
        near = _unit(part)
        cosines, labels = [], []
        for known, given in bank():
            cosines.append(near @ _unit(known).T)
            labels.append(given)
        right += _right(torch.cat(cosines, dim=1), torch.cat(labels), wanted, neighbours)
        count += len(wanted)
    return right / count


def _unit(images: Tensor) -> Tensor:
    return functional.normalize(images.flatten(1), dim=1)


def _right(cosine: Tensor, labels: Tensor, truth: Tensor, neighbours: int) -> int:
    """Return how many of the queries get their label from the votes of the nearest."""
    classes = int(max(labels.max(), truth.max())) + 1
    cosine, index = cosine.topk(min(neighbours, cosine.shape[1]), dim=1)
    votes = torch.zeros(len(truth), classes, dtype=cosine.dtype, device=cosine.device)
    votes.scatter_add_(1, labels[index], torch.exp(cosine / TEMPERATURE))
    return int((votes.argmax(1) == truth).sum())


@torch.no_grad()
def linear_probe(
    bank: Tensor,
    labels: Tensor,
    queries: Tensor,
    truth: Tensor,
    *,
    decay: float = 1e-3,
    iterations: int = 100,
) -> float:
    """Return the accuracy of logistic regression on standardised features (L-BFGS, to the end)."""
    from scipy.optimize import minimize

    mean, deviation = bank.mean(0), bank.std(0).clamp_min(1e-6)
    bank, queries = (bank - mean) / deviation, (queries - mean) / deviation
    classes, width = int(max(labels.max(), truth.max())) + 1, bank.shape[1]

    def unpacked(flat: object) -> Tensor:
        weight = torch.as_tensor(flat, dtype=bank.dtype, device=bank.device)
        return weight.view(classes, width + 1)

    def loss_and_slope(flat: object) -> tuple[float, NDArray[np.float64]]:
        weight = unpacked(flat)
        logits = functional.linear(bank, weight[:, :-1], weight[:, -1])
        slope = (torch.softmax(logits, 1) - functional.one_hot(labels, classes)) / len(bank)
        gradient = torch.cat([slope.T @ bank + decay * weight[:, :-1], slope.sum(0)[:, None]], 1)
        loss = functional.cross_entropy(logits, labels)
        loss = loss + 0.5 * decay * weight[:, :-1].square().sum()
        return float(loss), gradient.double().cpu().numpy().ravel()

    start = torch.zeros(classes * (width + 1), dtype=torch.float64).numpy()
    found = minimize(
        loss_and_slope, start, jac=True, method="L-BFGS-B", options={"maxiter": iterations}
    )
    weight = unpacked(found.x)
    chosen = functional.linear(queries, weight[:, :-1], weight[:, -1]).argmax(1)
    return float((chosen == truth).double().mean())
