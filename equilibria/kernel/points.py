"""Equilibria: polynomials and Jacobians at a point of a tower."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from .polynomials import Polynomial
from .reading import mapping, name, polynomial
from .refusal import Refusal, at
from .spectra import Matrix
from .systems import Model, System
from .towers import Tower, Value, plus

Point = dict[str, Value]
"""Values of the variables that are not 0."""

ONE: Value = {(): Fraction(1)}


def read_point(value: object, system: System, tower: Tower) -> Point:
    """Return the point; entries that are 0 must be left out."""
    point: Point = {}
    for key, entry in mapping(value).items():
        with at(name(key)):
            if key not in system.variables:
                raise Refusal("no variable of the system")
            point[key] = tower.value(polynomial(entry))
            if not point[key]:
                raise Refusal("zero entries are left out")
    return point


class Evaluator:
    """Values and gradients of polynomials at one point; products of coordinates are kept."""

    def __init__(self, point: Point, tower: Tower) -> None:
        self.point, self.tower = point, tower
        self._products: dict[tuple[str, ...], Value] = {(): ONE}

    def _product(self, key: tuple[str, ...]) -> Value:
        if key not in self._products:
            last = self.point[key[-1]]
            self._products[key] = self.tower.times(self._product(key[:-1]), last)
        return self._products[key]

    def value(self, poly: Polynomial) -> Value:
        """Return the value of a polynomial."""
        total: Value = {}
        for key, coefficient in poly.items():
            if all(x in self.point for x in key):
                _accumulate(total, self._product(key), coefficient)
        return {key: x for key, x in total.items() if x}

    def gradient(self, poly: Polynomial) -> dict[str, Value]:
        """Return the non-zero partial derivatives."""
        found: dict[str, Value] = {}
        for key, coefficient in poly.items():
            zeros = [place for place, x in enumerate(key) if x not in self.point]
            if len(zeros) > 1:
                continue
            for place in zeros or range(len(key)):
                others = self._product(key[:place] + key[place + 1 :])
                _accumulate(found.setdefault(key[place], {}), others, coefficient)
        kept = {x: {e: c for e, c in value.items() if c} for x, value in found.items()}
        return {x: value for x, value in kept.items() if value}


def _accumulate(total: Value, value: Value, factor: Fraction) -> None:
    for key, x in value.items():
        total[key] = total[key] + x * factor if key in total else x * factor


def check_equilibrium(system: System, at_point: Evaluator) -> int:
    """Check that flow, constraints and step of the map vanish at the point; return how many."""
    for x, poly in system.flow.items():
        if at_point.value(poly):
            raise Refusal(f"the flow of {x} is not 0 at the point")
    for index, poly in enumerate(system.constraints):
        if at_point.value(poly):
            raise Refusal(f"constraint {index} is not 0 at the point")
    for x, poly in system.map.items():
        if plus(at_point.value(poly), at_point.point.get(x, {}), -1):
            raise Refusal(f"the map moves {x} at the point")
    return len(system.flow) + len(system.constraints) + len(system.map)


@dataclass(frozen=True)
class Linearisation:
    """The derivative of the flow or the map at a point, in the variables that move."""

    variables: tuple[str, ...]
    matrix: Matrix
    trace: Value


def linearise(
    equations: Mapping[str, Polynomial], at_point: Evaluator, tied: dict[str, dict[str, Value]]
) -> Linearisation:
    """Return the Jacobian; `tied` holds the derivatives of the variables that follow others."""
    variables = tuple(equations)
    index = {x: k for k, x in enumerate(variables)}
    entries: dict[tuple[int, int], Value] = {}
    for x, poly in equations.items():
        for y, value in at_point.gradient(poly).items():
            if y in index:
                key = index[x], index[y]
                entries[key] = plus(entries.get(key, {}), value)
            for z, slope in tied.get(y, {}).items():
                key = index[x], index[z]
                entries[key] = plus(entries.get(key, {}), at_point.tower.times(value, slope))
    trace: Value = {}
    for k in range(len(variables)):
        trace = plus(trace, entries.get((k, k), {}))
    return Linearisation(variables, Matrix.of(len(variables), entries), trace)


def tied_variables(
    model: Model, at_point: Evaluator, inverses: Mapping[str, Value]
) -> dict[str, dict[str, Value]]:
    """Return dP/dW for the direct procedures, from the linearised constraint.

    DirectCopy: dP = d(W Sigma W^T). DirectPred: P dP + dP P = d(W Sigma W^T) with P diagonal, not
    negative; between inactive outputs dP does not enter the derivative (docs/proofs.md, section 8).
    """
    if not model.traits.direct:
        return {}
    point, tower = at_point.point, at_point.tower
    size, found = range(model.n), {}
    for i in size:
        for j in size:
            x = f"P_{i + 1}_{j + 1}"
            slope = _correlation_slope(model, at_point, i, j)
            if model.traits.copies:
                found[x] = slope
                continue
            total = plus(point.get(f"P_{i + 1}_{i + 1}", {}), point.get(f"P_{j + 1}_{j + 1}", {}))
            inverse = _inverse(total, inverses, i, j, tower)
            found[x] = {w: tower.times(value, inverse) for w, value in slope.items() if inverse}
    if model.traits.root:
        _check_sheet(model, point, tower)
    return found


def _inverse(total: Value, inverses: Mapping[str, Value], i: int, j: int, tower: Tower) -> Value:
    key = f"P_{min(i, j) + 1}_{min(i, j) + 1} + P_{max(i, j) + 1}_{max(i, j) + 1}"
    if not total:
        return {}
    if key not in inverses:
        raise Refusal(f"no inverse of {key}")
    if tower.times(total, inverses[key]) != ONE:
        raise Refusal(f"the inverse of {key} is wrong")
    return inverses[key]


def _check_sheet(model: Model, point: Point, tower: Tower) -> None:
    for x, value in point.items():
        if x.startswith("P"):
            _, row, column = x.split("_")
            if row != column or tower.sign(value) != 1:
                raise Refusal(f"{x}: the predictor must be diagonal and not negative")
    for i in range(1, model.n + 1):
        active = any(f"W_{i}_{j}" in point for j in range(1, model.d + 1))
        if active != (f"P_{i}_{i}" in point):
            raise Refusal(f"row {i} of W and P_{i}_{i} must vanish together")


def _correlation_slope(model: Model, at_point: Evaluator, i: int, j: int) -> dict[str, Value]:
    """Return d(W Sigma W^T)_ij by variable."""
    terms: Polynomial = {}
    for a in range(model.d):
        for b in range(model.d):
            if model.sigma[a][b]:
                key = tuple(sorted((f"W_{i + 1}_{a + 1}", f"W_{j + 1}_{b + 1}")))
                terms[key] = terms.get(key, Fraction(0)) + model.sigma[a][b]
    return at_point.gradient(terms)
