"""Initial values of training scripts, each a function of (seed, run) alone.

    kaiming      uniform on +-1/sqrt(fan_in), the default of torch.nn.Linear (kaiming_uniform with
                 a = sqrt 5); the fan-in is d for W and n for P
    normal       independent normal entries of variance 1/fan_in
    orthogonal   orthonormal rows or columns, whichever are fewer, Haar distributed

`scale` multiplies both W and P. The target starts as a copy of the encoder.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

INITS = ("kaiming", "normal", "orthogonal")


def initial_matrices(
    init: str, n: int, d: int, *, runs: range, seed: int, scale: float
) -> tuple[Array, Array]:
    """Return W (runs, n, d) and P (runs, n, n); run i is the same whatever the other runs are."""
    if init not in INITS:
        raise FormatError(f"--init {init}: expected one of {', '.join(INITS)}")
    W, P = np.empty((len(runs), n, d)), np.empty((len(runs), n, n))
    for row, run in enumerate(runs):
        generator = np.random.Generator(np.random.Philox(key=[seed, run]))
        W[row] = _draw(init, generator, n, d)
        P[row] = _draw(init, generator, n, n)
    return scale * W, scale * P


def _draw(init: str, generator: np.random.Generator, rows: int, columns: int) -> Array:
    if init == "kaiming":
        return np.asarray(generator.uniform(-1.0, 1.0, (rows, columns)) / np.sqrt(columns))
    gaussian = generator.standard_normal((rows, columns))
    if init == "normal":
        return np.asarray(gaussian / np.sqrt(columns))
    tall = gaussian if rows >= columns else gaussian.T
    q, r = np.linalg.qr(tall)
    q = q * np.sign(np.where(np.diag(r) == 0, 1.0, np.diag(r)))
    return np.asarray(q if rows >= columns else q.T, dtype=np.float64)
