"""trajectory.npz: the weights over time, of one run or of many.

    step    (K,)           int64, ascending
    W       (K, R, n, d)   encoder of R runs; a network's single run has no axis R: (K, n, d)
    P       (K, R, n, n)   predictor
    T       (K, R, n, d)   target, where the procedure has one
    Sigma   (d, d)         moments of the data; (K, d, d) where they change over time
    M       (d, d)

All float64. Runs of `simulate` add, one value a run, `final_step`, `final_W`, `final_P`[, `final_T`],
`final_change` (largest change of an entry in the last step), `final_residual` (the same over the
learning rate: how far the point is from an equilibrium of the flow), `stratum` (component id, "" for
none) and `status` (settled, running or diverged).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from equilibria.errors import FormatError
from equilibria.files.untrusted import read_arrays
from equilibria.files.write import atomic

if TYPE_CHECKING:
    from numpy.typing import NDArray

Arrays: TypeAlias = "Mapping[str, NDArray[Any]]"
"""Arrays of any type by name, as in a file of NumPy."""


def save(path: Path, arrays: Arrays) -> None:
    """Write the arrays atomically, real ones as float64; shapes are checked first."""
    import numpy as np

    ready = {
        name: np.asarray(value, np.float64)
        if np.asarray(value).dtype.kind == "f"
        else np.asarray(value)
        for name, value in arrays.items()
    }
    check(ready, str(path))
    with atomic(path, "--out", binary=True) as stream:
        np.savez(stream, **ready)  # type: ignore[arg-type]


def load(path: Path) -> Arrays:
    """Return the arrays of a trajectory; nothing is unpickled, and shapes are checked."""
    if not path.is_file():
        raise FormatError(f"{path}: no such file; the run has not written its trajectory yet")
    arrays = read_arrays(path)
    check(arrays, str(path))
    return arrays


def check(arrays: Arrays, source: str) -> None:
    """Raise `FormatError` unless names, dimensions and types are those of a trajectory."""
    missing = [name for name in ("step", "W", "P", "Sigma", "M") if name not in arrays]
    if missing:
        raise FormatError(f"{source}: no array `{missing[0]}`, so it is not a trajectory")
    W = arrays["W"]
    if W.ndim not in (3, 4):
        raise FormatError(f"{source}: W has shape {W.shape}, expected (K, n, d) or (K, runs, n, d)")
    steps, (*runs, n, d) = W.shape[0], W.shape[1:]
    expected = {"step": [(steps,)], "P": [(steps, *runs, n, n)], "T": [(steps, *runs, n, d)]}
    expected |= {name: [(d, d), (steps, d, d)] for name in ("Sigma", "M")}
    for name, shapes in expected.items():
        if name in arrays and arrays[name].shape not in shapes:
            wanted = " or ".join(map(str, shapes))
            raise FormatError(f"{source}: {name} has shape {arrays[name].shape}, expected {wanted}")
    for name in ("W", "P", "T", "Sigma", "M"):
        if name in arrays and arrays[name].dtype.kind != "f":
            raise FormatError(f"{source}: {name} holds {arrays[name].dtype}, expected float64")
