"""Matrices and equations of an aligned stratum of a deep chain (T22.1).

In the frames of the modes every layer is diagonal: layer l of mode i is sqrt(alpha_l/eta_l) u_i, the
last one times the sign of m_i. Its orbit is cut out by

    A_1^T A_1 = sum over i of (alpha_1/eta_1) u_i^2 v_i v_i^T,   P W = W (sum of p_i v_i v_i^T),
    (eta_l/alpha_l) A_l A_l^T = (eta_(l+1)/alpha_(l+1)) A_(l+1)^T A_(l+1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from equilibria.exact.enclosed import Enclosed
from equilibria.systems.model import Model
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.representative import Rows, entry_float
from equilibria.varieties.component import Algebraic, Detail, Entry

ZERO = Fraction(0)


class ChainLifter:
    """Equations and representatives of the aligned strata of one deep model."""

    def __init__(self, model: Model) -> None:
        self.model, self.chain = model, model.chain

    def detail(self, stratum: Sequence[Rest]) -> Detail:
        """Return the equations and one point, active modes on the first units."""
        return Detail(self._equations(stratum), self.point(stratum))

    def point(self, stratum: Sequence[Rest]) -> dict[str, Rows]:
        """Return W1, ..., P1, ... and the targets, layer by layer."""
        point = {name: self._layer(place, stratum) for place, name in enumerate(self.chain.names)}
        if self.model.traits.has_target:
            encoder = self.chain.names[: self.chain.encoder]
            point.update({f"T{name[1:]}": point[name] for name in encoder})
        return point

    def _layer(self, place: int, stratum: Sequence[Rest]) -> Rows:
        rows, columns = self.chain.widths[place + 1], self.chain.widths[place]
        sizes = [self._size(place, rest) for rest in stratum]
        if place == 0:
            return self._first(rows, stratum, sizes)
        blank = (ZERO,) * columns
        filled = [(*blank[:i], size, *blank[i + 1 :]) for i, size in enumerate(sizes)]
        return (*filled, *(blank,) * (rows - len(sizes)))

    def _first(self, rows: int, stratum: Sequence[Rest], sizes: list[Entry]) -> Rows:
        blank: tuple[Entry, ...] = (ZERO,) * self.model.d
        filled: list[tuple[Entry, ...]] = []
        for rest, size in zip(stratum, sizes, strict=True):
            column = rest.mode.number - 1
            if self.model.moments.is_diagonal:
                filled.append((*blank[:column], size, *blank[column + 1 :]))
            else:
                vector = self.model.moments.eigenbasis[2][:, column]
                filled.append(tuple(entry_float(size) * float(x) for x in vector))
        return (*filled, *(blank,) * (rows - len(filled)))

    def _size(self, place: int, rest: Rest) -> Entry:
        sign = rest.sign if place == self.chain.depth - 1 else 1
        value = (rest.square * self.chain.sizes[place]).root(2) * sign
        return entry(value, lambda: self._size_text(place, rest, sign))

    def _size_text(self, place: int, rest: Rest, sign: int) -> str:
        """Return (c p^2)^(1/(2 K)) with c rational, or p itself, with its sign."""
        chain, minus = self.chain, "-" if sign < 0 else ""
        k, p = chain.predictor, rest.place.text()
        scale = Fraction(1)
        for size in chain.sizes[chain.encoder :]:
            scale *= chain.sizes[place] / size
        if scale == 1:
            return f"{minus}({p})" + (f"**(1/{k})" if k > 1 else "")
        return f"{minus}({scale}*({p})**2)**(1/{2 * k})"

    def _equations(self, stratum: Sequence[Rest]) -> tuple[str, ...]:
        chain, letter = self.chain, "e" if self.model.moments.is_diagonal else "v"
        names = chain.names
        gram = [
            (number_text(rest.square * chain.sizes[0]), f"{letter}_{rest.mode.number}")
            for rest in stratum
        ]
        link = [(_signed(rest), f"{letter}_{rest.mode.number}") for rest in stratum]
        lines = [f"{names[0]}^T*{names[0]} = {_outer(gram)}"]
        for place in range(chain.depth - 1):
            left, right = names[place], names[place + 1]
            ratio = chain.sizes[place + 1] / chain.sizes[place]
            factor = "" if ratio == 1 else f"{ratio}*"
            lines.append(f"{right}^T*{right} = {factor}{left}*{left}^T")
        encoder = "*".join(names[: chain.encoder][::-1])
        lines.append(f"{'*'.join(names[::-1])} = {encoder}*({_outer(link)})")
        if self.model.traits.has_target:
            lines += [f"T{name[1:]} = {name}" for name in names[: chain.encoder]]
        return tuple(lines)


def _signed(rest: Rest) -> str:
    text = rest.place.text()
    return text if rest.sign > 0 else f"-({text})"


def _outer(terms: list[tuple[str, str]]) -> str:
    return " + ".join(f"({c})*{v}*{v}^T" for c, v in terms) or "0"


def number_text(value: Enclosed) -> str:
    """Return a rational number as it is, another to 17 digits."""
    return str(value.rational) if value.rational is not None else repr(float(value))


def entry(value: Enclosed, text: Callable[[], str]) -> Entry:
    """Return an entry of a representative; `text` is called where the number is not rational."""
    if value.rational is not None:
        return value.rational
    return Algebraic(float(value), text())
