"""Checks at one exact point: is it an equilibrium, and what does its Jacobian do there?

Everything is rational: the dense Jacobian of the polynomial flow, its characteristic polynomial,
and Sturm's and Routh's tests on it. Theorem T3.4, examples E1 to E4 and E9.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from equilibria.claims.characteristic import (
    characteristic,
    count_nonreal,
    defective,
    product,
    real_parts,
)
from equilibria.claims.claim import Finding
from equilibria.claims.kinds.base import Context, choice_of, number_of, table_of, truth_of
from equilibria.claims.kinds.verdicts import gather
from equilibria.errors import FormatError
from equilibria.files.untrusted import Table
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem

ENTRIES = (
    "W",
    "P",
    "T",
    "equilibrium",
    "flow",
    "nonreal",
    "jordan",
    "characteristic",
    "gram-equation",
)
FLOWS = ("stable", "unstable")
MOST_VARIABLES = 40


def point(context: Context, value: object) -> Finding:
    """Check a point given by its matrices: equilibrium, stability of the flow, spectrum."""
    table = table_of(value, "point", ENTRIES)
    system = context.own_model.traits.system(context.own_model)
    if len(system.variables) > MOST_VARIABLES:
        raise FormatError(
            f"holds.point: {len(system.variables)} variables, at most {MOST_VARIABLES}"
        )
    state = _state(system.variables, table)
    rest = all(entry == 0 for entry in system.evaluate(state).values())
    rows = []
    if "equilibrium" in table or rest is False:
        wanted = truth_of(table.get("equilibrium", True), "point.equilibrium")
        text = "the flow vanishes there" if rest else "the flow does not vanish there"
        rows.append(Finding(rest is wanted, "proved", text, "an equilibrium", _words(state)))
    if not rest:
        return gather(rows)
    if "gram-equation" in table:
        rows.append(_gram_equation(context.own_model, state, table["gram-equation"]))
    jacobian = _jacobian(system, state)
    rows += _spectral(table, jacobian, _words(state))
    if not rows:
        raise FormatError("holds.point: nothing to check; give flow, nonreal or characteristic")
    return gather(rows)


def _state(variables: tuple[str, ...], table: Table) -> dict[str, Fraction]:
    matrices: dict[str, Any] = {"T": table.get("W"), **table}
    state = {}
    for name in variables:
        letter, i, j = name.split("_")
        try:
            state[name] = number_of(matrices[letter][int(i) - 1][int(j) - 1], f"point.{letter}")
        except (TypeError, KeyError, IndexError) as error:
            raise FormatError(f"holds.point.{letter}: no entry for {name}") from error
    return state


def _words(state: Mapping[str, Fraction]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in state.items() if value)


def _jacobian(system: PolynomialSystem, state: Mapping[str, Fraction]) -> list[list[Fraction]]:
    index = {name: place for place, name in enumerate(system.variables)}
    matrix = [[Fraction(0)] * len(index) for _ in index]
    for (row, column), entry in system.jacobian().items():
        matrix[index[row]][index[column]] = Fraction(entry.evaluate(state))
    return matrix


def _spectral(table: Table, jacobian: list[list[Fraction]], at: str) -> list[Finding]:
    polynomial = characteristic(jacobian)
    rows = []
    if "flow" in table:
        wanted = choice_of(table["flow"], "point.flow", FLOWS)
        left, middle, right = real_parts(polynomial)
        found = (
            f"{right} eigenvalues with positive, {middle} with zero, {left} with negative real part"
        )
        # Zeros may be motion along the component: they do not count against stability here.
        rows.append(Finding((right == 0) is (wanted == "stable"), "certified", found, wanted, at))
    if "nonreal" in table:
        wanted_nonreal = truth_of(table["nonreal"], "point.nonreal")
        count = count_nonreal(polynomial)
        text = f"{count} non-real eigenvalues"
        rows.append(Finding((count > 0) is wanted_nonreal, "certified", text, "non-real", at))
    if "jordan" in table:
        block = defective(jacobian, polynomial)
        text = "not diagonalisable" if block else "diagonalisable over C"
        rows.append(
            Finding(block is truth_of(table["jordan"], "point.jordan"), "proved", text, "", at)
        )
    if "characteristic" in table:
        rows.append(_same(table["characteristic"], polynomial, at))
    return rows


def _gram_equation(model: Model, state: Mapping[str, Fraction], value: object) -> Finding:
    """Check (Sigma S + eta)(S Sigma + eta) = M S M with S = W^T W (Ponce et al., Prop. 4.5)."""
    sigma, m = model.moments.rational_matrices()
    span = range(model.d)
    W = [[state[f"W_{i + 1}_{j + 1}"] for j in span] for i in range(model.n)]
    S = [[sum((row[i] * row[j] for row in W), Fraction(0)) for j in span] for i in span]
    left = product(sigma, S)
    for i in span:
        left[i][i] += model.eta
    transposed = [list(column) for column in zip(*left, strict=True)]
    same = product(left, transposed) == product(m, product(S, m))
    text = "the equation holds" if same else "the two sides differ"
    return Finding(same is truth_of(value, "point.gram-equation"), "proved", text, "equality")


def _same(wanted: object, polynomial: list[Fraction], at: str) -> Finding:
    if not isinstance(wanted, list):
        raise FormatError("holds.point.characteristic: expected coefficients, highest power first")
    numbers = [number_of(entry, "point.characteristic") for entry in wanted]
    monic = [entry / numbers[0] for entry in numbers] if numbers and numbers[0] else []
    found = polynomial[::-1]
    text = "characteristic polynomial " + ", ".join(map(str, found))
    return Finding(monic == found, "proved", text, ", ".join(map(str, monic)), at)
