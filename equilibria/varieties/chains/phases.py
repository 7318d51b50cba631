"""Differences of phases between units, and polynomials times their conjugates.

A block whose target terms carry z = exp(i Delta) is a complex polynomial; together with its conjugate it
is the real polynomial |sum over k, l of c_kl Lambda^k (phi z)^l|^2, whose coefficients involve
cos(j Delta) alone. For z = 1 and z = -1 the factor itself is real.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed

Row = tuple[Enclosed, ...]
Rows = Sequence[Row]
ZERO = Enclosed.of(0)


@dataclass(frozen=True, slots=True)
class Phase:
    """z = exp(i Delta) by its cosine; `single` where the block has one real dimension, not two."""

    cosine: Enclosed
    single: bool = False

    @property
    def real(self) -> bool:
        """Return whether z is 1 or -1."""
        return self.cosine.rational in (1, -1)


def phases(first: Unit, second: Unit) -> list[Phase]:
    """Return the phases between two units (T31.2).

    Two modes have one block of one dimension; a mode and a pair have one with its conjugate; two pairs
    have two, at the difference and at the sum of their angles.
    """
    if not first.im and not second.im:
        return [Phase(Enclosed.of(1 if first.re * second.re >= 0 else -1), single=True)]
    size = Enclosed.of(first.square * second.square).root(2)
    signs = (1, -1) if first.im and second.im else (1,)
    if not size:  # a mode without signal
        return [Phase(Enclosed.of(1))] * len(signs)
    return [
        Phase((first.re * second.re + sign * first.im * second.im) * size.inverse())
        for sign in signs
    ]


def times_conjugate(rows: Rows, phase: Phase) -> tuple[tuple[Row, ...], int]:
    """Return the coefficients of Lambda^k phi^l, and how the block and its conjugate are held.

    `rows` holds one row a power of Lambda: the coefficients of (-phi z)^l, l = 0, 1, .... The second
    value is 1 for one real dimension, 0 for a real polynomial that occurs twice, and 2 for the product
    of two conjugate ones.
    """
    if phase.real:
        sign = -1 if phase.cosine.rational == 1 else 1
        signed = tuple(
            tuple(value * sign**order for order, value in enumerate(line)) for line in rows
        )
        return signed, 1 if phase.single else 0
    return _product(rows, phase), 2


def _product(lines: Sequence[Row], phase: Phase) -> tuple[Row, ...]:
    """Return |sum c_kl Lambda^k (-phi z)^l|^2 by powers of Lambda and phi."""
    degree, targets = len(lines) - 1, len(lines[0]) - 1
    cosines = _cosines(phase.cosine, targets)
    total = [[ZERO] * (2 * targets + 1) for _ in range(2 * degree + 1)]
    for k, left in enumerate(lines):
        for j, right in enumerate(lines):
            for order, a in enumerate(left):
                for other, b in enumerate(right):
                    if a and b:
                        sign = (-1) ** (order + other)
                        term = a * b * cosines[abs(order - other)] * sign
                        total[k + j][order + other] = total[k + j][order + other] + term
    return tuple(tuple(row) for row in total)


def _cosines(cosine: Enclosed, most: int) -> list[Enclosed]:
    """Return cos(j Delta) for j = 0, ..., most."""
    values = [Enclosed.of(1), cosine]
    while len(values) <= most:
        values.append(2 * cosine * values[-1] - values[-2])
    return values
