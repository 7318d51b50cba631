"""No constant positive definite G makes G f closed: linear algebra on an invariant subspace.

On a coordinate subspace that the flow leaves invariant the block of G works for the restricted
flow, so it is enough to exclude that block. All symmetric G with G J symmetric are found by exact
elimination; then one variable shows that none is definite.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, combinations_with_replacement

from . import polynomials as poly
from .polynomials import Polynomial
from .reading import fields, listing, name
from .refusal import Refusal

LARGEST = 12
Row = dict[int, Fraction]


def check_constant_metric(value: object, flow: dict[str, Polynomial]) -> None:
    """Check that no constant metric exists, by the variable `direction` on `variables`."""
    variables, direction = fields(value, ("variables", "direction"))
    names = [name(entry) for entry in listing(variables)]
    if not names or len(names) > LARGEST or len(set(names)) < len(names):
        raise Refusal(f"expected 1 to {LARGEST} different variables", "variables")
    if not set(names) <= set(flow) or direction not in names:
        raise Refusal("no variable of the system")
    restricted = _restricted(names, flow)
    diagonals = [row for row in _diagonals(names, metrics(names, restricted)) if any(row)]
    place = names.index(direction)
    if all(not row[place] for row in diagonals):
        if any(all(not row[k] for row in diagonals) for k in range(place)):
            raise Refusal("an earlier variable shows it already", "direction")
        return
    first = diagonals[0]
    one_ray = all(
        row[j] * first[k] == row[k] * first[j]
        for row in diagonals
        for j, k in combinations(range(len(names)), 2)
    )
    opposite = [k for k, entry in enumerate(first) if entry * first[0] < 0]
    if not one_ray or not opposite or opposite[0] != place:
        raise Refusal("this variable excludes no metric", "direction")


def _restricted(names: list[str], flow: dict[str, Polynomial]) -> dict[str, Polynomial]:
    """Return the flow on the subspace where all other variables are 0; refuse if it leaves it."""
    inside = set(names)
    cut = {
        x: {key: c for key, c in entry.items() if set(key) <= inside} for x, entry in flow.items()
    }
    if any(cut[x] for x in flow if x not in inside):
        raise Refusal("the flow leaves this subspace", "variables")
    return {x: cut[x] for x in names}


def metrics(names: list[str], flow: dict[str, Polynomial]) -> list[Row]:
    """Return a basis of the symmetric G, as entries by index of the pair, with G f closed."""
    pairs = {p: k for k, p in enumerate(combinations_with_replacement(names, 2))}
    equations: list[Row] = []
    for i, j in combinations(names, 2):
        rows: dict[tuple[str, ...], Row] = {}
        for sign, row, column in ((1, i, j), (-1, j, i)):
            for k in names:
                unknown = pairs[(row, k) if (row, k) in pairs else (k, row)]
                for key, c in poly.derivative(flow[k], column).items():
                    target = rows.setdefault(key, {})
                    target[unknown] = target.get(unknown, Fraction(0)) + sign * c
        equations += rows.values()
    return nullspace(equations, len(pairs))


def _diagonals(names: list[str], basis: list[Row]) -> list[list[Fraction]]:
    pairs = {p: k for k, p in enumerate(combinations_with_replacement(names, 2))}
    return [[row.get(pairs[x, x], Fraction(0)) for x in names] for row in basis]


def nullspace(equations: list[Row], size: int) -> list[Row]:
    """Return a basis of the common zeros of sparse linear forms in `size` unknowns."""
    pivots: dict[int, Row] = {}
    for equation in equations:
        row = dict(equation)
        for lead, known in pivots.items():
            _eliminate(row, lead, known)
        row = {k: c for k, c in row.items() if c}
        if row:
            lead = min(row)
            row = {k: c / row[lead] for k, c in row.items()}
            for known in pivots.values():
                _eliminate(known, lead, row)
            pivots[lead] = row
    basis = []
    for free in range(size):
        if free not in pivots:
            vector = {free: Fraction(1)}
            vector.update({lead: -row[free] for lead, row in pivots.items() if row.get(free)})
            basis.append(vector)
    return basis


def _eliminate(row: Row, lead: int, known: Row) -> None:
    factor = row.get(lead, Fraction(0))
    if factor:
        for k, c in known.items():
            row[k] = row.get(k, Fraction(0)) - factor * c
