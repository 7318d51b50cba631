"""Laws along the flow: the balance of encoder and predictor, as polynomial identities.

    B = W W^T - P^T P/alpha,   dB/dt = -2 eta B + 2 (eta_P - eta) P^T P/alpha        (T2.1)

for stop-gradient and EMA at the size at hand. The certificate states the rate -2 eta, the second
coefficient 2 (eta_P - eta) and the entries of B; all three are compared with what is derived here.
"""

from __future__ import annotations

from . import polynomials as poly
from .components import Setting, Tally
from .polynomials import Matrix, Polynomial
from .reading import fields, listing, polynomial, rational
from .refusal import Refusal, at
from .systems import Model, System


def check_laws(value: object, setting: Setting, tally: Tally) -> None:
    """Check the stated laws; procedures without one state none."""
    if not setting.model.traits.bootstraps:
        fields(value, ())
        return
    (law,) = fields(value, ("balance",))
    with at("balance"):
        rate, extra, entries = fields(law, ("rate", "extra", "entries"))
        model = setting.model
        if rational(rate) != -2 * model.eta:
            raise Refusal("not -2 eta", "rate")
        if rational(extra) != 2 * (model.eta_p - model.eta):
            raise Refusal("not 2 (eta_P - eta)", "extra")
        B, _ = balance(model)
        own = [B[i][j] for i in range(model.n) for j in range(i, model.n)]
        given = [polynomial(entry) for entry in listing(entries)]
        if given != own:
            raise Refusal("not W W^T - P^T P/alpha", "entries")
        tally.identities += check_balance(model, setting.system)


def balance(model: Model) -> tuple[Matrix, Matrix]:
    """Return B and P^T P/alpha."""
    W, P = grid("W", model.n, model.d), grid("P", model.n, model.n)
    square = poly.multiple(poly.product(poly.transpose(P), P), 1 / model.alpha)
    return poly.combine(poly.product(W, poly.transpose(W)), square, -1), square


def check_balance(model: Model, system: System) -> int:
    """Check the law entry by entry and return how many identities that were."""
    B, square = balance(model)
    for i in range(model.n):
        for j in range(i, model.n):
            law = poly.add(
                poly.scale(B[i][j], -2 * model.eta),
                square[i][j],
                2 * (model.eta_p - model.eta),
            )
            if along(B[i][j], system.flow) != law:
                raise Refusal(f"the balance law fails at ({i + 1}, {j + 1})")
    return model.n * (model.n + 1) // 2


def along(function: Polynomial, flow: dict[str, Polynomial]) -> Polynomial:
    """Return the derivative of a function along the flow."""
    total: Polynomial = {}
    for x in {name for key in function for name in key}:
        total = poly.add(total, poly.times(poly.derivative(function, x), flow[x]))
    return total


def grid(letter: str, rows: int, columns: int) -> Matrix:
    """Return the matrix of the variables of one letter."""
    return [
        [poly.variable(f"{letter}_{i + 1}_{j + 1}") for j in range(columns)] for i in range(rows)
    ]
