"""Blocks of any decays as polynomials: an active mode with itself, and a pair of active modes.

In units with alpha/kappa = 1 and w = p, kappa = eta_P/eta, and with phi on what comes from the target
(T0.3, T7.0, T7.3), the block (P_ii, W_ii) of a mode has the characteristic polynomial

    Lambda^2 + Lambda [(1 + kappa) p m - phi p m] + 4 kappa eta p^2 s - 2 phi kappa eta p m,

and the block (P_ij, P_ji, W_ij, W_ji) of a pair is Lambda, the rotation, times a cubic in Lambda of
degree 2 in phi. `transfer` says what Lambda and phi are for flow and map.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Generic

from equilibria.exact.root_location import N, add, disc, hurwitz
from equilibria.exact.surds import Surd, in_common_field
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import State


@dataclass(frozen=True, slots=True)
class Coupling(Generic[N]):
    """sum over k, l of coefficients[k][l] Lambda^k phi^l, without the neutral power of Lambda."""

    coefficients: tuple[tuple[N, ...], ...]
    neutral: int

    @property
    def degree(self) -> int:
        """Return the degree in Lambda."""
        return len(self.coefficients) - 1

    @property
    def targets(self) -> int:
        """Return the degree in phi."""
        return len(self.coefficients[0]) - 1

    def at(self, phi: Fraction) -> list[N]:
        """Return the polynomial in Lambda at a value of phi; phi = 1 is stop-gradient."""
        return [_value(row, phi) for row in self.coefficients]

    def characteristic(self, model: Model, *, is_map: bool) -> list[N]:
        """Return the polynomial in lambda = (z - 1)/h (lambda itself for the flow), neutral roots out.

        Heavy ball gives each neutral direction a second root, that of lambda = (nu - 1)/h; it is
        strictly inside and left out too.
        """
        n, d, fn, fd = fractions(model, is_map=is_map)
        like = self.coefficients[0][0] * 0
        powers_n, powers_d = _powers(n, self.degree), _powers(d, self.degree)
        powers_f, powers_g = _powers(fn, self.targets), _powers(fd, self.targets)
        total: list[N] = [like]
        for k, row in enumerate(self.coefficients):
            outer = times(powers_n[k], powers_d[self.degree - k])
            for order, value in enumerate(row):
                if value:
                    inner = times(outer, times(powers_f[order], powers_g[self.targets - order]))
                    total = add(total, [value * c for c in inner])
        return total


def diagonal_coupling(state: State, eta: Fraction, kappa: Fraction) -> Coupling[Surd]:
    """Return the block of one active mode."""
    p = state.p
    signal, square = p * state.mode.m, p * p * state.mode.s
    zero = p * 0
    return Coupling(
        (
            (square * (4 * kappa * eta), signal * (-2 * kappa * eta)),
            (signal * (1 + kappa), -signal),
            (zero + 1, zero),
        ),
        neutral=0,
    )


def pair_coupling(left: State, right: State, eta: Fraction, kappa: Fraction) -> Coupling[Surd]:
    """Return the block of two active modes, without its neutral root."""
    p, q = in_common_field(left.p, right.p)
    s, r, m, k = left.mode.s, right.mode.s, left.mode.m, right.mode.m
    a, b = p * p, q * q
    own, crossed = a * s + b * r, a * r + b * s
    squares = a + b
    u, v = q * m, p * k
    both = u + v
    near = u * (b * r) + v * (a * s)
    far = u * (a * r) + v * (b * s)
    product = u * v
    zero, e, c = p * 0, eta, kappa
    constant = (
        squares * (squares * (s * r) + e * (s + r)) * (e * c * (c + 1)),
        (both * (e * (c + 1)) + near * (c + 1) + far * 2) * (-e * c),
        product * (2 * e * c),
    )
    linear = (
        (own + crossed) * (2 * e * c)
        + own * (e * c * c)
        + crossed * e
        + a * b * (s * r * (1 + c * c))
        + (a * a + b * b) * (s * r * c)
        + e * e * (c + 1) ** 2,
        -(both * (e * (2 * c + 1)) + near * c + far),
        product,
    )
    quadratic = (own * c + crossed + 2 * e * (c + 1), -both, zero)
    return Coupling((constant, linear, quadratic, (zero + 1, zero, zero)), neutral=1)


def fractions(
    model: Model, *, is_map: bool
) -> tuple[list[Fraction], list[Fraction], list[Fraction], list[Fraction]]:
    """Return Lambda = N/D and phi = Fn/Fd of `transfer`, as exact polynomials in lambda."""
    one, zero = Fraction(1), Fraction(0)
    h = model.h if is_map else zero
    plus = [one, h] if h else [one]
    n, d = [zero, one], [one]
    if is_map and model.nu:
        n, d = [zero, 1 - model.nu, h], plus
    if not model.traits.has_target:
        return n, d, [one], [one]
    return n, d, [model.flow_rate * c for c in plus], [model.flow_rate, one]


def times(left: list[Fraction], right: list[Fraction]) -> list[Fraction]:
    """Return the product of two polynomials with rational coefficients."""
    product = [Fraction(0)] * (len(left) + len(right) - 1)
    for i, a in enumerate(left):
        for j, b in enumerate(right):
            product[i + j] += a * b
    return product


def _powers(base: list[Fraction], most: int) -> list[list[Fraction]]:
    powers = [[Fraction(1)]]
    for _ in range(most):
        powers.append(times(powers[-1], base))
    return powers


def _value(row: tuple[N, ...], phi: Fraction) -> N:
    total = row[-1]
    for value in row[-2::-1]:
        total = total * phi + value
    return total


def without_zero_roots(coefficients: list[N]) -> tuple[list[N], int]:
    """Return the polynomial divided by its power of lambda, and that power: the neutral roots."""
    count = 0
    while len(coefficients) > 1 and coefficients[0].sign() == 0:
        coefficients = coefficients[1:]
        count += 1
    return coefficients, count


def pair_sign(
    left: State, right: State, model: Model, kappa: Fraction, *, is_map: bool
) -> tuple[int, int]:
    """Return the exact position of a pair's normal eigenvalues, and its zeros beyond the first."""
    return _position(pair_coupling(left, right, model.eta, kappa), model, is_map=is_map)


def diagonal_sign(state: State, model: Model, kappa: Fraction, *, is_map: bool) -> tuple[int, int]:
    """Return the exact position of a diagonal block's normal eigenvalues, and its zeros."""
    return _position(diagonal_coupling(state, model.eta, kappa), model, is_map=is_map)


def _position(coupling: Coupling[Surd], model: Model, *, is_map: bool) -> tuple[int, int]:
    remaining, zeros = without_zero_roots(coupling.characteristic(model, is_map=is_map))
    return (disc(remaining, model.h) if is_map else hurwitz(remaining)), zeros
