"""The procedures once more: flow, map and constraints from the equations, independently written.

    R = T M - P W Sigma,   dP = alpha R W^T - eta_P P,   dW = P^T R - eta W,   dT = beta (W - T)

with T = W for stop-gradient, the extra terms P W M - W Sigma for joint, P a function of W for the
direct procedures, and dW = W M - W Sigma W^T W Sigma - eta W for the contrastive one. One step of
the map is x + h v with v = nu v + dx, and T+ = mu T + (1 - mu) W+.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from . import polynomials as poly
from .polynomials import Matrix, Polynomial
from .procedures import TRAITS, Traits
from .reading import fields, integer, matrix, rational, word
from .refusal import Refusal, at

LARGEST = 6


@dataclass(frozen=True)
class Model:
    """A procedure with its exact data; rates that it does not have are None."""

    procedure: str
    n: int
    d: int
    sigma: list[list[Fraction]]
    m: list[list[Fraction]]
    h: Fraction
    eta: Fraction
    nu: Fraction
    alpha: Fraction
    eta_p: Fraction
    mu: Fraction

    @property
    def traits(self) -> Traits:
        """Return how the procedure learns."""
        return TRAITS[self.procedure]

    @property
    def diagonal(self) -> bool:
        """Return whether both moments are diagonal."""
        off = [(i, j) for i in range(self.d) for j in range(self.d) if i != j]
        return not any(self.sigma[i][j] or self.m[i][j] for i, j in off)

    @property
    def isotropic(self) -> bool:
        """Return whether Sigma is a multiple of the identity."""
        s = self.sigma[0][0]
        size = range(self.d)
        return all(self.sigma[i][j] == (s if i == j else 0) for i in size for j in size)


@dataclass(frozen=True)
class System:
    """Variables in order, flow by variable, map by variable, constraints that tie P to W."""

    variables: tuple[str, ...]
    flow: dict[str, Polynomial]
    map: dict[str, Polynomial]
    constraints: tuple[Polynomial, ...]


def read_model(value: object) -> Model:
    """Return the model of a certificate; refuses rates out of range and unsuited moments."""
    if not isinstance(value, dict):
        raise Refusal("expected an object")
    procedure = word(value.get("procedure"))
    if procedure not in TRAITS:
        raise Refusal(f"no procedure is called {procedure[:40]!r}")
    names = ["procedure", "embed_dim", "input_dim", "Sigma", "M", "lr", "weight_decay", "momentum"]
    traits = TRAITS[procedure]
    names += ["predictor_lr", "predictor_weight_decay"] if traits.learned else []
    names += ["ema"] if traits.averaged else []
    fields(value, names)
    n, d = (integer(value[key], 1, LARGEST) for key in ("embed_dim", "input_dim"))
    with at("Sigma"):
        sigma = matrix(value["Sigma"], d)
    with at("M"):
        m = matrix(value["M"], d)
    model = Model(
        procedure,
        n,
        d,
        sigma,
        m,
        rational(value["lr"]),
        rational(value["weight_decay"]),
        rational(value["momentum"]),
        rational(value["predictor_lr"]) if traits.learned else Fraction(1),
        rational(value["predictor_weight_decay"]) if traits.learned else Fraction(0),
        rational(value["ema"]) if traits.averaged else Fraction(0),
    )
    _check(model)
    return model


def _check(model: Model) -> None:
    size = range(model.d)
    for label, moments in (("Sigma", model.sigma), ("M", model.m)):
        if any(moments[i][j] != moments[j][i] for i in size for j in range(i)):
            raise Refusal(f"{label} is not symmetric")
    if not definite(model.sigma):
        raise Refusal("Sigma is not positive definite")
    rates = model.h > 0 and model.alpha > 0 and model.eta >= 0 and model.eta_p >= 0
    if not rates or not 0 <= model.nu < 1 or not 0 <= model.mu < 1:
        raise Refusal("a rate is out of range")


def definite(matrix: list[list[Fraction]]) -> bool:
    """Return whether a symmetric matrix is positive definite, by elimination."""
    rows = [list(row) for row in matrix]
    for i, pivot in enumerate(rows):
        if pivot[i] <= 0:
            return False
        for row in rows[i + 1 :]:
            factor = row[i] / pivot[i]
            for j in range(i, len(rows)):
                row[j] -= factor * pivot[j]
    return True


def build(model: Model) -> System:
    """Return the polynomials of a model."""
    grids = _grids(model)
    letters = {
        letter: [[poly.variable(x) for x in row] for row in grids[letter]] for letter in grids
    }
    W, P, T = letters["W"], letters.get("P", []), letters.get("T", letters["W"])
    sigma, m = poly.numbers(model.sigma), poly.numbers(model.m)
    moving = _directions(model, W, P, T, sigma, m)
    flow: dict[str, Polynomial] = {}
    step: dict[str, Polynomial] = {}
    after: dict[str, Matrix] = {}
    for letter, direction in moving.items():
        flow |= _assign(grids[letter], direction)
        velocity = poly.multiple(letters["V" + letter], model.nu) if model.nu else None
        speed = poly.combine(direction, velocity) if velocity else direction
        after[letter] = poly.combine(letters[letter], speed, model.h)
        step |= _assign(grids[letter], after[letter])
        step |= _assign(grids["V" + letter], speed) if model.nu else {}
    if model.traits.averaged:
        beta = (1 - model.mu) / model.h
        flow |= _assign(grids["T"], poly.multiple(poly.combine(W, T, -1), beta))
        moved = poly.combine(poly.multiple(T, model.mu), after["W"], 1 - model.mu)
        step |= _assign(grids["T"], moved)
    names = tuple(
        x for letter, grid in grids.items() if letter[0] != "V" for row in grid for x in row
    )
    return System(names, flow, step, _constraints(model, W, P, sigma))


def _grids(model: Model) -> dict[str, list[list[str]]]:
    shapes = {"W": model.d}
    if model.traits.predictor:
        shapes["P"] = model.n
    if model.traits.averaged:
        shapes["T"] = model.d
    if model.nu:
        shapes["VW"] = model.d
        if model.traits.learned:
            shapes["VP"] = model.n
    return {
        letter: [[f"{letter}_{i + 1}_{j + 1}" for j in range(width)] for i in range(model.n)]
        for letter, width in shapes.items()
    }


def _directions(
    model: Model, W: Matrix, P: Matrix, T: Matrix, sigma: Matrix, m: Matrix
) -> dict[str, Matrix]:
    dot, minus = poly.product, poly.combine
    if not model.traits.predictor:
        repulsion = dot(dot(dot(W, sigma), poly.transpose(W)), dot(W, sigma))
        direction = minus(minus(dot(W, m), repulsion, -1), W, -model.eta)
        return {"W": direction}
    R = minus(dot(T, m), dot(dot(P, W), sigma), -1)
    dW = minus(dot(poly.transpose(P), R), W, -model.eta)
    if model.traits.joint:
        dW = minus(minus(dW, dot(dot(P, W), m)), dot(W, sigma), -1)
    if model.traits.direct:
        return {"W": dW}
    dP = minus(poly.multiple(dot(R, poly.transpose(W)), model.alpha), P, -model.eta_p)
    return {"W": dW, "P": dP}


def _constraints(model: Model, W: Matrix, P: Matrix, sigma: Matrix) -> tuple[Polynomial, ...]:
    if not model.traits.direct:
        return ()
    F = poly.product(poly.product(W, sigma), poly.transpose(W))
    if model.traits.copies:
        gap = poly.combine(P, F, -1)
        return tuple(entry for row in gap for entry in row)
    gap = poly.combine(poly.product(P, P), F, -1)
    skew = poly.combine(P, poly.transpose(P), -1)
    upper = [entry for i, row in enumerate(gap) for entry in row[i:]]
    return (*upper, *(entry for i, row in enumerate(skew) for entry in row[i + 1 :]))


def _assign(grid: list[list[str]], values: Matrix) -> dict[str, Polynomial]:
    return {
        name: value
        for names, row in zip(grid, values, strict=True)
        for name, value in zip(names, row, strict=True)
    }
