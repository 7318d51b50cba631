"""Moments of time series: Sigma = E[x x^T] and M = E[y x^T] with y the state some steps later.

One pass over batches of consecutive steps (or of whole series where there are many); standard errors
are those of batch means and of the jackknife over batches, so that they respect the correlation in time
as long as a batch is longer than it. Source: Flegal and Jones, "Batch means and spectral variance
estimators in Markov chain Monte Carlo", 2010.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equilibria.data.moments import MAX_DIMENSION
from equilibria.errors import FormatError
from equilibria.files.untrusted import check_file, printable, read_arrays, readable
from equilibria.files.write import atomic

Array = NDArray[np.float64]

BATCHES = 32
FEWEST = 8
SHORTEST = 4
MOST_SUMS = 2**27
"""Doubles held for the sums of all batches."""


@dataclass(frozen=True)
class SequenceEstimate:
    """Sigma and M (d, d) in units of `scale`, with standard errors; `values` are those of M Sigma^-1."""

    Sigma: Array
    M: Array
    Sigma_se: Array
    M_se: Array
    values: NDArray[np.complex128]
    values_se: Array
    correlations: Array
    correlations_se: Array
    asymmetry: float
    asymmetry_se: float
    scale: float
    series: int
    steps: int
    lag: int
    batches: int


Series = NDArray[Any]
"""(N, T, d), of any real type."""


def load_series(spec: str) -> Series:
    """Return the array in `FILE.npy` or `FILE.npz[:KEY]`: (T, d), or (N, T, d) for N series.

    Nothing is unpickled; an `.npy` file is mapped. Raises `FormatError` for everything else.
    """
    path, _, key = spec.partition(".npz:")
    path, wanted = (f"{path}.npz", (key,)) if key else (spec, None)
    where = f"--sequence {printable(path)}"
    if os.path.splitext(path)[1].lower() == ".npy":
        check_file(path, where)
        with readable(where, "not a NumPy .npy file of plain numbers"):
            array: Series = np.load(path, mmap_mode="r", allow_pickle=False)
    else:
        found = read_arrays(path, wanted, option="--sequence")
        if len(found) != 1:
            names = ", ".join(map(printable, sorted(found)))
            raise FormatError(f"{where}: holds {names}; say which by {printable(path)}:NAME")
        array = next(iter(found.values()))
    if array.dtype.kind not in "iuf" or array.ndim not in (2, 3) or 0 in array.shape:
        raise FormatError(
            f"{where}: shape {array.shape} of {array.dtype}, expected numbers of shape (T, d) or "
            "(N, T, d)"
        )
    if array.shape[-1] > MAX_DIMENSION:
        raise FormatError(f"{where}: d = {array.shape[-1]}, at most {MAX_DIMENSION}")
    return array if array.ndim == 3 else array[None]


def estimate_sequence(
    series: Series,
    *,
    lag: int = 1,
    components: int | None = None,
    center: bool = True,
    normalize: str = "largest",
    reversible: bool = False,
) -> SequenceEstimate:
    """Return the moments of series (N, T, d), y being x a `lag` later.

    `reversible` takes the symmetric part of M, as for a process that looks alike backwards. Raises
    `FormatError` for series too short for the lag and for values that are not finite.
    """
    count, steps, _ = series.shape
    sums = _all_sums(series, lag, components, center=center)
    left, right, weights = (np.array(part) for part in zip(*sums, strict=True))
    if reversible:
        right = (right + right.transpose(0, 2, 1)) / 2
    sigma, m = _means(left, right, weights)
    scale = _scale(sigma, normalize)
    spread = _jackknife(left, right, weights)
    values, correlations, asymmetry = _statistics(sigma, m)
    return SequenceEstimate(
        Sigma=sigma / scale,
        M=m / scale,
        Sigma_se=_error(left, weights) / scale,
        M_se=_error(right, weights) / scale,
        values=values,
        values_se=spread[0],
        correlations=correlations,
        correlations_se=spread[1],
        asymmetry=asymmetry,
        asymmetry_se=float(spread[2]),
        scale=scale,
        series=count,
        steps=steps,
        lag=lag,
        batches=len(sums),
    )


def _all_sums(
    series: Series, lag: int, components: int | None, *, center: bool
) -> list[tuple[Array, Array, float]]:
    """Return the sums over each batch, of the leading components where their number is given."""
    count, steps, d = series.shape
    if steps - lag < 1:
        raise FormatError(f"--lag {lag}: the series have {steps} steps; take a smaller lag")
    spans = _batches(count, steps - lag, d)
    mean = _mean(series) if center else np.zeros(d)
    sums = [_sums(series, span, lag, mean) for span in spans]
    return sums if components is None else _projected(sums, components)


def _error(sums: Array, weights: Array) -> Array:
    """Return the standard error of a mean from its batches."""
    spread = (sums / weights[:, None, None]).std(axis=0, ddof=1)
    return np.asarray(spread / np.sqrt(len(sums)))


def _scale(sigma: Array, normalize: str) -> float:
    top = np.linalg.eigvalsh(sigma)
    scale = {"largest": top[-1], "mean": top.mean(), "none": 1.0}[normalize]
    if not scale > 0:
        raise FormatError("--sequence: the series do not vary; there is nothing to predict")
    return float(scale)


Span = tuple[slice, slice]


def _batches(count: int, pairs: int, d: int) -> list[Span]:
    """Return (series, times) of the batches: whole series, or consecutive steps of one."""
    most = max(FEWEST, min(BATCHES, MOST_SUMS // (2 * d * d)))
    if count >= FEWEST:
        edges = np.linspace(0, count, min(most, count) + 1).astype(int)
        return [(slice(a, b), slice(0, pairs)) for a, b in pairwise(edges)]
    each = min(most // count, pairs // SHORTEST)
    if each * count < FEWEST:
        raise FormatError(
            f"--sequence: {count} series of {pairs} pairs are too short for standard errors; "
            f"{FEWEST} batches of {SHORTEST} steps are needed"
        )
    edges = np.linspace(0, pairs, each + 1).astype(int)
    return [(slice(n, n + 1), slice(a, b)) for n in range(count) for a, b in pairwise(edges)]


def _mean(series: Series) -> Array:
    """Return the mean over series and time."""
    total = sum(np.asarray(one, dtype=np.float64).sum(axis=0) for one in series)
    return np.asarray(total / (series.shape[0] * series.shape[1]))


def _sums(series: Series, span: Span, lag: int, mean: Array) -> tuple[Array, Array, float]:
    """Return the sums of x x^T and y x^T over one batch, and the number of pairs."""
    which, times = span
    d = series.shape[2]
    left, right, count = np.zeros((d, d)), np.zeros((d, d)), 0
    for one in series[which]:
        window = np.asarray(one[times.start : times.stop + lag], dtype=np.float64) - mean
        if not np.isfinite(window).all():
            raise FormatError("--sequence: holds values that are not finite; leave those steps out")
        x, y = window[:-lag], window[lag:]
        left += x.T @ x
        right += y.T @ x
        count += len(x)
    return left, right, float(count)


def _projected(
    sums: list[tuple[Array, Array, float]], components: int
) -> list[tuple[Array, Array, float]]:
    """Project the sums onto the leading principal components of all."""
    total = np.sum([left for left, _, _ in sums], axis=0)
    d = len(total)
    if not 1 <= components <= d:
        raise FormatError(f"--components {components}: expected a whole number from 1 to {d}")
    basis = np.linalg.eigh(total)[1][:, ::-1][:, :components]
    return [(basis.T @ a @ basis, basis.T @ b @ basis, count) for a, b, count in sums]


def _means(left: Array, right: Array, weights: Array) -> tuple[Array, Array]:
    total = weights.sum()
    return left.sum(axis=0) / total, right.sum(axis=0) / total


def _statistics(sigma: Array, m: Array) -> tuple[NDArray[np.complex128], Array, float]:
    """Return the eigenvalues of M Sigma^-1, canonical correlations and |M - M^T|/|M|."""
    values, vectors = np.linalg.eigh(sigma)
    floor = len(values) * np.finfo(float).eps * max(values[-1], 0.0)
    if values[0] <= floor:
        raise FormatError(
            "--sequence: Sigma is singular: some directions do not vary; take fewer by --components K"
        )
    root = (vectors / np.sqrt(values)) @ vectors.T
    between = root @ m @ root
    found = np.linalg.eigvals(between).astype(np.complex128)
    order = np.lexsort((-found.imag, -np.round(np.abs(found), 12)))
    asymmetry = float(np.linalg.norm(m - m.T) / np.linalg.norm(m)) if m.any() else 0.0
    return found[order], np.linalg.svd(between, compute_uv=False), asymmetry


def _jackknife(left: Array, right: Array, weights: Array) -> tuple[Array, Array, Array]:
    """Return standard errors of |eigenvalues|, correlations and asymmetry, leaving batches out."""
    total = left.sum(axis=0), right.sum(axis=0), weights.sum()
    rows: list[tuple[Array, Array, float]] = []
    for a, b, count in zip(left, right, weights, strict=True):
        rest = total[2] - count
        values, correlations, asymmetry = _statistics((total[0] - a) / rest, (total[1] - b) / rest)
        rows.append((np.abs(values), correlations, asymmetry))
    factor = np.sqrt((len(rows) - 1) ** 2 / len(rows))
    sizes, correlations, asymmetries = (np.array(part) for part in zip(*rows, strict=True))
    return (
        factor * sizes.std(axis=0, ddof=1),
        factor * correlations.std(axis=0, ddof=1),
        factor * asymmetries.std(ddof=1),
    )


def save_sequence(path: str | Path, estimate: SequenceEstimate) -> None:
    """Write Sigma, M, their standard errors and what they were measured from, atomically."""
    arrays: dict[str, Any] = {
        name: getattr(estimate, name)
        for name in ("Sigma", "M", "Sigma_se", "M_se", "correlations", "correlations_se")
    }
    for name in ("asymmetry", "asymmetry_se", "scale", "lag", "steps", "series"):
        arrays[name] = np.array(getattr(estimate, name))
    savez: Callable[..., None] = np.savez  # its stub mistakes ** for its keyword arguments
    with atomic(path, "--out", binary=True) as stream:
        savez(stream, **arrays)


def sequence_lines(estimate: SequenceEstimate, path: str) -> list[str]:
    """Return the summary that `moments --sequence` prints."""
    e = estimate
    plural = "" if e.series == 1 else f"{e.series} series of "
    sigma = np.linalg.eigvalsh(e.Sigma)[::-1]
    lines = [
        f"{plural}{e.steps} steps, y = x {e.lag} step{'' if e.lag == 1 else 's'} later; errors from "
        f"{e.batches} batches",
        f"d = {len(sigma)}; Sigma and M divided by {e.scale:.6g}",
        "",
        f"  eigenvalues of Sigma      {_some([f'{value:.4g}' for value in sigma])}",
        f"  eigenvalues of M/Sigma    {_some(list(_numbers(e)))}",
        f"  canonical correlations    {_some(_pairs(e.correlations, e.correlations_se))}",
        f"  asymmetry |M - M^T|/|M|   {e.asymmetry:.4f} +- {e.asymmetry_se:.4f}",
        "",
    ]
    if 0 < e.asymmetry <= 3 * e.asymmetry_se:
        lines.append(
            "M is symmetric within its error: --reversible takes its symmetric part, which has more "
            "answers."
        )
    lines.append(f"wrote {path}; next: equilibria --moments {path} --embed-dim {len(sigma)}")
    return lines


def _numbers(estimate: SequenceEstimate) -> list[str]:
    shown = []
    for value, error in zip(estimate.values, estimate.values_se, strict=True):
        if value.imag < -1e-12:
            continue
        tail = f" ± {value.imag:.3f}i" if value.imag > 1e-12 else ""
        shown.append(f"{value.real:.3f}{tail} ({1000 * error:.0f})")
    return shown


def _pairs(values: Array, errors: Array) -> list[str]:
    return [f"{v:.3f}({1000 * e:.0f})" for v, e in zip(values, errors, strict=True)]


def _some(texts: list[str], count: int = 5) -> str:
    return "  ".join(texts[:count]) + ("  ..." if len(texts) > count else "")
