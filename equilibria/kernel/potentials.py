"""The joint procedure is a gradient flow, and its only equilibrium with decay is collapse.

With E0 = 1/2 tr(P W Sigma W^T P^T) - tr(P W M W^T) + 1/2 tr(W Sigma W^T), checked at each size:

    dW = -dE0/dW - eta W,   dP = -alpha dE0/dP - eta_P P,   <W, dE0/dW> = 2 E0          (T1.1)

and E0 >= 0 because it is the form of the block matrix [[Sigma, -M], [-M, Sigma]] on (P W, W).
"""

from __future__ import annotations

from fractions import Fraction

from . import polynomials as poly
from .laws import grid
from .polynomials import Polynomial
from .refusal import Refusal
from .systems import Model, System


def joint_energy(model: Model) -> Polynomial:
    """Return E0."""
    W, P = grid("W", model.n, model.d), grid("P", model.n, model.n)
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    U = poly.product(P, W)
    half = Fraction(1, 2)
    first = poly.trace(poly.product(poly.product(U, sigma), poly.transpose(U)))
    cross = poly.trace(poly.product(poly.product(U, m), poly.transpose(W)))
    last = poly.trace(poly.product(poly.product(W, sigma), poly.transpose(W)))
    return poly.add(poly.add(poly.scale(first, half), cross, -1), last, half)


def contrastive_energy(model: Model) -> Polynomial:
    """Return -1/2 tr(W M W^T) + 1/4 |W Sigma W^T|^2, the loss without decay."""
    W = grid("W", model.n, model.d)
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    attraction = poly.trace(poly.product(poly.product(W, m), poly.transpose(W)))
    F = poly.product(poly.product(W, sigma), poly.transpose(W))
    repulsion = poly.trace(poly.product(F, F))
    return poly.add(poly.scale(attraction, Fraction(-1, 2)), repulsion, Fraction(1, 4))


def decays(model: Model) -> Polynomial:
    """Return (eta/2) |W|^2 + (eta_P/(2 alpha)) |P|^2."""
    W = grid("W", model.n, model.d)
    total: Polynomial = {}
    for row in W:
        for x in row:
            total = poly.add(total, poly.times(x, x), model.eta / 2)
    if not model.traits.predictor:
        return total
    for row in grid("P", model.n, model.n):
        for x in row:
            total = poly.add(total, poly.times(x, x), model.eta_p / (2 * model.alpha))
    return total


def check_gradient_of(potential: Polynomial, model: Model, system: System) -> int:
    """Check that the flow is minus the gradient for |dP|^2/alpha + |dW|^2 (+ |dT|^2)."""
    for x, entry in system.flow.items():
        weight = model.alpha if x.startswith("P") else Fraction(1)
        if poly.add(entry, poly.derivative(potential, x), weight):
            raise Refusal(f"the flow of {x} is not minus the gradient")
    return len(system.flow)


def check_euler(model: Model) -> int:
    """Check <W, dE0/dW> = 2 E0 and that the block matrix is positive semidefinite."""
    energy = joint_energy(model)
    total: Polynomial = {}
    for row in grid("W", model.n, model.d):
        for x in row:
            (key,) = x
            total = poly.add(total, poly.times(x, poly.derivative(energy, key[0])))
    if total != poly.scale(energy, 2):
        raise Refusal("<W, dE0/dW> is not 2 E0")
    if not semidefinite(block_form(model)):
        raise Refusal("[[Sigma, -M], [-M, Sigma]] is not positive semidefinite")
    return 2


def block_form(model: Model) -> list[list[Fraction]]:
    """Return [[Sigma, -M], [-M, Sigma]]."""
    top = [[*s, *(-x for x in m)] for s, m in zip(model.sigma, model.m, strict=True)]
    bottom = [[*(-x for x in m), *s] for s, m in zip(model.sigma, model.m, strict=True)]
    return top + bottom


def semidefinite(matrix: list[list[Fraction]]) -> bool:
    """Return whether a symmetric matrix is positive semidefinite, by elimination."""
    rows = [list(row) for row in matrix]
    for i, pivot in enumerate(rows):
        if pivot[i] < 0 or (not pivot[i] and any(pivot[i:])):
            return False
        if not pivot[i]:
            continue
        for row in rows[i + 1 :]:
            factor = row[i] / pivot[i]
            for j in range(i, len(rows)):
                row[j] -= factor * pivot[j]
    return True
