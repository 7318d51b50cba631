"""Does a verdict belong to the whole component, or to the one point where it is taken?

The spectrum is constant along what symmetries of flow and map reach. Where they alone span the
family through the point, the verdict is the component's. Elsewhere (families without decay, free
predictors, rows of the contrastive loss that turn between different modes) it can change along the
family, so the certificate says `point`, and the point is not free to choose: it must be the one that
`check_listed` describes (docs/proofs.md, section 13).
"""

from __future__ import annotations

from fractions import Fraction
from math import isqrt

from .components import aligned_modes
from .families import rank, symmetries
from .orbits import class_key
from .points import Point
from .refusal import Refusal
from .systems import Model, System
from .towers import Tower

WHOLE, AT_POINT = "component", "point"
GRAIN = 10**6


def scope(model: Model, system: System, point: Point, tower: Tower, dimension: int) -> str:
    """Return `component` where the verdict holds all along it, else `point`."""
    if _always_whole(model):
        return WHOLE
    return WHOLE if rank(symmetries(model, system, point), tower) == dimension else AT_POINT


def _always_whole(model: Model) -> bool:
    """With decay all families that the kernel knows are made by symmetries."""
    learned = model.traits.learned
    return model.traits.direct or (learned and model.eta_p > 0)


def check_listed(model: Model, point: Point, tower: Tower) -> None:
    """Refuse a point at which no verdict is taken for its family.

    It is aligned. Contrastive loss: on the first modes of every class of equal growth. Else P is 0
    on idle rows, but without any decay 2 max(c, 0) there, or 1, c the correlations m/s; and active
    rows are balanced, alpha w^2 = c^2 (alpha w^2 = 1 where c = 0, w = 1 for joint), w/c rounded up to
    10^-6 where it is irrational.
    """
    places = aligned_modes(model, point)
    if places is None:
        raise Refusal("verdicts change along this family and are taken at an aligned point only")
    if not model.traits.predictor:
        _check_first(model, [j - 1 for _, j in places])
        return
    correlation = [model.m[j][j] / model.sigma[j][j] for j in range(model.d)] if places else []
    for i, j in places:
        c = correlation[j - 1]
        size = _balanced(model) * abs(c) if c and not model.traits.joint else _balanced(model)
        wanted = {f"W_{i}_{j}": size, f"P_{i}_{i}": c}
        if model.traits.averaged:
            wanted[f"T_{i}_{j}"] = size
        for x, value in wanted.items():
            _check_entry(point, x, value)
    active = {i for i, _ in places}
    for i in range(1, model.n + 1):
        if i not in active:
            _check_entry(point, f"P_{i}_{i}", _idle(model))
    if any(x.startswith("P") and len(set(x.split("_")[1:])) > 1 for x in point):
        raise Refusal("verdicts change along this family and are taken at diagonal P only")


def _check_entry(point: Point, x: str, value: Fraction) -> None:
    if point.get(x, {}) != ({(): value} if value else {}):
        raise Refusal(f"verdicts change along this family and are taken where {x} is {value}")


def _check_first(model: Model, active: list[int]) -> None:
    for j in active:
        same = [k for k in range(model.d) if class_key(model, k) == class_key(model, j)]
        if any(k < j and k not in active for k in same):
            raise Refusal("verdicts change along this family and are taken at its first modes only")


def _idle(model: Model) -> Fraction:
    """Return the entry of P on a row without a mode."""
    if model.eta or model.eta_p or model.traits.joint:
        return Fraction(0)
    top = max([Fraction(0), *(model.m[j][j] / model.sigma[j][j] for j in range(model.d))])
    return 2 * top or Fraction(1)


def _balanced(model: Model) -> Fraction:
    """Return 1/sqrt(alpha), rounded up where it is irrational."""
    if model.traits.joint:
        return Fraction(1)
    value = 1 / model.alpha
    exact = Fraction(isqrt(value.numerator), isqrt(value.denominator))
    if exact**2 == value:
        return exact
    return Fraction(isqrt(int(value * GRAIN**2)) + 1, GRAIN)
