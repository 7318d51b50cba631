"""Unstable directions of equilibria in which two modes mix (T6.5), from the full dense Jacobian.

They are few, never aligned and, as far as anyone has seen, always saddles with two unstable
directions. No block table applies: the directions are eigenvectors of the Jacobian of all rows and
columns of the core.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from equilibria.exact.rationals import to_float
from equilibria.graph.landscape import ROUNDING
from equilibria.graph.starts import EPSILON, NOISE, StartList, weights_for
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component
from equilibria.varieties.noncommuting.dense import Physics, jacobian_flow

Array = NDArray[np.float64]

FAN = 24


def mixed_starts(
    starts: StartList, components: Sequence[Component], random: np.random.Generator
) -> dict[str, int]:
    """Add displaced starts of every component to `starts`; return the indices."""
    return {component.id: _one(starts, component, random) for component in components}


def _one(starts: StartList, component: Component, random: np.random.Generator) -> int:
    landscape, model = starts.landscape, starts.landscape.model
    W, P = _point(starts, component)
    physics = Physics(
        Sigma=np.diag([to_float(mode.s) for mode in landscape.modes]),
        M=np.diag([to_float(mode.m) for mode in landscape.modes]),
        predictor_decay=to_float(model.eta_p),
        encoder_decay=to_float(model.eta),
        alpha=to_float(model.alpha),
    )
    beta = to_float(model.flow_rate) if model.traits.has_target else None
    jacobian = jacobian_flow(P, W, physics, beta=beta)
    values, vectors = np.linalg.eig(jacobian)
    order = np.lexsort((-values.imag, -values.real))
    margin = ROUNDING * float(np.abs(values).max()) * 10
    unstable = [k for k in order if values[k].real > margin]
    axes = _real_axes(vectors[:, unstable], values[unstable])
    eps = EPSILON * float(landscape.gaps.min())
    n2, nd = P.size, W.size
    for weights in _fan(len(axes), random):
        vector = eps * np.tensordot(weights, np.array(axes), axes=1)
        vector = vector + NOISE * eps * random.standard_normal(vector.size)
        moved = W + vector[n2 : n2 + nd].reshape(W.shape)
        target = W + vector[n2 + nd :].reshape(W.shape) if beta is not None else moved
        point = (moved, P + vector[:n2].reshape(P.shape), target)
        starts.add(point, tuple(range(starts.columns)), eps, name=component.id)
    return len(unstable)


def _fan(count: int, random: np.random.Generator) -> list[Array]:
    """Return directions all around a plane, as orbits spiral out; elsewhere the usual ones."""
    if count != 2:
        return weights_for(count, random)
    angles = 2 * np.pi * np.arange(FAN) / FAN
    return [np.array([np.cos(angle), np.sin(angle)]) for angle in angles]


def _real_axes(vectors: Array, values: NDArray[np.complex128]) -> list[Array]:
    """Return real unit vectors that span the eigenvectors; a complex pair gives two."""
    axes = []
    for k, value in enumerate(values):
        part = vectors[:, k].imag if value.imag < 0 else vectors[:, k].real
        axes.append(part / np.linalg.norm(part))
    return axes


def _point(starts: StartList, component: Component) -> tuple[Array, Array]:
    """Return W and P in the mode basis, on the first two rows."""
    rows = {
        letter: np.array([[entry_float(value) for value in row] for row in matrix])
        for letter, matrix in component.representative.items()
    }
    full = rows["W"] @ starts.landscape.model.moments.eigenbasis[2]
    W, P = np.zeros((starts.rows, starts.columns)), np.zeros((starts.rows, starts.rows))
    k = min(starts.rows, full.shape[0])
    W[:k], P[:k, :k] = full[:k], rows["P"][:k, :k]
    return W, P
