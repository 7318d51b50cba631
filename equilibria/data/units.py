"""Units of normal moments: real modes, and pairs of dimensions in which the next view is turned.

Where Sigma and M commute and M is normal there are orthogonal coordinates in which Sigma is diagonal and
M consists of numbers and of blocks |m| Rot(theta), each on a plane where Sigma is s times 1 (section 31
of the second theory note).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.errors import FormatError
from equilibria.exact.rationals import quantity

Matrix = tuple[tuple[Fraction, ...], ...]


@dataclass(frozen=True, slots=True)
class Unit:
    """A mode (im = 0) or a pair; `columns` are its dimensions, numbered from 1.

    M acts as re + i im on the plane of a pair, im > 0: as [[re, -im], [im, re]].
    """

    columns: tuple[int, ...]
    s: Fraction
    re: Fraction
    im: Fraction = Fraction(0)

    @property
    def size(self) -> int:
        return len(self.columns)

    @property
    def name(self) -> str:
        """Return `3` for a mode and `1&2` for a pair."""
        return "&".join(map(str, self.columns))

    @property
    def square(self) -> Fraction:
        """Return |m|^2."""
        return self.re * self.re + self.im * self.im

    @property
    def value(self) -> tuple[Fraction, Fraction, Fraction]:
        """Return (s, re, im): units that agree in it are interchangeable."""
        return self.s, self.re, self.im


def complex_signal(text: str, option: str) -> tuple[tuple[Fraction, Fraction], ...]:
    """Return (re, im) of a list such as `3/5+2/5i,1/2`.

    Raises `FormatError` naming the option and the entry.
    """
    return tuple(_complex(part.strip(), option) for part in text.split(","))


def _complex(text: str, option: str) -> tuple[Fraction, Fraction]:
    if not text.endswith(("i", "j")):
        return quantity(text, option), Fraction(0)
    body = text[:-1]
    cut = max((at for at in (body.rfind("+"), body.rfind("-")) if at > 0), default=0)
    if cut and body[cut - 1] in "eE":
        cut = max(
            (at for at in (body.rfind("+", 0, cut), body.rfind("-", 0, cut)) if at > 0), default=0
        )
    real, imaginary = body[:cut], body[cut:]
    if imaginary in ("", "+", "-"):
        imaginary += "1"
    re = quantity(real, option) if real else Fraction(0)
    return re, quantity(imaginary.removeprefix("+"), option)


def numbered(
    signal: Sequence[tuple[Fraction, Fraction]], total: Sequence[Fraction]
) -> tuple[Unit, ...]:
    """Return units in order, a pair on two dimensions; `total` has one value a unit or a dimension.

    Raises `FormatError` when it fits neither, or differs within a pair.
    """
    sizes = [2 if im else 1 for _, im in signal]
    if len(total) == len(signal):
        variances = list(total)
    elif len(total) == sum(sizes):
        variances = _of_planes(sizes, total)
    else:
        raise FormatError(
            f"--total has {len(total)} values and --signal has {len(signal)}: give one of each per "
            f"mode or pair, or {sum(sizes)}, one per dimension"
        )
    units, column = [], 1
    for (re, im), size, s in zip(signal, sizes, variances, strict=True):
        if s <= 0:
            raise FormatError(
                f"Sigma is not positive definite: dimension {column} has total variance {s}; --total "
                "or --signal plus --noise must be above 0"
            )
        units.append(Unit(tuple(range(column, column + size)), s, re, abs(im)))
        column += size
    return tuple(units)


def _of_planes(sizes: Sequence[int], total: Sequence[Fraction]) -> list[Fraction]:
    variances, place = [], 0
    for size in sizes:
        if len(set(total[place : place + size])) > 1:
            raise FormatError(
                f"--total {','.join(map(str, total))}: the two dimensions of a pair need equal values"
            )
        variances.append(total[place])
        place += size
    return variances


def matrices(units: Sequence[Unit]) -> tuple[Matrix, Matrix]:
    """Return (Sigma, M) in the coordinates of the units."""
    size = sum(unit.size for unit in units)
    sigma = [[Fraction(0)] * size for _ in range(size)]
    m = [[Fraction(0)] * size for _ in range(size)]
    for unit in units:
        places = [column - 1 for column in unit.columns]
        for i in places:
            sigma[i][i], m[i][i] = unit.s, unit.re
        if unit.size == 2:
            i, j = places
            m[i][j], m[j][i] = -unit.im, unit.im
    return tuple(map(tuple, sigma)), tuple(map(tuple, m))


def units_in(sigma: Matrix, m: Matrix) -> tuple[Unit, ...] | None:
    """Return the units of matrices that are block diagonal as they stand, None where they are not.

    A plane of two dimensions of equal variance, one after the other, on which M is re + im i.
    """
    size, units, place = len(sigma), [], 0
    while place < size:
        pair = place + 1 < size and (m[place][place + 1] or m[place + 1][place])
        width = 2 if pair else 1
        inside = range(place, place + width)
        if any(
            (sigma[i][j] if i != j else 0) or (j not in inside and (m[i][j] or m[j][i]))
            for i in inside
            for j in range(size)
        ):
            return None
        unit = _unit_at(sigma, m, place, width)
        if unit is None:
            return None
        units.append(unit)
        place += width
    return tuple(units)


def _unit_at(sigma: Matrix, m: Matrix, place: int, width: int) -> Unit | None:
    """Return a mode, or a pair if M turns the plane counterclockwise."""
    s, re = sigma[place][place], m[place][place]
    if width == 1:
        return Unit((place + 1,), s, re)
    im = m[place + 1][place]
    turned = sigma[place + 1][place + 1] == s and m[place + 1][place + 1] == re
    if not turned or m[place][place + 1] != -im or im <= 0:
        return None
    return Unit((place + 1, place + 2), s, re, im)
