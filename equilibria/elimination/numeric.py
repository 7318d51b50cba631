"""The list of equilibria that a numerical search met, with verdicts in floating point."""

from __future__ import annotations

from collections.abc import Mapping

from equilibria.elimination.naming import letters
from equilibria.elimination.rest import resting
from equilibria.elimination.search import NULL, RESIDUAL, Batch, Found, search
from equilibria.elimination.stability import UNDEFINED
from equilibria.polynomial import Polynomial
from equilibria.results import (
    Component,
    Detail,
    Eigenvalue,
    How,
    Stability,
    Variety,
    Verdict,
)
from equilibria.system import PolynomialSystem

TOLERANCE = 1e-7


def searched(system: PolynomialSystem, because: str, *, starts: int, seed: int) -> Variety:
    """Return the equilibria that Newton's method meets; `because` says why nothing is exact."""
    found = search(resting(system), starts=starts, seed=seed)
    counts: dict[int, int] = {}
    components = []
    for entry in found:
        number = counts.get(entry.nullity, 0)
        counts[entry.nullity] = number + 1
        components.append(_component(system, entry, f"dim{entry.nullity}:{letters(number)}"))
    return Variety(
        tuple(components),
        complete=False,
        why=f"numerical search ({because}): {starts} Newton starts, seed {seed}, met these; "
        f"nothing excludes others. Residuals are below {RESIDUAL:g}",
    )


def _component(system: PolynomialSystem, entry: Found, name: str) -> Component:
    flow = (
        _stability(system.flow, entry, "flow")
        if system.flow
        else Stability(Verdict.UNDECIDED, How.NUMERIC, entry.nullity, None, note=UNDEFINED)
    )
    return Component(
        id=name,
        rank=None,
        dimension=entry.nullity,
        collapse=None,
        flow=flow,
        map=_stability(system.map, entry, "map"),
        note=f"met by {entry.hits} runs"
        + ("; the dimension is the nullity of the Jacobian" if entry.nullity else ""),
        build_detail=lambda: Detail((), {key: ((value,),) for key, value in entry.point.items()}),
    )


def _stability(equations: Mapping[str, Polynomial], entry: Found, kind: str) -> Stability:
    import numpy as np

    names = list(equations)
    x = np.array([[entry.point[name] for name in names]])
    slopes = Batch([f.diff(name) for f in equations.values() for name in names])(x)
    values = np.linalg.eigvals(slopes.reshape(len(names), len(names)))
    rest = 0.0 if kind == "flow" else 1.0
    by_distance = values[np.argsort(np.abs(values - rest))]
    others = by_distance[entry.nullity :]
    sizes = others.real if kind == "flow" else np.abs(others)
    extent = float(sizes.max()) if len(others) else None
    if extent is None or extent < rest - TOLERANCE:
        verdict = Verdict.STABLE
    else:
        verdict = Verdict.UNSTABLE if extent > rest + TOLERANCE else Verdict.UNDECIDED
    order = np.argsort(-sizes, kind="stable")
    spectrum = tuple(Eigenvalue(complex(v), 1) for v in others[order])
    neutral = (Eigenvalue(complex(rest), entry.nullity),) if entry.nullity else ()
    return Stability(
        verdict,
        How.NUMERIC,
        entry.nullity,
        extent,
        note=f"floating point, tolerance {TOLERANCE:g} (nullity {NULL:g})",
        build_spectrum=lambda: (*neutral, *spectrum),
    )
