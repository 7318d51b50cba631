"""A learning procedure as polynomials: the flow dx/dt = f(x) and one step of the update map.

Variables are named W_i_j (row i, column j, from 1), P_i_j, T_i_j, and VW_i_j, VP_i_j for the
heavy-ball velocities, which only the map has; with hidden layers W1_i_j, ..., P1_i_j, ..., T1_i_j.
Where a procedure sets the predictor from the encoder (DirectPred, DirectCopy), P is tied to W by the
`constraints` and has no equation of motion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

from equilibria.exact.polynomial import Polynomial, PolynomialMatrix, Ring
from equilibria.systems.problem import Problem


@dataclass(frozen=True)
class PolynomialSystem:
    """Flow and map over one ring; every variable of `flow` also has an entry in `map`.

    In a user's system either may be empty: not given, and in the map's case not asked for.
    `matrix_form` states the same equations in matrix notation, one line each.
    """

    variables: tuple[str, ...]
    flow: Mapping[str, Polynomial]
    map: Mapping[str, Polynomial]
    constraints: tuple[Polynomial, ...]
    symmetry: str
    matrix_form: tuple[str, ...]

    @cached_property
    def degree(self) -> int:
        """Return the largest degree of the flow and the constraints (of the map, without a flow)."""
        equations = self.flow or self.map
        return max(entry.degree for entry in (*equations.values(), *self.constraints))

    @property
    def terms(self) -> int:
        """Return the number of terms of the flow and the map together."""
        return sum(len(entry.terms) for entry in (*self.flow.values(), *self.map.values()))

    def jacobian(self, kind: str = "flow") -> dict[tuple[str, str], Polynomial]:
        """Return the non-zero partial derivatives d(equation of a)/d(b), keyed by (a, b)."""
        equations = self.flow if kind == "flow" else self.map
        return {
            (row, column): entry.diff(column)
            for row, entry in equations.items()
            for column in entry.variables()
        }

    def evaluate(self, point: Mapping[str, object], kind: str = "flow") -> dict[str, Any]:
        """Return the flow (or the next state) at `point`.

        Numbers may be fractions (the answer is exact), floats or NumPy arrays of any one shape.
        """
        equations = self.flow if kind == "flow" else self.map
        exact = all(isinstance(value, int | Fraction) for value in point.values())
        convert = None if exact else float
        return {name: entry.evaluate(point, convert) for name, entry in equations.items()}


class Builder:
    """Names the variables of a model's matrices and collects their equations.

    The matrices are W, P and T, or what `shapes` names where there are hidden layers; a name that
    begins with T is a target, which has no velocity.
    """

    def __init__(
        self, model: Problem, letters: str = "", shapes: Mapping[str, tuple[int, int]] | None = None
    ) -> None:
        self.model = model
        if shapes is None:
            sizes = {"W": (model.n, model.d), "P": (model.n, model.n), "T": (model.n, model.d)}
            shapes = {letter: sizes[letter] for letter in letters}
        self._names = {letter: _grid(letter, shape) for letter, shape in shapes.items()}
        self._velocities = {}
        if model.nu:
            moving = [letter for letter in shapes if not letter.startswith("T")]
            self._velocities = {letter: _grid("V" + letter, shapes[letter]) for letter in moving}
        flat = [
            name
            for grid in (*self._names.values(), *self._velocities.values())
            for row in grid
            for name in row
        ]
        self.ring = Ring(tuple(flat))
        self._lookup = dict(zip(flat, self.ring.variables(), strict=True))
        self.sigma, self.m = model.moments.rational_matrices()

    def matrix(self, letter: str) -> PolynomialMatrix:
        """Return the matrix of variables of one letter."""
        return self._as_matrix(self._names[letter])

    def _as_matrix(self, grid: list[list[str]]) -> PolynomialMatrix:
        return PolynomialMatrix([[self._lookup[name] for name in row] for row in grid])

    def step(
        self, letter: str, direction: PolynomialMatrix
    ) -> tuple[PolynomialMatrix, dict[str, Polynomial]]:
        """Return x + h v+ and the equations of one SGD step along `direction`.

        With momentum nu the velocity is v+ = nu v + direction and a variable of the map; without,
        v+ is the direction itself.
        """
        state, equations = self.matrix(letter), {}
        if self.model.nu:
            velocity = self._velocities[letter]
            direction = self.model.nu * self._as_matrix(velocity) + direction
            equations.update(_assign(velocity, direction))
        after = state + self.model.h * direction
        return after, {**_assign(self._names[letter], after), **equations}

    def assign(self, letter: str, value: PolynomialMatrix) -> dict[str, Polynomial]:
        """Return the equations that set one matrix to `value`, keyed by variable."""
        return _assign(self._names[letter], value)

    def system(
        self,
        *,
        flow: Mapping[str, PolynomialMatrix],
        map: Mapping[str, Polynomial],
        constraints: tuple[Polynomial, ...] = (),
        matrix_form: tuple[str, ...],
        symmetry: str = "",
    ) -> PolynomialSystem:
        """Collect the pieces; the flow is keyed by letter, the map already by variable."""
        names = tuple(name for grid in self._names.values() for row in grid for name in row)
        equations: dict[str, Polynomial] = {}
        for letter, value in flow.items():
            equations.update(self.assign(letter, value))
        return PolynomialSystem(
            names, equations, map, constraints, symmetry or f"O({self.model.n})", matrix_form
        )


def _grid(letter: str, shape: tuple[int, int]) -> list[list[str]]:
    rows, columns = shape
    return [[f"{letter}_{i}_{j}" for j in range(1, columns + 1)] for i in range(1, rows + 1)]


def _assign(grid: list[list[str]], value: PolynomialMatrix) -> dict[str, Polynomial]:
    return {
        name: entry
        for names, row in zip(grid, value.rows, strict=True)
        for name, entry in zip(names, row, strict=True)
    }
