"""The model of a certificate in one line: procedure, sizes, moments and rates."""

from __future__ import annotations

from fractions import Fraction

from .systems import Model

WIDEST = 24
ENTRIES = 36


def about(model: Model) -> str:
    """Return the model in short; numbers of more than 24 digits are cut, with their length."""
    parts = [f"{model.procedure}, n = {model.n}, d = {model.d}"]
    parts += [f"Sigma = {_matrix(model.sigma)}", f"M = {_matrix(model.m)}"]
    rates = [("lr", model.h), ("weight decay", model.eta)]
    if model.traits.learned:
        rates.append(("predictor lr", model.alpha))
        if model.eta_p != model.eta:
            rates.append(("predictor weight decay", model.eta_p))
    if model.traits.averaged:
        rates.append(("ema", model.mu))
    if model.nu:
        rates.append(("momentum", model.nu))
    return ", ".join([*parts, *(f"{name} {_short(value)}" for name, value in rates)])


def _matrix(rows: list[list[Fraction]]) -> str:
    size = range(len(rows))
    if not any(rows[i][j] for i in size for j in size if i != j):
        return f"diag({', '.join(_short(rows[i][i]) for i in size)})"
    if len(rows) ** 2 > ENTRIES:
        return f"{len(rows)} x {len(rows)}"
    return "[" + "; ".join(" ".join(map(_short, row)) for row in rows) + "]"


def _short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= WIDEST else f"{text[:WIDEST]}...({len(text)} characters)"
