"""Without predictor decay: the polynomials positive exactly where aligned points are stable (T5.2).

Through an aligned point runs the family of all aligned points with the same active modes: W_r_j
free for active mode j on row r, P_i_i free on the other rows. On it, as identities in these
variables, the flow vanishes and the characteristic polynomial is a power of x times the product,
over rows i and inputs j, of

    x + a - b   (stop-gradient),   x^2 + (a + beta) x + beta (a - b)   (EMA),

a = s_j (alpha w_j^2 + p_i^2) + eta, b = p_i m_j; with eta > 0 all w are 0. As a >= 0, stability is
a - b > 0 for all of them.
"""

from __future__ import annotations

from fractions import Fraction

from .components import Setting, aligned_modes
from .points import Evaluator, Point, linearise
from .reading import listing, polynomial
from .refusal import Refusal, at
from .spectra import blocks, characteristic, without_zeros
from .systems import Model
from .towers import Element, Exponents, Tower, Value, plus

Poly = list[Value]
ONE: Value = {(): Fraction(1)}


class FreeRing(Tower):
    """Polynomials in free variables: a tower whose generators satisfy no relation."""

    def __init__(self, names: list[str]) -> None:
        super().__init__()
        self.names = names

    def reduced(self, exponents: Exponents) -> Element:
        """Return the monomial itself."""
        return {exponents: 1}

    def variable(self, name: str) -> Value:
        """Return one variable."""
        return self.value({(name,): Fraction(1)})


def check_conditions(value: object, setting: Setting, point: Point) -> int:
    """Check the polynomials of one component; return how many identities that took."""
    model = setting.model
    places = aligned_modes(model, point)
    if places is None:
        if value != "none":
            raise Refusal("the point is not aligned")
        return 0
    ring, family = _family(model, point, places)
    at_point = Evaluator(family, ring)
    for x, entry in setting.system.flow.items():
        if at_point.value(entry):
            raise Refusal(f"the flow of {x} is not 0 on the family")
    factors, own = _factors(model, ring, family)
    _check_factors(setting, at_point, factors)
    if any(set(c) <= {()} and c.get((), Fraction(0)) <= 0 for c in own):
        if value != "none":
            raise Refusal("one of the conditions never holds")
        return len(setting.system.flow) + 1
    given = []
    for index, entry in enumerate(listing(value)):
        with at(f"[{index}]"):
            given.append(ring.value(polynomial(entry)))
    wanted: list[Value] = []
    for c in own:
        if not _always(c) and c not in wanted:
            wanted.append(c)
    if given != wanted:
        raise Refusal("not the conditions of this component")
    return len(setting.system.flow) + 1


def _family(model: Model, point: Point, places: list[tuple[int, int]]) -> tuple[FreeRing, Point]:
    active = dict(places)
    names = [f"W_{i}_{j}" for i, j in sorted(places)]
    names += [f"P_{i}_{i}" for i in range(1, model.n + 1) if i not in active]
    ring = FreeRing(names)
    family: Point = {x: ring.variable(x) for x in names}
    for i, j in places:
        if model.traits.averaged:
            family[f"T_{i}_{j}"] = family[f"W_{i}_{j}"]
        p = point.get(f"P_{i}_{i}", {})
        if not set(p) <= {()}:
            raise Refusal("the predictor is not rational")
        if p:
            family[f"P_{i}_{i}"] = p
    return ring, family


def _factors(model: Model, ring: FreeRing, family: Point) -> tuple[list[Poly], list[Value]]:
    """Return the factors of the characteristic polynomial, and a - b for each."""
    factors: list[Poly] = []
    own: list[Value] = []
    beta = (1 - model.mu) / model.h
    for i in range(1, model.n + 1):
        p = family.get(f"P_{i}_{i}", {})
        for j in range(1, model.d + 1):
            s, m = model.sigma[j - 1][j - 1], model.m[j - 1][j - 1]
            squares = [ring.times(p, p)]
            for r in range(1, model.n + 1):
                w = family.get(f"W_{r}_{j}", {})
                squares.append(_scaled(ring.times(w, w), model.alpha))
            a: Value = {(): model.eta} if model.eta else {}
            for square in squares:
                a = plus(a, _scaled(square, s))
            gap = plus(a, _scaled(p, -m))
            own.append(gap)
            if model.traits.averaged and not _scaled(p, m):
                factors += [[a, ONE], [{(): beta}, ONE]]  # b = 0: the quadratic falls apart
            elif model.traits.averaged:
                factors.append([_scaled(gap, beta), plus(a, {(): beta}), ONE])
            else:
                factors.append([gap, ONE])
    # Zero roots are taken out of the blocks, so also out of the factors.
    cut = [factor if factor[0] else factor[1:] for factor in factors]
    return [factor for factor in cut if len(factor) > 1], own


def _scaled(value: Value, factor: Fraction) -> Value:
    return {key: x * factor for key, x in value.items()} if factor else {}


def _check_factors(setting: Setting, at_point: Evaluator, factors: list[Poly]) -> None:
    """Divide the factors out of the blocks until nothing is left of either."""
    ring = at_point.tower
    jacobian = linearise(setting.system.flow, at_point, {})
    left = list(factors)
    for block in blocks(jacobian.matrix):
        scaled, _ = without_zeros(characteristic(ring, jacobian.matrix, block))
        lead = scaled[-1][()]
        rest = [{key: Fraction(x, lead) for key, x in c.items()} for c in scaled]
        while len(rest) > 1:
            for place, factor in enumerate(left):
                quotient = _quotient(ring, rest, factor)
                if quotient is not None:
                    rest = quotient
                    del left[place]
                    break
            else:
                raise Refusal("the characteristic polynomial has another factor")
    if left:
        raise Refusal("the characteristic polynomial lacks a factor")


def _quotient(ring: Tower, poly: Poly, factor: Poly) -> Poly | None:
    """Return poly/factor for a monic factor; None when there is a remainder."""
    rest, quotient = list(poly), []
    while len(rest) >= len(factor):
        lead = rest[-1]
        quotient.append(lead)
        start = len(rest) - len(factor)
        for k, c in enumerate(factor):
            rest[start + k] = plus(rest[start + k], ring.times(lead, c), -1)
        rest.pop()
    return None if any(rest) else quotient[::-1]


def _always(condition: Value) -> bool:
    """Return whether it is a positive constant plus squares with positive weights."""
    even = all(power % 2 == 0 for key in condition for power in key)
    return condition.get((), 0) > 0 and even and all(x > 0 for x in condition.values())
