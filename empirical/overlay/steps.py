"""One step of the map in NumPy, and its Jacobian: what a run at an equilibrium does next.

    R  = T M - P W Sigma                         (T = W without a moving average)
    W+ = W + h (P^T R - eta W),   P+ = P + h (alpha R W^T - eta_P P),   T+ = mu T + (1 - mu) W+

and with heavy ball v+ = nu v + F, x+ = x + h v+. The state is a dictionary of arrays with any
leading axes. Derivatives of these cubic polynomials are taken with a complex step, which loses no
digit (Squire and Trapp 1998); nothing in a step may conjugate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Values = NDArray[Any]  # real, or complex where a derivative is taken along an imaginary step
    State = Mapping[str, Values]

TINY = 1e-30


def shapes_of(model: Model) -> dict[str, tuple[int, int]]:
    """Return the parts of the state in order: W, P[, T][, VW, VP]."""
    n, d = model.n, model.d
    shapes = {"W": (n, d), "P": (n, n)}
    if model.traits.has_target:
        shapes["T"] = (n, d)
    if model.nu:
        shapes |= {"VW": (n, d), "VP": (n, n)}
    return shapes


def force(model: Model, state: State) -> tuple[Values, Values]:
    """Return (F_W, F_P), what a step adds to W and P over the learning rate."""
    sigma, m = model.moments.matrices()
    W, P = state["W"], state["P"]
    eta, eta_p, alpha = (float(value) for value in (model.eta, model.eta_p, model.alpha))
    if model.traits.family is Family.CONTRASTIVE:
        return W @ m - W @ sigma @ _turned(W) @ W @ sigma - eta * W, np.zeros_like(P)
    if not model.traits.learns_predictor:
        P = _predictor(model, W @ sigma @ _turned(W))
    R = state.get("T", W) @ m - P @ W @ sigma
    pull = _turned(P) @ R - eta * W
    if model.traits.family is Family.JOINT:
        pull = pull + P @ W @ m - W @ sigma
    if not model.traits.learns_predictor:
        return pull, np.zeros_like(P)
    return pull, alpha * R @ _turned(W) - eta_p * P


def _turned(X: Values) -> Values:
    return X.swapaxes(-1, -2)


def _predictor(model: Model, F: Values) -> Values:
    """Return the predictor that a direct procedure computes from the correlation F."""
    if not model.traits.takes_root:
        return F
    values, vectors = np.linalg.eigh((F + _turned(F)) / 2)
    roots = np.sqrt(np.clip(values, 0.0, None))
    return np.asarray((vectors * roots[..., None, :]) @ _turned(vectors))


def advance(
    model: Model, state: State, kick: tuple[Values | float, Values | float] = (0.0, 0.0)
) -> dict[str, Values]:
    """Return the state one step on; `kick` (K_W, K_P) is added to the force, as noise is."""
    h, mu, nu = float(model.h), float(model.mu), float(model.nu)
    drive = [part + extra for part, extra in zip(force(model, state), kick, strict=True)]
    after: dict[str, Values] = {}
    for name, push in zip("WP", drive, strict=True):
        if model.nu:
            push = nu * state["V" + name] + push
            after["V" + name] = push
        after[name] = state[name] + h * push
    if "T" in state:
        after["T"] = mu * state["T"] + (1 - mu) * after["W"]
    return after


def residual(model: Model, state: State) -> Array:
    """Return the largest entry of the force and of (T+ - T)/h: 0 exactly at an equilibrium."""
    parts = [np.abs(part).max(axis=(-1, -2)) for part in force(model, state)]
    if "T" in state:
        lag = float(model.flow_rate) * (state["W"] - state["T"])
        parts.append(np.abs(lag).max(axis=(-1, -2)))
    return np.asarray(np.maximum.reduce(parts))


def jacobian(model: Model, state: State) -> tuple[Array, Array]:
    """Return (A, B), the derivative of a step by the state and by the kick (K_W, K_P).

    State and kick are flattened in the order of `shapes_of`. Raises `ScopeError` for DirectPred,
    whose square root is no polynomial.
    """
    if model.traits.takes_root:
        raise ScopeError("direct-pred: its step is not a polynomial; no Jacobian is taken here")
    shapes = shapes_of(model)
    base = {name: np.asarray(state[name], np.float64) for name in shapes}
    size = sum(value.size for value in base.values())
    seeds = unflatten(np.eye(size), shapes)
    moved = {name: base[name] + 1j * TINY * seeds[name] for name in shapes}
    A = flatten(advance(model, moved), shapes).imag.T / TINY
    kicks = {name: shapes[name] for name in "WP"}
    count = sum(rows * columns for rows, columns in kicks.values())
    seeds = unflatten(np.eye(count), kicks)
    still = {name: np.broadcast_to(base[name], (count, *shapes[name])) for name in shapes}
    pushed = advance(model, still, (1j * TINY * seeds["W"], 1j * TINY * seeds["P"]))
    return A, flatten(pushed, shapes).imag.T / TINY


def flatten(state: State, shapes: Mapping[str, tuple[int, int]]) -> Values:
    """Return the state as one vector, leading axes kept."""
    parts = [state[name].reshape(*state[name].shape[:-2], -1) for name in shapes]
    return np.concatenate(parts, axis=-1)


def unflatten(vector: Values, shapes: Mapping[str, tuple[int, int]]) -> dict[str, Values]:
    """Return a vector as a state; the inverse of `flatten`."""
    found, place = {}, 0
    for name, (rows, columns) in shapes.items():
        part = vector[..., place : place + rows * columns]
        found[name] = part.reshape(*vector.shape[:-1], rows, columns)
        place += rows * columns
    return found
