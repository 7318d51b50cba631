"""Isolated equilibria for moments that do not commute, by Krawczyk's test.

An equilibrium of rank k is, up to O(n), W = P^T Q/sqrt(a), a = alpha eta/eta_P, with P (k x k) and
Q (k x d) on the first k outputs, where                                                     (T6.1)

    P^T Q M - P P^T Q Sigma - eta Q = 0,   Q Q^T = I,   Q_ij = 0 for j < i.

These are as many equations as unknowns. The certificate names a cell [k - 1/7, k + 6/7]/2^64 for
every unknown. One Krawczyk step maps a box around the cells into its interior, so the box holds
exactly one solution; further steps shrink it into the cells. The scale sqrt(a) is removed by the
linear change W -> sqrt(a) W, which turns alpha into eta_P/eta and keeps all spectra (T0.1, T0.3).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction

from . import polynomials as poly
from .dense import BITS
from .intervals import Interval
from .polynomials import Matrix, Polynomial
from .reading import fields, integer, listing
from .refusal import Refusal, at
from .systems import Model, System, build

CELL_BITS = 64
START_BITS = 56
STEPS = 12
Box = dict[str, Interval]


@dataclass(frozen=True)
class Core:
    """An equilibrium of rank k: enclosures of all variables of the model with alpha = eta_P/eta."""

    rank: int
    values: Box


def unscaled(model: Model) -> Model:
    """Return the model in which W is multiplied by sqrt(alpha eta/eta_P)."""
    return replace(model, alpha=model.eta_p / model.eta)


def read_core(value: object, model: Model) -> Core:
    """Return the equilibrium in the cells; refuses when Krawczyk's test does not show one."""
    if not model.traits.bootstraps or not model.eta or not model.eta_p:
        raise Refusal("only for stop-gradient and EMA with decay")
    given = fields(value, ("P", "Q"))
    rank = len(listing(given[0]))
    if not 1 <= rank <= min(model.n, model.d):
        raise Refusal("the rank is out of range")
    P, Q = _unknowns(rank, model.d)
    names = [x for row in (*P, *Q) for x in row if x]
    cells: dict[str, int] = {}
    for letter, rows, grid in (("P", given[0], P), ("Q", given[1], Q)):
        with at(letter):
            cells |= _cells(rows, grid)
    equations = _equations(model, P, Q)
    box = _isolate(equations, names, cells)
    return _core(model, rank, P, Q, box)


def _unknowns(rank: int, width: int) -> tuple[list[list[str]], list[list[str]]]:
    P = [[f"p_{i}_{j}" for j in range(rank)] for i in range(rank)]
    Q = [[f"q_{i}_{j}" if j >= i else "" for j in range(width)] for i in range(rank)]
    return P, Q


def _cells(value: object, grid: list[list[str]]) -> dict[str, int]:
    rows = listing(value)
    found: dict[str, int] = {}
    if len(rows) != len(grid):
        raise Refusal(f"expected {len(grid)} rows")
    for row, names in zip(rows, grid, strict=True):
        present = [x for x in names if x]
        if not isinstance(row, list) or len(row) != len(present):
            raise Refusal(f"expected a row of {len(present)} cells")
        found |= {x: integer(cell) for x, cell in zip(present, row, strict=True)}
    return found


def _matrix(names: list[list[str]]) -> Matrix:
    return [[poly.variable(x) if x else {} for x in row] for row in names]


def _equations(
    model: Model, P_names: list[list[str]], Q_names: list[list[str]]
) -> list[Polynomial]:
    P, Q = _matrix(P_names), _matrix(Q_names)
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    PtQ = poly.product(poly.transpose(P), Q)
    E = poly.combine(poly.product(PtQ, m), poly.product(poly.product(P, PtQ), sigma), -1)
    E = poly.combine(E, Q, -model.eta)
    frame = poly.product(Q, poly.transpose(Q))
    found = [entry for row in E for entry in row]
    for i in range(len(P)):
        found += [poly.add(frame[i][j], poly.constant(int(i == j)), -1) for j in range(i, len(P))]
    return found


def _isolate(equations: list[Polynomial], names: list[str], cells: dict[str, int]) -> Box:
    half = 1 << (BITS - START_BITS)
    centre = {x: ((14 * cells[x] + 5) << (BITS - CELL_BITS)) // 14 for x in names}
    box = {x: Interval(c - half, c + half, BITS) for x, c in centre.items()}
    slopes = [{x: poly.derivative(f, x) for x in names} for f in equations]
    for step in range(STEPS):
        image = _krawczyk(equations, slopes, names, box)
        if step == 0 and not all(image[x].within(box[x]) for x in names):
            raise Refusal("Krawczyk's test does not show an equilibrium in these cells")
        box = {x: image[x].meet(box[x]) or image[x] for x in names}
        if max(entry.width for entry in box.values()) < 1 << 64:
            break
    for x in names:
        low, high = (
            Interval.of(Fraction(7 * cells[x] + shift, 7 << CELL_BITS), BITS) for shift in (-1, 6)
        )
        if box[x].low < low.high or box[x].high > high.low:
            raise Refusal(f"the equilibrium is not in the cell of {x}")
    return box


def _krawczyk(
    equations: list[Polynomial], slopes: list[dict[str, Polynomial]], names: list[str], box: Box
) -> Box:
    """Return c - Y f(c) + (1 - Y J(box)) (box - c)."""
    middle = {x: (box[x].low + box[x].high) >> 1 for x in names}
    points = {x: Interval(c, c, BITS) for x, c in middle.items()}
    jacobian = [[enclose(row[x], box) for x in names] for row in slopes]
    values = [enclose(f, points) for f in equations]
    inverse = _inverse([[(entry.low + entry.high) >> 1 for entry in row] for row in jacobian])
    image: Box = {}
    for k, x in enumerate(names):
        weights = [Interval(y, y, BITS) for y in inverse[k]]
        total = points[x]
        for w, value in zip(weights, values, strict=True):
            total = total - w * value
        for j, other in enumerate(names):
            entry = Interval.of(int(j == k), BITS)
            for w, row in zip(weights, jacobian, strict=True):
                entry = entry - w * row[j]
            total = total + entry * (box[other] - points[other])
        image[x] = total
    return image


def enclose(polynomial: Polynomial, box: Box) -> Interval:
    """Return the range of a polynomial over a box; variables not named are 0."""
    total = Interval(0, 0, BITS)
    for key, coefficient in polynomial.items():
        if all(x in box for x in key):
            term = Interval.of(coefficient, BITS)
            for x in key:
                term = term * box[x]
            total = total + term
    return total


def _inverse(rows: list[list[int]]) -> list[list[int]]:
    """Return an approximate inverse in fixed point; it needs no guarantee."""
    size = len(rows)
    work = [[*row, *((1 << BITS) * int(i == j) for j in range(size))] for i, row in enumerate(rows)]
    for k in range(size):
        best = max(range(k, size), key=lambda i: abs(work[i][k]))
        work[k], work[best] = work[best], work[k]
        pivot = work[k][k]
        if not pivot:
            raise Refusal("the equations are singular in these cells")
        work[k] = [(entry << BITS) // pivot for entry in work[k]]
        for i in range(size):
            factor = work[i][k]
            if i != k and factor:
                work[i] = [
                    a - ((factor * b) >> BITS) for a, b in zip(work[i], work[k], strict=True)
                ]
    return [row[size:] for row in work]


def _core(model: Model, rank: int, P: list[list[str]], Q: list[list[str]], box: Box) -> Core:
    encoder = poly.product(poly.transpose(_matrix(P)), _matrix(Q))
    values: Box = {}
    for i in range(rank):
        for j in range(rank):
            values[f"P_{i + 1}_{j + 1}"] = box[P[i][j]]
        for j in range(model.d):
            entry = enclose(encoder[i][j], box)
            values[f"W_{i + 1}_{j + 1}"] = entry
            if model.traits.averaged:
                values[f"T_{i + 1}_{j + 1}"] = entry
    return Core(rank, values)


def jacobian(equations: dict[str, Polynomial], core: Core) -> list[list[Interval]]:
    """Return the enclosure of the Jacobian of flow or map at the equilibrium."""
    names = list(equations)
    return [[enclose(poly.derivative(equations[x], y), core.values) for y in names] for x in names]


def system_of(model: Model) -> System:
    """Return the polynomials of the unscaled model."""
    return build(unscaled(model))
