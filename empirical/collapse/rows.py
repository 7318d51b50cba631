"""Outputs as they come, numpy's or torch's, and their directions: what a verdict looks at.

Every output z is taken as a direction z/|z| of its own, so that one row, however long, weighs one in N.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MOST_ROWS = 2048
"""Rows that are looked at, evenly spread; with so many the errors are a few per cent at most."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The directions of one set of outputs, their lengths, and what was left out."""

    count: int
    """Rows given."""
    width: int
    not_finite: int
    """Rows with a NaN or infinity, in this view or the other."""
    zero: int
    """Rows without a direction among those that were looked at, in this view or the other."""
    unit: Array
    """(N, n), directions."""
    sizes: Array
    """(N,), lengths."""

    @property
    def size(self) -> float:
        """Return the median length, zero rows included; NaN without rows."""
        sizes = np.concatenate([self.sizes, np.zeros(self.zero)])
        return float(np.median(sizes)) if len(sizes) else float("nan")


def rows_of(outputs: Any, other: Any = None) -> list[Rows]:
    """Return the rows of (N, n) outputs, and those of the other view of the same images if given.

    Rows that are zero or not finite in either view are left out of both. Raises `ValueError` for
    what is no matrix of numbers.
    """
    views = [as_matrix(view) for view in ([outputs] if other is None else [outputs, other])]
    if len({view.shape for view in views}) > 1:
        raise ValueError(f"views of shape {views[0].shape} and {views[1].shape}; expected the same")
    finite = np.logical_and.reduce([np.isfinite(view).all(axis=1) for view in views])
    chosen = np.flatnonzero(finite)
    if len(chosen) > MOST_ROWS:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MOST_ROWS).round().astype(np.int64)]
    kept = [view[chosen].astype(np.float64) for view in views]
    peaks = [np.abs(view).max(axis=1, initial=0.0) for view in kept]
    alive = np.logical_and.reduce([peak > 0 for peak in peaks])
    found = []
    for view, peak in zip(kept, peaks, strict=True):
        scaled = view[alive] / peak[alive, None]  # squares neither overflow nor vanish
        lengths = np.sqrt((scaled * scaled).sum(axis=1))
        unit, sizes = scaled / lengths[:, None], peak[alive] * lengths
        lost, zero = int((~finite).sum()), int((~alive).sum())
        found.append(Rows(len(finite), view.shape[1], lost, zero, unit, sizes))
    return found


def as_matrix(outputs: Any) -> NDArray[Any]:
    """Return outputs as a matrix of numpy's; torch's bfloat16 becomes single precision."""
    if hasattr(outputs, "detach"):  # torch's, without importing it
        outputs = outputs.detach().cpu()
        outputs = outputs.float() if str(outputs.dtype) == "torch.bfloat16" else outputs
        outputs = outputs.numpy()
    matrix = np.asarray(outputs)
    if matrix.dtype.kind not in "fiub" or matrix.ndim != 2 or not matrix.size:
        raise ValueError(
            f"outputs of shape {matrix.shape} and type {matrix.dtype}; expected (N, n) numbers, "
            "a row an image"
        )
    return matrix
