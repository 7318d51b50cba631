"""Barriers: curves that the flow can cross in one direction only, checked by exact signs.

Along a curve y = u(x) the flow crosses upwards where

    N(x) = a u - u' (b0 + b1 u)                                                     (> 0)

(times sign(x) in the chart "infinite"). Suppose N > 0 along C = kappa(P). For C > 0 let the curve
reach P_b >= P_- with kappa > 0: a start with C >= kappa(P), P <= P_b cannot cross the curve, and C
decreases to 0 < kappa, so it leaves through P = P_b and survives by the simple bound of T12.2. For
C < 0 let the curve start at P_b > P_- with kappa(P_b) > 0: a start with kappa(P) <= C < 0 keeps
P >= P_b > P_- while C goes to 0, and survives. So kappa bounds survival; in the same way N < 0
bounds collapse, with kappa(P_b) < 0 at P_b < P_-, and kappa < 0 throughout for C < 0. Nothing
depends on how the curve was found: a Taylor polynomial of the stable manifold, tilted by a tiny
amount. Every N has dyadic coefficients, and its sign is decided by `DyadicPolynomial.sign`.

Deviations from the manifold shrink away from P_- (the flow expands towards it), so the tilt, not
the step, sets the width between the two barriers.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from math import isqrt

from equilibria.basin.charts import Chart, charts, saddle_taylor, taylor
from equilibria.errors import LimitReached
from equilibria.exact.dyadic import ZERO, DyadicPolynomial, binary_exponent, round_dyadic

GUARD_BITS = 48
MAX_PIECES = 4000
SHIFT_POINT = 4
"""|P| at which the chart "infinite" takes over."""


@dataclass(frozen=True)
class Piece:
    """y = curve(s) with x = x0 + h s, s in [0, 1], in one chart."""

    chart: Chart
    x0: Fraction
    h: Fraction
    curve: DyadicPolynomial

    @property
    def x1(self) -> Fraction:
        return self.x0 + self.h

    @cached_property
    def _floats(self) -> tuple[float, float, tuple[float, ...]]:
        unit = Fraction(1, 1 << self.curve.bits)
        terms = tuple(float(value * unit) for value in reversed(self.curve.numerators))
        return float(self.x0), float(self.h), terms

    def c_float(self, x: float) -> float:
        """Return C at x in floating point."""
        x0, h, terms = self._floats
        s, y = (x - x0) / h, 0.0
        for term in terms:
            y = y * s + term
        return y - x * x if self.chart.name == "upper" else y

    def crossing_sign(self) -> int:
        """Return the proved sign of N on the piece, times that of time; 0 when not proved."""
        a, b0, b1 = self.chart.local(self.x0, self.h)
        step = DyadicPolynomial.of([self.h])
        slope = self.curve.derivative()
        value = step * a * self.curve + -(slope * (b0 + b1 * self.curve))
        sign = value.sign() * (1 if self.h > 0 else -1)
        backwards = self.chart.name == "infinite" and (self.x0 < 0 or self.x1 < 0)
        return -sign if backwards else sign

    def holds(self, side: int, *, lower: bool) -> bool:
        """Return whether the piece is proved to be a barrier of this side.

        Where the region behind it must be left through P_- (survival in C > 0, collapse in C < 0),
        the curve must also keep away from C = 0, which every start approaches.
        """
        if self.crossing_sign() != side:
            return False
        if (side > 0) != lower:
            return True
        square = DyadicPolynomial.of([self.x0, self.h])
        curve = self.curve
        if self.chart.name == "upper":
            curve = curve + -(square * square)
        return curve.sign() == side

    def c(self, x: Fraction) -> Fraction:
        """Return C at x."""
        y = self.curve((x - self.x0) / self.h)
        return y - x * x if self.chart.name == "upper" else y


@dataclass(frozen=True)
class Barrier:
    """A verified curve C = kappa(P) on one side of P_-; `side` +1 bounds survival, -1 collapse.

    `lower` barriers live in P < P_- (C > 0), the others in P > P_- (C < 0).
    """

    lower: bool
    side: int
    pieces: tuple[Piece, ...]

    @cached_property
    def _finite(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.chart.name != "infinite"]

    @cached_property
    def _infinite(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.chart.name == "infinite"]

    def _find(self, P: Fraction | float) -> Piece | None:
        x = Fraction(P)
        far = abs(x) > SHIFT_POINT and (x < 0) == self.lower
        own = self._infinite if far else self._finite
        if far:
            x = 1 / x
        sign = 1 if own[0].h > 0 else -1
        first, last = 0, len(own)
        while first < last:
            middle = (first + last) // 2
            if sign * own[middle].x1 < sign * x:
                first = middle + 1
            else:
                last = middle
        if first == len(own) or sign * x < sign * own[first].x0:
            return None
        return own[first]

    def c(self, P: Fraction) -> Fraction | None:
        """Return kappa(P); None outside the reach (between P_- and the start of the curve)."""
        piece = self._find(P)
        if piece is None:
            return None
        return piece.c(1 / P if piece.chart.name == "infinite" else P)

    def c_float(self, P: float) -> float | None:
        """Return kappa(P) in floating point: a guess, to be checked with `c`."""
        piece = self._find(P)
        if piece is None:
            return None
        return piece.c_float(1 / P if piece.chart.name == "infinite" else P)

    @property
    def limit(self) -> Fraction:
        """Return C at the far end, P = -infinity or +infinity: a bound of C_+ or C_-."""
        last = self.pieces[-1]
        return last.c(last.x1)


@dataclass(frozen=True)
class Precision:
    """How finely to march: relative tilt of a piece, Taylor order, significant bits."""

    tilt: Fraction
    order: int
    bits: int

    @classmethod
    def of(cls, tolerance: Fraction) -> Precision:
        """Return settings whose barriers differ by about `tolerance`, relatively."""
        digits = max(20, -binary_exponent(tolerance))
        return cls(Fraction(1, 1 << (digits + 8)), max(12, digits // 2), digits + GUARD_BITS)


def lower_root(E: Fraction, bits: int, direction: int) -> Fraction:
    """Return a dyadic bound of P_- = (1 - sqrt(1 - 4 E))/2, above it for +1 and below it for -1."""
    radicand = 1 - 4 * E
    floor = isqrt((radicand.numerator << (2 * bits)) // radicand.denominator)
    # floor <= sqrt(1 - 4E) 2^bits < floor + 1
    return (1 - Fraction(floor if direction > 0 else floor + 1, 1 << bits)) / 2


@lru_cache(maxsize=64)
def barrier(E: Fraction, *, lower: bool, side: int, precision: Precision) -> Barrier:
    """Return a verified barrier, 0 < E < 1/4.

    Raises `LimitReached` when a piece cannot be verified or too many are needed.
    """
    table = charts(E)
    pieces = [_first(E, table["lower" if lower else "upper"], side, precision)]
    _march(pieces, Fraction(-SHIFT_POINT if lower else SHIFT_POINT), side, precision, lower=lower)
    last = pieces[-1]
    corner, value = last.x1, last.c(last.x1)
    chart = table["infinite"]
    _march(pieces, ZERO, side, precision, lower=lower, start=(chart, 1 / corner, value))
    return Barrier(lower, side, tuple(pieces))


def _first(E: Fraction, chart: Chart, side: int, precision: Precision) -> Piece:
    """Return the piece at P_-: the manifold's Taylor polynomial moved by a constant."""
    lower = chart.name == "lower"
    extra = max(0, -2 * binary_exponent(E))
    prec = 2 * precision.bits + extra
    x0 = lower_root(E, prec, side)
    slope = -(3 * E - x0 * x0) / (1 - x0) + (0 if lower else 2 * x0)
    y0 = ZERO if lower else x0 * x0
    span = min(x0, Fraction(1, 2) - x0) / 2
    grid = 8 - binary_exponent(span)
    while True:
        x1 = round_dyadic(x0 - span if lower else x0 + span, grid, 1)
        h = x1 - x0
        a, b0, b1 = chart.local(x0, h)
        a = DyadicPolynomial.of([h]) * a
        start = (round(y0 * (1 << prec)), round(slope * h * (1 << prec)))
        series = saddle_taylor(a, b0, b1, start, precision.order, prec)
        exact = [y0, *(Fraction(value, 1 << prec) for value in series[1:])]
        shift = abs(h * slope) if lower else abs(h) * (3 * E - x0 * x0)
        shift = round_dyadic(side * shift * precision.tilt, prec, side)
        piece = Piece(chart, x0, h, DyadicPolynomial.of([exact[0] + shift, *exact[1:]]))
        if piece.holds(side, lower=lower):
            return piece
        span /= 2
        grid += 1
        if grid > prec // 2:
            raise LimitReached(f"no barrier could be verified near the lower root for E = {E}")


Place = tuple[Chart, Fraction, Fraction]
"""A chart, and x and y in it."""


def _march(
    pieces: list[Piece],
    end: Fraction,
    side: int,
    precision: Precision,
    *,
    lower: bool,
    start: Place | None = None,
) -> None:
    """Append verified pieces from the end of the last one (or from `start`) to x = end."""
    if start is None:
        last = pieces[-1]
        start, h = (last.chart, last.x1, last.curve(Fraction(1))), last.h
    else:
        h = (end - start[1]) / 4
    chart, x, _ = start
    direction = 1 if end > x else -1
    h = abs(h)
    while x != end:
        if len(pieces) >= MAX_PIECES:
            raise LimitReached(f"a barrier needs more than {MAX_PIECES} pieces")
        step = min(h, abs(end - x))
        piece, step = _piece(start, direction * step, end, side, precision, lower=lower)
        pieces.append(piece)
        x = piece.x1
        start = chart, x, piece.curve(Fraction(1))
        h = 2 * abs(step)


def _piece(
    start: Place,
    step: Fraction,
    end: Fraction,
    side: int,
    precision: Precision,
    *,
    lower: bool,
) -> tuple[Piece, Fraction]:
    """Return the longest verified piece found from (x0, y0), of length at most |step|."""
    chart, x0, y0 = start
    exponent = binary_exponent(y0)
    prec = precision.bits
    unit = Fraction(1 << exponent) if exponent >= 0 else Fraction(1, 1 << -exponent)
    local_y0 = y0 / unit
    for _ in range(200):
        x1 = end if abs(end - x0) <= abs(step) else _on_grid(x0 + step, step)
        h = x1 - x0
        a, b0, b1 = chart.local(x0, h, exponent)
        a = DyadicPolynomial.of([h]) * a
        scaled = round(local_y0 * (1 << prec))
        series = taylor(a, b0, b1, scaled, precision.order, prec)
        shrink = _shrink(series, precision, prec)
        if shrink < 1:
            step = step * shrink
            continue
        exact = [local_y0, *(Fraction(value, 1 << prec) for value in series[1:])]
        raw = sum(exact, ZERO)
        least = min(abs(raw), abs(local_y0))
        wanted = raw + side * precision.tilt * least
        bits = prec - binary_exponent(wanted)
        exact[1] += round_dyadic(wanted, bits, side) - raw  # tilted, and a short number at the end
        curve = DyadicPolynomial.of([unit * value for value in exact])
        piece = Piece(chart, x0, h, curve)
        if piece.holds(side, lower=lower):
            return piece, h
        step = step / 2
    raise LimitReached(f"a barrier could not be verified near x = {float(x0):.6g}")


def _shrink(series: list[int], precision: Precision, prec: int) -> Fraction:
    """Return 1 when the Taylor polynomial is accurate on the step, else by how much to shorten it."""
    if len(series) < 3:
        return Fraction(1, 2)
    size = abs(series[0])
    allowed = precision.tilt * size / 64
    order = len(series) - 1
    tail = max(abs(series[-1]), abs(series[-2])) * order
    if tail <= allowed:
        return Fraction(1)
    ratio = float(Fraction(tail) / allowed)
    factor = ratio ** (-1.0 / (order - 1)) if ratio < 1e300 else 0.1
    return Fraction(min(0.9, max(0.05, 0.9 * factor))).limit_denominator(64)


def _on_grid(x: Fraction, step: Fraction) -> Fraction:
    """Return a short dyadic number within |step|/64 of x."""
    return round_dyadic(x, 6 - binary_exponent(step), 1 if step < 0 else -1)
