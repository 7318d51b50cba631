"""How large the family of equilibria through a point is, from groups that act on them.

Decay: (P, W, T) -> (Q P Q^T, Q W X, Q T X) with Q in O(n) and X a rotation that commutes with Sigma
and M. Without any decay, on R = 0: (g (P + A) g^-1, g W X, g T X) with g in GL(n), A W = 0 and X
commuting with M Sigma^-1; without decay of the predictor alone, P + A where W = 0. The contrastive
equilibria are turned in W Sigma^1/2 (`_whitened`). The tangent
vectors of these actions span a space whose dimension, the rank of a Gram matrix, is the answer.
"""

from __future__ import annotations

from fractions import Fraction

from .points import Evaluator, Point
from .spectra import Matrix, blocks, characteristic, without_zeros
from .systems import Model, System
from .towers import Tower, Value, plus

Vector = dict[str, Value]
Square = list[list[Fraction]]


def tangents(model: Model, system: System, point: Point, tower: Tower) -> list[Vector]:
    """Return tangent vectors of the known families through an equilibrium."""
    free = is_free(model, point, tower)
    found = [_left(model, point, g) for g in _units(model.n, skew=not free)]
    found += [_right(model, point, x) for x in _commuting(model, free)]
    if model.eta_p == 0 and model.traits.learned:
        found += _predictors(model, point, free)
    return _moving(system, found)


def symmetries(model: Model, system: System, point: Point) -> list[Vector]:
    """Return the tangent vectors of the actions that commute with flow and map.

    Along them all spectra are constant: rotations of the outputs, and of inputs with equal (s, m).
    """
    equal = [
        unit
        for unit in (_units(model.d, skew=True) if model.diagonal else [])
        if all(
            (model.sigma[i][i], model.m[i][i]) == (model.sigma[j][j], model.m[j][j])
            for i in range(model.d)
            for j in range(model.d)
            if unit[i][j]
        )
    ]
    found = [_left(model, point, g) for g in _units(model.n, skew=True)]
    return _moving(system, found + [_right(model, point, x) for x in equal])


def _moving(system: System, vectors: list[Vector]) -> list[Vector]:
    moving = set(system.flow)
    kept = [{x: v for x, v in vector.items() if x in moving and v} for vector in vectors]
    return [vector for vector in kept if vector]


def is_free(model: Model, point: Point, tower: Tower) -> bool:
    """Return whether nothing decays and R = 0; for joint also W (Sigma - M Sigma^-1 M) = 0."""
    if model.eta or model.eta_p or not model.traits.learned:
        return False
    if not model.diagonal:
        return False
    at_point = Evaluator(point, tower)
    for i in range(1, model.n + 1):
        for j in range(1, model.d + 1):
            s, m = model.sigma[j - 1][j - 1], model.m[j - 1][j - 1]
            gap = {(f"W_{i}_{j}",): m} | {
                (f"P_{i}_{k}", f"W_{k}_{j}"): -s for k in range(1, model.n + 1)
            }
            if at_point.value({key: c for key, c in gap.items() if c}):
                return False
            if model.traits.joint and f"W_{i}_{j}" in point and m * m != s * s:
                return False
    return True


def _units(size: int, *, skew: bool) -> list[Square]:
    found = []
    for i in range(size):
        for j in range(size):
            if skew and i >= j:
                continue
            unit = [[Fraction(0)] * size for _ in range(size)]
            unit[i][j] = Fraction(1)
            if skew:
                unit[j][i] = Fraction(-1)
            found.append(unit)
    return found


def _commuting(model: Model, free: bool) -> list[Square]:
    """Return the units X that commute with the moments (or, freely, with M Sigma^-1)."""
    if not model.diagonal:
        return []
    modes = [(model.sigma[j][j], model.m[j][j]) for j in range(model.d)]
    if not model.traits.predictor:
        return _whitened(modes, model.eta)
    found = []
    for unit in _units(model.d, skew=not free):
        pairs = [(i, j) for i in range(model.d) for j in range(model.d) if unit[i][j]]
        if free:
            same = all(modes[i][1] * modes[j][0] == modes[j][1] * modes[i][0] for i, j in pairs)
        else:
            same = all(modes[i] == modes[j] for i, j in pairs)
        if same:
            found.append(unit)
    return found


def _whitened(modes: list[tuple[Fraction, Fraction]], eta: Fraction) -> list[Square]:
    """Return sqrt(s_i s_j) S^1/2 K S^-1/2, K turning modes with equal (m - eta) / s.

    With V = W S^1/2 the equilibria are (V L - V V^T V) S = 0, L = S^-1/2 (M - eta) S^-1/2: rotations
    of V that commute with L keep them.
    """
    found = []
    for i, (s, m) in enumerate(modes):
        for j, (t, k) in enumerate(modes[:i]):
            if (m - eta) * t == (k - eta) * s:
                unit = [[Fraction(0)] * len(modes) for _ in modes]
                unit[i][j], unit[j][i] = s, -t
                found.append(unit)
    return found


def _left(model: Model, point: Point, g: Square) -> Vector:
    """Return (g P - P g, g W, g T)."""
    found: Vector = {}
    for x, value in point.items():
        letter, row, column = x.split("_")
        i, j = int(row) - 1, int(column) - 1
        for k in range(model.n):
            _add(found, f"{letter}_{k + 1}_{j + 1}", value, g[k][i])
            if letter == "P":
                _add(found, f"{letter}_{i + 1}_{k + 1}", value, -g[j][k])
    return found


def _right(model: Model, point: Point, x_unit: Square) -> Vector:
    """Return (0, W X, T X)."""
    found: Vector = {}
    for x, value in point.items():
        letter, row, column = x.split("_")
        if letter != "P":
            for k in range(model.d):
                _add(found, f"{letter}_{row}_{k + 1}", value, x_unit[int(column) - 1][k])
    return found


def _predictors(model: Model, point: Point, free: bool) -> list[Vector]:
    """Return the units A on columns where the row of W is 0."""
    dead = [
        j
        for j in range(1, model.n + 1)
        if not any(f"W_{j}_{c}" in point for c in range(1, model.d + 1))
    ]
    if not free and len(dead) < model.n:
        return []
    return [{f"P_{i}_{j}": {(): Fraction(1)}} for i in range(1, model.n + 1) for j in dead]


def _add(vector: Vector, name: str, value: Value, factor: Fraction) -> None:
    if factor:
        scaled = {key: x * factor for key, x in value.items()}
        vector[name] = plus(vector.get(name, {}), scaled)


def rank(vectors: list[Vector], tower: Tower) -> int:
    """Return the rank of vectors over the tower, exactly: that of their Gram matrix."""
    entries: dict[tuple[int, int], Value] = {}
    for i, left in enumerate(vectors):
        for j, right in enumerate(vectors):
            total: Value = {}
            for x in left.keys() & right.keys():
                total = plus(total, tower.times(left[x], right[x]))
            entries[i, j] = total
    gram = Matrix.of(len(vectors), entries)
    dependent = 0
    for block in blocks(gram):
        rest, zeros = without_zeros(characteristic(tower, gram, block))
        tower.sign(rest[0])  # refuses a number that cannot be told from zero
        dependent += zeros
    return len(vectors) - dependent
