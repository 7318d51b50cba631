"""How the directions of outputs spread: without bias, with errors, in no basis.

For directions u with mean m and covariance C

    constant share   |m|^2             the part of every output that is the same output
    dimensions       (tr C)^2 / tr C^2   the participation ratio: k where k directions vary alike

and with two views u, v of every image the same of the covariance K = Cov(u, v): noise that the views
do not share is not in it. Behind batch norm, where every coordinate has variance one whether it lives
or not, only K tells the two apart.

All are made of U-statistics, means over rows that are all different: for h(x, y) = x . y

    tr C^2 = E (x.y)^2 - 2 E (x.y)(y.z) + E (x.y)(z.w)

so they do not depend on the number of rows. Eight outputs say of 128 dimensions that they are 128,
give or take what the jackknife says. Rotations of the outputs change nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.collapse.rows import Rows

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FEWEST = 8
"""Rows below which the jackknife's errors mean little."""
CLIFF, BEHIND = 30.0, 0.05
"""A spectrum ends where the next variance is CLIFF times smaller and BEHIND of the whole is left."""
NOTHING = 1e-26
"""Variance of directions that is rounding of double precision."""
CERTAIN = 3.0
"""Standard errors to either side of an interval."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A number and the interval in which the truth lies unless chance played a trick."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Spread:
    """What the directions of outputs say."""

    constant: Estimate
    """|E u|^2: near 0 where outputs balance, 1 where all of them are one output."""
    dimensions: Estimate
    """The participation ratio of their covariance, between 1 and the width."""
    ends_at: int | None
    """Directions after which the spectrum ends; None where it does not within what is seen."""
    agreement: Estimate | None = None
    """Two views: tr K / tr C, 1 where they agree but for the constant, 0 where they are unrelated."""
    shared: Estimate | None = None
    """Two views: the participation ratio of K."""


def spread_of(views: list[Rows]) -> Spread:
    """Measure the directions of one or two views, of `FEWEST` rows at least."""
    first = views[0]
    width = first.width
    centred = [rows.unit - rows.unit.mean(axis=0) for rows in views]
    alone = _Pairs(centred[0] @ centred[0].T)
    constant = _interval(_constant(first.unit), 0.0, 1.0)
    dimensions = _dimensions(alone, width)
    ends_at = _end(centred[0])
    if len(views) == 1:
        return Spread(constant, dimensions, ends_at)
    both = _Pairs(centred[0] @ centred[1].T)
    other = _Pairs(centred[1] @ centred[1].T)

    def agreement(leave: bool) -> Array:
        varying = np.sqrt(alone.trace(leave).clip(0) * other.trace(leave).clip(0))
        return np.where(varying > NOTHING, both.trace(leave) / varying.clip(NOTHING), 0.0)

    return Spread(
        constant,
        dimensions,
        ends_at,
        agreement=_interval(agreement, -1.0, 1.0),
        shared=_dimensions(both, width),
    )


class _Pairs:
    """U-statistics of products a_ij = x_i . y_j, over all rows and with each row left out.

    `trace` is tr Cov(x, y) and `square` tr Cov(x, y)^2, where x = y for one view. Sums over different
    indices are whole sums less those where indices meet.
    """

    def __init__(self, products: Array) -> None:
        a = products.copy()
        self.count = len(a)
        self.own = np.diagonal(products).copy()
        np.fill_diagonal(a, 0.0)
        rows, columns = a.sum(axis=1), a.sum(axis=0)
        squares, crossed = a * a, (a * a.T).sum(axis=1)
        along, down = squares.sum(axis=1), squares.sum(axis=0)
        # Each name: the sum over all rows, and what it loses with each row.
        self.total = _both(rows.sum(), rows + columns)
        self.squares = _both(along.sum(), along + down)
        self.crossed = _both(crossed.sum(), 2 * crossed)
        self.rows = _both((rows**2).sum(), rows**2 + 2 * (a.T @ rows) - down)
        self.columns = _both((columns**2).sum(), columns**2 + 2 * (a @ columns) - along)
        mixed = rows * columns
        self.mixed = _both(mixed.sum(), mixed + a @ rows + a.T @ columns - crossed)

    def trace(self, leave: bool) -> Array:
        """Return tr Cov(x, y); with `leave` an array, each row left out in turn."""
        n = self.count - leave
        own = self.own.sum() - (self.own if leave else 0.0)
        return np.asarray(own / n - self.total[leave] / (n * (n - 1)))

    def square(self, leave: bool) -> Array:
        """Return tr Cov(x, y)^2."""
        n = self.count - leave
        total, squares, crossed = (part[leave] for part in (self.total, self.squares, self.crossed))
        rows, columns, mixed = (part[leave] for part in (self.rows, self.columns, self.mixed))
        three = mixed - crossed
        four = total**2 + squares + crossed - rows - columns - 2 * mixed
        pairs = n * (n - 1)
        triples, fours = pairs * (n - 2), pairs * (n - 2) * (n - 3)
        return np.asarray(crossed / pairs - 2 * three / triples + four / fours)

    def purity(self, leave: bool) -> Array:
        """Return tr Cov^2 / (tr Cov)^2, the inverse of the participation ratio."""
        trace = self.trace(leave)
        varies = np.abs(trace) > NOTHING
        return np.where(varies, self.square(leave) / np.where(varies, trace, 1.0) ** 2, 1.0)


def _both(total: float, lost: Array) -> tuple[Array, Array]:
    return np.asarray(total), total - lost


def _constant(unit: Array) -> Callable[[bool], Array]:
    total, n = unit.sum(axis=0), len(unit)

    def measured(leave: bool) -> Array:
        left = total - unit if leave else total
        m = n - leave
        return np.asarray(((left * left).sum(axis=-1) - m) / (m * (m - 1)))

    return measured


def _interval(measured: Callable[[bool], Array], least: float, most: float) -> Estimate:
    """Return the value and CERTAIN errors to both sides, by leaving out each row in turn."""
    value, each = float(measured(False)), measured(True)
    n = len(each)
    error = CERTAIN * math.sqrt((n - 1) / n * float(((each - each.mean()) ** 2).sum()))
    low, middle, high = (min(most, max(least, v)) for v in (value - error, value, value + error))
    return Estimate(middle, low, high)


def _dimensions(pairs: _Pairs, width: int) -> Estimate:
    purity = _interval(pairs.purity, 1 / width, 1.0)
    return Estimate(1 / purity.value, 1 / purity.high, 1 / purity.low)


def _end(centred: Array) -> int | None:
    """Return after how many directions the spectrum of the covariance falls off a cliff."""
    small = centred @ centred.T if len(centred) < centred.shape[1] else centred.T @ centred
    values = np.linalg.eigvalsh(small)[::-1].clip(0.0)
    seen = min(len(centred) - 1, centred.shape[1])
    values = values[:seen]
    behind = values.sum() - values.cumsum()
    falls = (values[1:] * CLIFF <= values[:-1]) & (behind[:-1] <= BEHIND * values.sum())
    return int(np.flatnonzero(falls)[0]) + 1 if falls.any() else None
