"""The exact verdict at one real point of a component, and its spectrum.

Along a component of dimension k the Jacobian has k eigenvalues 0 (the map: multipliers 1) that say
nothing about attraction. They are divided out, exactly; where the others lie is counted by Sturm
chains over the number field of the point. The numbers in the spectrum are computed afterwards and
decide nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from equilibria.errors import ConsistencyError
from equilibria.exact.characteristic import characteristic_polynomials
from equilibria.exact.field_polynomials import FieldPoly, shifted
from equilibria.exact.half_plane import Placement, place
from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.component import Eigenvalue, How, Stability, Verdict
from equilibria.varieties.elimination.points import Point
from equilibria.varieties.elimination.spectrum import eigenvalues, in_order, size_of

NOT_JUDGED = {
    "flow": "not given in the file",
    "map": "not asked for: the file has a [flow] alone; give [map] or --lr to judge steps",
}


def not_judged(kind: str, dimension: int) -> Stability:
    """Return the entry for a flow, or a map, that the user neither wrote down nor asked for."""
    note = NOT_JUDGED[kind]
    return Stability(Verdict.UNDECIDED, How.PROVED, dimension, None, note=note, judged=False)


def stability_at(
    equations: Mapping[str, Polynomial], point: Point, dimension: int, kind: str
) -> Stability:
    """Return verdict and spectrum of the flow or the map at a point of a component.

    Raises `ConsistencyError` when fewer eigenvalues are neutral than the dimension requires.
    """
    shift = 1 if kind == "map" else 0
    normal, neutral = _characteristic(equations, point, shift)
    if neutral < dimension:
        raise ConsistencyError(
            f"{neutral} neutral eigenvalues ({kind}) on a component of dimension {dimension}"
        )
    extra = neutral - dimension
    placement = sum((place(f, kind) for f in normal), Placement(0, extra))
    spectrum = eigenvalues(normal, kind)
    if extra:
        spectrum = in_order([Eigenvalue(complex(shift), extra, str(shift)), *spectrum], kind)
    sizes = [size_of(e, kind) for e in spectrum]
    listed = _with_neutral(spectrum, dimension, shift)
    result = Stability(
        verdict=_verdict(placement),
        how=How.PROVED if point.is_rational else How.CERTIFIED,
        neutral=dimension,
        extent=max(sizes, default=None),
        build_spectrum=lambda: listed,
    )
    if result.verdict is Verdict.UNDECIDED:
        line = "imaginary axis" if kind == "flow" else "unit circle"
        result = replace(
            result,
            note=f"degenerate: {placement.boundary} on the {line} beyond the dimension; "
            "the linearisation does not decide",
        )
    return result


def _characteristic(
    equations: Mapping[str, Polynomial], point: Point, shift: int
) -> tuple[list[FieldPoly], int]:
    """Return the characteristic polynomials without the roots at `shift`, and how many those are."""
    one = point.field.constant(1)
    names = list(equations)
    matrix = [[point.value(equations[row].diff(column)) for column in names] for row in names]
    matrix = [
        [a - shift if i == j else a for j, a in enumerate(row)] for i, row in enumerate(matrix)
    ]
    normal, neutral = [], 0
    for polynomial in characteristic_polynomials(matrix, one):
        zeros = next(i for i, c in enumerate(polynomial) if c)
        neutral += zeros
        normal.append(shifted(polynomial[zeros:], -shift))
    return normal, neutral


def euler_largest_step(flow: Stability) -> float | None:
    """Return the supremum of the step sizes h for which x + h f(x) is stable, if there are any."""
    if flow.verdict is not Verdict.STABLE:
        return None
    values = [e.value for e in flow.spectrum if e.value]
    return min((-2 * v.real / abs(v) ** 2 for v in values), default=None)


def _verdict(placement: Placement) -> Verdict:
    if placement.outside:
        return Verdict.UNSTABLE
    return Verdict.UNDECIDED if placement.boundary else Verdict.STABLE


def _with_neutral(
    spectrum: Sequence[Eigenvalue], dimension: int, shift: int
) -> tuple[Eigenvalue, ...]:
    own = (Eigenvalue(complex(shift), dimension, str(shift)),) if dimension else ()
    return (*own, *spectrum)
