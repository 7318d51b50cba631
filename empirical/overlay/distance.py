"""Distance to a component with its symmetry divided out.

A component through (W*, P*, T*), T* = W*, is its orbit under O(n), and, where modes are repeated,
under rotations V of the data that leave the moments alone:

    min over Q, V of |W - Q W* V|^2 + |T - Q W* V|^2 + |P - Q P* Q^T|^2.

The terms in W and T are linear in Q, and Procrustes minimises them alone; P* couples in a quadratic
form. For n = 2 the sum is a trigonometric polynomial of degree 2 in the angle, on rotations and on
reflections, and is minimised over both. For n > 2: after adding c |Q|^2 (constant on O(n)) the
quadratic form is convex, replacing it by its tangent bounds it from below, and the next Q is again
a polar factor, so every step descends. That is the global minimum near the component, where the W
term alone has one well, and an upper bound far away from it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ITERATIONS = 24
ANGLES = 64
SETTLED = 1e-9


def orbit_distance(
    W: Array,
    P: Array | None,
    T: Array | None,
    point: Array,
    predictor: Array,
    blocks: Sequence[Array] = (),
    *,
    iterations: int = ITERATIONS,
) -> Array:
    """Return the distance of each (W, P, T) to the orbit of (point, predictor, point).

    W, T (B, n, d), P (B, n, n); T or P None leaves that term out. `point` (k, d) and `predictor`
    (k, k) may be the core of an equilibrium of rank k <= n, whose other n - k rows are 0: the
    minimum is then over the n x k matrices Q with orthonormal columns. Each of `blocks` (d, g)
    holds an orthonormal basis of data directions that may be rotated among themselves.
    """
    if not np.any(point) and not np.any(predictor):
        squares = [(part**2).sum(axis=(1, 2)) for part in (W, P, T) if part is not None]
        return np.asarray(np.sqrt(np.sum(squares, axis=0)))
    if W.shape[1] == len(point) <= 2 and not blocks:
        Q = _in_the_plane(W, P, T, point, predictor)
        return np.asarray(np.sqrt(_squares(W, P, T, Q, point, predictor)))
    Q = polar(_pull(W, T, point))
    V = np.broadcast_to(np.eye(W.shape[2]), (len(W), W.shape[2], W.shape[2])).copy()
    value = _squares(W, P, T, Q, point, predictor)
    shift = None if P is None else _shift(P, predictor)
    moving = np.arange(len(W))
    for _ in range(iterations):
        w, p, t, c = (None if part is None else part[moving] for part in (W, P, T, shift))
        assert w is not None
        if blocks:
            V[moving] = _turn_data(w if t is None else w + t, Q[moving], point, blocks)
        Q[moving] = _descend(w, p, t, Q[moving], point @ V[moving], predictor, c)
        lower = _squares(w, p, t, Q[moving], point @ V[moving], predictor)
        going = value[moving] - lower > SETTLED * lower
        value[moving] = np.minimum(lower, value[moving])
        if not len(moving := moving[going]):
            break
    return np.asarray(np.sqrt(value))


def _in_the_plane(
    W: Array, P: Array | None, T: Array | None, point: Array, predictor: Array
) -> Array:
    """Return the best Q for n <= 2: the lowest of all angles, then Newton's method on it."""
    n = point.shape[0]
    if n == 1:
        return polar(_pull(W, T, point))
    best, chosen = np.full(len(W), np.inf), np.zeros((len(W), 2, 2))
    for side in (np.eye(2), np.diag([1.0, -1.0])):
        samples = 2 * np.pi * np.arange(5) / 5
        values = [_squares(W, P, T, _rotation(a) @ side, point, predictor) for a in samples]
        # Five values give the five coefficients of a trigonometric polynomial of degree 2.
        c = np.fft.fft(np.stack(values, axis=1), axis=1)[:, 1:3] * (2 / 5)
        angle = _lowest(c[:, 0], c[:, 1])
        Q = _rotation(angle) @ side
        value = _squares(W, P, T, Q, point, predictor)
        better = value < best
        best[better], chosen[better] = value[better], Q[better]
    return chosen


def _lowest(first: NDArray[np.complex128], second: NDArray[np.complex128]) -> Array:
    """Return the angle a that minimises Re(first e^{ia} + second e^{2ia}), for each row."""
    grid = 2 * np.pi * np.arange(ANGLES) / ANGLES
    waves = np.exp(1j * grid)
    values = (first[:, None] * waves + second[:, None] * waves**2).real
    angle = grid[values.argmin(axis=1)]
    for _ in range(6):
        one, two = first * np.exp(1j * angle), second * np.exp(2j * angle)
        slope, bend = (1j * one + 2j * two).real, -(one + 4 * two).real
        step = np.where(bend > 0, slope / np.where(bend > 0, bend, 1.0), 0.0)
        angle = angle - np.clip(step, -0.1, 0.1)
    return np.asarray(angle)


def _rotation(angle: float | Array) -> Array:
    c, s = np.cos(angle), np.sin(angle)
    return np.moveaxis(np.array([[c, -s], [s, c]]), (0, 1), (-2, -1))


def polar(X: Array) -> Array:
    """Return the matrices with orthonormal columns nearest to X (..., n, k), k <= n."""
    left, _, right = np.linalg.svd(X, full_matrices=False)
    return np.asarray(left @ right)


def _pull(W: Array, T: Array | None, point: Array) -> Array:
    return np.asarray((W if T is None else W + T) @ point.swapaxes(-1, -2))


def _descend(
    W: Array,
    P: Array | None,
    T: Array | None,
    Q: Array,
    point: Array,
    predictor: Array,
    shift: Array | None,
) -> Array:
    """Return the next rotation: the polar factor of the gradient of the convex minorant."""
    pull = _pull(W, T, point)
    if P is not None and shift is not None:
        pull = pull + P @ Q @ predictor.T + P.swapaxes(1, 2) @ Q @ predictor
        pull = pull + 2 * shift[:, None, None] * Q
    return polar(pull)


def _shift(P: Array, predictor: Array) -> Array:
    """Return c >= 0 that makes tr(Q^T P Q P*^T) + c |Q|^2 convex in Q."""
    even, odd = (P + P.swapaxes(1, 2)) / 2, (P - P.swapaxes(1, 2)) / 2
    values = np.linalg.eigvalsh(even)
    own = np.linalg.eigvalsh((predictor + predictor.T) / 2)
    ends = values[:, [0, -1], None] * own[[0, -1]]
    skew = np.linalg.norm(odd, axis=(1, 2)) * np.linalg.norm(predictor - predictor.T) / 2
    return np.asarray(np.maximum(0.0, -ends.min(axis=(1, 2))) + skew)


def _turn_data(W: Array, Q: Array, point: Array, blocks: Sequence[Array]) -> Array:
    """Return V, the rotations of the repeated modes that fit best: Procrustes from the right."""
    d = W.shape[2]
    V = np.broadcast_to(np.eye(d), (len(W), d, d)).copy()
    for basis in blocks:
        # |W - Q W* V| over V = B R B^T: R is the polar factor of (W* B)^T Q^T W B.
        fit = polar((point @ basis).T @ Q.swapaxes(1, 2) @ (W @ basis))
        V += basis @ (fit - np.eye(basis.shape[1])) @ basis.T
    return V


def _squares(
    W: Array, P: Array | None, T: Array | None, Q: Array, point: Array, predictor: Array
) -> Array:
    turned = Q @ point
    total = ((W - turned) ** 2).sum(axis=(1, 2))
    if T is not None:
        total = total + ((T - turned) ** 2).sum(axis=(1, 2))
    if P is not None:
        total = total + ((P - Q @ predictor @ Q.swapaxes(-1, -2)) ** 2).sum(axis=(1, 2))
    return np.asarray(total)
