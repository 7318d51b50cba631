"""The list of equilibria that a numerical search met, with verdicts in floating point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.varieties.component import (
    Component,
    Detail,
    Eigenvalue,
    How,
    Stability,
    Variety,
    Verdict,
)
from equilibria.varieties.elimination.equations import resting
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.names import letters
from equilibria.varieties.elimination.nearby import NULL, Batch
from equilibria.varieties.elimination.search import RESIDUAL, Found, search
from equilibria.varieties.elimination.stability import not_judged

TOLERANCE = 1e-7
ON, LEAST = 1e-5, 1e-3
"""A point is on a component within `ON` of its terms, coordinates taken as `LEAST` at least."""
SINGULAR_TOLERANCE = 1e-3
"""Eigenvalues near 0 of a singular zero are known to about the square root of its error."""

NOTHING_EXCLUDED = (
    "nothing excludes others, and families that it did not connect may be one. Residuals are below "
    f"{RESIDUAL:g}"
)


def searched(system: PolynomialSystem, because: str, *, starts: int, seed: int) -> Variety:
    """Return the equilibria that Newton's method meets; `because` says why nothing is exact."""
    found = search(resting(system), starts=starts, seed=seed)
    return Variety(
        tuple(_components(system, found, {})),
        complete=False,
        why=f"numerical search ({because}): {starts} Newton starts, seed {seed}, met these; "
        f"{NOTHING_EXCLUDED}",
    )


def with_search(
    system: PolynomialSystem,
    exact: Variety,
    ideals: Sequence[Ideal],
    *,
    starts: int,
    seed: int,
) -> Variety:
    """Add to an exact list that is not complete what Newton's method meets beside it."""
    found = [
        entry
        for entry in search(resting(system), starts=starts, seed=seed)
        if not any(_lies_on(ideal, entry) for ideal in ideals)
    ]
    counts = Counter(c.id.removeprefix("dim").partition(":")[0] for c in exact.components)
    return replace(
        exact,
        components=(*exact.components, *_components(system, found, counts)),
        why=f"{exact.why}; a numerical search for the others ({starts} Newton starts, seed {seed}) "
        f"met {len(found)} more; {NOTHING_EXCLUDED}",
    )


def _lies_on(ideal: Ideal, entry: Found) -> bool:
    """Say whether a point is on a component, up to rounding in the terms of its equations."""
    sizes = {name: max(abs(value), LEAST) for name, value in entry.point.items()}
    return all(
        abs(f.evaluate(entry.point, float)) <= ON * f.evaluate(sizes, lambda c: abs(float(c)))
        for f in ideal.basis
    )


def _components(
    system: PolynomialSystem, found: Sequence[Found], counts: dict[str, int]
) -> Iterator[Component]:
    for entry in found:
        kind = _dimension(entry)
        number = counts.get(kind, 0)
        counts[kind] = number + 1
        yield _component(system, entry, f"dim{kind}:{letters(number)}")


def _dimension(entry: Found) -> str:
    """Return the dimension of a component, or the range in which it is."""
    return str(entry.dimension) if entry.dimension is not None else f"0-{entry.nullity}"


def _standing(entry: Found) -> str:
    """Return what is known about a component's dimension beyond the number."""
    if entry.dimension is None:
        return (
            "; an isolated singular point or part of a family: the dimension is not decided, at "
            f"most {entry.nullity}"
        )
    if entry.dimension < entry.nullity:
        return (
            f"; singular: the nullity of the Jacobian is {entry.nullity}; "
            + ("isolated" if not entry.dimension else f"of dimension {entry.dimension}")
            + ", no other zeros were met on a small sphere around it" * (not entry.dimension)
        )
    if entry.dimension:
        text = "; the zeros go on in as many directions as the Jacobian has null vectors"
        if entry.pieces > 1:
            text += (
                f"; one spectrum, but in at least {entry.pieces} pieces that walks do not connect"
            )
        return text
    return ""


def _component(system: PolynomialSystem, entry: Found, name: str) -> Component:
    flow, step = (
        _stability(equations, entry, kind) if equations else not_judged(kind, entry.nullity)
        for kind, equations in (("flow", system.flow), ("map", system.map))
    )
    return Component(
        id=name,
        rank=None,
        dimension=entry.nullity if entry.dimension is None else entry.dimension,
        collapse=None,
        flow=flow,
        map=step,
        note=f"met by {entry.hits} {'run' if entry.hits == 1 else 'runs'}{_standing(entry)}",
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
    smooth = entry.dimension == entry.nullity
    neutral_count = entry.nullity if smooth else 0
    others = by_distance[neutral_count:]
    sizes = others.real if kind == "flow" else np.abs(others)
    extent = float(sizes.max()) if len(others) else None
    if extent is None or extent < rest - TOLERANCE:
        verdict = Verdict.STABLE
    else:
        above = TOLERANCE if smooth else SINGULAR_TOLERANCE
        verdict = Verdict.UNSTABLE if extent > rest + above else Verdict.UNDECIDED
    if not smooth and verdict is Verdict.STABLE:  # the singular directions are not decided
        verdict = Verdict.UNDECIDED
    order = np.argsort(-sizes, kind="stable")
    spectrum = tuple(Eigenvalue(complex(v), 1) for v in others[order])
    neutral = (Eigenvalue(complex(rest), neutral_count),) if neutral_count else ()
    return Stability(
        verdict,
        How.NUMERIC,
        neutral_count,
        extent,
        note=f"floating point, tolerance {TOLERANCE:g} (nullity {NULL:g})",
        part=entry.dimension != 0,  # one point of a family was met, the others were not looked at
        varies=entry.dimension != 0,
        build_spectrum=lambda: (*neutral, *spectrum),
    )
