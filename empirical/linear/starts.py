"""Where runs start: the initialisations of `equilibria.systems.initial_values`, or weights from a file.

The weights of run i are a function of (seed, i) alone. A file holds W (n, d) or (R, n, d) and P
likewise; one start serves all runs, otherwise there is one for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError
from equilibria.files.untrusted import read_arrays, readable
from equilibria.systems.initial_values import initial_matrices

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def starting_weights(
    init: str, n: int, d: int, *, runs: range, seed: int, scale: float
) -> dict[str, Array]:
    """Return W (runs, n, d) and P (runs, n, n) times `scale`; raises `FormatError` for a bad file."""
    if not init.endswith(".npz"):
        W, P = initial_matrices(init, n, d, runs=runs, seed=seed, scale=scale)
        return {"W": W, "P": P}
    found = read_arrays(init, ("W", "P"), option="--init")
    with readable(f"--init {init}"):
        W, P = (np.asarray(found[name], np.float64) for name in ("W", "P"))
    chosen = {
        "W": _chosen(found["W"], (n, d), runs, init, "W"),
        "P": _chosen(found["P"], (n, n), runs, init, "P"),
    }
    return {name: scale * value for name, value in chosen.items()}


def _chosen(array: Array, shape: tuple[int, int], runs: range, init: str, name: str) -> Array:
    if array.shape == shape:
        return np.broadcast_to(array, (len(runs), *shape)).copy()
    if array.shape[1:] != shape or len(array) < runs.stop or not np.isfinite(array).all():
        raise FormatError(
            f"--init {init}: {name} has shape {array.shape}, expected finite numbers of shape {shape} "
            f"or one such matrix for each of the runs"
        )
    return array[runs.start : runs.stop].copy()
