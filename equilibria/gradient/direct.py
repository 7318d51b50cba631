"""DirectPred and DirectCopy on W-space: P = F^a with F = W Sigma W^T (a = 1/2, 1).

Since grad tr phi(F) = 2 phi'(F) W Sigma, the flow dW = P W M - P^2 W Sigma - eta W is a gradient
field for |dW|^2 when M = c Sigma, with

    V = -c tr F^(a+1)/(2a+2) + tr F^(2a+1)/(4a+2) + (eta/2)|W|^2,

and only then: on one output row w, with q = w Sigma w^T and P = q^a, its curl in the plane (i, j)
is 2a q^(a-1) [(Sigma w)_i (M w)_j - (Sigma w)_j (M w)_i], and principal blocks carry over. For the
metric <., P^-1 .> the question is another one: W M and P W Sigma are gradients for all moments, and
P^-1 W is one for eta > 0 if Sigma = s I (T13.5; here F has Sigma inside, so P = s^a (W W^T)^a).
"""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations

from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.gradient.constant_metric import DIRECT, NO_CONSTANT
from equilibria.gradient.direct_factor import direct_factor
from equilibria.gradient.forms import nonzero_point
from equilibria.gradient.potentials import state_metric_potential
from equilibria.gradient.report import AnyMetric, ConstantMetric, CurlWitness, Field, SectorLoop
from equilibria.gradient.submodel import disproportionate_pair, entry
from equilibria.systems.model import Model
from equilibria.varieties.component import How


def exponent(model: Model) -> Fraction:
    """Return a in P = F^a."""
    a = model.traits.exponent
    assert a is not None
    return a


def direct_field(model: Model, pair: tuple[int, int]) -> Field:
    """Return the certificate for moments whose block `pair` has M_JJ not a multiple of Sigma_JJ."""
    a = exponent(model)
    witness = direct_witness(model, pair, a)
    known = state_metric_potential(model, a)
    if known is not None:
        scope = f"It is a gradient field for the metric {known.metric}, {known.where}"
        other = AnyMetric(True, How.PROVED, scope)
    else:
        scope = "Whether a metric that depends on the state makes it a gradient field is open"
        other = AnyMetric(None, None, scope)
    return Field(
        is_gradient=False,
        how=How.PROVED,
        metric="|dW|^2",
        reason=f"Not a gradient field: {_curl_name(witness)} = {witness.curl}",
        witness=witness,
        loop=sector_loop(model, pair, a),
        integrating_factor=direct_factor(model, a),
        constant_metric=ConstantMetric(False, How.PROVED, NO_CONSTANT, DIRECT),
        any_metric=other,
    )


def direct_pair(model: Model) -> tuple[int, int] | None:
    """Return the columns that refute a potential, None when M = c Sigma."""
    return disproportionate_pair(model.moments)


def direct_witness(model: Model, pair: tuple[int, int], a: Fraction) -> CurlWitness:
    """Return the curl in the plane (W_1i, W_1j), times P_11 > 0 where P is a square root.

    The bracket is 2a P^((a-1)/a) times a polynomial in one output row; all else is 0.
    """
    names = (f"W_1_{pair[0] + 1}", f"W_1_{pair[1] + 1}")
    ring = Ring(names)
    row = ring.variables()
    sigma_w, m_w = (_image(model, which, pair, row) for which in ("Sigma", "M"))
    # d f_i/d w_j - d f_j/d w_i: the derivative of P = q^a meets (M w)_i, the rest is symmetric
    curl = (2 * a) * (sigma_w[1] * m_w[0] - sigma_w[0] * m_w[1])
    point = {name: Fraction(0) for name in names} | nonzero_point(curl)
    value = curl.evaluate(point)
    elsewhere = "all other variables are 0"
    if a != 1 and model.n > 1:
        # F^(1/2) is not smooth there in all directions; the loop, which only needs f continuous,
        # carries the statement over to the whole space
        elsewhere += "; the curl is that of the flow on one output row, an invariant subspace"
    times = None if a == 1 else "P_1_1"
    return CurlWitness(names, curl.text(), point, value, elsewhere, times)


def _curl_name(witness: CurlWitness) -> str:
    a, b = witness.variables
    curl = f"df({a})/d{b} - df({b})/d{a}"
    return f"{witness.times}*({curl})" if witness.times else curl


def _image(
    model: Model, which: str, pair: tuple[int, int], row: tuple[Polynomial, ...]
) -> list[Polynomial]:
    return [
        row[0] * entry(model.moments, which, i, pair[0])
        + row[1] * entry(model.moments, which, i, pair[1])
        for i in pair
    ]


def sector_loop(model: Model, pair: tuple[int, int], a: Fraction) -> SectorLoop:
    """Return a loop with rational work between two rays and two ellipses q = w Sigma w^T = const.

    With c = w M w^T / q on a ray, the gradient part of f does no work, and q^a w M does
    int q^a c dq/2 along a ray and q^(a+1) (change of c)/2 along an ellipse.
    """
    rays = {u: _quotient(model, pair, u) for u in ((1, 0), (0, 1), (1, 1))}
    first, second = next((u, v) for u, v in combinations(rays, 2) if rays[u] != rays[v])
    inner, outer = Fraction(1), Fraction(4)  # values of q; both have rational powers a = 1/2, 1
    low, high = _power(inner, a), _power(outer, a)
    along = (outer * high - inner * low) / (2 * a + 2)
    across = (outer * high - inner * low) / 2
    work = (rays[first] - rays[second]) * (along - across)
    plane = (f"W_1_{pair[0] + 1}", f"W_1_{pair[1] + 1}")
    return SectorLoop(plane, (first, second), (low, high), work)


def _power(q: Fraction, a: Fraction) -> Fraction:
    return q if a == 1 else Fraction(round(float(q) ** float(a)))


def _quotient(model: Model, pair: tuple[int, int], direction: tuple[int, int]) -> Fraction:
    """Return (u M u^T)/(u Sigma u^T)."""
    forms = [
        sum(
            (
                direction[x] * direction[y] * entry(model.moments, which, pair[x], pair[y])
                for x in (0, 1)
                for y in (0, 1)
            ),
            Fraction(0),
        )
        for which in ("M", "Sigma")
    ]
    return forms[0] / forms[1]
