"""Sparse polynomials over the rationals, and matrices of them.

A learning procedure has hundreds of variables and a few terms in each equation, and the command
line must answer before a computer-algebra system has been imported; so this is a dictionary from
monomials to fractions and nothing more. Factoring, elimination and Groebner bases are the business
of the engines, which receive these polynomials as text.

A monomial is a tuple of (variable index, exponent) pairs in ascending order of index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

Monomial = tuple[tuple[int, int], ...]
Scalar = int | Fraction


@dataclass(frozen=True, slots=True)
class Ring:
    """The polynomial ring Q[names]; polynomials of one ring share one object."""

    names: tuple[str, ...]

    def variable(self, name: str) -> Polynomial:
        return Polynomial(self, {((self.names.index(name), 1),): Fraction(1)})

    def variables(self) -> tuple[Polynomial, ...]:
        return tuple(
            Polynomial(self, {((index, 1),): Fraction(1)}) for index in range(len(self.names))
        )

    def constant(self, value: Scalar) -> Polynomial:
        return Polynomial(self, {(): Fraction(value)} if value else {})


class Polynomial:
    """An element of `ring`, immutable by convention."""

    __slots__ = ("ring", "terms")

    def __init__(self, ring: Ring, terms: dict[Monomial, Fraction]) -> None:
        self.ring = ring
        self.terms = terms

    def _coerce(self, other: object) -> Polynomial:
        if isinstance(other, Polynomial):
            if other.ring != self.ring:
                raise ValueError("polynomials of different rings")
            return other
        if isinstance(other, int | Fraction):
            return self.ring.constant(other)
        raise TypeError(f"cannot combine a polynomial with {type(other).__name__}")

    def __add__(self, other: Polynomial | Scalar) -> Polynomial:
        return Polynomial(self.ring, _accumulate(self.terms, self._coerce(other).terms, 1))

    def __sub__(self, other: Polynomial | Scalar) -> Polynomial:
        return Polynomial(self.ring, _accumulate(self.terms, self._coerce(other).terms, -1))

    def __neg__(self) -> Polynomial:
        return Polynomial(self.ring, {key: -value for key, value in self.terms.items()})

    def __mul__(self, other: Polynomial | Scalar) -> Polynomial:
        if isinstance(other, int | Fraction):
            if not other:
                return Polynomial(self.ring, {})
            return Polynomial(self.ring, {key: value * other for key, value in self.terms.items()})
        factor = self._coerce(other)
        product: dict[Monomial, Fraction] = {}
        for left, left_value in self.terms.items():
            for right, right_value in factor.terms.items():
                _add_term(product, _times(left, right), left_value * right_value)
        return Polynomial(self.ring, product)

    __radd__ = __add__
    __rmul__ = __mul__

    def __rsub__(self, other: Scalar) -> Polynomial:
        return self._coerce(other) - self

    def __pow__(self, exponent: int) -> Polynomial:
        result = self.ring.constant(1)
        for _ in range(exponent):
            result = result * self
        return result

    def __eq__(self, other: object) -> bool:
        if isinstance(other, int | Fraction):
            return self.terms == self.ring.constant(other).terms
        if not isinstance(other, Polynomial):
            return NotImplemented
        return self.ring == other.ring and self.terms == other.terms

    def __hash__(self) -> int:
        return hash((self.ring.names, frozenset(self.terms.items())))

    def __bool__(self) -> bool:
        return bool(self.terms)

    def __repr__(self) -> str:
        return self.text()

    @property
    def degree(self) -> int:
        """Return the total degree; -1 for the zero polynomial."""
        return max((sum(power for _, power in key) for key in self.terms), default=-1)

    def variables(self) -> tuple[str, ...]:
        """Return the names that occur, in the ring's order."""
        used = {index for key in self.terms for index, _ in key}
        return tuple(self.ring.names[index] for index in sorted(used))

    def diff(self, name: str) -> Polynomial:
        """Return the partial derivative with respect to one variable."""
        index = self.ring.names.index(name)
        derivative: dict[Monomial, Fraction] = {}
        for key, value in self.terms.items():
            powers = dict(key)
            power = powers.pop(index, 0)
            if power:
                if power > 1:
                    powers[index] = power - 1
                _add_term(derivative, tuple(sorted(powers.items())), value * power)
        return Polynomial(self.ring, derivative)

    def evaluate(
        self, point: Mapping[str, Any], convert: Callable[[Fraction], Any] | None = None
    ) -> Any:
        """Return the value at `point`, a mapping from names to numbers, arrays or polynomials.

        Fractions stay exact; `convert` turns the coefficients into the arithmetic of the point
        (`float` for NumPy arrays).
        """
        total: Any = convert(Fraction(0)) if convert else Fraction(0)
        for key, coefficient in self.terms.items():
            value: Any = convert(coefficient) if convert else coefficient
            for index, power in key:
                value = value * point[self.ring.names[index]] ** power
            total = total + value
        return total

    def sorted_terms(self) -> list[tuple[Monomial, Fraction]]:
        """Return the terms in the canonical order: total degree, then the ring's order."""
        return sorted(self.terms.items(), key=_canonical)

    def text(self) -> str:
        """Return the polynomial as text that `grammar.parse` and sympy read back."""
        return self._joined(
            lambda name, power: name if power == 1 else f"{name}**{power}", "*", str
        )

    def latex(self, symbol: Callable[[str], str] | None = None) -> str:
        """Return a LaTeX expression; `symbol` maps a name, by default W_1_2 to W_{12}."""
        names = symbol or latex_name
        return self._joined(
            lambda name, power: names(name) if power == 1 else f"{names(name)}^{{{power}}}",
            r"\,",
            _latex_fraction,
        )

    def _joined(
        self, factor: Callable[[str, int], str], times: str, number: Callable[[Fraction], str]
    ) -> str:
        pieces: list[str] = []
        for key, value in self.sorted_terms():
            factors = [factor(self.ring.names[index], power) for index, power in key]
            size = abs(value)
            if size != 1 or not factors:
                factors.insert(0, number(size))
            sign = "-" if value < 0 else "+"
            body = times.join(factors)
            pieces.append(f" {sign} {body}" if pieces else (f"-{body}" if value < 0 else body))
        return "".join(pieces) or "0"


def _accumulate(
    left: dict[Monomial, Fraction], right: dict[Monomial, Fraction], sign: int
) -> dict[Monomial, Fraction]:
    total = dict(left)
    for key, value in right.items():
        _add_term(total, key, value if sign > 0 else -value)
    return total


def _add_term(terms: dict[Monomial, Fraction], key: Monomial, value: Fraction) -> None:
    total = terms.get(key, 0) + value
    if total:
        terms[key] = Fraction(total)
    else:
        terms.pop(key, None)


def _times(left: Monomial, right: Monomial) -> Monomial:
    if not left:
        return right
    if not right:
        return left
    powers = dict(left)
    for index, power in right:
        powers[index] = powers.get(index, 0) + power
    return tuple(sorted(powers.items()))


def _canonical(term: tuple[Monomial, Fraction]) -> tuple[int, tuple[tuple[int, int], ...]]:
    key, _ = term
    return (-sum(power for _, power in key), tuple((index, -power) for index, power in key))


def _latex_fraction(value: Fraction) -> str:
    if value.denominator == 1:
        return str(value.numerator)
    return rf"\tfrac{{{value.numerator}}}{{{value.denominator}}}"


def latex_name(name: str) -> str:
    """Return W_{12} for W_1_2, W_{10,2} for W_10_2, and x_{a} for x_a."""
    head, *indices = name.split("_")
    if not indices:
        return head if len(head) == 1 else rf"\mathrm{{{head}}}"
    joiner = "" if all(len(index) == 1 for index in indices) else ","
    return f"{head}_{{{joiner.join(indices)}}}"


class PolynomialMatrix:
    """A dense matrix of polynomials, so that a procedure reads like its equations."""

    __slots__ = ("rows",)

    def __init__(self, rows: Sequence[Sequence[Polynomial]]) -> None:
        self.rows = tuple(tuple(row) for row in rows)

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.rows), len(self.rows[0])

    @property
    def T(self) -> PolynomialMatrix:
        return PolynomialMatrix(tuple(zip(*self.rows, strict=True)))

    def __matmul__(
        self, other: PolynomialMatrix | Sequence[Sequence[Fraction]]
    ) -> PolynomialMatrix:
        columns = tuple(zip(*_rows(other), strict=True))
        return PolynomialMatrix([[_dot(row, column) for column in columns] for row in self.rows])

    def __add__(self, other: PolynomialMatrix) -> PolynomialMatrix:
        return self._entrywise(other, lambda a, b: a + b)

    def __sub__(self, other: PolynomialMatrix) -> PolynomialMatrix:
        return self._entrywise(other, lambda a, b: a - b)

    def __rmul__(self, scalar: Scalar) -> PolynomialMatrix:
        return PolynomialMatrix([[entry * scalar for entry in row] for row in self.rows])

    def _entrywise(
        self, other: PolynomialMatrix, operation: Callable[[Polynomial, Polynomial], Polynomial]
    ) -> PolynomialMatrix:
        return PolynomialMatrix(
            [
                [operation(a, b) for a, b in zip(left, right, strict=True)]
                for left, right in zip(self.rows, other.rows, strict=True)
            ]
        )

    def entries(self) -> Iterable[Polynomial]:
        """Return the entries row by row."""
        return (entry for row in self.rows for entry in row)


Rows = Sequence[Sequence[Polynomial | Fraction]]


def _rows(matrix: PolynomialMatrix | Rows) -> Rows:
    return matrix.rows if isinstance(matrix, PolynomialMatrix) else matrix


def _dot(row: Sequence[Polynomial], column: Sequence[Polynomial | Fraction]) -> Polynomial:
    total: dict[Monomial, Fraction] = {}
    for left, right in zip(row, column, strict=True):
        if not left or not right:
            continue
        for key, value in (left * right).terms.items():
            _add_term(total, key, value)
    return Polynomial(row[0].ring, total)
