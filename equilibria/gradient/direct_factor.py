"""Integrating factors of the direct flows: is theta ^ d theta = 0 for theta = P W M - ... ?

On one output row, d theta = 2a q^(a-1) (Sigma w) ^ (M w), so theta ^ d theta is eta times
w ^ (Sigma w) ^ (M w) up to a positive factor: three input columns and decay are needed. With two
rows it is evaluated exactly at a rational point; for DirectPred the point is rational in the
coordinates W Sigma^(1/2), where F = V V^T, which needs diagonal moments. There W is block diagonal,
the other block of full rank, so that F is too and P = F^(1/2) is smooth.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from itertools import combinations

from equilibria.exact.polynomial import Ring
from equilibria.gradient.factor import NO_FACTOR
from equilibria.gradient.forms import nonzero_point
from equilibria.gradient.report import FrobeniusWitness, IntegratingFactor
from equilibria.gradient.submodel import disproportionate_pair, entry
from equilibria.systems.model import Model
from equilibria.varieties.component import How

Matrix = list[list[Fraction]]

COLUMNS_SEARCHED = 12


def direct_factor(model: Model, a: Fraction) -> IntegratingFactor:
    """Decide whether some factor makes the flow a gradient field on some open set."""
    if model.n == 1 and not model.eta:
        return IntegratingFactor(
            True,
            How.PROVED,
            "Divided by P_1_1 it is a gradient field, where W is not 0",
            factor="1/P_1_1",
            potential=f"-(w M w^T)/2 + (w Sigma w^T)**({a + 1})/({2 * a + 2})",
        )
    if model.n == 1 and model.d == 2:
        return IntegratingFactor(
            True, How.PROVED, "An integrating factor exists where the flow is not 0 (dimension 2)"
        )
    # DirectPred is not smooth at W of lower rank, so one row of several does not speak for it
    witness = _one_row_witness(model) if model.eta and (a == 1 or model.n == 1) else None
    if witness is None and model.n >= 2:
        witness = _two_row_witness(model, a)
    if witness is not None:
        return IntegratingFactor(False, How.PROVED, NO_FACTOR, witness)
    if model.n == 1 and model.moments.is_diagonal and model.d <= COLUMNS_SEARCHED:
        scope = "An integrating factor exists where the flow is not 0: theta ^ d theta = 0"
        return IntegratingFactor(True, How.PROVED, scope)
    return IntegratingFactor(None, None, "Whether an integrating factor exists was not decided")


def _one_row_witness(model: Model) -> FrobeniusWitness | None:
    """Find columns with w ^ (Sigma w) ^ (M w) != 0 on one output row."""
    for columns in combinations(range(min(model.d, COLUMNS_SEARCHED)), 3):
        ring = Ring(tuple(f"W_1_{j + 1}" for j in columns))
        w = ring.variables()
        sigma_w, m_w = (
            [
                sum(
                    (
                        x * entry(model.moments, which, i, j)
                        for x, j in zip(w, columns, strict=True)
                    ),
                    ring.constant(0),
                )
                for i in columns
            ]
            for which in ("Sigma", "M")
        )
        value = ring.constant(0)
        for i in range(3):
            j, k = (i + 1) % 3, (i + 2) % 3
            value = value + w[i] * (sigma_w[j] * m_w[k] - sigma_w[k] * m_w[j])
        if value:
            value = value * -model.eta
            point = {name: Fraction(0) for name in ring.names} | nonzero_point(value)
            text = f"(a positive multiple of) {value}"
            a, b, c = ring.names
            return FrobeniusWitness((a, b, c), text, point, value.evaluate(point))
    return None


def _two_row_witness(model: Model, a: Fraction) -> FrobeniusWitness | None:
    pair = disproportionate_pair(model.moments)
    if pair is None or (a != 1 and not model.moments.is_diagonal):
        return None
    sigma, m = (
        [[entry(model.moments, which, i, j) for j in pair] for i in pair]
        for which in ("Sigma", "M")
    )
    one, zero = Fraction(1), Fraction(0)
    decay: Matrix = [[model.eta, zero], [zero, model.eta]]
    points: list[Matrix] = [[[one, zero], [one, 2 * one]], [[one, one], [zero, 3 * one]]]
    where = "all other variables are 0"
    if a != 1:
        # V = W Sigma^(1/2) = diag(p) O with a rational rotation O, so that P = diag(p)
        c, s = Fraction(3, 5), Fraction(4, 5)
        points = [[[c * p, s * p], [-s * q, c * q]] for p, q in ((one, 2 * one), (one, 3 * one))]
        m = [[m[0][0] / sigma[0][0], zero], [zero, m[1][1] / sigma[1][1]]]
        decay = [[model.eta / sigma[0][0], zero], [zero, model.eta / sigma[1][1]]]
        sigma = [[one, zero], [zero, one]]
        where = (
            "the point and the form are written in W Sigma^(1/2); in the other rows and columns W "
            "is any constant matrix of full rank, the rest is 0"
        )
    names = [f"W_{i + 1}_{j + 1}" for i in (0, 1) for j in pair]
    for point in points:
        theta, curl = _theta_and_curl(point, sigma, m, decay, a)
        for i, j, k in combinations(range(4), 3):
            value = theta[i] * curl[j][k] + theta[j] * curl[k][i] + theta[k] * curl[i][j]
            if value:
                flat = [x for row in point for x in row]
                return FrobeniusWitness(
                    (names[i], names[j], names[k]),
                    "theta ^ d theta, evaluated exactly",
                    dict(zip(names, flat, strict=True)),
                    value,
                    elsewhere=where,
                )
    return None


def _theta_and_curl(
    W: Matrix, sigma: Matrix, m: Matrix, decay: Matrix, a: Fraction
) -> tuple[list[Fraction], Matrix]:
    """Return theta = P W M - P^2 W Sigma - W D and d theta(x)/d y - d theta(y)/d x at W.

    a = 1: P = F. a = 1/2: F is diagonal at W with rational roots, and dP_ij = dF_ij/(p_i + p_j).
    """
    F = _mul(_mul(W, sigma), _transpose(W))
    P = F if a == 1 else [[_root(F[0][0]), Fraction(0)], [Fraction(0), _root(F[1][1])]]
    PW, P2 = _mul(P, W), _mul(P, P)

    def theta(left: Matrix, square: Matrix, moving: Matrix, inner: Matrix) -> list[Fraction]:
        parts = (_mul(left, m), _mul(square, sigma), _mul(moving, decay), _mul(inner, sigma))
        return [
            parts[0][i][j] - parts[1][i][j] - parts[2][i][j] - parts[3][i][j]
            for i in (0, 1)
            for j in (0, 1)
        ]

    zero: Matrix = [[Fraction(0)] * 2 for _ in range(2)]
    value = theta(PW, _mul(P2, W), W, zero)
    jacobian = []
    for k in range(4):
        H: Matrix = [[Fraction(int(2 * i + j == k)) for j in (0, 1)] for i in (0, 1)]
        half = _mul(_mul(H, sigma), _transpose(W))
        dF = _add(half, _transpose(half))
        dP = dF
        if a != 1:
            dP = [[dF[i][j] / (P[i][i] + P[j][j]) for j in (0, 1)] for i in (0, 1)]
        d_PW = _add(_mul(dP, W), _mul(P, H))
        d_square = _mul(_add(_mul(dP, P), _mul(P, dP)), W)
        jacobian.append(theta(d_PW, d_square, H, _mul(P2, H)))
    curl = [[jacobian[y][x] - jacobian[x][y] for y in range(4)] for x in range(4)]
    return value, curl


def _root(value: Fraction) -> Fraction:
    root = Fraction(round(float(value) ** 0.5))
    assert root * root == value
    return root


def _mul(left: Sequence[Sequence[Fraction]], right: Sequence[Sequence[Fraction]]) -> Matrix:
    return [[row[0] * right[0][j] + row[1] * right[1][j] for j in range(2)] for row in left]


def _add(left: Matrix, right: Matrix) -> Matrix:
    return [[x + y for x, y in zip(a, b, strict=True)] for a, b in zip(left, right, strict=True)]


def _transpose(matrix: Matrix) -> Matrix:
    return [list(row) for row in zip(*matrix, strict=True)]
