"""Exact numbers of real equilibria for small systems: is a list complete?

The moments, as floating-point numbers, are exact rationals, and so is every step here.

Rank one (T6.6): the real zeros of det(p^2 Sigma - p M + eta I), by Sturm sequences; each simple one
is one equilibrium. Full rank for d = 2 (T6.2): the real solutions X of three quadratic equations in
the three entries of X, six over the complex numbers. By Hermite's theorem their number is the
signature of the trace form (f, g) -> tr(f g) on the quotient ring of the ideal.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING

from equilibria.varieties.noncommuting.core import Array, check_moments

if TYPE_CHECKING:
    import sympy as sp


def count_rank_one(Sigma: Array, M: Array, eta: float) -> int:
    """The number of distinct real p with det(p^2 Sigma - p M + eta I) = 0, exactly (d <= 6)."""
    import sympy as sp

    check_moments(Sigma, M, eta)
    d = Sigma.shape[0]
    if d > 6:
        raise ValueError(f"d = {d}: exact counting of rank-one equilibria is meant for d <= 6")
    p = sp.Symbol("p")
    S, N, e = _rational(Sigma), _rational(M), _number(eta)
    pencil = S * p**2 - N * p + e * sp.eye(d)
    return int(sp.Poly(pencil.det(method="berkowitz"), p).count_roots())


def count_full_rank_2x2(Sigma: Array, M: Array, eta: float) -> int | None:
    """The number of orbits of equilibria of rank 2 = d <= n, exactly; None if not finite.

    Every real symmetric solution X is positive definite and gives one orbit (T6.2); M must be
    nonsingular, otherwise the answer is 0.
    """
    import sympy as sp

    check_moments(Sigma, M, eta)
    if Sigma.shape != (2, 2):
        raise ValueError(f"d = {Sigma.shape[0]}: exact counting of full rank is for d = 2")
    S, N, e = _rational(Sigma), _rational(M), _number(eta)
    if N.det() == 0:
        return 0
    a, b, c = unknowns = sp.symbols("a b c")
    X = sp.Matrix([[a, b], [b, c]])
    equation = N * X * N - (S * X + e * sp.eye(2)) * (X * S + e * sp.eye(2))
    basis = sp.groebner(
        [sp.expand(equation[i, j]) for i, j in ((0, 0), (0, 1), (1, 1))],
        *unknowns,
        order="grevlex",
        domain=sp.QQ,
    )
    return _real_solutions(basis) if basis.is_zero_dimensional else None


def _number(value: float) -> sp.Rational:
    import sympy as sp

    fraction = Fraction(float(value))
    return sp.Rational(fraction.numerator, fraction.denominator)


def _rational(matrix: Array) -> sp.Matrix:
    import sympy as sp

    symmetric = (matrix + matrix.T) / 2
    return sp.Matrix(*matrix.shape, [_number(v) for v in symmetric.ravel()])


def _real_solutions(basis: sp.GroebnerBasis) -> int:
    """Signature of the trace form on QQ[a, b, c] / ideal."""
    import sympy as sp

    monomials = _standard_monomials(basis)
    matrices = {m: _multiplication(basis, monomials, m) for m in monomials}
    form = sp.Matrix(
        len(monomials),
        len(monomials),
        lambda i, j: (matrices[monomials[i]] * matrices[monomials[j]]).trace(),
    )
    return _signature(form)


def _standard_monomials(basis: sp.GroebnerBasis) -> list[tuple[int, ...]]:
    """Exponents that no leading monomial of the Groebner basis divides."""
    leading = [poly.monoms(order="grevlex")[0] for poly in basis.polys]
    found, frontier = [], [(0,) * len(basis.gens)]
    while frontier:
        m = frontier.pop(0)
        if m in found or any(all(x <= y for x, y in zip(lead, m, strict=True)) for lead in leading):
            continue
        found.append(m)
        frontier += [(*m[:i], m[i] + 1, *m[i + 1 :]) for i in range(len(m))]
    return found


def _multiplication(
    basis: sp.GroebnerBasis, monomials: list[tuple[int, ...]], factor: tuple[int, ...]
) -> sp.Matrix:
    """Matrix of multiplication by a monomial on the quotient ring, columns in `monomials`."""
    import sympy as sp

    columns = []
    for m in monomials:
        product = sp.Mul(*(g ** (x + y) for g, x, y in zip(basis.gens, factor, m, strict=True)))
        _, remainder = basis.reduce(product)
        terms = sp.Poly(remainder, *basis.gens).as_dict()
        columns.append([terms.get(row, sp.Integer(0)) for row in monomials])
    return sp.Matrix(columns).T


def _signature(form: sp.Matrix) -> int:
    """Positive minus negative squares of a rational symmetric matrix: signs of its char. roots.

    All roots are real, so by Descartes' rule sign changes count the positive ones exactly.
    """
    import sympy as sp

    x = sp.Symbol("x")
    coefficients = form.charpoly(x).all_coeffs()
    positive = _sign_changes(coefficients)
    negative = _sign_changes([(-1) ** i * v for i, v in enumerate(coefficients)])
    return positive - negative


def _sign_changes(values: list[sp.Rational]) -> int:
    signs = [v > 0 for v in values if v != 0]
    return sum(a != b for a, b in pairwise(signs))
