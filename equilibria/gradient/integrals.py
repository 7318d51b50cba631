"""First integrals: the balance B = W W^T - P^T P / alpha of T2.1, for any target.

Along the stop-gradient and the EMA flow

    dB/dt = -2 eta B + 2 (eta_P - eta) P^T P / alpha,

because W (P^T R)^T + (P^T R) W^T - P^T R W^T - W R^T P = 0 whatever R is. With equal decays the
entries of B all decay as exp(-2 eta t): they are first integrals for eta = 0, their ratios for
eta > 0. The joint flow has no such law.
"""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from equilibria.errors import ConsistencyError
from equilibria.exact.polynomial import Polynomial
from equilibria.gradient.report import FirstIntegral
from equilibria.gradient.submodel import submodel
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.varieties.component import How

LARGEST_LIST = 3


def first_integrals(model: Model) -> tuple[FirstIntegral, ...]:
    """Return the balance law of the model's flow and map, checked on its equations."""
    if not model.traits.bootstraps:
        return ()
    plain = replace(model, momentum=Fraction(0))
    size = (min(model.n, 2), min(model.d, 2))
    small = submodel(plain, size[0], range(size[1]))
    _check(small.model, small.system)
    eta, excess = model.eta, model.eta_p - model.eta
    scope = f"all n and d, any target; checked on the equations with n = {size[0]}, d = {size[1]}"
    definition = "B = W W^T - P^T P" if model.alpha == 1 else f"B = W W^T - P^T P/({model.alpha})"
    if excess:
        law = f"dB/dt = {-2 * eta}*B + {2 * excess / model.alpha}*P^T P"
    elif eta:
        law = f"dB/dt = {-2 * eta}*B exactly"
        law += ", so the ratios of its entries are first integrals" if model.n > 1 else ""
    else:
        law = "constant: its entries are first integrals of the flow"
    few = model.n <= LARGEST_LIST and model.d <= LARGEST_LIST and not excess
    return (
        FirstIntegral(
            name="balance",
            definition=definition,
            law=law,
            how=How.PROVED,
            scope=scope,
            entries=_entries(plain) if few else (),
            map_law=None if excess or model.nu else _map_law(model),
        ),
    )


def balance(model: Model) -> list[list[Polynomial]]:
    """Return the entries of B = W W^T - P^T P/alpha as polynomials."""
    builder = Builder(model, "WPT" if model.traits.has_target else "WP")
    W, P = builder.matrix("W"), builder.matrix("P")
    B = W @ W.T - (1 / model.alpha) * (P.T @ P)
    return [list(row) for row in B.rows]


def _entries(model: Model) -> tuple[str, ...]:
    B = balance(model)
    return tuple(B[i][j].text() for i in range(model.n) for j in range(i, model.n))


def _check(model: Model, system: PolynomialSystem) -> None:
    """Check dB/dt = -2 eta B + 2 (eta_P - eta) P^T P/alpha as polynomials."""
    builder = Builder(model, "WPT" if model.traits.has_target else "WP")
    P = builder.matrix("P")
    square = (P.T @ P).rows
    for i, row in enumerate(balance(model)):
        for j, entry in enumerate(row):
            rate = entry.ring.constant(0)
            for name in entry.variables():
                rate = rate + entry.diff(name) * system.flow[name]
            excess = 2 * (model.eta_p - model.eta) / model.alpha
            expected = -2 * model.eta * entry + excess * square[i][j]
            if rate != expected:
                raise ConsistencyError(f"T2.1 fails for B_{i + 1}{j + 1}: {rate - expected}")


def _map_law(model: Model) -> str:
    """Return T2.2 for one step of size h."""
    keep = (1 - model.h * model.eta) ** 2
    gain, alpha = model.h**2, "" if model.alpha == 1 else f"{model.alpha}*"
    return f"B+ = {keep}*B + {gain}*(P^T R R^T P - {alpha}W R^T R W^T)"
