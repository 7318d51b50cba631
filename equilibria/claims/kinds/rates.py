"""Checks that vary a rate: the largest stable step, what stays the same, what moves one way."""

from __future__ import annotations

import math
from dataclasses import replace
from fractions import Fraction
from itertools import pairwise
from typing import Any

from equilibria.claims.claim import Finding, weakest
from equilibria.claims.kinds.base import Context, choice_of, number_of, table_of
from equilibria.claims.kinds.verdicts import gather
from equilibria.errors import FormatError
from equilibria.files.untrusted import Table
from equilibria.systems.model import Model
from equilibria.varieties.component import Component, Verdict

STEP = Fraction(1, 10**6)
RATES = {
    "lr": "lr",
    "weight-decay": "weight_decay",
    "predictor-lr": "predictor_lr",
    "predictor-weight-decay": "predictor_weight_decay",
    "ema": "ema",
    "momentum": "momentum",
    "embed-dim": "embed_dim",
}
QUANTITIES = ("top-rank", "stable-count", "lower-root", "upper-root", "largest-lr")


def largest_lr(context: Context, value: object) -> Finding:
    """Check the largest stable step of components: stable just below, unstable just above."""
    if not isinstance(value, dict) or not value:
        raise FormatError('holds.largest-lr: expected a table such as {"rank1:1+" = "2/3"}')
    rows = []
    for name, text in value.items():
        step = number_of(text, f"largest-lr.{name}")
        for factor, wanted in ((1 - STEP, Verdict.STABLE), (1 + STEP, Verdict.UNSTABLE)):
            rows.append(_at_step(context, name, step, factor, wanted))
    return gather(rows)


def _at_step(
    context: Context, name: str, step: Fraction, factor: Fraction, wanted: Verdict
) -> Finding:
    model = replace(context.own_model, lr=step * factor, **_held_target(context.own_model))
    side = "below" if factor < 1 else "above"
    needed = f"{name} is {wanted.value} a millionth {side} lr = {step}"
    component = _component(model, name)
    if component is None:
        return Finding(False, "certified", f"there is no {name}", needed)
    found = component.map
    answer = None if found.is_open else found.settled is wanted and not found.part
    return Finding(answer, found.how.value, f"{name} is {found.words} there", needed)


def _held_target(model: Model) -> Table:
    """Keep the EMA momentum itself as the step changes: that is what a script holds fixed."""
    return {"ema": model.ema} if model.traits.has_target else {}


def _component(model: Model, name: str) -> Component | None:
    from equilibria.report.analyze import analyze

    return next((c for c in analyze(model).components if c.id == name), None)


def same_stable(context: Context, value: object) -> Finding:
    """Check that rates do not change which components are stable (flow): a table rate = values."""
    rows: list[Finding] = []
    base: tuple[str, ...] | None = None
    for model, words in _varied(context.own_model, value, "same-stable"):
        names, how = _stable_names(model)
        if names is None:
            return Finding(None, "numeric", f"{words}: a verdict is undecided")
        base = names if base is None else base
        text = f"{words}: stable {', '.join(names) or 'none'}"
        rows.append(Finding(names == base, how, text, f"stable {', '.join(base)}", words))
    return gather(rows)


def _varied(model: Model, value: object, key: str) -> list[tuple[Model, str]]:
    table = table_of(value, key, tuple(RATES))
    if len(table) != 1:
        raise FormatError(f"holds.{key}: expected one rate with a list of values")
    ((name, values),) = table.items()
    if not isinstance(values, list) or len(values) < 2:
        raise FormatError(f"holds.{key}.{name}: expected a list of at least two values")
    found = []
    for entry in values:
        number = number_of(entry, f"{key}.{name}")
        exact: Any = int(number) if name == "embed-dim" else number
        found.append((_changed(model, name, exact), f"{name} = {entry}"))
    return found


def _changed(model: Model, name: str, value: object) -> Model:
    changes: dict[str, Any] = {RATES[name]: value}
    if name == "weight-decay" and model.eta_p == model.eta:
        changes["predictor_weight_decay"] = value
    return replace(model, **changes)


def _stable_names(model: Model) -> tuple[tuple[str, ...] | None, str]:
    from equilibria.report.analyze import analyze

    components = analyze(model, max_components=10_000).components
    if any(c.flow.is_open for c in components):
        return None, "numeric"
    how = weakest([c.flow.how.value for c in components] or ["certified"])
    return tuple(sorted(c.id for c in components if c.flow.is_stable)), how


def monotone(context: Context, value: object) -> Finding:
    """Check that a quantity moves one way along a list of values of one rate.

    `quantity` is top-rank, stable-count, largest-lr (of the component of largest rank that is
    stable), or lower-root and upper-root (p- and p+ of `mode`); `direction` is up, down, not-up or
    not-down. What is checked is the list given, nothing between.
    """
    table = table_of(value, "monotone", ("quantity", "along", "direction", "mode"))
    quantity = choice_of(table.get("quantity"), "monotone.quantity", QUANTITIES)
    direction = choice_of(
        table.get("direction"), "monotone.direction", ("up", "down", "not-up", "not-down")
    )
    mode = int(number_of(table.get("mode", 1), "monotone.mode"))
    pairs = [
        (words, _quantity(model, quantity, mode))
        for model, words in _varied(context.own_model, table.get("along"), "monotone.along")
    ]
    text = ", ".join(f"{words}: {'none' if x is None else f'{x:.6g}'}" for words, x in pairs)
    needed = f"{quantity} goes {direction}"
    if any(x is None for _, x in pairs):
        return Finding(None, "numeric", text, needed)
    numbers = [x for _, x in pairs if x is not None]
    answer = all(_ordered(a, b, direction) for a, b in pairwise(numbers))
    return Finding(answer, "numeric", text, needed)


def _ordered(a: float, b: float, direction: str) -> bool:
    return {"up": b > a, "down": b < a, "not-up": b <= a, "not-down": b >= a}[direction]


def _quantity(model: Model, quantity: str, mode: int) -> float | None:
    from equilibria.report.analyze import analyze

    if quantity in ("lower-root", "upper-root"):
        return _root(model, mode, quantity)
    components = analyze(model, max_components=10_000).components
    stable = [c for c in components if c.map.is_stable]
    if any(c.map.is_open for c in components):
        return None
    if quantity == "stable-count":
        return float(len(stable))
    ranked = [c for c in stable if c.rank is not None]
    if quantity == "top-rank":
        return float(max((c.rank or 0 for c in ranked), default=0))
    best = max(ranked, key=lambda c: c.rank or 0, default=None)
    return None if best is None else best.map.largest_step


def _root(model: Model, mode: int, quantity: str) -> float | None:
    """Return p- or p+ of a mode (T6.3); None where the mode has none."""
    sigma, m = model.moments.rational_matrices()
    if not model.moments.is_diagonal or not 1 <= mode <= model.d:
        raise FormatError(f"holds.monotone.mode = {mode}: expected a mode of diagonal moments")
    s, c = sigma[mode - 1][mode - 1], abs(m[mode - 1][mode - 1])
    discriminant = c * c - 4 * model.eta * s
    if discriminant < 0:
        return None
    root = math.sqrt(discriminant)
    return (float(c) + (root if quantity == "upper-root" else -root)) / (2 * float(s))
