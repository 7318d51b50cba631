"""Are the listed components pairwise different? Numbers that are constant on a component, compared.

Symmetries turn the rows of W and P by O(n) and, for diagonal moments, the inputs of equal modes among
each other. Entries of G = W^T W and H = W^T P W between inputs that nothing turns are constant on an
orbit; over inputs that turn, the traces of the blocks of G and H and the squares of the blocks of G
are (docs/proofs.md, section 12). Without decay all points with R = 0 and the same ranks of W on the
eigenspaces of M Sigma^-1 are one family, and the ranks tell families apart. Exact points are compared
exactly, points in cells by their enclosures; what is not seen to differ is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import lcm
from typing import Any

from . import polynomials as poly
from .boxes import Core, enclose
from .dense import BITS
from .families import is_free, rank
from .intervals import Interval
from .laws import grid
from .metrics import nullspace
from .points import Evaluator, Point
from .polynomials import Matrix, Polynomial
from .refusal import Refusal
from .systems import Model
from .towers import Tower, Value, plus

COARSE = 192
"""Bits of the first comparison; what it leaves open is compared exactly."""


@dataclass(frozen=True)
class Mark:
    """What is constant on one component: integers, enclosures of numbers and, if known, the numbers."""

    name: str
    kind: tuple[str | int, ...]
    near: list[Interval]
    exact: list[Value] | None = None
    fine: list[Interval] | None = None


def classes(model: Model) -> list[list[int]]:
    """Return the inputs (from 0) in classes that symmetries of the equilibria turn among themselves."""
    found: dict[Any, list[int]] = {}
    for j in range(model.d):
        found.setdefault(class_key(model, j) if model.diagonal else j, []).append(j)
    return list(found.values())


def class_key(model: Model, j: int) -> object:
    """Return what modes of one class have in common: (s, m), or the rate of growth (m - eta)/s."""
    s, m = model.sigma[j][j], model.m[j][j]
    return (m - model.eta) / s if not model.traits.predictor else (s, m)


def mark_exact(name: str, model: Model, at_point: Evaluator, constant: list[Polynomial]) -> Mark:
    """Return the mark of a component with an exact point; `constant` are the `invariants`."""
    point, tower = at_point.point, at_point.tower
    if is_free(model, point, tower):
        return Mark(name, ("family", *family_ranks(model, point, tower)), [])
    values = [at_point.value(entry) for entry in constant]
    near = [_enclosed(value, tower, COARSE) for value in values]
    return Mark(name, ("orbit",), near, exact=values)


def mark_core(name: str, model: Model, core: Core, constant: list[Polynomial]) -> Mark:
    """Return the mark of a component in cells, whose W is larger by sqrt(alpha eta/eta_P)."""
    scale = model.eta_p / (model.alpha * model.eta)
    found = [poly.scale(entry, scale ** _half(entry)) for entry in constant]
    fine = [enclose(entry, core.values) for entry in found]
    drop = fine[0].bits - COARSE
    near = [Interval(x.low >> drop, -((-x.high) >> drop), COARSE) for x in fine]
    return Mark(name, ("orbit",), near, fine=fine)


def _half(entry: Polynomial) -> int:
    """Return half the degree in W, 1 for G and H and 2 for squares."""
    key = next(iter(entry))
    return sum(x.startswith("W") for x in key) // 2


def family_ranks(model: Model, point: Point, tower: Tower) -> list[int]:
    """Return the rank of W on every eigenspace of M Sigma^-1."""
    spaces: dict[Fraction, list[int]] = {}
    for j in range(model.d):
        spaces.setdefault(model.m[j][j] / model.sigma[j][j], []).append(j + 1)
    found = []
    for inputs in spaces.values():
        rows = [
            {str(j): point[f"W_{i}_{j}"] for j in inputs if f"W_{i}_{j}" in point}
            for i in range(1, model.n + 1)
        ]
        found.append(rank([row for row in rows if row], tower))
    return found


def invariants(model: Model) -> list[Polynomial]:
    """Return polynomials in W and P that are constant on components."""
    n, d = model.n, model.d
    W = grid("W", n, d)
    grams = [poly.product(poly.transpose(W), W)]
    if model.traits.predictor:
        middle = poly.product(grid("P", n, n), W)
        grams.append(poly.product(poly.transpose(W), middle))
    if not model.diagonal and _turns(model):
        return [entry for gram in grams for entry in _words(model, gram)]
    whitened = not model.traits.predictor
    weights = [model.sigma[j][j] if whitened else Fraction(1) for j in range(d)]
    groups = classes(model)
    found = []
    for number, gram in enumerate(grams):
        for place, left in enumerate(groups):
            for right in groups[place:]:
                entry = _between(gram, left, right, weights, squared=not number)
                found += [entry] if entry else []
    return found


def _between(
    gram: Matrix, left: list[int], right: list[int], weights: list[Fraction], *, squared: bool
) -> Polynomial:
    """Return the entry between two single inputs, a trace over one class, or the squares between two."""
    if left is right:
        total: Polynomial = {}
        for i in left:
            total = poly.add(total, gram[i][i], weights[i])
        return total
    if len(left) == len(right) == 1:
        return gram[left[0]][right[0]]
    if not squared:
        return {}
    total = {}
    for i in left:
        for j in right:
            total = poly.add(total, poly.times(gram[i][j], gram[i][j]), weights[i] * weights[j])
    return total


def _turns(model: Model) -> bool:
    """Return whether some skew X commutes with both dense moments: rotations of the data."""
    d = model.d
    place = {(i, j): k for k, (i, j) in enumerate((i, j) for i in range(d) for j in range(i))}
    equations: list[dict[int, Fraction]] = []
    for moments in (model.sigma, model.m):
        for i in range(d):
            for j in range(d):
                row: dict[int, Fraction] = {}
                for k in range(d):
                    _skew(row, place, i, k, moments[k][j])
                    _skew(row, place, k, j, -moments[i][k])
                equations.append(row)
    return bool(nullspace(equations, len(place)))


def _skew(
    row: dict[int, Fraction], place: dict[tuple[int, int], int], i: int, j: int, factor: Fraction
) -> None:
    if i != j and factor:
        k, sign = (place[i, j], 1) if i > j else (place[j, i], -1)
        row[k] = row.get(k, Fraction(0)) + sign * factor


def _words(model: Model, gram: Matrix) -> list[Polynomial]:
    """Return traces with words in Sigma and M, which no rotation that commutes with both changes."""
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    one = poly.numbers([[Fraction(int(i == j)) for j in range(model.d)] for i in range(model.d)])
    words = [one, sigma, m, poly.product(sigma, sigma), poly.product(sigma, m), poly.product(m, m)]
    traces = [poly.trace(poly.product(gram, word)) for word in words]
    return [entry for entry in traces if entry]


def _enclosed(value: Value, tower: Tower, bits: int) -> Interval:
    common = lcm(*(x.denominator for x in value.values()))
    whole = tower.enclose({key: int(x * common) for key, x in value.items()}, bits)
    return Interval(whole.low // common, -((-whole.high) // common), bits)


def check_different(marks: list[Mark], tower: Tower) -> None:
    """Refuse two components that may be one."""
    for index, left in enumerate(marks):
        for right in marks[:index]:
            if left.kind == right.kind and not _differ(left, right, tower):
                raise Refusal(f"{left.name} and {right.name} are not seen to differ")


def _differ(left: Mark, right: Mark, tower: Tower) -> bool:
    if left.kind[0] == "family":
        return False
    if any(a.meet(b) is None for a, b in zip(left.near, right.near, strict=True)):
        return True
    if left.exact is not None and right.exact is not None:
        gaps = (plus(a, b, -1) for a, b in zip(left.exact, right.exact, strict=True))
        return any(gap and tower.sign(gap) for gap in gaps)
    finer = [_fine(mark, tower) for mark in (left, right)]
    return any(a.meet(b) is None for a, b in zip(*finer, strict=True))


def _fine(mark: Mark, tower: Tower) -> list[Interval]:
    if mark.fine is not None:
        return mark.fine
    return [_enclosed(value, tower, BITS) for value in mark.exact or []]


def has_aligned_point(model: Model, at_point: Evaluator) -> bool:
    """Return whether an aligned point may lie on the component: G vanishes between classes.

    Such a component is listed at an aligned point, where its id says which one it is.
    """
    if not model.diagonal:
        return False
    if is_free(model, at_point.point, at_point.tower):
        return True
    groups = classes(model)
    value: Callable[[Polynomial], Value] = at_point.value
    for place, left in enumerate(groups):
        for right in groups[:place]:
            for i in left:
                for j in right:
                    entry = value(_gram_entry(model.n, i, j))
                    if entry and at_point.tower.sign(entry):
                        return False
    return True


def _gram_entry(n: int, i: int, j: int) -> Polynomial:
    keys = (tuple(sorted((f"W_{r}_{i + 1}", f"W_{r}_{j + 1}"))) for r in range(1, n + 1))
    return {key: Fraction(1) for key in keys}
