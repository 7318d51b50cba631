"""Linear runs from random starts, watched over time: the weights of all runs at chosen steps."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
import torch

from empirical.linear.batched import BatchedMap, Rates, Second
from empirical.linear.starts import starting_weights
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def starts(model: Model, runs: int, seed: int, scale: float = 1.0) -> tuple[Array, Array]:
    """Return W (runs, n, d) and P (runs, n, n), kaiming times `scale`."""
    found = starting_weights("kaiming", model.n, model.d, runs=range(runs), seed=seed, scale=scale)
    return found["W"], found["P"]


def map_of(model: Model, runs: int, **changed: float) -> BatchedMap:
    """Return the update map of a model for so many runs; `changed` replaces rates by number."""
    given = {
        "h": float(model.h),
        "eta": float(model.eta),
        "alpha": float(model.alpha),
        "eta_p": float(model.eta_p),
        "mu": float(model.mu),
        "nu": float(model.nu),
        **changed,
    }
    rates = Rates(*(torch.full((runs,), value, dtype=torch.float64) for value in given.values()))
    sigma, m = (torch.tensor(part) for part in model.moments.matrices())
    return BatchedMap(model.procedure, rates, Second(sigma, m, sigma), model.n, model.d)


@torch.no_grad()
def follow(
    step: BatchedMap, W: Array, P: Array, at: Iterable[int], T: Array | None = None
) -> dict[str, Array]:
    """Return the weights at the steps `at` (ascending), each of shape (K, runs, ...)."""
    target = None if T is None else torch.tensor(T)
    state = step.start(torch.tensor(W), torch.tensor(P), target)
    seen: list[dict[str, Array]] = []
    now = 0
    for stop in at:
        for _ in range(now, stop):
            step.advance(state)
        now = stop
        seen.append({name: value.numpy().copy() for name, value in state.items()})
    return {name: np.stack([point[name] for point in seen]) for name in seen[0]}


def spaced(steps: int, points: int) -> list[int]:
    """Return step 0 and steps spaced geometrically up to `steps`."""
    ladder = np.unique(np.round(np.geomspace(1, steps, points)).astype(int))
    return [0, *ladder.tolist()]


def norm(matrices: Array) -> Array:
    """Return the Frobenius norm of the last two axes."""
    return np.asarray(np.linalg.norm(matrices, axis=(-2, -1)))
