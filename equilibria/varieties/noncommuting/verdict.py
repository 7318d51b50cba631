"""From computed eigenvalues with error bounds to a verdict: stable, unstable or undecided.

The *margin* of an eigenvalue is its real part for a flow and its modulus minus one for a map. Every
margin comes with a bound on its error; a verdict is only given when no margin within its bound
could change it. Eigenvalues that the symmetry makes neutral are divided out beforehand; anything
else that cannot be told from neutral makes the equilibrium degenerate, and the verdict undecided.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from equilibria.varieties.noncommuting.core import Array, ComplexArray

Word = Literal["stable", "unstable", "undecided"]
Kind = Literal["flow", "map"]
Method = Literal["dense", "arnoldi"]


@dataclass(frozen=True, slots=True, eq=False)
class SpectralVerdict:
    """Stability of one equilibrium orbit.

    `extent` is the spectral abscissa (flow) or radius (map) of everything but the neutral
    eigenvalues, `tolerance` the error bound of the eigenvalue that decided, `leading` the
    eigenvalues nearest to instability, most dangerous first. `neutral_found` counts the neutral
    directions verified plus every further eigenvalue within its bound of neutral; the verdict is
    undecided when it differs from `neutral_expected`, unless another eigenvalue is unstable.
    `nonreal`: some eigenvalue is non-real beyond its bound; for a flow, and for a map without
    momentum, no metric then makes the system a gradient field (T3.4).
    """

    verdict: Word
    kind: Kind
    extent: float
    neutral_found: int
    neutral_expected: int
    tolerance: float
    leading: ComplexArray
    method: Method
    nonreal: bool


def judge(
    values: ComplexArray,
    bounds: Array,
    *,
    kind: Kind,
    neutral: int,
    neutral_expected: int,
    method: Method,
    count: int,
) -> SpectralVerdict:
    """Weigh the non-neutral eigenvalues `values`, each known up to the matching entry of `bounds`.

    `neutral` is the number of neutral directions already verified and divided out.
    """
    at = 0.0 if kind == "flow" else 1.0
    margins = values.real if kind == "flow" else np.abs(values) - 1.0
    order = np.argsort(-margins, kind="stable")
    values, bounds, margins = values[order], bounds[order], margins[order]
    extra = int(np.sum(np.abs(values - at) <= bounds))
    unstable, unsafe = margins > bounds, margins >= -bounds
    verdict: Word = "undecided"
    if unstable.any():
        verdict, deciding = "unstable", int(np.argmax(margins - bounds))
    else:
        deciding = int(np.argmax(margins + bounds)) if values.size else -1
        if not unsafe.any() and neutral == neutral_expected:
            verdict = "stable"
    return SpectralVerdict(
        verdict=verdict,
        kind=kind,
        extent=float(margins[0] + at) if values.size else -np.inf,
        neutral_found=neutral + extra,
        neutral_expected=neutral_expected,
        tolerance=float(bounds[deciding]) if values.size else 0.0,
        leading=values[:count],
        method=method,
        nonreal=bool(np.any(np.abs(values.imag) > bounds)),
    )
